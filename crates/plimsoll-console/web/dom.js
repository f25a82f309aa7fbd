// Elements and text. No function parses HTML: content of services reaches the page through `textContent` alone.

/** The sign of a value that is not known. */
export const DASH = '–';

/**
 * Makes an element: `h('p.muted', { title }, child)`. `on…` members are listeners, all others are attributes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K | `${K}.${string}`} tag
 * @param {Record<string, unknown> | Child} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const [name = '', ...classes] = tag.split('.');
  const element = /** @type {HTMLElementTagNameMap[K]} */ (document.createElement(name));
  element.classList.add(...classes);
  if (props && typeof props === 'object' && !(props instanceof Node) && !Array.isArray(props)) {
    for (const [key, value] of Object.entries(props)) {
      if ((value ?? false) === false) continue;
      if (typeof value === 'function') element.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
      else element.setAttribute(key, value === true ? '' : String(value));
    }
  } else {
    children.unshift(/** @type {Child} */ (props));
  }
  element.append(...nodes(children));
  return element;
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function nodes(children) {
  return children.flatMap((it) => (Array.isArray(it) ? nodes(it) : it instanceof Node ? [it]
    : (it ?? '') === '' || it === false ? [] : [String(it)]));
}

/** Replaces the children of an element. @param {Element} parent @param {...Child} children */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/** Sets text if it differs, so that unchanged cells cost no layout. @param {Node} node @param {string} value */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** @param {Element} element @param {string} name @param {string | null} value */
export function attribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {string} id of an element of index.html */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

// C0, DEL, C1, and the characters that reorder or hide their neighbours.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** Makes control and direction characters visible; the result has one line. @param {unknown} value */
export function plain(value) {
  const string = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value) ?? '';
  return string.replace(UNSEEN, (it) => {
    const code = it.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/** A line of a process: a record without the names of its members. @param {string} line */
export function readable(line) {
  try {
    const it = JSON.parse(line);
    return [it.levelname ?? it.level, it.name ?? it.logger, it.message ?? it.msg].map(plain).join(' ').trim() || line;
  } catch {
    return line;
  }
}

/** Like `plain`, but keeps line breaks and tabs. @param {unknown} value */
export function lines(value) {
  return String(value ?? '').split(/\r?\n/).map((line) => line.split('\t').map(plain).join('\t')).join('\n');
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** @param {Maybe} value */
export function count(value) {
  return isNumber(value) ? whole.format(value) : DASH;
}

/** @param {unknown} value @returns {value is number} */
export function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Three significant digits, thousands separated. @param {Maybe} value */
export function number(value) {
  if (!isNumber(value)) return DASH;
  const size = Math.abs(value);
  if (size >= 100) return whole.format(value);
  return String(Number(value.toFixed(size >= 10 ? 1 : 2)));
}

/** A duration in milliseconds. @param {Maybe} value */
export function ms(value) {
  if (!isNumber(value)) return DASH;
  if (value >= 100_000) return `${whole.format(value / 1000)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10_000 ? 1 : 2)} s`;
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

/** A long duration in seconds. @param {Maybe} value */
export function span(value) {
  if (!isNumber(value)) return DASH;
  if (value < 0) return '0 s';
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} m ${Math.floor(value % 60)} s`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} m`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3600)} h`;
}

/** @param {Maybe} value */
export function bytes(value) {
  if (!isNumber(value)) return DASH;
  const unit = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  const size = value / 1024 ** unit;
  return `${unit && size < 100 ? size.toFixed(1) : whole.format(size)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

/** Local time of day. @param {Maybe} seconds @param {boolean} [millis] */
export function clock(seconds, millis = false) {
  if (!isNumber(seconds)) return DASH;
  // Rounded first: 1.9996 s is the next second, not 1.000.
  const date = new Date(Math.round(seconds * 1000));
  if (Number.isNaN(date.getTime())) return DASH;
  const time = date.toTimeString().slice(0, 8);
  return millis ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** Quotes a word for a POSIX shell. @param {string} word */
export function shell(word) {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Announces a change to assistive technology. @param {string} message */
export function announce(message) {
  text(byId('announcer'), message);
}

/** @param {unknown} error */
export function reason(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {Child} label @param {() => unknown} onclick @param {Record<string, unknown>} [props] */
export function button(label, onclick, props) {
  return h('button', { type: 'button', class: 'button', onclick, ...props }, label);
}

/** A button that copies a text. @param {string} label @param {() => string} value */
export function copyButton(label, value) {
  const element = button(label, async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(value());
    } catch {
      done = false;
    }
    text(element, done ? 'Copied' : 'Not allowed');
    announce(done ? `${label}: copied` : 'The browser does not allow copying.');
    setTimeout(() => text(element, label), 1200);
  });
  return element;
}

const FOCUSABLE = 'a, button, summary, [tabindex]';
/** @type {WeakMap<Element, string>} */
const keys = new WeakMap();

/** @param {Element} [element] */
const name = (element) => element?.ariaLabel ?? element?.textContent;

/**
 * Renders a part again only if its key differs. Focus and scroll positions inside survive.
 * @param {HTMLElement} element @param {string} key @param {() => Child} render
 */
export function keyed(element, key, render) {
  if (keys.get(element) === key) return;
  keys.set(element, key);
  const find = () => /** @type {HTMLElement[]} */ ([...element.querySelectorAll(FOCUSABLE)]);
  const before = find();
  const held = before.findIndex((it) => it === document.activeElement);
  const label = name(before[held]);
  const places = before.map((it) => ({ top: it.scrollTop, left: it.scrollLeft, end: it.scrollHeight - it.clientHeight - it.scrollTop < 4 }));
  fill(element, render());
  const after = find();
  for (const [at, it] of after.entries()) {
    const place = places[at];
    // Lines of a process stay at their end.
    it.scrollTop = it.localName === 'pre' && (place?.end ?? true) ? it.scrollHeight : place?.top ?? 0;
    it.scrollLeft = place?.left ?? 0;
  }
  if (held >= 0) (after.find((it) => name(it) === label) ?? after[held])?.focus();
}

/** A command with a button that copies it. @param {string} line */
export function command(line) {
  return h('div.command', h('code', plain(line)), copyButton('Copy', () => line));
}

/** The state of a view without data. @param {string} title @param {...Child} more */
export function emptyState(title, ...more) {
  return h('div.empty', h('p.empty-title', title), ...more);
}

/** What is painted next, all in one frame. @type {Set<() => void>} */
const due = new Set();
let painted = -Infinity;

function paintAll() {
  painted = performance.now();
  const paints = [...due];
  due.clear();
  for (const paint of paints) paint();
}

/** Runs a function at most four times a second, at once if the page was idle. @param {() => void} paint */
export function painter(paint) {
  return () => {
    if (due.size === 0) setTimeout(() => requestAnimationFrame(paintAll), painted + 250 - performance.now());
    due.add(paint);
  };
}
