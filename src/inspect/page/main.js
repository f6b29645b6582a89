/* From state to page: each part is drawn anew only when what it depends on has changed. */

const rendered = new Map(); /* part -> what it was drawn from */
const say = (text) => {
    $('live').textContent = text;
};

const CENTRES = {
    overview: overviewView,
    head: focusView,
    compare: compareView,
    time: timeView,
    phenomena: phenomenaView,
    ablate: labView,
    align: alignView,
    table: tableView,
    about: aboutView,
};

/* What each part depends on besides the theme and the width. */
const headKeys = (s) => [s.t, s.l, s.h].join('.');
const PARTS = [
    ['bar', headerView, (s) => [s.x, s.t, s.l, s.h, s.ck, s.cmp, s.p, s.r, s.f, s.len, s.set, !!playing]],
    ['views', navView, (s) => [s.v]],
    ['atlas', atlasView, (s) => [s.x, s.ck, s.s, s.hs, s.a, s.o]],
    [
        'focus',
        (host) => (CENTRES[state.v] || overviewView)(host),
        (s) => [
            s.v,
            s.x,
            headKeys(s),
            s.ck,
            s.cmp,
            s.m,
            s.s,
            s.hs,
            s.g,
            s.ms,
            ['overview', 'ablate'].includes(s.v) ? s.abl : '',
            s.v === 'phenomena' ? s.p : '',
        ],
    ],
    ['inspector', inspectorView, (s) => [headKeys(s), s.abl]],
    ['strip', stripView, (s) => [s.x, s.abl]],
];

/* Drawing anew keeps the keyboard's place: by id, by tile, by toggle. */
function keepFocus(draw) {
    const on = document.activeElement,
        by =
            on &&
            (on.id
                ? '#' + CSS.escape(on.id)
                : on.dataset && on.dataset.head
                  ? '[data-head="' + on.dataset.head + '"]'
                  : on.dataset && on.dataset.toggle
                    ? '[data-toggle="' + on.dataset.toggle + '"]'
                    : on.getAttribute && on !== document.body && on.getAttribute('aria-label')
                      ? on.nodeName + '[aria-label="' + CSS.escape(on.getAttribute('aria-label')) + '"]'
                      : '');
    draw();
    if (by && document.activeElement === document.body) {
        const to = document.querySelector(by);
        if (to) to.focus({ preventScroll: true });
    }
}

function render() {
    document.documentElement.dataset.theme = theme();
    keepFocus(() => {
        for (const [id, draw, from] of PARTS) {
            const key = JSON.stringify([from(state), theme(), innerWidth, devicePixelRatio, forcedColours.matches]);
            if (rendered.get(id) === key) continue;
            rendered.set(id, key);
            draw($(id));
        }
    });
    markAtlas();
    if (state.v === 'head') readout();
    const box = $('notice');
    if (box.textContent !== notices.join(' ')) show(box, notices.join(' '));
}

/* Changes the state, and the address: a new entry of the history, or (slide) the same one. */
function go(part, slide = false) {
    notices = [];
    const to = settle({ ...state, ...part });
    if (hover && (to.t !== state.t || to.x !== state.x)) hover = null;
    Object.assign(state, to);
    const hash = hashOf(state);
    if (hash !== location.hash) history[slide ? 'replaceState' : 'pushState'](null, '', hash);
    render();
}

function fromAddress() {
    hover = null;
    Object.assign(state, readHash(location.hash));
    render();
}

/* ---- checks of its own: #selftest ---- */
function selfTest() {
    for (const s of D.sentences)
        for (const name of D.heads) {
            const { t, l, h } = headAt(name),
                m = matrixOf(s, t, l, h);
            for (let q = 0; m && q < m.rows; q++) {
                let sum = 0;
                for (let k = 0; k < m.cols; k++) {
                    sum += m.values[q * m.cols + k];
                    if (m.codes[q * m.cols + k] === MASKED && m.values[q * m.cols + k] !== 0)
                        return name + ' of ' + s.id + ' looks at a masked key';
                }
                if (Math.abs(sum - 1) > 1e-3 && sum !== 0)
                    return name + ' of ' + s.id + ': row ' + q + ' sums to ' + sum;
            }
        }
    return hashOf(readHash(hashOf(state))) === hashOf(state) ? 'pass' : 'the address does not come back';
}

/* ---- start ---- */
const ready = new Promise((done) => {
    runFacts();
    if (D.error || D.schema !== 'heed.inspect' || D.version !== 1)
        show(
            $('notice'),
            D.error || 'This page reads version 1 of heed.inspect; the data says ' + D.schema + ' ' + D.version + '.',
        );
    const first = D.error || '';
    Object.assign(state, readHash(location.hash));
    if (first) notices.push(first);
    else if (D.schema !== 'heed.inspect' || D.version !== 1)
        notices.push('This page reads version 1 of heed.inspect; the data says ' + D.schema + ' ' + D.version + '.');
    render();
    addEventListener('popstate', fromAddress);
    addEventListener('resize', () => render());
    for (const query of [darkWished, forcedColours]) query.addEventListener('change', () => render());
    addEventListener('beforeprint', () => {
        if (state.v === 'overview') {
            rendered.clear();
        }
    });
    if (location.hash === '#selftest') document.documentElement.dataset.selftest = selfTest();
    document.title = (D.run.name ? D.run.name + ': ' : '') + 'heads';
    document.documentElement.dataset.ready = '1';
    done();
});

window.inspector = Object.freeze({
    ready,
    get state() {
        return Object.freeze({ ...state });
    },
    get hash() {
        return hashOf(state);
    },
    data: D,
    getCell(t, l, h, q, k, sentence) {
        const m = matrixOf(sentence ? sentenceAt(sentence) : focusSentence(), t, l, h);
        return m && q < m.rows && k < m.cols ? m.values[q * m.cols + k] : null;
    },
    /* What the picture draws: its cells' size, place on the screen, values and colours. */
    get picture() {
        if (!picture || !picture.cells) return null;
        const at = picture.cells.getBoundingClientRect(),
            m = picture.m;
        return {
            x: at.x,
            y: at.y,
            cell: picture.lay.cell,
            rows: m.rows,
            cols: m.cols,
            values: Array.from(m.values),
            codes: Array.from(m.codes),
        };
    },
    linkCount: () => {
        const m = focusMatrix().m;
        return m ? linkSet(m).links.length : 0;
    },
});
