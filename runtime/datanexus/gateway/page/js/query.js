/** A box for SQL over the results, and what it answers. */

import { get, post, problemOf } from "./api.js";
import { empty, h, problemCallout, say } from "./elements.js";
import { cell, count, isNumber, isTime, plural } from "./format.js";
import { sortable, sqlName } from "./results.js";
import { Table } from "./table.js";

const ROWS_MAX = 1000;
const ANSWER_SECONDS = 120;

export function showQuery(content, { signal, parameters }) {
  const page = new QueryPage(content, signal);
  const sql = parameters.get("sql");
  if (sql) {
    page.box.value = sql;
    page.run();
  }
  return page.heading;
}

class QueryPage {
  constructor(content, signal) {
    this.signal = signal;
    this.heading = h("h1", { text: "Query", tabindex: "-1" });
    this.box = h("textarea", { id: "sql", rows: "6", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": "sql-hint", onkeydown: (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.run();
    } });
    this.start = h("button", { type: "button", class: "button main", text: "Run", onclick: () => this.run() });
    this.save = h("button", { type: "button", class: "button", text: "Download as CSV", onclick: () => this.#download() });
    this.tables = h("div", { class: "chips" });
    this.answer = h("div", {}, empty("No query yet", "Choose a view above, or write SQL as PostgreSQL reads it."));
    content.replaceChildren(
      h("div", { class: "page-head" }, this.heading, h("span", { class: "note", text: "ad hoc SQL over the results of all pipelines" })),
      h("div", { class: "split" },
        h("section", { class: "panel", "aria-label": "Statement" }, h("div", { class: "panel-body stack" },
          this.tables,
          h("div", {}, h("label", { class: "block", for: "sql", text: "SQL" }), this.box),
          h("div", { class: "actions" }, this.start, this.save, h("span", { class: "note", id: "sql-hint", text: `Ctrl+Enter runs it. The page shows the first ${count(ROWS_MAX)} rows.` })))),
        h("section", { class: "panel", "aria-label": "Answer" }, this.answer)));
    this.#listTables();
  }

  async run() {
    const sql = this.box.value.trim();
    if (!sql) {
      this.box.focus();
      return;
    }
    history.replaceState(null, "", `#/query?sql=${encodeURIComponent(sql)}`);
    this.start.disabled = true;
    const began = performance.now();
    try {
      const found = await post("v1/query", { sql, limit: ROWS_MAX }, this.signal, ANSWER_SECONDS);
      this.#show(found, performance.now() - began);
    } catch (problem) {
      if (this.signal.aborted) return;
      this.answer.replaceChildren(h("div", { class: "panel-body" }, problemCallout(problem, "The query")));
      say(`The query failed. ${problem.message}`);
    }
    this.start.disabled = false;
  }

  #show({ columns, rows, truncated }, tookMs) {
    if (!columns.length) {
      this.answer.replaceChildren(empty("Done", "The statement gives no columns."));
      return;
    }
    const table = new Table({ caption: "Answer of the query", key: (row) => row.key });
    table.setColumns(columns.map(({ name, type }, at) => {
      const number = isNumber(type);
      return {
        name: `${at}`, number, clip: !number, label: isTime(type) ? `${name} (UTC)` : name,
        value: (row) => sortable(row.values[at], number, type),
        text: (row) => cell(row.values[at], type),
        isNull: (row) => row.values[at] === null,
      };
    }));
    const note = `${truncated ? "There are more; the page shows the first ones. " : ""}Answered in ${Math.max(1, Math.round(tookMs))} ms.`;
    table.update(rows.map((values, key) => ({ key, values })), new Set(), note);
    this.answer.replaceChildren(table.element);
    say(`The query gave ${plural(rows.length, "row")}.`);
  }

  async #listTables() {
    const { pipelines } = await get("v1/pipelines", this.signal).catch(() => ({ pipelines: [] }));
    const views = pipelines.flatMap((pipeline) => pipeline.views.map((view) => `${sqlName(pipeline.name)}.${sqlName(view.name)}`));
    const take = (table) => {
      this.box.value = `SELECT * FROM ${table} LIMIT 100`;
      this.run();
    };
    this.tables.replaceChildren(...(views.length ? [h("span", { class: "note chips-label", text: "Views:" })] : []),
      ...views.slice(0, 24).map((table) => h("button", { type: "button", class: "chip mono", text: table, onclick: () => take(table) })));
  }

  async #download() {
    const sql = this.box.value.trim();
    if (!sql) {
      this.box.focus();
      return;
    }
    try {
      const headers = { Accept: "text/csv", "Content-Type": "application/json" };
      const answer = await fetch("v1/query", { method: "POST", headers, body: JSON.stringify({ sql }), signal: this.signal });
      if (!answer.ok) throw await problemOf(answer);
      const address = URL.createObjectURL(await answer.blob());
      const anchor = h("a", { href: address, download: "query.csv" });
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      say("The answer is saved as query.csv.");
    } catch (problem) {
      if (!this.signal.aborted) this.answer.replaceChildren(h("div", { class: "panel-body" }, problemCallout(problem, "The download")));
    }
  }
}
