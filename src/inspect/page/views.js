/* Views 3 and 4: two pictures and their difference; how a head came to be what it is. */

/* ---- 3 compare ---- */

function compareView(host) {
    const s = focusSentence(),
        a = s && matrixFor(focusName(), s),
        room = Math.max(200, host.clientWidth - 24);
    show(host, el('h2', null, 'Compare ' + focusName()));
    if (!a) {
        host.append(
            el(
                'p',
                { class: 'empty' },
                'The page has no weights of this sentence' + (state.ck !== null ? ' at step ' + state.ck : '') + '.',
            ),
        );
        return;
    }
    const to = comparison(a),
        side = room > 560 ? Math.floor(room / 2) - 8 : room,
        boxes = [];
    const one = (m, text) => {
        const made = matrixBox(m, side, { compact: false, label: text });
        boxes.push(made);
        return el('figure', { class: 'pair' }, el('figcaption', null, text), made.box);
    };
    host.append(
        ...[
            el('div', { class: 'tools' }, compareSelect()),
            el(
                'div',
                { class: 'pairs' },
                one(a, focusName() + (state.ck !== null ? ' at step ' + state.ck : '')),
                to.m ? one(to.m, to.text) : el('p', { class: 'empty' }, to.text),
                to.m &&
                    (to.fits
                        ? one(difference(a, to.m), 'difference: first minus second')
                        : el('p', { class: 'empty' }, 'Shapes differ: no difference.')),
            ),
            legend(a),
        ].filter(Boolean),
    );
    if (to.m && to.fits)
        host.append(
            el(
                'p',
                { class: 'muted' },
                'Rows differ by ' + num(meanJsd(a, to.m), 3) + ' bit on average (Jensen-Shannon; 0 the same, 1 apart).',
            ),
        );
    host.append(othersPart(), headMap());
    if (D.pairs && D.pairs.length) host.append(pairsTable());
    boxes.forEach((made) => made.paint());
}

/* Heads of the type in a plane, near one another if they look at the same (classical scaling of their divergences). */
function headMap() {
    const near = D.similarity && D.similarity[state.t],
        points = near && near.map;
    if (!points || points.length < 3) return el('p', { class: 'muted' }, 'Similarity was not measured.');
    const width = 420,
        low = [0, 1].map((i) => Math.min(...points.map((p) => p[i]))),
        span = Math.max(...[0, 1].map((i) => Math.max(...points.map((p) => p[i])) - low[i]), 1e-9);
    const height = 40 + Math.ceil(((Math.max(...points.map((p) => p[1])) - low[1]) / span) * (width - 110));
    const at = (p, i) => coordinate(((p[i] - low[i]) / span) * (width - 110) + 20);
    const name = (i) => headName(state.t, Math.floor(i / D.H), i % D.H);
    return el(
        'figure',
        { class: 'chart map' },
        el('figcaption', null, 'Map of ' + TYPE_WORDS[state.t].toLowerCase() + ' heads: near ones look alike'),
        drawing(
            width,
            height,
            'Heads by likeness; the nearest of each stand in the inspector',
            points.map((p, i) => [
                svg('circle', {
                    cx: at(p, 0),
                    cy: at(p, 1),
                    r: name(i) === focusName() ? 7 : 4,
                    class: name(i) === focusName() ? 'dot here' : 'dot',
                }),
                svg('text', { x: +at(p, 0) + 8, y: +at(p, 1) + 4 }, name(i)),
            ]),
        ),
    );
}

function meanJsd(a, b) {
    let sum = 0;
    const term = (p, m) => (p > 0 ? p * Math.log2(p / m) : 0);
    for (let i = 0; i < a.values.length; i++)
        sum +=
            0.5 * term(a.values[i], (a.values[i] + b.values[i]) / 2) +
            0.5 * term(b.values[i], (a.values[i] + b.values[i]) / 2);
    return sum / (a.rows || 1);
}

function pairsTable() {
    return el(
        'div',
        null,
        el('h3', null, 'Minimal pairs: sentences that differ in one word, or in a noun and its verb'),
        scroll(
            table(
                ['pair', 'decision', 'forms', 'heads that carry it (patching effect)'],
                D.pairs.map((p) => {
                    const top = Object.entries(p.effect || {})
                        .filter(([, e]) => known(e))
                        .sort((x, y) => y[1] - x[1])
                        .slice(0, 4);
                    return [
                        button(
                            p.sentences.join(' / '),
                            'Compare them',
                            () => go({ v: 'compare', x: p.sentences[0], cmp: 'sent:' + p.sentences[1] }),
                            { class: 'link' },
                        ),
                        p.code,
                        (p.form || []).join(' / '),
                        el('td', { class: 'wrap' }, top.map(([name, e]) => name + ' ' + percent(e, 0)).join(', ')),
                    ];
                }),
            ),
        ),
    );
}

/* ---- 4 training time ---- */

function timeView(host) {
    const name = focusName(),
        room = Math.max(220, host.clientWidth - 24),
        s = focusSentence();
    show(host, el('h2', null, 'Training time: ' + name));
    if (!D.snapshots) {
        host.append(
            el(
                'p',
                { class: 'empty' },
                'No snapshots were kept in training: train with --snapshots N to follow heads over time.',
            ),
        );
        return;
    }
    const at = state.ck === null ? D.steps.length - 1 : D.steps.indexOf(state.ck),
        m = s && matrixFor(name, s),
        made = m && matrixBox(m, Math.min(room, 420), { label: name + ' at step ' + D.steps[at] });
    const churn = D.snapshots.churn && D.snapshots.churn[state.t],
        i = state.l * D.H + state.h,
        here = rolesAtStep(at);
    host.append(
        el(
            'p',
            null,
            'Step ' +
                (state.ck === null ? D.run.step + ', the model as it is' : state.ck) +
                (D.snapshots.loss && known(D.snapshots.loss[at]) ? ', loss ' + num(D.snapshots.loss[at], 3) : '') +
                '. Roles then: ' +
                (here || 'none') +
                '. Slider and play are above; , and . step.',
        ),
        made
            ? el('div', { class: 'stage' }, made.box)
            : el(
                  'p',
                  { class: 'empty' },
                  'No snapshot of this sentence; there are: ' + (D.snapshots.sentences || []).join(', ') + '.',
              ),
        chart('Measures of ' + name, D.steps, headSeries(name, 5), {
            width: room,
            high: 1,
            x: 'training step',
            mark: at,
        }),
        chart('Loss', D.steps, [{ name: 'loss', y: D.snapshots.loss || [] }], {
            width: room,
            height: 140,
            x: 'training step',
            mark: at,
        }),
        churn
            ? chart(
                  'Churn: change of its weights since the snapshot before, bit',
                  D.steps,
                  [{ name: 'churn', y: churn.map((row) => (row ? row[i] : null)) }],
                  { width: room, height: 140, low: 0, x: 'training step', mark: at },
              )
            : '',
        onsetTable(),
    );
    if (made) made.paint();
}

const rolesAtStep = (at) => rolesThen(focusName(), at).join(', ');

function onsetTable() {
    const all = D.snapshots.onset || [],
        onset = all.filter((o) => known(o.step)).sort((a, b) => a.step - b.step);
    return el(
        'div',
        null,
        el('h3', null, 'Onset: when a role came to stay'),
        onset.length
            ? scroll(
                  table(
                      ['head', 'role', 'from step'],
                      onset.map((o) => [
                          button(o.head, 'Open', () => openHead(o.head), { class: 'link' }),
                          o.role,
                          el('td', { class: 'n' }, o.step),
                      ]),
                  ),
              )
            : '',
        all.length > onset.length
            ? el(
                  'p',
                  { class: 'muted' },
                  plural(all.length - onset.length, 'role') +
                      ' did not hold its threshold, interval and all, for three snapshots.',
              )
            : '',
    );
}
