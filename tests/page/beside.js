/* Tests of the page: other models beside the one inspected (B16). */
'use strict';
const fs = require('fs');
const path = require('path');
const assert = require('assert');
const { readNpy, makeData, assemble } = require('./files');
const { TYPES, quiet, middle } = require('./see');

const json = (of) => JSON.parse(fs.readFileSync(path.join(of.folder, 'inspect.json')));
const text = (tab, id) => tab.eval('document.getElementById(' + JSON.stringify(id) + ').textContent');
const array = (of, s, t) => readNpy(path.join(of.folder, 'attn', s + '.' + t + '.npy'));
const place = (name) => {
    const [t, l, h] = name.split('.');
    return { t, l: +l, h: +h, hash: '&t=' + t + '&l=' + l + '&h=' + h };
};

/* The picture's cells are first minus second, by the arrays of two inspections of their own; each is off by less than
 * 1/255. */
async function differs(tab, one, two, s, name, other, what) {
    const a = place(name),
        b = place(other),
        p = await tab.eval('inspector.picture');
    const from = array(one, s, a.t),
        less = array(two, s, b.t);
    let most = 0;
    for (let i = 0; i < p.values.length; i++) {
        const q = Math.floor(i / p.cols),
            k = i % p.cols,
            want = from.at(a.l, a.h, q, k) - less.at(b.l, b.h, q, k);
        assert.ok(
            Math.abs(p.values[i] - want) <= 2 / 255,
            what + ', cell ' + [q, k] + ': ' + p.values[i] + ' is not ' + want,
        );
        most = Math.max(most, Math.abs(want));
    }
    return most;
}

/* A planted model beside one whose heads were dealt out anew. */
async function findsTheMatches(env) {
    const tab = await env.tab({ height: 1400 }),
        all = json(env.beside),
        other = all.seeds.models[0];
    await tab.open(env.beside.page);
    let most = 0;
    for (const [i, name] of all.heads.entries()) {
        const s = all.sentences[i % all.sentences.length].id,
            { hash, t } = place(name),
            to = '#z=1&v=head&m=diff&x=' + s + hash,
            match = other.matches[i].head;
        await tab.go(to + '&cmp=with:1');
        await differs(tab, env.beside, env['beside-own'], s, name, match, name + ' and its match');
        assert.match(
            await text(tab, 'focus'),
            new RegExp(name + ' minus ' + match + ' of permuted \\(seed 5\\), its match, 0\\.00 bit apart'),
        );
        const named = t + '.0.' + ((place(name).h + 1) % 4);
        await tab.go(to + '&cmp=with:1:' + named);
        const here = await differs(tab, env.beside, env['beside-own'], s, name, named, name + ' and ' + named);
        most = Math.max(most, here);
    }
    assert.ok(most > 0.9, 'some heads differ: ' + most);
    /* The readout says by how much. */
    await tab.go('#z=1&v=head&m=diff&t=enc&l=0&h=0&q=-1&x=' + all.sentences[0].id + '&cmp=with:1:enc.0.0');
    const p = await tab.eval('inspector.picture'),
        i = p.values.findIndex((x) => x > 0.5),
        [x, y] = middle(p, Math.floor(i / p.cols), i % p.cols);
    await tab.mouse(x, y);
    const said = await text(tab, 'readout');
    assert.ok(said.endsWith(': +' + p.values[i].toFixed(2) + ' more'), said);
    quiet(tab, 'matches');
}

/* The tables of view Compare, and the way from them to a picture. */
async function listsTheMatches(env) {
    const tab = await env.tab(),
        all = json(env.beside),
        other = all.seeds.models[0];
    for (const t of TYPES) {
        await tab.open(env.beside.page, '#z=1&v=compare&cmp=with:1&l=0&h=0&t=' + t);
        const rows = await tab.eval(
            '[...document.querySelectorAll("#matches tbody tr")].map((r) => [...r.cells].map((c) => c.textContent))',
        );
        const heads = all.heads.filter((name) => place(name).t === t);
        assert.deepStrictEqual(
            rows.map((r) => [r[0], r[2]]),
            heads.map((name) => [name, other.matches[all.heads.indexOf(name)].head]),
        );
        for (const [n, row] of rows.entries()) {
            const match = other.matches[all.heads.indexOf(heads[n])];
            assert.ok(row[3].endsWith(' / ' + match.any.toFixed(2)), row[3]);
            assert.strictEqual(row[4].split(', ').length, Math.max(1, match.labels.length));
            assert.ok(match.labels.length ? / B/.test(row[4]) : row[4] === 'unassigned', row[4]);
        }
        assert.match(await text(tab, 'focus'), /Rows differ by 0\.000 bit/);
    }
    const shared = await tab.eval(
        '[...document.querySelectorAll("#shared-roles tbody tr")].map((r) => [...r.cells].map((c) => c.textContent))',
    );
    assert.strictEqual(shared.length, all.seeds.roles.length);
    assert.ok(shared.every((row) => row[1] === '2 of 2' && row[2] === row[3]));
    await tab.go('#z=1&v=compare&t=enc&l=0&h=0');
    await tab.eval('document.querySelectorAll("#matches tbody tr")[2].cells[2].querySelector("button").click()');
    const now = await tab.eval('inspector.state');
    assert.deepStrictEqual([now.v, now.t, now.h, now.cmp], ['compare', 'enc', 2, 'with:1']);
    const choices = await tab.eval(
        '[...document.querySelectorAll("#bar select option")].map((o) => [o.value, o.textContent])',
    );
    assert.deepStrictEqual(
        choices.filter(([value]) => value.startsWith('with:')),
        [
            ['with:1', other.matches[2].head + ' of permuted (seed 5), its match'],
            ['with:1:enc.0.2', 'enc.0.2 of permuted (seed 5)'],
        ],
    );
    await tab.go('#z=1&v=overview');
    assert.match(await text(tab, 'focus'), /Beside 1 other model: \d+ of \d+ roles/);
    /* Models of one name are numbered. */
    await tab.open(env.same.page, '#z=1&v=compare&t=enc&l=0&h=0');
    assert.match(await text(tab, 'others'), /planted \(seed 1\) #1.*planted \(seed 1\) #2/s);
    const second = await tab.eval('document.querySelectorAll("#matches tbody tr")[1].cells[5].textContent');
    assert.strictEqual(second, 'enc.0.1');
    quiet(tab, 'tables');
}

/* A trained model beside its own first step: the same as the snapshot of that step. */
async function equalsTheSnapshot(env) {
    const tab = await env.tab(),
        all = json(env.real),
        values = async (hash) => (await tab.go(hash), (await tab.eval('inspector.picture')).values);
    assert.strictEqual(all.seeds.models[0].step, 1);
    await tab.open(env.real.page);
    for (const [i, name] of ['enc.0.1', 'dec.1.2', 'cross.1.3', 'cross.0.0'].entries()) {
        const to = '#z=1&v=head&m=diff&x=' + all.sentences[i].id + place(name).hash;
        const by = await values(to + '&cmp=with:1:' + name);
        assert.ok(by.some((x) => Math.abs(x) > 0.05), name + ' has learned');
        assert.deepStrictEqual(by, await values(to + '&cmp=ck:1'), name);
        /* At a checkpoint the other model stays what it is. */
        assert.ok((await values(to + '&ck=1&cmp=with:1:' + name)).every((x) => x === 0));
    }
    for (const hash of ['with:1', 'with:1:cross.1.2']) {
        await tab.open(env.real.page, '#z=1&v=compare&t=cross&l=0&h=1&cmp=' + hash);
        const own = await tab.eval('inspector.hash');
        assert.ok(own.includes('cmp=' + hash), own);
        await tab.go('#z=1&v=about&t=dec');
        await tab.go(own);
        assert.strictEqual(await tab.eval('inspector.hash'), own);
        assert.strictEqual((await tab.eval('inspector.state')).cmp, hash);
    }
    for (const hash of ['with:2', 'with:1:enc.9.9', 'with:', 'with:1:', 'with:__proto__']) {
        await tab.open(env.real.page, '#z=1&v=compare&cmp=' + hash);
        assert.strictEqual((await tab.eval('inspector.state')).cmp, 'none');
        assert.match(await text(tab, 'notice'), /which is not there/);
    }
    await tab.open(env.real.page, '#z=1&v=compare&t=dec&l=0&h=1&cmp=with:1:cross.1.2');
    assert.match(await text(tab, 'focus'), /cross\.1\.2 of step-000000001\.safetensors.*is of another type/);
    quiet(tab, 'beside a snapshot');
}

/* No other model; one without weights, whose name would break out. */
async function saysThereIsNone(env) {
    const tab = await env.tab();
    await tab.open(env.planted.page, '#z=1&v=compare');
    assert.match(await text(tab, 'no-others'), /No other model stands beside.*inspect --model planted --with/s);
    await tab.go('#z=1&v=about');
    assert.match(await text(tab, 'absent'), /no other models/);
    const made = makeData({
        layers: 1,
        heads: 2,
        sentences: [[['a'], ['b']]],
        weights: () => 1,
        extra: {
            seeds: {
                models: [
                    { model: 1, name: '<img src=x onerror=window.hacked=1>', seed: null, matches: [] },
                    { model: 2 },
                ],
                roles: [],
            },
        },
    });
    const file = env.write('bare-beside.html', assemble(made.data, made.blocks, env.template || undefined));
    await tab.open(file, '#z=1&v=compare&cmp=with:1');
    assert.match(await text(tab, 'focus'), /No head of <img .*> was matched.*No head of any of the models has a role/s);
    await tab.go('#z=1&v=compare&t=enc&l=0&h=0&cmp=with:1:enc.0.1');
    assert.match(await text(tab, 'focus'), /The page has no weights of enc\.0\.1 of <img /);
    assert.strictEqual(await tab.eval('window.hacked === undefined && !document.querySelector("img")'), true);
    quiet(tab, 'none');
}

module.exports = {
    tests: [
        [
            'B16',
            async (env) => {
                for (const part of [findsTheMatches, listsTheMatches, equalsTheSnapshot, saysThereIsNone])
                    await part(env);
            },
        ],
    ],
};
