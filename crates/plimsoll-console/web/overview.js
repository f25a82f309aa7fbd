// The views Overview and Routes. What the console does not report has no axis and no zero.

import { attribute, button, bytes, clock, count, DASH, emptyState, h, isNumber, keyed, ms, number, plain, text } from './dom.js';
import { HeatMap, LineChart } from './charts.js';
import { navigate, query, quote, read, shared, stream } from './live.js';

/** @type {[number, string][]} */
const WINDOWS = [[300, '5 min'], [900, '15 min'], [3600, '1 h'], [14_400, '4 h']];
const ABSENT = 'Not reported by this console.';

/** @param {string | null} source */
function origin(source) {
  return source === 'records' ? 'from records' : plain(source ?? '');
}

/** @param {string} unit @returns {(value: number | null) => string} */
function format(unit) {
  if (unit === 'ms') return ms;
  if (unit === 's') return (value) => ms(isNumber(value) ? value * 1000 : null);
  if (unit === 'B' || unit === 'By' || unit === 'bytes') return bytes;
  const suffix = unit === '1/s' ? '/s' : unit === '%' ? ' %' : '';
  return (value) => (isNumber(value) ? `${number(value)}${suffix}` : DASH);
}

/** A view of one service, the chosen or the first one, whose work repeats without overlap while it is shown. */
export class ServiceBoundView {
  parameters = new URLSearchParams();
  /** @type {string | null} */ service = null;
  period = 1000;
  /** @type {Timer} */ #timer;
  #open = new AbortController();

  /** @param {string} name @param {string} title */
  constructor(name, title) {
    this.name = name;
    this.title = title;
    this.chooser = h('div.segments', { role: 'group', 'aria-label': 'Service' });
    this.tools = h('div.toolbar', this.chooser);
    this.empty = h('div', { hidden: true });
    this.element = h('div.view.scrolls', this.tools, this.empty);
  }

  /** @param {string} _service @param {AbortSignal} _signal @returns {Promise<void>} */
  async read(_service, _signal) {}

  /** @param {URLSearchParams} parameters */
  show(parameters) {
    this.parameters = parameters;
    stream.watch();
    this.update();
    this.resume();
  }

  /** @param {Record<string, string | number>} change */
  go(change) {
    navigate(this.name, { ...Object.fromEntries(this.parameters), ...change });
  }

  hide() {
    clearTimeout(this.#timer);
    this.#open.abort();
  }

  resume() {
    this.hide();
    this.#open = new AbortController();
    void this.#run(this.#open.signal);
  }

  update() {
    const before = this.service;
    const names = shared.services.map((it) => it.name);
    const name = this.parameters.get('service') ?? names[0] ?? null;
    this.service = name;
    this.chooser.hidden = names.length < 2;
    keyed(this.chooser, JSON.stringify([names, name]), () => names.map((it) => button(plain(it),
      () => this.go({ service: it }), { class: 'button toggle', 'aria-pressed': String(it === name) })));
    if (before !== this.service) this.resume();
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    if (!document.hidden && !shared.paused && this.service !== null) {
      // The banner shows that the console does not answer; the values stay, in grey.
      await this.read(this.service, signal).catch(() => {});
    }
    if (!signal.aborted) this.#timer = setTimeout(() => void this.#run(signal), this.period);
  }
}

export class OverviewView extends ServiceBoundView {
  #window = 300;

  constructor() {
    super('overview', 'Overview');
    this.windows = WINDOWS.map(([seconds, label]) => button(label, () => this.go({ window: seconds }), { class: 'button toggle', 'data-seconds': seconds }));
    this.charts = [
      this.#chart('rate', 'Requests per second', 'third'),
      this.#chart('errors', 'Errors', 'third'),
      this.#chart('latency', 'Latency', 'third', ['p50', 'p99']),
      this.#chart('inFlight', 'In flight', 'fifth small'),
      this.#chart('connections', 'Connections', 'fifth small'),
      this.#chart('workers', 'Workers', 'fifth small'),
      this.#chart('memory', 'Memory', 'fifth small'),
      this.#chart('cpu', 'CPU', 'fifth small'),
    ];
    this.heat = new HeatMap((from, to, low, high) => navigate('requests', {
      filter: `${this.#own()} ms>${trim(low * 0.999)}${Number.isFinite(high) ? ` ms<${trim(high * 1.001)}` : ''}`, from: from - 0.05, to: to + 0.05,
    }));
    this.failures = h('div');
    const elements = this.charts.map((it) => it.chart.element);
    this.board = h('div.board', elements.slice(0, 3), this.heat.element,
      h('section.card.side', { 'aria-labelledby': 'failures-title' }, h('header', h('h2', { id: 'failures-title' }, 'Latest failures'),
        button('All', () => navigate('requests', { filter: this.#failed() }), { class: 'quiet' })), this.failures),
      elements.slice(3));
    this.tools.append(h('p.legend.grow', h('i.gap'), 'gap', h('i.begin'), 'restart'),
      h('div.segments', { role: 'group', 'aria-label': 'Time' }, this.windows));
    this.element.append(this.board);
  }

  /** @param {string} name @param {string} title @param {string} className @param {string[]} [names] of its series */
  #chart(name, title, className, names) {
    return { chart: new LineChart(name, title, number, className), names: names ?? [name], labels: names ?? [title] };
  }

  /** @param {URLSearchParams} parameters */
  show(parameters) {
    const wanted = Number(parameters.get('window'));
    this.#window = WINDOWS.some((it) => it[0] === wanted) ? wanted : 300;
    this.period = this.#window > 900 ? 5000 : this.#window > 300 ? 2000 : 1000;
    for (const it of this.windows) attribute(it, 'aria-pressed', String(Number(it.dataset.seconds) === this.#window));
    super.show(parameters);
  }

  update() {
    super.update();
    this.board.hidden = this.service === null;
    this.empty.hidden = this.service !== null;
    if (this.service === null && shared.known) keyed(this.empty, 'none', () => emptyState('No service.', h('p', 'Start one below the console: plimsoll console -- COMMAND')));
  }

  #own() {
    return `service:${quote(this.service ?? '')}`;
  }

  #failed() {
    return `${this.#own()} status:5xx`;
  }

  /** @param {string} service @param {AbortSignal} signal */
  async read(service, signal) {
    const step = this.#window > 900 ? 10 : 1;
    const to = Math.floor(shared.now() / step) * step;
    const from = to - this.#window;
    const restarts = (shared.service(service)?.runs ?? []).filter((it) => it.run > 1).map((it) => it.began);
    const names = this.charts.flatMap((it) => it.names);
    const [heat, failures, ...answers] = await Promise.all([
      read(`heat${query({ service, from, to, step })}`, signal),
      read(`requests${query({ filter: this.#failed(), limit: 8 })}`, signal),
      ...names.map((name) => read(`series${query({ service, name, from, step })}`, signal)),
    ]);
    if (signal.aborted || shared.paused) return;
    /** @type {Map<string, SeriesAnswer | null>} */
    const found = new Map(names.map((name, at) => [name, answers[at]]));
    const bands = found.get('rate')?.bands ?? [];
    this.#heatMap(heat, from, to, bands.filter((it) => it.cause.startsWith('restart')), restarts);
    for (const entry of this.charts) {
      this.#line(entry, entry.names.map((it) => found.get(it) ?? null), from, to, step, restarts, entry.names.length > 1 ? heat : null);
    }
    this.#latest(failures?.items ?? []);
  }

  /** @param {any} heat @param {number} from @param {number} to @param {Band[]} bands @param {number[]} restarts */
  #heatMap(heat, from, to, bands, restarts) {
    if (!heat || heat.source === null || !Array.isArray(heat.counts)) return this.heat.absent(heat ? 'No access record in this time.' : ABSENT);
    // One entry a second, from the asked time on.
    const seconds = Math.max(1, Math.round((to - from) / heat.step));
    const shift = Math.round((heat.from - from) / heat.step);
    const counts = Array.from({ length: seconds }, (_, at) => heat.counts[at - shift] ?? []);
    const source = `${heat.exact ? 'exact' : 'from buckets'}${isNumber(heat.records) ? `, ${count(heat.records)} records` : ''}`;
    this.heat.set({ from, to, step: heat.step, bounds: heat.bounds, counts }, source, bands, restarts);
  }

  /**
   * @param {{chart: LineChart, labels: string[]}} entry @param {(SeriesAnswer | null)[]} answers
   * @param {number} from @param {number} to @param {number} step @param {number[]} restarts @param {any} heat
   */
  #line({ chart, labels }, answers, from, to, step, restarts, heat) {
    const first = answers.find((it) => it !== null && it.source !== null);
    if (!first) {
      const asked = answers.find((it) => it !== null);
      return chart.absent(asked ? 'Not reported.' : ABSENT, [...new Set(asked?.lookedFor ?? [])].slice(0, 6));
    }
    chart.format = format(first.unit);
    const length = Math.round((to - from) / step);
    const above = first.above ?? Infinity;
    // A percentile in the last bucket is a lower bound.
    if (Number.isFinite(above)) chart.format = (value) => `${isNumber(value) && value >= above ? '≥ ' : ''}${ms(value)}`;
    const series = answers.map((answer, at) => ({
      label: labels[at] ?? '', colour: `series-${at + 1}`, dash: at === 0 && answers.length > 1 ? [4, 3] : [],
      // The console chooses a larger step for older times.
      points: Array.from({ length }, (_, index) => (answer ? answer.points[Math.floor((from + index * step - answer.from) / answer.step)] ?? null : null)),
    }));
    /** @type {[number, number][]} */
    const dots = [];
    // Few requests have no percentile: each one is a dot.
    for (let second = 0; heat?.step === 1 && step === 1 && second < length; second++) {
      if (series.some((it) => isNumber(it.points[second]))) continue;
      for (const [bucket] of heat.counts?.[second - Math.round(heat.from - from)] ?? []) {
        if (isNumber(heat.bounds[bucket])) dots.push([from + second + 0.5, heat.bounds[bucket]]);
      }
    }
    chart.set({ from, to, step, series, bands: first.bands ?? [], restarts, dots }, origin(first.source));
  }

  /** @param {RequestRow[]} rows */
  #latest(rows) {
    keyed(this.failures, rows.map((it) => it.n).join(), () => (rows.length === 0 ? h('p.muted', 'No failed request is kept.')
      : h('ul.failures', rows.map((row) => h('li', button([
        h('span.mono.muted', clock(row.start)), h('span.badge.status-error', String(row.status ?? DASH)),
        h('span.words', `${plain(row.method ?? '')} ${plain(row.route ?? row.path ?? '')}`), h('span.number', ms(row.ms)),
      ], () => navigate('requests', { filter: this.#failed(), n: row.n }), { class: 'failure' }))))));
  }
}

/** A number for a filter. @param {number} value */
function trim(value) {
  return Number(value.toPrecision(6));
}

/** @type {[keyof RouteItem, string, (value: any) => string][]} */
const COLUMNS = [
  ['method', 'Method', plain], ['route', 'Route', plain], ['count', 'Requests', count], ['4xx', '4xx', count], ['5xx', '5xx', count],
  ['p50', 'p50', ms], ['p99', 'p99', ms], ['inFlight', 'In flight', count],
];

export class RoutesView extends ServiceBoundView {
  /** @type {keyof RouteItem} */ #sort = 'count';
  #up = false;
  /** @type {RouteItem[]} */ #items = [];

  constructor() {
    super('routes', 'Routes');
    this.period = 2000;
    this.source = h('span.source');
    this.heads = COLUMNS.map(([key, title]) => h('th', { scope: 'col', class: `r-${key}` }, button(title, () => this.#order(key), { class: 'sort' })));
    this.body = h('tbody');
    this.scroll = h('div.table-scroll', { tabindex: 0, role: 'region', 'aria-label': 'Table of routes', hidden: true },
      h('table.routes', h('thead', h('tr', this.heads)), this.body));
    this.tools.append(h('span.grow'), this.source);
    this.element.append(this.scroll);
  }

  /** @param {keyof RouteItem} key */
  #order(key) {
    this.#up = this.#sort === key ? !this.#up : key === 'method' || key === 'route';
    this.#sort = key;
    this.#paint();
  }

  /** @param {string} service @param {AbortSignal} signal */
  async read(service, signal) {
    const answer = await read(`services/${encodeURIComponent(service)}/routes`, signal);
    if (signal.aborted) return;
    const reported = Array.isArray(answer?.items) && answer.source !== null;
    this.#items = reported ? answer.items : [];
    text(this.source, reported ? origin(answer.source) : '');
    const none = this.#items.length === 0;
    this.empty.hidden = !none;
    this.scroll.hidden = none;
    if (none) {
      keyed(this.empty, String(reported), () => (reported ? emptyState('No request yet.', h('p', 'A route appears with its first request.'))
        : emptyState('Not reported.', h('p', answer ? 'The service reports no durations by route.' : 'This console has no table of routes for the service.'))));
    }
    this.#paint();
  }

  #paint() {
    const key = this.#sort;
    for (const [at, [column]] of COLUMNS.entries()) {
      attribute(/** @type {Element} */ (this.heads[at]), 'aria-sort', column === key ? (this.#up ? 'ascending' : 'descending') : null);
    }
    const sign = this.#up ? 1 : -1;
    const items = [...this.#items].sort((a, b) => {
      const x = a[key];
      const y = b[key];
      // Unknown values come last in both directions.
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      return sign * (typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y));
    });
    const most = Math.max(1, ...items.map((it) => it.count ?? 0));
    keyed(this.body, JSON.stringify(items), () => items.map((item) => h('tr', COLUMNS.map(([column, , show]) => {
      const value = item[column];
      const shown = show(value ?? DASH);
      if (column === 'route') {
        return h('th', { scope: 'row', class: 'r-route' }, button(shown, () => navigate('requests', {
          filter: `service:${quote(this.service ?? '')} method:${quote(String(item.method))} route:${quote(String(item.route))}` }), { class: 'link' }));
      }
      const bar = column === 'count' && h('span.bar');
      if (bar) bar.style.transform = `scaleX(${(item.count ?? 0) / most})`;
      return h('td', { class: `r-${column}${column.endsWith('xx') && value ? ' some' : ''}` }, bar, h('span', shown));
    }))));
  }
}
