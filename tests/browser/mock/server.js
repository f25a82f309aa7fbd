// A console with invented data: the interface of `plimsoll console`, and every state on demand.
//
// The tests of layout and states use it, because a real console is seldom disconnected, evicted or restarted at
// the right moment. Its data are invented; the real one is covered by the tests against the binary.

import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { lifecycle, heat, routes, series } from './charts.js';
import { filterOf } from './filter.js';

const WEB = fileURLToPath(new URL('../../../crates/plimsoll-console/web/', import.meta.url));
const TYPES = /** @type {Record<string, string>} */ ({ html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' });
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
  + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** @typedef {Record<string, any>} Any */

export class Mock {
  token = randomBytes(16).toString('hex');
  n = 0;
  /** @type {Any[]} */ services = [];
  /** @type {Any[]} */ requests = [];
  /** @type {Any[]} */ logs = [];
  /** @type {Any} */ samples = {};
  /** Spans by the number of their request. @type {Map<number, Any>} */ traces = new Map();
  evictedBefore = 0;
  /** Answer of the charts: `ok`, `absent` (no source) or `missing` (404). */
  charts = 'ok';
  /** Requests in a second of the heat map; below one, seconds are empty. */
  density = 40;
  /** A string for the tables of charts. @type {string | null} */ hostile = null;
  posts = /** @type {string[]} */ ([]);
  seen = /** @type {string[]} */ ([]);
  /** @type {Set<import('node:http').ServerResponse>} */ #streams = new Set();
  /** @type {import('node:http').Server | null} */ #server = null;
  #port = 0;
  #version = 0;

  async listen() {
    const server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', () => resolve(null));
    });
    const address = server.address();
    if (address && typeof address === 'object') this.#port = address.port;
    this.#server = server;
    return this;
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get url() {
    return `${this.origin}/#token=${this.token}`;
  }

  /** Streams that are open. */
  get open() {
    return this.#streams.size;
  }

  /** Stops to listen and drops all connections; `listen` begins again at the same port. */
  async close() {
    const server = this.#server;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    this.#streams.clear();
  }

  /** A new process of the console: another token, no data, other numbers. */
  restart() {
    this.token = randomBytes(16).toString('hex');
    this.requests = [];
    this.logs = [];
    this.n = 0;
    for (const response of this.#streams) response.destroy();
  }

  /** @param {Any} [more] */
  service(more = {}) {
    const now = Date.now() / 1000;
    const service = {
      name: 'orders', kind: 'child', command: 'cargo run -p orders', state: 'ready', since: now - 252, pid: 24272, address: '127.0.0.1:8080', run: 2,
      lastLine: 'listening on 127.0.0.1:8080', version: '0.4.1',
      set: [{ name: 'LOG_FORMAT', value: 'json', forced: true }, { name: 'PYTHONUNBUFFERED', value: '1', forced: false }],
      runs: [
        { run: 1, pid: 23911, began: now - 820, ready: now - 818.4, ended: now - 260, exit: { status: 3 }, requests: 10_837,
          lastLines: ['INFO orders: draining, 2 in flight', 'WARNING orders: 2 requests cut off after 8 s', 'ERROR orders: exit 3'] },
        { run: 2, pid: 24272, began: now - 253.2, ready: now - 252, ended: null, exit: null, requests: 12_041,
          lastLines: ['   Compiling orders v0.4.1', '    Finished `dev` profile in 3.18s', '     Running `target/debug/orders`', 'listening on 127.0.0.1:8080'] },
      ],
      controls: ['restart', 'stop'], ...more,
    };
    this.services = [...this.services.filter((it) => it.name !== service.name), service];
    this.changed();
    return service;
  }

  changed() {
    this.#version += 1;
  }

  /** A request with its records. @param {Any} [more] @param {Any[]} [records] */
  request(more = {}, records = []) {
    const now = Date.now() / 1000;
    const service = more.service ?? 'orders';
    const id = more.id ?? randomBytes(16).toString('hex');
    const base = { service, run: 2, id, trace: null, stream: 'stdout', text: false, cut: false };
    const made = records.map((it) => this.log({ ...base, ...it }));
    const row = {
      n: ++this.n, service, run: 2, start: now - (more.ms ?? 1.1) / 1000, method: 'GET', route: '/orders/{id}', path: '/orders/7', query: '', status: 200, ms: 1.1,
      trace: null, aborted: false, level: 'INFO', records: records.length + 1, spans: null, ...more, id,
    };
    const access = { n: row.n, ...base, time: now, level: row.level, target: 'http', message: 'http_request', fields: { status: row.status, method: row.method, path: row.route, latencyMs: row.ms } };
    this.logs.push(access);
    this.requests.push({ ...row, detail: { records: [...made, access], ip: more.ip ?? '127.0.0.1', userAgent: more.userAgent ?? 'curl/8.5.0', fields: more.fields ?? { bytes: 312 } } });
    return row;
  }

  /** @param {Any} [more] */
  log(more = {}) {
    const row = { n: ++this.n, service: 'orders', run: 2, time: Date.now() / 1000, level: 'INFO', target: 'orders::db', message: 'query', fields: {}, id: null, trace: null, stream: 'stdout', text: false, cut: false, ...more };
    this.logs.push(row);
    return row;
  }

  /** Sets the spans of a request. @param {number} n @param {Any[]} spans @param {string[]} [missingParents] */
  spans(n, spans, missingParents = []) {
    this.traces.set(n, { spans, missingParents });
    const row = this.requests.find((it) => it.n === n);
    if (row) row.spans = spans.length;
  }

  /** Evicts the rows below a number. @param {number} before */
  evict(before) {
    this.evictedBefore = before;
    this.requests = this.requests.filter((it) => it.n >= before);
    this.logs = this.logs.filter((it) => it.n >= before);
  }

  store() {
    return {
      bytes: 24_300_000, budget: 167_772_160, records: this.logs.length, requests: this.requests.length,
      oldest: this.logs[0]?.time ?? null, evicted: this.evictedBefore, cut: 0, unreadable: 0, rejected: 0, echo: 0,
    };
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  #answer(request, response) {
    const url = new URL(request.url ?? '/', this.origin);
    this.seen.push(`${request.method} ${url.pathname}${url.search}`);
    if (!url.pathname.startsWith('/api/')) return this.#asset(url.pathname, response);
    if (request.headers.authorization !== `Bearer ${this.token}`) return problem(response, 401, 'Unauthorized', 'The token is not that of this console.');
    let filter;
    try {
      filter = filterOf(url.searchParams.get('filter') ?? '');
    } catch (error) {
      return problem(response, 400, 'Invalid filter', String(/** @type {Error} */ (error).message));
    }
    const path = url.pathname.slice('/api/'.length);
    const view = url.searchParams.get('view') ?? 'none';
    if (path === 'state') return json(response, { version: '0.1.0', now: Date.now() / 1000, services: this.services, store: this.store() });
    if (path === 'stream') return this.#stream(url, view === 'requests' ? this.#rows('requests', filter) : view === 'logs' ? this.#rows('logs', filter) : () => [], response);
    if (path === 'requests' || path === 'logs') return this.#page(path, filter, url, response);
    const one = /^requests\/(\d+)$/.exec(path);
    if (one) return this.#detail(Number(one[1]), response);
    const control = /^services\/([^/]+)\/(start|stop|restart)$/.exec(path);
    if (control && request.method === 'POST') return this.#control(decodeURIComponent(control[1] ?? ''), control[2] ?? '', response);
    if (this.charts === 'missing') return problem(response, 404, 'Not Found', 'No such resource.');
    if (path === 'series') return json(response, series(this, url));
    if (path === 'heat') return json(response, heat(this, url));
    const part = /^services\/([^/]+)\/(routes|lifecycle)$/.exec(path);
    if (part) return json(response, part[2] === 'routes' ? routes(this) : lifecycle(this, decodeURIComponent(part[1] ?? '')));
    return problem(response, 404, 'Not Found', 'No such resource.');
  }

  /** @param {string} path @param {import('node:http').ServerResponse} response */
  #asset(path, response) {
    const name = path === '/' ? 'index.html' : path.slice(1);
    if (!readdirSync(WEB).includes(name)) return problem(response, 404, 'Not Found', path);
    response.writeHead(200, { 'content-type': TYPES[name.split('.').pop() ?? ''] ?? 'text/plain', 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' });
    response.end(readFileSync(WEB + name));
  }

  /** @param {'requests' | 'logs'} resource @param {(row: Any) => boolean} filter */
  #rows(resource, filter) {
    return (/** @type {number} */ after) => {
      const list = this[resource];
      let at = list.length;
      while (at > 0 && (list[at - 1]?.n ?? 0) > after) at--;
      return list.slice(at).filter(filter).map(plain);
    };
  }

  /** @param {URL} url @param {(after: number) => Any[]} rows @param {import('node:http').ServerResponse} response */
  #stream(url, rows, response) {
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    this.#streams.add(response);
    const asked = url.searchParams.get('after');
    let cursor = asked === null ? 0 : Number(asked);
    let first = asked === null;
    let version = -1;
    let last = 0;
    const tick = () => {
      const now = Date.now();
      const fresh = this.n > cursor || first || version !== this.#version;
      if (!fresh && now - last < 2000) return;
      const found = rows(cursor);
      const shown = found.slice(-200);
      const gap = !first && cursor > 0 && cursor + 1 < this.evictedBefore ? { from: cursor + 1, to: this.evictedBefore - 1 } : null;
      /** @type {Any} */
      const message = { now: now / 1000, cursor: this.n, rows: shown, skipped: first ? 0 : found.length - shown.length, gap, samples: this.samples, store: this.store() };
      if (version !== this.#version) message.services = this.services;
      version = this.#version;
      cursor = this.n;
      first = false;
      last = now;
      response.write(`${JSON.stringify(message)}\n`);
    };
    tick();
    const timer = setInterval(tick, 100);
    response.on('close', () => {
      clearInterval(timer);
      this.#streams.delete(response);
    });
  }

  /** @param {'requests' | 'logs'} resource @param {(row: Any) => boolean} filter @param {URL} url @param {import('node:http').ServerResponse} response */
  #page(resource, filter, url, response) {
    const before = Number(url.searchParams.get('before') ?? Infinity);
    const limit = Math.min(Number(url.searchParams.get('limit') ?? 200), 200);
    const found = this[resource].filter((it) => it.n < before && filter(it));
    const items = found.slice(-limit).reverse().map(plain);
    const next = found.length > limit ? items[items.length - 1]?.n ?? null : null;
    json(response, { items, next, oldest: this[resource][0]?.time ?? null, complete: true });
  }

  /** @param {number} n @param {import('node:http').ServerResponse} response */
  #detail(n, response) {
    const found = this.requests.find((it) => it.n === n);
    if (!found) return problem(response, 404, 'Not Found', 'The request is not kept.');
    const { records, ...more } = found.detail;
    json(response, { request: { ...plain(found), ...more }, records, ...(this.traces.get(n) ?? { spans: [], missingParents: [] }), repeatedId: found.repeatedId ?? false });
  }

  /** @param {string} name @param {string} action @param {import('node:http').ServerResponse} response */
  #control(name, action, response) {
    const service = this.services.find((it) => it.name === name);
    if (!service || !service.controls.includes(action)) return problem(response, 409, 'Conflict', `${name} cannot ${action} now.`);
    this.posts.push(`${name} ${action}`);
    json(response, { change: this.posts.length }, 202);
  }
}

/** A row as it is on the wire. @param {Any} row */
function plain({ detail, repeatedId, ...row }) {
  return row;
}

/** @param {import('node:http').ServerResponse} response @param {unknown} body @param {number} [status] */
function json(response, body, status = 200) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** @param {import('node:http').ServerResponse} response @param {number} status @param {string} title @param {string} detail */
function problem(response, status, title, detail) {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ title, status, detail }));
}
