/**
 * All pipelines side by side: figures, who holds the watermark, and the first view's latest windows.
 *
 * Charts read a view's snapshot again when the pipeline made a cut since, never a steady stream each: a browser has six
 * connections to a server. The slower a snapshot comes, the rarer it is asked for (a twentieth of the time at most).
 */

import { get, Problem } from "./api.js";
import { TimeChart } from "./chart.js";
import { empty, h, loading, problemCallout, setAttribute, setText } from "./elements.js";
import { PipelineFigures } from "./figures.js";
import { Lanes, Ranked } from "./forms.js";
import { short } from "./format.js";
import { link, pause, poll } from "./link.js";
import { livePath, snapshot } from "./live.js";
import { Rows } from "./rows.js";
import { drawable, isSummable, lanes, ranking, Slots, timeSeries, windowKind } from "./series.js";

const WINDOWS = 36;
const PAUSE_SECONDS = 2;

export function showOverview(content, { signal }) {
  const note = h("span", { class: "note" });
  const grid = h("div", { class: "columns" }, loading("the pipelines"));
  const trouble = h("div");
  const heading = h("h1", { text: "Pipelines", tabindex: "-1" });
  content.replaceChildren(h("div", { class: "page-head" }, heading, note), trouble, grid);
  const panels = new Map();
  poll((inner) => get("v1/pipelines", inner), {
    everySeconds: 1,
    signal,
    onProblem: (problem) => trouble.replaceChildren(problemCallout(problem, "The list of pipelines")),
    onValue: ({ pipelines }) => {
      trouble.replaceChildren();
      arrange(grid, panels, pipelines, signal);
      const running = pipelines.filter((status) => status.state === "running").length;
      const rate = pipelines.reduce((sum, status) => sum + (status.rates?.in_per_s ?? 0), 0);
      setText(note, pipelines.length ? `${running} of ${pipelines.length} running, ${short(rate)} records/s in` : "");
    },
  });
  return heading;
}

function arrange(grid, panels, pipelines, signal) {
  const names = pipelines.map((status) => status.name);
  const isSame = names.length === panels.size && names.every((name) => panels.has(name));
  for (const [name, panel] of panels) if (!names.includes(name)) {
    panel.close();
    panels.delete(name);
  }
  for (const status of pipelines) {
    if (!panels.has(status.name)) panels.set(status.name, new Panel(status, signal));
    panels.get(status.name).show(status);
  }
  if (!names.length) grid.replaceChildren(empty("No pipeline is served", "Start with one or more pipeline files.", "datanexus up pipeline.yaml"));
  else if (!isSame || grid.childElementCount !== names.length) grid.replaceChildren(...names.map((name) => panels.get(name).element));
}

/** One pipeline. */
class Panel {
  #seq = null;
  #slots = new Slots();

  constructor(status, signal) {
    this.ending = new AbortController();
    signal.addEventListener("abort", () => this.close());
    this.figures = new PipelineFigures({ all: false });
    this.badge = h("span", { class: "badge" });
    this.trouble = h("div", { class: "panel-trouble" });
    this.chartTitle = h("h3");
    this.chartNote = h("span", { class: "note" });
    this.space = h("div", { class: "live chart-space" }, loading("the latest windows"));
    const address = `#/p/${encodeURIComponent(status.name)}`;
    this.file = h("span", { class: "note push one-line" });
    this.element = h("section", { class: "panel", "aria-label": `Pipeline ${status.name}` },
      h("div", { class: "panel-head" }, h("h2", {}, h("a", { class: "row-link", href: address, text: status.name })), this.badge, this.file),
      this.figures.element, this.figures.holder, this.trouble,
      h("div", { class: "panel-body" }, h("p", { class: "chart-head" }, this.chartTitle, this.chartNote), this.space));
    this.status = status;
    this.#keepChart();
  }

  close() {
    this.ending.abort();
  }

  show(status) {
    this.status = status;
    setText(this.badge, status.state);
    setAttribute(this.badge, "data-state", status.state);
    setText(this.file, fileName(status.file));
    setAttribute(this.file, "title", status.file);
    this.figures.show(status);
    const told = status.error ? `Failed: ${status.error}` : status.refused ? "A change of its file was refused." : "";
    if (told !== this.trouble.dataset.told) {
      this.trouble.dataset.told = told;
      this.trouble.replaceChildren(...(told ? [h("p", { class: "callout", "data-kind": status.error ? "bad" : "warn", text: told })] : []));
    }
  }

  async #keepChart() {
    const signal = this.ending.signal;
    while (!signal.aborted) {
      const began = performance.now();
      const view = this.status.views[0];
      let wait = PAUSE_SECONDS;
      if (view && !document.hidden && link.state !== "lost" && (this.status.seq !== this.#seq || !this.chart)) {
        wait = await this.#readChart(view, signal, began);
      }
      await pause(wait, signal);
    }
  }

  async #readChart(view, signal, began) {
    const seq = this.status.seq;
    try {
      const read = await snapshot(livePath(this.status.name, view.name, WINDOWS), signal);
      if (read === null) return PAUSE_SECONDS;
      const rows = new Rows(view.final_offset_s);
      rows.takeSnapshot(read);
      this.#seq = seq;
      this.#draw(view, rows);
      return Math.max(PAUSE_SECONDS, (20 * (performance.now() - began)) / 1000);
    } catch (error) {
      if (signal.aborted) return 0;
      if (error instanceof Problem && !this.chart) this.space.replaceChildren(problemCallout(error, "The chart"));
      return 5;
    }
  }

  #draw(view, rows) {
    const aggregate = drawable(view)[0];
    const list = rows.list();
    if (!list.length || !aggregate) {
      const why = aggregate ? "A window appears when the watermark has passed its end." : "No aggregate of this view is a number.";
      this.space.replaceChildren(empty(aggregate ? "No windows yet" : "Nothing to draw", why));
      this.chart = null;
      return;
    }
    const kind = windowKind(view);
    const groups = view.group_by.map((name) => rows.indexOf(name));
    const at = rows.indexOf(aggregate.name);
    setText(this.chartTitle, `${aggregate.name}${groups.length ? ` by ${view.group_by.join(", ")}` : ""}`);
    setText(this.chartNote, `view ${view.name}, ${view.window}`);
    if (!this.chart || this.kind !== kind || this.viewName !== view.name) this.#newChart(kind, view);
    if (kind === "global") this.chart.draw(ranking(list, { groups, aggregate: at, rowsMax: 8 }));
    else if (kind === "session") this.chart.draw(lanes(list, { groups, aggregate: at, lanesMax: 8, spansMax: 400 }), aggregate.name);
    else {
      const model = timeSeries(list, { groups, aggregate: at, windowsMax: WINDOWS, summable: isSummable(aggregate), slots: this.#slots });
      this.chart.draw(model, isSummable(aggregate) ? "bars" : "lines");
    }
  }

  #newChart(kind, view) {
    const label = `Latest windows of view ${view.name} of ${this.status.name}`;
    this.kind = kind;
    this.viewName = view.name;
    this.chart = kind === "global" ? new Ranked({ label }) : kind === "session" ? new Lanes({ label }) : new TimeChart({ label, height: 190, small: true });
    this.space.replaceChildren(this.chart.element);
  }
}

/** A file's name without its folders. */
export function fileName(path) {
  return (path ?? "").split("/").at(-1);
}

