// The view Service; also the names of states, and the dialogs of the controls.

import { announce, attribute, button, clock, count, DASH, emptyState, fill, h, isNumber, keyed, lines, ms, plain, readable, reason, span, text } from './dom.js';
import { ServiceBoundView } from './overview.js';
import { navigate, post, quote, read, shared } from './live.js';

/** @param {Run['exit']} exit */
function exitText(exit) {
  if (!exit) return 'exited';
  if (typeof exit.signal === 'string') return plain(exit.signal);
  return isNumber(exit.status) ? `exit ${exit.status}` : 'exited';
}

/** @param {Service} service */
export function lastRun(service) {
  return service.runs.toSorted((a, b) => b.run - a.run)[0];
}

/** @param {Service} service */
export function stateText(service) {
  if (service.state === 'exited') return exitText(lastRun(service)?.exit ?? null);
  return plain(service.state).replaceAll('_', ' ');
}

/** The class of a state, for shape and colour. @param {string} state @param {Run} [run] the run that ended */
export function stateClass(state, run) {
  if (state === 'ready' || state === 'starting') return `state-${state}`;
  if (['not_ready', 'lame_duck', 'draining', 'flushing'].includes(state)) return 'state-busy';
  return (state === 'exited' && run?.exit?.status !== 0) || state === 'unreachable' ? 'state-failed' : 'state-ended';
}

/** How long the state lasts. @param {Service} service */
export function age(service) {
  if (!isNumber(service.since)) return '';
  const seconds = Math.max(0, Math.floor(shared.now() - service.since));
  return seconds < 60 || seconds >= 3600 ? span(seconds) : `${Math.floor(seconds / 60)} m`;
}

/** @type {[string, string][]} */
const ACTIONS = [['start', 'Start'], ['restart', 'Restart'], ['stop', 'Stop']];

const dialog = h('dialog.dialog', { 'aria-labelledby': 'dialog-title' });

/** @param {Service} service @param {string} action */
function consequence(service, action) {
  const pid = isNumber(service.pid) ? `pid ${service.pid}` : 'the process';
  const inFlight = shared.samples[service.name]?.inFlight;
  const flight = isNumber(inFlight) ? `${count(inFlight)} requests are in flight.` : null;
  const start = h('code', plain(service.command ?? service.name));
  if (action === 'start') return [h('p', 'Starts ', start, ` as run ${(service.run ?? 0) + 1}.`)];
  const ends = `Sends SIGTERM to ${pid} and its process group, and waits until it has ended.`;
  if (action === 'stop') return [h('p', ends), flight && h('p', flight), h('p', 'The service stays stopped until Start.')];
  return [h('p', ends, ' Then starts ', start, ' again.'), flight && h('p', flight)];
}

/** Asks before a control is used. @param {Service} service @param {string} action */
function ask(service, action) {
  const name = plain(service.name);
  const title = `${action.charAt(0).toUpperCase()}${action.slice(1)} ${name}?`;
  const problem = h('p.problem', { role: 'alert', hidden: true });
  const confirm = button(title.slice(0, -1), async () => {
    confirm.disabled = true;
    try {
      await post(`services/${encodeURIComponent(service.name)}/${action}`);
      dialog.close();
      announce(`${title.slice(0, -1)}: accepted`);
    } catch (error) {
      confirm.disabled = false;
      problem.hidden = false;
      text(problem, reason(error));
    }
  }, { class: `button ${action === 'stop' ? 'danger' : 'primary'}` });
  fill(dialog, h('h2', { id: 'dialog-title' }, title), consequence(service, action), problem,
    h('div.dialog-actions', button('Cancel', () => dialog.close()), confirm));
  if (!dialog.isConnected) document.body.append(dialog);
  dialog.showModal();
}

/** The controls of a service; buttons stay the same elements, so that focus survives. */
export class Controls {
  /** @type {Service | undefined} */ #service;
  constructor() {
    this.buttons = ACTIONS.map(([action, label]) => button(label, () => this.#service && ask(this.#service, action),
      { class: `button control-${action}`, hidden: true }));
    this.element = h('div.controls', { role: 'group', 'aria-label': 'Process' }, this.buttons);
  }

  /** @param {Service | undefined} service @param {boolean} named whether the buttons have its name */
  update(service, named) {
    this.#service = service;
    for (const [at, [action, label]] of ACTIONS.entries()) {
      const control = /** @type {HTMLElement} */ (this.buttons[at]);
      const full = `${label} ${plain(service?.name ?? '')}`;
      control.hidden = !service?.controls.includes(action);
      attribute(control, 'aria-label', full);
      text(control, named ? full : label);
    }
  }
}

/** @param {string} name @param {string} [more] */
function card(name, more = '') {
  return h('section', { class: `card${more}`, 'aria-labelledby': `${name}-title` });
}

/** @param {string} name @param {string} label @param {Child} [more] */
function heading(name, label, more) {
  return h('header', h('h2', { id: `${name}-title` }, label), more);
}

/** @param {string} label @param {string[]} heads @param {HTMLElement[]} rows @param {string} [kind] */
function table(label, heads, rows, kind) {
  return h('div.table-scroll', { tabindex: 0, role: 'region', 'aria-label': label }, h('table', { class: kind },
    h('thead', h('tr', heads.map((it) => h('th', { scope: 'col' }, it)))), h('tbody', rows)));
}

/** @param {[string, unknown, string?][]} list */
function facts(list) {
  return h('dl.facts.inline-facts', list.map(([name, value, kind]) => h('div', h('dt', name),
    h('dd', { class: kind }, typeof value === 'number' ? count(value) : plain(value ?? DASH)))));
}

export class ServiceView extends ServiceBoundView {
  /** @type {Lifecycle | null} */ #lifecycle = null;
  /** Runs whose last lines are open. @type {Set<number>} */ #opened = new Set();

  constructor() {
    super('service', 'Service');
    this.controls = new Controls();
    this.head = h('div.service-head');
    this.cycle = card('cycle', ' full');
    this.last = card('last', ' full');
    this.runs = card('runs');
    this.settings = card('settings');
    this.body = h('div.service-board',
      h('div.service-top.full', this.head, this.controls.element), this.cycle, this.runs, this.settings, this.last);
    this.element.append(this.body);
  }

  /** @param {string} service @param {AbortSignal} signal */
  async read(service, signal) {
    const answer = await read(`services/${encodeURIComponent(service)}/lifecycle`, signal);
    if (signal.aborted) return;
    this.#lifecycle = answer;
    this.update();
  }

  update() {
    if (shared.paused) return;
    const before = this.service;
    super.update();
    if (before !== this.service) this.#lifecycle = null;
    this.tools.hidden = shared.services.length < 2;
    const service = shared.service(this.service);
    this.body.hidden = !service;
    this.empty.hidden = !!service || !shared.known;
    this.controls.update(service, false);
    if (!service) {
      keyed(this.empty, String(this.service), () => emptyState(shared.services.length === 0 ? 'No service.' : `The console has no service ${plain(this.service ?? '')}.`));
      return;
    }
    this.#head(service);
    keyed(this.cycle, JSON.stringify([this.#lifecycle, service.runs, Math.floor(shared.now())]), () => this.#cycle(service));
    keyed(this.runs, JSON.stringify([service.runs.map((it) => ({ ...it, lastLines: null })), Math.floor(shared.now() / 5)]), () => this.#runs(service));
    keyed(this.last, JSON.stringify([lastRun(service)?.lastLines, service.state, service.lastLine]), () => this.#last(service));
    keyed(this.settings, JSON.stringify([service.set, service.kind]), () => settings(service));
  }

  /** @param {Service} service */
  #head(service) {
    /** @type {[string, unknown][]} */
    const list = [['pid', service.pid === null ? null : String(service.pid)], ...(/** @type {const} */ (['run', 'version', 'address', 'kind', 'command'])).map((it) => /** @type {[string, unknown]} */ ([it, service[it]]))];
    const kind = stateClass(service.state, lastRun(service));
    keyed(this.head, JSON.stringify([list, service.state, age(service)]), () => [
      h('h2', h('span', { class: `glyph ${kind}` }), plain(service.name),
        h('span', { class: `state-text ${kind}` }, `${stateText(service)} ${age(service)}`)),
      facts(list),
    ]);
  }

  /** The phases of the run: those that the console reports, or else those that follow from its runs. @param {Service} service */
  #cycle(service) {
    const reported = this.#lifecycle;
    const run = lastRun(service);
    const phases = reported?.phases?.length ? reported.phases : run ? fromRun(run, service) : [];
    const before = reported?.previous;
    const drained = reported && (reported.inFlightAtDrain ?? reported.cutOff ?? reported.refused) !== null;
    const of = reported?.shutdownRun ? `, run ${reported.shutdownRun}` : '';
    return [
      heading('cycle', 'Life cycle', !reported && h('span.source', 'from the process alone')),
      before && timeline(before.phases, service.runs.find((it) => it.run === before.run)),
      drained && facts([[`in flight at the drain${of}`, reported.inFlightAtDrain], ['answered', reported.answered],
        ['cut off', reported.cutOff, reported.cutOff ? 'bad' : ''],
        ['refused', reported.refusedMs ? `${count(reported.refused)} for ${ms(reported.refusedMs)}` : reported.refused, reported.refused ? 'bad' : '']]),
      reported?.probes?.length ? probes(reported.probes) : null,
      phases.length === 0 ? h('p.muted', 'Not reported.') : timeline(phases, run),
    ];
  }

  /** @param {Service} service */
  #runs(service) {
    const runs = service.runs.toSorted((a, b) => b.run - a.run);
    return [
      heading('runs', 'Runs'),
      runs.length === 0 ? h('p.muted', 'No run yet.') : table('Table of runs', ['run', 'pid', 'began', 'to ready', 'lasted', 'requests', 'end'],
        runs.map((run) => h('tr', h('th', { scope: 'row' }, `#${run.run}`), [
          run.pid === null ? DASH : String(run.pid), clock(run.began), isNumber(run.ready) ? span(run.ready - run.began) : DASH,
          isNumber(run.ended) || run.run === service.run ? span((run.ended ?? shared.now()) - run.began) : DASH, count(run.requests),
          run.ended === null ? (run.run === service.run && service.state !== 'exited' ? 'now' : DASH)
            : h('span', { class: `tag ${run.exit?.status === 0 ? 'good' : 'bad'}` }, exitText(run.exit)),
        ].map((it) => h('td', it))))),
      runs.slice(1).filter((it) => it.lastLines?.length).map((run) => {
        const details = h('details', { ontoggle: () => {
          if (details.open) this.#opened.add(run.run);
          else this.#opened.delete(run.run);
        } }, h('summary', `Last lines of run ${run.run}`), pre(run.lastLines, `Lines of run ${run.run}`));
        details.open = this.#opened.has(run.run);
        return details;
      }),
    ];
  }

  /** @param {Service} service */
  #last(service) {
    const run = lastRun(service);
    const shown = run?.lastLines?.length ? run.lastLines : [service.lastLine ?? []].flat();
    return [
      heading('last', service.state === 'exited' ? `Last lines before ${exitText(run?.exit ?? null)}` : 'Last lines',
        button('All records', () => navigate('logs', { filter: `service:${quote(service.name)}` }), { class: 'quiet' })),
      shown.length > 0 ? pre(shown, 'Lines') : h('p.muted', 'No line yet.'),
    ];
  }
}

/** @param {Phase[]} phases @param {Run} [run] */
function timeline(phases, run) {
  return h('ol.phases', { 'aria-label': run && `Phases of run ${run.run}` }, run && h('li.phase.number', h('span.phase-name', `#${run.run}`)), phases.map((phase) => {
    const length = Math.max(0, (phase.ended ?? run?.ended ?? shared.now()) - phase.began);
    const item = h('li', { class: `phase ${stateClass(phase.state)}` },
      h('span.phase-name', plain(phase.state).replaceAll('_', ' ')), h('span.phase-time', span(length)));
    // Short phases stay visible beside long ones: the width grows with the logarithm.
    item.style.flexGrow = String(1 + Math.log10(1 + length * 10));
    return item;
  }), run?.ended && h('li', { class: `phase end ${stateClass('exited', run)}` },
    h('span.phase-name', exitText(run.exit)), h('span.phase-time', clock(run.ended))));
}

/** @param {string[]} shown @param {string} label */
function pre(shown, label) {
  return h('pre.last-lines', { tabindex: 0, role: 'region', 'aria-label': label }, shown.map((it) => lines(readable(it))).join('\n'));
}

/** @param {Run} run @param {Service} service @returns {Phase[]} */
function fromRun(run, service) {
  /** @type {Phase[]} */
  const phases = [{ state: 'starting', began: run.began, ended: run.ready ?? run.ended }];
  if (isNumber(run.ready)) phases.push({ state: 'ready', began: run.ready, ended: run.ended });
  const open = run.ended === null && run.run === service.run;
  if (open && !['starting', 'ready'].includes(service.state) && isNumber(service.since)) {
    const last = phases[phases.length - 1];
    if (last) last.ended = service.since;
    phases.push({ state: service.state, began: service.since, ended: null });
  }
  return phases;
}

/** @param {{at: number, status: number | null}[]} list */
function probes(list) {
  const shown = list.slice(-60);
  const bad = shown.filter((it) => it.status !== 200).length;
  return h('div.probes', { role: 'img', 'aria-label': `External probe of /ready: ${shown.length - bad} of ${shown.length} answered 200` },
    h('span.muted', 'external probe'),
    h('span.probe-row', shown.map((it) => h('i', { class: it.status === 200 ? null : it.status === null ? 'refused' : 'no', title: `${clock(it.at, true)}: ${it.status ?? 'no answer'}` }))));
}

/** @param {Service} service */
function settings(service) {
  return [
    heading('settings', 'Set by console'),
    service.set.length === 0 ? h('p.muted', service.kind === 'attached' ? 'An attached service keeps its settings.' : 'The console has set no variable.')
      : table('Variables', ['variable', 'value', 'before'], service.set.map((it) => h('tr', h('th', { scope: 'row' }, h('code', plain(it.name))),
        h('td', h('code', plain(it.value))), h('td.muted', it.forced ? 'overridden' : 'was not set'))), 'left'),
  ];
}
