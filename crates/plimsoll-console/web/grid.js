// A list of any length, of which only visible rows have elements. It has one tab stop, so focus survives updates.
// Below it: the rows of a view, and the frame of both views with a list.

import { announce, attribute, button, clock, count, DASH, emptyState, fill, h, isNumber, painter, plain, reason, text } from './dom.js';
import { navigate, query, read, shared, stream } from './live.js';


const OVERSCAN = 5;
/** Rows in memory; the oldest are dropped beyond, and can be read again. */
const LIMIT = 20_000;

export class Grid {
  /** From the oldest to the newest. @type {Row[]} */
  rows = [];
  /** @type {number | null} */
  active = null;
  follows = true;
  /** Whether older rows may exist. */
  more = true;
  #view;
  /** @type {Map<number, Line>} */ #lines = new Map();
  /** @type {Line[]} */ #spare = [];
  #spacer;
  #made = 0;
  #height = 24;
  #head = 28;
  /** Scroll position that the page has set itself. */
  #set = -1;
  #paintSoon;
  #frame = false;

  /** @param {RowsView} view */
  constructor(view) {
    this.#view = view;
    const head = h('div.row.head', { role: 'row', 'aria-rowindex': 1 },
      view.columns.map(([key, title]) => h('div', { class: `cell c-${key}`, role: 'columnheader' }, title)));
    this.#spacer = h('div.spacer', { role: 'rowgroup' });
    this.element = h('div', {
      class: `grid grid-${view.name}`, role: 'grid', tabindex: 0,
      'aria-label': view.title, 'aria-rowcount': 1, 'aria-colcount': view.columns.length,
    }, h('div.headgroup', { role: 'rowgroup' }, head), this.#spacer);
    this.#paintSoon = painter(() => this.paint());
    this.element.addEventListener('scroll', () => Math.abs(this.element.scrollTop - this.#set) > 1 && this.#soon(), { passive: true });
    this.element.addEventListener('keydown', (event) => this.#key(event));
    this.#spacer.addEventListener('click', (event) => this.#click(event));
    new ResizeObserver(() => this.#measure()).observe(this.element);
  }

  /** @param {Row[]} rows newest last */
  append(rows) {
    if (rows.length === 0) return;
    this.rows.push(...rows);
    if (this.rows.length > LIMIT + 1000) {
      const cut = this.rows.length - LIMIT;
      this.rows.splice(0, cut);
      this.more = true;
      if (!this.#view.newestFirst && !this.follows) this.#shift(-cut);
    }
    if (this.#view.newestFirst && !this.follows) this.#shift(rows.length);
    this.#paintSoon();
  }

  /** @param {Row[]} rows newest last, all older than those present */
  prepend(rows) {
    this.rows.unshift(...rows);
    if (!this.#view.newestFirst) this.#shift(rows.length);
    this.#soon();
  }

  /** Puts rows in the place of a marker. @param {Row} row @param {Row[]} rows */
  replace(row, rows) {
    const at = this.rows.indexOf(row);
    if (at < 0) return;
    this.rows.splice(at, 1, ...rows);
    if (!this.#view.newestFirst && !this.follows) this.#shift(rows.length - 1);
    this.#soon();
  }

  clear() {
    this.rows = [];
    this.more = true;
    this.follows = true;
    for (const line of this.#lines.values()) this.#release(line);
    this.#lines.clear();
    this.#scrollTo(0);
    this.#soon();
  }

  /** @param {boolean} follows */
  follow(follows) {
    this.#set = this.element.scrollTop;
    this.follows = follows;
    this.#soon();
  }

  /** @param {number} n */
  activate(n) {
    this.active = n;
    this.#soon();
  }

  /** @param {number} by */
  move(by) {
    if (this.rows.length === 0) return null;
    const at = this.active === null ? -1 : this.#position(this.active);
    const to = at < 0 ? this.#firstVisible() : Math.min(Math.max(at + by, 0), this.rows.length - 1);
    const row = this.#at(to);
    this.active = row?.n ?? null;
    this.#reveal(to);
    this.#soon();
    return row;
  }

  current() {
    const at = this.active === null ? -1 : this.#position(this.active);
    return at < 0 ? null : this.#at(at);
  }

  /** @param {number} by */
  #shift(by) {
    const height = this.rows.length * this.#height;
    this.#spacer.style.height = `${height}px`;
    this.#scrollTo(Math.max(0, this.element.scrollTop + by * this.#height));
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.element.scrollTop = top;
    this.#set = this.element.scrollTop;
  }

  #firstVisible() {
    return Math.min(Math.ceil(this.element.scrollTop / this.#height), this.rows.length - 1);
  }

  /** The row at a place on the screen. @param {number} index */
  #at(index) {
    return this.rows[this.#view.newestFirst ? this.rows.length - 1 - index : index] ?? null;
  }

  /** The place of a row; rows are in the order of their numbers. @param {number} n */
  #position(n) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.rows[middle]?.n ?? 0;
      if (found === n) return this.#view.newestFirst ? this.rows.length - 1 - middle : middle;
      if (found < n) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** @param {number} index */
  #reveal(index) {
    const top = index * this.#height;
    const room = this.element.clientHeight - this.#head;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this.#height > this.element.scrollTop + room) this.element.scrollTop = top + this.#height - room;
  }

  /** Follows no longer if the user has scrolled away from the newest row, and again at it. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    if (Math.abs(scrollTop - this.#set) <= 1) return;
    this.#set = scrollTop;
    const newest = this.#view.newestFirst ? scrollTop < 2 : scrollTop + clientHeight > scrollHeight - 4;
    if (newest === this.follows) return;
    this.follows = newest;
    this.#view.followed(newest);
  }

  #soon() {
    if (this.#frame) return;
    this.#frame = true;
    requestAnimationFrame(() => {
      this.#frame = false;
      this.paint();
    });
  }

  #measure() {
    const style = getComputedStyle(this.element);
    this.#height = parseFloat(style.getPropertyValue('--row')) || 24;
    this.#head = parseFloat(style.getPropertyValue('--head')) || 0;
    for (const line of this.#lines.values()) line.index = -1;
    this.#soon();
  }

  paint() {
    const element = this.element;
    if (!element.isConnected || element.clientHeight === 0) return;
    // A read after a write costs a layout.
    this.#scrolled();
    const room = element.clientHeight;
    let top = element.scrollTop;
    const total = this.rows.length;
    this.#spacer.style.height = `${total * this.#height}px`;
    attribute(element, 'aria-rowcount', String(this.more ? -1 : total + 1));
    if (this.follows) {
      this.#set = this.#view.newestFirst ? 0 : Math.max(0, total * this.#height + this.#head - room);
      if (Math.abs(top - this.#set) > 0.5) element.scrollTop = this.#set;
      top = this.#set;
    }
    const first = Math.max(0, Math.floor(top / this.#height) - OVERSCAN);
    const last = Math.min(total - 1, Math.ceil((top + room) / this.#height) + OVERSCAN);
    /** @type {Map<number, Line>} */
    const next = new Map();
    /** @type {[number, Row][]} */
    const missing = [];
    for (let index = first; index <= last; index++) {
      const row = this.#at(index);
      if (!row) continue;
      const line = this.#lines.get(row.n);
      if (line) {
        this.#lines.delete(row.n);
        next.set(row.n, line);
        this.#place(line, index, row);
      } else {
        missing.push([index, row]);
      }
    }
    for (const line of this.#lines.values()) this.#release(line);
    for (const [index, row] of missing) {
      const line = this.#spare.pop() ?? this.#make();
      next.set(row.n, line);
      this.#place(line, index, row);
    }
    this.#lines = next;
    const active = this.active === null ? undefined : next.get(this.active);
    attribute(element, 'aria-activedescendant', active ? active.element.id : null);
    const oldest = this.#view.newestFirst ? last >= total - 1 - OVERSCAN : first === 0;
    if (oldest && this.more && total > 0) this.#view.older();
  }

  #make() {
    this.#made += 1;
    const cells = /** @type {any} */ (this.#view.columns.map(([key]) => h('div', { class: `cell c-${key}`, role: 'gridcell' })));
    const element = h('div.row', { role: 'row', id: `${this.#view.name}-${this.#made}` }, cells);
    this.#spacer.append(element);
    return { element, cells, row: null, index: -1, active: false };
  }

  /** @param {Line} line */
  #release(line) {
    line.element.className = 'row spare';
    line.active = false;
    line.row = null;
    line.index = -1;
    this.#spare.push(line);
  }

  /** @param {Line} line @param {number} index @param {Row} row */
  #place(line, index, row) {
    if (line.row !== row) {
      line.element.className = row.marker ? 'row marker' : 'row';
      line.active = false;
      this.#view.render(line.cells, row, line.element);
      line.row = row;
    }
    if (line.index !== index) {
      line.index = index;
      line.element.style.transform = `translateY(${index * this.#height}px)`;
      attribute(line.element, 'aria-rowindex', String(index + 2));
    }
    const active = row.n === this.active;
    if (active !== line.active) {
      line.active = active;
      line.element.classList.toggle('active', active);
      attribute(line.element, 'aria-selected', active ? 'true' : null);
    }
  }

  /** @param {Event} event */
  #click(event) {
    const target = /** @type {Element} */ (event.target).closest('.row');
    for (const line of this.#lines.values()) {
      if (line.element !== target || !line.row) continue;
      this.active = line.row.n;
      this.#soon();
      this.#view.open(line.row);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((this.element.clientHeight - this.#head) / this.#height) - 1);
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const by = steps[event.key];
    if (by !== undefined) {
      this.#view.move(by);
      event.preventDefault();
    } else if (event.key === 'Enter') {
      this.#view.enter();
      event.preventDefault();
    }
  }
}

/** Rows of one view: those of the stream, older ones on demand, and markers for others. */
export class Feed {
  filter = '';
  /** Seconds of a part of the past. @type {[number, number] | null} */
  range = null;
  known = false;
  /** @type {string | null} */
  problem = null;
  /** @type {Row[]} */ #pending = [];
  #newest = 0;
  /** @type {number | null} */ #next = null;
  #loads = false;
  #abort = new AbortController();
  #changed;

  /** @param {Grid} grid @param {'requests' | 'logs'} resource @param {() => void} changed */
  constructor(grid, resource, changed) {
    this.grid = grid;
    this.resource = resource;
    this.#changed = changed;
  }

  /** Shows the rows of a filter from the newest one on. @param {string} filter @param {[number, number] | null} range */
  start(filter, range = null) {
    this.stop();
    this.filter = filter;
    this.range = range;
    this.known = false;
    this.problem = null;
    this.#pending = [];
    this.#newest = 0;
    this.#next = null;
    this.#abort = new AbortController();
    this.grid.clear();
    shared.newer = 0;
    if (range) {
      stream.watch();
      void this.older();
    } else {
      stream.watch(this.resource, filter, (tick) => this.#tick(tick), (message) => this.#fail(message));
    }
  }

  stop() {
    this.#abort.abort();
    this.#loads = false;
  }

  /** @param {string | null} problem */
  #fail(problem) {
    if (this.problem === problem) return;
    this.problem = problem;
    this.#changed();
  }

  /** @param {Tick} tick */
  #tick(tick) {
    const rows = (tick.rows ?? []).filter((it) => isNumber(it.n) && it.n > this.#newest);
    const first = rows[0];
    if (this.#newest > 0) {
      // A marker has the number just below the row that follows it.
      const n = (first ? first.n : tick.cursor + 1) - 0.5;
      if (tick.gap) {
        rows.unshift({ n, marker: 'gap', count: tick.gap.to - tick.gap.from + 1 });
      } else if (tick.skipped > 0 && first) {
        rows.unshift({ n, marker: 'skipped', count: tick.skipped, before: first.n, after: this.#newest });
      }
    }
    this.#newest = Math.max(this.#newest, tick.cursor ?? 0, rows[rows.length - 1]?.n ?? 0);
    if (shared.paused && this.known) {
      shared.newer += rows.length + (tick.skipped || 0) - (rows[0]?.marker === 'skipped' ? 1 : 0);
      this.#pending.push(...rows);
      // After a long pause, the list begins again at the newest row.
      if (this.#pending.length > 5000) this.#pending.length = 5000;
      if (rows.length > 0) shared.changed('pause');
      return;
    }
    this.grid.append(rows);
    if (!this.known || rows.length > 0) {
      const known = this.known;
      this.known = true;
      if (!known && rows.length === 0) this.grid.more = false;
      this.#changed();
    }
  }

  resume() {
    if (this.#pending.length === 5000) return this.start(this.filter, this.range);
    this.grid.append(this.#pending);
    this.#pending = [];
    shared.newer = 0;
    this.#changed();
  }

  /** @param {number | null} before */
  async #page(before) {
    const signal = this.#abort.signal;
    const page = await read(`${this.resource}${query({ filter: this.filter, before, limit: 200 })}`, signal);
    if (signal.aborted) return null;
    /** @type {Row[]} */
    const rows = (page?.items ?? []).slice().reverse();
    return { rows, next: isNumber(page?.next) ? page.next : null };
  }

  /** Reads the rows before the oldest one. */
  async older() {
    if (this.#loads) return;
    this.#loads = true;
    const signal = this.#abort.signal;
    try {
      // A page can be empty, because the console bounds the work of each one.
      for (let pages = 0; pages < 40; pages++) {
        const page = await this.#page(this.#next ?? this.grid.rows.find((it) => Number.isInteger(it.n))?.n ?? null);
        if (!page) return;
        this.#next = page.next;
        const range = this.range;
        const begins = page.rows[0] ? timeOf(page.rows[0]) : Infinity;
        const rows = range ? page.rows.filter((it) => timeOf(it) >= range[0] && timeOf(it) < range[1]) : page.rows;
        this.grid.more = page.next !== null && (!range || begins >= range[0] - 60);
        this.grid.prepend(rows);
        if (!this.grid.more || (range ? false : rows.length > 0)) break;
      }
      this.known = true;
      this.#fail(null);
      this.#changed();
    } catch (error) {
      if (!signal.aborted) this.#fail(reason(error));
    } finally {
      if (!signal.aborted) this.#loads = false;
    }
  }

  /** Reads rows that the stream has left out. @param {Row} marker */
  async fillGap(marker) {
    if (marker.marker !== 'skipped' || marker.before === undefined || this.#loads) return;
    this.#loads = true;
    const after = marker.after ?? 0;
    try {
      const page = await this.#page(marker.before);
      if (!page) return;
      const rows = page.rows.filter((it) => it.n > after);
      const first = rows[0];
      const rest = first && rows.length === page.rows.length && page.next !== null
        ? [{ n: first.n - 0.5, marker: 'skipped', before: first.n, after, count: isNumber(marker.count) ? Math.max(0, marker.count - rows.length) : null }] : [];
      this.grid.replace(marker, [...rest, ...rows]);
    } catch (error) {
      this.#fail(reason(error));
    } finally {
      this.#loads = false;
    }
  }
}

/** @param {Row} row */
function timeOf(row) {
  return 'start' in row ? row.start : row.time ?? 0;
}

/** @param {MarkerRow} row */
function markerText(row) {
  if (row.marker === 'run') {
    const pid = isNumber(row.pid) ? `, pid ${row.pid}` : '';
    return `${plain(row.service ?? '')} run ${row.run ?? DASH} began, ${clock(row.time)}${pid}`;
  }
  if (row.marker === 'skipped') return `${row.count ? count(row.count) : 'some'} not shown; click to read them`;
  return row.marker === 'gap' ? 'gap: evicted before this page could read them' : plain(row.marker);
}

/** Frame of a view with a list. */
export class RowsView {
  started = false;
  parameters = new URLSearchParams();
  /** Number of the row in the panel. @type {number | null} */ opened = null;
  focuses = false;
  /** @type {Timer} */ #typing;

  /**
   * @param {'requests' | 'logs'} name @param {string} title @param {boolean} newestFirst @param {[string, string][]} columns keys and titles
   * @param {string} placeholder
   */
  constructor(name, title, newestFirst, columns, placeholder) {
    this.name = name;
    this.title = title;
    this.newestFirst = newestFirst;
    this.columns = columns;
    this.grid = new Grid(this);
    this.feed = new Feed(this.grid, name, painter(() => this.update()));
    this.filter = h('input.input.filter', { type: 'search', id: 'filter', placeholder, 'aria-label': 'Filter',
      'aria-describedby': 'problem', autocomplete: 'off', spellcheck: 'false', title: 'Filter (/)', oninput: () => this.later(() => this.typed()) });
    this.tools = h('div.toolbar', { role: 'search' }, this.filter);
    this.kept = h('span.kept.muted');
    this.problem = h('p.problem', { id: 'problem', role: 'alert', hidden: true });
    this.empty = h('div.empty-slot', { hidden: true });
    this.panel = h('aside.panel', { 'aria-label': 'Details', hidden: true });
    this.list = h('div.list', this.grid.element, this.empty);
    this.element = h('div.view.rows-view', this.tools, this.problem, h('div.split', this.list, this.panel));
  }

  /** @param {Cells} _cells @param {Row} _row @param {HTMLElement} _element */
  fillRow(_cells, _row, _element) {}

  /** @param {Row} _row */
  choose(_row) {}

  /** What an empty list shows. @returns {Child} */
  none() {
    return null;
  }

  /** The filter that the inputs stand for. */
  typed() {
    this.go({ filter: this.filter.value.trim() });
  }

  /** @param {Cells} cells @param {Row} row @param {HTMLElement} element */
  render(cells, row, element) {
    if (row.marker === undefined) return this.fillRow(cells, row, element);
    for (const cell of cells) text(cell, '');
    element.classList.add(`marker-${['gap', 'skipped'].includes(row.marker) ? row.marker : 'run'}`);
    text(cells[3], markerText(row));
  }

  /** Shows the rows of a filter, unless they are shown. @param {string} filter @param {[number, number] | null} range */
  rows(filter, range) {
    if (this.started && filter === this.feed.filter && String(range) === String(this.feed.range)) return false;
    this.started = true;
    this.empty.hidden = true;
    this.feed.start(filter, range);
    return true;
  }

  hide() {
    this.started = false;
    clearTimeout(this.#typing);
    this.feed.stop();
    this.close();
  }

  /** @param {() => void} change */
  later(change) {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(change, 250);
  }

  /** @param {Record<string, string | number | null>} change @param {boolean} [replace] */
  go(change, replace = true) {
    navigate(this.name, { ...Object.fromEntries(this.parameters), ...change }, replace);
  }

  /** @param {Row} row */
  open(row) {
    if (row.marker !== undefined) void this.feed.fillGap(row);
    else this.choose(row);
  }

  older() {
    void this.feed.older();
  }

  /** @param {Child} heading @param {...Child} content */
  fillPanel(heading, ...content) {
    this.panel.hidden = false;
    fill(this.panel, h('header.panel-head', h('h2', { tabindex: -1 }, heading),
      button('✕', () => this.escape(), { class: 'icon', 'aria-label': 'Close' })), content);
    if (this.focuses) this.panel.querySelector('h2')?.focus();
    this.focuses = false;
  }

  /** @param {number} n */
  mark(n) {
    this.opened = n;
    this.grid.activate(n);
  }

  close() {
    this.opened = null;
    this.panel.hidden = true;
    fill(this.panel);
  }

  /** Closes the panel. Returns whether there was one. */
  escape() {
    if (this.opened === null) return false;
    this.close();
    this.grid.element.focus();
    return true;
  }

  /** @param {number} by */
  move(by) {
    const row = this.grid.move(by);
    if (row && this.opened !== null && row.marker === undefined) this.choose(row);
  }

  enter() {
    const row = this.grid.current();
    if (!row) return;
    this.focuses = row.marker === undefined;
    if (this.opened === row.n) this.panel.querySelector('h2')?.focus();
    else this.open(row);
  }

  /** @param {boolean} follows */
  followed(follows) {
    announce(follows ? 'Follows the newest row' : 'Keeps its position');
  }

  resume() {
    this.feed.resume();
  }

  update() {
    const kept = this.name === 'logs' ? shared.store?.records : shared.store?.requests;
    text(this.kept, this.feed.range ? `${count(this.grid.rows.length)} in this time` : `${count(kept)} kept`);
    this.problem.hidden = this.feed.problem === null;
    text(this.problem, plain(this.feed.problem ?? ''));
    attribute(this.filter, 'aria-invalid', this.feed.problem === null ? null : 'true');
    this.element.classList.toggle('one-service', shared.services.length < 2);
    const none = this.feed.known && this.grid.rows.length === 0;
    if (none) {
      const content = this.feed.filter || this.feed.range ? emptyState(`No kept ${this.name === 'logs' ? 'record' : 'request'} matches.`,
        h('p', h('code', plain(this.feed.filter))),
        button('Clear filter', () => navigate(this.name, {}))) : h('div', this.none());
      // The same content stays, with the focus in it.
      if (this.empty.hidden || this.empty.textContent !== content.textContent) fill(this.empty, content);
    }
    this.empty.hidden = !none;
  }
}
