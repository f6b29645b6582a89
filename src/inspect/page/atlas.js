/* All heads at once: three bands, a tile for each head with its picture or one number, its role and its importance. One
 * canvas a band; buttons lie over it. */

/* Numbers a tile can show: one for each measure that every band has, without kinds. */
const TILE_MEASURES = ['entropy', 'confidence', 'pos_r', 'special_mass', 'importance', 'offset'];

function tileChoices() {
    const there = TILE_MEASURES.filter((id) => D.measures.some((c) => c.id === id));
    return [
        ...TILES,
        ...there.map((id) => [id, 'number: ' + id.replace(/_/g, ' ')]),
        ...(D.ablation ? [['loss', 'number: loss without it']] : []),
    ];
}

function tileNumber(t, l, h) {
    if (state.a === 'loss') {
        const e = effectOf(headName(t, l, h));
        return e ? e.loss.value : null;
    }
    const column = findMeasure(t, state.a, { variant: 'content' }) || findMeasure(t, state.a);
    const m = measureOf(column, l, h);
    return m ? m.value : null;
}

/* Numbers of all heads on one scale, 0 .. the largest; said under the atlas. */
function tileScale() {
    let most = 0;
    for (const name of D.heads) {
        const { t, l, h } = headAt(name),
            x = tileNumber(t, l, h);
        most = known(x) ? Math.max(most, Math.abs(x)) : most;
    }
    return most > 1 || most < 0.2 ? most || 1 : 1;
}

/* Heads of a band in the order chosen, in rows of H. */
function bandOrder(t) {
    const heads = [];
    for (let l = 0; l < layersOf(t); l++) for (let h = 0; h < D.H; h++) heads.push(headName(t, l, h));
    const importance = (name) => {
        const m = importanceOf(name);
        return m && known(m.value) ? m.value : -1;
    };
    const role = (name) => {
        const label = mainLabel(name);
        return label ? label.grade + label.role : '~';
    };
    if (state.o === 'importance') heads.sort((a, b) => importance(b) - importance(a));
    else if (state.o === 'role') heads.sort((a, b) => (role(a) < role(b) ? -1 : role(a) > role(b) ? 1 : 0));
    return heads;
}

const rowsOfBand = (t) => layersOf(t);

function tileSize(room) {
    return Math.max(26, Math.min(64, Math.floor((room - 22) / Math.max(1, D.H))));
}

function drawBand(canvas, heads, size) {
    const ratio = window.devicePixelRatio || 1,
        s = focusSentence(),
        gap = 3,
        most = state.a === 'thumb' ? 1 : tileScale();
    canvas.width = Math.round(size * D.H * ratio);
    canvas.height = Math.round(size * Math.ceil(heads.length / D.H) * ratio);
    canvas.style.width = size * D.H + 'px';
    const c = canvas.getContext('2d'),
        style = getComputedStyle(canvas),
        small = document.createElement('canvas');
    const lines = hatch(c, Math.round(5 * ratio), style.getPropertyValue('--hatch')),
        pixels = pixelTable(state.s === 'sqrt' ? Math.sqrt : (v) => v);
    c.imageSmoothingEnabled = false;
    heads.forEach((name, i) => {
        const x = ((i % D.H) * size + gap / 2) * ratio,
            y = (Math.floor(i / D.H) * size + gap / 2) * ratio,
            side = (size - gap) * ratio;
        const { t, l, h } = headAt(name);
        c.fillStyle = PAPER[theme()];
        c.fillRect(x, y, side, side);
        if (state.a === 'thumb') {
            if (s) thumbnail(c, small, s, name, { x, y, side }, { lines, pixels });
            return;
        }
        const value = tileNumber(t, l, h),
            rgb = rgbOf(known(value) ? Math.abs(value) / most : 0, false);
        c.fillStyle = cssOf(rgb);
        c.fillRect(x, y, side, side);
        c.fillStyle = known(value) && Math.abs(value) / most > 0 ? inkOn(rgb) : style.color;
        c.font = Math.round(Math.min(14, size / 3.2) * ratio) + 'px system-ui, sans-serif';
        c.textAlign = 'center';
        c.fillText(num(value), x + side / 2, y + side * 0.42);
    });
}

/* The head's weights a pixel a cell, made larger. Bytes of the block become pixels by a table, unless rows are made
 * anew. */
function thumbnail(c, small, s, name, place, tools) {
    const { t, l, h } = headAt(name),
        { x, y, side } = place,
        from = block(blockId(s, t, 'attention', state.ck));
    if (!from) return;
    const [, H, rows, cols] = from.shape,
        start = (l * H + h) * rows * cols,
        image = new ImageData(cols, rows),
        pixels = new Uint32Array(image.data.buffer);
    small.width = cols;
    small.height = rows;
    if (from.unit === 255 && !state.hs && state.s !== 'row') {
        for (let q = 0; q < rows; q++)
            for (let i = q * cols, end = i + (t === 'dec' ? q + 1 : cols); i < end; i++)
                pixels[i] = tools.pixels[from.data[start + i]];
    } else {
        const m = matrixOf(s, t, l, h, { ck: state.ck, hide: state.hs }),
            values = scaled(m);
        for (let i = 0; i < values.length; i++)
            if (!m.codes[i]) image.data.set([...rgbOf(values[i], false), 255], 4 * i);
    }
    small.getContext('2d').putImageData(image, 0, 0);
    if (t === 'dec') {
        /* shows where cells are masked */
        c.fillStyle = tools.lines;
        c.fillRect(x, y, side, side);
    }
    c.drawImage(small, x, y, side, side);
}

/* Roles of a head at a snapshot. */
const rolesThen = (name, at) => {
    const roles = D.snapshots && D.snapshots.roles && D.snapshots.roles[at];
    return ((roles && roles[D.headIndex.get(name)]) || []).map((x) => x.role || x);
};

function tile(name, most) {
    const { t, l, h } = headAt(name),
        label = state.ck === null ? mainLabel(name) : null,
        then = state.ck === null ? '' : rolesThen(name, stepIndex())[0] || '',
        r = rolesOf(name),
        importance = importanceOf(name);
    const share = importance && known(importance.value) && most > 0 ? Math.max(2, (100 * importance.value) / most) : 0;
    const number = state.a === 'thumb' ? '' : ', ' + state.a.replace(/_/g, ' ') + ' ' + num(tileNumber(t, l, h));
    return el(
        'button',
        {
            type: 'button',
            class: 'tile',
            'data-head': name,
            tabindex: -1,
            title: headWords(name),
            'aria-label': headWords(name) + number + (importance ? ', importance ' + num(importance.value, 3) : ''),
            onclick: () => openHead(name),
        },
        el('span', { class: 'tag' }, label ? shortRole(label.role) : then ? shortRole(then) : r.idle ? 'idle' : ''),
        label && el('span', { class: 'grade grade-' + label.grade }, label.grade),
        el('span', { class: 'weight', style: { width: share + '%' } }),
    );
}

const openHead = (name) => {
    const { t, l, h } = headAt(name);
    go({ t, l, h, v: ['overview', 'about'].includes(state.v) ? 'head' : state.v, q: -1, k: -1 });
};

function atlasView(host) {
    const room = Math.max(200, host.clientWidth - 20),
        size = tileSize(room),
        most = Math.max(0, ...D.heads.map((n) => (importanceOf(n) || {}).value || 0));
    const canvases = [];
    show(
        host,
        el(
            'div',
            { class: 'tools' },
            select('What tiles show', tileChoices(), state.a, (a) => go({ a })),
            select('Order of tiles', ORDERS, state.o, (o) => go({ o })),
        ),
        TYPES.filter(layersOf).map((t) => {
            const heads = bandOrder(t),
                canvas = el('canvas', { 'aria-hidden': 'true' });
            canvases.push([canvas, heads]);
            return el(
                'section',
                { class: 'band' },
                el('h2', null, TYPE_WORDS[t], ' ', el('small', null, t + '.LAYER.HEAD')),
                el(
                    'div',
                    { class: 'band-row' },
                    el(
                        'div',
                        { class: 'layers', 'aria-hidden': 'true' },
                        state.o === 'layer' &&
                            Array.from({ length: rowsOfBand(t) }, (_, l) =>
                                el('span', { style: { height: size + 'px' } }, l),
                            ),
                    ),
                    el(
                        'div',
                        {
                            class: 'tiles',
                            role: 'toolbar',
                            'aria-label': TYPE_WORDS[t] + ' heads',
                            style: {
                                width: size * D.H + 'px',
                                'grid-template-columns': 'repeat(' + D.H + ',' + size + 'px)',
                                'grid-auto-rows': size + 'px',
                            },
                        },
                        canvas,
                        heads.map((name) => tile(name, most)),
                    ),
                ),
            );
        }),
        D.heads.length
            ? el(
                  'p',
                  { class: 'muted' },
                  (state.a === 'thumb'
                      ? 'Each tile: one head on this sentence, rows look at columns. '
                      : 'Shade: 0 to ' + num(tileScale()) + '. ') +
                      (state.ck === null ? 'Bar: importance. Letter: evidence.' : 'Roles as at step ' + state.ck + '.'),
              )
            : el('p', { class: 'empty' }, 'There are no heads in this page.'),
    );
    for (const [canvas, heads] of canvases) drawBand(canvas, heads, size);
    markAtlas();
}

/* Focus and ablation shown on the tiles, without drawing anew. */
function markAtlas() {
    const off = ablatedHeads(),
        name = focusName();
    for (const node of $('atlas').querySelectorAll('.tile')) {
        const here = node.dataset.head === name;
        node.classList.toggle('here', here);
        node.classList.toggle('off', off.includes(node.dataset.head));
        node.tabIndex = here ? 0 : -1;
        node.setAttribute('aria-current', here ? 'true' : 'false');
    }
}

/* Arrow keys among tiles. */
function moveTile(from, dx, dy) {
    const bands = TYPES.filter(layersOf).map(bandOrder),
        b = bands.findIndex((heads) => heads.includes(from));
    if (b < 0) return;
    const i = bands[b].indexOf(from) + dx + dy * D.H;
    const to =
        i < 0
            ? bands[b - 1] && bands[b - 1][bands[b - 1].length + (dy ? -D.H + (bands[b].indexOf(from) % D.H) : -1)]
            : i >= bands[b].length
              ? bands[b + 1] && bands[b + 1][dy ? i % D.H : 0]
              : bands[b][i];
    if (to) {
        openHead(to);
        const node = $('atlas').querySelector('[data-head="' + to + '"]');
        if (node) node.focus();
        say(headWords(to));
    }
}
