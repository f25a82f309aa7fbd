// Plausible and hostile data for the pages of the mock.

import { failedTrace, hostileTrace } from './spans.js';

/** @typedef {import('./server.js').Mock} Mock */

/** Two kinds of requests with their records, as a small shop would have. @param {Mock} mock @param {number} seed */
export function shop(mock, seed) {
  const id = 1 + (seed * 7) % 41;
  const quick = Number((0.6 + (seed % 7) * 0.31 + (seed % 13) * 0.11).toFixed(2));
  const query = { target: 'orders::db', message: 'query', level: 'DEBUG', fields: { table: 'orders', rows: seed % 9, ms: quick / 2 } };
  switch (seed % 24) {
    case 5:
      return mock.request({ path: `/orders/${id}`, status: 500, ms: 31.4, level: 'ERROR' }, [
        { ...query, level: 'INFO', message: 'load order', target: 'orders::handlers', fields: { order: id } },
        { level: 'WARNING', target: 'orders::db', message: 'pool exhausted, waits for a connection', fields: { waiting: 12, limit: 16 } },
        { level: 'ERROR', target: 'orders::db', message: 'query failed', fields: { table: 'orders', code: '57014', error: 'canceling statement due to statement timeout', attempt: 2 } },
      ]);
    case 9:
      return mock.request({ method: 'POST', route: '/orders', path: '/orders', status: 201, ms: 8.9 + quick }, [query, { level: 'INFO', target: 'orders::handlers', message: 'order created', fields: { order: 9000 + seed, items: seed % 5 } }]);
    case 14:
      return mock.request({ path: `/orders/99${id}`, status: 404, ms: 0.7, level: 'WARNING' }, [query]);
    case 17:
      return mock.request({ route: '/orders', path: '/orders', query: `page=${id}&sort=created`, ms: 124 + seed % 60 }, [{ ...query, fields: { table: 'orders', rows: 500, ms: 118.2 } }, { level: 'WARNING', target: 'orders::db', message: 'slow query', fields: { ms: 118.2, plan: 'Seq Scan on orders' } }]);
    case 20:
      return mock.request({ method: 'PUT', route: '/orders/{id}/items/{item}', path: `/orders/${id}/items/3`, status: 422, ms: 2.3, level: 'WARNING' });
    case 22:
      return mock.request({ route: '/events', path: '/events', status: 200, ms: 4210, aborted: seed % 48 === 22, level: 'INFO' });
    default:
      return mock.request({ path: `/orders/${id}`, ms: quick }, seed % 3 === 0 ? [query] : []);
  }
}

/** @param {Mock} mock */
export function demo(mock) {
  const now = Date.now() / 1000;
  mock.service();
  mock.samples = { orders: { rate: 1204, errors: 0.2, p50: 1.2, p99: 18.1, inFlight: 37 } };
  mock.logs.push({ n: ++mock.n, service: 'orders', run: 2, time: now - 253, marker: 'run', pid: 24272 });
  mock.log({ text: true, level: null, target: null, message: '   Compiling orders v0.4.1 (/src/orders)', stream: 'stderr', time: now - 252 });
  mock.log({ message: 'infra_app_ready', target: 'orders', fields: { address: '127.0.0.1:8080', workers: 2 }, time: now - 251 });
  for (let seed = 0; seed < 600; seed++) {
    shop(mock, seed);
    const row = mock.requests[mock.requests.length - 1];
    const back = (600 - seed) * 0.4;
    if (row) row.start -= back;
    if (row?.status === 500) failedTrace(mock, row);
    for (const it of mock.logs.slice(-5)) if (it.time > now - 1) it.time -= back;
  }
}

/** Three services in different states. @param {Mock} mock */
export function fleet(mock) {
  const now = Date.now() / 1000;
  demo(mock);
  mock.service({ name: 'billing', state: 'draining', since: now - 1.4, pid: 24310, address: '127.0.0.1:8081', run: 1, controls: ['stop'], command: './billing --fast' });
  mock.service({ name: 'py', state: 'exited', since: now - 12, pid: null, address: null, run: 1, version: null, controls: ['start'], command: 'python -m app', lastLine: "ModuleNotFoundError: No module named 'fastapi'",
    runs: [{ run: 1, pid: 24400, began: now - 13, ready: null, ended: now - 12, exit: { status: 1 }, requests: 0, lastLines: ['Traceback (most recent call last):', '  File "/src/app/__main__.py", line 1, in <module>', '    from fastapi import FastAPI', "ModuleNotFoundError: No module named 'fastapi'"] }] });
  mock.samples.billing = { rate: 12, errors: 0, p50: null, p99: null, inFlight: 2 };
  for (let seed = 0; seed < 6; seed++) mock.request({ service: 'billing', route: '/invoices/{id}', path: `/invoices/${seed}`, ms: 6 + seed });
}

/** Strings that would run a script, leave an attribute, request another host or reorder text. */
export const HOSTILE = [
  '<script>window.__ran=1</script>',
  '<img src=x onerror="window.__ran=1">',
  '"><svg/onload=window.__ran=1>',
  "';window.__ran=1;//",
  'javascript:window.__ran=1',
  '<iframe srcdoc="<script>parent.__ran=1</script>"></iframe>',
  '<a href="http://203.0.113.7/">x</a><link rel=stylesheet href=//203.0.113.7/x.css>',
  '{{constructor.constructor("window.__ran=1")()}}',
  '</pre></code></div><style>*{display:none}</style>',
  '\u202Egnp.exe\u202C \u2066x\u2069 \u200B\uFEFF\u0000\u001b[31mred\u001b[0m\u009b2J',
  'a\r\nSet-Cookie: x=1\r\n\r\n<b>b</b>',
  '__proto__', 'constructor', 'e\u0301'.repeat(400), 'W'.repeat(4000), '\ud800 lone surrogate', '🏳️‍🌈 ￥ 漢字 עברית العربية',
];

/** Every field of every source has a hostile string. @param {Mock} mock */
export function hostile(mock) {
  const now = Date.now() / 1000;
  mock.hostile = HOSTILE[1] ?? null;
  for (const [at, text] of HOSTILE.entries()) {
    const name = at < 4 ? text : 'orders';
    mock.service({
      name, kind: text, command: text, state: at % 2 ? 'exited' : text, since: now, pid: null, address: text, version: text, lastLine: text, run: 1, controls: ['start', 'stop', 'restart'],
      set: [{ name: text, value: text, forced: true }],
      runs: [{ run: 1, pid: 1, began: now - 9, ready: now - 8, ended: now - 1, exit: { signal: text }, requests: 1, lastLines: [text, text] }, { run: 2, pid: 2, began: now - 1, ready: null, ended: at % 2 ? now : null, exit: at % 2 ? { signal: text } : null, requests: null, lastLines: [text] }],
    });
    mock.samples[name] = { rate: text, errors: text, p50: text, p99: text, inFlight: text };
    const row = mock.request({ service: name, method: text, route: text, path: text, query: text, id: text, trace: text, level: text, status: at % 2 ? 500 : text, ms: at % 3 ? 3 : text, ip: text, userAgent: text, fields: { [text]: text, nested: { [text]: [text] } } }, [
      { service: name, level: text, target: text, message: text, fields: { [text]: text, list: [text, { [text]: text }] }, id: text, trace: text, stream: text },
      { service: name, level: 'ERROR', target: text, message: `${text}\n${text}`, fields: { stack: `${text}\n\tat ${text}` }, id: text },
    ]);
    hostileTrace(mock, row.n, text);
    mock.log({ service: name, text: true, level: null, target: null, message: text });
    mock.logs.push({ n: ++mock.n, service: name, run: 2, time: now, marker: at % 2 ? 'run' : text, pid: 4 });
  }
}
