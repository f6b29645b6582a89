/* What is looked at: one flat object, written to the hash of the address and read from it. Ids are names of heads and
 * sentences, never positions in a list. Unknown keys are ignored; values out of range are clamped, and that is said. */

const VIEWS = [
    ['overview', 'Overview'],
    ['head', 'Head'],
    ['compare', 'Compare'],
    ['time', 'Training time'],
    ['phenomena', 'Phenomena'],
    ['ablate', 'Ablation lab'],
    ['align', 'Alignment'],
    ['table', 'Data table'],
    ['about', 'About and caveats'],
];
const MODES = [
    ['matrix', 'Matrix'],
    ['links', 'Links'],
    ['sentence', 'Sentence'],
    ['qk', 'Q·K'],
    ['norm', 'Values (norm)'],
    ['diff', 'Difference'],
    ['rollout', 'Rollout'],
];
const SCALES = [
    ['linear', 'linear, 0 to 1'],
    ['sqrt', 'square root, 0 to 1'],
    ['row', 'each row by its largest'],
];
const GOLDS = [
    ['out', 'gold: predicting row'],
    ['in', 'gold: reading row'],
    ['arcs', 'gold: arcs'],
    ['off', 'no gold'],
];
const TILES = [['thumb', 'pictures']];
const ORDERS = [
    ['layer', 'by layer'],
    ['role', 'by role'],
    ['importance', 'by importance'],
];

const oneOf = (choices) => (text) => (choices.some(([id]) => id === text) ? text : undefined);
const whole = (text) => (/^-?\d{1,9}$/.test(text) ? +text : undefined);
const isHead = (text) => D.headIndex.has(text);
const headSet = (text) => {
    const all = text.split(',').filter(isHead);
    return all.length === text.split(',').length ? setKey(new Set(all)) : undefined;
};

/* key: [default, read]; read gives undefined for what cannot be. Clamping of l, h, q, k needs the others: settle(). */
const KEYS = {
    v: ['overview', oneOf(VIEWS)],
    x: [D.sentences.length ? D.sentences[0].id : '', (text) => (D.sentenceIndex.has(text) ? text : undefined)],
    t: ['', oneOf(TYPES.map((t) => [t]))],
    l: [0, whole],
    h: [0, whole],
    q: [-1, whole],
    k: [-1, whole],
    ck: [null, whole],
    cmp: [
        'none',
        (text) =>
            /^(none|uniform|ck:\d+)$/.test(text) ||
            (isHead(text.slice(5)) && text.startsWith('head:')) ||
            (text.startsWith('sent:') && D.sentenceIndex.has(text.slice(5))) ||
            readWith(text)
                ? text
                : undefined,
    ],
    m: ['matrix', oneOf(MODES)],
    s: ['linear', oneOf(SCALES)],
    hs: [0, (text) => (text === '1' ? 1 : 0)],
    g: ['out', oneOf(GOLDS)],
    ms: [80, (text) => ([50, 80, 95, 100].includes(+text) ? +text : undefined)],
    a: ['thumb', (text) => text],
    o: ['layer', oneOf(ORDERS)],
    abl: ['', headSet],
    p: ['', (text) => text],
    f: ['', (text) => text.slice(0, 100)],
    r: ['', oneOf([['right'], ['wrong']])],
    set: ['', (text) => (D.sentences.some((s) => s.set === text) ? text : undefined)],
    len: ['', oneOf([['8'], ['14'], ['15']])],
    th: ['', oneOf([['light'], ['dark']])],
    kb: [1, (text) => (text === '0' ? 0 : 1)],
};

const state = Object.fromEntries(Object.entries(KEYS).map(([key, [first]]) => [key, first]));
let notices = [];

/* The head that opens: the one that aligns best, otherwise the first. */
const firstHead = () =>
    (D.alignment && D.alignment.winner && isHead(D.alignment.winner.head || '') && D.alignment.winner.head) ||
    D.heads[D.heads.length - 1] ||
    'cross.0.0';

function clampTo(to, key, low, high, what) {
    if (to[key] < low || to[key] > high) {
        const was = to[key];
        to[key] = Math.max(low, Math.min(high, was));
        notices.push(what + ' ' + was + ' is not there; showing ' + to[key] + '.');
    }
}

/* Makes the parts fit one another. */
function settle(to) {
    if (!to.t) {
        const first = headAt(firstHead());
        Object.assign(to, { t: first.t, l: first.l, h: first.h });
    }
    if (!layersOf(to.t)) to.t = TYPES.find(layersOf) || 'cross';
    clampTo(to, 'l', 0, Math.max(0, layersOf(to.t) - 1), 'Layer');
    clampTo(to, 'h', 0, Math.max(0, D.H - 1), 'Head');
    const s = sentenceAt(to.x);
    const rows = s ? sideRows(s, to.t).tokens.length : 0,
        cols = s ? sideKeys(s, to.t).tokens.length : 0;
    clampTo(to, 'q', -1, rows - 1, 'Row');
    clampTo(to, 'k', -1, cols - 1, 'Key');
    if (to.q < 0 || to.k < 0) to.q = to.k = -1;
    if (to.ck !== null && !D.steps.includes(to.ck)) {
        const near = D.steps.reduce(
            (best, x) => (best === null || Math.abs(x - to.ck) < Math.abs(best - to.ck) ? x : best),
            null,
        );
        notices.push(
            'There is no snapshot of step ' +
                to.ck +
                (near === null ? '; showing the model as it is.' : '; showing step ' + near + '.'),
        );
        to.ck = near;
    }
    if (to.cmp.startsWith('ck:') && !D.steps.includes(+to.cmp.slice(3))) {
        notices.push('There is no snapshot to compare with: ' + to.cmp.slice(3) + '.');
        to.cmp = 'none';
    }
    return to;
}

function hashOf(from) {
    const parts = ['z=1'];
    for (const [key, [first]] of Object.entries(KEYS)) {
        const placed = ['t', 'l', 'h', 'x', 'v'].includes(key) && from[key] !== '';
        if (placed || from[key] !== first)
            parts.push(key + '=' + encodeURIComponent(from[key]).replace(/%2C/g, ',').replace(/%3A/g, ':'));
    }
    return '#' + parts.join('&');
}

function readHash(hash) {
    const to = Object.fromEntries(Object.entries(KEYS).map(([key, [first]]) => [key, first]));
    notices = [];
    for (const part of hash.replace(/^#/, '').split('&')) {
        const cut = part.indexOf('='),
            key = part.slice(0, cut);
        if (cut < 1 || !Object.hasOwn(KEYS, key)) continue;
        let text;
        try {
            text = decodeURIComponent(part.slice(cut + 1));
        } catch (e) {
            text = part.slice(cut + 1);
        }
        const value = KEYS[key][1](text);
        if (value === undefined)
            notices.push('The address asks for ' + key + ' = "' + cutText(text, 40) + '", which is not there.');
        else to[key] = value;
    }
    return settle(to);
}

const ablatedHeads = () => (state.abl ? state.abl.split(',') : []);
const focusName = () => headName(state.t, state.l, state.h);
const focusSentence = () => sentenceAt(state.x);
