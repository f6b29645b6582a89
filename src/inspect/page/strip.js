/* Source, output and reference of the sentence, their gold alignment, what could have come out otherwise, and the
 * translation without the heads that are switched off. */

function toggleHead(name) {
    const off = new Set(ablatedHeads());
    if (!off.delete(name)) off.add(name);
    go({ abl: setKey(off) });
    say(name + (off.has(name) ? ' is off. ' : ' is on. ') + translationWords());
}

function translationWords() {
    const s = focusSentence(),
        off = ablatedHeads(),
        got = s && ablated(s, off);
    return !s
        ? ''
        : !got
          ? 'This set was not computed.'
          : off.length && got.same
            ? 'The translation stays the same.'
            : 'Translation: ' + got.words.join(' ');
}

/* Decisions by the target word they begin at, one of each group. */
function decisionsAt(s) {
    const at = new Map();
    for (const d of (s.gold && s.gold.decisions) || [])
        if (!(at.get(d.position) || []).some((x) => groupOf(x.code) === groupOf(d.code)))
            at.set(d.position, [...(at.get(d.position) || []), d]);
    return at;
}

function decisionMark(d) {
    const g = groupOf(d.code);
    return el(
        'sup',
        {
            class: 'mark g' + g,
            title:
                d.code +
                ', ' +
                phenomenonWords(d.code) +
                ': ' +
                d.form +
                ', not ' +
                (d.competitors || []).join(', ') +
                (d.free === false ? '; wrong in the translation' : ''),
        },
        GROUPS[g][0] + (d.free === false ? '✗' : ''),
    );
}

/* The two sentences with their links; the head's word under the pointer is not shown here. */
function alignedWords(s) {
    const at = decisionsAt(s),
        src = s.src.tokens.map((_, i) => el('span', { class: 'word', 'data-i': i }, tokenLabel(s, s.src, i)));
    const tgt = s.tgt.tokens
        .slice(1)
        .map((_, i) =>
            el(
                'span',
                { class: 'word', 'data-t': i },
                tokenLabel(s, s.tgt, i + 1),
                (at.get(i) || []).map(decisionMark),
            ),
        );
    const arcs = svg('svg', { class: 'arcs', 'aria-hidden': 'true', height: 34 });
    const box = el(
        'div',
        {
            class: 'aligned scroll',
            tabindex: 0,
            role: 'region',
            'aria-label': 'Source and ' + s.target + ', gold links between',
        },
        el('div', { class: 'line' }, el('b', { class: 'who' }, 'source'), src),
        arcs,
        el('div', { class: 'line' }, el('b', { class: 'who' }, s.target), tgt),
    );
    box.drawArcs = () => {
        const left = box.getBoundingClientRect().left - box.scrollLeft,
            mid = (node) => {
                const r = node.getBoundingClientRect();
                return r.left + r.width / 2 - left;
            };
        arcs.setAttribute('width', Math.max(10, box.scrollWidth - 2));
        const sure = new Set(((s.gold && s.gold.sure) || []).map(String));
        show(
            arcs,
            ((s.gold && s.gold.possible) || []).map(
                ([i, j]) =>
                    src[i] &&
                    tgt[j] &&
                    svg('path', {
                        class: sure.has(i + ',' + j) ? '' : 'possible',
                        d:
                            'M' +
                            coordinate(mid(src[i])) +
                            ' 0C' +
                            coordinate(mid(src[i])) +
                            ' 17 ' +
                            coordinate(mid(tgt[j])) +
                            ' 17 ' +
                            coordinate(mid(tgt[j])) +
                            ' 34',
                    }),
            ),
        );
    };
    return box;
}

/* The output, or its difference to the output without the heads that are off. */
function outputLine(s) {
    const off = ablatedHeads(),
        whole = (s.translation && s.translation.words) || [],
        got = ablated(s, off);
    const exact = s.translation && s.translation.exact;
    const plain = el(
        'div',
        { class: 'line output' },
        el('b', { class: 'who' }, 'output'),
        el('span', { id: 'output', lang: langOf(s, false), dir: 'auto' }, whole.join(' ')),
        exact === null || exact === undefined
            ? ''
            : el('span', { class: exact ? 'good' : 'bad' }, exact ? '✓ as the reference' : '✗ not the reference'),
    );
    if (!off.length) return plain;
    const chips = off.map((name) =>
        button(name + ' ×', 'Switch it on again', () => toggleHead(name), { class: 'chip off' }),
    );
    const line = el('div', { class: 'line output', id: 'ablated' }, el('b', { class: 'who' }, 'without'), chips);
    if (!got)
        fill(line, null, [
            el('span', { id: 'not-cached', class: 'bad' }, 'not cached: run '),
            el('code', null, commandFor(s, off)),
        ]);
    else
        fill(line, null, [
            el(
                'span',
                { id: 'without', lang: langOf(s, false), dir: 'auto', 'data-text': got.words.join(' ') },
                got.same ? whole.join(' ') : diffWords(wordDiff(whole, got.words)),
            ),
            el('span', { class: got.same ? 'muted' : 'bad' }, got.same ? 'the same' : 'changed'),
            known(got.loss) &&
                el('span', { class: 'muted' }, 'loss ' + num((s.translation || {}).loss, 3) + ' → ' + num(got.loss, 3)),
        ]);
    return [plain, line];
}

function stripView(host) {
    const s = focusSentence();
    if (!s) {
        show(host, el('p', { class: 'empty' }, 'There are no sentences in this page.'));
        return;
    }
    const words = alignedWords(s),
        decisions = (s.gold && s.gold.decisions) || [];
    const used = new Set(decisions.map((d) => groupOf(d.code)));
    const marks = el(
        'span',
        { class: 'muted marks' },
        s.gold
            ? [...used]
                  .sort()
                  .map((g) => el('span', null, el('span', { class: 'mark g' + g }, GROUPS[g][0]), ' ' + GROUPS[g][1]))
            : 'No gold structure is known for this sentence.',
    );
    const lines = [outputLine(s)].flat();
    lines[0].append(marks);
    show(host, words, lines);
    words.drawArcs();
}
