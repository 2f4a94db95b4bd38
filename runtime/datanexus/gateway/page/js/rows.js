/**
 * The latest rows of one view, by key, as its stream tells them. Bounded: beyond ROWS_MAX the oldest windows go,
 * whole.
 *
 * A row is final when its window's end plus the view's final offset is not above the watermark, or when the server says
 * so (a finished run). Changes not above the snapshot's seq are repeats and change nothing.
 */

export const ROWS_MAX = 5000;

export class Rows {
  columns = [];
  watermark = null;
  #rows = new Map();
  #seq = -1;
  #position = {};
  #finalOffsetMs;
  dropped = 0;
  version = 0;

  constructor(finalOffsetSeconds) {
    this.#finalOffsetMs = (finalOffsetSeconds ?? 0) * 1000;
  }

  get size() {
    return this.#rows.size;
  }

  /** Everything anew; gives the keys whose values differ from what was there. */
  takeSnapshot({ seq, watermark, columns, rows }) {
    const before = this.#rows;
    this.columns = columns;
    this.#position = Object.fromEntries(columns.map((column, index) => [column.name, index]));
    this.#rows = new Map();
    this.#seq = Number(seq);
    this.watermark = watermark;
    const changed = new Set();
    for (const row of rows) {
      this.#put(row);
      if (before.size && JSON.stringify(before.get(row.key)?.values, exact) !== JSON.stringify(row.values, exact)) changed.add(row.key);
    }
    this.#shrink();
    this.version += 1;
    return changed;
  }

  /** One event of changes; gives the keys that changed. */
  takeChanges({ seq, watermark, appended = [], replaced = [], deleted = [] }) {
    if (Number(seq) < this.#seq) return new Set();
    this.#seq = Number(seq);
    this.watermark = watermark ?? this.watermark;
    for (const key of deleted) this.#rows.delete(key);
    const changed = new Set();
    for (const row of [...appended, ...replaced]) {
      this.#put(row);
      changed.add(row.key);
    }
    this.#shrink();
    this.version += 1;
    return changed;
  }

  /** All rows, latest window first. Each: {key, values, start, end (milliseconds or null), final}. */
  list() {
    const watermark = millis(this.watermark);
    const all = [...this.#rows.values()];
    for (const row of all) {
      row.final = row.told || (row.end !== null && watermark !== null && row.end + this.#finalOffsetMs <= watermark);
    }
    return all.sort((a, b) => (b.start ?? 0) - (a.start ?? 0) || (a.key < b.key ? -1 : 1));
  }

  indexOf(column) {
    return this.#position[column] ?? -1;
  }

  #put({ key, values, final }) {
    const start = millis(values[this.#position.window_start]);
    const end = millis(values[this.#position.window_end]);
    this.#rows.set(key, { key, values, start, end, told: final === true, final: false });
  }

  #shrink() {
    if (this.#rows.size <= ROWS_MAX) return;
    const oldestFirst = [...this.#rows.values()].sort((a, b) => (a.start ?? 0) - (b.start ?? 0));
    let excess = oldestFirst.length - ROWS_MAX;
    const cut = oldestFirst[excess - 1].start;
    const whole = oldestFirst.findIndex((row) => row.start !== cut && (row.start ?? 0) > (cut ?? 0));
    if (whole > excess) excess = whole; // a window that lost some of its groups would show wrong sums
    for (const row of oldestFirst.slice(0, excess)) this.#rows.delete(row.key);
    this.dropped += excess;
  }
}

function millis(text) {
  return text === null || text === undefined ? null : Date.parse(text);
}

function exact(_, value) {
  return typeof value === "bigint" ? String(value) : value;
}
