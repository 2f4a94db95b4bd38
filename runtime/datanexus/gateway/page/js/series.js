/**
 * From the rows of a view to what a chart draws. Pure but for the slots, which keep a group's colour while it is drawn.
 *
 * Tumbling and hopping: one series for each of the greatest groups; the rest is summed where sums make sense (counts,
 * sums, increases) and else only counted. A window without a row of a group is zero for what is summed, else a gap.
 */

export const SERIES_MAX = 6;
const SUMMABLE = /^\s*(count|sum|increase)\s*\((?!\s*distinct)/i;

/** tumbling, hopping, session or global, from the view's window in words. */
export function windowKind(view) {
  return (view.window.match(/^(tumbling|hopping|session|global)/i)?.[1] ?? "tumbling").toLowerCase();
}

/** Aggregates a chart can draw: those whose column holds numbers. */
export function drawable(view) {
  const numbers = new Set(view.columns.filter((column) => /int|float|double|decimal|numeric|real/i.test(column.type)).map((column) => column.name));
  return view.aggregates.filter((aggregate) => numbers.has(aggregate.name));
}

export function isSummable(aggregate) {
  return SUMMABLE.test(aggregate.expression);
}

export function toNumber(value) {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A group's name: its values side by side. */
export function groupName(row, positions) {
  if (!positions.length) return "all records";
  return positions.map((index) => (row.values[index] === null ? "NULL" : row.values[index] === "" ? "(empty)" : String(row.values[index]))).join(" · ");
}

/** Remembers which group has which colour, so that a change of rank repaints nothing. */
export class Slots {
  #held = new Map();

  /** Groups in drawing order, each with its slot 1 … SERIES_MAX. */
  assign(names) {
    for (const name of [...this.#held.keys()]) if (!names.includes(name)) this.#held.delete(name);
    const free = [];
    for (let slot = 1; slot <= SERIES_MAX; slot += 1) if (![...this.#held.values()].includes(slot)) free.push(slot);
    for (const name of names) if (!this.#held.has(name)) this.#held.set(name, free.shift());
    return names.map((name) => ({ name, slot: this.#held.get(name) }));
  }
}

/**
 * {starts, ends, firstOpen (index or starts.length), series: [{name, slot (0: the rest), values}], rest: groups left
 * out, isRestSummed, isSummable}; values are numbers or null (a gap), one a window, oldest window first.
 */
export function timeSeries(rows, { groups, aggregate, windowsMax, summable, slots }) {
  const windows = new Map();
  for (const row of rows) if (row.start !== null) windows.set(row.start, row.end);
  const starts = withoutHoles([...windows.keys()].sort((a, b) => a - b).slice(-windowsMax), windowsMax);
  const index = new Map(starts.map((start, at) => [start, at]));
  const found = new Map();
  let firstOpen = starts.length;
  for (const row of rows) {
    const at = index.get(row.start);
    if (at === undefined) continue;
    if (!row.final) firstOpen = Math.min(firstOpen, at);
    const name = groupName(row, groups);
    if (!found.has(name)) found.set(name, new Array(starts.length).fill(null));
    found.get(name)[at] = toNumber(row.values[aggregate]);
  }
  const ranked = [...found].map(([name, values]) => ({ name, values, weight: weight(values) })).sort((a, b) => b.weight - a.weight || (a.name < b.name ? -1 : 1));
  const drawn = ranked.slice(0, SERIES_MAX);
  const left = ranked.slice(SERIES_MAX);
  const slotOf = new Map(slots.assign(drawn.map((one) => one.name)).map(({ name, slot }) => [name, slot]));
  const series = drawn.map(({ name, values }) => ({ name, slot: slotOf.get(name), values: summable ? values.map((value) => value ?? 0) : values }));
  if (left.length && summable) {
    const values = starts.map((_, at) => left.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
    series.push({ name: `${left.length.toLocaleString("en-US")} more`, slot: 0, values });
  }
  const size = starts.length ? windows.get(starts.at(-1)) - starts.at(-1) : 0;
  const ends = starts.map((start) => windows.get(start) ?? start + size);
  return { starts, ends, firstOpen, series, rest: left.length, isRestSummed: summable && left.length > 0, isSummable: summable };
}

/** The greatest groups of all rows, for a view without windows: [{name, value, rowKey}], and how many were left out. */
export function ranking(rows, { groups, aggregate, rowsMax }) {
  const all = rows
    .map((row) => ({ name: groupName(row, groups), value: toNumber(row.values[aggregate]) }))
    .filter((one) => one.value !== null)
    .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
  return { entries: all.slice(0, rowsMax), left: Math.max(0, all.length - rowsMax) };
}

/** Sessions of the busiest groups: lanes [{name, spans: [{start, end, value, final}]}], latest group first. */
export function lanes(rows, { groups, aggregate, lanesMax, spansMax }) {
  const found = new Map();
  for (const row of rows.slice(0, spansMax)) {
    const name = groupName(row, groups);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ start: row.start, end: row.end, value: toNumber(row.values[aggregate]), final: row.final });
  }
  const all = [...found].map(([name, spans]) => ({ name, spans }));
  const drawn = all.sort((a, b) => b.spans.length - a.spans.length || (a.name < b.name ? -1 : 1)).slice(0, lanesMax);
  return { lanes: drawn, left: all.length - drawn.length };
}

/** Windows in which no group has a row stay visible, as long as that does not push real ones out of the chart. */
function withoutHoles(starts, windowsMax) {
  if (starts.length < 3) return starts;
  const step = starts.slice(1).reduce((least, start, at) => Math.min(least, start - starts[at]), Infinity);
  const filled = [];
  const last = starts.at(-1);
  const first = Math.max(starts[0], last - step * (windowsMax - 1));
  if ((last - first) / step > windowsMax || (last - first) % step !== 0) return starts;
  for (let start = first; start <= last; start += step) filled.push(start);
  return filled.length > 4 * starts.length ? starts : filled;
}

function weight(values) {
  return values.reduce((sum, value) => sum + Math.abs(value ?? 0), 0);
}
