/* Runs tests of the page in a headless Chromium.
 *
 *     node tests/page/run.js ROOM [TEST ...]
 *     node tests/page/run.js ROOM --mutations
 *
 * ROOM is what tests/page.sh makes: real/, planted/, text/, hostile/, beside/ ... (folders of inspections). The last line is
 * `N passed, N failed`. */
'use strict';
const fs = require('fs');
const path = require('path');
const { Browser } = require('./chromium');
const { reskin } = require('./files');

const TESTS = ['see', 'use', 'hold', 'numbers', 'beside'].flatMap((name) => require('./' + name).tests);

/* What tests share. With a template, every page is given it. */
function environment(room, browser, template) {
    const own = fs.mkdtempSync(path.join(room, 'pages-')),
        tabs = [],
        env = { room, template, program: process.env.BIN ? path.resolve(process.env.BIN, 'translate_toy') : null };
    env.write = (name, text) => {
        const file = path.join(own, name);
        fs.writeFileSync(file, text);
        return file;
    };
    for (const name of ['real', 'planted', 'text', 'hostile', 'beside', 'beside-own', 'same']) {
        const folder = path.join(room, name),
            page = path.join(folder, 'heads.html');
        if (fs.existsSync(page))
            env[name] = {
                folder,
                page: template ? env.write(name + '.html', reskin(fs.readFileSync(page, 'utf8'), template)) : page,
            };
    }
    env.tab = async (size) => {
        const tab = await browser.tab(size);
        tabs.push(tab);
        return tab;
    };
    env.close = async () => {
        for (const tab of tabs.splice(0)) await tab.close();
    };
    return env;
}

async function run(env, chosen) {
    const failed = [];
    for (const [name, test] of TESTS.filter(([name]) => !chosen.length || chosen.includes(name))) {
        const start = Date.now();
        let why = null;
        try {
            await test(env);
        } catch (e) {
            why = e;
        }
        await env.close();
        failed.push([name, why, Date.now() - start]);
    }
    return failed;
}

async function main() {
    const [room, ...rest] = process.argv.slice(2),
        browser = await Browser.start();
    let passed = 0,
        failed = 0;
    const count = (good, line) => {
        good ? passed++ : failed++;
        console.log(line);
    };
    if (rest[0] === '--mutations') {
        for (const { name, template, tests } of require('./mutations').all(rest.slice(1))) {
            const results = await run(environment(room, browser, template), tests),
                caught = results.filter(([, why]) => why).map(([test]) => test);
            count(
                caught.length > 0,
                (caught.length ? 'ok      ' : 'FAILED  ') +
                    name +
                    (caught.length ? ': noticed by ' + caught : ': noticed by none of ' + tests),
            );
        }
    } else {
        for (const [name, why, ms] of await run(environment(room, browser), rest))
            count(
                !why,
                (why ? 'FAILED  ' : 'ok      ') +
                    name +
                    ' (' +
                    (ms / 1000).toFixed(1) +
                    ' s)' +
                    (why ? '\n' + why.stack : ''),
            );
    }
    await browser.stop();
    console.log(passed + ' passed, ' + failed + ' failed');
    process.exit(failed ? 1 : 0);
}
main().catch((e) => {
    console.log(e.stack);
    process.exit(1);
});
