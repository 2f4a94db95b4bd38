/** How late records come: a histogram on a logarithmic scale, the delay in force, the delay it recommends. */

import { get, pipelinePath } from "./api.js";
import { empty, h, loading, problemCallout, setAttribute, setText, svg } from "./elements.js";
import { count, duration, short } from "./format.js";
import { poll } from "./link.js";
import { Table } from "./table.js";

const HEIGHT = 268;
const TOP = 52;
const BOTTOM = 46;

export function showLateness(panel, { name, signal }) {
  const space = h("div", { class: "live" }, loading("the late-data histogram"));
  panel.replaceChildren(h("section", { class: "panel", "aria-label": "Late data" },
    h("div", { class: "panel-head" }, h("h2", { text: "How far records came behind the latest one" }), h("span", { class: "note", text: "counts on a logarithmic scale" })),
    h("div", { class: "panel-body" }, space)));
  let shown = null;
  poll((inner) => get(pipelinePath(name, "/lateness"), inner), {
    everySeconds: 3,
    signal,
    onProblem: (problem) => space.replaceChildren(problemCallout(problem, "The histogram")),
    onValue: (found) => {
      if (!found.records) {
        space.replaceChildren(empty("No records yet", "The histogram fills as records arrive."));
        shown = null;
        return;
      }
      shown ??= new Histogram(space);
      shown.show(found);
    },
  });
  return null;
}

class Histogram {
  #found = null;

  constructor(space) {
    this.sentence = h("p", { class: "advice" });
    this.svg = svg("svg", { class: "chart-svg", role: "img", height: HEIGHT });
    this.plot = h("div", { class: "chart-plot" }, this.svg);
    this.table = new Table({ caption: "Late-data histogram as a table", key: (row) => String(row.up_to_s) });
    this.table.setColumns([
      { name: "up_to_s", label: "at most this far behind", number: true, text: (row) => bound(row) },
      { name: "records", label: "records", number: true, text: (row) => count(row.records) },
      { name: "share", label: "records up to here", number: true, text: (row) => row.shareText },
    ]);
    this.late = h("span");
    this.inTime = h("span");
    const key = h("p", { class: "key" }, keyEntry("s1", this.inTime), keyEntry("s2", this.late));
    const details = h("details", { class: "as-table" }, h("summary", { text: "The same as a table" }), this.table.element);
    space.replaceChildren(this.sentence, this.plot, key, details);
    new ResizeObserver(() => this.#found && this.#draw()).observe(this.plot);
  }

  show(found) {
    this.#found = found;
    setText(this.sentence, found.sentence);
    setText(this.inTime, `within the delay: ${count(found.records - found.late)} records`);
    setText(this.late, `behind the watermark when they came: ${count(found.late)}`);
    let sum = 0;
    this.table.update(found.buckets.map((bucket) => {
      sum += bucket.records;
      return { ...bucket, shareText: percent(sum / found.records) };
    }));
    this.#draw();
  }

  #draw() {
    const { delay_s: delay, recommended_delay_s: advised } = this.#found;
    const buckets = this.#buckets();
    const width = this.plot.clientWidth;
    if (!width) return;
    const step = width / buckets.length;
    const bottom = HEIGHT - BOTTOM;
    const high = Math.log10(Math.max(...buckets.map((bucket) => bucket.records), 1) + 1);
    const parts = buckets.flatMap((bucket, at) => {
      const size = bucket.records ? Math.max(((bottom - TOP) * Math.log10(bucket.records + 1)) / high, 2) : 0;
      const look = at > 0 && buckets[at - 1].up_to_s >= delay ? "late-bar beyond" : "late-bar";
      const x = at * step;
      const isLabelled = step > 46 || at % Math.ceil(46 / step) === 0;
      return [
        svg("rect", { class: look, x: x + 1, y: bottom - size, width: Math.max(step - 2, 1), height: size }),
        bucket.records > 0 && step > 30 && svg("text", { class: "bar-label", x: x + step / 2, y: bottom - size - 4, "text-anchor": "middle", text: short(bucket.records) }),
        isLabelled && svg("text", { x: x + step / 2, y: bottom + 16, "text-anchor": "middle", text: bound(bucket) }),
      ].filter(Boolean);
    });
    parts.push(svg("line", { class: "axis", x1: 0, x2: width, y1: bottom, y2: bottom }));
    parts.push(svg("text", { x: width / 2, y: HEIGHT - 8, "text-anchor": "middle", text: "behind the greatest event time seen before, up to" }));
    const isAdvised = delay === advised;
    parts.push(...marker(this.#place(delay, step), width, TOP - 22, `delay ${duration(delay)}${isAdvised ? ", as recommended" : ""}`, `marker${isAdvised ? " advised" : ""}`));
    if (advised !== null && advised !== undefined && !isAdvised) parts.push(...marker(this.#place(advised, step), width, TOP - 38, `recommended ${duration(advised)}`, "marker advised"));
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${HEIGHT}`);
    setAttribute(this.svg, "aria-label", `Histogram of ${count(this.#found.records)} records. ${this.#found.sentence}`);
    this.svg.replaceChildren(...parts);
  }

  /** Buckets up to the last one that holds a record or a marker. */
  #buckets() {
    const { buckets, delay_s: delay, recommended_delay_s: advised } = this.#found;
    const reach = Math.max(delay ?? 0, advised ?? 0);
    const last = buckets.findLastIndex((bucket, at) => bucket.records > 0 || (at > 0 && buckets[at - 1].up_to_s < reach));
    return buckets.slice(0, Math.min(Math.max(last + 2, 6), buckets.length));
  }

  /** Where a delay lies among the buckets: the part of a bucket by the logarithm. */
  #place(seconds, step) {
    const buckets = this.#buckets();
    let low = 0;
    for (let at = 0; at < buckets.length; at += 1) {
      const high = buckets[at].up_to_s;
      if (high === null || seconds <= high) {
        const part = high === null || seconds <= low ? 0 : low > 0 ? Math.log(seconds / low) / Math.log(high / low) : seconds / high || 0;
        return (at + Math.min(Math.max(part, 0), 1)) * step;
      }
      low = high;
    }
    return buckets.length * step;
  }
}

function marker(x, width, y, text, look) {
  const place = Math.min(Math.max(x, 1), width - 1);
  const isRight = place > width * 0.7;
  return [
    svg("line", { class: look, x1: place, x2: place, y1: y - 8, y2: HEIGHT - BOTTOM }),
    svg("text", { class: "marker-label", x: place + (isRight ? -6 : 6), y, "text-anchor": isRight ? "end" : "start", text }),
  ];
}

function keyEntry(look, text) {
  return h("span", {}, h("span", { class: `swatch ${look}`, "aria-hidden": "true" }), text);
}

function bound(bucket) {
  return bucket.up_to_s === null ? "more" : duration(bucket.up_to_s);
}

function percent(part) {
  const text = (100 * part).toFixed(3);
  return `${part < 1 && text === "100.000" ? "99.999" : text} %`;
}
