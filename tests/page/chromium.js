/* A headless Chromium driven over its pipe (--remote-debugging-pipe: NUL-terminated JSON on descriptors 3 and 4), with
 * nothing but node. One browser, a tab for each page. */
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const ANSWER_MS = 30000;

function find() {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome'])
        for (const folder of (process.env.PATH || '').split(':'))
            if (folder && fs.existsSync(path.join(folder, name))) return path.join(folder, name);
    return null;
}

class Browser {
    static async start(program = find()) {
        const b = new Browser();
        b.home = fs.mkdtempSync(path.join(os.tmpdir(), 'heads-'));
        const options = [
            '--headless=new',
            '--remote-debugging-pipe',
            '--no-first-run',
            '--user-data-dir=' + b.home,
            '--window-size=1280,800',
            '--force-color-profile=srgb',
            '--host-resolver-rules=MAP * ~NOTFOUND',
            '--disable-gpu',
            '--disable-dev-shm-usage',
            '--hide-scrollbars',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            '--no-default-browser-check',
            '--mute-audio',
            '--disable-background-timer-throttling',
            '--disable-renderer-backgrounding',
            '--disable-backgrounding-occluded-windows',
        ];
        if (process.getuid && process.getuid() === 0) options.push('--no-sandbox');
        b.child = spawn(program, options, {
            stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
            env: { ...process.env, HOME: b.home },
        });
        b.waiting = new Map();
        b.listeners = [];
        b.next = 1;
        b.ended = new Promise((done) => b.child.on('exit', done));
        b.child.on('exit', () => {
            for (const { no } of b.waiting.values()) no(new Error('the browser ended'));
        });
        let rest = Buffer.alloc(0);
        b.child.stdio[4].on('data', (piece) => {
            rest = Buffer.concat([rest, piece]);
            for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1))
                b.got(JSON.parse(rest.subarray(0, end).toString()));
        });
        b.child.stdio[3].on('error', () => {});
        await b.send('Browser.getVersion');
        return b;
    }
    got(message) {
        const of = message.id && this.waiting.get(message.id);
        if (of) {
            this.waiting.delete(message.id);
            clearTimeout(of.clock);
            message.error ? of.no(new Error(of.method + ': ' + message.error.message)) : of.yes(message.result);
        } else if (message.method) {
            for (const listener of this.listeners) listener(message);
        }
    }
    send(method, params = {}, sessionId) {
        const id = this.next++;
        return new Promise((yes, no) => {
            const clock = setTimeout(() => no(new Error(method + ': no answer in ' + ANSWER_MS + ' ms')), ANSWER_MS);
            this.waiting.set(id, { yes, no, clock, method });
            this.child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
        });
    }
    async tab(size = {}) {
        const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
        const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
        const t = new Tab(this, sessionId, targetId);
        for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await t.send(domain + '.enable');
        await t.size(size.width || 1280, size.height || 800, size.ratio || 1);
        return t;
    }
    async stop() {
        try {
            await this.send('Browser.close');
        } catch (e) {
            this.child.kill();
        }
        await this.ended;
        fs.rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
    }
}

class Tab {
    constructor(browser, session, target) {
        Object.assign(this, { browser, session, target, requests: [], errors: [] });
        browser.listeners.push((m) => {
            if (m.sessionId !== session) return;
            if (m.method === 'Network.requestWillBeSent') this.requests.push(m.params.request.url);
            else if (m.method === 'Runtime.exceptionThrown')
                this.errors.push(
                    (m.params.exceptionDetails.exception && m.params.exceptionDetails.exception.description) ||
                        m.params.exceptionDetails.text,
                );
            else if (m.method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(m.params.type))
                this.errors.push('console: ' + m.params.args.map((a) => a.value || a.description).join(' '));
            else if (m.method === 'Log.entryAdded' && m.params.entry.level === 'error')
                this.errors.push('log: ' + m.params.entry.text);
            else if (m.method === 'Page.loadEventFired' && this.loaded) this.loaded();
        });
    }
    send(method, params) {
        return this.browser.send(method, params, this.session);
    }
    size(width, height, ratio = 1) {
        return this.send('Emulation.setDeviceMetricsOverride', {
            width,
            height,
            deviceScaleFactor: ratio,
            mobile: false,
        });
    }
    async navigate(url) {
        const loaded = new Promise((done) => {
            this.loaded = done;
        });
        await this.send('Page.navigate', { url });
        await loaded;
    }
    /* Loads a file, hash included, as a new document; its requests and errors are counted from here. */
    async open(file, hash = '') {
        await this.navigate('about:blank');
        this.requests = [];
        this.errors = [];
        await this.navigate('file://' + path.resolve(file) + hash);
        await this.eval('window.inspector && inspector.ready.then(() => 1)');
    }
    async eval(expression) {
        const got = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
        if (got.exceptionDetails)
            throw new Error(
                expression.slice(0, 200) +
                    '\n    ' +
                    ((got.exceptionDetails.exception || {}).description || got.exceptionDetails.text),
            );
        return got.result.value;
    }
    /* Goes to a hash in the page that is open, as a link would. */
    async go(hash) {
        await this.eval('location.hash = ' + JSON.stringify(hash) + '; new Promise((done) => setTimeout(done, 30))');
    }
    async key(key, text, modifiers = 0) {
        const keys = {
            Enter: 13,
            Tab: 9,
            Escape: 27,
            ArrowUp: 38,
            ArrowDown: 40,
            ArrowLeft: 37,
            ArrowRight: 39,
            Home: 36,
            End: 35,
        };
        const event = {
            key,
            windowsVirtualKeyCode: keys[key] || key.toUpperCase().charCodeAt(0),
            code: key.length > 1 ? key : undefined,
            modifiers,
        };
        const typed = text !== undefined ? text : key.length === 1 ? key : key === 'Enter' ? '\r' : undefined;
        await this.send('Input.dispatchKeyEvent', { type: typed ? 'keyDown' : 'rawKeyDown', ...event, text: typed });
        await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    }
    async mouse(x, y, click) {
        await this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
        for (const type of click ? ['mousePressed', 'mouseReleased'] : [])
            await this.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
    }
    async screenshot(file, clip) {
        const { data } = await this.send('Page.captureScreenshot', {
            format: 'png',
            ...(clip ? { clip: { ...clip, scale: 1 } } : {}),
        });
        const bytes = Buffer.from(data, 'base64');
        if (file) fs.writeFileSync(file, bytes);
        return bytes;
    }
    close() {
        return this.browser.send('Target.closeTarget', { targetId: this.target });
    }
}

module.exports = { Browser, find };
