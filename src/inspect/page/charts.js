/* Line charts: SVG with axes, a band for an interval, and the same numbers as a table behind them. */

function drawing(width, height, label, kids) {
    return svg(
        'svg',
        { width, height, viewBox: '0 0 ' + width + ' ' + height, role: 'img', 'aria-label': label },
        kids,
    );
}

/* Places for labels that would like to stand at these: in their order, `room` apart, none below `most`. */
function spread(places, room, most) {
    const out = [...places],
        order = places.map((_, i) => i).sort((a, b) => places[a] - places[b]);
    order.forEach((i, k) => {
        if (k) out[i] = Math.max(out[i], out[order[k - 1]] + room);
    });
    for (let k = order.length - 1, limit = most; k >= 0; k--, limit = out[order[k + 1]] - room)
        out[order[k]] = Math.min(out[order[k]], limit);
    return out;
}

/* lines: [{ name, y: [..], lo, hi, dash, at }]; x: the numbers under it. */
function chart(title, x, lines, opts = {}) {
    const width = Math.max(200, Math.min(opts.width || 560, 640)),
        height = opts.height || 190,
        left = 46,
        bottom = 34,
        right = lines.length > 1 ? 22 : 12,
        top = 10;
    const all = lines.flatMap((line) => [...line.y, ...(line.lo || []), ...(line.hi || [])]).filter(known);
    if (!all.length || !x.length) return el('p', { class: 'empty' }, title + ': nothing was measured.');
    const low = known(opts.low) ? opts.low : Math.min(0, ...all),
        high = known(opts.high) ? opts.high : Math.max(...all, low + 1e-9);
    const px = (i) => left + (x.length > 1 ? i / (x.length - 1) : 0.5) * (width - left - right);
    const py = (y) => top + (1 - (y - low) / (high - low)) * (height - top - bottom);
    const path = (ys) => {
        let pen = 'M';
        return ys
            .map((y, i) => {
                if (!known(y)) {
                    pen = 'M';
                    return '';
                }
                const out = pen + coordinate(px(i)) + ' ' + coordinate(py(y));
                pen = 'L';
                return out;
            })
            .join('');
    };
    const every = Math.ceil(x.length / (width / 60));
    const parts = [
        [low, high, (low + high) / 2].map((y) => [
            svg('path', { class: 'axis-line', d: 'M' + left + ' ' + py(y) + 'H' + (width - right) }),
            svg(
                'text',
                { x: left - 5, y: py(y) + 4, 'text-anchor': 'end' },
                num(y, high - low < 0.1 ? 3 : high > 20 ? 0 : 2),
            ),
        ]),
        x.map(
            (label, i) => i % every === 0 && svg('text', { x: px(i), y: height - 18, 'text-anchor': 'middle' }, label),
        ),
        svg('text', { x: (left + width - right) / 2, y: height - 3, 'text-anchor': 'middle' }, opts.x || ''),
        known(opts.mark) && svg('path', { class: 'now', d: 'M' + px(opts.mark) + ' ' + top + 'V' + (height - bottom) }),
    ];
    lines.forEach((line, i) => {
        if (lines.length < 3 && line.lo && line.hi && line.lo.every(known))
            parts.push(
                svg('path', {
                    class: 'band c' + (i % 6),
                    d:
                        path(line.lo) +
                        'L' +
                        [...line.hi]
                            .map((y, j) => [y, j])
                            .reverse()
                            .map(([y, j]) => coordinate(px(j)) + ' ' + coordinate(py(known(y) ? y : low)))
                            .join('L') +
                        'Z',
                }),
            );
        parts.push(
            svg('path', {
                class: 'line c' + (i % 6),
                'stroke-dasharray': ['', '6 3', '2 3', '8 3 2 3', '1 4', '10 4'][i % 6],
                d: path(line.y),
            }),
            line.y.map(
                (y, j) =>
                    known(y) &&
                    !known(line.y[j - 1]) &&
                    !known(line.y[j + 1]) &&
                    svg('circle', { cx: px(j), cy: py(y), r: 3, class: 'dot' }),
            ),
        );
    });
    /* A letter behind the end of each line; those that end early share the margin. */
    const ends = lines.map((line) => line.y.filter(known).pop()),
        named = lines.length > 1 ? lines.map((_, i) => i).filter((i) => known(ends[i])) : [];
    spread(
        named.map((i) => py(ends[i]) + 4),
        14,
        height - bottom + 8,
    ).forEach((y, k) =>
        parts.push(svg('text', { x: width - right + 6, y, class: 'letter' }, String.fromCharCode(97 + named[k]))),
    );
    return el(
        'figure',
        { class: 'chart' },
        el(
            'figcaption',
            null,
            title,
            lines.length > 1 &&
                el(
                    'span',
                    { class: 'muted' },
                    ' ' + lines.map((line, i) => String.fromCharCode(97 + i) + ' ' + line.name).join(', '),
                ),
        ),
        drawing(
            width,
            height,
            title +
                ': ' +
                lines
                    .map((line, i) => line.name + ' from ' + num(line.y.find(known)) + ' to ' + num(ends[i]))
                    .join('; '),
            parts,
        ),
        lazyTable('The numbers', () =>
            table(
                [opts.x || '', ...lines.map((line) => line.name)],
                x.map((label, j) => [label, ...lines.map((line) => el('td', { class: 'n' }, num(line.y[j], 3)))]),
            ),
        ),
    );
}

function lazyTable(title, make) {
    return el(
        'details',
        {
            ontoggle: (e) => {
                if (e.target.open && e.target.children.length === 1) e.target.append(scroll(make()));
            },
        },
        el('summary', null, title),
    );
}

/* ---- training ---- */
const seriesOf = (t, like) =>
    D.snapshots ? (D.snapshots.series || []).filter((c) => c.type === t && (!like || like(c))) : [];
const pick = (rows, t, i) => (rows ? rows.map((row) => (row ? row[i] : null)) : null);

function seriesLine(c, l, h) {
    const i = l * D.H + h;
    return { name: measureName(c), y: pick(c.value, c.type, i), lo: pick(c.lo, c.type, i), hi: pick(c.hi, c.type, i) };
}

/* The series of a head that its labels lean on, or that moved most. */
function headSeries(name, most) {
    const { t, l, h } = headAt(name),
        i = l * D.H + h,
        span = (c) => {
            const y = pick(c.value, t, i).filter(known);
            return y.length ? Math.max(...y) - Math.min(...y) : 0;
        };
    const mine = (rolesOf(name).labels || []).flatMap((x) => x.evidence || []);
    const leaned = (c) =>
        mine.some((e) =>
            ['id', 'variant', 'kind', 'shift', 'offset'].every((key) => (e[key] ?? null) === (c[key] ?? null)),
        );
    const bounded = seriesOf(t, (c) => {
        const about = D.about[c.id];
        return !about || !about.range || (known(about.range[1]) && about.range[1] <= 1);
    });
    return bounded
        .sort((a, b) => leaned(b) - leaned(a) || span(b) - span(a))
        .slice(0, most)
        .map((c) => seriesLine(c, l, h));
}

function headCurve(name, width) {
    const lines = headSeries(name, 3),
        onset = (D.snapshots.onset || []).filter((o) => o.head === name);
    return [
        chart('What its roles lean on, or changed most', D.steps, lines, {
            width,
            height: 150,
            high: 1,
            x: 'training step',
        }),
        onset.length
            ? el('p', { class: 'muted' }, onset.map((o) => o.role + ' from step ' + o.step).join('; '))
            : el('p', { class: 'muted' }, 'No role had its onset here.'),
    ];
}
