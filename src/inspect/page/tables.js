/* Views 5, 7, 8 and 9: phenomena, alignment, the numbers themselves, what all this does not say. */

/* ---- 5 phenomena ---- */

const rangeOf = (e) => range(e.lo, e.hi);
const shareRange = (e) => percent(e.lo, 0) + ' to ' + percent(e.hi, 0);

function phenomenaView(host) {
    show(host, el('h2', null, 'Phenomena'));
    const base = D.ablation && D.ablation.base && D.ablation.base.phenomena;
    if (!base) {
        host.append(
            el(
                'p',
                { class: 'empty' },
                'Phenomena were not measured: the data has no gold structure, or nothing was ablated.',
            ),
        );
        return;
    }
    const rows = Object.entries(base).map(([code, b]) => {
        const g = groupOf(code),
            there = D.sentences.filter((s) => s.gold && (s.gold.decisions || []).some((d) => d.code === code));
        const link = (name) =>
            button(
                name,
                headWords(name),
                () => go({ ...headAt(name), v: 'head', p: code, g: 'arcs', ...placeFor(code, name) }),
                { class: 'link' },
            );
        const finding = (name, value, interval) =>
            name ? [link(name), ' ' + value, el('br'), el('small', null, interval)] : '–';
        const by = carrierOf(code, 'patching'),
            margin = carrierOf(code, 'margin'),
            looking = looksBest([code]);
        return {
            props: { class: state.p === code ? 'here' : '' },
            cells: [
                el('span', null, el('span', { class: 'mark g' + g }, GROUPS[g][0]), ' ' + code),
                el('td', { class: 'wrap' }, phenomenonWords(code)),
                el('td', { class: 'n' }, b.n),
                el('td', { class: 'n' }, percent(b.forced), el('br'), percent(b.free)),
                finding(by && by.head, by && percent(by.effect.value, 0), by && shareRange(by.effect)),
                finding(margin && margin.head, margin && num(margin.effect.value), margin && rangeOf(margin.effect)),
                finding(looking && looking.name, looking && signed(looking.x.value), looking && rangeOf(looking.x)),
                there.length
                    ? button(
                          plural(there.length, 'sentence'),
                          'Show only sentences with ' + code,
                          () => go({ p: code, x: there[0].id }),
                          { class: 'link' },
                      )
                    : 'none',
            ],
        };
    });
    host.append(
        el(
            'p',
            { class: 'muted' },
            'Right: choosing right given the reference so far; below, in its own translation. Carries: share of the choice that one head turns by saying what it says in the minimal pair (patching). Margin: how much less the right form leads without that head. Looks: gain over the best fixed offset. All with 95 % intervals; only heads that matter after Holm.',
        ),
        scroll(table(['code', 'in words', 'n', 'right', 'carries it', 'margin without', 'looks best', 'here'], rows)),
        agreementPart(Math.max(220, host.clientWidth - 24)),
    );
}

/* ---- 7 alignment ---- */

function alignView(host) {
    show(host, el('h2', null, 'Alignment: every cross head, both rows'));
    const rows = D.alignment && D.alignment.rows;
    if (!rows || !rows.length) {
        host.append(
            el(
                'p',
                { class: 'empty' },
                'There are no gold links to align with.' +
                    (D.alignment && D.alignment.winner
                        ? ' The sharpest cross head is ' + D.alignment.winner.head + '.'
                        : ''),
            ),
        );
        return;
    }
    const most = 60,
        w = D.alignment.winner || {};
    host.append(
        el(
            'p',
            { class: 'muted' },
            'AER: alignment error rate, 0 is perfect; linked words: without target words that have no gold link. “predicts”: the row that has the word as its output; “reads”: the row that has it as its input. Ranked on sentences kept apart for choosing; the figures are of the others, so the best of many is not flattered.',
        ),
        scroll(
            table(
                [
                    'head',
                    'row',
                    'by',
                    'keys',
                    'AER, 95 % interval',
                    'linked words',
                    'precision, recall',
                    'weight on gold',
                    'untrained',
                ],
                rows
                    .slice(0, most)
                    .map((r) => ({
                        props: {
                            class:
                                r.head === w.head && r.shift === w.shift && r.by === w.by && r.variant === w.variant
                                    ? 'here'
                                    : '',
                        },
                        cells: [
                            isHead(r.head)
                                ? button(
                                      r.head,
                                      headWords(r.head),
                                      () =>
                                          go({
                                              ...headAt(r.head),
                                              v: 'head',
                                              g: r.shift,
                                              m: r.by === 'norm' ? 'norm' : 'matrix',
                                          }),
                                      { class: 'link' },
                                  )
                                : r.head,
                            r.shift === 'in' ? 'reads' : 'predicts',
                            r.by,
                            r.variant,
                            el(
                                'td',
                                { class: 'n' },
                                num(r.aer, 3),
                                ' ',
                                el('small', null, range(r.aer_lo, r.aer_hi, 3)),
                            ),
                            el('td', { class: 'n' }, num(r.aer_linked, 3)),
                            el('td', { class: 'n' }, num(r.precision), ', ', num(r.recall)),
                            el('td', { class: 'n' }, num(r.soft_mass)),
                            el('td', { class: 'n' }, num(r.untrained, 3)),
                        ],
                    })),
                { id: 'ranking' },
            ),
        ),
    );
    if (rows.length > most)
        host.append(el('p', { class: 'muted' }, 'The best ' + most + ' of ' + rows.length + '; inspect.json has all.'));
}

/* ---- 8 data table ---- */

function tableView(host) {
    const s = focusSentence(),
        m = s && matrixFor(focusName(), s);
    show(host, el('h2', null, 'Data: ' + focusName() + (s ? ' on ' + s.id : '')));
    if (m) {
        const keys = sideKeys(s, m.t),
            head = [
                m.t === 'enc' ? 'query' : 'reads ▸ predicts',
                ...keys.tokens.map((w, k) => el('span', null, k + ' ', tokenLabel(s, keys, k))),
            ];
        host.append(
            scroll(
                table(
                    head,
                    Array.from({ length: m.rows }, (_, q) => [
                        el('span', null, q + ' ', rowLabel(s, m.t, q)),
                        ...Array.from({ length: m.cols }, (_, k) =>
                            el(
                                'td',
                                { class: 'n' },
                                m.codes[q * m.cols + k] === MASKED
                                    ? 'masked'
                                    : m.codes[q * m.cols + k]
                                      ? 'left out'
                                      : num(m.values[q * m.cols + k], 3),
                            ),
                        ),
                    ]),
                    { id: 'weights-table', class: 'dense' },
                ),
            ),
        );
    } else {
        host.append(el('p', { class: 'empty' }, 'The page has no weights of this sentence.'));
    }
    const columns = D.measures.filter((c) => c.type === state.t);
    host.append(
        lazyTable('All ' + columns.length + ' measures of this head', () =>
            table(
                ['measure', 'value, 95 % interval', 'chance', 'untrained'],
                columns.map((c) => measureRow(c, state.l, state.h)),
                { class: 'measures' },
            ),
        ),
    );
}

/* ---- 9 about ---- */

function aboutView(host) {
    const m = D.model;
    show(
        host,
        el('h2', null, 'About this page, and what it does not say'),
        el(
            'ul',
            null,
            D.caveats.map((text) => el('li', null, text)),
        ),
        D.caveats.length
            ? ''
            : el('p', null, 'Attention shows where a head looks, not why the model answered as it did.'),
        el('h3', null, 'Evidence'),
        el(
            'ul',
            { class: 'plain' },
            Object.entries(GRADES).map(([grade, text]) => el('li', null, gradeBadge(grade), ' ' + text + '.')),
        ),
        el('h3', null, 'Do the weights explain?'),
        D.faithfulness
            ? scroll(
                  table(
                      ['head', 'Kendall tau of weights with the harm of replacing the word', 'rows'],
                      Object.entries(D.faithfulness).map(([name, f]) => [
                          name,
                          el('td', { class: 'n' }, num(f.tau) + ' (' + range(f.lo, f.hi) + ')'),
                          el('td', { class: 'n' }, f.n),
                      ]),
                  ),
              )
            : el('p', { class: 'muted' }, 'Faithfulness was not measured.'),
        el('h3', null, 'Health'),
        D.health.length
            ? el(
                  'ul',
                  { id: 'health-list' },
                  D.health.map((x) =>
                      el(
                          'li',
                          { class: x.level },
                          el('b', null, x.level),
                          ' ' + [x.head, x.sentence].filter(Boolean).join(', ') + ' ' + x.text,
                      ),
                  ),
              )
            : el(
                  'p',
                  { id: 'health-list' },
                  'All checks passed: rows sum to 1, masked cells are 0, no head looks untrained.',
              ),
        el('h3', null, 'Thresholds of roles'),
        el(
            'p',
            null,
            Object.entries(D.thresholds)
                .map(([k, v]) => k + ' ' + v)
                .join(', '),
        ),
        el('h3', null, 'What is absent'),
        el(
            'ul',
            { id: 'absent' },
            [
                [D.run.gold, 'gold structure'],
                [D.ablation, 'ablation'],
                [D.snapshots, 'snapshots of training'],
                [D.alignment && D.alignment.rows && D.alignment.rows.length, 'alignment scores'],
                [D.similarity, 'similarity'],
                [D.faithfulness, 'faithfulness'],
                [D.pairs, 'pairs of sentences'],
                [D.seeds, 'other models'],
                [D.sentences.length, 'sentences'],
            ]
                .filter(([there]) => !there)
                .map(([, text]) => el('li', null, 'no ' + text)),
        ),
        el('h3', null, 'Measures'),
        lazyTable('What each measure is', () =>
            table(
                ['measure', 'meaning'],
                Object.entries(D.about).map(([id, a]) => [id.replace(/_/g, ' '), a.text]),
            ),
        ),
        el(
            'p',
            { class: 'muted' },
            'Model: ' +
                [
                    m.d_model && 'width ' + m.d_model,
                    D.H && plural(D.H, 'head') + ' a layer',
                    m.parameters && m.parameters + ' parameters',
                ]
                    .filter(Boolean)
                    .join(', ') +
                '. Everything is in this one file; it loads and sends nothing.',
        ),
    );
}
