/* The keyboard. Single letters do nothing while text is typed, or when they are switched off. */

const COMMANDS = [
    ['arrows', 'move the cell, or the tile in the atlas'],
    ['Enter', 'lock the cell, open the head'],
    ['Esc', 'unlock, close'],
    ['Home / End', 'first, last key of the row'],
    ['[ ]', 'previous, next head'],
    ['{ }', 'previous, next layer'],
    ['t', 'encoder, decoder, cross'],
    ['s / S', 'next, previous sentence'],
    ['/', 'search sentences'],
    ['a', 'switch the head off or on'],
    ['c', 'compare'],
    [', .', 'previous, next checkpoint'],
    ['1 … 9', 'views'],
    ['?', 'this help'],
];

function openHelp() {
    const box = $('help');
    show(
        box,
        el('h2', null, 'Keys'),
        table(
            ['key', 'what it does'],
            COMMANDS.map(([key, text]) => [el('kbd', null, key), text]),
        ),
        el(
            'p',
            null,
            el(
                'label',
                null,
                el('input', {
                    type: 'checkbox',
                    checked: !!state.kb,
                    onchange: (e) => go({ kb: e.target.checked ? 1 : 0 }, true),
                }),
                ' single-letter keys',
            ),
        ),
        el('p', { class: 'muted' }, 'The address holds all that is shown: copy it to come back to the same cell.'),
        button('Close', 'Close', () => box.close(), { class: 'main' }),
    );
    box.showModal();
}

/* Moves the locked cell; the text of the new one is said. */
function moveCell(dq, dk, edge) {
    const m = picture && picture.m;
    if (!m) return;
    const from = current() || { q: 0, k: dq || dk ? -1 : 0 };
    const q = Math.max(0, Math.min(m.rows - 1, from.q + dq)),
        k = edge ? (edge < 0 ? 0 : m.cols - 1) : Math.max(0, Math.min(m.cols - 1, from.k + dk));
    hover = null;
    go({ q, k }, true);
    say(cellWords(m, q, k));
}

function stepHead(by) {
    const i = D.headIndex.get(focusName());
    if (D.heads.length) go({ ...headAt(D.heads[(i + by + D.heads.length) % D.heads.length]), q: -1, k: -1 });
    say(headWords(focusName()));
}

function stepLayer(by) {
    const n = layersOf(state.t);
    go({ l: (state.l + by + n) % n, q: -1, k: -1 });
    say(headWords(focusName()));
}

function nextType() {
    const there = TYPES.filter(layersOf),
        t = there[(there.indexOf(state.t) + 1) % there.length];
    go({ t, l: Math.min(state.l, layersOf(t) - 1), q: -1, k: -1 });
    say(headWords(focusName()));
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LETTERS = {
    '[': () => stepHead(-1),
    ']': () => stepHead(1),
    '{': () => stepLayer(-1),
    '}': () => stepLayer(1),
    t: nextType,
    s: () => stepSentence(1),
    S: () => stepSentence(-1),
    a: () => toggleHead(focusName()),
    c: () => go({ v: 'compare' }),
    ',': () => D.steps.length && setStep(stepIndex() - 1),
    '.': () => D.steps.length && setStep(stepIndex() + 1),
    '?': openHelp,
    '/': () => {
        filterOpen = true;
        rendered.delete('bar');
        render();
        $('search').focus();
    },
};

function escape() {
    if (filterOpen && document.activeElement && document.activeElement.id === 'search') {
        filterOpen = false;
        rendered.delete('bar');
        $('search').blur();
        render();
    } else if (state.q >= 0) {
        go({ q: -1, k: -1 }, true);
    }
}

/* True if the key was for the matrix or the atlas. */
function placed(e) {
    const grid = e.target.closest('#grid'),
        at = e.target.closest('.tile'),
        tab = e.target.closest('[role=tab]'),
        by = ARROWS[e.key];
    if (tab && (e.key === 'ArrowLeft' || e.key === 'ArrowRight')) {
        const i = MODES.findIndex(([id]) => id === state.m),
            to = MODES[(i + by[1] + MODES.length) % MODES.length][0];
        go({ m: to });
        $('tab-' + to).focus();
    } else if (at && by) {
        moveTile(at.dataset.head, by[1], by[0]);
    } else if (grid && by) {
        moveCell(...by);
    } else if (grid && (e.key === 'Home' || e.key === 'End')) {
        moveCell(0, 0, e.key === 'Home' ? -1 : 1);
    } else if (grid && e.key === 'Enter' && e.target === grid) {
        if (current()) lock(current());
    } else {
        return false;
    }
    e.preventDefault();
    return true;
}

document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || $('help').open) return;
    if (e.key === 'Escape') {
        escape();
        return;
    }
    if (
        e.target.closest('input:not([type=checkbox]):not([type=range]),textarea,[contenteditable]') ||
        (e.target.nodeName === 'SELECT' && e.key.length === 1) ||
        placed(e)
    )
        return;
    if (!state.kb || e.key.length !== 1) return;
    if (/^[1-9]$/.test(e.key)) {
        go({ v: VIEWS[e.key - 1][0] });
        $('focus').focus({ preventScroll: true });
    } else if (LETTERS[e.key]) {
        LETTERS[e.key]();
    } else {
        return;
    }
    e.preventDefault();
});
