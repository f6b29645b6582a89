/* Tests of the page: speed, ablation against the program, widths, missing parts, paper (B11 - B15). */
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const assert = require('assert');
const { assemble, makeData, random } = require('./files');
const { TYPES, VIEWS, MODES, quiet } = require('./see');
const { text, json } = require('./use');

/* ---- B11 ---- */

/* 6 layers, 8 heads, sentences of 64 tokens: one of random weights, the others the same with their heads in turn. */
let first = null;
function large(sentences) {
    const draw = random(11),
        words = (n) => Array.from({ length: 63 }, (_, i) => 'word' + ((i * n) % 17));
    first =
        first ||
        makeData({ layers: 6, heads: 8, sentences: [[words(1), words(2)]], weights: () => draw() ** 6 + 1e-6 });
    const data = structuredClone(first.data),
        blocks = { ...first.blocks };
    for (let n = 1; n < sentences; n++) {
        data.sentences.push({ ...structuredClone(first.data.sentences[0]), id: 's-' + n });
        for (const b of first.data.blocks) {
            const id = b.id.replace('s-0', 's-' + n),
                from = first.blocks[b.id],
                cut = n * 64 * 64;
            data.blocks.push({ ...b, id, sentence: 's-' + n });
            blocks[id] = Buffer.concat([from.subarray(cut), from.subarray(0, cut)]);
        }
    }
    return { data, blocks };
}

const FACTOR = +(process.env.HEADS_FACTOR || 3); /* times the targets that a busy machine may take */

async function isFast(env) {
    const made = large(6),
        page = assemble(made.data, made.blocks, env.template || undefined),
        file = env.write('large.html', page),
        tab = await env.tab();
    assert.ok(page.length < 5.2e6, 'size ' + page.length);
    const paints = [];
    for (let i = 0; i < 3; i++) {
        await tab.open(file, '#z=1&v=head&t=cross&l=0&h=0');
        await tab.eval('new Promise((done) => requestAnimationFrame(() => setTimeout(done)))');
        paints.push(await tab.eval('performance.getEntriesByName("first-contentful-paint")[0].startTime'));
    }
    const visit = (n, change) =>
        tab.eval(`(async () => { const times = []; for (let i = 0; i < ${n}; i++) { const start = performance.now(); (${change})(i); document.body.offsetHeight; times.push(performance.now() - start);
        if (i % 10 === 9) await new Promise((done) => setTimeout(done)); } times.sort((a, b) => a - b); return times[Math.floor(0.95 * ${n})]; })()`);
    const to = (hash) =>
        `(i) => { history.pushState(null, '', ${hash}); dispatchEvent(new PopStateEvent('popstate')); }`;
    const took = { paint: paints.sort((a, b) => a - b)[1] };
    took.head = await visit(
        50,
        to('"#z=1&v=head&t=" + ["enc", "dec", "cross"][i % 3] + "&l=" + i % 6 + "&h=" + i % 8'),
    );
    took.sentence = await visit(50, to('"#z=1&v=head&t=cross&l=2&h=3&x=s-" + i % 6'));
    took.readout = await visit(
        50,
        `(i) => { const p = inspector.picture; document.getElementById('grid').dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: p.x + (i % 64 + 0.5) * p.cell, clientY: p.y + (i % 50 + 0.5) * p.cell })); }`,
    );
    if (process.env.HEADS_TIMES) console.log(JSON.stringify({ bytes: page.length, ...took }));
    for (const [what, most] of [
        ['paint', 400],
        ['head', 50],
        ['sentence', 100],
        ['readout', 16],
    ])
        assert.ok(
            took[what] <= most * FACTOR,
            what + ' took ' + took[what].toFixed(1) + ' ms, at most ' + most + ' x ' + FACTOR,
        );
    for (const v of VIEWS) {
        await tab.go('#z=1&v=' + v + '&t=cross&l=2&h=3');
        const nodes = await tab.eval('document.querySelectorAll("*").length');
        assert.ok(nodes <= 3000 || v === 'table', v + ' has ' + nodes + ' elements');
    }
    for (const m of MODES) {
        await tab.go('#z=1&v=head&cmp=uniform&t=cross&l=2&h=3&m=' + m);
        assert.ok((await tab.eval('document.querySelectorAll("*").length')) <= 3000, m);
        assert.ok((await tab.eval('document.querySelectorAll(".links path").length')) <= 512);
    }
    await tab.open(file, '#z=1&v=head&t=cross&l=0&h=0');
    await tab.send('Performance.enable');
    await tab.send('HeapProfiler.collectGarbage');
    const { metrics } = await tab.send('Performance.getMetrics'),
        metric = (name) => metrics.find((m) => m.name === name).value;
    if (process.env.HEADS_TIMES) console.log('nodes ' + metric('Nodes') + ', heap ' + metric('JSHeapUsedSize'));
    assert.ok(metric('JSHeapUsedSize') <= 100 * 2 ** 20, 'heap ' + metric('JSHeapUsedSize'));
    assert.ok(metric('Nodes') <= 3000, 'nodes with their texts: ' + metric('Nodes'));
    quiet(tab, 'large');
    /* Playing the training of a real run: no frame of more than 100 ms. */
    await tab.open(env.real.page, '#z=1&v=time');
    const frame =
        await tab.eval(`(async () => { document.querySelector("[aria-label='Play training']").click(); let worst = 0, last = performance.now(); const end = last + 2500;
        while (last < end) { await new Promise((done) => requestAnimationFrame(done)); const now = performance.now(); worst = Math.max(worst, now - last); last = now; } return worst; })()`);
    if (process.env.HEADS_TIMES) console.log('worst frame ' + frame.toFixed(0));
    assert.ok(frame <= 100 * FACTOR, 'a frame of ' + frame + ' ms');
}

/* ---- B12 ---- */

/* What the program prints for the sentence without those heads. */
function programSays(env, s, heads) {
    const words = s.src.tokens.slice(0, -1).join(' ');
    const out = execFileSync(env.program, [
        'ablate',
        '--model',
        process.env.HEADS_RUN,
        '--heads',
        heads,
        words,
    ]).toString();
    return /^without +(.*?)(   \(the same\))?$/m.exec(out)[1];
}

async function ablatesAsTheProgram(env) {
    const tab = await env.tab(),
        all = json(env.real),
        cache = all.ablation.cache;
    await tab.open(env.real.page);
    let changed = 0;
    for (const [i, heads] of [
        'cross.1.3',
        'enc.0.1',
        'dec.0.0',
        Object.keys(cache).find((key) => key.split(',').length === 2),
        Object.keys(cache).sort((a, b) => b.length - a.length)[0],
    ].entries()) {
        const s = all.sentences[i % 2],
            stored = cache[heads].translations[all.sentences.indexOf(s)];
        await tab.go('#z=1&v=ablate&x=' + s.id + '&abl=' + heads);
        const shown = await tab.eval('document.getElementById("without").dataset.text');
        assert.strictEqual(shown, stored === null ? s.translation.words.join(' ') : stored, heads);
        const seen = await tab.eval(
            '(() => { const copy = document.getElementById("without").cloneNode(true); copy.querySelectorAll("del").forEach((n) => n.remove()); return copy.textContent.replace(/ +/g, " ").trim(); })()',
        );
        assert.strictEqual(seen, shown, 'words kept and new are the new translation');
        const before = await tab.eval(
            '(() => { const copy = document.getElementById("without").cloneNode(true); copy.querySelectorAll("ins").forEach((n) => n.remove()); return copy.textContent.replace(/ +/g, " ").trim(); })()',
        );
        assert.strictEqual(before, s.translation.words.join(' '), 'words kept and lost are the old one');
        if (i < 3 && env.program) {
            const joined = (line) => line.replace(/ /g, '');
            assert.strictEqual(joined(programSays(env, s, heads)), joined(shown), heads + ' on ' + s.id);
        }
        changed += stored !== null;
    }
    assert.ok(changed > 0, 'some translation changes');
    /* By the buttons: off, on, and it is as it was. */
    await tab.go('#z=1&v=ablate&x=probe-0&abl=');
    const first = await text(tab, 'strip'),
        click = (name) => tab.eval(`document.querySelector('[data-toggle="${name}"]').click()`);
    await click('cross.1.0');
    assert.strictEqual((await tab.eval('inspector.state')).abl, 'cross.1.0');
    assert.notStrictEqual(await text(tab, 'strip'), first);
    await click('enc.0.1');
    const key = 'enc.0.1,cross.1.0';
    const state = await tab.eval('inspector.state');
    assert.strictEqual(state.abl, key, 'heads stand in their order');
    const missing = all.heads
        .flatMap((a, i) => all.heads.slice(i + 1).map((b) => a + ',' + b))
        .find((pair) => !cache[pair]);
    await tab.go('#z=1&v=ablate&x=probe-0&abl=' + missing);
    assert.match(await text(tab, 'not-cached'), /not cached: run/);
    assert.ok(
        (await text(tab, 'ablated')).includes('translate_toy ablate --model run --heads ' + missing),
        await text(tab, 'ablated'),
    );
    assert.strictEqual(await tab.eval('document.getElementById("without")'), null, 'no stale translation');
    await tab.eval('[...document.querySelectorAll("#focus button")].find((b) => b.textContent === "All on").click()');
    assert.strictEqual(await text(tab, 'strip'), first, 'off and on again is the same');
    /* Another sentence, the same heads: its own translation. */
    await tab.go('#z=1&v=ablate&x=probe-1&abl=cross.1.3');
    const other = await text(tab, 'without');
    await tab.go('#z=1&v=ablate&x=probe-2&abl=cross.1.3');
    assert.notStrictEqual(await text(tab, 'without'), other);
    /* Effects stand in the table with their intervals. */
    const e = all.ablation.effects.find((x) => x.head === 'cross.1.3' && x.variant === 'zero').loss,
        row = await tab.eval(
            '[...document.querySelectorAll("#effects tbody tr")].find((r) => r.textContent.startsWith("cross.1.3")).textContent',
        );
    assert.ok(row.includes(Math.abs(e.value).toFixed(4)) && row.includes(Math.abs(e.hi).toFixed(4)), row);
    quiet(tab, 'ablation');
}

/* ---- B13 ---- */

/* Runs in the page: what sticks out, overlaps or is too small to touch. */
const CROWDED = `(() => {
    const bad = [], width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width + 1)
        bad.push('the page scrolls sideways: ' + document.documentElement.scrollWidth + ' > ' + width);
    for (const kind of ['.row-label', '.tile', '#views button', '.tabs button', '.card', 'main > *', '.toggle', '.aligned .word', '.chart .letter']) {
        const boxes = [...document.querySelectorAll(kind)].map((n) => n.getBoundingClientRect()).filter((r) => r.width && r.height);
        for (let i = 0; i < boxes.length; i++)
            for (let j = i + 1; j < boxes.length; j++) {
                const a = boxes[i], b = boxes[j];
                if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
                    bad.push(kind + ' ' + i + ' and ' + j + ' overlap');
            }
    }
    /* Column labels are turned: they stand apart if their feet do. */
    const turned = [...document.querySelectorAll('#grid .col-label:not(.tick)')], size = turned.length ? parseFloat(getComputedStyle(turned[0]).fontSize) : 0;
    for (let i = 1; i < turned.length; i++) {
        const apart = parseFloat(turned[i].style.left) - parseFloat(turned[i - 1].style.left);
        if (apart * (turned[i].classList.contains('upright') ? 1 : Math.SQRT1_2) < size * 0.85)
            bad.push('column labels ' + i + ': ' + apart);
    }
    for (const n of document.querySelectorAll('button:not(.link), select, input, summary')) {
        const r = n.getBoundingClientRect(), target = n.closest('label') ? n.closest('label').getBoundingClientRect() : r;
        if (r.width && r.height && (target.height < 24 || target.width < 24))
            bad.push('small: ' + n.nodeName + ' ' + (n.title || n.textContent) + ' ' + r.width + ' x ' + r.height);
    }
    return bad.slice(0, 10);
})()`;

async function fitsEveryWidth(env) {
    const tab = await env.tab(),
        made = large(1),
        file = env.write('wide.html', assemble(made.data, made.blocks, env.template || undefined));
    for (const [width, height] of [
        [320, 640],
        [640, 400],
        [900, 700],
        [1280, 800],
        [2560, 1200],
    ]) {
        await tab.size(width, height, width === 640 ? 2 : 1); /* 640 at ratio 2: 1280 at 200 % */
        for (const of of [env.real.page, file]) {
            await tab.open(of, '#z=1');
            for (const v of VIEWS)
                for (const t of v === 'head' ? TYPES : ['cross']) {
                    await tab.go('#z=1&cmp=uniform&t=' + t + '&l=1&h=1&v=' + v + (of === file ? '' : '&abl=enc.0.1'));
                    assert.deepStrictEqual(await tab.eval(CROWDED), [], width + ' px, ' + v + ' ' + t);
                }
            for (const m of MODES) {
                await tab.go('#z=1&v=head&cmp=uniform&t=cross&l=1&h=1&m=' + m);
                assert.deepStrictEqual(await tab.eval(CROWDED), [], width + ' px, ' + m);
            }
        }
        quiet(tab, width + ' px');
    }
}

/* ---- B14 ---- */

async function saysWhatIsAbsent(env) {
    const tab = await env.tab(),
        weights = () => 1,
        cases = [];
    const tiny = makeData({ layers: 1, heads: 1, sentences: [[[], []]], weights });
    cases.push(
        ['tiny', tiny],
        ['one token', makeData({ layers: 1, heads: 1, sentences: [[['a'], ['b']]], weights })],
        ['no sentences', makeData({ layers: 2, heads: 2, sentences: [], weights })],
        ['64 tokens', large(1)],
    );
    for (const [name, made] of cases) {
        await tab.open(env.write('case.html', assemble(made.data, made.blocks, env.template || undefined)));
        for (const v of VIEWS) {
            await tab.go('#z=1&v=' + v + '&cmp=uniform');
            assert.ok((await text(tab, 'focus')).length > 20, name + ', ' + v + ' says something');
        }
        for (const m of MODES) for (const t of TYPES) await tab.go('#z=1&v=head&t=' + t + '&m=' + m + '&q=0&k=0');
        quiet(tab, name);
    }
    const made = makeData({
        layers: 1,
        heads: 2,
        sentences: [
            [
                ['a', 'b'],
                ['c', 'd'],
            ],
        ],
        weights,
    });
    await tab.open(env.write('absent.html', assemble(made.data, made.blocks, env.template || undefined)));
    for (const [v, like] of [
        ['time', /No snapshots/],
        ['phenomena', /not measured/],
        ['ablate', /Nothing was ablated/],
        ['align', /no gold links/],
        ['overview', /roles were not measured/],
        ['about', /no snapshots of training/],
    ]) {
        await tab.go('#z=1&v=' + v);
        assert.match(await text(tab, 'focus'), like);
    }
    assert.match(await text(tab, 'strip'), /No gold structure/);
    await tab.go('#z=1&v=head&m=norm');
    assert.match(await text(tab, 'focus'), /no norm-weighted weights/);
    /* Without blocks, with broken ones, without anything. */
    delete made.blocks['a-s-0-enc'];
    made.blocks['a-s-0-dec'] = Buffer.from([1, 2, 3]);
    await tab.open(
        env.write('broken.html', assemble(made.data, made.blocks, env.template || undefined)),
        '#z=1&v=head&t=enc',
    );
    assert.match(await text(tab, 'focus'), /no weights of this sentence/);
    await tab.go('#z=1&v=head&t=dec');
    assert.match(await text(tab, 'focus'), /no weights of this sentence/);
    for (const data of [
        {},
        { schema: 'other', version: 7 },
        { ...made.data, measures: null, roles: null, heads: null, model: null },
    ]) {
        await tab.open(env.write('bare.html', assemble(data, {}, env.template || undefined)));
        for (const v of VIEWS) await tab.go('#z=1&v=' + v);
        assert.ok((await text(tab, 'focus')).length > 5);
        quiet(tab, 'bare');
    }
    /* Errors that the exporter found are on the first screen. */
    const sick = makeData({
        layers: 1,
        heads: 1,
        sentences: [[['a'], ['b']]],
        weights,
        extra: {
            health: [
                { level: 'error', code: 'rows', head: 'enc.0.0', sentence: null, text: 'a row sums to 0.5' },
                { level: 'warning', code: 'uniform', head: null, sentence: null, text: 'looks untrained' },
            ],
        },
    });
    await tab.open(env.write('sick.html', assemble(sick.data, sick.blocks, env.template || undefined)));
    assert.match(await text(tab, 'health'), /1 error/);
    await tab.eval('document.getElementById("health").click()');
    assert.match(await text(tab, 'health-list'), /a row sums to 0\.5.*looks untrained/s);
}

/* ---- B15 ---- */

async function prints(env) {
    const tab = await env.tab();
    for (const hash of ['#z=1&v=head&t=cross&l=1&h=1', '#z=1&v=head&t=enc&l=0&h=0&th=dark']) {
        await tab.open(env.real.page, hash);
        const { data } = await tab.send('Page.printToPDF', { preferCSSPageSize: true }),
            pdf = Buffer.from(data, 'base64').toString('latin1');
        const pages = (pdf.match(/\/Type\s*\/Page\b(?!s)/g) || []).length;
        assert.ok(pages >= 1 && pages <= 3, pages + ' pages');
        await tab.send('Emulation.setEmulatedMedia', { media: 'print' });
        const seen = await tab.eval(
            '(() => { const at = document.querySelector("#grid canvas").getBoundingClientRect(); return [at.width, at.height, document.getElementById("focus").textContent.includes(inspector.state.t + "." + inspector.state.l + "." + inspector.state.h), getComputedStyle(document.getElementById("atlas")).display]; })()',
        );
        assert.ok(seen[0] > 100 && seen[1] > 100 && seen[2] && seen[3] === 'none', 'the head is on the paper: ' + seen);
        await tab.send('Emulation.setEmulatedMedia', { media: '' });
    }
    quiet(tab, 'print');
}

module.exports = {
    tests: [
        ['B11', isFast],
        ['B12', ablatesAsTheProgram],
        ['B13', fitsEveryWidth],
        ['B14', saysWhatIsAbsent],
        ['B15', prints],
    ],
};
