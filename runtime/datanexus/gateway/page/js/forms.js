/**
 * The charts of views whose windows are no steps in time: sessions as spans in a lane for each group, and a global
 * view's groups as ranked bars. Both say in words what they leave out.
 */

import { h, setAttribute, setText, svg } from "./elements.js";
import { numeric, plural, short } from "./format.js";
import { spanText, timeTicks } from "./scales.js";

const LANE = 22;
const NAME_MAX = 22; // characters

/** Sessions over time, a lane for each group; the stronger the colour the greater the value. */
export class Lanes {
  #model = null;
  #frame = 0;

  constructor({ label }) {
    this.svg = svg("svg", { class: "chart-svg lanes", role: "img", "aria-label": label });
    this.plot = h("div", { class: "chart-plot" }, this.svg);
    this.note = h("p", { class: "chart-reading" });
    this.element = h("div", { class: "chart" }, this.plot, this.note);
    new ResizeObserver(() => this.#schedule()).observe(this.plot);
  }

  draw(model, aggregateName) {
    this.#model = model;
    this.aggregateName = aggregateName;
    this.#schedule();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#model && this.plot.clientWidth) this.#render();
    });
  }

  #render() {
    const { lanes, left } = this.#model;
    const width = this.plot.clientWidth;
    const spans = lanes.flatMap((lane) => lane.spans);
    const first = Math.min(...spans.map((span) => span.start));
    const last = Math.max(...spans.map((span) => span.end), first + 1);
    const high = Math.max(...spans.map((span) => span.value ?? 0), 1e-9);
    const longest = Math.min(Math.max(...lanes.map((lane) => lane.name.length)), NAME_MAX);
    const nameWidth = Math.min(longest * 7 + 14, width * 0.38);
    const x = (at) => nameWidth + ((width - nameWidth - 10) * (at - first)) / (last - first);
    const bottom = lanes.length * LANE + 6;
    const parts = [];
    for (const { at, label } of timeTicks(first, last, Math.max(2, Math.floor((width - nameWidth) / 80)))) {
      parts.push(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: bottom }));
      if (x(at) < width - 20) parts.push(svg("text", { x: x(at), y: bottom + 15, "text-anchor": "middle", text: label }));
    }
    lanes.forEach((lane, row) => {
      const y = row * LANE + 6;
      const name = lane.name.length > NAME_MAX ? `${lane.name.slice(0, NAME_MAX - 1)}…` : lane.name;
      parts.push(svg("text", { class: "name", x: nameWidth - 10, y: y + 11, "text-anchor": "end", text: name }));
      for (const span of lane.spans) {
        const bar = svg("rect", { class: `span s1${span.final ? "" : " open"}`, x: x(span.start), y, width: Math.max(x(span.end) - x(span.start), 2), height: LANE - 8, rx: 2 });
        if (span.final) bar.style.fill = `color-mix(in srgb, var(--s1) ${(30 + (70 * Math.max(span.value ?? 0, 0)) / high).toFixed(0)}%, var(--surface))`;
        bar.append(svg("title", { text: `${lane.name}: ${spanText(span.start, span.end)}, ${this.aggregateName} ${numeric(span.value ?? 0)}` }));
        parts.push(bar);
      }
    });
    setAttribute(this.svg, "height", bottom + 22);
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${bottom + 22}`);
    this.svg.replaceChildren(...parts);
    const rest = left ? ` ${plural(left, "more group is", "more groups are")} in the table.` : "";
    setText(this.note, `${plural(spans.length, "session")} of ${plural(lanes.length, "group")}, ${spanText(first, last)} UTC; stronger colour: greater ${this.aggregateName} (up to ${short(high)}). Outlined: open.${rest}`);
  }
}

/** Groups of a global view, greatest first. */
export class Ranked {
  constructor({ label }) {
    this.list = h("div", { class: "ranked", role: "list", "aria-label": label });
    this.note = h("p", { class: "chart-reading" });
    this.element = h("div", { class: "chart" }, this.list, this.note);
    this.rows = [];
  }

  draw({ entries, left }) {
    const high = Math.max(...entries.map((entry) => entry.value), 1e-9);
    while (this.rows.length > entries.length) this.rows.pop().remove();
    entries.forEach((entry, at) => {
      const row = this.rows[at] ?? this.#row();
      const [name, track, amount] = row.children;
      setText(name, entry.name);
      setAttribute(name, "title", entry.name);
      track.firstChild.style.width = `${Math.max(0, (100 * entry.value) / high).toFixed(2)}%`;
      setText(amount, numeric(entry.value));
    });
    setText(this.note, left ? `${plural(left, "more group")} in the table.` : "");
  }

  #row() {
    const track = h("span", { class: "track", "aria-hidden": "true" }, h("i"));
    const row = h("div", { class: "ranked-row", role: "listitem" }, h("span", { class: "name" }), track, h("span", { class: "amount" }));
    this.list.append(row);
    this.rows.push(row);
    return row;
  }
}
