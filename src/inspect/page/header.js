/* The top of the page: which run, sentence picker, checkpoint slider, comparison, theme, views. */

function filtered() {
    const text = state.f.toLowerCase();
    return D.sentences.filter(
        (s) =>
            (!state.p || (s.gold && (s.gold.decisions || []).some((d) => d.code === state.p))) &&
            (!state.r || (s.translation && s.translation.exact === (state.r === 'right'))) &&
            (!state.set || s.set === state.set) &&
            (!state.len || lengthGroup(s) === state.len) &&
            (!text ||
                (s.src.tokens.join(' ') + ' ' + s.tgt.tokens.join(' ') + ' ' + s.id).toLowerCase().includes(text)),
    );
}
const lengthGroup = (s) => (s.src.tokens.length <= 8 ? '8' : s.src.tokens.length <= 14 ? '14' : '15');

function stepSentence(by) {
    const list = filtered(),
        i = list.findIndex((s) => s.id === state.x),
        to = list[i < 0 ? 0 : (i + by + list.length) % list.length];
    if (to) go({ x: to.id, q: -1, k: -1 });
}

function compareSelect() {
    const others = D.heads.filter((name) => headAt(name).t === state.t && name !== focusName());
    const choices = [
        ['none', 'compare with: nothing'],
        ['uniform', 'equal weights'],
        ...D.steps.map((step) => ['ck:' + step, 'step ' + step]),
        ...otherChoices(),
        ...others.map((name) => ['head:' + name, name]),
        ...D.sentences
            .filter(
                (s) =>
                    s.id !== state.x &&
                    focusSentence() &&
                    s.src.tokens.length === focusSentence().src.tokens.length &&
                    s.tgt.tokens.length === focusSentence().tgt.tokens.length,
            )
            .map((s) => ['sent:' + s.id, 'sentence ' + s.id]),
    ];
    if (!choices.some(([id]) => id === state.cmp)) choices.push([state.cmp, state.cmp.replace(':', ' ')]);
    return select('Compare with', choices, state.cmp, (cmp) => go({ cmp }));
}

function filterBox() {
    const codes = [
        ...new Set(D.sentences.flatMap((s) => ((s.gold && s.gold.decisions) || []).map((d) => d.code))),
    ].sort();
    const set = (part) => {
        go(part, true);
        const list = filtered();
        if (list.length && !list.some((s) => s.id === state.x)) go({ x: list[0].id }, true);
    };
    return el(
        'details',
        {
            class: 'filter',
            open: filterOpen,
            ontoggle: (e) => {
                filterOpen = e.target.open;
            },
        },
        el(
            'summary',
            { title: 'Filter the sentences (/)' },
            'filter' + (state.p || state.f || state.r || state.len || state.set ? ' ●' : ''),
        ),
        el(
            'div',
            { class: 'pop' },
            select(
                'Phenomenon',
                [['', 'any phenomenon'], ...codes.map((c) => [c, c + ', ' + phenomenonWords(c)])],
                state.p,
                (p) => set({ p }),
            ),
            select(
                'Right or wrong',
                [
                    ['', 'right or wrong'],
                    ['right', 'translated right'],
                    ['wrong', 'translated wrong'],
                ],
                state.r,
                (r) => set({ r }),
            ),
            select(
                'Set',
                [['', 'any set'], ...[...new Set(D.sentences.map((s) => s.set))].map((x) => [x, 'set: ' + x])],
                state.set,
                (to) => set({ set: to }),
            ),
            select(
                'Length',
                [
                    ['', 'any length'],
                    ['8', 'up to 8 tokens'],
                    ['14', '9 to 14'],
                    ['15', '15 and more'],
                ],
                state.len,
                (len) => set({ len }),
            ),
            el('input', {
                type: 'search',
                id: 'search',
                'aria-label': 'Search sentences',
                placeholder: 'words in it',
                value: state.f,
                oninput: (e) => set({ f: e.target.value }),
            }),
        ),
    );
}
let filterOpen = false;

/* ---- checkpoints ---- */
let playing = null;

function setStep(i) {
    const last = D.steps.length - 1;
    go({ ck: i > last ? null : D.steps[Math.max(0, i)] }, true);
}
const stepIndex = () => (state.ck === null ? D.steps.length : D.steps.indexOf(state.ck));

/* Plays the snapshots once; where motion is not wished it goes one step on. */
function play() {
    if (playing) {
        clearInterval(playing);
        playing = null;
    } else if (stillWished.matches) {
        setStep(stepIndex() >= D.steps.length ? 0 : stepIndex() + 1);
    } else {
        setStep(stepIndex() >= D.steps.length ? 0 : stepIndex());
        playing = setInterval(() => {
            setStep(stepIndex() + 1);
            if (state.ck === null) play();
        }, 600);
    }
    render();
}

function sliderBox() {
    if (!D.steps.length) return el('span', { class: 'muted', title: 'train with --snapshots N' }, 'no snapshots');
    return el(
        'span',
        { class: 'slider' },
        button(playing ? '❚❚' : '▶', playing ? 'Stop' : 'Play training', play, {
            'aria-label': playing ? 'Stop' : 'Play training',
        }),
        el('input', {
            type: 'range',
            min: 0,
            max: D.steps.length,
            value: stepIndex(),
            'aria-label': 'Checkpoint',
            'aria-valuetext': stepText(),
            oninput: (e) => setStep(+e.target.value),
        }),
        el('output', { class: 'step' }, stepText()),
    );
}
const stepText = () => (state.ck === null ? 'final' : 'step ' + state.ck);

/* ---- the whole ---- */

function runFacts() {
    const r = D.run;
    $('run-name').textContent = r.name || 'Heads';
    $('run-facts').textContent = [
        known(r.step) && 'step ' + r.step,
        known(r.seed) && 'seed ' + r.seed,
        known(r.loss) && 'loss ' + num(r.loss, 3),
        known(r.measured) && 'measured on ' + plural(r.measured, 'sentence'),
    ]
        .filter(Boolean)
        .join(' · ');
    const bad = D.health.filter((x) => x.level === 'error').length,
        warn = D.health.filter((x) => x.level === 'warning').length,
        badge = $('health');
    badge.textContent = bad ? '✗ ' + plural(bad, 'error') : warn ? '⚠ ' + plural(warn, 'warning') : '✓ healthy';
    badge.className = 'health ' + (bad ? 'error' : warn ? 'warning' : 'fine');
    badge.title = D.health.length
        ? D.health
              .slice(0, 5)
              .map((x) => x.text)
              .join('\n')
        : 'rows sum to 1, masked cells are 0, no head looks untrained';
    badge.onclick = () => go({ v: 'about' });
}

const sentenceText = (s) =>
    (s.translation && s.translation.exact === false ? '✗ ' : '') +
    s.id +
    ': ' +
    cutText(s.src.tokens.filter((_, i) => !(s.src.flags[i] & 7)).join(' '), 60);

function headerView(host) {
    const list = filtered(),
        shown = list.some((s) => s.id === state.x) || !focusSentence() ? list : [focusSentence(), ...list];
    const typing = document.activeElement && document.activeElement.id === 'search',
        caret = typing ? $('search').selectionStart : 0;
    show(
        host,
        el(
            'span',
            { class: 'pick' },
            button('‹', 'Previous sentence (S)', () => stepSentence(-1), { 'aria-label': 'Previous sentence' }),
            select(
                'Sentence',
                shown.map((s) => [s.id, sentenceText(s)]),
                state.x,
                (x) => go({ x, q: -1, k: -1 }),
                { id: 'sentence', disabled: !D.sentences.length },
            ),
            button('›', 'Next sentence (s)', () => stepSentence(1), { 'aria-label': 'Next sentence' }),
            el('span', { class: 'muted' }, list.length + ' of ' + D.sentences.length),
            filterBox(),
        ),
        sliderBox(),
        compareSelect(),
        button(
            theme() === 'dark' ? '☀ light' : '☾ dark',
            'Dark or light',
            () => go({ th: theme() === 'dark' ? 'light' : 'dark' }, true),
            { id: 'theme' },
        ),
        button('?', 'Keys and help', openHelp, { 'aria-label': 'Help' }),
    );
    if (typing) {
        $('search').focus();
        $('search').setSelectionRange(caret, caret);
    }
}

function navView(host) {
    show(
        host,
        VIEWS.map(([id, text], i) =>
            el(
                'button',
                { type: 'button', 'aria-current': state.v === id ? 'page' : null, onclick: () => go({ v: id }) },
                el('kbd', null, i + 1),
                ' ' + text,
            ),
        ),
    );
}
