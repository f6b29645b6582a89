/* Making elements, and numbers as text. Text of the data enters the page here only, as text. */

const $ = (id) => document.getElementById(id);

/* el('td', { class: 'n', onclick: f, data: ['x', 1] }, 'text', child, null, [more]) */
function fill(node, props, kids) {
    for (const [key, value] of Object.entries(props || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
        else if (key === 'style') for (const [name, to] of Object.entries(value)) node.style.setProperty(name, to);
        else if (key in node && typeof value === 'boolean') node[key] = value;
        else node.setAttribute(key, value === true ? '' : value);
    }
    for (const kid of kids.flat(Infinity))
        if (kid !== null && kid !== undefined && kid !== false) node.append(kid.nodeType ? kid : String(kid));
    return node;
}
const el = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
const svg = (tag, props, ...kids) => fill(document.createElementNS($('defs').namespaceURI, tag), props, kids);
const show = (node, ...kids) => {
    node.replaceChildren();
    return fill(node, null, kids);
};

function button(text, title, act, props) {
    return el('button', { type: 'button', title, onclick: act, ...props }, text);
}
function select(label, choices, chosen, act, props) {
    const box = el('select', { 'aria-label': label, onchange: (e) => act(e.target.value), ...props });
    for (const [value, text, off] of choices)
        box.append(el('option', { value, selected: value === chosen, disabled: !!off }, text));
    box.value = chosen;
    return box;
}
function table(head, rows, props) {
    return el(
        'table',
        props,
        el(
            'thead',
            null,
            el(
                'tr',
                null,
                head.map((h) => el('th', { scope: 'col' }, h)),
            ),
        ),
        el(
            'tbody',
            null,
            rows.map((row) =>
                el(
                    'tr',
                    row.props || null,
                    (row.cells || row).map((cell, i) =>
                        cell && cell.nodeName === 'TD' ? cell : el(i ? 'td' : 'th', i ? null : { scope: 'row' }, cell),
                    ),
                ),
            ),
        ),
    );
}
const scroll = (...kids) => el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table' }, kids);

/* ---- numbers ---- */
const known = (x) => typeof x === 'number' && isFinite(x);
function num(x, digits = 2) {
    if (!known(x)) return '–';
    const text =
        Math.abs(x) >= 1e-6 && Math.abs(x) < 0.5 * 10 ** -digits
            ? Number(x.toPrecision(1)).toFixed(6).replace(/0+$/, '')
            : x.toFixed(digits);
    return text.replace('-', '−').replace(/^−(0\.?0*)$/, '$1');
}
const coordinate = (x) => (Math.round(10 * x) / 10).toString(); /* for SVG */
const signed = (x, digits) => (known(x) && x > 0 ? '+' : '') + num(x, digits);
const range = (lo, hi, digits) => (known(lo) && known(hi) ? num(lo, digits) + ' to ' + num(hi, digits) : '');
const percent = (x, digits = 1) => (known(x) ? num(100 * x, digits) + ' %' : '–');
const plural = (n, one, many) => n + ' ' + (n === 1 ? one : many || one + 's');

function cutText(text, most) {
    const points = Array.from(text);
    return points.length > most ? points.slice(0, most - 1).join('') + '…' : text;
}
