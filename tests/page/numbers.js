/* Tests of the page: the numbers that its views say are those of inspect.json, or counted anew from the arrays. */
'use strict';
const path = require('path');
const assert = require('assert');
const { readNpy, assemble, makeData, random } = require('./files');
const { TYPES, quiet } = require('./see');
const { text, json } = require('./use');

/* As the page writes numbers: what would round to 0 keeps a digit, a minus is U+2212, and no zero has one. */
const fixed = (x, digits) =>
    (Math.abs(x) >= 1e-6 && Math.abs(x) < 0.5 * 10 ** -digits
        ? Number(x.toPrecision(1)).toFixed(6).replace(/0+$/, '')
        : x.toFixed(digits)
    )
        .replace('-', '−')
        .replace(/^−(0\.?0*)$/, '$1');
const rows = (tab, where) =>
    tab.eval(
        `[...document.querySelectorAll(${JSON.stringify(where)} + ' tbody tr')].map((r) => [...r.children].map((c) => c.innerText.trim().replace(/\\s+/g, ' ')))`,
    );
const heads = (tab, where) =>
    tab.eval(`[...document.querySelectorAll(${JSON.stringify(where)} + ' thead th')].map((c) => c.textContent)`);
const near = (a, b, within, what) => assert.ok(Math.abs(a - b) <= within, what + ': ' + a + ' is not ' + b);

/* ---- agreement across a distance ---- */

/* The head of a type with the largest mean margin over the buckets. */
function leaning(all, buckets, type) {
    const means = all.heads.map((name, i) => {
        const of = buckets.filter((b) => b.margin.value[i] !== null && name.startsWith(type + '.'));
        const n = of.reduce((sum, b) => sum + b.arcs[type], 0);
        return n ? of.reduce((sum, b) => sum + b.arcs[type] * b.margin.value[i], 0) / n : -2;
    });
    const best = means.indexOf(Math.max(...means));
    return means[best] > -2 ? best : -1;
}

async function showsAgreement(env) {
    const tab = await env.tab();
    for (const of of [env.real, env.planted]) {
        const all = json(of),
            codes = [...new Set(all.agreement.map((b) => b.code))];
        await tab.open(of.page, '#z=1&v=phenomena');
        assert.ok(codes.includes(of === env.real ? 'NUM-LONG' : 'NUMBER'), codes);
        for (const code of codes)
            for (const by of ['attractors', 'distance']) {
                const where = `#agreement table[data-code="${code}"][data-by="${by}"]`,
                    buckets = all.agreement.filter((b) => b.code === code && b.by === by),
                    from = all.agreement.filter((b) => b.code === code && b.by === 'attractors');
                const shown = TYPES.map((t) => leaning(all, from, t)).filter((i) => i >= 0),
                    got = await rows(tab, where);
                assert.deepStrictEqual(
                    (await heads(tab, where)).slice(4),
                    shown.map((i) => 'margin of ' + all.heads[i]),
                    where,
                );
                assert.strictEqual(got.length, buckets.length, where);
                buckets.forEach((b, k) => {
                    const share = (x) =>
                        fixed(100 * x.value, 1) + ' % ' + fixed(100 * x.lo, 1) + ' to ' + fixed(100 * x.hi, 1);
                    assert.deepStrictEqual(got[k].slice(0, 4), [b.bucket, String(b.n), share(b.forced), share(b.free)]);
                    shown.forEach((i, j) => {
                        const x = b.margin.value[i],
                            want =
                                x === null
                                    ? 'none'
                                    : (x > 0 ? '+' : '') +
                                      fixed(x, 2) +
                                      ' ' +
                                      fixed(b.margin.lo[i], 2) +
                                      ' to ' +
                                      fixed(b.margin.hi[i], 2);
                        assert.strictEqual(got[k][4 + j], want, where);
                    });
                });
            }
        if (of === env.planted) {
            /* Its head of subjects prefers them wholly to what stands before the verb. */
            const [first] = (await rows(tab, '#agreement table')).filter((r) => r[4] !== 'none');
            assert.ok(first[4].startsWith('+1.00'), first);
        }
        assert.ok((await tab.eval('document.querySelectorAll("#agreement figure svg").length')) >= 2, 'it is drawn');
    }
    const { data, blocks } = makeData({ layers: 1, heads: 1, sentences: [[['a'], ['b']]], weights: () => 1 }),
        none = [null, null, null];
    data.ablation = { base: { phenomena: { NEG: { n: 2, forced: 1, free: 1 } } }, effects: [] };
    const said = async () => {
        await tab.open(env.write('alone.html', assemble(data, blocks, env.template || undefined)), '#z=1&v=phenomena');
        return text(tab, 'agreement');
    };
    assert.match(await said(), /Not measured/);
    data.agreement = [
        {
            code: 'NEG',
            by: 'attractors',
            bucket: '0',
            n: 2,
            forced: null,
            free: null,
            arcs: { enc: 0, dec: 0, cross: 0 },
            margin: { value: none, lo: none, hi: none },
        },
    ];
    assert.match(await said(), /not measured[^]*no margin of any head/);
    quiet(tab, 'agreement');
}

/* ---- likeness ---- */

/* Jensen-Shannon divergence of two rows, in bits. */
function divergence(p, q) {
    const against = (a, b) => a.reduce((sum, x, i) => sum + (x > 0 ? x * Math.log2((2 * x) / (x + b[i])) : 0), 0);
    return (against(p, q) + against(q, p)) / 2;
}

async function saysHowLikeHeadsAre(env) {
    const tab = await env.tab(),
        all = json(env.real),
        s = all.sentences[1],
        apart = async (one, other) => {
            const [t, l, h] = one.split('.');
            await tab.go('#z=1&v=compare&x=' + s.id + '&t=' + t + '&l=' + l + '&h=' + h + '&cmp=head:' + other);
            return +/differ by ([\d.]+) bit/.exec(await text(tab, 'focus'))[1];
        };
    await tab.open(env.real.page);
    for (const t of TYPES) {
        const array = readNpy(path.join(env.real.folder, 'attn', s.id + '.' + t + '.npy')),
            [, H, T, S] = array.shape,
            row = (l, h, q) => Array.from({ length: S }, (_, k) => array.at(l, h, q, k));
        const one = t + '.0.1',
            other = t + '.1.2';
        let want = 0;
        for (let q = 0; q < T; q++) want += divergence(row(0, 1, q), row(1, 2, q)) / T;
        const there = await apart(one, other);
        near(there, want, 0.01, one + ' and ' + other); /* the page has 8 bits of each weight */
        assert.strictEqual(await apart(other, one), there, 'the same from the other side');
        assert.ok(there <= 1);
        /* The list of the nearest is the list of measured divergences: a head is 0 from itself, the rest symmetric. */
        const jsd = all.similarity[t].jsd;
        for (let l = 0; l < 2; l++)
            for (let h = 0; h < H; h++) {
                const i = l * H + h,
                    near = jsd[i]
                        .map((x, k) => [x, k])
                        .filter(([, k]) => k !== i)
                        .sort((a, b) => a[0] - b[0]);
                assert.strictEqual(jsd[i][i], 0);
                jsd[i].forEach((x, k) => assert.ok(x === jsd[k][i] && x >= 0 && x <= 1, t + ' ' + [i, k]));
                await tab.go('#z=1&v=head&t=' + t + '&l=' + l + '&h=' + h);
                const said = await tab.eval(
                    `[...[...document.querySelectorAll('#inspector h3')].find((x) => x.textContent === 'Nearest heads').nextElementSibling.children].map((x) => x.textContent)`,
                );
                assert.strictEqual(said.length, 3);
                said.forEach((line, k) => {
                    const name = t + '.' + Math.floor(near[k][1] / H) + '.' + (near[k][1] % H);
                    assert.ok(line.startsWith(name + ' ') && line.includes(fixed(near[k][0], 2) + ' bit'), line);
                });
            }
    }
    /* Two that look alike are 0 apart. */
    const words = [
            ['a', 'b'],
            ['c', 'd'],
        ],
        twins = makeData({ layers: 1, heads: 2, sentences: [words], weights: (t, l, h, q, k) => 1 + ((q + k) % 3) });
    await tab.open(
        env.write('twins.html', assemble(twins.data, twins.blocks, env.template || undefined)),
        '#z=1&v=compare&t=enc&l=0&h=0&cmp=head:enc.0.1',
    );
    assert.match(await text(tab, 'focus'), /differ by 0\.000 bit/);
    quiet(tab, 'likeness');
}

/* ---- examples ---- */

/* All rows of all sentences of a head that count, by the raw weight of their largest content key. */
function hardest(of, all, name) {
    const [t, l, h] = name.split('.'),
        found = [];
    for (const s of all.sentences) {
        const array = readNpy(path.join(of.folder, 'attn', s.id + '.' + t + '.npy')),
            query = t === 'enc' ? s.src : s.tgt,
            key = t === 'dec' ? s.tgt : s.src;
        for (let q = 0; q < query.tokens.length; q++) {
            const keys = key.flags.map((f, k) => k).filter((k) => !(key.flags[k] & 15) && (t !== 'dec' || k <= q)),
                weights = keys.map((k) => array.at(+l, +h, q, k)),
                most = Math.max(...weights);
            const counts = !(query.flags[q] & 15) || (t === 'cross' && query.flags[q] === 1);
            if (counts && keys.length > 1 && weights.reduce((a, b) => a + b, 0) >= 0.05)
                found.push({ sentence: s.id, row: q, key: keys[weights.indexOf(most)], weight: most });
        }
    }
    return found.sort((a, b) => b.weight - a.weight);
}

async function listsWhereItLooksHardest(env) {
    const tab = await env.tab(),
        all = json(env.text); /* its sentences are shown, and the measured ones too */
    await tab.open(env.text.page);
    assert.strictEqual(all.run.measured, all.sentences.length);
    for (const name of all.heads) {
        const [t, l, h] = name.split('.'),
            want = hardest(env.text, all, name).slice(0, 5);
        const open = () => tab.go('#z=1&v=overview&t=' + t + '&l=' + l + '&h=' + h);
        await open();
        const said = await tab.eval(
            `[...document.querySelectorAll('#inspector .examples li')].map((x) => x.innerText)`,
        );
        assert.strictEqual(said.length, want.length, name);
        for (const [i, x] of want.entries()) {
            const s = all.sentences.find((one) => one.id === x.sentence),
                key = (t === 'dec' ? s.tgt : s.src).tokens[x.key];
            const line =
                '“' +
                (t === 'enc' ? s.src.tokens[x.row] : s.tgt.tokens[x.row] + '” ▸ “' + s.tgt.predicts[x.row]) +
                '” looks at “' +
                key +
                '” ';
            const weight = +/ ([\d.]+)$/.exec(said[i].split('\n')[0])[1];
            near(weight, x.weight, 0.0051, name + ' example ' + i);
            const tied = want.some((y) => y !== x && Math.abs(y.weight - x.weight) < 1e-5);
            assert.ok(tied || said[i].startsWith(line), name + ': ' + said[i] + ' is not ' + line);
        }
        /* Opening the first of them locks its cell. */
        await tab.eval(`document.querySelector('#inspector .examples button').click()`);
        const at = await tab.eval('inspector.state'),
            weight = readNpy(path.join(env.text.folder, 'attn', at.x + '.' + t + '.npy')).at(+l, +h, at.q, at.k);
        near(weight, want[0].weight, 1e-5, name + ' opened');
    }
    quiet(tab, 'examples');
}

/* ---- what it does not say ---- */

async function saysWhatWeightsAreNot(env) {
    const tab = await env.tab(),
        all = json(env.real);
    await tab.open(env.real.page, '#z=1&v=about');
    const about = await text(tab, 'focus');
    assert.ok(all.caveats.length >= 3);
    for (const caveat of all.caveats) assert.ok(about.includes(caveat), caveat);
    assert.ok(about.includes('Attention shows where a head looks, not why the model answered as it did.'));
    const got = (await rows(tab, '#focus table')).filter((r) => all.faithfulness[r[0]]);
    assert.deepStrictEqual(
        got,
        Object.entries(all.faithfulness).map(([name, f]) => [
            name,
            fixed(f.tau, 2) + ' (' + fixed(f.lo, 2) + ' to ' + fixed(f.hi, 2) + ')',
            String(f.n),
        ]),
    );
    assert.strictEqual(got.length, 8, 'of every cross head');
    for (const [name, f] of Object.entries(all.faithfulness)) {
        const [t, l, h] = name.split('.');
        await tab.go('#z=1&v=head&t=' + t + '&l=' + l + '&h=' + h);
        assert.ok((await text(tab, 'inspector')).includes('faithful rows: tau ' + fixed(f.tau, 2)), name);
    }
    await tab.go('#z=1&v=head&t=enc&l=0&h=0');
    assert.ok(!(await text(tab, 'inspector')).includes('faithful rows'), 'none of the encoder');
    quiet(tab, 'caveats');
}

/* ---- ablation in four ways ---- */

async function setsAblationsSideBySide(env) {
    const tab = await env.tab(),
        all = json(env.real);
    await tab.open(env.real.page, '#z=1&v=ablate');
    const head = await heads(tab, '#effects'),
        columns = { zero: 'loss without it', uniform: 'loss, equal weights', shuffle: 'loss, shuffled weights' };
    const got = Object.fromEntries((await rows(tab, '#effects')).map((r) => [r[0], r]));
    assert.strictEqual(Object.keys(got).length, all.heads.length);
    for (const name of all.heads) {
        const e = all.ablation.effects.find((x) => x.head === name && x.variant === 'zero').bleu,
            cell = got[name][head.indexOf('BLEU')];
        assert.ok(cell.startsWith((e.value > 0 ? '+' : '') + fixed(e.value, 2)), name + ' BLEU: ' + cell);
    }
    for (const name of all.heads)
        for (const [variant, title] of Object.entries(columns)) {
            const e = all.ablation.effects.find((x) => x.head === name && x.variant === variant).loss,
                cell = got[name][head.indexOf(title)];
            const want = (e.value > 0 ? '+' : '') + fixed(e.value, 4);
            assert.ok(cell.startsWith(want), name + ' ' + variant + ': ' + cell + ' is not ' + want);
            assert.strictEqual(cell.includes('●'), e.matters, name + ' ' + variant);
        }
    quiet(tab, 'ablations');
}

/* ---- blocks of two bytes ---- */

/* The blocks of weights as u16: rows rounded to 65535 by largest remainders. */
function inTwoBytes(made, weights) {
    for (const b of made.data.blocks) {
        const [L, H, T, S] = b.shape,
            bytes = Buffer.alloc(2 * L * H * T * S);
        let at = 0;
        b.dtype = 'u16';
        for (let l = 0; l < L; l++)
            for (let h = 0; h < H; h++)
                for (let q = 0; q < T; q++) {
                    const row = weights(b.type, l, h, q, S).map((x) => x * 65535),
                        cells = row.map(Math.floor),
                        order = row.map((x, k) => [x - cells[k], k]).sort((a, c) => c[0] - a[0]);
                    const left = 65535 - cells.reduce((a, c) => a + c, 0);
                    for (let k = 0; k < left; k++) cells[order[k][1]]++;
                    for (const x of cells) bytes.writeUInt16LE(x, (at += 2) - 2);
                }
        made.blocks[b.id] = bytes;
    }
    return made;
}

/* The slider of the lab goes along the curve, and the translation with it. */
async function removesHeads(env) {
    const tab = await env.tab(),
        all = json(env.real),
        c = all.ablation.curve,
        m = all.model;
    await tab.open(env.real.page, '#z=1&v=ablate&x=' + all.sentences[0].id);
    const slide = (n) =>
        tab.eval(
            `(() => { const at = document.querySelector("[aria-label^='Heads removed']"); at.value = ${n}; at.dispatchEvent(new Event('input')); const said = document.getElementById('removed').textContent; at.dispatchEvent(new Event('change')); return said; })()`,
        );
    for (const n of [1, c.order.length - 1, 5, 0]) {
        const set = all.heads.filter((h) => c.order.slice(0, n).includes(h)),
            weights = set.length * (m.d_model / m.heads) * (4 * m.d_model + 3);
        const want =
            (n === 1 ? '1 head' : n + ' heads') +
            ` removed, ${fixed((100 * weights) / m.parameters, 1)} % of the weights, loss ${fixed(c.loss[n], 3)}, exact ${fixed(100 * c.exact[n], 1)} %`;
        assert.strictEqual(await slide(n), want);
        assert.strictEqual(await tab.eval("document.getElementById('removed').textContent"), want, 'it stays');
        assert.strictEqual(await tab.eval('inspector.state.abl'), set.join(','));
        const off = n ? all.ablation.cache[set.join(',')].translations[0] : null;
        if (off) assert.ok((await text(tab, 'strip')).includes(off.split(' ').slice(-2)[0]), off);
    }
    quiet(tab, 'removing heads');
}

async function readsTwoBytes(env) {
    const tab = await env.tab(),
        cell = (t, l, h, q, k) => random(1 + q + 40 * k + 1600 * h + 7000 * l + 90000 * TYPES.indexOf(t))() ** 4 + 1e-5;
    const row = (t, l, h, q, S) => {
        const all = Array.from({ length: S }, (_, k) => (t === 'dec' && k > q ? 0 : cell(t, l, h, q, k))),
            sum = all.reduce((a, b) => a + b, 0);
        return all.map((x) => x / sum);
    };
    const words = (n) => Array.from({ length: n }, (_, i) => 'w' + i);
    const made = inTwoBytes(makeData({ layers: 2, heads: 3, sentences: [[words(8), words(6)]], weights: cell }), row);
    await tab.open(env.write('two.html', assemble(made.data, made.blocks, env.template || undefined)), '#selftest');
    assert.strictEqual(await tab.eval('document.documentElement.dataset.selftest'), 'pass');
    let finer = 0;
    for (const t of TYPES)
        for (let l = 0; l < 2; l++)
            for (let h = 0; h < 3; h++)
                for (let q = 0; q < (t === 'enc' ? 9 : 7); q++) {
                    const want = row(t, l, h, q, t === 'dec' ? 7 : 9),
                        got = await tab.eval(
                            `${JSON.stringify(want)}.map((x, k) => inspector.getCell('${t}', ${l}, ${h}, ${q}, k, 's-0'))`,
                        );
                    want.forEach((x, k) => near(got[k], x, 1.01 / 65535, t + ' ' + [l, h, q, k]));
                    near(got.reduce((a, b) => a + b), 1, 1e-6, 'the row sums to 1');
                    finer += got.filter((x) => Math.abs(x * 255 - Math.round(x * 255)) > 0.1).length;
                }
    assert.ok(finer > 100, 'one byte could not say these');
    /* Half a block is none. */
    made.blocks['a-s-0-enc'] = made.blocks['a-s-0-enc'].subarray(0, made.blocks['a-s-0-enc'].length / 2);
    await tab.open(
        env.write('two.html', assemble(made.data, made.blocks, env.template || undefined)),
        '#z=1&v=head&t=enc',
    );
    assert.match(await text(tab, 'focus'), /no weights of this sentence/);
    quiet(tab, 'two bytes');
}

module.exports = {
    tests: [
        ['agreement', showsAgreement],
        ['likeness', saysHowLikeHeadsAre],
        ['examples', listsWhereItLooksHardest],
        ['caveats', saysWhatWeightsAreNot],
        ['variants', setsAblationsSideBySide],
        ['removal', removesHeads],
        ['u16', readsTwoBytes],
    ],
};
