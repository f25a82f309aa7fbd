// Shapes of the API's data, for `tsc` alone: this file is not served.

interface SetVariable { name: string; value: string; forced: boolean }
interface Run {
  run: number; pid: number | null; began: number; ready: number | null; ended: number | null;
  exit: null | { status?: number; signal?: string }; requests: number | null; lastLines: string[];
}
interface Service {
  name: string; kind: string; command: string | null; state: string; since: number | null; pid: number | null;
  address: string | null; run: number | null; lastLine: string | null; version: string | null;
  set: SetVariable[]; runs: Run[]; controls: string[];
}
interface StoreState {
  bytes: number | null; budget: number | null; records: number | null; requests: number | null; oldest: number | null;
  evicted: number | null; cut: number | null; unreadable: number | null; rejected: number | null; echo: number | null;
}
interface Sample { rate: number | null; errors: number | null; p50: number | null; p99: number | null; inFlight: number | null }
interface RequestRow {
  n: number; service: string; run: number | null; start: number; method: string | null; route: string | null;
  path: string | null; query: string | null; status: number | null; ms: number | null; id: string | null;
  trace: string | null; aborted: boolean; level: string | null; records: number | null; spans: number | null;
  marker?: undefined;
}
interface LogRow {
  n: number; service: string; run: number | null; time: number; level: string | null; target: string | null;
  message: string | null; fields: Record<string, unknown> | null; id: string | null; trace: string | null;
  stream: string | null; text: boolean; cut: boolean; marker?: undefined;
}
/** A run that began, or rows that the page does not have: `before` and `after` are the numbers around them. */
interface MarkerRow {
  n: number; marker: string; service?: string; run?: number | null; time?: number; pid?: number | null;
  before?: number; after?: number; count?: number | null;
}
type Row = RequestRow | LogRow | MarkerRow;
interface Detail {
  request: RequestRow & { ip?: string | null; userAgent?: string | null; fields?: Record<string, unknown> };
  records: LogRow[]; spans: Span[]; missingParents: string[]; repeatedId: boolean;
}
/** `ms` is negative if the end is before the start; `request` is on the span of the request itself. */
interface Span {
  id: string; parent: string | null; name: string; service: string; run: number | null; start: number | null; ms: number | null;
  kind: string; status: string | null; error: string | null; attributes: Record<string, unknown>; events: SpanEvent[];
  links: unknown[]; scope: { name: string; version?: string } | null; cut: boolean; request?: boolean;
}
interface SpanEvent { name: string; time: number | null; attributes: Record<string, unknown> }
interface Tick {
  now: number; cursor: number; rows: Row[]; skipped: number; gap: null | { from: number; to: number };
  services?: Service[]; samples?: Record<string, Sample>; store?: StoreState;
}
interface Band { from: number; to: number; cause: string }
interface SeriesAnswer {
  name: string; unit: string; source: string | null; lookedFor: string[]; from: number; step: number;
  points: (number | null)[]; bands: Band[]; above?: number | null;
}
interface RouteItem {
  method: string; route: string; count: number | null; '4xx': number | null; '5xx': number | null;
  p50: number | null; p99: number | null; inFlight: number | null;
}
interface Phase { state: string; began: number; ended: number | null }
interface Lifecycle {
  run: number; phases: Phase[]; inFlightAtDrain: number | null; answered: number | null; cutOff: number | null;
  refused: number | null; refusedMs?: number | null; shutdownRun?: number | null; previous?: { run: number; phases: Phase[] } | null;
  probes: { at: number; status: number | null }[];
}

/** What the charts draw. `colour` is a name of the style sheet, `dots` are single requests. */
interface Series { label: string; colour: string; dash: number[]; points: (number | null)[] }
interface LineData {
  from: number; to: number; step: number; series: Series[]; bands: Band[]; restarts: number[]; dots: [number, number][];
}
interface HeatData { from: number; to: number; step: number; bounds: number[]; counts: [number, number][][] }

type Maybe = number | null | undefined;
type Context = CanvasRenderingContext2D;
type Timer = ReturnType<typeof setTimeout> | undefined;
/** Cells of a row; the list of records has six. */
type Cells = [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
interface Line { element: HTMLElement; cells: Cells; row: Row | null; index: number; active: boolean }
type Status = 'connecting' | 'live' | 'lost' | 'unauthorised' | 'hidden';
type Change = 'services' | 'samples' | 'status' | 'store' | 'pause';
type Child = Node | string | number | null | undefined | false | Child[];

interface View {
  title: string; element: HTMLElement;
  show(parameters: URLSearchParams): void; hide(): void; update(): void; resume(): void;
  escape?(): boolean; move?(by: number): void; enter?(): void;
}
