/* Tests of the page: used by mouse, keyboard, address and those who see differently; hostile words (B6 - B10). */
'use strict';
const fs = require('fs');
const path = require('path');
const assert = require('assert');
const { readNpy, readPng, random, makeData, assemble } = require('./files');
const { TYPES, VIEWS, MODES, quiet, middle } = require('./see');

const text = (tab, id) => tab.eval('document.getElementById(' + JSON.stringify(id) + ').textContent');
const json = (of) => JSON.parse(fs.readFileSync(path.join(of.folder, 'inspect.json')));

/* ---- B6 ---- */

async function worksByKeyboard(env) {
    const tab = await env.tab(),
        seen = new Set();
    await tab.open(env.real.page, '#z=1&v=head&t=enc&l=0&h=0');
    await tab.eval('document.body.focus()');
    for (let i = 0; i < 90 && seen.size < 4; i++) {
        await tab.key('Tab');
        for (const [name, like] of Object.entries({
            tile: '.tile',
            grid: '#grid',
            inspector: '#inspector *',
            tab: '[role=tab]',
        }))
            if (await tab.eval('document.activeElement.matches(' + JSON.stringify(like) + ')')) seen.add(name);
    }
    assert.deepStrictEqual([...seen].sort(), ['grid', 'inspector', 'tab', 'tile'], 'Tab reaches them');
    const state = () => tab.eval('inspector.state'),
        focus = (what) => tab.eval('document.querySelector(' + JSON.stringify(what) + ').focus()');
    await focus('#grid');
    const cells = [];
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowUp', 'ArrowLeft', 'End', 'Home']) {
        await tab.key(key);
        const now = await state(),
            said = await text(tab, 'live');
        cells.push([now.q, now.k]);
        assert.ok(
            (await text(tab, 'readout')).startsWith(said.slice(0, 20)) && said.includes('(' + now.k + ')'),
            'said: ' + said,
        );
    }
    const last = json(env.real).sentences[0].src.tokens.length - 1;
    assert.deepStrictEqual(cells, [
        [1, 0],
        [2, 0],
        [2, 1],
        [2, 2],
        [1, 2],
        [1, 1],
        [1, last],
        [1, 0],
    ]);
    await tab.key('Escape');
    assert.strictEqual((await state()).q, -1, 'Esc unlocks');
    for (const [key, want] of [
        [']', { h: 1 }],
        ['[', { h: 0 }],
        ['}', { l: 1 }],
        ['{', { l: 0 }],
        ['t', { t: 'dec' }],
        ['t', { t: 'cross' }],
        ['t', { t: 'enc' }],
        ['s', { x: 'probe-1' }],
        ['S', { x: 'probe-0' }],
        ['a', { abl: 'enc.0.0' }],
        ['a', { abl: '' }],
        ['c', { v: 'compare' }],
        ['2', { v: 'head' }],
        ['5', { v: 'phenomena' }],
        ['2', { v: 'head' }],
    ]) {
        await tab.key(key);
        const now = await state();
        for (const [name, value] of Object.entries(want)) assert.strictEqual(now[name], value, key + ' gives ' + name);
    }
    const steps = json(env.real).snapshots.steps;
    await tab.key(',');
    assert.strictEqual((await state()).ck, steps[steps.length - 1]);
    await tab.key('.');
    assert.strictEqual((await state()).ck, null);
    await focus('.tile[tabindex="0"]');
    await tab.key('ArrowRight');
    await tab.key('ArrowDown');
    assert.deepStrictEqual([(await state()).l, (await state()).h], [1, 1], 'arrows move among tiles');
    assert.match(await text(tab, 'live'), /enc\.1\.1/);
    await tab.key('?');
    assert.strictEqual(await tab.eval('document.getElementById("help").open'), true);
    const listed = await tab.eval('[...document.querySelectorAll("#help kbd")].map((k) => k.textContent)');
    for (const key of ['arrows', 'Enter', 'Esc', 'Home / End', '[ ]', '{ }', 't', 's / S', '/', 'a', 'c', ', .', '?'])
        assert.ok(listed.includes(key), 'help lists ' + key);
    await tab.key('Escape');
    /* Typing is typing. */
    await tab.key('/');
    assert.strictEqual(await tab.eval('document.activeElement.id'), 'search');
    const before = await state();
    for (const key of 'sat2') await tab.key(key);
    const after = await state();
    assert.strictEqual(after.f, 'sat2');
    assert.deepStrictEqual([after.v, after.t, after.abl], [before.v, before.t, before.abl], 'no command while typing');
    /* Letters can be switched off. */
    await tab.go('#z=1&v=head&t=enc&kb=0');
    await focus('#grid');
    await tab.key('t');
    assert.strictEqual((await state()).t, 'enc');
    await tab.key('ArrowDown');
    assert.strictEqual((await state()).q, 1);
    quiet(tab, 'keys');
}

/* What a newcomer looks for is a click away: the head that aligns, the head that number hangs on, a translation that
 * breaks. */
async function answersAtOnce(env) {
    const tab = await env.tab(),
        card = (n) => tab.eval(`document.querySelectorAll('.card button')[${n}].click()`),
        name = (state) => [state.t, state.l, state.h].join('.');
    for (const of of [env.planted, env.real]) {
        const all = json(of),
            open = () => tab.open(of.page).then(() => text(tab, 'focus'));
        assert.ok((await open()).startsWith(all.summary[0]), 'the answer comes first');
        await card(0);
        assert.strictEqual(name(await tab.eval('inspector.state')), all.alignment.winner.head);
        assert.ok(of !== env.planted || all.alignment.winner.head === 'cross.0.0', 'the planted aligner wins');
        await open();
        const carrier = (by) => all.carriers.find((c) => c.code === 'NUM-LONG' && c.by === by),
            carries = carrier('patching') || carrier('margin');
        if (carries) {
            await card(1);
            const now = await tab.eval('inspector.state');
            assert.strictEqual(name(now), carries.head);
            const s = all.sentences.find((x) => x.id === now.x);
            assert.ok(s.gold.decisions.some((d) => d.code === 'NUM-LONG' && (now.t === 'enc' || d.row === now.q)));
        }
        await open();
        const buttons = await tab.eval('[...document.querySelectorAll(".card button")].map((b) => b.textContent)'),
            last = buttons.indexOf('Switch off, look');
        const changes = Object.values(all.ablation.cache).some((x) => x.translations.some((line) => line));
        assert.strictEqual(last >= 0, changes, 'a break is offered if there is one');
        if (last >= 0) {
            await card(last);
            const now = await tab.eval('inspector.state');
            const stored = all.ablation.cache[now.abl].translations[all.sentences.findIndex((s) => s.id === now.x)];
            assert.strictEqual(await tab.eval('document.getElementById("without").dataset.text'), stored);
            assert.ok((await tab.eval('document.querySelectorAll("#without del, #without ins").length')) > 0);
        }
        quiet(tab, 'cards');
    }
}

/* ---- B7 ---- */

async function comesBackByAddress(env) {
    const tab = await env.tab(),
        draw = random(7),
        all = json(env.real),
        pick = (list) => list[Math.floor(draw() * list.length)];
    await tab.open(env.real.page);
    for (let i = 0; i < 30; i++) {
        const s = pick(all.sentences),
            t = pick(TYPES),
            rows = (t === 'enc' ? s.src : s.tgt).tokens.length,
            cols = (t === 'dec' ? s.tgt : s.src).tokens.length;
        const locked = draw() < 0.7,
            parts = {
                z: 1,
                v: pick(VIEWS),
                x: s.id,
                t,
                l: pick([0, 1]),
                h: pick([0, 1, 2, 3]),
                ...(locked ? { q: Math.floor(draw() * rows), k: Math.floor(draw() * cols) } : {}),
                ...(draw() < 0.3 ? { ck: pick(all.snapshots.steps) } : {}),
                cmp: pick([
                    'none',
                    'uniform',
                    'head:' + t + '.0.1',
                    'ck:' + all.snapshots.steps[0],
                    'with:1',
                    'with:1:' + t + '.1.2',
                ]),
                m: pick(MODES),
                s: pick(['linear', 'sqrt', 'row']),
                hs: pick([0, 1]),
                g: pick(['out', 'in', 'arcs', 'off']),
                abl: pick(['', 'enc.0.1', 'enc.0.1,cross.1.3']),
                th: pick(['', 'dark', 'light']),
                p: pick(['', 'NUM-SV']),
                f: pick(['', 'le & la=#?%', 'é']),
            };
        const hash =
            '#' +
            Object.entries(parts)
                .map(([k, v]) => k + '=' + encodeURIComponent(v))
                .join('&');
        await tab.go(hash);
        const [state, own] = [await tab.eval('inspector.state'), await tab.eval('inspector.hash')];
        for (const key of ['v', 'x', 't', 'l', 'h', 'm', 's', 'g', 'abl', 'th', 'p', 'f', 'cmp'])
            assert.strictEqual(state[key], parts[key], key + ' of ' + hash);
        assert.deepStrictEqual([state.q, state.k], locked ? [parts.q, parts.k] : [-1, -1]);
        const words = () => '(document.getElementById("readout") || {}).textContent';
        const first = await tab.eval(words());
        await (i % 5 === 0
            ? tab.open(env.real.page, own)
            : tab.go('#z=1&v=about&t=dec').then(() => tab.go(own))); /* a new page, or one that showed something else */
        assert.deepStrictEqual(await tab.eval('inspector.state'), state, own);
        assert.strictEqual(await tab.eval('inspector.hash'), own);
        assert.strictEqual(await tab.eval(words()), first, own);
    }
    await tab.open(env.real.page, '#z=1&v=head&t=enc&l=0&h=2');
    const start = await tab.eval('inspector.hash');
    await tab.eval('document.querySelector(\'[data-head="cross.1.1"]\').click()');
    await tab.eval('document.getElementById("tab-links").click()');
    await tab.eval('history.go(-2); new Promise((done) => setTimeout(done, 200))');
    assert.strictEqual(await tab.eval('inspector.hash'), start, 'back comes back');
    for (const hash of [
        '#',
        '#z',
        '#&&==',
        '#z=9&v=nothing',
        '#l=99&h=-3&q=500&k=2',
        '#x=%E0%A4%A',
        '#t=__proto__&constructor=1',
        '#ck=7&cmp=ck:99',
        '#cmp=with:1:enc.9.9',
        '#abl=enc.9.9',
        '#q=1e9&l=NaN',
        '#' + 'a=b&'.repeat(2000),
        '#f=<img src=x onerror=alert(1)>',
    ]) {
        await tab.go(hash);
        quiet(tab, hash);
        assert.ok(await tab.eval('inspector.hash'));
    }
    await tab.open(env.real.page, '#f=%E0%A4%A&l=NaN&x=');
    quiet(tab, 'a broken address at the start');
    await tab.open(env.real.page, '#z=1&v=head&t=enc&l=99&h=3');
    assert.strictEqual((await tab.eval('inspector.state')).l, 1);
    assert.match(await text(tab, 'notice'), /Layer 99 is not there; showing 1/);
}

/* ---- B8 ---- */

const HOSTILE = [
    '</script>',
    '<!--',
    '<img src=x onerror="window.hacked=1">',
    '"',
    '\\',
    '\u0000',
    '\ud800',
    'x'.repeat(300),
    'שלום‎',
    'é́̂',
    '',
    '\u2028',
    '${1}',
    '<b>',
    '&lt;',
    '__proto__',
    "'); window.hacked=1; ('",
];

async function hostileWordsAreText(env) {
    const tab = await env.tab(),
        made = makeData({
            layers: 1,
            heads: 2,
            sentences: [[HOSTILE, [...HOSTILE].reverse()]],
            weights: (t, l, h, q, k) => 1 + ((q * 3 + k + h) % 5),
        });
    made.data.run.name = '<script>window.hacked=1</script>';
    made.data.summary = ['<img src=x onerror=window.hacked=1>'];
    made.data.sentences[0].gold = {
        sure: [[0, 0]],
        possible: [[0, 0]],
        arcs: [],
        decisions: [
            { code: '<b>', position: 0, span: 1, form: '</b>', competitors: ['<i>'], source: [0], row: 0, free: true },
        ],
    };
    made.data.health = [
        { level: 'error', code: 'x', head: null, sentence: null, text: '<img src=x onerror=window.hacked=1>' },
    ];
    for (const file of [
        env.write('hostile-made.html', assemble(made.data, made.blocks, env.template || undefined)),
        env.hostile.page,
    ]) {
        await tab.open(file);
        const count = 'document.querySelectorAll("img,iframe,script,object,embed,b i").length',
            scripts = await tab.eval(count),
            tokens = await tab.eval('inspector.data.sentences[0].src.tokens');
        const blocks = await tab.eval('inspector.data.blocks.length');
        assert.strictEqual(scripts, blocks + 2, 'scripts are the data, the blocks and the page');
        for (const v of VIEWS) await tab.go('#z=1&v=' + v + '&abl=enc.0.1');
        for (const m of MODES) await tab.go('#z=1&v=head&t=cross&m=' + m + '&cmp=uniform&q=0&k=0');
        assert.strictEqual(await tab.eval(count), scripts, 'nothing was made of words');
        assert.strictEqual(await tab.eval('window.hacked === undefined'), true);
        await tab.go('#z=1&v=head&t=enc&l=0&h=0&x=' + (await tab.eval('inspector.data.sentences[0].id')));
        for (let k = 0; k < tokens.length; k++) {
            await tab.go('#z=1&v=head&t=enc&l=0&h=0&q=0&k=' + k);
            assert.ok(
                (await text(tab, 'readout')).includes('“' + tokens[k] + '” (' + k + ')'),
                'token ' + k + ' as it is: ' + JSON.stringify(tokens[k]),
            );
        }
        quiet(tab, file);
    }
    assert.ok(
        json(env.hostile).sentences[0].src.tokens.some((w) => w.includes('</script>')),
        'the program took them',
    );
}

/* ---- B9 ---- */

const light = (c) =>
    [0.2126, 0.7152, 0.0722].reduce(
        (sum, w, i) => sum + w * (c[i] / 255 <= 0.04045 ? c[i] / 255 / 12.92 : ((c[i] / 255 + 0.055) / 1.055) ** 2.4),
        0,
    );

/* A head whose first row has weights that rise in even steps. */
function stairs() {
    const words = Array.from({ length: 11 }, (_, i) => 'w' + i);
    return makeData({
        layers: 1,
        heads: 1,
        sentences: [[words, words]],
        weights: (t, l, h, q, k) => (q === 0 ? (k === 11 ? 1e-9 : k) : 1),
    });
}

async function showsToAllEyes(env) {
    const tab = await env.tab({ height: 1200 }),
        made = stairs(),
        file = env.write('stairs.html', assemble(made.data, made.blocks, env.template || undefined));
    for (const scheme of ['light', 'dark'])
        for (const sight of ['none', 'protanopia', 'deuteranopia', 'tritanopia', 'achromatopsia']) {
            await tab.send('Emulation.setEmulatedMedia', {
                features: [{ name: 'prefers-color-scheme', value: scheme }],
            });
            await tab.send('Emulation.setEmulatedVisionDeficiency', { type: sight });
            await tab.open(file, '#z=1&v=head&t=enc&s=row&g=off');
            const p = await tab.eval('inspector.picture'),
                image = readPng(await tab.screenshot());
            const row = Array.from({ length: 11 }, (_, k) => light(image.at(...middle(p, 0, k))));
            for (let k = 1; k < 11; k++)
                assert.ok(
                    scheme === 'light' ? row[k] < row[k - 1] - 0.004 : row[k] > row[k - 1] + 0.0005,
                    scheme + ', ' + sight + ': ' + row.map((x) => x.toFixed(3)),
                );
            assert.strictEqual(await tab.eval('document.documentElement.dataset.theme'), scheme);
        }
    await tab.send('Emulation.setEmulatedVisionDeficiency', { type: 'none' });
    await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-reduced-motion', value: 'reduce' }] });
    await tab.open(env.real.page, '#z=1&v=time');
    const step = async () => (await tab.eval('inspector.state')).ck;
    await tab.eval('document.querySelector("[aria-label=\'Play training\']").click()');
    const first = await step();
    await new Promise((done) => setTimeout(done, 900));
    assert.ok(first !== null && (await step()) === first, 'nothing moves by itself: ' + first);
    await tab.send('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-reduced-motion', value: 'no-preference' }],
    });
    await tab.open(env.real.page, '#z=1&v=time');
    await tab.eval('document.querySelector("[aria-label=\'Play training\']").click()');
    const from = await step();
    await new Promise((done) => setTimeout(done, 1500));
    assert.notStrictEqual(await step(), from, 'play goes on');
    await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'forced-colors', value: 'active' }] });
    await tab.open(file, '#z=1&v=head&t=enc&s=row');
    const p = await tab.eval('inspector.picture'),
        image = readPng(await tab.screenshot()),
        ink = new Set();
    for (let x = 2; x < p.cell - 2; x++)
        for (let y = 2; y < p.cell - 2; y++) ink.add(String(image.at(p.x + 9 * p.cell + x, p.y + y)));
    assert.ok(ink.size >= 2, 'forced colours: a digit stands in the cell');
    await tab.send('Emulation.setEmulatedMedia', { features: [] });
    quiet(tab, 'media');
}

/* ---- B10 ---- */

/* Runs in the page: text whose contrast with what lies behind it is below 4.5. */
const FAINT = `(() => {
    const parse = (c) => { const m = /rgba?\\(([\\d.]+), ([\\d.]+), ([\\d.]+)(?:, ([\\d.]+))?\\)/.exec(c); return m ? [+m[1], +m[2], +m[3], m[4] === undefined ? 1 : +m[4]] : null; };
    const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * (c[i] / 255 <= 0.04045 ? c[i] / 255 / 12.92 : ((c[i] / 255 + 0.055) / 1.055) ** 2.4), 0);
    const bad = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode());) {
        const at = node.parentElement, style = getComputedStyle(at);
        if (!node.data.trim() || at.closest('script,noscript,.unseen,.skip,svg,option') || !at.getClientRects().length || style.visibility !== 'visible' || at.closest(':disabled'))
            continue;
        let ground = null;
        for (let up = at; up && !ground; up = up.parentElement) {
            const c = parse(getComputedStyle(up).backgroundColor);
            ground = c && c[3] > 0.5 ? c : null;
        }
        const a = light(parse(style.color)), b = light(ground || [255, 255, 255]), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5)
            bad.push(ratio.toFixed(2) + ' ' + at.nodeName + '.' + at.className + ' ' + node.data.slice(0, 30));
    }
    return bad;
})()`;

async function isAccessible(env) {
    const tab = await env.tab();
    await tab.open(env.real.page);
    for (const theme of ['light', 'dark'])
        for (const v of VIEWS) {
            await tab.go('#z=1&v=' + v + '&th=' + theme + '&abl=enc.0.1&t=cross&l=1&h=0&q=1&k=1');
            assert.deepStrictEqual(await tab.eval(FAINT), [], 'contrast, ' + v + ', ' + theme);
        }
    for (const v of VIEWS) {
        await tab.go('#z=1&v=' + v + '&t=cross&l=1&h=0');
        const { nodes } = await tab.send('Accessibility.getFullAXTree');
        const controls = nodes.filter(
            (n) =>
                !n.ignored &&
                n.role &&
                [
                    'button',
                    'combobox',
                    'slider',
                    'tab',
                    'checkbox',
                    'searchbox',
                    'textbox',
                    'link',
                    'grid',
                    'img',
                    'image',
                    'region',
                ].includes(n.role.value),
        );
        assert.ok(controls.length > 40, v + ' has controls: ' + controls.length);
        for (const n of controls)
            assert.ok(n.name && n.name.value.trim(), v + ': a ' + n.role.value + ' without a name');
        assert.strictEqual(
            await tab.eval(
                'new Set([...document.querySelectorAll("[id]")].map((n) => n.id)).size === document.querySelectorAll("[id]").length',
            ),
            true,
            v + ': ids are unique',
        );
    }
    assert.strictEqual(await tab.eval('document.getElementById("live").getAttribute("aria-live")'), 'polite');
    /* The table has the numbers of the array. */
    const s = json(env.real).sentences[2];
    for (const t of TYPES) {
        const array = readNpy(path.join(env.real.folder, 'attn', s.id + '.' + t + '.npy'));
        await tab.go('#z=1&v=table&t=' + t + '&l=1&h=3&x=' + s.id);
        const rows = await tab.eval(
            '[...document.querySelectorAll("#weights-table tbody tr")].map((r) => [...r.querySelectorAll("td")].map((c) => c.textContent))',
        );
        assert.strictEqual(rows.length, array.shape[2]);
        rows.forEach((row, q) =>
            row.forEach((cell, k) =>
                assert.ok(
                    t === 'dec' && k > q
                        ? cell === 'masked'
                        : Math.abs(+cell - array.at(1, 3, q, k)) <= 1 / 255 + 0.0005,
                    t + ' ' + [q, k] + ': ' + cell,
                ),
            ),
        );
        assert.strictEqual(
            await tab.eval('document.querySelectorAll("#weights-table th[scope]").length'),
            array.shape[2] + array.shape[3] + 1,
        );
    }
    quiet(tab, 'accessibility');
}

module.exports = {
    text,
    json,
    stairs,
    tests: [
        ['B6', worksByKeyboard],
        ['cards', answersAtOnce],
        ['B7', comesBackByAddress],
        ['B8', hostileWordsAreText],
        ['B9', showsToAllEyes],
        ['B10', isAccessible],
    ],
};
