/* One matrix as a picture: cells on a canvas, labels as elements. Rows are queries. A decoder's row has two labels:
 * what it reads and what it predicts. */

const LABEL_MOST = 12,
    CELL_MOST = 40,
    CELL_LABELLED = 9;

/* The picture's sizes for so much room. */
function layOut(m, room, compact) {
    const narrow = room < 420;
    let label = compact ? 0 : m.t === 'enc' ? 96 : narrow ? 108 : 176;
    let cell = Math.floor((room - label - 32) / m.cols);
    if (cell < CELL_LABELLED) {
        label = compact ? 0 : 26;
        cell = Math.floor((room - label - 2) / m.cols);
    }
    cell = Math.max(3, Math.min(compact ? 16 : CELL_MOST, cell));
    const labelled = !compact && cell >= CELL_LABELLED;
    const upright = labelled && cell < 18;
    return {
        cell,
        label,
        labelled,
        upright,
        top: compact ? 0 : labelled ? (upright ? 84 : 66) : 18,
        width: cell * m.cols,
        height: cell * m.rows,
    };
}

function hatch(context, step, ink) {
    const tile = document.createElement('canvas');
    tile.width = tile.height = step;
    const c = tile.getContext('2d');
    c.strokeStyle = ink;
    c.lineWidth = Math.max(1, step / 6);
    c.beginPath();
    for (const shift of [-step, 0, step]) {
        c.moveTo(shift, step);
        c.lineTo(shift + step, 0);
    }
    c.stroke();
    return context.createPattern(tile, 'repeat');
}

/* Cells whose gold links are outlined: [[row, key, sure]]. */
function goldCells(s, t, shift) {
    const gold = s.gold;
    if (!gold || shift === 'off') return [];
    if (t !== 'cross' || shift === 'arcs')
        return (gold.arcs || [])
            .filter((a) => a.type === t)
            .flatMap((a) => {
                const row = shift === 'in' && known(a.row_in) ? a.row_in : a.row;
                return a.keys.map((k) => [row, k, true]);
            });
    const sure = new Set((gold.sure || []).map(String));
    return (gold.possible || []).map((link) => [link[1] + (shift === 'in' ? 1 : 0), link[0], sure.has(String(link))]);
}

/* Draws cells into a canvas of the picture's size. */
function paint(canvas, m, lay, gold) {
    const ratio = window.devicePixelRatio || 1,
        plain = forcedColours.matches;
    canvas.width = Math.max(1, Math.round(lay.width * ratio));
    canvas.height = Math.max(1, Math.round(lay.height * ratio));
    canvas.style.width = lay.width + 'px';
    canvas.style.height = lay.height + 'px';
    const c = canvas.getContext('2d'),
        side = lay.cell * ratio,
        values = scaled(m),
        style = getComputedStyle(canvas);
    const edge = (i) => Math.round(i * side),
        colours = cssTable(m.signed);
    c.fillStyle = plain ? style.backgroundColor : PAPER[theme()];
    c.fillRect(0, 0, canvas.width, canvas.height);
    const lines = hatch(c, Math.max(4, Math.round(5 * ratio)), style.getPropertyValue('--hatch'));
    for (let q = 0; q < m.rows; q++)
        for (let k = 0; k < m.cols; k++) {
            const at = q * m.cols + k,
                x = edge(k),
                y = edge(q),
                w = edge(k + 1) - x,
                h = edge(q + 1) - y;
            if (m.codes[at] === HIDDEN || plain) continue;
            c.fillStyle = m.codes[at] === MASKED ? lines : colours[cssIndex(values[at], m.signed)];
            c.fillRect(x, y, w, h);
        }
    if (plain) paintDigits(c, m, values, side, style.color);
    if (lay.cell >= 14) {
        c.strokeStyle = style.getPropertyValue('--grid');
        c.lineWidth = 1;
        c.beginPath();
        for (let k = 0; k <= m.cols; k++) (c.moveTo(edge(k) - 0.5, 0), c.lineTo(edge(k) - 0.5, canvas.height));
        for (let q = 0; q <= m.rows; q++) (c.moveTo(0, edge(q) - 0.5), c.lineTo(canvas.width, edge(q) - 0.5));
        c.stroke();
    }
    paintGold(c, gold, m, edge, ratio, lay.cell, style);
}

/* In forced colours: tenths as digits, `/` masked. */
function paintDigits(c, m, values, side, ink) {
    c.fillStyle = c.strokeStyle = ink;
    c.font = Math.max(6, side * 0.6) + 'px monospace';
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    for (let i = 0; i < values.length; i++) {
        const x = ((i % m.cols) + 0.5) * side,
            y = (Math.floor(i / m.cols) + 0.5) * side;
        const digit =
            m.codes[i] === MASKED
                ? '/'
                : m.codes[i]
                  ? ''
                  : values[i] < 0
                    ? '−'
                    : String(Math.min(9, Math.floor(values[i] * 10)));
        c.fillText(digit === '0' ? '·' : digit, x, y);
    }
}

function paintGold(c, gold, m, edge, ratio, cell, style) {
    const width = (cell >= 14 ? 2 : 1) * ratio;
    for (const [q, k, sure] of gold || []) {
        if (q >= m.rows || k >= m.cols) continue;
        const x = edge(k) + width / 2,
            y = edge(q) + width / 2,
            w = edge(k + 1) - edge(k) - width,
            h = edge(q + 1) - edge(q) - width;
        c.setLineDash([]);
        c.lineWidth = width;
        if (cell >= 14) {
            c.strokeStyle = PAPER[theme()];
            c.strokeRect(x + width, y + width, w - 2 * width, h - 2 * width);
        }
        c.strokeStyle = style.getPropertyValue('--gold');
        if (!sure) c.setLineDash([3 * ratio, 2 * ratio]);
        c.strokeRect(x, y, w, h);
    }
    c.setLineDash([]);
}

/* ---- labels ---- */
const langOf = (s, isSource) => (D.toy && s.set !== 'data' ? (isSource ? 'en' : 'fr') : null);

function tokenLabel(s, side, i, props) {
    const isSource = side === s.src,
        special = side.flags[i] & SPECIAL;
    return el(
        'span',
        {
            lang: special ? null : langOf(s, isSource),
            dir: 'auto',
            ...props,
            class: 'token' + (special ? ' special' : '') + (props && props.class ? ' ' + props.class : ''),
        },
        cutText(side.tokens[i] || '∅', LABEL_MOST),
    );
}

function rowLabel(s, t, q) {
    const side = sideRows(s, t);
    if (t === 'enc') return [tokenLabel(s, side, q)];
    const next = s.tgt.predicts ? s.tgt.predicts[q] : '';
    return [
        tokenLabel(s, side, q, { class: 'reads' }),
        el('span', { class: 'arrow', 'aria-hidden': 'true' }, '▸'),
        el('span', { class: 'token predicts', lang: langOf(s, false), dir: 'auto' }, cutText(next || '∅', LABEL_MOST)),
    ];
}

function labels(m, lay) {
    const out = [],
        { s, t } = m,
        size = Math.max(9, Math.min(13, lay.cell - 2));
    for (let q = 0; q < m.rows; q++)
        if (lay.labelled)
            out.push(
                el(
                    'div',
                    {
                        class: 'row-label',
                        'data-q': q,
                        style: {
                            top: lay.top + q * lay.cell + 'px',
                            width: lay.label - 6 + 'px',
                            height: lay.cell + 'px',
                            'line-height': lay.cell + 'px',
                            'font-size': size + 'px',
                        },
                    },
                    rowLabel(s, t, q),
                ),
            );
        else if (q % 5 === 0)
            out.push(
                el(
                    'div',
                    {
                        class: 'row-label tick',
                        style: { top: lay.top + q * lay.cell + 'px', width: lay.label - 4 + 'px' },
                    },
                    q,
                ),
            );
    for (let k = 0; k < m.cols; k++)
        if (lay.labelled)
            out.push(
                el(
                    'div',
                    {
                        class: 'col-label' + (lay.upright ? ' upright' : ''),
                        'data-k': k,
                        style: {
                            left: lay.label + (k + 0.5) * lay.cell + 'px',
                            top: lay.top - 4 + 'px',
                            'font-size': size + 'px',
                        },
                    },
                    tokenLabel(s, sideKeys(s, t), k),
                ),
            );
        else if (k % 5 === 0)
            out.push(
                el('div', { class: 'col-label tick', style: { left: lay.label + k * lay.cell + 'px', top: '2px' } }, k),
            );
    return out;
}
