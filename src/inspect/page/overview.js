/* View 1: the answer in words, three things to see first, and every head that has a role. */

const card = (title, text, act, label) =>
    el(
        'article',
        { class: 'card' },
        el('h3', null, title),
        el('p', null, text),
        act && button(label, label, act, { class: 'main' }),
    );

function alignmentCard() {
    const w = D.alignment && D.alignment.winner;
    if (!w || !isHead(w.head || '')) return card('Which head aligns words?', 'Alignment was not measured.');
    const text = [
        el('b', null, w.head),
        known(w.aer)
            ? ' links each word to its source with an error rate (AER) of ' +
              num(w.aer) +
              ', read at the row that ' +
              (w.shift === 'in' ? 'reads' : 'predicts') +
              ' the word, by ' +
              w.by +
              '.'
            : ' is the sharpest; without gold links nothing says how well it aligns.',
    ];
    return card(
        'Which head aligns words?',
        text,
        () => go({ ...headAt(w.head), v: 'head', m: 'matrix', g: w.shift || 'out' }),
        'Open ' + w.head,
    );
}

/* The head that looks best at what a phenomenon needs: the largest lower end of its gain over the best fixed offset. */
function looksBest(kinds) {
    let best = null;
    for (const c of D.measures.filter((x) => x.id === 'arc_gain' && kinds.includes(x.kind)))
        for (const name of D.heads) {
            const { t, l, h } = headAt(name),
                x = t === c.type ? measureOf(c, l, h) : null;
            if (x && known(x.lo) && (!best || x.lo > best.x.lo)) best = { name, x, c };
        }
    return best;
}

const patchWords = (c) => [
    ' carries ' +
        percent(c.effect.value, 0) +
        ' of what decides it (' +
        percent(c.effect.lo, 0) +
        ' to ' +
        percent(c.effect.hi, 0) +
        '): putting in its output for the other number turns the choice that far.',
];
const marginWords = (c) => [
    ': without it the right form leads the wrong one by ' +
        num(-c.effect.value) +
        ' less (' +
        range(-c.effect.hi, -c.effect.lo) +
        ', log probability).',
];

/* Where to open a head of a phenomenon: the sentence with most in between, the row that decides, the key it looks at
 * most. */
function placeFor(code, name) {
    const has = (x) => ((x.gold && x.gold.decisions) || []).filter((d) => d.code === code);
    const far = (x) => Math.max(...has(x).map((d) => 100 * (d.attractors || 0) + (d.distance || 0)));
    const s = D.sentences.filter((x) => has(x).length).sort((x, y) => far(y) - far(x))[0],
        { t, l, h } = headAt(name),
        m = s && matrixOf(s, t, l, h);
    if (!m) return s ? { x: s.id } : {};
    const d = has(s).sort((x, y) => (y.distance || 0) - (x.distance || 0))[0],
        arc = (s.gold.arcs || []).find((y) => y.type === 'enc' && y.kind === 'subject'),
        q = t === 'enc' ? (arc ? arc.row : 0) : d.row;
    return { x: s.id, q, k: topKeys(m, q, SHARE)[0] };
}

function numberCard() {
    const title = 'Which head carries number across a clause?',
        code = 'NUM-LONG',
        by = carrierOf(code, 'patching'),
        margin = carrierOf(code, 'margin'),
        looking = looksBest([code, 'subject']);
    if (!by && !margin && !looking)
        return card(title, 'Not measured: the data has no gold structure, or no such sentence.');
    const first = by ? by.head : margin ? margin.head : looking.name,
        gender = carrierOf('GEN-LONG', 'patching');
    return card(
        title,
        [
            by
                ? [el('b', null, by.head), patchWords(by)]
                : margin
                  ? [el('b', null, margin.head), marginWords(margin)]
                  : 'No single head is needed for it.',
            looking && looking.x.lo > 0
                ? [
                      ' ',
                      el('b', null, looking.name),
                      ' looks at the subject ' +
                          percent(looking.x.value, 0) +
                          ' more often than the best fixed offset would.',
                  ]
                : '',
            gender
                ? [' Gender: ', el('b', null, gender.head), ' carries ' + percent(gender.effect.value, 0) + '.']
                : '',
        ],
        () => go({ ...headAt(first), v: 'head', m: 'matrix', g: 'arcs', ...placeFor(code, first) }),
        'Open ' + first,
    );
}

const worth = (d) => (d.code === 'NUM-LONG' ? 5 : /^NUM/.test(d.code) ? 4 : d.code === 'GEN-LONG' ? 3 : 2);

/* A cached set whose translation of a shown sentence loses a form that had to agree; fewest heads first. */
function breakingSet() {
    const cache = (D.ablation && D.ablation.cache) || {},
        sets = Object.keys(cache)
            .map((key) => key.split(','))
            .sort((a, b) => a.length - b.length);
    let best = null;
    for (const names of sets)
        for (const s of D.sentences) {
            const got = ablated(s, names),
                before = (s.translation && s.translation.words) || [];
            const lost =
                got &&
                !got.same &&
                ((s.gold && s.gold.decisions) || [])
                    .filter(
                        (d) =>
                            d.free &&
                            !got.words.includes(d.form) &&
                            (d.competitors || []).some((w) => got.words.includes(w) && !before.includes(w)),
                    )
                    .sort((a, b) => worth(b) - worth(a))[0];
            const score = !got || got.same ? 0 : lost ? worth(lost) : 1;
            if (score / names.length > (best ? best.score / best.names.length : 0) && got.words.length)
                best = { names, s, got, lost, score };
        }
    return best;
}

function breakCard() {
    const b = breakingSet(),
        title = 'See a translation break';
    if (!b)
        return card(
            title,
            D.ablation
                ? 'No cached set of heads changes a sentence shown here.'
                : 'No head was switched off in this inspection.',
        );
    return card(
        title,
        [
            'Without ',
            el(
                'b',
                null,
                b.names.length > 3
                    ? b.names.slice(0, 3).join(', ') + ' and ' + (b.names.length - 3) + ' more'
                    : b.names.join(', '),
            ),
            ': ',
            el('span', { class: 'diff' }, diffWords(wordDiff(b.s.translation.words, b.got.words))),
            b.lost ? ' It loses ' + quoted(b.lost.form) + ' (' + phenomenonWords(b.lost.code) + ').' : '',
        ],
        () => go({ v: 'ablate', x: b.s.id, abl: setKey(b.names), ...headAt(b.names[0]) }),
        'Switch off, look',
    );
}

function overviewView(host) {
    const labelled = D.heads.filter((name) => rolesOf(name).labels.length),
        listed = D.heads.filter((name) => rolesOf(name).labels.length || carriedBy(name).length);
    const causal = labelled.filter((name) => mainLabel(name).grade === 'A').length;
    show(
        host,
        el(
            'h2',
            { class: 'answer', id: 'answer' },
            D.summary[0] ||
                (D.heads.length
                    ? plural(D.heads.length, 'head') + ': roles were not measured.'
                    : 'There is nothing to look at in this page.'),
        ),
        el(
            'p',
            { class: 'muted' },
            labelled.length
                ? plural(causal, 'head') +
                      ' of ' +
                      labelled.length +
                      ' with a role ' +
                      (causal === 1 ? 'has' : 'have') +
                      ' causal evidence (grade A). '
                : '',
            inWords(D.summary.slice(1).join(' ')),
        ),
        el('div', { class: 'cards' }, alignmentCard(), numberCard(), breakCard()),
        listed.length
            ? [
                  el('h3', null, 'Heads with a role, or that something hangs on'),
                  scroll(
                      table(
                          ['head', 'role and evidence', 'loss without it', 'importance'],
                          listed.map((name) => {
                              const e = effectOf(name),
                                  importance = importanceOf(name);
                              return [
                                  button(name, 'Open', () => openHead(name), { class: 'link' }),
                                  el(
                                      'td',
                                      { class: 'chips' },
                                      rolesOf(name).labels.slice(0, 4).map(roleChip),
                                      rolesOf(name).labels.length > 4 ? ' +' + (rolesOf(name).labels.length - 4) : '',
                                      carriedBy(name)
                                          .slice(0, 3)
                                          .map(([code, x]) =>
                                              el(
                                                  'div',
                                                  null,
                                                  'carries ' + percent(x.value, 0) + ' of ' + phenomenonWords(code),
                                              ),
                                          ),
                                  ),
                                  el('td', { class: 'n' }, e ? effectWords(e.loss, 4) : '–'),
                                  el('td', { class: 'n' }, importance ? num(importance.value, 4) : '–'),
                              ];
                          }),
                          { class: 'roles' },
                      ),
                  ),
              ]
            : '',
        D.caveats.length
            ? el(
                  'p',
                  { class: 'caveat' },
                  D.caveats[0],
                  ' ',
                  button('Caveats', 'About and caveats', () => go({ v: 'about' }), { class: 'link' }),
              )
            : '',
    );
}
