/* The ablation lab: any set of heads off, the translation that was computed for it, and what each head and the curve of
 * removing them cost. */

function labView(host) {
    const s = focusSentence(),
        off = ablatedHeads();
    show(host, el('h2', null, 'Ablation lab'));
    if (!D.ablation) host.append(el('p', { class: 'empty' }, 'Nothing was ablated in this inspection.'));
    host.append(
        el(
            'div',
            { class: 'toggles' },
            TYPES.filter(layersOf).map((t) =>
                el(
                    'div',
                    { role: 'group', 'aria-label': TYPE_WORDS[t] + ' heads', class: 'toggle-band' },
                    el('b', null, TYPE_WORDS[t]),
                    D.heads
                        .filter((name) => headAt(name).t === t)
                        .map((name) =>
                            el(
                                'button',
                                {
                                    type: 'button',
                                    class: 'toggle' + (off.includes(name) ? ' off' : ''),
                                    'aria-pressed': String(off.includes(name)),
                                    title: headWords(name),
                                    'data-toggle': name,
                                    onclick: () => toggleHead(name),
                                },
                                name.slice(t.length + 1),
                            ),
                        ),
                ),
            ),
        ),
        el(
            'div',
            { class: 'tools' },
            button('All on', 'No head switched off', () => go({ abl: '' })),
            setSelect(),
            removalSlider(off),
        ),
        el(
            'p',
            { id: 'lab-result', role: 'status' },
            off.length
                ? [plural(off.length, 'head') + ' off. ', translationWords()]
                : 'All heads are on. Switch one off and watch the translation below.',
        ),
    );
    if (s && off.length && !ablated(s, off))
        host.append(el('p', null, 'This set was not computed. It is, with: ', el('code', null, commandFor(s, off))));
    if (off.length) host.append(everySentence(off));
    if (D.ablation) host.append(effectsTable(), ...curves(Math.max(220, host.clientWidth - 24)), redundancyTable());
}

/* Sets of several heads that were computed. */
function setSelect() {
    const sets = Object.keys((D.ablation && D.ablation.cache) || {}).filter((key) => key.includes(','));
    const text = (key) => {
        const names = key.split(',');
        return names.length > 4 ? names.length + ' heads: ' + names.slice(0, 3).join(', ') + ', …' : names.join(', ');
    };
    return sets.length
        ? select(
              'Computed sets',
              [['', 'computed sets of several heads …'], ...sets.map((key) => [key, text(key)])],
              sets.includes(state.abl) ? state.abl : '',
              (abl) => go({ abl }),
          )
        : '';
}

/* How far along the curve of removing heads to go: their set is switched off once the slider rests. */
function removalSlider(off) {
    const c = D.ablation && D.ablation.curve;
    if (!c || !c.order) return '';
    const sets = c.order.map((_, i) => setKey(c.order.slice(0, i + 1))),
        now = sets.indexOf(setKey(off)) + 1,
        each = D.model.d_head * (4 * D.model.d_model + 3), // weights and biases of q, k, v; its columns of the output's
        words = (n) =>
            plural(n, 'head') +
            ' removed' +
            (known(D.model.parameters) ? ', ' + num((100 * n * each) / D.model.parameters, 1) + ' % of the weights' : '') +
            (known(c.loss[n]) ? ', loss ' + num(c.loss[n], 3) : '') +
            (known(c.exact[n]) ? ', exact ' + num(100 * c.exact[n], 1) + ' %' : ''),
        said = el('output', { id: 'removed' }, words(now));
    return el(
        'span',
        { class: 'slider' },
        el('input', {
            type: 'range',
            min: 0,
            max: sets.length,
            value: now,
            'aria-label': 'Heads removed, least important first',
            'aria-valuetext': words(now),
            oninput: (e) => show(said, words(+e.target.value)),
            onchange: (e) => go({ abl: +e.target.value ? sets[e.target.value - 1] : '' }, true),
        }),
        said,
    );
}

/* Which shown sentences change without the set. */
function everySentence(off) {
    const changed = D.sentences.map((s) => [s, ablated(s, off)]).filter(([, got]) => got && !got.same),
        some = D.sentences.some((s) => ablated(s, off));
    return !some
        ? el('p')
        : el(
              'details',
              { open: changed.length > 0 && changed.length < 6 },
              el(
                  'summary',
                  null,
                  plural(changed.length, 'sentence') + ' of ' + D.sentences.length + ' come out otherwise',
              ),
              el(
                  'ul',
                  { class: 'plain' },
                  changed.slice(0, 12).map(([s, got]) =>
                      el(
                          'li',
                          null,
                          button(s.id, 'Show', () => go({ x: s.id }), { class: 'link' }),
                          ' ',
                          el('span', { class: 'diff' }, diffWords(wordDiff(s.translation.words, got.words))),
                      ),
                  ),
              ),
          );
}

function effectsTable() {
    const rows = D.heads
        .map((name) => [name, effectOf(name), effectOf(name, 'uniform'), effectOf(name, 'shuffle'), importanceOf(name)])
        .filter(([, e]) => e)
        .sort((a, b) => b[1].loss.value - a[1].loss.value);
    const worst = (e) =>
        Object.entries(e.free || {})
            .filter(([, x]) => x && known(x.value))
            .sort((a, b) => a[1].value - b[1].value)[0];
    return el(
        'div',
        null,
        el('h3', null, 'Each head alone'),
        rows.length
            ? scroll(
                  table(
                      [
                          'head',
                          'loss without it',
                          'loss, equal weights',
                          'loss, shuffled weights',
                          'exact',
                          'BLEU',
                          'falls most',
                          'importance',
                      ],
                      rows.map(([name, e, u, shuffled, i]) => {
                          const w = worst(e);
                          return {
                              props: { class: name === focusName() ? 'here' : '' },
                              cells: [
                                  button(name, headWords(name), () => go({ ...headAt(name), abl: name }), {
                                      class: 'link',
                                  }),
                                  el('td', { class: 'n' }, effectWords(e.loss, 4)),
                                  el('td', { class: 'n' }, u ? effectWords(u.loss, 4) : '–'),
                                  el('td', { class: 'n' }, shuffled ? effectWords(shuffled.loss, 4) : '–'),
                                  el('td', { class: 'n' }, effectWords(e.exact)),
                                  el('td', { class: 'n' }, effectWords(e.bleu, 2)),
                                  w && w[1].value < 0 ? [w[0] + ' ', effectWords(w[1])] : '–',
                                  el('td', { class: 'n' }, i ? num(i.value, 4) : '–'),
                              ],
                          };
                      }),
                      { id: 'effects' },
                  ),
              )
            : el('p', { class: 'muted' }, 'No single head was ablated.'),
    );
}

function curves(width) {
    const c = D.ablation.curve;
    if (!c || !c.order) return [el('p', { class: 'muted' }, 'The curve of removing heads was not measured.')];
    const x = c.loss.map((_, i) => i),
        random = c.random && c.random.loss;
    return [
        chart(
            'Loss as heads are removed, least important first',
            x,
            [
                { name: 'by importance', y: c.loss },
                ...(random ? [{ name: 'in random order', y: random.mean, lo: random.lo, hi: random.hi }] : []),
            ],
            { width, low: 0, x: 'heads removed' },
        ),
        chart(
            'Exact translations',
            x,
            [
                { name: 'exact', y: c.exact },
                ...(c.phenomena && c.phenomena['NUM-LONG']
                    ? [{ name: 'NUM-LONG, forced', y: c.phenomena['NUM-LONG'] }]
                    : []),
            ],
            { width, height: 150, low: 0, high: 1, x: 'heads removed' },
        ),
        el('p', { class: 'muted' }, 'Order: ' + c.order.join(', ') + '.'),
    ];
}

function redundancyTable() {
    const rows = (D.ablation.redundancy || [])
        .filter((r) => r.loss && known(r.loss.value))
        .sort((a, b) => b.loss.value - a.loss.value);
    return rows.length
        ? lazyTable('Pairs of heads: do they back each other up?', () =>
              table(
                  ['heads', 'loss of both beyond the sum of each; above 0: they do'],
                  rows.slice(0, 30).map((r) => [r.heads.join(', '), el('td', { class: 'n' }, effectWords(r.loss, 4))]),
              ),
          )
        : el('p');
}
