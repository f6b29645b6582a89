/* What stands in the page: inspect.json and blocks in base64, each decoded when it is first asked for. Parts that are
 * missing are empty lists or null here, and the views say that they are. */

const TYPES = ['enc', 'dec', 'cross'];
const TYPE_WORDS = { enc: 'Encoder', dec: 'Decoder', cross: 'Cross' };
const SPECIAL = 15,
    PUNCTUATION = 16;
const MASKED = 1,
    HIDDEN = 2; /* codes of cells that are not drawn as a weight */

const D = (() => {
    const node = $('inspect');
    let from = {},
        error = '';
    try {
        from = JSON.parse(node ? node.textContent : '');
    } catch (e) {
        error = 'The data of this page cannot be read: ' + e.message;
    }
    const list = (x) => (Array.isArray(x) ? x : []);
    const d = { ...from, error };
    d.run = from.run || {};
    d.model = from.model || {};
    d.model.layers = d.model.layers || {};
    for (const key of [
        'summary',
        'heads',
        'sentences',
        'blocks',
        'measures',
        'roles',
        'health',
        'caveats',
        'examples',
        'carriers',
    ])
        d[key] = list(from[key]);
    for (const key of ['about', 'thresholds']) d[key] = from[key] || {};
    for (const key of [
        'alignment',
        'ablation',
        'similarity',
        'faithfulness',
        'snapshots',
        'pairs',
        'patching',
        'agreement',
        'seeds',
    ])
        d[key] = from[key] || null;
    d.H = d.model.heads || 0;
    d.headIndex = new Map(d.heads.map((name, i) => [name, i]));
    d.sentenceIndex = new Map(d.sentences.map((s, i) => [s.id, i]));
    d.blockIndex = new Map(d.blocks.map((b) => [b.id, b]));
    d.steps = d.snapshots ? list(d.snapshots.steps) : [];
    d.toy = !!d.run.gold; /* its languages are known */
    return d;
})();

const layersOf = (t) => D.model.layers[t] || 0;
const headName = (t, l, h) => t + '.' + l + '.' + h;
const headAt = (name) => {
    const [t, l, h] = name.split('.');
    return { t, l: +l, h: +h };
};
const sentenceAt = (id) => D.sentences[D.sentenceIndex.get(id)] || null;
const rolesOf = (name) => D.roles[D.headIndex.get(name)] || { labels: [], idle: null, text: 'not measured' };

/* ---- blocks ---- */

const decoded = new Map(); /* the last used come last */
const DECODED_MOST = 256;

function bytesOf(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const raw = atob(text),
        bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return bytes;
}

/* { data, unit, shape }, or null if the block is not there or not what it says it is. */
function block(id) {
    const kept = decoded.get(id);
    if (kept) return kept;
    const about = D.blockIndex.get(id),
        node = about && $(id);
    if (!node) return null;
    const cells = about.shape.reduce((a, b) => a * b, 1);
    let bytes;
    try {
        bytes = bytesOf(node.textContent);
    } catch (e) {
        return null;
    }
    const size = { u8: 1, u16: 2, f32: 4 }[about.dtype];
    if (!size || bytes.length !== cells * size) return null;
    const data = size === 1 ? bytes : size === 2 ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer);
    const made = { data, unit: { 1: 255, 2: 65535, 4: 1 }[size], shape: about.shape };
    decoded.set(id, made);
    if (decoded.size > DECODED_MOST) decoded.delete(decoded.keys().next().value);
    return made;
}

function blockId(s, t, kind, ck, model) {
    if (known(model)) return 'm-' + s.id + '-' + t + '-' + model;
    const letter = { attention: 'a', norm: 'n', rollout: 'r', q: 'q', k: 'k' }[kind];
    return known(ck) && kind === 'attention' ? 's-' + s.id + '-' + t + '-' + ck : letter + '-' + s.id + '-' + t;
}

/* ---- one head and sentence ---- */

const sideRows = (s, t) => (t === 'enc' ? s.src : s.tgt);
const sideKeys = (s, t) => (t === 'dec' ? s.tgt : s.src);

/* A matrix: { rows, cols, values, codes, removed, head, s, t }, rows queries, columns keys. opts: kind ('attention',
 * 'norm', 'rollout'), ck, model (another one's weights), hide (special keys left out, rows renormalised). Null if it is not in the page. */
function matrixOf(s, t, l, h, opts = {}) {
    const kind = opts.kind || 'attention',
        from = s && block(blockId(s, t, kind, opts.ck, opts.model));
    if (!from) return null;
    const n = from.shape.length,
        rows = from.shape[n - 2],
        cols = from.shape[n - 1];
    const start = n === 4 ? (l * from.shape[1] + h) * rows * cols : 0;
    const m = {
        rows,
        cols,
        s,
        t,
        values: new Float32Array(rows * cols),
        codes: new Uint8Array(rows * cols),
        removed: new Float32Array(rows),
        hide: !!opts.hide,
        signed: false,
    };
    const flags = sideKeys(s, t).flags;
    for (let q = 0; q < rows; q++) {
        let gone = 0;
        for (let k = 0; k < cols; k++) {
            const at = q * cols + k;
            m.values[at] = from.data[start + at] / from.unit;
            if (t === 'dec' && k > q) m.codes[at] = MASKED;
            else if (flags[k] & SPECIAL) gone += m.values[at];
        }
        m.removed[q] = gone;
        if (m.hide) hideSpecials(m, q, flags, gone);
    }
    return m;
}

/* A row of which less than 0.05 is left is a sink row: nothing of it is shown. */
function hideSpecials(m, q, flags, gone) {
    const left = 1 - gone;
    for (let k = 0; k < m.cols; k++) {
        const at = q * m.cols + k;
        if (m.codes[at] === MASKED) continue;
        if (flags[k] & SPECIAL || left < 0.05) m.codes[at] = HIDDEN;
        m.values[at] = m.codes[at] ? 0 : m.values[at] / left;
    }
}

/* a - b, where both have a cell. */
function difference(a, b) {
    const m = { ...a, values: new Float32Array(a.values.length), codes: new Uint8Array(a.codes), signed: true };
    for (let i = 0; i < m.values.length; i++) {
        m.codes[i] = Math.max(a.codes[i], b.codes[i]);
        m.values[i] = m.codes[i] ? 0 : a.values[i] - b.values[i];
    }
    return m;
}

/* What equal weights would be. */
function uniformLike(a) {
    const m = { ...a, values: new Float32Array(a.values.length) };
    for (let q = 0; q < a.rows; q++) {
        let n = 0;
        for (let k = 0; k < a.cols; k++) n += a.codes[q * a.cols + k] === 0;
        for (let k = 0; k < a.cols; k++) m.values[q * a.cols + k] = a.codes[q * a.cols + k] ? 0 : 1 / n;
    }
    return m;
}

/* ---- measures ---- */

const measureName = (c) =>
    [
        c.id,
        c.variant !== 'raw' ? c.variant : '',
        c.kind || '',
        c.shift || '',
        known(c.offset) ? (c.offset > 0 ? '+' : '') + c.offset : '',
    ]
        .filter(Boolean)
        .join(' ')
        .replace(/_/g, ' ');

const findMeasure = (t, id, more = {}) =>
    D.measures.find(
        (c) => c.type === t && c.id === id && Object.entries(more).every(([key, value]) => c[key] === value),
    ) || null;

function measureOf(column, l, h) {
    if (!column) return null;
    const i = l * D.H + h,
        at = (key) => (column[key] ? column[key][i] : null);
    return {
        value: at('value'),
        lo: at('lo'),
        hi: at('hi'),
        n: at('n'),
        sentences: at('sentences'),
        chance: at('chance'),
        untrained: at('untrained'),
    };
}

const effectOf = (name, variant = 'zero') =>
    (D.ablation && (D.ablation.effects || []).find((e) => e.head === name && e.variant === variant)) || null;
const importanceOf = (name) => {
    const { t, l, h } = headAt(name);
    return measureOf(findMeasure(t, 'importance'), l, h);
};

/* The head that most of a phenomenon hangs on: by 'patching' (a share), by 'margin' (log p it loses). */
const carrierOf = (code, by) => D.carriers.find((c) => c.code === code && c.by === by && isHead(c.head)) || null;

const CARRIES = 0.05; /* less is not worth a word */

/* What a head carries of phenomena, most first: [[code, E]] of those that matter. */
function carriedBy(name) {
    const i = D.headIndex.get(name);
    return Object.entries(D.patching || {})
        .map(([code, p]) => [code, (p.effects || [])[i]])
        .filter(([, e]) => e && e.matters && e.value >= CARRIES)
        .sort((a, b) => b[1].value - a[1].value);
}

/* The key of a set of heads in the ablation cache: in the order of all heads. */
const setKey = (names) => [...names].sort((a, b) => D.headIndex.get(a) - D.headIndex.get(b)).join(',');

/* { words, loss, same } of a sentence without those heads; null if it was not computed. */
function ablated(s, names) {
    const own = s.translation || { words: [] };
    if (!names.length) return { words: own.words, loss: own.loss, same: true };
    const cached = D.ablation && D.ablation.cache && D.ablation.cache[setKey(names)];
    if (!cached) return null;
    const i = D.sentenceIndex.get(s.id),
        text = cached.translations[i];
    if (text === undefined) return null;
    return {
        words: text === null ? own.words : text.split(' ').filter(Boolean),
        loss: cached.losses[i],
        same: text === null,
    };
}
