// The view Requests: one row a request, the newest at the top, and a panel with its records and spans.

import { attribute, button, clock, command, copyButton, count, DASH, emptyState, fill, h, isNumber, ms, plain, readable, shell, span, text } from './dom.js';
import { RowsView } from './grid.js';
import { navigate, quote, read, shared, terms, withTerm } from './live.js';
import { fieldList, offset, recordList } from './logs.js';

/** Filters that one click sets or clears. @type {[string, string][]} */
const QUICK = [['5xx', 'status:5xx'], ['4xx', 'status:4xx'], ['> 100 ms', 'ms>100']];

/** The group of a status, for its colour. @param {RequestRow} row */
function severity(row) {
  if (row.aborted) return 'aborted';
  if (!isNumber(row.status)) return 'none';
  return row.status >= 500 ? 'error' : row.status >= 400 ? 'warning' : row.status >= 300 ? 'none' : 'ok';
}

/** @param {RequestRow} row */
function outcome(row) {
  return row.aborted ? 'cut off' : isNumber(row.status) ? String(row.status) : DASH;
}

/** The share of the bar of a duration: from 0.1 ms to 10 s, logarithmic. @param {number | null} value */
function share(value) {
  return isNumber(value) && value > 0 ? Math.min(1, Math.max(0.02, (Math.log10(value) + 1) / 5)) : 0;
}

/** Only printable ASCII of a log reaches a terminal. @param {string} address */
function ascii(address) {
  return address.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}

/** Where a client reaches a service. @param {Service | undefined} service */
function reach(service) {
  return service?.address?.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, 'localhost');
}

/** The command that sends a request again. @param {RequestRow} row */
function curl(row) {
  const address = reach(shared.service(row.service));
  if (!address || !row.path) return null;
  const method = /^[A-Z]{1,20}$/.test(row.method ?? '') ? row.method : 'GET';
  const how = method === 'HEAD' ? ' -I' : method === 'GET' ? '' : ` -X ${method}`;
  return `curl -i${how} ${shell(ascii(`http://${address}${row.path}${row.query ? `?${row.query}` : ''}`))}`;
}

/** @param {Detail} detail */
function sizes(detail) {
  return `${detail.records.length} ${detail.spans.length}`;
}

/** Spans that are shown. */
const SPANS = 200;

/**
 * The spans of a trace on one axis, from the earliest start to the latest end. Times are as received.
 * @param {Detail} detail @param {(string | undefined)[]} open keys of spans with their members
 */
function waterfall({ request, spans, missingParents }, open) {
  if (spans.length === 0) return null;
  const times = spans.flatMap(({ start, ms }) => (isNumber(start) ? [start, start + (isNumber(ms) ? ms / 1000 : 0)] : []));
  const from = Math.min(...times);
  const length = Math.max(...times) - from;
  const depths = new Map();
  return h('section', { 'aria-label': 'Spans' }, h('h3', `Spans (${count(spans.length)})`),
    h('p.axis.muted', h('span', clock(from, true)), h('span', ms(length * 1000))),
    h('ol.records', spans.slice(0, SPANS).map((it) => {
      const depth = (depths.get(it.parent) ?? -1) + 1;
      depths.set(it.id, depth);
      const key = `${it.id} ${it.start}`;
      const failed = it.status === 'error';
      const time = isNumber(it.ms) ? it.ms : 0;
      const name = h('span.name', plain(it.name) || DASH, it.service !== request.service && h('span.muted', ` ${plain(it.service)}`));
      name.style.paddingLeft = `min(${depth * 12}px, 40%)`;
      const bar = isNumber(it.start) && h('i.bar');
      if (bar) {
        const begin = Number(it.start) + Math.min(0, time / 1000) - from;
        bar.style.left = `min(${(begin / length) * 100 || 0}%, 100% - 2px)`;
        bar.style.width = `${Math.abs(time) / 10 / length || 0}%`;
      }
      const item = h('details', { 'data-key': key, ontoggle: () => item.open && item.children.length === 1 && item.append(h('div', members(it, from))) },
        h('summary', name, it.parent !== null && missingParents.includes(it.parent) && h('span.muted', '(parent not received)'),
          it.request && spans.length > 1 && h('span.muted', '(request)'), failed && h('span.tag', 'error'),
          h('span.duration', time < 0 ? `−${ms(-time)}` : ms(it.ms)), bar));
      item.open = open.includes(key);
      return h('li', { class: `span${failed ? ' status-error' : ''}${time < 0 ? ' negative' : ''}`, 'aria-level': depth + 1 }, item);
    })),
    spans.length > SPANS && h('p.muted.pad', `The first ${SPANS} of ${count(Math.max(spans.length, request.spans ?? 0))} spans.`));
}

/** Members of a span, then its events. @param {Span} span @param {number} from */
function members(span, from) {
  const { name, error, service, kind, run, id, parent, scope, links, cut } = span;
  /** @param {number | null} time */
  const at = (time) => (isNumber(time) ? `${clock(time, true)}, ${offset(time - from)}` : null);
  const own = Object.entries({ name, error, start: at(span.start), duration: Number(span.ms) < 0 && 'negative: the end is before the start',
    service, kind, run, id, parent, scope, links: links?.length > 0 && links, cut }).filter(([, value]) => value || value === 0);
  return [fieldList(own), h('p.muted', 'Attributes'), fieldList(Object.entries(span.attributes ?? {})) || DASH,
    (span.events ?? []).flatMap((it) => [h('p.muted', `Event ${plain(it.name)} `, at(it.time)), fieldList(Object.entries(it.attributes ?? {}))])];
}

export class RequestsView extends RowsView {
  #reading = new AbortController();
  /** @type {Timer} */ #again;
  /** Numbers of records and spans in the panel. */
  #shown = '';

  constructor() {
    super('requests', 'Requests', true, [
      ['time', 'Start'], ['service', 'Service'], ['method', 'Method'], ['route', 'Route'],
      ['status', 'Status'], ['ms', 'Duration'],
      ['records', 'Records'], ['id', 'Id'],
    ], 'status:5xx ms>50 route:/orders method:GET');
    this.quick = QUICK.map(([label, value]) => button(label, () => this.#quick(value), { class: 'button toggle', 'data-term': value }));
    this.range = button('', () => this.go({ from: null, to: null }), { class: 'button toggle', hidden: true, 'aria-pressed': 'true' });
    this.newest = button('↑ Newest', () => {
      this.grid.follow(true);
      this.followed(true);
      this.grid.element.focus();
    }, { class: 'button newest', hidden: true });
    fill(this.tools, this.filter, this.quick, this.range, this.kept);
    this.list.append(this.newest);
  }

  /** @param {URLSearchParams} parameters */
  show(parameters) {
    this.parameters = parameters;
    const filter = parameters.get('filter') ?? '';
    const from = Number(parameters.get('from'));
    const to = Number(parameters.get('to'));
    const n = Number(parameters.get('n'));
    if (this.filter !== document.activeElement) this.filter.value = filter;
    for (const button of this.quick) attribute(button, 'aria-pressed', String(terms(filter).includes(button.dataset.term ?? '')));
    this.range.hidden = !(from > 0 && to > from);
    text(this.range, `${clock(from)} – ${clock(to)} ✕`);
    if (this.rows(filter, this.range.hidden ? null : [from, to])) this.newest.hidden = true;
    if (n > 0) this.#show(n);
    else this.close();
    this.update();
  }

  /** @param {string} value */
  #quick(value) {
    const present = terms(this.feed.filter);
    // Two statuses would match nothing: the last one replaces the other.
    const rest = present.filter((it) => it !== value && !(value.startsWith('status:') && it.startsWith('status:')));
    this.filter.value = (present.includes(value) ? rest : [...rest, value]).join(' ');
    this.typed();
  }

  /** @param {Cells} cells @param {Row} row @param {HTMLElement} element */
  fillRow(cells, row, element) {
    const [time, service, method, route, status, duration, records, id] = cells;
    const request = /** @type {RequestRow} */ (row);
    element.classList.add(`status-${severity(request)}`);
    text(time, clock(request.start, true));
    text(service, plain(request.service));
    text(method, plain(request.method ?? DASH).slice(0, 12));
    const path = plain(request.path ?? '');
    const name = plain(request.route ?? request.path ?? DASH);
    fill(route, name, path !== name && h('span.path', path));
    text(status, outcome(request));
    if (!duration.firstElementChild) fill(duration, h('span.bar'), h('span'));
    /** @type {HTMLElement} */ (duration.firstElementChild).style.transform = `scaleX(${share(request.ms)})`;
    text(/** @type {Node} */ (duration.lastElementChild), ms(request.ms));
    text(records, `${count(request.records)}${isNumber(request.spans) ? ` · ${request.spans}s` : ''}`);
    text(id, plain(request.id ?? '').slice(0, 8));
  }

  /** @param {Row} row */
  choose(row) {
    this.go({ n: row.n }, this.opened !== null);
  }

  /** @param {number} n */
  #show(n) {
    if (this.opened === n) return;
    this.mark(n);
    void this.#read(n, false);
    this.#later(n, 1000);
  }

  /** Reads again: records follow the access record, and spans come in batches. @param {number} n @param {number} wait */
  #later(n, wait) {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      if (!shared.paused) void this.#read(n, true);
      if (wait < 8000) this.#later(n, wait * 2);
    }, wait);
  }

  /** @param {number} n @param {boolean} update */
  async #read(n, update) {
    this.#reading.abort();
    this.#reading = new AbortController();
    const signal = this.#reading.signal;
    try {
      /** @type {Detail | null} */
      const detail = await read(`requests/${n}`, signal);
      if (signal.aborted || this.opened !== n || (update && detail && sizes(detail) === this.#shown)) return;
      if (detail) this.#detail(detail, update);
      else this.fillPanel('This request is no longer kept.', h('p.muted.pad', 'The console has evicted it.'));
    } catch (error) {
      if (!signal.aborted && !update) this.fillPanel('The request cannot be read.', h('p.muted.pad', plain(String(error))));
    }
  }

  /** @param {Detail} detail @param {boolean} update */
  #detail(detail, update) {
    const row = detail.request;
    const line = curl(row);
    const scroll = update ? this.panel.scrollTop : 0;
    this.#shown = sizes(detail);
    const held = document.activeElement;
    this.focuses ||= update && this.panel.contains(held);
    const spans = update ? [...this.panel.querySelectorAll('details')] : [];
    const open = spans.filter((it) => it.open).map((it) => it.dataset.key);
    const focused = spans.find((it) => it.contains(held))?.dataset.key;
    this.fillPanel([h('span', { class: `badge status-${severity(row)}` }, outcome(row)), plain(row.method ?? DASH), ' ',
      h('span.mono', plain(row.path ?? row.route ?? DASH)), h('span.duration', ms(row.ms))],
    h('div.panel-actions',
      row.id !== null && copyButton('Copy id', () => String(row.id)),
      line !== null && copyButton('Copy curl', () => line),
      row.id !== null && button('Show in logs', () => navigate('logs', { filter: `id:${quote(String(row.id))}` }))),
    detail.repeatedId && h('p.notice', 'Several requests have this id: records of all of them may be listed.'),
    h('h3', `Records${detail.records.length ? ` (${detail.records.length})` : ''}`),
    detail.records.length > 0 ? recordList(detail.records, isNumber(row.start) ? row.start : null)
      : h('p.muted.pad', 'No record with this id besides the access record.'),
    waterfall(detail, open),
    h('h3', 'Request'), this.#facts(row), line !== null && h('div.pad', command(line)));
    if (focused) [...this.panel.querySelectorAll('details')].find((it) => it.dataset.key === focused)?.querySelector('summary')?.focus();
    this.panel.scrollTop = scroll;
  }

  /** @param {Detail['request']} row */
  #facts(row) {
    /** @type {(keyof Detail['request'])[]} */
    const keys = ['service', 'run', 'route', 'status', 'id', 'trace'];
    const facts = [['start', clock(row.start, true)], ...keys.map((it) => [it, row[it], row[it] === null ? null : it]), ['query', row.query], ['ip', row.ip], ['userAgent', row.userAgent], ...Object.entries(row.fields ?? {})];
    return h('dl.facts', facts.filter(([, value]) => value !== undefined && value !== '').map(([name, value, key = null]) => {
      return [h('dt', plain(name)), h('dd', value === null ? DASH : plain(value), key !== null && button('only', () => {
        this.filter.value = withTerm(this.feed.filter, String(key), String(value));
        this.go({ filter: this.filter.value }, false);
      }, { class: 'quiet', 'aria-label': `Only this ${key}` }))];
    }));
  }

  close() {
    clearTimeout(this.#again);
    this.#reading.abort();
    super.close();
  }

  escape() {
    const closes = super.escape();
    if (closes) this.go({ n: null });
    return closes;
  }

  /** @param {boolean} follows */
  followed(follows) {
    super.followed(follows);
    this.newest.hidden = follows || this.feed.range !== null;
  }

  none() {
    const address = shared.services.map(reach).find(Boolean);
    const starting = shared.services.find((it) => it.state === 'starting');
    if (starting) {
      const since = isNumber(starting.since) ? span(Math.floor(shared.now() - starting.since)) : DASH;
      return emptyState(`${plain(starting.name)} starts, since ${since}.`, h('p.mono', plain(readable(starting.lastLine ?? ''))));
    }
    if (address) return emptyState('No request yet.', h('p', 'Send one:'), command(`curl -i ${shell(ascii(`http://${address}/`))}`));
    return emptyState('No request yet.', h('p', 'A request appears when a service logs its access record: method, path, status and duration.'),
      shared.services.length === 0 && command('plimsoll console -- cargo run'));
  }
}
