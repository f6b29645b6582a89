/* Colours: ramps whose luminance rises or falls strictly for normal, protan, deutan and tritan sight, a diverging
 * one for differences, and six colours of Okabe and Ito, never without a letter. Zero is the paper, what is
 * masked is hatched. */

const RAMPS = {
    light: ['#e7feff', '#98d2fe', '#5ba3e2', '#3774b7', '#27487c', '#19233a'],
    dark: ['#0d1321', '#173962', '#17669d', '#3398cb', '#77caea', '#cef7ff'],
    signed: ['#17559b', '#79a9db', '#f5f5f5', '#e4a067', '#9b4805'],
};
const PAPER = { light: '#ffffff', dark: '#070a11' };

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const TABLE = 1024;

function rampTable(stops) {
    const points = stops.map(channels),
        out = new Uint8Array((TABLE + 1) * 3);
    for (let i = 0; i <= TABLE; i++) {
        const at = (i / TABLE) * (points.length - 1),
            low = Math.min(points.length - 2, Math.floor(at));
        for (let c = 0; c < 3; c++)
            out[3 * i + c] = Math.round(points[low][c] + (points[low + 1][c] - points[low][c]) * (at - low));
    }
    return out;
}
const tables = Object.fromEntries(Object.entries(RAMPS).map(([name, stops]) => [name, rampTable(stops)]));

const darkWished = matchMedia('(prefers-color-scheme: dark)');
const forcedColours = matchMedia('(forced-colors: active)');
const stillWished = matchMedia('(prefers-reduced-motion: reduce)');
const theme = () => state.th || (darkWished.matches ? 'dark' : 'light');

/* The colour of a value already on the scale, as [r, g, b]: 0 .. 1, or -1 .. 1 for differences. */
function rgbOf(x, isSigned, which = theme()) {
    if (!isSigned && x <= 0) return channels(PAPER[which]);
    const t = tables[isSigned ? 'signed' : which];
    const i = 3 * Math.round(TABLE * Math.max(0, Math.min(1, isSigned ? (x + 1) / 2 : x)));
    return [t[i], t[i + 1], t[i + 2]];
}
/* The same as CSS text, and a byte's colour as a pixel of ImageData: tables, for pictures of many cells. */
const cssTables = {};
function cssTable(isSigned, which = theme()) {
    const key = isSigned ? 'signed' : which;
    return (
        cssTables[key] ||
        (cssTables[key] = Array.from({ length: TABLE + 1 }, (_, i) =>
            cssOf(rgbOf(isSigned ? (2 * i) / TABLE - 1 : i / TABLE, isSigned, which)),
        ))
    );
}
const cssIndex = (x, isSigned) =>
    x > 0 || isSigned ? Math.max(isSigned ? 0 : 1, Math.round(TABLE * Math.min(1, isSigned ? (x + 1) / 2 : x))) : 0;
function pixelTable(map) {
    const bytes = new Uint8Array(4 * 256);
    for (let i = 0; i < 256; i++) bytes.set([...rgbOf(map(i / 255), false), 255], 4 * i);
    return new Uint32Array(bytes.buffer);
}
const cssOf = (rgb) => 'rgb(' + rgb.join(',') + ')';
const inkOn = (rgb) => (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? '#0c1322' : '#ffffff');

/* Values on the scale shown: never made to fit silently. */
function scaled(m) {
    const out = new Float32Array(m.values.length);
    for (let q = 0; q < m.rows; q++) {
        let most = 0;
        for (let k = 0; k < m.cols; k++) most = Math.max(most, m.values[q * m.cols + k]);
        for (let i = q * m.cols; i < (q + 1) * m.cols; i++)
            out[i] =
                m.signed || state.s === 'linear'
                    ? m.values[i]
                    : state.s === 'sqrt'
                      ? Math.sqrt(m.values[i])
                      : most > 0
                        ? m.values[i] / most
                        : 0;
    }
    return out;
}
const scaleWords = (m) => (m && m.signed ? 'difference, −1 to 1' : SCALES.find(([id]) => id === state.s)[1]);

/* Groups of phenomena: a letter and one of six colours (style.css: --g0 .. --g5). */
const GROUPS = [
    ['N', 'number', /^NUM/],
    ['G', 'gender', /^GEN-|POSS/],
    ['O', 'order', /ORDER|GENITIVE/],
    ['S', 'sense', /HOMONYM|VERB-SENSE/],
    ['P', 'pronoun', /CLITIC|CL-|ANAPHOR/],
    ['F', 'form', /./],
];
const groupOf = (code) => GROUPS.findIndex(([, , like]) => like.test(code));
