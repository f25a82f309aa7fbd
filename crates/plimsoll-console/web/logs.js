// The view Logs: records of all services in order of arrival, the newest at the bottom.

import { button, clock, copyButton, DASH, emptyState, fill, h, lines, plain, text } from './dom.js';
import { RowsView } from './grid.js';
import { navigate, quote, term, terms, withTerm } from './live.js';

const ERRORS = ['ERROR', 'CRITICAL', 'FATAL', 'SEVERE', 'PANIC', 'ALERT', 'EMERGENCY', 'ERR'];

/** Fields with the same value in each record of a process; the panel of a record shows them. */
const COMMON = ['service', 'version', 'process', 'threadName', 'buildTime'];

/** @param {LogRow} row @param {boolean} [all] */
function members(row, all) {
  return Object.entries(row.fields ?? {}).filter(([name, value]) => all || (value !== '' && !COMMON.includes(name)));
}

/** The group of a level, for its colour. @param {string | null | undefined} level */
function group(level) {
  const upper = String(level ?? '').toUpperCase();
  if (ERRORS.includes(upper)) return 'error';
  return upper.startsWith('WARN') ? 'warning' : upper === 'INFO' || upper === 'NOTICE' ? 'info' : 'none';
}

/** @param {unknown} level */
function short(level) {
  return typeof level === 'string' ? plain(level).slice(0, 8) : '';
}

/**
 * Records in full.
 * @param {LogRow[]} rows @param {number | null} since the time that offsets are counted from; null: shows all fields
 */
export function recordList(rows, since) {
  return h('ol.records', rows.map((row) => {
    const fields = members(row, since === null);
    return h('li', { class: `record level-${group(row.level)}` },
      h('div.record-head',
        h('span.level', short(row.level) || 'text'),
        h('span.muted', { title: clock(row.time, true) }, since === null ? clock(row.time, true) : offset(row.time - since)),
        h('span.target', plain(row.target ?? '')),
        row.cut && h('span.tag', 'cut')),
      h('p.message', lines(row.message) || DASH),
      fieldList(fields));
  }));
}

/** @param {[string, unknown][]} fields */
export function fieldList(fields) {
  return fields.length > 0 && h('dl.fields', fields.map(([name, value]) => [
    h('dt', plain(name)), h('dd', typeof value === 'string' ? lines(value) : plain(value)),
  ]));
}

/** @param {number} seconds */
export function offset(seconds) {
  const value = seconds * 1000;
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(Math.abs(value) < 10 ? 1 : 0)} ms`;
}

export class LogsView extends RowsView {
  constructor() {
    super('logs', 'Logs', false, [
      ['time', 'Time'], ['level', 'Level'], ['service', 'Service'],
      ['message', 'Message'], ['target', 'Target'], ['id', 'Request'],
    ], 'text, or service:orders id:fea1… -text:health');
    this.level = h('select.input', { 'aria-label': 'Lowest level', onchange: () => this.#term('level', this.level.value) },
      h('option', { value: '' }, 'All levels'),
      ['DEBUG', 'INFO', 'WARNING', 'ERROR'].map((it) => h('option', { value: it }, it === 'ERROR' ? 'ERROR' : `≥ ${it}`)));
    this.target = h('input.input.target-input', { type: 'search', placeholder: 'target', 'aria-label': 'Target begins with',
      autocomplete: 'off', spellcheck: 'false', oninput: () => this.later(() => this.#term('target', this.target.value.trim())) });
    this.follow = button('Follow', () => {
      this.grid.follow(!this.grid.follows);
      this.followed(this.grid.follows);
    }, { class: 'button toggle', 'aria-pressed': 'true' });
    fill(this.tools, this.level, this.target, this.filter, this.kept, this.follow);
  }

  /** @param {URLSearchParams} parameters */
  show(parameters) {
    this.parameters = parameters;
    const filter = parameters.get('filter') ?? '';
    if (this.level !== document.activeElement) this.level.value = term(filter, 'level').toUpperCase();
    if (this.target !== document.activeElement) this.target.value = term(filter, 'target');
    if (this.filter !== document.activeElement) this.filter.value = words(filter, false);
    if (this.rows(filter, null)) {
      this.close();
      this.follow.setAttribute('aria-pressed', 'true');
    }
    this.update();
  }

  /** @param {string} key @param {string} value */
  #term(key, value) {
    this.go({ filter: withTerm(this.feed.filter, key, value) });
  }

  typed() {
    this.go({ filter: `${words(this.feed.filter, true)} ${this.filter.value}`.trim() });
  }

  /** @param {Cells} cells @param {Row} row @param {HTMLElement} element */
  fillRow(cells, row, element) {
    const [time, level, service, message, target, id] = cells;
    const record = /** @type {LogRow} */ (row);
    element.classList.add(`level-${group(record.level)}`);
    element.classList.toggle('text', record.text);
    text(time, clock(record.time, true));
    text(level, short(record.level));
    text(service, plain(record.service));
    text(target, plain(record.target ?? ''));
    fill(message, h('span.words', plain(record.message ?? '').slice(0, 600)));
    let size = 0;
    for (const [name, value] of members(record)) {
      const shown = plain(value).slice(0, 160);
      message.append(h('span.field', h('span.name', `${plain(name)}=`), shown));
      size += shown.length;
      if (size > 400) break;
    }
    text(id, plain(record.id ?? '').slice(0, 8));
  }

  /** @param {Row} row */
  choose(row) {
    const record = /** @type {LogRow} */ (row);
    this.mark(record.n);
    const id = record.id;
    /** @param {string} label @param {string} view */
    const link = (label, view) => id !== null && button(label, () => navigate(view, { filter: `id:${quote(String(id))}` }));
    this.fillPanel([h('span', { class: `level level-${group(record.level)}` }, short(record.level) || 'text'), ` ${clock(record.time, true)}`],
      h('div.panel-actions', copyButton('Copy message', () => String(record.message ?? '')), link('Show request', 'requests'), link('Records of the request', 'logs')),
      h('h3', 'Record'), recordList([record], null),
      h('dl.facts', /** @type {const} */ (['service', 'run', 'stream', 'id', 'trace']).map((it) => [h('dt', it), h('dd', record[it] === null ? DASH : plain(record[it]))])));
  }

  /** @param {boolean} follows */
  followed(follows) {
    super.followed(follows);
    this.follow.setAttribute('aria-pressed', String(follows));
  }

  none() {
    return emptyState('No record yet.', h('p', 'Lines of stdout and stderr appear here as they are written.'));
  }
}

/** The terms of a filter that have an input of their own, or the others. @param {string} filter @param {boolean} own */
function words(filter, own) {
  return terms(filter).filter((it) => /^(level|target):/.test(it) === own).join(' ');
}
