/* Part of view 5: agreement across a distance. How often a choice is right, and how much more a head gives to the word that
 * controls it than to the one that could mislead it, by what stands in between. */

const AGREEMENT_BY = { attractors: 'nouns in between that could mislead', distance: 'distance in words' };

/* The head of a type whose margin over all buckets is largest: [name, its place among all heads]; null: none has one. */
function leaningOn(type, buckets) {
    let best = null;
    D.heads.forEach((name, i) => {
        if (headAt(name).t !== type) return;
        let sum = 0,
            n = 0;
        for (const b of buckets)
            if (known(b.margin.value[i])) {
                sum += b.arcs[type] * b.margin.value[i];
                n += b.arcs[type];
            }
        if (n && (!best || sum / n > best.mean)) best = { name, i, mean: sum / n };
    });
    return best;
}

function agreementTable(code, by, buckets, heads) {
    const share = (x) => [
        x ? percent(x.value) : 'not measured',
        el('br'),
        el('small', null, x ? range(100 * x.lo, 100 * x.hi, 1) : ''),
    ];
    const margin = (b, head) =>
        known(b.margin.value[head.i])
            ? [
                  signed(b.margin.value[head.i]),
                  el('br'),
                  el('small', null, range(b.margin.lo[head.i], b.margin.hi[head.i])),
              ]
            : 'none';
    return table(
        [AGREEMENT_BY[by], 'n', 'right', 'in its translation', ...heads.map((head) => 'margin of ' + head.name)],
        buckets.map((b) => [
            b.bucket,
            el('td', { class: 'n' }, b.n),
            el('td', { class: 'n' }, share(b.forced)),
            el('td', { class: 'n' }, share(b.free)),
            ...heads.map((head) => el('td', { class: 'n' }, margin(b, head))),
        ]),
        { class: 'agreement', 'data-code': code, 'data-by': by },
    );
}

function agreementFigure(code, by, room) {
    const buckets = D.agreement.filter((b) => b.code === code && b.by === by),
        all = D.agreement.filter((b) => b.code === code && b.by === 'attractors');
    const heads = ['enc', 'dec', 'cross'].map((type) => leaningOn(type, all)).filter(Boolean);
    const lines = [
        { name: 'right', y: buckets.map((b) => b.forced && b.forced.value) },
        { name: 'in its translation', y: buckets.map((b) => b.free && b.free.value) },
        ...heads.map((head) => ({ name: 'margin of ' + head.name, y: buckets.map((b) => b.margin.value[head.i]) })),
    ];
    return [
        el('h4', null, code + ' by ' + AGREEMENT_BY[by]),
        chart(
            phenomenonWords(code),
            buckets.map((b) => b.bucket),
            lines,
            { width: room, height: 160, high: 1, x: AGREEMENT_BY[by] },
        ),
        scroll(agreementTable(code, by, buckets, heads)),
        heads.length
            ? ''
            : el('p', { class: 'muted' }, 'Nothing that could mislead stands in between here: no margin of any head.'),
    ];
}

function agreementPart(room) {
    const codes = [...new Set((D.agreement || []).map((b) => b.code))];
    return el(
        'section',
        { id: 'agreement' },
        el('h3', null, 'Agreement across a distance'),
        codes.length
            ? [
                  el(
                      'p',
                      { class: 'muted' },
                      'Margin: weight on the word that controls the choice minus that on the strongest word in between that could mislead, of the same decisions (−1 to 1; above 0 the head tells them apart). Of each type the head with the largest margin over all, chosen on the same sentences. 95 % intervals.',
                  ),
                  codes.map((code) => Object.keys(AGREEMENT_BY).map((by) => agreementFigure(code, by, room))),
              ]
            : el(
                  'p',
                  { class: 'empty' },
                  'Not measured: of no decision here is it known how far it is from what decides it.',
              ),
    );
}
