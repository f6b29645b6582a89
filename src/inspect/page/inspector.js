/* The head in focus: what it is called and on what evidence, its numbers with intervals, what happens without it,
 * over time, where it looks most, which heads are like it. */

/* value and interval as text and as a bar on the measure's range, chance as a tick. */
function measureBar(m, about) {
    const low = about && about.range && known(about.range[0]) ? about.range[0] : null,
        high = about && about.range && known(about.range[1]) ? about.range[1] : null;
    if (low === null || high === null || !known(m.value)) return '';
    const at = (x) => 60 * Math.max(0, Math.min(1, (x - low) / (high - low)));
    return svg(
        'svg',
        { width: 60, height: 12, 'aria-hidden': 'true', class: 'bar-picture' },
        svg('rect', { x: 0, y: 4, width: 60, height: 4, class: 'track' }),
        svg('rect', { x: 0, y: 4, width: coordinate(at(m.value)), height: 4, class: 'value' }),
        known(m.lo) && svg('path', { d: 'M' + coordinate(at(m.lo)) + ' 6H' + coordinate(at(m.hi)), class: 'interval' }),
        known(m.chance) && svg('path', { d: 'M' + coordinate(at(m.chance)) + ' 1V11', class: 'chance' }),
    );
}

function measureRow(column, l, h) {
    const m = measureOf(column, l, h),
        about = D.about[column.id];
    return [
        el('span', { title: about ? about.text : '' }, measureName(column)),
        el(
            'td',
            { class: 'n', title: known(m.n) ? m.n + ' counted, ' + m.sentences + ' sentences' : '' },
            num(m.value),
            ' ',
            el('small', null, range(m.lo, m.hi)),
            measureBar(m, about),
        ),
        el('td', { class: 'n' }, num(m.chance)),
        el('td', { class: 'n' }, num(m.untrained)),
    ];
}

const MEASURE_GROUPS = [
    [
        'Shape',
        /^(entropy|effective_keys|confidence|uniformity|special_mass|bos_mass|eos_mass|punctuation_mass|sink_row_rate)$/,
    ],
    [
        'Position',
        /^(distance|offset|local_mass|first_mass|last_mass|self_mass|duplicate_mass|pos_r|tag_r|res_r|diagonality|band_mass|swap_.*)$/,
    ],
    ['Offsets', /^offset_argmax$/],
    ['Gold arcs', /^arc_(accuracy|gain|mass)$/],
    ['Distraction and cues', /^(attractor_|cue_)/],
    ['Alignment', /^(aer|soft_mass|precision|recall|over_coverage|under_coverage)$/],
    ['Use', /^importance/],
];

function measureGroups(t, l, h) {
    return MEASURE_GROUPS.map(([name, like]) => {
        const columns = D.measures.filter(
            (c) => c.type === t && like.test(c.id) && known((measureOf(c, l, h) || {}).value),
        );
        if (!columns.length) return null;
        const most =
            name === 'Gold arcs' || name === 'Offsets'
                ? columns.sort((a, b) => measureOf(b, l, h).value - measureOf(a, l, h).value).slice(0, 8)
                : columns;
        const id = 'Measures: ' + name,
            box = el(
                'details',
                {
                    open: opened.has(id),
                    ontoggle: (e) => {
                        opened[e.target.open ? 'add' : 'delete'](id);
                        if (e.target.open && e.target.children.length === 1)
                            e.target.append(
                                scroll(
                                    table(
                                        ['measure', 'value, 95 % interval', 'chance', 'untrained'],
                                        most.map((c) => measureRow(c, l, h)),
                                        { class: 'measures' },
                                    ),
                                ),
                            );
                    },
                },
                el(
                    'summary',
                    null,
                    name +
                        (columns.length > most.length
                            ? ' (largest ' + most.length + ' of ' + columns.length + ')'
                            : ''),
                ),
            );
        return box;
    });
}
const opened = new Set(['Measures: Shape']); /* groups stay open from head to head */

function evidence(label) {
    return el(
        'li',
        null,
        el('b', null, label.role === 'UNIFORM' ? 'looks everywhere alike' : roleName(label)),
        ' ',
        gradeBadge(label.grade),
        ' ',
        label.why || '',
        el(
            'ul',
            null,
            (label.evidence || []).map((e) =>
                el(
                    'li',
                    null,
                    measureName(e) +
                        ' ' +
                        num(e.value) +
                        ' (' +
                        range(e.lo, e.hi) +
                        '), ' +
                        (/^(aer)$/.test(e.id) ? 'at most ' : 'at least ') +
                        num(e.threshold) +
                        ' asked' +
                        (e.strict ? ', strict' : '') +
                        (known(e.chance) ? '; chance ' + num(e.chance) : '') +
                        (known(e.untrained) ? '; untrained ' + num(e.untrained) : ''),
                ),
            ),
        ),
    );
}

/* Change of a share or a loss, with its interval; bold if it matters after Holm's correction. */
function effectWords(e, digits = 3) {
    return e && known(e.value)
        ? el(
              e.matters ? 'b' : 'span',
              { class: e.matters ? 'matters' : '' },
              signed(e.value, digits),
              e.matters ? ' ● ' : ' ',
              el('small', null, range(e.lo, e.hi, digits)),
          )
        : '–';
}

function ablationPart(name) {
    const base = effectOf(name);
    if (!base) return el('p', { class: 'muted' }, 'Ablation was not measured.');
    const variants = ['mean', 'uniform', 'shuffle'].map((v) => [v, effectOf(name, v)]).filter(([, e]) => e);
    const margins = Object.entries(base.margin || {})
        .filter(([, e]) => e && e.matters && e.value < 0)
        .sort((x, y) => x[1].value - y[1].value)
        .slice(0, 5);
    const shares = margins.length
        ? []
        : Object.entries(base.free || {})
              .filter(([, e]) => e && known(e.value) && e.value < 0)
              .sort((x, y) => x[1].value - y[1].value)
              .slice(0, 5);
    const carried = carriedBy(name).slice(0, 4);
    return [
        table(
            ['without it', 'change, 95 % interval'],
            [
                ['loss, nats a token', effectWords(base.loss, 4)],
                ['exact translations', effectWords(base.exact)],
                ...(base.bleu ? [['BLEU, 0 to 100', effectWords(base.bleu, 2)]] : []),
                ...variants.map(([v, e]) => [
                    {
                        mean: 'loss, if always its mean',
                        uniform: 'loss, if equal weights',
                        shuffle: 'loss, if weights are shuffled',
                    }[v],
                    effectWords(e.loss, 4),
                ]),
                ...shares.map(([p, e]) => [el('span', { title: p }, phenomenonWords(p)), effectWords(e)]),
                ...margins.map(([p, e]) => [
                    el('span', { title: p }, 'margin: ' + phenomenonWords(p)),
                    effectWords(e, 2),
                ]),
            ],
            { class: 'measures' },
        ),
        carried.length > 0 &&
            el(
                'p',
                null,
                'It carries, by patching: ',
                carried.map(([p, e], i) => [
                    i ? '; ' : '',
                    el('b', null, percent(e.value, 0)),
                    ' of ' + phenomenonWords(p) + ' ',
                    el('small', null, shareRange(e)),
                ]),
            ),
        el(
            'p',
            { class: 'muted' },
            '● matters: Holm-corrected p below 0.05. Margin: lead of the right form in log probability.',
        ),
    ];
}

function nearest(t, l, h) {
    const s = D.similarity && D.similarity[t];
    if (!s || !s.jsd) return el('p', { class: 'muted' }, 'Similarity was not measured.');
    const row = s.jsd[l * D.H + h] || [],
        here = l * D.H + h;
    const near = row
        .map((x, i) => [x, i])
        .filter(([x, i]) => i !== here && known(x))
        .sort((a, b) => a[0] - b[0])
        .slice(0, 3);
    return el(
        'ul',
        { class: 'plain' },
        near.map(([x, i]) => {
            const name = headName(t, Math.floor(i / D.H), i % D.H);
            return el(
                'li',
                null,
                button(name, headWords(name), () => openHead(name), { class: 'link' }),
                ' ' + num(x) + ' bit, ' + inWords(rolesOf(name).text),
            );
        }),
    );
}

function topExamples(name) {
    const list = D.examples[D.headIndex.get(name)] || [];
    if (!list.length) return el('p', { class: 'muted' }, 'No examples were kept.');
    return el(
        'ol',
        { class: 'examples' },
        list.slice(0, 5).map((x) => {
            const row =
                (x.predicts === null || x.predicts === undefined
                    ? quoted(x.reads)
                    : quoted(x.reads) + ' ▸ ' + quoted(x.predicts)) +
                ' looks at ' +
                quoted(x.looks_at) +
                ' ' +
                num(x.weight);
            return el(
                'li',
                null,
                D.sentenceIndex.has(x.sentence)
                    ? button(row, 'Show', () => go({ x: x.sentence, q: x.row, k: x.key, v: 'head' }), { class: 'link' })
                    : el('b', null, row),
                el('br'),
                el('small', null, x.src),
            );
        }),
    );
}

function inspectorView(host) {
    const name = focusName(),
        { t, l, h } = state,
        r = rolesOf(name),
        main = mainLabel(name),
        off = ablatedHeads();
    if (!D.headIndex.has(name)) {
        show(host, el('p', { class: 'empty' }, 'No head to look at.'));
        return;
    }
    const faith = D.faithfulness && D.faithfulness[name],
        importance = importanceOf(name);
    show(
        host,
        el('h2', null, name, ' ', main ? gradeBadge(main.grade) : ''),
        el('p', { class: 'role' }, r.idle ? 'idle' : inWords(r.text) + '.'),
        button(
            off.includes(name) ? 'Switch on again' : 'Switch it off',
            'Translate without this head (a)',
            () => toggleHead(name),
            { class: 'main', id: 'toggle-head', 'aria-pressed': String(off.includes(name)) },
        ),
        el('h3', null, 'Evidence'),
        r.labels.length
            ? el('ul', { class: 'plain evidence' }, r.labels.map(evidence))
            : el('p', { class: 'muted' }, 'No role reached its threshold: unassigned is an answer.'),
        el('h3', null, 'Without it'),
        ablationPart(name),
        el(
            'p',
            null,
            'importance (gradient) ',
            el('b', null, importance ? num(importance.value, 4) : '–'),
            ' ',
            el('small', null, importance ? range(importance.lo, importance.hi, 4) : ''),
        ),
        faith &&
            el(
                'p',
                null,
                'faithful rows: tau ',
                el('b', null, num(faith.tau)),
                ' ',
                el('small', null, range(faith.lo, faith.hi)),
                el('br'),
                el('small', null, 'rank correlation of weights with the harm of replacing that source word'),
            ),
        el('h3', null, 'Measures'),
        measureGroups(t, l, h),
        D.snapshots ? [el('h3', null, 'Over training'), headCurve(name, host.clientWidth - 24)] : '',
        el('h3', null, 'Looks hardest'),
        topExamples(name),
        el('h3', null, 'Nearest heads'),
        nearest(t, l, h),
    );
}
