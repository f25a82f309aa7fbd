// The frame of the page: services, controls, views, keys, banner and status line.

import { forgetColours } from './charts.js';
import { announce, attribute, button, byId, bytes, clock, count, DASH, emptyState, fill, h, isNumber, keyed, number, painter, plain, readable, span, text } from './dom.js';
import { begin, MARK, navigate, place, read, shared, stream, takeToken, term } from './live.js';
import { LogsView } from './logs.js';
import { OverviewView, RoutesView } from './overview.js';
import { RequestsView } from './requests.js';
import { age, Controls, lastRun, ServiceView, stateClass, stateText } from './service.js';

/** @type {[string, string, string, () => View][]} */
const VIEWS = [
  ['overview', 'Overview', 'o', () => new OverviewView()],
  ['requests', 'Requests', 'r', () => new RequestsView()],
  ['logs', 'Logs', 'l', () => new LogsView()],
  ['routes', 'Routes', 't', () => new RoutesView()],
  ['service', 'Service', 's', () => new ServiceView()],
];
const FIRST = 'requests';
/** Views of one service. */
const BOUND = ['overview', 'routes', 'service'];

/** @type {Map<string, View>} */
const made = new Map();
/** @type {View | null} */
let view = null;
let viewName = '';
let version = '';

/** @type {Map<string, HTMLAnchorElement>} */
const tabs = new Map();
const controls = new Controls();
const pause = button('Pause', () => setPaused(!shared.paused), { 'aria-pressed': 'false', title: 'Pause (p)' });
const help = button('?', () => showHelp(), { class: 'button icon-button', 'aria-label': 'Keys and settings', title: 'Keys and settings (?)' });

/** Shows the view of the address. */
function route() {
  if (location.hash.startsWith(MARK)) {
    takeToken();
    location.reload();
    return;
  }
  if (shared.status === 'unauthorised') return;
  const { view: wanted, parameters } = place();
  const entry = VIEWS.find(([name]) => name === wanted) ?? VIEWS.find(([name]) => name === FIRST);
  if (!entry) return;
  const [name, title, , make] = entry;
  if (name !== viewName) {
    view?.hide();
    const next = made.get(name) ?? make();
    made.set(name, next);
    view = next;
    viewName = name;
    fill(byId('main'), h('h1.unseen', title), next.element);
    for (const [tab, link] of tabs) attribute(link, 'aria-current', tab === name ? 'page' : null);
    document.title = `${title} · plimsoll console`;
  }
  view?.show(parameters);
  updateControls();
}

function makeTabs() {
  fill(byId('tabs'), VIEWS.map(([name, title, key]) => {
    const link = h('a', { href: `#${name}`, title: `${title} (g ${key})`, onclick: (/** @type {Event} */ event) => {
      event.preventDefault();
      go(name);
    } }, title);
    tabs.set(name, link);
    return link;
  }));
}

/** Changes the view; the chosen service stays. @param {string} name */
function go(name) {
  if (name === viewName) return;
  const service = place().parameters.get('service');
  navigate(name, BOUND.includes(name) ? { service } : {});
}

/** The service that the controls act on. */
function chosen() {
  const { parameters } = place();
  const found = shared.service(parameters.get('service') ?? term(parameters.get('filter') ?? '', 'service'));
  return found ?? (shared.services.length === 1 || BOUND.includes(viewName) ? shared.services[0] : undefined);
}

function updateControls() {
  controls.update(chosen(), shared.services.length > 1);
}

/** State of each service, to announce its changes. @type {Map<string, string>} */
const states = new Map();

function updateChips() {
  const shown = shared.services.map((service) => {
    const sample = shared.samples[service.name];
    const more = service.state === 'draining' && isNumber(sample?.inFlight) ? `${sample.inFlight} left` : age(service);
    return { name: service.name, kind: stateClass(service.state, lastRun(service)), state: `${stateText(service)} ${more}`,
      rate: isNumber(sample?.rate) ? `${number(sample.rate)}/s` : '', line: service.state === 'starting' ? service.lastLine : null };
  });
  keyed(byId('chips'), JSON.stringify(shown), () => shown.map((it) => h('li',
    h('a.chip', { href: `#service?service=${encodeURIComponent(it.name)}`, title: it.line && plain(readable(it.line)) },
      h('span', { class: `glyph ${it.kind}`, 'aria-hidden': 'true' }), h('span.chip-name', plain(it.name)),
      h('span', { class: `chip-state ${it.kind}` }, it.state), h('span.chip-rate', it.rate)))));
  for (const service of shared.services) {
    const state = stateText(service);
    if ((states.get(service.name) ?? state) !== state) announce(`${plain(service.name)} is ${state}`);
    states.set(service.name, state);
  }
}

/** @param {string} label @param {string} value @param {boolean} [bad] */
function stat(label, value, bad = false) {
  return h('span', { class: bad ? 'stat bad' : 'stat' }, h('b', value), ` ${label}`);
}

function updateStatus() {
  const store = shared.store;
  const { status: present } = shared;
  const status = present === 'lost' ? 'disconnected' : present === 'unauthorised' ? 'not connected' : shared.paused ? 'paused' : present;
  const drops = store ? /** @type {[string, number | null][]} */ ([['evicted', store.evicted], ['cut', store.cut], ['unreadable', store.unreadable], ['rejected', store.rejected], ['echo dropped', store.echo]]) : [];
  keyed(byId('status'), `${status} ${JSON.stringify(store)}`, () => [h('span', { class: `stat live-${status.replace(' ', '-')}` }, h('i.dot'), status),
    store && [
      h('span.stat', 'kept since ', h('b', clock(store.oldest))),
      stat('requests', count(store.requests)), stat('records', count(store.records)),
      // Evictions are always shown, the other drops with their first one.
      drops.filter(([name, value]) => name === 'evicted' || value !== 0).map(([name, value]) => stat(name, count(value), name !== 'evicted')),
      h('span.stat.memory', meter(store.bytes, store.budget), h('b', bytes(store.bytes)), ` of ${bytes(store.budget)}`),
    ]]);
}

/** @param {number | null} value @param {number | null} most */
function meter(value, most) {
  const bar = h('i');
  bar.style.transform = `scaleX(${isNumber(value) && isNumber(most) && most > 0 ? Math.min(1, value / most) : 0})`;
  return h('span.meter', { 'aria-hidden': 'true' }, bar);
}

function updateBanner() {
  const banner = byId('banner');
  const lost = shared.status === 'lost';
  document.body.classList.toggle('stale', lost && shared.known);
  document.body.classList.toggle('paused', shared.paused);
  const kind = lost ? 'lost' : shared.paused ? 'paused' : '';
  banner.hidden = kind === '';
  banner.className = `banner ${kind}`;
  keyed(banner, kind, () => [h('span'), lost ? button('Retry now', () => stream.connect()) : button('Resume', () => setPaused(false))]);
  const words = /** @type {Element} */ (banner.firstElementChild);
  if (!lost) return text(words, `Paused; ${count(shared.newer)} newer`);
  const wait = Math.max(0, Math.ceil((stream.next - Date.now()) / 1000));
  const retry = wait > 0 ? `Retry in ${wait} s.` : 'Retrying.';
  text(words, shared.known ? `Disconnected for ${span(Math.floor((Date.now() - shared.heard) / 1000))}; values are of ${clock(shared.heard / 1000)}. ${retry}`
    : `The console does not answer. ${retry}`);
}

/** @param {boolean} paused */
function setPaused(paused) {
  if (shared.paused === paused) return;
  shared.paused = paused;
  attribute(pause, 'aria-pressed', String(paused));
  text(pause, paused ? 'Resume' : 'Pause');
  announce(paused ? 'Paused' : 'Resumed');
  if (!paused) view?.resume();
  shared.changed('pause');
}

function showUnauthorised() {
  view?.hide();
  view = null;
  viewName = '';
  stream.hide();
  byId('banner').hidden = true;
  keyed(byId('chips'), '', () => null);
  controls.update(undefined, false);
  fill(byId('main'), h('h1.unseen', 'Not connected'), emptyState('Open the address in the terminal.',
    h('p', shared.known ? 'The console was restarted, and this page has the token of the previous one.' : 'This page has no valid token of the console that runs now.'),
    h('p.muted', 'The console prints an address with a new token at each start. If it is opened in another tab, this one continues.')));
  shared.store = null;
  updateStatus();
  announce('Not connected: open the address in the terminal.');
}

/** @type {HTMLDialogElement | null} */
let helpDialog = null;

const KEYS = [
  ...VIEWS.map(([, title, key]) => [`g ${key}`, title]), ['/', 'filter'], ['j k', 'next, previous row'], ['Enter', 'open the row, then its panel'], ['Esc', 'close'], ['p', 'pause'], ['?', 'this help'],
];
const FILTERS = [
  ['status:500 status:5xx status>=400', 'status'], ['ms>50 ms<5', 'duration'], ['method: route: path:', 'parts of a request'],
  ['service: run: id: trace:', 'origin'], ['level:WARNING', 'that level and above'], ['target:sqlx', 'beginning of a logger'],
  ['timeout "connection reset"', 'text'], ['-route:/health', 'not'],
];

function showHelp() {
  if (!helpDialog) {
    const single = h('input', { type: 'checkbox', onchange: () => localStorage.setItem('plimsoll.keys', single.checked ? 'on' : 'off') });
    single.checked = localStorage.getItem('plimsoll.keys') !== 'off';
    const themes = ['auto', 'light', 'dark'].map((it) => {
      const input = h('input', { type: 'radio', name: 'theme', onchange: () => setTheme(it) });
      input.checked = (localStorage.getItem('plimsoll.theme') ?? 'auto') === it;
      return h('label', input, ` ${it}`);
    });
    helpDialog = h('dialog.dialog.wide', { 'aria-labelledby': 'help-title' },
      h('h2', { id: 'help-title' }, 'Keys and settings'),
      h('div.columns',
        h('section', h('h3', 'Keys'), h('dl.keys', KEYS.map(([key, effect]) => [h('dt', String(key).split(' ').map((it) => h('kbd', it))), h('dd', String(effect))]))),
        h('section', h('h3', 'Filter'), h('dl.keys', FILTERS.map(([term, effect]) => [h('dt', String(term).split(/ (?![a-z]+")/).map((it) => h('code', it))), h('dd', String(effect))])))),
      h('div.settings', h('label', single, ' Single keys act'),
        h('fieldset', h('legend', 'Theme'), themes)),
      h('p.muted', `plimsoll console ${version || DASH}`),
      h('div.dialog-actions', button('Close', () => helpDialog?.close(), { class: 'button primary' })));
    document.body.append(helpDialog);
  }
  helpDialog.showModal();
}

/** @param {string} theme */
function setTheme(theme) {
  localStorage.setItem('plimsoll.theme', theme);
  document.documentElement.className = theme;
  forgetColours();
}

/** @param {string} selector */
function focusIn(selector) {
  /** @type {HTMLElement | null} */ (document.querySelector(`main ${selector}`))?.focus();
}

let goes = 0;

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (document.querySelector('dialog[open]') || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (target.matches('input:not([type=checkbox]):not([type=radio]), select, textarea')) {
    if (event.key === 'Escape') target.blur();
    else if (event.key === 'Enter') focusIn('.grid');
    return;
  }
  if (event.key === 'Escape') return void view?.escape?.();
  if (localStorage.getItem('plimsoll.keys') === 'off') return;
  const after = performance.now() - goes < 1500;
  goes = 0;
  const entry = after ? VIEWS.find(([, , key]) => key === event.key) : undefined;
  if (entry) go(entry[0]);
  else if (event.key === 'g') goes = performance.now();
  else if (event.key === '/') focusIn('#filter');
  else if (event.key === 'j') view?.move?.(1);
  else if (event.key === 'k') view?.move?.(-1);
  else if (event.key === 'Enter' && (target === document.body || target.matches('main'))) view?.enter?.();
  else if (event.key === 'p') setPaused(!shared.paused);
  else if (event.key === '?') showHelp();
  else return;
  event.preventDefault();
}

const refresh = painter(() => {
  if (shared.status === 'unauthorised') return;
  updateChips();
  updateControls();
  updateBanner();
  updateStatus();
  view?.update();
});

function start() {
  setTheme(localStorage.getItem('plimsoll.theme') ?? 'auto');
  makeTabs();
  fill(byId('actions'), controls.element, pause, help);
  shared.listeners.add((what) => {
    if (what === 'status' && shared.status === 'unauthorised') return showUnauthorised();
    if (what === 'status' && shared.status === 'lost') announce('Disconnected');
    refresh();
  });
  const known = begin();
  document.addEventListener('keydown', onKey);
  window.addEventListener('hashchange', route);
  // The address of a new console was opened in another tab.
  window.addEventListener('storage', (event) => {
    if (event.key === 'plimsoll.token' && event.newValue !== null) location.reload();
  });
  document.addEventListener('visibilitychange', () => {
    if (shared.status === 'unauthorised') return;
    if (document.hidden) stream.hide();
    else stream.connect();
  });
  // Ages grow without a tick too.
  setInterval(refresh, 1000);
  if (!known) return showUnauthorised();
  route();
  // The stream reports the same failure.
  void read('state').then((state) => {
    version = plain(state?.version);
  }, () => {});
}

start();
