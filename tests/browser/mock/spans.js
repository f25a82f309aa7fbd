// Spans of requests, in the order of their tree as the console returns them.

/** @typedef {import('./server.js').Mock} Mock */
/** @typedef {import('./server.js').Any} Any */

/** A span with plausible members. @param {Any} more */
export function span(more) {
  return {
    parent: null, name: 'query', service: 'orders', run: 2, start: Date.now() / 1000, ms: 1, kind: 'INTERNAL', status: null, error: null,
    attributes: {}, events: [], links: [], scope: { name: 'orders', version: '0.4.1' }, cut: false, ...more,
  };
}

/**
 * The trace of a failed request: a retry that failed, a span whose parent was not received, and one of another
 * service whose clock is behind.
 * @param {Mock} mock @param {Any} row
 */
export function failedTrace(mock, row) {
  const { start, ms } = row;
  const trace = [
    span({ id: 'a1', name: `${row.method} ${row.route}`, start, ms, kind: 'SERVER', status: 'error', error: 'canceling statement due to statement timeout', request: true, attributes: { 'http.request.method': row.method, 'http.response.status_code': 500, 'url.path': row.path } }),
    span({ id: 'b1', parent: 'a1', name: 'authorise', start: start + 0.0004, ms: 1.9 }),
    span({ id: 'b2', parent: 'a1', name: 'load order', start: start + 0.0026, ms: ms - 3.4, status: 'error' }),
    span({ id: 'c1', parent: 'b2', name: 'pool.acquire', start: start + 0.0031, ms: 8.2 }),
    span({ id: 'c2', parent: 'b2', name: 'db.query', start: start + 0.0114, ms: ms - 12.6, kind: 'CLIENT', status: 'error', error: 'canceling statement\ndue to statement timeout', attributes: { 'db.system': 'postgresql', 'db.query.text': 'SELECT * FROM orders WHERE id = $1', attempt: 2 }, events: [{ name: 'exception', time: start + ms / 1000 - 0.002, attributes: { 'exception.type': 'QueryCanceled', 'exception.message': 'statement timeout' } }] }),
    span({ id: 'd1', parent: 'ff', name: 'GET /prices', service: 'prices', start: start - 0.0011, ms: 5.2, kind: 'SERVER' }),
  ];
  mock.spans(row.n, trace, ['ff']);
}

/** Every field of a span has the text, and so do numbers where the type of the interface is broken. @param {Mock} mock @param {number} n @param {string} text */
export function hostileTrace(mock, n, text) {
  const own = { name: text, service: text, kind: text, error: text, attributes: { [text]: text, nested: { [text]: [text] } }, scope: { name: text, version: text }, cut: true,
    events: [{ name: text, time: 1, attributes: { [text]: text } }, { name: text, time: text, attributes: { [text]: { [text]: text } } }], links: [{ trace: text, id: text, attributes: { [text]: text } }] };
  mock.spans(n, [
    span({ ...own, id: text, parent: text, status: 'error', request: true }),
    span({ ...own, id: text, parent: text, start: text, ms: text, run: text, status: text }),
    span({ ...own, id: `${text}2`, parent: text, ms: -1e9 }),
    span({ ...own, id: `${text}3`, parent: 'ff', start: null, ms: null }),
    span({ ...own, id: `${text}4`, parent: `${text}2`, start: -1e300, ms: 1e308 }),
  ], ['ff', text]);
}
