/* Mistakes planted in the page, one at a time; tests named beside each must notice it, one at least. A mistake that
 * can no longer be planted is an error. */
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { SOURCE, template } = require('./files');

/* [name, file, text that is there once, text in its place, tests]. */
const MUTATIONS = [
    [
        'transposed',
        'data.js',
        'from.data[start + at] / from.unit',
        'from.data[start + (rows === cols ? k * cols + q : at)] / from.unit',
        ['B2', 'B4'],
    ],
    [
        'rows_shifted',
        'data.js',
        'from.data[start + at] / from.unit',
        'from.data[start + ((q + 1) % rows) * cols + k] / from.unit',
        ['B2', 'B4'],
    ],
    [
        'enc_dec_swapped',
        'data.js',
        "return known(ck) && kind === 'attention'",
        "t = { enc: 'dec', dec: 'enc', cross: 'cross' }[t];\n    return known(ck) && kind === 'attention'",
        ['B2'],
    ],
    [
        'heads_reversed',
        'data.js',
        '(l * from.shape[1] + h) * rows * cols : 0',
        '(l * from.shape[1] + from.shape[1] - 1 - h) * rows * cols : 0',
        ['B2', 'B4'],
    ],
    [
        'layers_reversed',
        'data.js',
        '(l * from.shape[1] + h) * rows * cols : 0',
        '((from.shape[0] - 1 - l) * from.shape[1] + h) * rows * cols : 0',
        ['B2'],
    ],
    [
        'mask_dropped',
        'data.js',
        "if (t === 'dec' && k > q) m.codes[at] = MASKED;",
        'if (false) m.codes[at] = MASKED;',
        ['B3', 'B10'],
    ],
    ['not_renormalised', 'data.js', 'm.values[at] / left', 'm.values[at]', ['B5']],
    [
        'scale_autoset',
        'colour.js',
        "m.signed || state.s === 'linear'\n                    ? m.values[i]",
        "m.signed || state.s === 'linear'\n                    ? m.values[i] / (Math.max(...m.values) * 1.02)",
        ['B3'],
    ],
    ['stale_ablation', 'main.js', '(s) => [s.x, s.abl]]', '(s) => [s.x]]', ['B12']],
    ['stale_sentence', 'strip.js', 'got = ablated(s, off);', 'got = ablated(D.sentences[0], off);', ['B12']],
    ['one_label', 'matrix.js', "s.tgt.predicts ? s.tgt.predicts[q] : ''", 's.tgt.tokens[q]', ['B4']],
    ['readout_says_read_word', 'words.js', "s.tgt.predicts ? s.tgt.predicts[q] : '?'", 's.tgt.tokens[q]', ['B5']],
    ['other_model_is_this_one', 'data.js', 'if (known(model)) return', 'if (model < 0) return', ['B16']],
    ['other_model_by_name', 'seeds.js', 'head || (match && match.head)', 'head || focusName()', ['B16']],
    ['gold_shift', 'matrix.js', "shift === 'in' ? 1 : 0", '0', ['B4']],
    ['links_to_half', 'state.js', 'ms: [80,', 'ms: [50,', ['B5']],
    [
        'dark_ramp',
        'colour.js',
        "dark: ['#0d1321', '#173962', '#17669d', '#3398cb'",
        "dark: ['#0d1321', '#3398cb', '#17669d', '#173962'",
        ['B3', 'B9'],
    ],
    [
        'words_as_markup',
        'dom.js',
        'node.append(kid.nodeType ? kid : String(kid))',
        "kid.nodeType ? node.append(kid) : node.insertAdjacentHTML('beforeend', String(kid))",
        ['B8'],
    ],
    ['clamp_unsaid', 'state.js', "notices.push(what + ' ' + was", "(() => 0)(what + ' ' + was", ['B7']],
    ['key_lost_in_address', 'state.js', "m: ['matrix', oneOf(MODES)]", "m: ['matrix', () => 'matrix']", ['B7']],
    ['keys_while_typing', 'keys.js', "'input:not([type=checkbox]):not([type=range]),textarea", "'textarea", ['B6']],
    ['says_nothing', 'main.js', "$('live').textContent = text", 'text.length', ['B6']],
    ['moves_by_itself', 'header.js', 'stillWished.matches', 'false', ['B9']],
    [
        'wrong_bucket',
        'agreement.js',
        "b.code === code && b.by === by)",
        "b.code === code && b.by !== by)",
        ['agreement'],
    ],
    [
        'margin_of_another',
        'agreement.js',
        'signed(b.margin.value[head.i])',
        'signed(b.margin.value[head.i + 1])',
        ['agreement'],
    ],
    ['low_bytes', 'data.js', 'new Uint16Array(bytes.buffer)', 'new Uint16Array(bytes)', ['u16']],
    ['one_sided', 'views.js', '0.5 * term(b.values[i]', '0 * term(b.values[i]', ['likeness']],
    ['farthest_first', 'inspector.js', ".sort((a, b) => a[0] - b[0])", ".sort((a, b) => b[0] - a[0])", ['likeness']],
    [
        'next_example',
        'inspector.js',
        'D.examples[D.headIndex.get(name)]',
        'D.examples[D.headIndex.get(name) + 1]',
        ['examples'],
    ],
    ['no_caveats', 'tables.js', 'D.caveats.map((text) => el', '[].map((text) => el', ['caveats']],
    ['lows_as_highs', 'tables.js', 'range(f.lo, f.hi)', 'range(f.hi, f.lo)', ['caveats']],
    ['equal_as_shuffled', 'lab.js', "effectOf(name, 'shuffle')", "effectOf(name, 'uniform')", ['variants']],
    ['faint', 'style.css', '--muted: #4f5b70', '--muted: #9aa7ba', ['B10']],
    ['prints_the_frame', 'style.css', '@media print', '@media speech', ['B15']],
    [
        'loads_a_picture',
        'main.js',
        "document.documentElement.dataset.ready = '1';",
        "document.documentElement.dataset.ready = '1';\n    fetch('file:///etc/hostname');",
        ['S1', 'B1'],
    ],
];

function mutated([name, file, from, to, tests]) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'page-')),
        text = fs.readFileSync(path.join(SOURCE, file), 'utf8');
    if (text.split(from).length !== 2)
        throw new Error(
            'mutation ' + name + ': ' + file + ' has "' + from + '" ' + (text.split(from).length - 1) + ' times',
        );
    fs.cpSync(SOURCE, folder, { recursive: true });
    fs.writeFileSync(
        path.join(folder, file),
        text.replace(from, () => to),
    );
    const page = template(folder);
    fs.rmSync(folder, { recursive: true });
    return { name, template: page, tests };
}

/* All, or those named. */
const all = (names) => MUTATIONS.filter(([name]) => !names.length || names.includes(name)).map(mutated);

module.exports = { all };
