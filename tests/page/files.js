/* What the tests of the page read and make: .npy, PNG, the page itself, and pages of made-up data. Written apart
 * from the page: nothing here comes from src/inspect/page. */
'use strict';
const { execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

/* ---- arrays, pictures ---- */

/* { shape, at(l, h, q, k) } of a version 1 .npy of little-endian floats. */
function readNpy(file) {
    const bytes = fs.readFileSync(file),
        length = bytes.readUInt16LE(8),
        header = bytes.toString('latin1', 10, 10 + length);
    const shape = /'shape': \(([\d, ]*)\)/
        .exec(header)[1]
        .split(',')
        .filter((x) => x.trim())
        .map(Number);
    if (!header.includes("'<f4'") || !header.includes("'fortran_order': False")) throw new Error(file + ': ' + header);
    const at = (...i) => bytes.readFloatLE(10 + length + 4 * i.reduce((sum, x, axis) => sum * shape[axis] + x, 0));
    return { shape, at };
}

/* { width, height, at(x, y) -> [r, g, b] } of an 8-bit PNG without interlacing. */
function readPng(bytes) {
    const width = bytes.readUInt32BE(16),
        height = bytes.readUInt32BE(20),
        type = bytes[25],
        parts = [];
    const size = { 2: 3, 6: 4 }[type];
    if (bytes[24] !== 8 || !size || bytes[28]) throw new Error('PNG of another kind');
    for (let i = 8; i < bytes.length; i += 12 + bytes.readUInt32BE(i))
        if (bytes.toString('latin1', i + 4, i + 8) === 'IDAT')
            parts.push(bytes.subarray(i + 8, i + 8 + bytes.readUInt32BE(i)));
    const raw = zlib.inflateSync(Buffer.concat(parts)),
        line = width * size,
        out = Buffer.alloc(line * height);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < line; x++) {
            const a = x >= size ? out[y * line + x - size] : 0,
                b = y ? out[(y - 1) * line + x] : 0,
                c = x >= size && y ? out[(y - 1) * line + x - size] : 0;
            const p = a + b - c,
                pa = Math.abs(p - a),
                pb = Math.abs(p - b),
                pc = Math.abs(p - c);
            const guess = [0, a, b, (a + b) >> 1, pa <= pb && pa <= pc ? a : pb <= pc ? b : c][raw[y * (line + 1)]];
            out[y * line + x] = raw[y * (line + 1) + 1 + x] + guess;
        }
    return {
        width,
        height,
        at: (x, y) => [
            ...out.subarray(
                (Math.floor(y) * width + Math.floor(x)) * size,
                (Math.floor(y) * width + Math.floor(x)) * size + 3,
            ),
        ],
    };
}

/* ---- the page ---- */

const SOURCE = path.join(__dirname, '../../src/inspect/page');
const template = (folder = SOURCE) =>
    execFileSync(path.join(__dirname, '../../tools/page.sh'), ['--html', folder]).toString();

/* The same data in another template. */
function reskin(page, other) {
    const from = page.indexOf('<script type="application/json" id="inspect">'),
        to = page.lastIndexOf('<script>');
    return other.replace('<!-- heed:data -->\n', () => page.slice(from, to));
}

/* As the program writes JSON into the page. */
const escaped = (x) =>
    JSON.stringify(x)
        .replace(/</g, '\\u003c')
        .replace(/\u2028/g, '\\u2028')
        .replace(/\u2029/g, '\\u2029');

function assemble(data, blocks, from = template()) {
    const parts = ['<script type="application/json" id="inspect">' + escaped(data) + '</script>\n'];
    for (const [id, bytes] of Object.entries(blocks))
        parts.push('<script type="text/plain" id="' + id + '">' + bytes.toString('base64') + '</script>\n');
    return from.replace('<!-- heed:data -->\n', () => parts.join(''));
}

const sha256 = (text) => 'sha256-' + crypto.createHash('sha256').update(text).digest('base64');

/* ---- made-up data ---- */

/* Rows rounded to 255 by largest remainders. */
function roundRow(row) {
    const cells = row.map((x) => x * 255),
        out = cells.map(Math.floor);
    const order = cells.map((x, i) => [x - Math.floor(x), i]).sort((a, b) => b[0] - a[0]);
    for (
        let left = Math.round(row.reduce((a, b) => a + b, 0)) * 255 - out.reduce((a, b) => a + b, 0), i = 0;
        left > 0;
        left--, i++
    )
        out[order[i % order.length][1]]++;
    return out;
}

const random = (seed) => () => {
    /* mulberry32 */
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
};

/* A whole inspection: sentences [[source words, target words]], weights(t, l, h, q, k, keys) before normalising.
 * Parts that are not given are null, as the program writes them. */
function makeData({ layers, heads, sentences, weights, extra = {}, norm = false }) {
    const types = ['enc', 'dec', 'cross'],
        data = {
            schema: 'heed.inspect',
            version: 1,
            run: { name: 'made', step: 10, seed: 1, loss: 0.5, gold: true, measured: 2, fit: 2 },
            model: {
                layers: { enc: layers, dec: layers, cross: layers },
                heads,
                d_model: 8 * heads,
                d_head: 8,
                ffn: 16,
                pre_norm: true,
                parameters: 1000,
                src_vocab: 9,
                tgt_vocab: 9,
            },
            summary: [],
            heads: [],
            sentences: [],
            blocks: [],
            measures: [],
            about: {},
            thresholds: {},
            roles: [],
            alignment: null,
            ablation: null,
            similarity: null,
            examples: [],
            faithfulness: null,
            snapshots: null,
            pairs: null,
            seeds: null,
            health: [],
            caveats: ['Attention shows where a head looks, not why the model answered as it did.'],
        };
    const blocks = {};
    for (const t of types)
        for (let l = 0; l < layers; l++)
            for (let h = 0; h < heads; h++) {
                data.heads.push([t, l, h].join('.'));
                data.roles.push({ head: [t, l, h].join('.'), labels: [], idle: false, text: 'unassigned' });
            }
    sentences.forEach(([src, tgt], n) => {
        const id = 's-' + n,
            S = [...src, '<eos>'],
            T = ['<bos>', ...tgt],
            flags = (list) => list.map((w) => (w === '<bos>' ? 1 : w === '<eos>' ? 2 : 0));
        data.sentences.push({
            id,
            set: 'data',
            target: 'reference',
            pair: null,
            src: { tokens: S, ids: S.map(() => 5), flags: flags(S), class: S.map(() => null) },
            tgt: {
                tokens: T,
                ids: T.map(() => 5),
                flags: flags(T),
                class: T.map(() => null),
                predicts: [...tgt, '<eos>'],
            },
            translation: { words: tgt, exact: true, loss: 0.1 },
            gold: null,
        });
        for (const t of types) {
            const rows = t === 'enc' ? S.length : T.length,
                cols = t === 'dec' ? T.length : S.length,
                bytes = [];
            for (let l = 0; l < layers; l++)
                for (let h = 0; h < heads; h++)
                    for (let q = 0; q < rows; q++) {
                        const row = Array.from({ length: cols }, (_, k) =>
                                t === 'dec' && k > q ? 0 : weights(t, l, h, q, k, cols),
                            ),
                            all = row.reduce((a, b) => a + b, 0);
                        for (const cell of roundRow(row.map((x) => x / all))) bytes.push(cell);
                    }
            for (const [kind, letter] of norm
                ? [
                      ['attention', 'a'],
                      ['norm', 'n'],
                  ]
                : [['attention', 'a']]) {
                data.blocks.push({
                    id: letter + '-' + id + '-' + t,
                    kind,
                    sentence: id,
                    type: t,
                    step: null,
                    dtype: 'u8',
                    shape: [layers, heads, rows, cols],
                });
                blocks[letter + '-' + id + '-' + t] = Buffer.from(bytes);
            }
        }
    });
    return { data: { ...data, ...extra }, blocks };
}

module.exports = { readNpy, readPng, template, reskin, assemble, sha256, random, makeData, SOURCE };
