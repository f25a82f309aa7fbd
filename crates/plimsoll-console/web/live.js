// The connection to the console: token, requests, the stream, and the state that all views share. The token is in
// `localStorage`, which belongs to one port. Hidden pages close the stream: a browser opens six connections to a host.

import { isNumber } from './dom.js';

const KEY = 'plimsoll.token';
export const MARK = '#token=';
/** The server sends a heartbeat each 2 s. */
const SILENCE = 6000;
const RETRY_FIRST = 500;
const RETRY_LAST = 5000;

/** Takes the token out of the address. Returns the token that applies. */
export function takeToken() {
  if (location.hash.startsWith(MARK)) {
    localStorage.setItem(KEY, location.hash.slice(MARK.length));
    history.replaceState(null, '', location.pathname);
  }
  return localStorage.getItem(KEY);
}

/** A failed request: the problem document of the console, or its status. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What all views share. Listeners are called after each change. */
class Shared {
  /** @type {Service[]} */ services = [];
  /** @type {StoreState | null} */ store = null;
  /** @type {Record<string, Sample>} */ samples = {};
  /** @type {Status} */ status = 'connecting';
  /** Whether a tick has been received since the page was loaded. */
  known = false;
  /** Milliseconds of the last tick. */
  heard = 0;
  /** Seconds to add to this machine's clock for that of the console. */
  skew = 0;
  paused = false;
  /** Rows received since the pause. */
  newer = 0;
  /** @type {Set<(what: Change) => void>} */ listeners = new Set();

  /** @param {Change} what */
  changed(what) {
    for (const listener of this.listeners) listener(what);
  }

  /** Seconds of the console's clock. */
  now() {
    return Date.now() / 1000 + this.skew;
  }

  /** @param {string | null | undefined} name */
  service(name) {
    return this.services.find((it) => it.name === name);
  }

  /** @param {Status} status */
  become(status) {
    if (this.status === status) return;
    this.status = status;
    this.changed('status');
  }
}

export const shared = new Shared();

/** @type {string | null} */
let token = null;

/** Reads the token. Returns false if there is none. */
export function begin() {
  try {
    token = takeToken();
  } catch {
    token = null;
  }
  if (token === null) shared.become('unauthorised');
  return token !== null;
}

/** @param {string} path @param {AbortSignal} [signal] @param {string} [method] */
async function send(path, signal, method = 'GET') {
  const response = await fetch(`api/${path}`, {
    method,
    signal: signal ?? null,
    headers: { authorization: `Bearer ${token ?? ''}` },
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
  });
  if (response.ok) return response;
  if (response.status === 401) shared.become('unauthorised');
  let message = `${response.status} ${response.statusText}`.trim();
  try {
    const problem = await response.json();
    message = [problem.title, problem.detail].filter((it) => typeof it === 'string').join(': ') || message;
  } catch {
    // The body is no problem document; the status remains.
  }
  throw new ApiError(response.status, message);
}

/** Null: the console does not have it (404, 405). @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function read(path, signal) {
  try {
    return await (await send(path, signal)).json();
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
    throw error;
  }
}

/** @param {string} path */
export async function post(path) {
  await send(path, undefined, 'POST');
}

/** @param {Record<string, string | number | null | undefined>} parameters */
export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if ((value ?? '') !== '') search.set(name, String(value));
  }
  return search.size ? `?${search}` : '';
}

/** The stream of ticks. There is one; a change of view or filter opens it again. */
class Stream {
  #view = 'none';
  #filter = '';
  /** @type {number | null} */ #cursor = null;
  /** @type {AbortController | null} */ #open = null;
  #retry = RETRY_FIRST;
  /** @type {Timer} */ #timer;
  /** @type {(tick: Tick) => void} */ #onTick = () => {};
  /** @type {(message: string | null) => void} */ #onRejected = () => {};
  /** Milliseconds at which the next attempt begins. */
  next = 0;

  /**
   * Begins with the newest rows of a view; without one, with the services alone.
   * @param {string} [view] @param {string} [filter] @param {(tick: Tick) => void} [onTick]
   * @param {(message: string | null) => void} [onRejected]
   */
  watch(view = 'none', filter = '', onTick = () => {}, onRejected = () => {}) {
    this.#view = view;
    this.#filter = filter;
    this.#cursor = null;
    this.#onTick = onTick;
    this.#onRejected = onRejected;
    this.#retry = RETRY_FIRST;
    this.connect();
  }

  /** Opens the stream again, now. */
  connect() {
    clearTimeout(this.#timer);
    this.#open?.abort();
    this.#open = null;
    if (token === null) return;
    if (document.hidden) return shared.become('hidden');
    if (shared.status !== 'lost' && shared.status !== 'live') shared.become('connecting');
    const open = new AbortController();
    this.#open = open;
    void this.#run(open);
  }

  /** @param {AbortController} open */
  async #run(open) {
    let silence = setTimeout(() => open.abort(), SILENCE);
    try {
      const path = `stream${query({ view: this.#view, filter: this.#filter, after: this.#cursor })}`;
      const response = await send(path, open.signal);
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      const decoder = new TextDecoder();
      this.#onRejected(null);
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#open !== open) break;
        clearTimeout(silence);
        silence = setTimeout(() => open.abort(), SILENCE);
        const parts = (rest + decoder.decode(value, { stream: true })).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) if (part !== '') this.#tick(JSON.parse(part));
      }
    } catch (error) {
      if (this.#open === open && error instanceof ApiError && error.status === 400) {
        // The filter is invalid: no retry before it changes.
        this.#open = null;
        shared.heard = Date.now();
        this.#onRejected(error.message);
        return;
      }
    } finally {
      clearTimeout(silence);
    }
    if (this.#open === open) this.#again();
  }

  #again() {
    this.#open = null;
    if (shared.status === 'unauthorised' || document.hidden) return;
    shared.become('lost');
    this.next = Date.now() + this.#retry;
    this.#timer = setTimeout(() => this.connect(), this.#retry);
    this.#retry = Math.min(this.#retry * 2, RETRY_LAST);
  }

  /** @param {Tick} tick */
  #tick(tick) {
    this.#retry = RETRY_FIRST;
    if (isNumber(tick.cursor)) this.#cursor = tick.cursor;
    shared.known = true;
    shared.heard = Date.now();
    if (isNumber(tick.now)) shared.skew = tick.now - Date.now() / 1000;
    shared.become('live');
    for (const part of /** @type {const} */ (['services', 'samples', 'store'])) {
      if (!tick[part]) continue;
      Object.assign(shared, { [part]: tick[part] });
      shared.changed(part);
    }
    this.#onTick(tick);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#open?.abort();
    this.#open = null;
    if (shared.status !== 'unauthorised') shared.become('hidden');
  }
}

export const stream = new Stream();

/** View and parameters of the address: `#logs?filter=…`. */
export function place() {
  const [view = '', search = ''] = location.hash.slice(1).split('?', 2);
  return { view, parameters: new URLSearchParams(search) };
}

/**
 * Shows a view. With `replace`, the history of the browser gets no entry.
 * @param {string} view @param {Parameters<typeof query>[0]} parameters @param {boolean} [replace]
 */
export function navigate(view, parameters = {}, replace = false) {
  const address = `#${view}${query(parameters)}`;
  if (address === location.hash) return;
  if (replace) {
    history.replaceState(null, '', address);
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    location.hash = address;
  }
}

/** @param {string} filter @returns {string[]} */
export function terms(filter) {
  return filter.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
}

/** The value of a term, without quotes. @param {string} filter @param {string} key */
export function term(filter, key) {
  const found = terms(filter).find((it) => it.startsWith(`${key}:`));
  return found === undefined ? '' : found.slice(key.length + 1).replaceAll('"', '');
}

/** Sets or removes the term of a key. @param {string} filter @param {string} key @param {string} value */
export function withTerm(filter, key, value) {
  const rest = terms(filter).filter((it) => !it.startsWith(`${key}:`));
  if (value !== '') rest.push(`${key}:${quote(value)}`);
  return rest.join(' ');
}

/** @param {string} value */
export function quote(value) {
  return /[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}
