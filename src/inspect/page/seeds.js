/* Other models beside this one: what they are called, which of their heads goes with which, which roles come again. */

const OTHERS = (D.seeds && D.seeds.models) || [];
const otherAt = (n) => OTHERS.find((o) => o.model === n) || null;

/* Its folder and seed; numbered where that is not enough to tell them apart. */
function otherName(o) {
    const text = (x) => (x.name || 'a model') + (known(x.seed) ? ' (seed ' + x.seed + ')' : '');
    return text(o) + (OTHERS.some((x) => x !== o && text(x) === text(o)) ? ' #' + o.model : '');
}
const matchOf = (o, name) => (o.matches || [])[D.headIndex.get(name)] || null;

/* `with:N`: the match in model N of the head in focus; `with:N:HEAD`: that head of it. Null if it is not there. */
function readWith(text) {
    const [, n, , head] = /^with:(\d{1,4})(:(.+))?$/.exec(text) || [],
        o = n && otherAt(+n);
    return o && (!head || D.headIndex.has(head)) ? { o, head: head || null } : null;
}

/* What the head in focus is compared with, as comparison() wants it. */
function otherComparison(cmp, s) {
    const { o, head } = readWith(cmp),
        match = matchOf(o, focusName()),
        name = head || (match && match.head);
    if (!name) return { text: 'No head of ' + otherName(o) + ' was matched with ' + focusName() + '.' };
    const apart = match && known(match.jsd) ? ', ' + num(match.jsd) + ' bit apart' : '';
    const text = name + ' of ' + otherName(o) + (match && match.head === name ? ', its match' + apart : '');
    if (headAt(name).t !== state.t) return { text: text + ' is of another type: their rows and keys differ.' };
    return { text, m: matrixFor(name, s, { ck: null, model: o.model }) };
}

/* For the selector: of each model the match, and the head of the same name if that is another. */
const otherChoices = () =>
    OTHERS.flatMap((o) => {
        const match = matchOf(o, focusName()),
            at = 'with:' + o.model;
        return [
            match && [at, match.head + ' of ' + otherName(o) + ', its match'],
            (!match || match.head !== focusName()) && [at + ':' + focusName(), focusName() + ' of ' + otherName(o)],
        ].filter(Boolean);
    });

/* ---- tables ---- */

const rolesInShort = (labels) =>
    (labels || []).map((x) => shortRole(x.role) + ' ' + x.grade).join(', ') || 'unassigned';

function matchRow(name) {
    const cells = OTHERS.flatMap((o) => {
        const match = matchOf(o, name);
        if (!match) return [el('td', null, '–'), el('td', null, '–'), el('td', null, '')];
        const { t, l, h } = headAt(name);
        return [
            el(
                'td',
                null,
                button(match.head, 'Compare with it', () => go({ t, l, h, v: 'compare', cmp: 'with:' + o.model }), {
                    class: 'link',
                }),
            ),
            el('td', { class: 'n' }, num(match.jsd) + ' / ' + num(match.any)),
            el('td', { class: 'wrap' }, rolesInShort(match.labels)),
        ];
    });
    return {
        props: { class: name === focusName() ? 'here' : null },
        cells: [
            button(name, headWords(name), () => openHead(name), { class: 'link' }),
            el('td', { class: 'wrap' }, rolesInShort(rolesOf(name).labels)),
            ...cells,
        ],
    };
}

function sharedRoles() {
    const roles = [...(D.seeds.roles || [])].sort((a, b) => b.share - a.share || a.role.localeCompare(b.role));
    if (!roles.length) return el('p', { class: 'muted' }, 'No head of any of the models has a role.');
    return scroll(
        table(
            ['role', 'models that have it', 'heads here', ...OTHERS.map((o) => 'in ' + otherName(o))],
            roles.map((r) => [
                roleName(r),
                el('td', { class: 'n' }, Math.round(r.share * (OTHERS.length + 1)) + ' of ' + (OTHERS.length + 1)),
                ...(r.heads || []).map((n) => el('td', { class: 'n' }, n)),
            ]),
            { id: 'shared-roles' },
        ),
    );
}

function othersPart() {
    if (!OTHERS.length)
        return el(
            'p',
            { class: 'muted', id: 'no-others' },
            'No other model stands beside this one. To see which heads and roles come again with another seed: ',
            el('code', null, 'translate_toy inspect --model ' + shell(D.run.name || 'M') + ' --with OTHER,OTHER …'),
        );
    return el(
        'div',
        { id: 'others' },
        el('h3', null, 'In other models'),
        el(
            'p',
            { class: 'muted' },
            'Heads of a layer are matched one to one by what they look at. The bits are how far a head is from its' +
                ' match (0 the same, 1 apart), and from any head of that layer on average: a match that is no nearer' +
                ' than that says nothing. Nothing was ablated there, so grades there end at B.',
        ),
        scroll(
            table(
                ['head', 'roles here', ...OTHERS.flatMap((o) => [otherName(o), 'bit: match / any', 'roles there'])],
                D.heads.filter((name) => headAt(name).t === state.t).map(matchRow),
                { id: 'matches' },
            ),
        ),
        el('h3', null, 'Roles that come again'),
        sharedRoles(),
    );
}
