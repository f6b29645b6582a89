/* Tests of the page: what is drawn and said is what was measured (S1, B1 - B8). Each test is [name, function(env)]
 * and throws. */
'use strict';
const fs = require('fs');
const path = require('path');
const assert = require('assert');
const { readNpy, readPng, template, assemble, sha256, random, makeData } = require('./files');

const TYPES = ['enc', 'dec', 'cross'];
const VIEWS = ['overview', 'head', 'compare', 'time', 'phenomena', 'ablate', 'align', 'table', 'about'];
const MODES = ['matrix', 'links', 'sentence', 'qk', 'norm', 'diff', 'rollout'];
const RAMPS = {
    light: ['ffffff', 'e7feff', '98d2fe', '5ba3e2', '3774b7', '27487c', '19233a'],
    dark: ['070a11', '0d1321', '173962', '17669d', '3398cb', '77caea', 'cef7ff'],
};
const rgb = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));

/* The paper at 0; from there six colours, evenly spaced. */
function ramp(x, theme) {
    const stops = RAMPS[theme].map(rgb);
    if (x <= 0) return stops[0];
    const at = x * 5,
        low = Math.min(4, Math.floor(at));
    return [0, 1, 2].map((c) => stops[low + 1][c] + (stops[low + 2][c] - stops[low + 1][c]) * (at - low));
}
const near = (a, b, within, what) =>
    assert.ok(
        a.every((x, i) => Math.abs(x - b[i]) <= within),
        what + ': ' + a + ' is not ' + b.map(Math.round),
    );
const quiet = (tab, what) => assert.deepStrictEqual(tab.errors, [], what);

/* ---- S1 ---- */

/* Every tag is closed by its own, but for those that have no end. */
function balanced(html) {
    const open = [],
        body = html.replace(/<!--[\s\S]*?-->/g, '').replace(/(<(script|style)\b[^>]*>)[\s\S]*?(<\/\2>)/g, '$1$3');
    for (const [, end, name, empty] of body.matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9]*)\b[^>]*?(\/?)>/g))
        if (end) assert.strictEqual(open.pop(), name, 'closes ' + name);
        else if (!empty && !['meta', 'link', 'br', 'input'].includes(name)) open.push(name);
    assert.deepStrictEqual(open, []);
}

async function loadsNothing(env) {
    for (const file of [env.real.page, env.planted.page]) {
        const bytes = fs.readFileSync(file),
            html = bytes.toString('utf8');
        assert.ok(Buffer.from(html, 'utf8').equals(bytes), 'valid UTF-8');
        assert.ok(bytes.length <= 5 << 20, 'at most 5 MiB: ' + bytes.length);
        const data = html.indexOf('<script type="application/json"'),
            from = data < 0 ? html.length : data,
            own = html.slice(0, from) + html.slice(html.lastIndexOf('<script>'));
        for (const word of [
            /https?:/i,
            /["'(=]\s*\/\//,
            /\bimport\b\s*[("'{*]/,
            /\bfetch\s*\(/,
            /XMLHttpRequest|WebSocket|EventSource|sendBeacon/,
            /\beval\s*\(|new Function/,
            /url\((?!['"]?data:)/,
            /innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
            /\bsrc\s*=\s*["']/,
        ])
            assert.ok(
                !word.test(own),
                'the page has ' + word + ': ' + (own.match(new RegExp('.{0,40}' + word.source)) || [''])[0],
            );
        const style = /<style>([\s\S]*?)<\/style>/.exec(own)[1],
            script = /<script>([\s\S]*)<\/script>/.exec(own)[1];
        const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(own)[1];
        for (const part of [
            "default-src 'none'",
            "script-src '" + sha256(script) + "'",
            "style-src '" + sha256(style) + "'",
        ])
            assert.ok(policy.includes(part), 'the policy has ' + part + ': ' + policy);
        assert.ok(!policy.includes('unsafe'), policy);
        balanced(own);
    }
    for (const name of fs.readdirSync(path.join(__dirname, '../../src/inspect/page'))) {
        const lines = fs.readFileSync(path.join(__dirname, '../../src/inspect/page', name), 'utf8').split('\n').length;
        assert.ok(lines <= 501, name + ' has ' + lines + ' lines');
    }
    const tab = await env.tab();
    await tab.open(env.write('template.html', env.template || template()));
    assert.match(await tab.eval('document.getElementById("notice").textContent'), /cannot be read/);
    quiet(tab, 'the template alone');
}

/* ---- B1 ---- */

async function staysOffline(env) {
    const tab = await env.tab();
    for (const file of [env.real.page, env.planted.page, env.text.page]) {
        await tab.open(file);
        for (const v of VIEWS) await tab.go('#z=1&v=' + v);
        for (const m of MODES) for (const t of TYPES) await tab.go('#z=1&v=head&m=' + m + '&t=' + t + '&cmp=uniform');
        assert.strictEqual(
            tab.requests.filter((url) => !url.startsWith('data:')).length,
            1,
            'requests: ' + tab.requests,
        );
        quiet(tab, file);
    }
    /* The policy bites: a script that data would bring does not run. */
    await tab.eval(
        `const bad = document.createElement('script'); bad.textContent = 'window.broken = 1'; document.body.append(bad); new Image().src = 'file:///etc/passwd'`,
    );
    assert.strictEqual(await tab.eval('window.broken === undefined'), true);
    await tab.open(env.real.page, '#selftest');
    assert.strictEqual(await tab.eval('document.documentElement.dataset.selftest'), 'pass');
}

/* ---- B2 ---- */

async function showsTheArrays(env) {
    const tab = await env.tab(),
        draw = random(2);
    for (const of of [env.real, env.planted]) {
        await tab.open(of.page);
        const json = JSON.parse(fs.readFileSync(path.join(of.folder, 'inspect.json'))),
            H = json.model.heads;
        const tokens = await tab.eval(
            'inspector.data.sentences.map((s) => [s.src.tokens, s.tgt.tokens, s.tgt.predicts])',
        );
        assert.deepStrictEqual(
            tokens,
            json.sentences.map((s) => [s.src.tokens, s.tgt.tokens, s.tgt.predicts]),
        );
        for (const s of json.sentences) {
            const arrays = Object.fromEntries(
                    TYPES.map((t) => [t, readNpy(path.join(of.folder, 'attn', s.id + '.' + t + '.npy'))]),
                ),
                want = [];
            for (let i = 0; i < 500; i++) {
                const t = TYPES[Math.floor(draw() * 3)],
                    [L, , T, S] = arrays[t].shape,
                    pick = (n) => Math.floor(draw() * n);
                want.push([t, pick(L), pick(H), pick(T), pick(S), s.id]);
            }
            const got = await tab.eval(JSON.stringify(want) + '.map((a) => inspector.getCell(...a))');
            want.forEach(([t, l, h, q, k], i) => {
                const x = arrays[t].at(l, h, q, k);
                assert.ok(
                    got[i] !== null && Math.abs(got[i] - x) <= 1 / 255,
                    s.id + ' ' + [t, l, h, q, k] + ': ' + got[i] + ' is not ' + x,
                );
                assert.ok(t !== 'dec' || k <= q || got[i] === 0, 'masked is 0');
            });
        }
        const sums =
            await tab.eval(`inspector.data.sentences.flatMap((s) => inspector.data.heads.map((name) => { const [t, l, h] = name.split('.'), rows = (t === 'enc' ? s.src : s.tgt).tokens.length, cols = (t === 'dec' ? s.tgt : s.src).tokens.length;
            let worst = 0; for (let q = 0; q < rows; q++) { let sum = 0; for (let k = 0; k < cols; k++) sum += inspector.getCell(t, +l, +h, q, k, s.id); worst = Math.max(worst, Math.abs(sum - 1)); } return worst; }))`);
        assert.ok(Math.max(...sums) < 1e-3, 'rows sum to 1: ' + Math.max(...sums));
    }
}

/* ---- B3 ---- */

/* A cell's place, its middle and its corner, in a picture of the screen. */
const middle = (p, q, k) => [p.x + (k + 0.5) * p.cell, p.y + (q + 0.5) * p.cell];

/* Two pixels of the screen to one of the page. */
async function sharp(env) {
    const tab = await env.tab({ height: 1400, ratio: 2 });
    await tab.open(env.real.page, '#z=1&v=head&g=off&th=light&t=cross&l=1&h=2');
    const p = await tab.eval('inspector.picture'),
        image = readPng(await tab.screenshot());
    assert.strictEqual(image.width, 2560);
    for (let i = 0; i < p.values.length; i++) {
        const [x, y] = middle(p, Math.floor(i / p.cols), i % p.cols);
        near(image.at(2 * x, 2 * y), ramp(p.values[i], 'light'), 2, 'ratio 2, cell ' + i);
    }
}

async function paintsTheRamp(env) {
    const tab = await env.tab({ height: 1400 }),
        draw = random(3);
    await sharp(env);
    for (const theme of ['light', 'dark'])
        for (const head of ['t=enc&l=1&h=0', 't=dec&l=0&h=1', 't=cross&l=1&h=2']) {
            await tab.open(env.real.page, '#z=1&v=head&g=off&th=' + theme + '&' + head);
            const p = await tab.eval('inspector.picture'),
                image = readPng(await tab.screenshot());
            let masked = 0;
            for (let i = 0; i < 60; i++) {
                const q = Math.floor(draw() * p.rows),
                    k = Math.floor(draw() * p.cols),
                    at = q * p.cols + k,
                    [x, y] = middle(p, q, k);
                if (head.includes('dec') && k > q) {
                    const seen = new Set();
                    for (let dx = 2; dx < p.cell - 2; dx++)
                        for (let dy = 2; dy < p.cell - 2; dy++)
                            seen.add(String(image.at(p.x + k * p.cell + dx, p.y + q * p.cell + dy)));
                    assert.ok(seen.size >= 2, 'masked cells are hatched');
                    masked++;
                } else {
                    near(
                        image.at(x, y),
                        ramp(p.values[at], theme),
                        2,
                        theme + ' ' + head + ' ' + [q, k] + ' ' + p.values[at],
                    );
                }
            }
            assert.ok(!head.includes('dec') || masked > 5);
            near(
                image.at(p.x + p.cols * p.cell + 12, p.y + 5),
                rgb({ light: 'ffffff', dark: '10151f' }[theme]),
                2,
                'nothing is drawn beyond the last key',
            );
        }
}

/* ---- B4 ---- */

/* Where the heads of tests/planted.h look, S = 7: from row i at this key. */
const PLANTED = {
    'enc.0.0': (i) => Math.max(0, i - 1),
    'enc.0.1': (i) => Math.min(6, i + 1),
    'dec.0.0': (i) => Math.max(0, i - 1),
    'dec.0.1': (i) => i,
    'dec.0.2': () => 0,
    'cross.0.0': (i) => (i < 6 ? 5 - i : 6),
    'cross.0.2': () => 6,
    'cross.0.3': (i) => (i > 0 ? 6 - i : 6),
};
const PLANTED_ROLES = {
    'enc.0.0': 'OFFSET-1',
    'enc.0.1': 'OFFSET+1',
    'enc.0.2': 'UNIFORM',
    'enc.0.3': 'DEP:subject',
    'cross.0.0': 'ALIGN-out',
    'cross.0.3': 'ALIGN-in',
};

async function showsPlantedHeads(env) {
    const tab = await env.tab({ height: 1400 });
    await tab.open(env.planted.page, '#z=1&v=head&g=off&th=light');
    const json = JSON.parse(fs.readFileSync(path.join(env.planted.folder, 'inspect.json')));
    const subject = json.sentences[0].gold.arcs.find((a) => a.kind === 'subject');
    const heads = { ...PLANTED, 'enc.0.3': (i) => (i === subject.row ? subject.keys[0] : null) };
    for (const [name, look] of Object.entries(heads)) {
        const [t, l, h] = name.split('.');
        await tab.go('#z=1&v=head&g=off&th=light&t=' + t + '&l=' + l + '&h=' + h);
        const p = await tab.eval('inspector.picture'),
            image = readPng(await tab.screenshot());
        for (let q = 0; q < p.rows; q++) {
            const light = Array.from({ length: p.cols }, (_, k) =>
                    t === 'dec' && k > q ? 1000 : image.at(...middle(p, q, k)).reduce((a, b) => a + b),
                ),
                darkest = light.indexOf(Math.min(...light));
            assert.ok(
                look(q) === null || darkest === look(q),
                name + ' row ' + q + ' is darkest at ' + darkest + ', not ' + look(q),
            );
        }
    }
    for (const [name, role] of Object.entries(PLANTED_ROLES)) {
        const [t, l, h] = name.split('.');
        await tab.go('#z=1&v=head&t=' + t + '&l=' + l + '&h=' + h);
        const labels = json.roles[json.heads.indexOf(name)].labels,
            label = labels.find((x) => x.role === role);
        assert.ok(label, 'the program calls ' + name + ' ' + role + ': ' + labels.map((x) => x.role));
        const text = await tab.eval('document.getElementById("inspector").textContent');
        assert.ok(
            text.includes(label.why) && text.includes(label.role === 'UNIFORM' ? 'looks everywhere alike' : label.name),
            name + ': the inspector says ' + label.name,
        );
        const tile = await tab.eval(
            `(() => { const tile = document.querySelector('[data-head="${name}"]'); return [tile.querySelector('.tag').textContent, tile.querySelector('.grade').textContent]; })()`,
        );
        assert.ok(tile[0].length > 1 && /^[ABC]$/.test(tile[1]), name + ' has a tag and a grade: ' + tile);
    }
    /* Gold is outlined where the row predicts, or reads, the word. */
    for (const [shift, head, look] of [
        ['out', 'h=0', PLANTED['cross.0.0']],
        ['in', 'h=3', PLANTED['cross.0.3']],
    ]) {
        await tab.go('#z=1&v=head&th=light&t=cross&l=0&g=' + shift + '&' + head);
        const p = await tab.eval('inspector.picture'),
            image = readPng(await tab.screenshot());
        for (let q = shift === 'in' ? 1 : 0; q < (shift === 'in' ? 7 : 6); q++) {
            const edges = Array.from({ length: p.cols }, (_, k) =>
                image.at(p.x + k * p.cell + 1, p.y + (q + 0.5) * p.cell),
            );
            assert.deepStrictEqual(
                edges.map((c) => Math.abs(c[0] - 0xb3) + Math.abs(c[1] - 0x4d) + c[2] < 30),
                edges.map((_, k) => k === look(q)),
                'gold of row ' + q + ', ' + shift,
            );
        }
    }
    assert.strictEqual(
        await tab.eval('(inspector.hash, document.querySelectorAll(".row-label")[1].textContent)'),
        json.sentences[0].tgt.tokens[1] + '▸' + json.sentences[0].tgt.predicts[1],
    );
}

/* ---- B5 ---- */

const text = (tab, id) => tab.eval('document.getElementById(' + JSON.stringify(id) + ').textContent');
const column = (p, k) => p.values.filter((_, i) => i % p.cols === k).reduce((a, b) => a + b, 0);

async function readsUnderThePointer(env) {
    const tab = await env.tab({ height: 1400 }),
        json = JSON.parse(fs.readFileSync(path.join(env.real.folder, 'inspect.json'))),
        s = json.sentences[1];
    const array = readNpy(path.join(env.real.folder, 'attn', s.id + '.cross.npy'));
    await tab.open(env.real.page, '#z=1&v=head&t=cross&l=1&h=1&x=' + s.id);
    const p = await tab.eval('inspector.picture'),
        before = await tab.eval('location.hash');
    for (const [q, k] of [
        [0, 0],
        [2, 3],
        [p.rows - 1, p.cols - 1],
    ]) {
        const [x, y] = middle(p, q, k);
        await tab.mouse(x, y);
        const text = await tab.eval('document.getElementById("readout").textContent'),
            value = p.values[q * p.cols + k];
        for (const part of [
            'reads “' + s.tgt.tokens[q] + '” → predicts “' + s.tgt.predicts[q] + '”',
            'looks at “' + s.src.tokens[k] + '” (' + k + ')',
        ])
            assert.ok(text.includes(part), text + ' has ' + part);
        const said = +/: ([\d.]+), rank (\d+) of (\d+), ([\d.]+) × chance/.exec(text)[1];
        assert.ok(
            Math.abs(said - array.at(1, 1, q, k)) <= 0.0051 + 1 / 255 || value < 0.005,
            text + ' against ' + array.at(1, 1, q, k),
        );
        const rank = +/rank (\d+) of (\d+)/.exec(text)[1],
            row = p.values.slice(q * p.cols, (q + 1) * p.cols);
        assert.strictEqual(rank, 1 + row.filter((v) => v > value).length);
        assert.ok(Math.abs(+/([\d.]+) × chance/.exec(text)[1] - value * p.cols) < 0.06);
        assert.match(await tab.eval('document.getElementById("row-words").textContent'), /sums to 1\.00/);
    }
    assert.strictEqual(await tab.eval('location.hash'), before, 'hovering leaves the address alone');
    await tab.mouse(...middle(p, 2, 3), true);
    assert.match(await tab.eval('location.hash'), /&q=2&k=3/);
    await tab.mouse(5, 5);
    assert.ok(
        (await tab.eval('document.getElementById("readout").textContent')).includes('(3)'),
        'a locked cell stays',
    );
    /* The column's total is said. */
    assert.ok((await text(tab, 'row-words')).includes('; key 3 gets ' + column(p, 3).toFixed(2) + ' in all'));
    /* Links: each row's fewest keys that hold 80 % of it, of the quantised weights. */
    await tab.go('#z=1&v=head&t=cross&l=1&h=1&m=links&x=' + s.id);
    let want = 0;
    for (let q = 0; q < p.rows; q++) {
        const row = p.values.slice(q * p.cols, (q + 1) * p.cols).sort((a, b) => b - a);
        for (let sum = 0, i = 0; sum < 0.8 - 1e-6; i++, want++) sum += row[i];
    }
    assert.strictEqual(await tab.eval('document.querySelectorAll(".links path").length'), want);
    assert.strictEqual(await tab.eval('inspector.linkCount()'), want);
    await tab.go('#z=1&v=head&t=cross&l=1&h=1&m=links&ms=100&x=' + s.id);
    const all = p.values.filter((v) => v > 0).length;
    assert.strictEqual(await tab.eval('document.querySelectorAll(".links path").length'), all, 'all links');
    /* Without special tokens a row is made to sum to 1 again, and what was removed is said. */
    await tab.go('#z=1&v=head&t=cross&l=1&h=1&hs=1&x=' + s.id);
    const content = await tab.eval('inspector.picture'),
        last = p.cols - 1;
    for (let q = 0; q < p.rows; q++) {
        const left = 1 - p.values[q * p.cols + last],
            sum = content.values.slice(q * p.cols, (q + 1) * p.cols).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - (left < 0.05 ? 0 : 1)) < 1e-4, 'row ' + q + ' sums to ' + sum);
    }
    await tab.mouse(...middle(content, 2, 3));
    assert.match(
        await tab.eval('document.getElementById("row-words").textContent'),
        new RegExp((100 * p.values[2 * p.cols + last]).toFixed(1) + ' % on special tokens was removed'),
    );
    /* Scales change colours, never numbers; each is named. */
    for (const [scale, map] of [
        ['linear', (x) => x],
        ['sqrt', Math.sqrt],
    ]) {
        await tab.go('#z=1&v=head&t=cross&l=1&h=1&g=off&th=light&s=' + scale + '&x=' + s.id);
        await tab.mouse(5, 5);
        const now = await tab.eval('inspector.picture'),
            image = readPng(await tab.screenshot());
        for (let i = 0; i < now.values.length; i += 3)
            near(
                image.at(...middle(now, Math.floor(i / now.cols), i % now.cols)),
                ramp(map(now.values[i]), 'light'),
                2,
                scale + ' ' + now.values[i],
            );
        assert.match(
            await tab.eval('document.querySelector(".legend").textContent'),
            scale === 'linear' ? /linear, 0 to 1/ : /square root/,
        );
    }
    /* Queries and keys give the weight again. */
    const has = json.blocks ? json.blocks.find((b) => b.kind === 'q') : null;
    assert.ok(has, 'there are queries');
    for (const t of TYPES) {
        const of = readNpy(path.join(env.real.folder, 'attn', has.sentence + '.' + t + '.npy'));
        await tab.go('#z=1&v=head&t=' + t + '&l=1&h=0&m=qk&q=3&k=2&x=' + has.sentence);
        const weight = +(await tab.eval('document.getElementById("qk-weight").textContent'));
        assert.ok(Math.abs(weight - of.at(1, 0, 3, 2)) <= 0.00051, t + ': ' + weight + ' is not ' + of.at(1, 0, 3, 2));
    }
}

module.exports = {
    TYPES,
    VIEWS,
    MODES,
    near,
    quiet,
    middle,
    ramp,
    rgb,
    tests: [
        ['S1', loadsNothing],
        ['B1', staysOffline],
        ['B2', showsTheArrays],
        ['B3', paintsTheRamp],
        ['B4', showsPlantedHeads],
        ['B5', readsUnderThePointer],
    ],
};
