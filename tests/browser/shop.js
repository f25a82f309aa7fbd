// A small service with the records and metrics of the chassis, as a child of the real console.
//
// Its durations are real: it waits for a time that depends on the request. PORT is its port, 0 for a free one.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

/** @typedef {{status: number, route: string, wait: number, records: [string, string, string, Record<string, unknown>][]}} Answer */

const began = Date.now();
let state = 'starting';
let inFlight = 0;
let connections = 0;
/** @type {Map<string, number>} */
const counts = new Map();
/** @type {Map<string, {buckets: number[], sum: number}>} */
const durations = new Map();
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** @param {string} level @param {string} name @param {string} message @param {string} id @param {Record<string, unknown>} fields */
function log(level, name, message, id, fields) {
  const now = new Date();
  const two = (/** @type {number} */ it) => String(it).padStart(2, '0');
  const asctime = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())},${String(now.getMilliseconds()).padStart(3, '0')}`;
  process.stdout.write(`${JSON.stringify({ asctime, levelname: level, name, process: process.pid, threadName: 'main', message, request_id: id, service: 'orders', version: '0.4.1', ...fields })}\n`);
}

/** @param {string} method @param {string} path @param {number} seed @returns {Answer} */
function answer(method, path, seed) {
  const order = /^\/orders\/(\d+)$/.exec(path)?.[1];
  const quick = 0.4 + (seed % 7) * 0.3 + (seed % 13) * 0.15;
  if (path === '/orders' && method === 'POST') return { status: 201, route: '/orders', wait: 6 + quick, records: [['INFO', 'orders::handlers', 'order created', { order: 9000 + seed, items: seed % 5 }]] };
  if (path === '/orders') return { status: 200, route: '/orders', wait: seed % 29 === 0 ? 118 : 3 + quick, records: seed % 29 === 0 ? [['WARNING', 'orders::db', 'slow query', { ms: 118, plan: 'Seq Scan on orders' }]] : [] };
  if (path.startsWith('/customers/')) return { status: 200, route: '/customers/{id}', wait: quick / 2, records: [] };
  if (order === '404') return { status: 404, route: '/orders/{id}', wait: quick, records: [['INFO', 'orders::db', 'no such order', { order }]] };
  if (order === '13') {
    return { status: 500, route: '/orders/{id}', wait: 31, records: [
      ['WARNING', 'orders::db', 'pool exhausted, waits for a connection', { waiting: 12, limit: 16 }],
      ['ERROR', 'orders::db', 'query failed', { table: 'orders', code: '57014', error: 'canceling statement due to statement timeout' }],
    ] };
  }
  if (order !== undefined) return { status: 200, route: '/orders/{id}', wait: quick, records: seed % 3 === 0 ? [['INFO', 'orders::db', 'query', { table: 'orders', rows: 1, ms: quick }]] : [] };
  return { status: 404, route: '__unmatched__', wait: 0, records: [] };
}

/** @param {string} labels @param {number} seconds */
function measure(labels, seconds) {
  counts.set(labels, (counts.get(labels) ?? 0) + 1);
  const found = durations.get(labels) ?? { buckets: BOUNDS.map(() => 0), sum: 0 };
  durations.set(labels, found);
  found.sum += seconds;
  for (const [at, bound] of BOUNDS.entries()) if (seconds <= bound) found.buckets[at] = (found.buckets[at] ?? 0) + 1;
}

function metrics() {
  const lines = ['# TYPE http_requests_total counter'];
  for (const [labels, count] of counts) lines.push(`http_requests_total{${labels}} ${count}`);
  lines.push('# TYPE http_request_duration_seconds histogram');
  for (const [labels, { buckets, sum }] of durations) {
    for (const [at, bound] of BOUNDS.entries()) lines.push(`http_request_duration_seconds_bucket{${labels},le="${bound}"} ${buckets[at]}`);
    const count = counts.get(labels) ?? 0;
    lines.push(`http_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`, `http_request_duration_seconds_sum{${labels}} ${sum}`, `http_request_duration_seconds_count{${labels}} ${count}`);
  }
  const cpu = process.cpuUsage();
  lines.push('# TYPE http_requests_in_flight gauge', `http_requests_in_flight ${inFlight}`, '# TYPE http_connections_open gauge', `http_connections_open ${connections}`,
    '# TYPE process_resident_memory_bytes gauge', `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '# TYPE process_cpu_seconds_total counter', `process_cpu_seconds_total ${(cpu.user + cpu.system) / 1e6}`,
    '# TYPE process_start_time_seconds gauge', `process_start_time_seconds ${began / 1000}`, '# TYPE service_state gauge');
  for (const it of ['starting', 'ready', 'not_ready', 'lame_duck', 'draining']) lines.push(`service_state{state="${it}"} ${Number(it === state)}`);
  return `${lines.join('\n')}\n`;
}

let seed = 0;
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/metrics') return response.end(metrics());
  if (url.pathname === '/health' || url.pathname === '/ready') {
    response.writeHead(url.pathname === '/health' || state === 'ready' ? 200 : 503);
    return response.end();
  }
  const start = performance.now();
  const id = String(request.headers['x-request-id'] ?? randomBytes(16).toString('hex'));
  const method = request.method ?? 'GET';
  const { status, route, wait, records } = answer(method, url.pathname, seed++);
  inFlight += 1;
  for (const [level, name, message, fields] of records) log(level, name, message, id, fields);
  request.resume();
  setTimeout(() => {
    // Connections end with their response while the service drains.
    response.writeHead(status, { 'x-request-id': id, 'content-type': 'text/plain', ...(state === 'draining' && { connection: 'close' }) });
    response.end(`${status}\n`);
  }, wait);
  response.on('close', () => {
    inFlight -= 1;
    const ms = performance.now() - start;
    measure(`method="${method}",path="${route}",status="${status}"`, ms / 1000);
    log(status >= 500 ? 'ERROR' : status >= 400 ? 'WARNING' : 'INFO', 'http', 'http_request', id, {
      status, method, path: route, rawPath: url.pathname, query: url.search.slice(1), ip: '127.0.0.1', latencyMs: Number(ms.toFixed(3)), userAgent: String(request.headers['user-agent'] ?? '') });
  });
  return undefined;
});
server.on('connection', (socket) => {
  connections += 1;
  socket.on('close', () => {
    connections -= 1;
  });
});
server.keepAliveTimeout = 60_000;
process.stderr.write('   Compiling orders v0.4.1\n');
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const address = server.address();
  state = 'ready';
  log('INFO', 'infra', 'infra_app_ready', '-', { address: `127.0.0.1:${address && typeof address === 'object' ? address.port : 0}`, workers: 1 });
});
process.on('SIGTERM', () => {
  state = 'draining';
  log('INFO', 'infra', 'shutdown_started', '-', { reason: 'SIGTERM', ready: false, requestsInFlight: inFlight });
  const finished = inFlight;
  server.close(() => {
    log('INFO', 'infra', 'shutdown_complete', '-', { reason: 'SIGTERM', exitStatus: 0, requestsFinished: finished, requestsCutOff: 0 });
    process.exit(0);
  });
  server.closeIdleConnections();
});
