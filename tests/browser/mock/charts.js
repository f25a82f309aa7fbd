// Numbers over time for the charts: repeatable functions of the second, with a gap and a restart.

/** @typedef {import('./server.js').Mock} Mock */

/** A repeatable number between 0 and 1. @param {number} seed */
function noise(seed) {
  const value = Math.sin(seed * 12.9898) * 43_758.5453;
  return value - Math.floor(value);
}

/** A wave with noise. @param {number} at @param {number} middle @param {number} swing */
function wave(at, middle, swing) {
  return middle + swing * (Math.sin(at / 47) * 0.5 + Math.sin(at / 13) * 0.2 + (noise(at) - 0.5) * 0.5);
}

/** @type {Record<string, [string, string, (at: number) => number]>} */
const NAMES = {
  rate: ['1/s', 'scraped', (at) => wave(at, 1180, 420)],
  errors: ['%', 'scraped', (at) => Math.max(0, wave(at, 0.25, 0.5))],
  p50: ['ms', 'records', (at) => wave(at, 1.2, 0.4)],
  p99: ['ms', 'records', (at) => wave(at, 16, 9) + (noise(Math.floor(at / 20)) > 0.85 ? 14 : 0)],
  inFlight: ['1', 'scraped', (at) => Math.round(Math.max(0, wave(at, 22, 18)))],
  connections: ['1', 'scraped', (at) => Math.round(wave(at, 212, 30))],
  workers: ['%', 'scraped', (at) => wave(at, 58, 16)],
  memory: ['B', 'scraped', (at) => 48e6 + (at % 600) * 9000],
  cpu: ['%', 'scraped', (at) => wave(at, 34, 12)],
};

/** The gap of the restart, 260 to 252 s ago, moves with the clock and is fixed in each second. @param {Mock} mock */
function gaps(mock) {
  const run = mock.services[0]?.runs?.find((/** @type {any} */ it) => it.run === 2);
  const restart = run ? { from: run.began - 7, to: run.ready ?? run.began, cause: 'restart' } : null;
  const failed = run ? { from: Math.floor(run.began) + 110, to: Math.floor(run.began) + 124, cause: 'scrape failed: time out after 2 s' } : null;
  return [restart, failed].filter((it) => it !== null);
}

/** @param {Mock} mock @param {URL} url */
export function series(mock, url) {
  const name = url.searchParams.get('name') ?? '';
  const from = Number(url.searchParams.get('from'));
  const step = Number(url.searchParams.get('step') ?? 1);
  const [unit, source, at] = NAMES[name] ?? ['1', 'scraped', () => 0];
  const absent = mock.charts === 'absent' || (mock.charts === 'partly' && ['workers', 'cpu'].includes(name));
  if (absent) return { name, service: 'orders', unit, source: null, lookedFor: ['http_server_requests_seconds_count', 'http_requests_total', 'http_server_request_duration_seconds_count'], from, step, points: [], bands: [] };
  const bands = gaps(mock);
  const begin = mock.services[0]?.runs?.[0]?.began ?? 0;
  const few = mock.density < 1 && (name === 'p50' || name === 'p99');
  const points = [];
  for (let second = from; second < Date.now() / 1000 - 1; second += step) {
    const gap = second < begin || few || (source === 'scraped' && bands.some((it) => second >= it.from && second <= it.to));
    points.push(gap ? null : mock.density < 1 && name === 'rate' ? (noise(second) < mock.density ? 1 : 0) : at(second));
  }
  return { name, service: 'orders', unit, source, lookedFor: [], from, step, points, bands: bands.filter((it) => it.to > from) };
}

/** @param {Mock} mock @param {URL} url */
export function heat(mock, url) {
  const from = Number(url.searchParams.get('from'));
  const bounds = Array.from({ length: 60 }, (_, at) => Number((0.1 * 10 ** ((at + 1) / 10)).toPrecision(4)));
  if (mock.charts === 'absent') return { from, step: 1, bounds, counts: [], source: null, exact: false, records: 0 };
  const begin = mock.services[0]?.runs?.[0]?.began ?? 0;
  const [restart] = gaps(mock);
  const counts = [];
  let records = 0;
  for (let second = from; second < Date.now() / 1000 - 1; second++) {
    /** @type {Map<number, number>} */
    const found = new Map();
    const closed = second < begin || (restart && second >= restart.from && second <= restart.to);
    const size = closed ? 0 : mock.density < 1 ? (noise(second) < mock.density ? 1 : 0) : Math.round(wave(second, mock.density, mock.density / 2));
    for (let one = 0; one < size; one++) {
      const a = noise(second * 31 + one);
      const b = noise(second * 17 + one * 3);
      const slow = a > 0.985 || (noise(Math.floor(second / 20)) > 0.85 && a > 0.9);
      const value = slow ? 9 * 10 ** (b * 1.1) : (a > 0.7 ? 3.2 : 0.9) * 10 ** ((b + noise(one + second) - 1) * 0.35);
      const bucket = bounds.findIndex((it) => value <= it);
      found.set(bucket, (found.get(bucket) ?? 0) + 1);
    }
    records += size;
    counts.push([...found].sort((x, y) => x[0] - y[0]));
  }
  return { from, step: 1, bounds, counts, source: 'records', exact: true, records };
}

/** @param {Mock} mock */
export function routes(mock) {
  if (mock.charts === 'absent') return { source: null, items: [] };
  return { source: 'records', items: [
    { method: 'GET', route: '/orders/{id}', count: 12_041, '4xx': 12, '5xx': 3, p50: 1.1, p99: 18, inFlight: 2 },
    { method: 'GET', route: '/orders', count: 4380, '4xx': 0, '5xx': 0, p50: 4.2, p99: 31.5, inFlight: 1 },
    { method: 'POST', route: '/orders', count: 918, '4xx': 41, '5xx': 1, p50: 8.9, p99: 64, inFlight: 0 },
    { method: 'PUT', route: '/orders/{id}/items/{item}', count: 377, '4xx': 5, '5xx': 0, p50: 6.1, p99: 22, inFlight: null },
    { method: 'GET', route: '/customers/{id}', count: 211, '4xx': 0, '5xx': 0, p50: 0.8, p99: 3.1, inFlight: 0 },
    { method: 'DELETE', route: '/orders/{id}', count: 12, '4xx': 0, '5xx': 0, p50: null, p99: null, inFlight: null },
    ...(mock.hostile ? [{ method: mock.hostile, route: mock.hostile, count: 1, '4xx': 0, '5xx': 0, p50: null, p99: null, inFlight: null }] : []),
  ] };
}

/** @param {Mock} mock @param {string} name */
export function lifecycle(mock, name) {
  const none = { run: null, phases: [], shutdownRun: null, inFlightAtDrain: null, answered: null, cutOff: null, refused: null, refusedMs: null, probes: [], previous: null };
  const runs = mock.services.find((it) => it.name === name)?.runs ?? [];
  const run = runs[runs.length - 1];
  if (!run) return none;
  const before = runs[runs.length - 2];
  const gone = run.ended === null ? before : run;
  if (!gone) return { ...none, run: run.run, phases: phases(run) };
  const probes = Array.from({ length: 48 }, (_, at) => ({ at: gone.ended - 2 + at / 10, status: at > 8 && at < 20 ? 503 : at >= 20 && at < 33 ? null : 200 }));
  return {
    run: run.run, phases: phases(run), shutdownRun: gone.run, inFlightAtDrain: 5, answered: 3, cutOff: 2, refused: 13, refusedMs: 1300,
    probes: mock.density < 1 ? [] : probes, previous: before ? { run: before.run, phases: phases(before) } : null,
  };
}

/** @param {any} run */
function phases(run) {
  const list = [{ state: 'starting', began: run.began, ended: run.ready }];
  const end = run.ended === null ? null : run.ended - 9;
  if (run.ready !== null) list.push({ state: 'ready', began: run.ready, ended: end });
  if (run.ready !== null && end !== null) list.push({ state: 'lame_duck', began: end, ended: end + 1 }, { state: 'draining', began: end + 1, ended: run.ended });
  return list;
}
