/* Other pictures of the same matrix: links between words, the sentence shaded, and the terms of one score. */

const LINKS_MOST = 512,
    SHARE = 0.8; /* of a row's weight, to begin with */
const share = () => (state.m === 'links' ? state.ms / 100 : SHARE);

/* Each row's smallest set of keys that holds the share of its weight. */
function linkSet(m) {
    const out = [];
    for (let q = 0; q < m.rows; q++) for (const k of topKeys(m, q, share())) out.push([q, k, m.values[q * m.cols + k]]);
    if (out.length <= LINKS_MOST) return { links: out, left: 0 };
    const least = out.map((x) => Math.abs(x[2])).sort((a, b) => b - a)[LINKS_MOST - 1];
    const links = out.filter((x) => Math.abs(x[2]) >= least).slice(0, LINKS_MOST);
    return { links, left: out.length - links.length };
}

function linksPicture(m, room) {
    const step = 24,
        wide = Math.min(room, 640),
        side = Math.min(190, Math.floor(wide * 0.34)),
        height = Math.max(m.rows, m.cols) * step + 8;
    const { links, left } = linkSet(m),
        keys = sideKeys(m.s, m.t);
    const at = (i) => i * step + step / 2 + 4;
    const paths = links.map(([q, k, x]) =>
        svg('path', {
            'data-row': q,
            class: x < 0 ? 'less' : '',
            d:
                'M' +
                side +
                ' ' +
                at(q) +
                'C' +
                wide / 2 +
                ' ' +
                at(q) +
                ' ' +
                wide / 2 +
                ' ' +
                at(k) +
                ' ' +
                (wide - side) +
                ' ' +
                at(k),
            'stroke-width': coordinate(0.6 + 3.4 * Math.abs(x)),
            'stroke-opacity': coordinate(0.25 + 0.75 * Math.abs(x)),
        }),
    );
    const box = el(
        'div',
        {
            class: 'links',
            id: 'grid',
            role: 'grid',
            tabindex: 0,
            'aria-label': focusName() + ': links; arrow keys move',
            style: { width: wide + 'px', height: height + 'px' },
        },
        svg('svg', { width: wide, height, 'aria-hidden': 'true' }, paths),
        Array.from({ length: m.rows }, (_, q) =>
            el(
                'div',
                {
                    class: 'row-label',
                    'data-q': q,
                    style: { top: at(q) - 12 + 'px', width: side - 8 + 'px', height: '24px', 'line-height': '24px' },
                },
                rowLabel(m.s, m.t, q),
            ),
        ),
        Array.from({ length: m.cols }, (_, k) =>
            el(
                'div',
                {
                    class: 'key-label',
                    'data-k': k,
                    style: {
                        top: at(k) - 12 + 'px',
                        left: wide - side + 8 + 'px',
                        height: '24px',
                        'line-height': '24px',
                    },
                },
                tokenLabel(m.s, keys, k),
            ),
        ),
        left > 0 && el('p', { class: 'muted' }, plural(left, 'fainter link') + ' left out'),
    );
    const find = (e) => {
        const node = e.target.closest('[data-q],[data-k],[data-row]');
        if (!node) return null;
        const q =
            node.dataset.row !== undefined
                ? +node.dataset.row
                : node.dataset.q !== undefined
                  ? +node.dataset.q
                  : (current() || { q: 0 }).q;
        return { q, k: node.dataset.k !== undefined ? +node.dataset.k : topKeys(m, q, SHARE)[0] || 0 };
    };
    box.addEventListener('pointermove', (e) => {
        const now = find(e);
        if (now) {
            hover = now;
            readout();
        }
    });
    box.addEventListener('pointerleave', () => {
        hover = null;
        readout();
    });
    box.addEventListener('click', (e) => {
        const now = find(e);
        hover = null;
        if (now) lock(now);
    });
    const light = (now) => {
        for (const path of paths) path.classList.toggle('on', !!now && +path.dataset.row === now.q);
        box.classList.toggle('picking', !!now);
    };
    return { m, lay: null, box, cross: null, light };
}

/* One row over the words of its keys; the rows' words choose it. */
function sentencePicture(m) {
    const keys = sideKeys(m.s, m.t),
        box = el('div', {
            class: 'shaded',
            id: 'grid',
            role: 'grid',
            tabindex: 0,
            'aria-label': focusName() + ': one row shaded over the words; arrow keys move',
        });
    const rows = el('p', { class: 'words' }),
        over = el('p', { class: 'words big' });
    for (let q = 0; q < m.rows; q++)
        rows.append(
            el(
                'button',
                {
                    type: 'button',
                    'data-q': q,
                    tabindex: -1,
                    onclick: () => lock({ q, k: topKeys(m, q, SHARE)[0] || 0 }),
                },
                rowLabel(m.s, m.t, q),
            ),
        );
    const marks = keys.tokens.map((_, k) =>
        el('span', { class: 'shade', 'data-k': k }, tokenLabel(m.s, keys, k), el('small')),
    );
    over.append(...marks);
    fill(box, null, [
        el('h3', null, m.t === 'enc' ? 'query' : 'row: reads ▸ predicts'),
        rows,
        el('h3', null, m.t === 'dec' ? 'looks at decoder inputs' : 'looks at source words'),
        over,
    ]);
    rows.addEventListener('pointerover', (e) => {
        const node = e.target.closest('[data-q]');
        if (node) {
            hover = { q: +node.dataset.q, k: topKeys(m, +node.dataset.q, SHARE)[0] || 0 };
            readout();
        }
    });
    rows.addEventListener('pointerleave', () => {
        hover = null;
        readout();
    });
    const values = scaled(m);
    const light = (now) =>
        marks.forEach((mark, k) => {
            const i = (now ? now.q : 0) * m.cols + k,
                rgb = rgbOf(values[i], m.signed);
            mark.style.backgroundColor = m.codes[i] ? '' : cssOf(rgb);
            mark.style.color = m.codes[i] ? '' : inkOn(rgb);
            mark.classList.toggle('hatched', m.codes[i] === MASKED);
            mark.lastChild.textContent = m.codes[i] === MASKED ? 'masked' : m.codes[i] ? '' : num(m.values[i]);
        });
    return { m, lay: null, box, cross: null, light };
}

/* ---- the terms of one score ---- */

/* { terms, score, weight }: terms of q.k, their sum, and the weight that softmax makes of the row's sums. Null
 * without blocks. */
function scoreOf(m, l, h, q, k) {
    const queries = block(blockId(m.s, m.t, 'q')),
        keys = block(blockId(m.s, m.t, 'k'));
    if (!queries || !keys) return null;
    const d = queries.shape[3],
        row = (b, i) =>
            b.data.subarray(
                ((l * b.shape[1] + h) * b.shape[2] + i) * d,
                ((l * b.shape[1] + h) * b.shape[2] + i + 1) * d,
            );
    const of = row(queries, q),
        terms = Array.from(row(keys, k), (x, i) => x * of[i]);
    const scores = Array.from({ length: m.cols }, (_, j) => row(keys, j).reduce((sum, x, i) => sum + x * of[i], 0));
    const may = scores.map((x, j) => (m.t === 'dec' && j > q ? -Infinity : x)),
        most = Math.max(...may);
    const shares = may.map((x) => Math.exp(x - most)),
        all = shares.reduce((a, b) => a + b, 0);
    return { terms, score: scores[k], weight: shares[k] / all };
}

function qkPicture(m, room) {
    const box = el('div', {
        class: 'qk',
        id: 'grid',
        role: 'grid',
        tabindex: 0,
        'aria-label': focusName() + ': terms of a score; arrow keys move',
    });
    const light = (now) => {
        const { q, k } = now || { q: 0, k: 0 },
            got = scoreOf(m, state.l, state.h, q, k);
        if (!got) {
            const has = D.blocks.filter((b) => b.kind === 'q' && b.type === m.t).map((b) => b.sentence);
            show(
                box,
                el(
                    'p',
                    { class: 'empty' },
                    'The page has no queries and keys of this sentence' +
                        (has.length ? '; it has those of: ' + has.join(', ') : '') +
                        '.',
                ),
            );
            return;
        }
        const most = Math.max(...got.terms.map(Math.abs), 1e-9),
            wide = Math.min(room, 560),
            bar = Math.max(3, Math.floor(wide / got.terms.length));
        const bars = got.terms.map((x, i) =>
            svg('rect', {
                x: i * bar,
                y: x > 0 ? 60 - (56 * x) / most : 60,
                width: bar - 1,
                height: Math.max(0.5, (56 * Math.abs(x)) / most),
                class: x < 0 ? 'less' : 'more',
            }),
        );
        show(
            box,
            el(
                'p',
                null,
                'score = Σ q·k over ' + got.terms.length + ' dimensions = ',
                el('b', null, num(got.score, 3)),
                '; softmax over the row gives ',
                el('b', { id: 'qk-weight' }, num(got.weight, 3)),
                ', recorded ',
                num(m.hide ? NaN : m.values[q * m.cols + k], 3),
            ),
            svg(
                'svg',
                {
                    width: bar * got.terms.length,
                    height: 120,
                    role: 'img',
                    'aria-label': 'terms: ' + got.terms.map((x) => num(x)).join(', '),
                },
                svg('path', { d: 'M0 60H' + bar * got.terms.length, class: 'axis-line' }),
                bars,
            ),
            el(
                'p',
                { class: 'muted' },
                'Each bar is q[d] × k[d], already divided by √d; up raises the score. Largest: ' +
                    num(most, 2) +
                    '. Choose another cell with the arrow keys or in the matrix.',
            ),
        );
    };
    return { m, lay: null, box, cross: null, light };
}
