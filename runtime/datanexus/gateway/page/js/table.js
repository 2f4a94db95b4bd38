/**
 * A table that is sorted by its headers, shown a page at a time, and changed in place: a cell that ticks changes its
 * text and nothing else, so focus, selection and scroll stay where they are, and a column only ever grows.
 */

import { h, setAttribute, setText } from "./elements.js";
import { count } from "./format.js";

const PAGE_ROWS = 100;
const MARKED_MS = 1700; // a little longer than the style's fading
const collator = new Intl.Collator("en", { numeric: true });

/**
 * Columns: {name, label, value(row) for sorting, text(row), number, wrap, clip, look (a class), node(row) instead of text, isNull(row)}.
 * Options: caption (for screen readers), sort {name, down}, onSort, rowClass(row), key(row), foot (left text).
 */
export class Table {
  #columns = [];
  #rows = [];
  #page = 0;
  #widths = [];

  constructor({ caption, sort = null, rowClass = () => "", key = (row) => row.key, isCurrent = () => false }) {
    Object.assign(this, { sort, rowClass, key, isCurrent });
    this.headRow = h("tr");
    this.body = h("tbody");
    this.table = h("table", {}, h("caption", { class: "unseen", text: caption }), h("thead", {}, this.headRow), this.body);
    this.scroll = h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": caption }, this.table);
    this.range = h("span");
    this.back = h("button", { type: "button", class: "button plain", text: "Previous", onclick: () => this.#turn(-1) });
    this.forth = h("button", { type: "button", class: "button plain", text: "Next", onclick: () => this.#turn(1) });
    this.pager = h("span", { class: "push actions" }, this.back, this.forth);
    this.foot = h("div", { class: "table-foot" }, this.range, this.pager);
    this.element = h("div", {}, this.scroll, this.foot);
  }

  setColumns(columns) {
    this.#columns = columns;
    this.#widths = columns.map(() => 0);
    this.body.replaceChildren();
    this.headRow.replaceChildren(...columns.map((column) => this.#header(column)));
  }

  /** Show rows; `changed` keys are marked for a moment; `note` is said beside the range. */
  update(rows, changed = new Set(), note = "") {
    this.#rows = rows;
    this.note = note;
    this.#draw(changed);
  }

  #header(column) {
    const label = column.value
      ? h("button", { type: "button", class: "sort", text: column.label, onclick: () => this.#sortBy(column) })
      : column.label;
    return h("th", { scope: "col", class: [column.number && "number", column.look].filter(Boolean).join(" ") }, label);
  }

  #sortBy(column) {
    const down = this.sort?.name === column.name ? !this.sort.down : Boolean(column.number);
    this.sort = { name: column.name, down };
    this.#page = 0;
    this.#draw(new Set());
  }

  #turn(by) {
    this.#page += by;
    this.#draw(new Set());
    this.scroll.scrollTop = 0;
    if (this.back.disabled && by < 0) this.forth.focus();
    if (this.forth.disabled && by > 0) this.back.focus();
  }

  #draw(changed) {
    const rows = this.#sorted();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
    this.#page = Math.min(Math.max(this.#page, 0), pages - 1);
    const shown = rows.slice(this.#page * PAGE_ROWS, (this.#page + 1) * PAGE_ROWS);
    while (this.body.children.length > shown.length) this.body.lastChild.remove();
    const marked = [];
    shown.forEach((row, at) => this.#drawRow(row, at, changed, marked));
    mark(marked);
    this.#widen();
    const from = this.#page * PAGE_ROWS;
    const range = rows.length === 0 ? "No rows" : pages === 1 ? `${count(rows.length)} ${rows.length === 1 ? "row" : "rows"}` : `${count(from + 1)}–${count(from + shown.length)} of ${count(rows.length)} rows`;
    setText(this.range, this.note ? `${range}. ${this.note}` : range);
    this.pager.hidden = pages === 1;
    this.back.disabled = this.#page === 0;
    this.forth.disabled = this.#page === pages - 1;
  }

  #sorted() {
    [...this.headRow.children].forEach((cell, at) => {
      const isSorted = this.#columns[at].name === this.sort?.name;
      setAttribute(cell, "aria-sort", isSorted ? (this.sort.down ? "descending" : "ascending") : null);
    });
    const column = this.#columns.find((one) => one.name === this.sort?.name);
    if (!column) return this.#rows;
    const sign = this.sort.down ? -1 : 1;
    const keyed = this.#rows.map((row, at) => [column.value(row), at, row]);
    return keyed.sort((a, b) => compare(a[0], b[0], sign) || a[1] - b[1]).map(([, , row]) => row);
  }

  #drawRow(row, at, changed, marked) {
    const isNew = !this.body.children[at];
    const line = this.body.children[at] ?? this.body.appendChild(h("tr", {}, ...this.#columns.map((one) => h("td", { class: cellClass(one) }))));
    const key = this.key(row);
    const isSame = line.dataset.key === String(key);
    line.dataset.key = key;
    setAttribute(line, "class", this.rowClass(row) || null);
    setAttribute(line, "aria-current", this.isCurrent(row) ? "true" : null);
    this.#columns.forEach((column, index) => {
      const cell = line.children[index];
      if (column.node) {
        const stamp = column.text(row);
        if (cell.dataset.stamp !== stamp || !isSame) cell.replaceChildren(column.node(row));
        cell.dataset.stamp = stamp;
        return;
      }
      const text = column.text(row);
      const differs = cell.textContent !== text;
      if (differs) cell.textContent = text;
      cell.classList.toggle("null", Boolean(column.isNull?.(row)));
      this.#widths[index] = Math.max(this.#widths[index], column.wrap ? 0 : Math.min(text.length, 44));
      if (differs && isSame && !isNew && changed.has(key)) marked.push(cell);
    });
  }

  /** Columns keep the width of the longest text they ever held: no shift when a figure loses a digit. */
  #widen() {
    this.#widths.forEach((width, at) => {
      if (width) this.headRow.children[at].style.minWidth = `calc(${width}ch + 28px)`;
    });
  }
}

function cellClass(column) {
  return [column.number && "number", column.wrap && "wrap", column.clip && "clip", column.look].filter(Boolean).join(" ");
}

/** Cells that changed stand out for a moment. One timer for all of a drawing. */
function mark(cells) {
  if (!cells.length) return;
  for (const cell of cells) cell.classList.remove("changed");
  requestAnimationFrame(() => cells.forEach((cell) => cell.classList.add("changed")));
  setTimeout(() => cells.forEach((cell) => cell.classList.remove("changed")), MARKED_MS);
}

/** Nothing sorts last, whatever the direction. */
function compare(a, b, sign) {
  const [noA, noB] = [a === null || a === undefined, b === null || b === undefined];
  if (noA || noB) return noA === noB ? 0 : noA ? 1 : -1;
  if (typeof a === "string" || typeof b === "string") return sign * collator.compare(String(a), String(b));
  return a < b ? -sign : a > b ? sign : 0;
}
