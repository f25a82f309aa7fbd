// Charts on canvas, each with a summary and a table. A missing value is a gap; one cursor in time is over all.

import { DASH, attribute, button, clock, count, fill, h, isNumber, keyed, ms, text } from './dom.js';

/** The time that all charts show, in seconds, and the charts. */
const cursor = {
  /** @type {number | null} */ time: null,
  /** @type {(() => void)[]} */ charts: [],
};

/** @param {number | null} time */
function moveCursor(time) {
  if (cursor.time === time) return;
  cursor.time = time;
  for (const draw of cursor.charts) draw();
}

/** @type {Map<string, string>} */
const palette = new Map();
/** @type {CanvasPattern | null} */
let hatch = null;

/** After a change of theme. */
export function forgetColours() {
  palette.clear();
  hatch = null;
  for (const draw of cursor.charts) draw();
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', forgetColours);

/** A colour of the style sheet. @param {string} name */
function colour(name) {
  let found = palette.get(name);
  if (found === undefined) {
    const probe = h('i');
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    found = getComputedStyle(probe).color;
    probe.remove();
    palette.set(name, found);
  }
  return found;
}

/** @param {Context} context */
function hatching(context) {
  if (hatch) return hatch;
  const tile = h('canvas', { width: 8, height: 8 });
  const paint = tile.getContext('2d');
  if (!paint) return 'transparent';
  paint.strokeStyle = colour('strong');
  paint.lineWidth = 1;
  for (const shift of [-8, 0, 8]) {
    paint.moveTo(shift - 1, 9);
    paint.lineTo(shift + 9, -1);
  }
  paint.stroke();
  hatch = context.createPattern(tile, 'repeat');
  return hatch ?? 'transparent';
}

/** The next round number, whose half is round too. @param {number} value */
function ceiling(value) {
  if (!(value > 0)) return 1;
  // Sizes in bytes are round in their unit.
  const unit = value >= 2 ** 20 ? 2 ** 20 : 1;
  const power = 10 ** Math.floor(Math.log10(value / unit));
  return ([1, 2, 4, 6, 8, 10].find((it) => it * power * unit >= value) ?? 10) * power * unit;
}

/** A label without trailing zeros and the unit of a rate. @param {string} label */
function short(label) {
  return label.replace(/(\.\d*?)0+(?= )/, '$1').replace(/\.(?= )/, '').replace('/s', '');
}

const LIMIT = 120;

/** @param {string} caption @param {string[]} heads @param {Child[][]} rows the first cell is a time */
function table(caption, heads, rows) {
  return h('table', h('caption', caption),
    h('thead', h('tr', ['time', ...heads].map((it) => h('th', { scope: 'col' }, it)))),
    h('tbody', rows.map(([time, ...cells]) => h('tr', h('th', { scope: 'row' }, time), cells.map((it) => h('td', it))))));
}

/** @param {[number, number][]} counts */
function total(counts) {
  return counts.reduce((sum, it) => sum + it[1], 0);
}

/** Card, canvas, readout and table of a chart. */
class Card {
  /** @type {Context | null} */ context;
  width = 0;
  height = 0;
  shows = false;
  from = 0;
  to = 1;
  left = 40;
  right = 4;
  top = 8;
  bottom = 18;

  /** @param {string} name @param {string} title @param {string} className */
  constructor(name, title, className) {
    const id = `chart-${name}`;
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.context = this.canvas.getContext('2d');
    this.value = h('p.value', DASH);
    this.source = h('span.source');
    this.summary = h('p.unseen', { id: `${id}-summary` });
    this.note = h('div.not-reported', { hidden: true });
    this.plot = h('div.plot', this.canvas);
    this.table = h('div.chart-table', { hidden: true, tabindex: 0, role: 'region', 'aria-label': `${title}, table` });
    this.button = button('Table', () => this.toggle(), { class: 'quiet', 'aria-expanded': 'false', 'aria-label': `Table: ${title}` });
    this.element = h('section', { class: `card chart ${className}`, 'aria-labelledby': id, 'aria-describedby': `${id}-summary` },
      h('header', h('h2', { id }, title), this.source, this.button),
      this.value, this.plot, this.note, this.table, this.summary);
    this.plot.addEventListener('pointermove', (event) => this.#point(event));
    this.plot.addEventListener('pointerleave', () => moveCursor(null));
    new ResizeObserver(() => this.#resize()).observe(this.plot);
    cursor.charts.push(() => this.element.isConnected && this.draw());
  }

  draw() {}

  /** @returns {Child} */
  rows() {
    return null;
  }

  toggle() {
    this.shows = !this.shows;
    attribute(this.button, 'aria-expanded', String(this.shows));
    text(this.button, this.shows ? 'Chart' : 'Table');
    this.absent(null);
    this.#update();
  }

  /** @param {{from: number, to: number}} data @param {string} source @param {string} summary */
  present({ from, to }, source, summary) {
    this.absent(null);
    this.from = from;
    this.to = to;
    text(this.source, source);
    text(this.summary, summary);
    this.#update();
  }

  #update() {
    if (this.shows) keyed(this.table, String(this.to), () => this.rows());
    this.draw();
  }

  /** Shows why there are no values. @param {string | null} reason @param {string[]} lookedFor */
  absent(reason, lookedFor = []) {
    const missing = reason !== null;
    this.note.hidden = !missing;
    this.plot.hidden = missing || this.shows;
    this.table.hidden = missing || !this.shows;
    this.button.hidden = missing;
    this.element.classList.toggle('absent', missing);
    if (!missing) return;
    text(this.source, '');
    text(this.summary, reason);
    fill(this.note, h('p', reason), lookedFor.length > 0 && h('p.muted', 'Looked for: ',
      lookedFor.map((it) => h('code', it))));
  }

  #resize() {
    const { clientWidth, clientHeight } = this.plot;
    const scale = devicePixelRatio;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * scale);
    this.canvas.height = Math.round(clientHeight * scale);
    this.draw();
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    const time = this.timeAt(x);
    moveCursor(time >= this.from && time <= this.to ? time : null);
  }

  /** @param {number} x */
  timeAt(x) {
    return this.from + ((x - this.left) / (this.width - this.left - this.right)) * (this.to - this.from);
  }

  /** @param {number} time */
  x(time) {
    return this.left + ((time - this.from) / (this.to - this.from)) * (this.width - this.left - this.right);
  }

  start() {
    const context = this.context;
    if (!context || this.shows || this.width === 0 || this.height === 0) return null;
    const scale = devicePixelRatio;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    context.lineJoin = 'round';
    return context;
  }

  /** @param {Context} context */
  times(context) {
    const steps = [15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const room = (this.width - this.left - this.right) / 78;
    const step = steps.find((it) => (this.to - this.from) / it <= room) ?? 7200;
    // Whole steps of local time.
    const shift = new Date(this.from * 1000).getTimezoneOffset() * 60;
    context.fillStyle = colour('muted');
    context.textAlign = 'center';
    context.textBaseline = 'alphabetic';
    for (let at = Math.ceil((this.from - shift) / step) * step + shift; at <= this.to; at += step) {
      const x = this.x(at);
      if (x < this.left + 18 || x > this.width - 20) continue;
      context.fillText(clock(at).slice(0, step < 60 ? 8 : 5), x, this.height - 4);
    }
  }

  /** @param {Context} context @param {Band[]} bands @param {number[]} restarts */
  bands(context, bands, restarts) {
    const height = this.height - this.top - this.bottom;
    context.fillStyle = hatching(context);
    for (const band of bands) {
      const begin = Math.max(this.left, this.x(band.from));
      const end = Math.min(this.width - this.right, Math.max(this.x(band.to), begin + 2));
      if (end > begin) context.fillRect(begin, this.top, end - begin, height);
    }
    context.strokeStyle = colour('muted');
    context.lineWidth = 1;
    context.setLineDash([2, 2]);
    for (const at of restarts) {
      if (at <= this.from || at > this.to) continue;
      const x = Math.round(this.x(at)) + 0.5;
      line(context, x, this.top, x, this.top + height);
    }
    context.setLineDash([]);
  }

  /** @param {Context} context */
  cursorLine(context) {
    if (cursor.time === null || cursor.time < this.from || cursor.time > this.to) return;
    const x = Math.round(this.x(cursor.time)) + 0.5;
    context.strokeStyle = colour('text');
    context.lineWidth = 1;
    context.globalAlpha = 0.5;
    line(context, x, this.top, x, this.height - this.bottom);
    context.globalAlpha = 1;
  }
}

/** @param {Context} context @param {number} a @param {number} b @param {number} c @param {number} d */
function line(context, a, b, c, d) {
  context.beginPath();
  context.moveTo(a, b);
  context.lineTo(c, d);
  context.stroke();
}

export class LineChart extends Card {
  /** @type {LineData | null} */ data = null;
  /** @param {string} name @param {string} title @param {(value: number | null) => string} format @param {string} [className] */
  constructor(name, title, format, className = '') {
    super(name, title, className);
    this.format = format;
  }

  /** @param {LineData} data @param {string} source */
  set(data, source) {
    this.data = data;
    this.present(data, source, this.#summary(data));
  }

  /** @param {LineData} data */
  #summary(data) {
    const parts = data.series.map((series) => {
      const values = series.points.filter(isNumber);
      if (values.length === 0) return `${series.label}: no value`;
      const last = values[values.length - 1] ?? null;
      return `${series.label}: now ${this.format(last)}, lowest ${this.format(Math.min(...values))}, highest ${this.format(Math.max(...values))}`;
    });
    const bands = data.bands.map((it) => `gap from ${clock(it.from)} to ${clock(it.to)}: ${it.cause}`);
    return `${clock(data.from)} to ${clock(data.to)}. ${[...parts, ...bands].join('. ')}.`;
  }

  #readout() {
    const data = this.data;
    if (!data) return;
    const at = cursor.time;
    const index = at === null ? -1 : Math.floor((at - data.from) / data.step);
    const band = at === null ? undefined : data.bands.find((it) => at >= it.from && at <= it.to);
    const several = data.series.length > 1;
    fill(this.value, data.series.map((series) => {
      // The last steps may not be complete yet.
      const value = at === null ? series.points.slice(-3).findLast(isNumber) ?? null : series.points[index] ?? null;
      return h('span.reading', several && h('span', { class: `key key-${series.colour}` }, series.label), this.format(value));
    }), at !== null && h('span.at', band ? `${clock(at)}, ${band.cause}` : clock(at)));
  }

  /** Gaps that no band explains. @param {LineData} data @returns {Band[]} */
  #gaps(data) {
    const present = (data.series[0]?.points ?? []).flatMap((_, at) => (data.series.some((it) => isNumber(it.points[at])) ? [at] : []));
    return present.flatMap((at, index) => {
      const before = present[index - 1] ?? at - 1;
      const gap = { from: data.from + (before + 1) * data.step, to: data.from + at * data.step, cause: 'no value' };
      return before === at - 1 || data.dots.some(([time]) => time >= gap.from && time <= gap.to) ? [] : [gap];
    });
  }

  draw() {
    const data = this.data;
    this.#readout();
    const context = data && this.start();
    if (!context || !data) return;
    const values = data.series.flatMap((it) => it.points.filter(isNumber)).concat(data.dots.map((it) => it[1]));
    const top = ceiling(Math.max(0, ...values) * 1.02);
    const floor = this.height - this.bottom;
    /** @param {number} value */
    const y = (value) => floor - (value / top) * (floor - this.top);
    const ticks = (this.height > 110 ? [0, 0.5, 1] : [0, 1]).map((it) => ({ at: Math.round(y(top * it)) + 0.5, label: it === 0 ? '0' : short(this.format(top * it)) }));
    this.left = Math.ceil(Math.max(24, ...ticks.map((it) => context.measureText(it.label).width))) + 8;
    context.strokeStyle = colour('line');
    context.lineWidth = 1;
    context.fillStyle = colour('muted');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const { at, label } of ticks) {
      line(context, this.left, at, this.width - this.right, at);
      context.fillText(label, this.left - 6, at);
    }
    this.bands(context, [...data.bands, ...this.#gaps(data)], data.restarts);
    this.times(context);
    for (const [number, series] of data.series.entries()) this.#series(context, data, series, y, floor, number === 0 && data.series.length === 1);
    context.fillStyle = colour('series-1');
    for (const [time, value] of data.dots) {
      context.beginPath();
      context.arc(this.x(time), y(value), 2, 0, 7);
      context.fill();
    }
    this.cursorLine(context);
  }

  /**
   * @param {Context} context @param {LineData} data @param {Series} series
   * @param {(value: number) => number} y @param {number} floor @param {boolean} filled
   */
  #series(context, data, series, y, floor, filled) {
    context.strokeStyle = context.fillStyle = colour(series.colour);
    context.lineWidth = 1.5;
    context.setLineDash(series.dash);
    let first = 0;
    let x = 0;
    for (const [at, value] of series.points.entries()) {
      if (!isNumber(value)) continue;
      x = this.x(data.from + (at + 0.5) * data.step);
      if (!isNumber(series.points[at - 1])) {
        first = x;
        context.beginPath();
        // A value between two gaps is a short line.
        context.moveTo(x - 0.75, y(value));
      }
      context.lineTo(x, y(value));
      if (isNumber(series.points[at + 1])) continue;
      context.stroke();
      if (!filled) continue;
      context.lineTo(x, floor);
      context.lineTo(first, floor);
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 1;
    }
    context.setLineDash([]);
  }

  rows() {
    const data = this.data;
    if (!data) return null;
    const length = data.series[0]?.points.length ?? 0;
    const indices = Array.from({ length: Math.min(length, LIMIT) }, (_, at) => length - 1 - at);
    return table(`The newest ${indices.length} of ${length} steps of ${data.step} s`, data.series.map((it) => it.label),
      indices.map((at) => [clock(data.from + at * data.step), ...data.series.map((it) => this.format(it.points[at] ?? null))]));
  }
}

/** How many requests lie in each step of a logarithmic scale of durations, over time. */
export class HeatMap extends Card {
  /** @type {HeatData | null} */ data = null;
  /** Columns of seconds that are drawn as one. */
  #group = 1;
  #low = 0;
  #high = 1;
  /** @type {Band[]} */ #bands = [];
  /** @type {number[]} */ #restarts = [];
  /** @type {{column: number, bucket: number} | null} */ #cell = null;

  /** @param {(from: number, to: number, low: number, high: number) => void} open */
  constructor(open) {
    super('heat', 'Latency heat map', 'heat');
    this.open = open;
    this.left = 52;
    this.plot.addEventListener('pointermove', (event) => this.#hover(event));
    this.plot.addEventListener('pointerleave', () => {
      this.#cell = null;
      this.draw();
    });
    this.plot.addEventListener('click', () => {
      const cell = this.#cell && this.#at(this.#cell.column, this.#cell.bucket);
      if (cell && cell.count > 0) this.open(cell.from, cell.to, cell.low, cell.high);
    });
  }

  /** @param {HeatData} data @param {string} source @param {Band[]} bands @param {number[]} restarts */
  set(data, source, bands, restarts) {
    this.data = data;
    this.#bands = bands;
    this.#restarts = restarts;
    let low = Infinity;
    let high = -Infinity;
    for (const [bucket] of data.counts.flat()) {
      low = Math.min(low, bucket);
      high = Math.max(high, bucket);
    }
    const none = high < low;
    this.#low = none ? 0 : Math.max(0, low - 2);
    this.#high = Math.min(data.bounds.length - 1, none ? Infinity : high + 2);
    this.present(data, source, none ? 'No request in this time.' :
      `${count(total(data.counts.flat()))} requests from ${clock(data.from)} to ${clock(data.to)}, durations between ${ms(this.#lower(low))} and ${ms(data.bounds[high])}. The table has the counts.`);
  }

  /** The lower bound of a bucket. @param {number} bucket */
  #lower(bucket) {
    return bucket > 0 ? this.data?.bounds[bucket - 1] ?? 0 : 0;
  }

  /** A drawn cell. @param {number} column @param {number} bucket */
  #at(column, bucket) {
    const data = this.data;
    if (!data) return null;
    const found = total(data.counts.slice(column * this.#group, (column + 1) * this.#group).flat().filter((it) => it[0] === bucket));
    const from = data.from + column * this.#group * data.step;
    return { from, to: from + this.#group * data.step, low: this.#lower(bucket), high: data.bounds[bucket] ?? Infinity, count: found };
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    const data = this.data;
    if (!data) return;
    const box = this.plot.getBoundingClientRect();
    const time = this.timeAt(event.clientX - box.left);
    const share = (this.height - this.bottom - (event.clientY - box.top)) / (this.height - this.top - this.bottom);
    const bucket = this.#low + Math.floor(share * (this.#high - this.#low + 1));
    const inside = time >= data.from && time < data.to && share >= 0 && share < 1;
    this.#cell = inside ? { column: Math.floor((time - data.from) / (this.#group * data.step)), bucket } : null;
    this.draw();
  }

  #readout() {
    const cell = this.#cell && this.#at(this.#cell.column, this.#cell.bucket);
    this.plot.classList.toggle('hot', (cell?.count ?? 0) > 0);
    if (!cell) return fill(this.value, h('span.hint', 'Click a cell for its requests'));
    fill(this.value, h('span.reading', `${count(cell.count)} ${cell.count === 1 ? 'request' : 'requests'}`),
      h('span.at', `${ms(cell.low)} – ${ms(cell.high)}, ${clock(cell.from)}${cell.to - cell.from > 1 ? ` – ${clock(cell.to)}` : ''}`));
  }

  draw() {
    this.#readout();
    const data = this.data;
    const context = data && this.start();
    if (!context || !data) return;
    const width = this.width - this.left - this.right;
    const height = this.height - this.top - this.bottom;
    this.#group = Math.max(1, Math.ceil(data.counts.length / Math.max(1, width / 5)));
    const columns = Math.ceil(data.counts.length / this.#group);
    const rows = this.#high - this.#low + 1;
    this.#axis(context, data, rows, height);
    this.bands(context, this.#bands, this.#restarts);
    this.times(context);
    const cells = new Float64Array(columns * rows);
    let max = 1;
    for (const [second, counts] of data.counts.entries()) {
      const column = Math.floor(second / this.#group);
      for (const [bucket, size] of counts) {
        if (bucket < this.#low || bucket > this.#high) continue;
        const at = column * rows + bucket - this.#low;
        cells[at] = (cells[at] ?? 0) + size;
        max = Math.max(max, cells[at] ?? 0);
      }
    }
    const cellWidth = width / columns;
    const cellHeight = height / rows;
    const top = Math.log1p(max);
    context.fillStyle = colour('accent');
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        const size = cells[column * rows + row] ?? 0;
        if (size === 0) continue;
        context.globalAlpha = 0.18 + 0.82 * (Math.log1p(size) / top);
        const x = this.left + column * cellWidth;
        context.fillRect(x, this.top + height - (row + 1) * cellHeight, Math.max(1, cellWidth - 0.5), Math.max(1, cellHeight - 0.5));
      }
    }
    context.globalAlpha = 1;
    if (this.#cell) {
      context.strokeStyle = colour('text');
      context.lineWidth = 1.5;
      context.strokeRect(this.left + this.#cell.column * cellWidth - 0.5,
        this.top + height - (this.#cell.bucket - this.#low + 1) * cellHeight - 0.5, cellWidth + 0.5, cellHeight + 0.5);
    } else {
      this.cursorLine(context);
    }
  }

  /** @param {Context} context @param {HeatData} data @param {number} rows @param {number} height */
  #axis(context, data, rows, height) {
    context.fillStyle = colour('muted');
    context.strokeStyle = colour('line');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    let previous = Infinity;
    for (let row = 0; row < rows; row++) {
      const lower = this.#lower(row + this.#low);
      const upper = data.bounds[row + this.#low] ?? lower;
      const mark = [0.1, 1, 10, 100, 1000, 10_000, 0.5, 5, 50, 500, 5000].find((it) => it > lower && it <= upper);
      if (mark === undefined) continue;
      const y = Math.round(this.top + height - (row + 1) * (height / rows)) + 0.5;
      if (previous - y < 14 || y < this.top + 4) continue;
      previous = y;
      line(context, this.left, y, this.width - this.right, y);
      context.fillText(mark >= 1000 ? `${mark / 1000} s` : `${mark} ms`, this.left - 6, y);
    }
  }

  rows() {
    const data = this.data;
    if (!data) return null;
    const busy = data.counts.map((counts, second) => ({ counts, second })).filter((it) => it.counts.length > 0).reverse();
    const shown = busy.slice(0, LIMIT);
    return table(`The newest ${shown.length} of ${busy.length} seconds with requests`, ['requests', 'fastest', 'slowest', 'show'], shown.map(({ counts, second }) => {
      const buckets = counts.map((it) => it[0]);
      const high = Math.max(...buckets);
      const from = data.from + second * data.step;
      return [clock(from), count(total(counts)), ms(this.#lower(Math.min(...buckets))), ms(data.bounds[high]),
        button('slowest', () => this.open(from, from + data.step, this.#lower(high), data.bounds[high] ?? Infinity),
          { class: 'quiet', 'aria-label': `Slowest requests of ${clock(from)}` })];
    }));
  }
}
