// The filter language, as far as the tests of the page need it.

/** @typedef {Record<string, any>} Any */

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];
const KEYS = ['service', 'run', 'status', 'method', 'route', 'path', 'id', 'trace', 'level', 'target', 'text', 'ms'];

/** @param {string} text @returns {(row: Any) => boolean} */
export function filterOf(text) {
  const terms = (text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? []).map(one);
  return (row) => row.marker !== undefined ? terms.length === 0 : terms.every((it) => it(row));
}

/** @param {string} term @returns {(row: Any) => boolean} */
function one(term) {
  if (term.startsWith('-') && term.length > 1) {
    const inner = one(term.slice(1));
    return (row) => !inner(row);
  }
  const compared = /^(ms|status)(>=|<=|>|<)(.+)$/.exec(term);
  if (compared) {
    const [, key = '', sign, raw] = compared;
    const value = Number(raw);
    if (Number.isNaN(value)) throw new Error(`"${term}": ${raw} is no number`);
    return (row) => typeof row[key] === 'number' && (sign === '>' ? row[key] > value : sign === '<' ? row[key] < value : sign === '>=' ? row[key] >= value : row[key] <= value);
  }
  const keyed = /^([a-z]+):(.*)$/s.exec(term);
  const key = keyed?.[1] ?? 'text';
  if (!KEYS.includes(key)) throw new Error(`"${term}": unknown key; allowed are ${KEYS.join(', ')}`);
  const value = (keyed?.[2] ?? term).replaceAll('"', '');
  if (key === 'status' && /^[1-5]xx$/.test(value)) return (row) => Math.floor(row.status / 100) === Number(value[0]);
  if (key === 'status' || key === 'run') return (row) => row[key] === Number(value);
  if (key === 'level') return (row) => LEVELS.indexOf(row.level) >= LEVELS.indexOf(value) && row.level !== null;
  if (key === 'target' || key === 'path' || key === 'id') return (row) => String(row[key] ?? '').startsWith(value);
  if (key === 'text') return (row) => JSON.stringify(row).toLowerCase().includes(value.toLowerCase());
  return (row) => row[key] === value;
}
