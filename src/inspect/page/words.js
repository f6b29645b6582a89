/* What a cell, a head, a phenomenon is, in words. */

/* Codes of docs/toy.md; other codes stand for themselves. */
const PHENOMENA = {
    'GEN-DET': 'gender of the article',
    'GEN-ADJ': 'gender and number of the adjective',
    'NUM-SV': 'number of the verb',
    'NUM-LONG': 'number across a clause',
    'GEN-LONG': 'gender across a clause',
    'NUM-VERB': 'number that only the verb shows',
    'ADJ-ORDER': 'place of the adjective',
    LIAISON: 'form before a vowel',
    'DE-PLUR': 'de or des',
    NEG: 'negation in two words',
    CLITIC: 'object pronoun before the verb',
    'CL-ANTE': 'gender of the object pronoun',
    ANAPHOR: 'gender of the pronoun',
    'POSS-AGR': 'form of the possessive',
    GENITIVE: 'order of owner and owned',
    HOMONYM: 'sense of the noun',
    'VERB-SENSE': 'sense of the verb',
    CONTR: 'contraction',
};
const phenomenonWords = (code) => PHENOMENA[code] || code;
const inWords = (text) => text.replace(/\b[A-Z]+(?:-[A-Z]+)*\b/g, phenomenonWords);
const GRADES = {
    A: 'causal: switching it off changes what the label claims',
    B: 'statistical only: where it looks, not what it does',
    C: 'single examples only',
};

const quoted = (text) => '“' + (text === '' ? '' : text) + '”';

/* reads “les” → predicts “chats” | looks at “cats” (2): 0.83, rank 1 of 7, 6.1 × chance */
function cellWords(m, q, k) {
    const { s, t } = m,
        at = q * m.cols + k,
        x = m.values[at];
    const who =
        t === 'enc'
            ? quoted(s.src.tokens[q]) + ' (' + q + ')'
            : 'reads ' + quoted(s.tgt.tokens[q]) + ' → predicts ' + quoted(s.tgt.predicts ? s.tgt.predicts[q] : '?');
    const key = quoted(sideKeys(s, t).tokens[k]) + ' (' + k + ')';
    if (m.codes[at] === MASKED) return who + ' | may not look at ' + key + ': masked';
    if (m.codes[at] === HIDDEN) return who + ' | ' + key + ': left out with the special tokens';
    if (m.signed)
        return who + ' | at ' + key + ': ' + (x > 0 ? '+' : '') + num(x) + (x === 0 ? '' : x > 0 ? ' more' : ' less');
    let n = 0,
        rank = 1;
    for (let j = 0; j < m.cols; j++) {
        n += m.codes[q * m.cols + j] === 0;
        rank += m.codes[q * m.cols + j] === 0 && m.values[q * m.cols + j] > x;
    }
    return (
        who + ' | looks at ' + key + ': ' + num(x) + ', rank ' + rank + ' of ' + n + ', ' + num(x * n, 1) + ' × chance'
    );
}

/* Row total, and what special tokens take of it. */
function rowWords(m, q) {
    if (m.signed) return '';
    let sum = 0;
    for (let k = 0; k < m.cols; k++) sum += m.values[q * m.cols + k];
    return m.hide
        ? 'row ' +
              q +
              ': ' +
              percent(m.removed[q]) +
              ' on special tokens was removed' +
              (m.removed[q] > 0.95 ? ' (a sink row)' : '')
        : 'row ' + q + ' sums to ' + num(sum) + '; ' + percent(m.removed[q]) + ' of it on special tokens';
}

/* What all rows together give the key; of rollout on the decoder's own inputs, how that differs from uniform
 * attention. */
function keyWords(m, { q, k }) {
    if (m.signed || m.codes[q * m.cols + k]) return '';
    let sum = 0;
    for (let i = 0; i < m.rows; i++) sum += m.values[i * m.cols + k];
    const even = state.m === 'rollout' && m.t === 'dec' ? block('v-' + m.s.id + '-dec') : null;
    return (
        '; key ' +
        k +
        ' gets ' +
        num(sum) +
        ' in all' +
        (even ? '; ' + num(2 ** even.data[q * m.cols + k], 1) + ' × what uniform attention would give' : '')
    );
}

/* Keys of a row in falling order of weight, until they hold the share. */
function topKeys(m, q, share) {
    const keys = [];
    let all = 0,
        sum = 0;
    for (let k = 0; k < m.cols; k++) {
        all += Math.abs(m.values[q * m.cols + k]);
        if (!m.codes[q * m.cols + k]) keys.push(k);
    }
    const weight = (k) => Math.abs(m.values[q * m.cols + k]);
    keys.sort((a, b) => weight(b) - weight(a) || a - b);
    const out = [];
    for (const k of keys) {
        if (sum >= share * all - 1e-9 || weight(k) === 0) break;
        out.push(k);
        sum += weight(k);
    }
    return out;
}

function rowSummary(m, q) {
    const keys = topKeys(m, q, 0.8),
        side = sideKeys(m.s, m.t);
    return keys.map((k) => quoted(side.tokens[k]) + ' ' + num(m.values[q * m.cols + k])).join(', ');
}

const shortRole = (role) => role.replace('OFFSET', 'OFF').replace('DEP:', '').replace('UNIFORM', 'UNIF');
const roleName = (label) =>
    label.role.startsWith('DEP:') && PHENOMENA[label.name] ? phenomenonWords(label.name) : label.name || label.role;

/* The label that stands for a head where there is room for one: the best grade, then the first. */
function mainLabel(name) {
    const labels = rolesOf(name).labels || [];
    return labels.length ? labels.reduce((best, x) => (x.grade < best.grade ? x : best), labels[0]) : null;
}

function headWords(name) {
    const r = rolesOf(name),
        main = mainLabel(name);
    return name + ': ' + (main ? inWords(r.text) + ', evidence ' + main.grade : r.idle ? 'idle' : r.text);
}

function gradeBadge(grade) {
    return el(
        'span',
        { class: 'grade grade-' + grade, title: 'Evidence ' + grade + ', ' + (GRADES[grade] || '') },
        grade,
    );
}
function roleChip(label) {
    return el('span', { class: 'chip', title: label.why || '' }, roleName(label), ' ', gradeBadge(label.grade));
}

/* Word-level difference: [kind, word], kind '=' kept, '-' only before, '+' only after (longest common subsequence). */
function wordDiff(before, after) {
    const n = before.length,
        m = after.length,
        best = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
    for (let i = n - 1; i >= 0; i--)
        for (let j = m - 1; j >= 0; j--)
            best[i][j] = before[i] === after[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    const out = [];
    let i = 0,
        j = 0;
    while (i < n || j < m)
        if (i < n && j < m && before[i] === after[j]) {
            out.push(['=', before[i++]]);
            j++;
        } else if (j < m && (i === n || best[i][j + 1] > best[i + 1][j])) {
            out.push(['+', after[j++]]);
        } else {
            out.push(['-', before[i++]]);
        }
    return out;
}
const diffWords = (parts) =>
    parts.map(([kind, word]) => [
        kind === '=' ? el('span', { dir: 'auto' }, word) : el(kind === '-' ? 'del' : 'ins', { dir: 'auto' }, word),
        ' ',
    ]);

/* How to ask the program for what is not in the page. */
function commandFor(s, names) {
    return (
        'translate_toy ablate --model ' +
        shell(D.run.name || 'M') +
        ' --heads ' +
        setKey(names) +
        ' ' +
        shell(s.src.tokens.filter((w, i) => !(s.src.flags[i] & 7)).join(' '))
    );
}
const shell = (text) => (/^[A-Za-z0-9_.\/-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'");
