/* The picture of the head in focus: tabs, the matrix with its crosshair and readout, legend. Hovering changes
 * nothing that an address restores; a click or Enter locks a cell. */

let hover = null; /* { q, k } under the pointer */
let picture = null; /* what is drawn: { m, lay, box, cross } */

/* The matrix of a head as the state asks for it, at a checkpoint, in a tab. */
function matrixFor(name, s, opts = {}) {
    const { t, l, h } = headAt(name),
        mode = opts.mode || 'matrix';
    const kind = mode === 'norm' ? 'norm' : mode === 'rollout' ? 'rollout' : 'attention';
    return matrixOf(s, t, l, h, {
        kind,
        hide: state.hs && kind === 'attention',
        ck: opts.ck === undefined ? state.ck : opts.ck,
        model: opts.model,
    });
}

/* What the head is compared with: { m, text } or { text } saying why there is nothing. */
function comparison(a) {
    const s = focusSentence(),
        kind = state.cmp.slice(0, state.cmp.indexOf(':')),
        of = state.cmp.slice(state.cmp.indexOf(':') + 1);
    if (state.cmp === 'none') return { text: 'Choose something to compare with: “compare with” above.' };
    if (state.cmp === 'uniform') return { m: uniformLike(a), text: 'equal weights' };
    let m = null,
        text = '';
    if (kind === 'ck') {
        m = matrixFor(focusName(), s, { ck: +of });
        text = focusName() + ' at step ' + of;
    } else if (kind === 'head') {
        text = of;
        m = headAt(of).t === state.t ? matrixFor(of, s) : null;
        if (headAt(of).t !== state.t) return { text: of + ' is of another type: their rows and keys differ.' };
    } else if (kind === 'with') {
        ({ m, text } = otherComparison(state.cmp, s));
        if (m === undefined) return { text };
    } else {
        m = matrixFor(focusName(), sentenceAt(of));
        text = focusName() + ' on sentence ' + of;
    }
    if (!m) return { text: 'The page has no weights of ' + text + '.' };
    return { m, text, fits: m.rows === a.rows && m.cols === a.cols };
}

function focusMatrix() {
    const s = focusSentence();
    if (!s) return { text: 'There are no sentences in this page.' };
    const m = matrixFor(focusName(), s, { mode: state.m });
    if (!m)
        return {
            text:
                state.ck !== null && state.m !== 'norm' && state.m !== 'rollout'
                    ? 'The page has no snapshot of this sentence at step ' +
                      state.ck +
                      '. It has: ' +
                      (D.snapshots.sentences || []).join(', ') +
                      '.'
                    : 'The page has no ' +
                      ({ norm: 'norm-weighted weights', rollout: 'rollout' }[state.m] || 'weights') +
                      ' of this sentence' +
                      (state.m === 'rollout' || state.m === 'norm' ? '.' : ', or they do not fit their shape.'),
        };
    if (state.m !== 'diff') return { m };
    const to = comparison(m);
    if (!to.m) return { text: to.text };
    return to.fits
        ? { m: difference(m, to.m), text: focusName() + ' minus ' + to.text }
        : {
              text:
                  'Shapes differ (' +
                  m.rows +
                  ' × ' +
                  m.cols +
                  ' and ' +
                  to.m.rows +
                  ' × ' +
                  to.m.cols +
                  '): see Compare, side by side.',
          };
}

/* ---- legend, readout ---- */

function legend(m) {
    const bar = el('canvas', { width: 120, height: 12, 'aria-hidden': 'true' }),
        c = bar.getContext('2d');
    for (let x = 0; x < 120; x++) {
        c.fillStyle = cssOf(rgbOf(m.signed ? (x - 59.5) / 59.5 : x / 119, m.signed));
        c.fillRect(x, 0, 1, 12);
    }
    return el(
        'p',
        { class: 'legend' },
        el('span', null, m.signed ? '−1 ' : '0 ', bar, ' 1'),
        el('span', null, 'scale: ' + scaleWords(m)),
        m.t === 'dec' && el('span', null, el('i', { class: 'key hatched' }), ' masked'),
        focusSentence().gold && state.g !== 'off' && el('span', null, el('i', { class: 'key gilded' }), ' gold'),
    );
}

const current = () => hover || (state.q >= 0 ? { q: state.q, k: state.k } : null);

function readout() {
    const out = $('readout'),
        now = current();
    if (!out || !picture) return;
    const { m } = picture,
        inside = now && now.q < m.rows && now.k < m.cols;
    out.textContent = inside
        ? cellWords(m, now.q, now.k)
        : 'Point at a cell, or use the arrow keys; click or Enter locks it.';
    $('row-words').textContent = inside
        ? rowWords(m, now.q) + keyWords(m, now) + (state.q >= 0 && !hover ? '  · locked, Esc unlocks' : '')
        : '';
    crosshair(inside ? now : null);
}

function crosshair(now) {
    const { lay, box, cross } = picture;
    for (const old of box.querySelectorAll('.lit')) old.classList.remove('lit');
    if (cross) {
        cross.hidden = !now;
        if (now) {
            cross.firstChild.style.transform = 'translateY(' + now.q * lay.cell + 'px)';
            cross.lastChild.style.transform = 'translateX(' + now.k * lay.cell + 'px)';
            cross.children[1].style.transform = 'translate(' + now.k * lay.cell + 'px,' + now.q * lay.cell + 'px)';
        }
    }
    if (picture.light) picture.light(now);
    if (now)
        for (const node of box.querySelectorAll('[data-q="' + now.q + '"],[data-k="' + now.k + '"]'))
            node.classList.add('lit');
}

/* ---- the matrix as an element ---- */

/* compact: without labels. The main one answers the pointer and the keyboard. */
function matrixBox(m, room, opts = {}) {
    const lay = layOut(m, room, opts.compact);
    const cells = el('canvas', { class: 'cells', role: 'img', 'aria-label': opts.label || 'weights' });
    const axes =
        m.t === 'enc'
            ? ['query: source word', 'key: source word']
            : ['row: decoder reads ▸ predicts', 'key: ' + (m.t === 'dec' ? 'decoder input' : 'source word')];
    const box = el(
        'div',
        {
            class: 'matrix',
            style: {
                width: lay.label + lay.width + (lay.labelled && !lay.upright ? 32 : 2) + 'px',
                height: lay.top + lay.height + 2 + 'px',
            },
        },
        !opts.compact &&
            el('span', { class: 'axis', style: { width: lay.label - 8 + 'px' } }, lay.labelled ? axes.join(', ') : ''),
        labels(m, lay),
        el('div', { class: 'cells-at', style: { left: lay.label + 'px', top: lay.top + 'px' } }, cells),
    );
    if (opts.compact) for (const label of box.querySelectorAll('.row-label,.col-label')) label.remove();
    const gold = opts.compact && lay.cell < 6 ? [] : goldCells(m.s, m.t, state.g);
    let cross = null;
    if (opts.main) {
        const side = lay.cell + 'px';
        cross = el(
            'div',
            { class: 'cross', hidden: true },
            el('i', { style: { width: lay.width + 'px', height: side } }),
            el('i', { class: 'spot', style: { width: side, height: side } }),
            el('i', { style: { width: side, height: lay.height + 'px' } }),
        );
        box.querySelector('.cells-at').append(cross);
    }
    return { m, lay, box, cross, cells, paint: () => paint(cells, m, lay, gold) };
}

function cellUnder(event) {
    const at = picture.cells.getBoundingClientRect();
    const k = Math.floor((event.clientX - at.left) / picture.lay.cell),
        q = Math.floor((event.clientY - at.top) / picture.lay.cell);
    return q >= 0 && k >= 0 && q < picture.m.rows && k < picture.m.cols ? { q, k } : null;
}

function lock(cell) {
    go(cell && !(cell.q === state.q && cell.k === state.k) ? { q: cell.q, k: cell.k } : { q: -1, k: -1 }, true);
}

function mainMatrix(m, room) {
    const made = matrixBox(m, room, { main: true, label: focusName() + ' on ' + m.s.id });
    Object.entries({
        role: 'grid',
        tabindex: 0,
        'aria-rowcount': m.rows,
        'aria-colcount': m.cols,
        id: 'grid',
        'aria-label': focusName() + ': ' + m.rows + ' rows by ' + m.cols + ' keys; arrow keys move, Enter locks',
    }).forEach(([key, value]) => made.box.setAttribute(key, value));
    made.box.addEventListener('pointermove', (e) => {
        const now = cellUnder(e);
        if (String(now && [now.q, now.k]) !== String(hover && [hover.q, hover.k])) {
            hover = now;
            readout();
        }
    });
    made.box.addEventListener('pointerleave', () => {
        hover = null;
        readout();
    });
    made.box.addEventListener('click', (e) => {
        const cell = cellUnder(e);
        if (cell) {
            hover = null;
            lock(cell);
        }
    });
    return made;
}

/* ---- tabs ---- */

function tabs() {
    return el(
        'div',
        { role: 'tablist', 'aria-label': 'Ways to see this head', class: 'tabs' },
        MODES.map(([id, text]) =>
            el(
                'button',
                {
                    type: 'button',
                    role: 'tab',
                    id: 'tab-' + id,
                    'aria-selected': String(state.m === id),
                    tabindex: state.m === id ? 0 : -1,
                    onclick: () => go({ m: id }),
                },
                text,
            ),
        ),
    );
}

function tools(m) {
    return el(
        'div',
        { class: 'tools' },
        select(
            'Scale',
            SCALES.map(([id, text]) => [id, text]),
            state.s,
            (s) => go({ s }),
        ),
        select('Gold', GOLDS, state.g, (g) => go({ g }), { disabled: !(focusSentence() && focusSentence().gold) }),
        el(
            'label',
            null,
            el('input', {
                type: 'checkbox',
                checked: !!state.hs,
                onchange: (e) => go({ hs: e.target.checked ? 1 : 0 }),
            }),
            ' hide specials',
            m && m.hide ? ' (' + percent(m.removed.reduce((a, b) => a + b, 0) / (m.rows || 1)) + ' removed)' : '',
        ),
        state.m === 'links' &&
            select(
                'Links of a row',
                [50, 80, 95, 100].map((x) => [String(x), x + ' % of each row']),
                String(state.ms),
                (ms) => go({ ms: +ms }),
            ),
        button('As table', 'The same numbers as a table', () => go({ v: 'table' })),
    );
}

/* The picture as wide as there is room; the strip of controls above, the readout below. */
function focusView(host) {
    const room = Math.max(220, host.clientWidth - 24),
        { m, text } = focusMatrix();
    picture = null;
    const role = rolesOf(focusName()),
        main = mainLabel(focusName());
    show(
        host,
        el(
            'div',
            { class: 'head-line' },
            el('h2', null, focusName()),
            main ? roleChip(main) : el('span', { class: 'chip none' }, role.text),
            text && m && el('span', { class: 'muted' }, text),
            state.ck !== null &&
                el('span', { class: 'muted' }, 'weights of step ' + state.ck + ', roles of the final model'),
        ),
        tabs(),
        tools(m),
    );
    if (!m) {
        host.append(el('p', { class: 'empty' }, text));
        return;
    }
    const body = { links: linksPicture, sentence: sentencePicture, qk: qkPicture }[state.m];
    picture = body ? body(m, room) : mainMatrix(m, room);
    host.append(
        el('output', { id: 'readout', class: 'readout' }),
        el('p', { id: 'row-words', class: 'muted' }),
        el('div', { class: 'stage' }, picture.box),
        legend(m),
        state.m === 'rollout'
            ? el(
                  'p',
                  { class: 'muted' },
                  'Rollout joins all layers and heads of a type: it is the same for every head. ' +
                      (D.run.rollout === 'measured'
                          ? 'At each position attention counts by its length beside the residual.'
                          : 'Half of each layer comes through attention.'),
              )
            : '',
        state.m === 'norm'
            ? el('p', { class: 'muted' }, 'Weights times the length of what they carry; rows sum to 1.')
            : '',
    );
    if (picture.paint) picture.paint();
    readout();
}
