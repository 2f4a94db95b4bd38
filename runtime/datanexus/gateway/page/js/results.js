/** A view's latest windows: its live chart and its table, fed by one stream of changes. */

import { TimeChart } from "./chart.js";
import { empty, h, loading, problemCallout, setText } from "./elements.js";
import { cell, count, isNumber, isTime, plural } from "./format.js";
import { Lanes, Ranked } from "./forms.js";
import { follow, livePath } from "./live.js";
import { Rows, ROWS_MAX } from "./rows.js";
import { drawable, isSummable, lanes, ranking, SERIES_MAX, Slots, timeSeries, toNumber, windowKind } from "./series.js";
import { Table } from "./table.js";

const WINDOW_CHOICES = [24, 60, 120, 240];
const STREAM_WINDOWS = 240;
const REDRAW_MS = 250; // the eye needs no more, and a burst of changes costs one drawing
const SETTLE_MS = 1000; // when only the watermark moved: rows may have become final

export function showResults(panel, { name, status, argument, signal }) {
  const view = status.views.find((one) => one.name === argument) ?? status.views[0];
  if (!view) {
    panel.replaceChildren(empty("No views", "This pipeline has no view."));
    return null;
  }
  const results = new Results(name, status.views, view);
  panel.replaceChildren(results.element);
  follow(livePath(name, view.name, STREAM_WINDOWS), {
    signal,
    onSnapshot: (data) => results.take(results.rows.takeSnapshot(data)),
    onChanges: (data) => results.take(results.rows.takeChanges(data)),
    onProblem: (problem) => results.fail(problem),
  });
  return null;
}

class Results {
  #changed = new Set();
  #timer = 0;
  #canHasten = false; // a drawing is planned that a change of rows brings forward
  #slots = new Slots();
  #columnsOf = "";

  constructor(name, views, view) {
    this.name = name;
    this.view = view;
    this.kind = windowKind(view);
    this.rows = new Rows(view.final_offset_s);
    this.aggregates = drawable(view);
    this.filter = "";
    this.trouble = h("div");
    this.space = h("div", { class: "live" }, loading("the latest windows"));
    this.chartNote = h("p", { class: "note" });
    this.table = new Table({
      caption: `Rows of view ${view.name}`,
      rowClass: (row) => (row.final ? "" : "open"),
    });
    this.tableSpace = h("div", { class: "live" }, this.table.element);
    this.element = h("div", { class: "split" }, this.trouble, this.#chartPanel(views), this.#tablePanel());
    this.trouble.hidden = true;
  }

  /** Something changed: draw soon, once. */
  take(changed) {
    this.trouble.hidden = true;
    for (const key of changed) this.#changed.add(key);
    if (this.#canHasten && changed.size) this.#plan(REDRAW_MS);
    else if (!this.#timer) this.#plan(changed.size || !this.chart ? REDRAW_MS : SETTLE_MS);
  }

  #plan(wait) {
    clearTimeout(this.#timer);
    this.#canHasten = wait === SETTLE_MS;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#canHasten = false;
      this.#draw();
    }, wait);
  }

  fail(problem) {
    this.trouble.hidden = false;
    this.trouble.replaceChildren(problemCallout(problem, `View ${this.view.name}`));
    if (!this.rows.size) this.space.replaceChildren(empty("Nothing to show", "The view's stream was refused; the page goes on trying."));
  }

  #chartPanel(views) {
    const choices = [];
    if (views.length > 1) {
      const go = (event) => { location.hash = `#/p/${encodeURIComponent(this.name)}/results/${encodeURIComponent(event.target.value)}`; };
      choices.push(select("View", views.map((one) => [one.name, one.name]), this.view.name, go));
    }
    const redraw = () => this.#draw();
    if (this.aggregates.length) {
      this.aggregateChoice = select("Show", this.aggregates.map((one) => [one.name, one.name]), this.aggregates[0].name, redraw);
      choices.push(this.aggregateChoice);
    }
    if (this.kind === "tumbling" || this.kind === "hopping") {
      this.formChoice = select("as", [["", "best form"], ["bars", "bars"], ["lines", "lines"]], "", redraw);
      this.windowsChoice = select("Last", WINDOW_CHOICES.map((amount) => [String(amount), `${amount} windows`]), "60", redraw);
      choices.push(this.formChoice, this.windowsChoice);
    }
    const title = h("h2", { text: this.view.name });
    const grouped = this.view.group_by.length ? `by ${this.view.group_by.join(", ")}, ` : "";
    const about = h("span", { class: "note", text: `${grouped}${this.view.window}` });
    return h("section", { class: "panel", "aria-label": `Chart of view ${this.view.name}` },
      h("div", { class: "panel-head" }, title, about, h("span", { class: "push actions" }, ...choices)),
      h("div", { class: "panel-body" }, this.space, this.chartNote));
  }

  #tablePanel() {
    const filter = h("input", { type: "search", placeholder: "any group", autocomplete: "off", spellcheck: "false", oninput: (event) => {
      this.filter = event.target.value.trim().toLowerCase();
      this.#draw();
    } });
    const sql = `SELECT * FROM ${sqlName(this.name)}.${sqlName(this.view.name)} LIMIT 100`;
    const tools = h("span", { class: "push actions" },
      this.view.group_by.length > 0 && h("label", { class: "field" }, "Filter", filter),
      h("a", { href: `#/query?sql=${encodeURIComponent(sql)}`, text: "Query all rows" }));
    return h("section", { class: "panel", "aria-label": `Table of view ${this.view.name}` },
      h("div", { class: "panel-head" }, h("h2", { text: "Latest rows" }), tools), this.tableSpace);
  }

  #draw() {
    const list = this.rows.list();
    this.#drawTable(list);
    this.#changed = new Set();
    if (!list.length) {
      this.chart = null;
      const why = this.kind === "session" ? "A session appears when the watermark has passed its end." : "A window appears when the watermark has passed its end.";
      this.space.replaceChildren(empty("No windows yet", why));
      return;
    }
    const aggregate = this.aggregates.find((one) => one.name === this.aggregateChoice?.querySelector("select").value);
    if (aggregate) this.#drawChart(list, aggregate);
    else this.space.replaceChildren(empty("Nothing to draw", "No aggregate of this view is a number; its rows are in the table."));
  }

  #drawChart(list, aggregate) {
    const groups = this.view.group_by.map((name) => this.rows.indexOf(name));
    const at = this.rows.indexOf(aggregate.name);
    const summable = isSummable(aggregate);
    const label = `${aggregate.name} of view ${this.view.name}`;
    if (!this.chart) {
      this.chart = this.kind === "global" ? new Ranked({ label }) : this.kind === "session" ? new Lanes({ label }) : new TimeChart({ label, height: 280 });
      this.space.replaceChildren(this.chart.element);
    }
    let note = `${aggregate.name} = ${aggregate.expression}`;
    if (this.kind === "global") this.chart.draw(ranking(list, { groups, aggregate: at, rowsMax: 16 }));
    else if (this.kind === "session") this.chart.draw(lanes(list, { groups, aggregate: at, lanesMax: 16, spansMax: 1000 }), aggregate.name);
    else {
      const windowsMax = Number(this.windowsChoice.querySelector("select").value);
      const model = timeSeries(list, { groups, aggregate: at, windowsMax, summable, slots: this.#slots });
      this.chart.draw(model, this.formChoice.querySelector("select").value || (summable && model.starts.length <= 120 ? "bars" : "lines"));
      if (model.rest && !summable) note += `. Drawn are the ${SERIES_MAX} greatest groups; this aggregate cannot be summed, so ${plural(model.rest, "more group is", "more groups are")} in the table only`;
    }
    setText(this.chartNote, note);
  }

  #drawTable(list) {
    if (this.rows.columns.length && this.#columnsOf !== JSON.stringify(this.rows.columns)) this.#setColumns();
    const groups = this.view.group_by.map((name) => this.rows.indexOf(name));
    const shown = this.filter ? list.filter((row) => groups.some((at) => String(row.values[at]).toLowerCase().includes(this.filter))) : list;
    const isCapped = this.rows.dropped > 0 || list.length >= ROWS_MAX;
    this.table.update(shown, this.#changed, isCapped ? `The page keeps the latest ${count(ROWS_MAX)}.` : "");
  }

  #setColumns() {
    this.#columnsOf = JSON.stringify(this.rows.columns);
    const groups = new Set(this.view.group_by);
    const isGlobal = this.kind === "global";
    const values = this.rows.columns
      .map((column, at) => ({ ...column, at }))
      .filter((column) => column.name !== "final" && !(isGlobal && /^window_(start|end)$/.test(column.name)))
      .map(({ name, type, at }) => {
        const number = isNumber(type) && !groups.has(name);
        return {
          name, number, clip: !number, label: isTime(type) ? `${name} (UTC)` : name,
          value: (row) => sortable(row.values[at], number, type),
          text: (row) => cell(row.values[at], type),
          isNull: (row) => row.values[at] === null,
        };
      });
    const state = {
      name: "state", label: "state", value: (row) => (row.final ? 1 : 0), text: (row) => (row.final ? "final" : "open"),
      node: (row) => h("span", { class: `state-cell${row.final ? " final" : ""}`, text: row.final ? "final" : "open" }),
    };
    this.table.sort = { name: isGlobal ? (this.aggregates[0]?.name ?? "") : "window_start", down: true };
    this.table.setColumns([...values, state]);
  }
}

/** A name as SQL has it: `-` reads as `_`. */
export function sqlName(name) {
  return name.replaceAll("-", "_");
}

/** A labelled choice. */
export function select(label, options, chosen, onchange) {
  return h("label", { class: "field" }, label, h("select", { onchange }, ...options.map(([value, text]) => h("option", { value, text, selected: value === chosen }))));
}

/** What a column is sorted by: numbers and moments as numbers, which is quick, the rest as text. */
export function sortable(value, number, type) {
  if (value === null || value === undefined || typeof value === "bigint") return value;
  return number ? toNumber(value) : isTime(type) ? Date.parse(value) : value;
}
