/**
 * A chart of windows over time: lines, or bars that stand on each other. One series a group; windows that are not final
 * are shaded and drawn dashed or hollow. Redrawn at most once a frame; what it draws is bounded by its model.
 *
 * It reads like a slider: arrow keys, Home and End walk over the windows, and the legend shows each series' value there.
 */

import { h, setAttribute, setText, svg } from "./elements.js";
import { numeric, short } from "./format.js";
import { spanText, timeTicks, valueTicks } from "./scales.js";

const TOP = 14;
const BOTTOM = 24;
const RIGHT = 14;
const SLOTS_MIN = 12; // fewer windows stand at the right, not as broad slabs
const CHARACTER = 6.7; // width of a digit of the axis' font
const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };

export class TimeChart {
  #model = null;
  #form = "lines";
  #cursor = null; // start of the window that is read, or null: the latest
  #spoken = undefined; // the cursor that a screen reader was told
  #chosen = null; // name of the series that is stressed
  #frame = 0;
  #geometry = null;

  constructor({ label, height, small = false }) {
    this.label = label;
    this.height = height;
    this.small = small;
    this.svg = svg("svg", { class: "chart-svg", "aria-hidden": "true", height });
    this.plot = h("div", { class: "chart-plot", tabindex: "0", role: "slider", "aria-orientation": "horizontal", "aria-label": label });
    this.plot.style.minHeight = `${height}px`;
    this.plot.append(this.svg);
    this.reading = h("p", { class: "chart-reading" });
    this.legend = h("div", { class: "legend", role: "group", "aria-label": "Groups drawn; choose one to stress it" });
    this.element = h("div", { class: "chart" }, this.plot, this.reading, this.legend);
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#moveTo(null));
    this.#watchSize();
  }

  /** Show a model of series.timeSeries(). */
  draw(model, form) {
    this.#model = model;
    this.#form = form;
    if (this.#cursor !== null && !model.starts.includes(this.#cursor)) this.#cursor = null;
    this.#schedule();
  }

  #watchSize() {
    new ResizeObserver(() => this.#schedule()).observe(this.plot);
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#model && this.plot.clientWidth) this.#render();
    });
  }

  #render() {
    const model = this.#model;
    const width = this.plot.clientWidth;
    const scale = this.#valueScale(model);
    const left = Math.max(...scale.ticks.map((tick) => short(tick).length)) * CHARACTER + 12;
    const step = model.starts.length > 1 ? model.starts[1] - model.starts[0] : Math.max(model.ends[0] - model.starts[0], 1);
    const last = model.starts.at(-1) + (this.#form === "bars" ? step : 0);
    const first = Math.min(model.starts[0], last - SLOTS_MIN * step);
    const span = last - first;
    const inner = width - left - RIGHT;
    const bottom = this.height - BOTTOM;
    this.#geometry = {
      first, left, right: width - RIGHT, bottom, step: (inner * step) / span,
      x: (at) => left + (inner * (at - first)) / span,
      y: (value) => bottom - ((bottom - TOP) * (value - scale.low)) / (scale.high - scale.low),
    };
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${this.height}`);
    const marks = this.#form === "bars" ? this.#bars(model) : this.#lines(model);
    this.svg.replaceChildren(this.#openGround(model), ...this.#axes(model, scale, last, inner), ...marks, this.#zero(scale), this.#cross(model));
    this.#read(model);
  }

  #valueScale(model) {
    let high = -Infinity;
    let low = Infinity;
    for (let at = 0; at < model.starts.length; at += 1) {
      const values = model.series.map((one) => one.values[at]).filter((value) => value !== null);
      if (!values.length) continue;
      const stacked = this.#form === "bars" && model.isSummable;
      high = Math.max(high, stacked ? values.reduce((sum, value) => sum + Math.max(value, 0), 0) : Math.max(...values));
      low = Math.min(low, ...values);
    }
    if (high === -Infinity) [low, high] = [0, 1];
    const fromZero = this.#form === "bars" || model.isSummable || (low >= 0 && low < high * 0.6);
    return valueTicks(fromZero ? Math.min(low, 0) : low, fromZero ? Math.max(high, 0) : high, this.small ? 3 : 4);
  }

  #axes(model, scale, last, inner) {
    const { first, left, right, bottom, x, y } = this.#geometry;
    const parts = scale.ticks.flatMap((tick) => [
      svg("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end", text: short(tick) }),
    ]);
    const ticks = timeTicks(first, last, Math.max(2, Math.floor(inner / 74)));
    for (const { at, label } of ticks) {
      const place = x(at);
      if (place > right - 12 || place < left + 2) continue;
      parts.push(svg("line", { class: "axis", x1: place, x2: place, y1: bottom, y2: bottom + 4 }));
      parts.push(svg("text", { x: place, y: bottom + 17, "text-anchor": "middle", text: label }));
    }
    return parts;
  }

  /** The line of zero lies over the feet of the bars. */
  #zero(scale) {
    const { left, right, y } = this.#geometry;
    if (!scale.ticks.includes(0)) return svg("g");
    return svg("line", { class: "axis", x1: left, x2: right, y1: y(0), y2: y(0) });
  }

  #openGround(model) {
    const { x, right, bottom, step } = this.#geometry;
    if (model.firstOpen >= model.starts.length) return svg("g");
    const from = Math.min(x(model.starts[model.firstOpen]), right) - (this.#form === "lines" ? Math.min(step / 2, 20) : 0);
    const wide = Math.max(right - from, 3);
    return svg("g", {},
      svg("rect", { class: "open-ground", x: from, y: TOP - 12, width: wide, height: bottom - TOP + 12 }),
      wide > 34 && svg("text", { class: "open-label", x: right - 4, y: TOP - 2, "text-anchor": "end", text: "open" }));
  }

  #lines(model) {
    const { x, y } = this.#geometry;
    const parts = [];
    for (const one of [...model.series].reverse()) {
      const look = `${kind(one)}${this.#mutes(one)}`;
      const place = (at) => `${x(model.starts[at]).toFixed(1)} ${y(one.values[at]).toFixed(1)}`;
      const closed = path(one.values, 0, model.firstOpen, place);
      const open = path(one.values, Math.max(model.firstOpen - 1, 0), model.starts.length, place);
      if (closed) parts.push(svg("path", { class: `line ${look}`, d: closed }));
      if (open && model.firstOpen < model.starts.length) parts.push(svg("path", { class: `line open ${look}`, d: open }));
      for (const at of alone(one.values)) parts.push(svg("circle", { class: `point ${look}`, cx: x(model.starts[at]), cy: y(one.values[at]), r: 3 }));
    }
    return parts;
  }

  #bars(model) {
    const { x, y, step } = this.#geometry;
    const gap = step > 6 ? Math.min(step * 0.18, 6) : 0.5;
    const parts = [];
    for (let at = 0; at < model.starts.length; at += 1) {
      let under = 0;
      const beside = model.isSummable ? 1 : Math.max(model.series.length, 1);
      const wide = Math.max((step - gap) / beside, 0.8);
      model.series.forEach((one, index) => {
        const value = one.values[at];
        if (value === null || value === 0) return;
        const from = model.isSummable ? under : 0;
        const [topY, bottomY] = [y(Math.max(from + value, from)), y(Math.min(from + value, from))];
        under = from + value;
        const look = `bar ${kind(one)}${at >= model.firstOpen ? " open" : ""}${this.#mutes(one)}`;
        const place = x(model.starts[at]) + gap / 2 + (model.isSummable ? 0 : index * wide);
        parts.push(svg("rect", { class: look, x: place.toFixed(1), y: topY.toFixed(1), width: wide.toFixed(1), height: Math.max(bottomY - topY, 0.75).toFixed(1) }));
      });
    }
    return parts;
  }

  #mutes(one) {
    const isThere = this.#model.series.some((other) => other.name === this.#chosen);
    return isThere && this.#chosen !== one.name ? " muted" : "";
  }

  #cross(model) {
    if (this.#cursor === null) return svg("g");
    const { x, bottom, step } = this.#geometry;
    const place = x(this.#cursor) + (this.#form === "bars" ? step / 2 : 0);
    return svg("line", { class: "cross", x1: place, x2: place, y1: TOP - 6, y2: bottom });
  }

  #read(model) {
    const at = this.#at();
    const window = spanText(model.starts[at], model.ends[at]);
    const state = at >= model.firstOpen ? "open" : "final";
    const lead = this.#cursor === null ? "Latest window" : "Window";
    if (this.reading.childElementCount === 0) this.reading.append(h("span"), h("b"), h("span"));
    const [before, middle, after] = this.reading.children;
    setText(before, `${lead} `);
    setText(middle, window);
    setText(after, ` UTC, ${state === "open" && !this.small ? "open: late records may still change it" : state}`);
    this.#legend(model, at);
    // Figures that tick under the focus are not read out each time, only what the reader went to.
    if (document.activeElement === this.plot && this.#spoken === this.#cursor) return;
    this.#spoken = this.#cursor;
    setAttribute(this.plot, "aria-valuemin", 0);
    setAttribute(this.plot, "aria-valuemax", Math.max(model.starts.length - 1, 0));
    setAttribute(this.plot, "aria-valuenow", at);
    const spoken = model.series.map((one) => `${one.name} ${valueText(one.values[at])}`).join(", ");
    setAttribute(this.plot, "aria-valuetext", `${window} UTC, ${state}: ${spoken}`);
  }

  #legend(model, at) {
    while (this.legend.children.length > model.series.length) this.legend.lastChild.remove();
    model.series.forEach((one, index) => {
      const entry = this.legend.children[index] ?? this.legend.appendChild(this.#legendEntry());
      entry.dataset.name = one.name;
      const [swatch, name, value] = entry.children;
      setAttribute(swatch, "class", `swatch ${kind(one)}`);
      setText(name, one.name);
      setText(value, valueText(one.values[at]));
      setAttribute(entry, "aria-pressed", one.name === this.#chosen ? "true" : "false");
    });
  }

  #legendEntry() {
    const choose = (event) => {
      const name = event.currentTarget.dataset.name;
      this.#chosen = this.#chosen === name ? null : name;
      this.#schedule();
    };
    return h("button", { type: "button", onclick: choose }, h("span", { "aria-hidden": "true" }), h("span", { class: "name" }), h("span", { class: "value" }));
  }

  #key(event) {
    const length = this.#model?.starts.length ?? 0;
    if (!length) return;
    const starts = this.#model.starts;
    if (event.key in KEYS) this.#moveTo(starts[Math.min(Math.max(this.#at() + KEYS[event.key], 0), length - 1)]);
    else if (event.key === "Home") this.#moveTo(starts[0]);
    else if (event.key === "End") this.#moveTo(starts.at(-1));
    else if (event.key === "Escape") this.#moveTo(null);
    else return;
    event.preventDefault();
  }

  #point(event) {
    if (!this.#model?.starts.length || !this.#geometry) return;
    const place = event.clientX - this.plot.getBoundingClientRect().left;
    const shift = this.#form === "bars" ? this.#geometry.step / 2 : 0;
    const distance = this.#model.starts.map((start) => Math.abs(this.#geometry.x(start) + shift - place));
    this.#moveTo(this.#model.starts[distance.indexOf(Math.min(...distance))]);
  }

  /** The index of the window that is read. */
  #at() {
    const { starts } = this.#model;
    return this.#cursor === null ? starts.length - 1 : starts.indexOf(this.#cursor);
  }

  #moveTo(cursor) {
    if (cursor === this.#cursor) return;
    this.#cursor = cursor;
    this.#schedule();
  }
}

/** A small line of the last values of one figure; no axis, hidden from screen readers as its figure stands beside it. */
export class Spark {
  #values = [];

  constructor(valuesMax = 120) {
    this.valuesMax = valuesMax;
    this.under = svg("path", { class: "under" });
    this.line = svg("path");
    this.element = svg("svg", { class: "spark", viewBox: `0 0 ${valuesMax - 1} 18`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.under, this.line);
  }

  /** One more value; false while there is nothing to see: too few, or nothing but zeros. */
  push(value) {
    this.#values.push(value ?? 0);
    if (this.#values.length > this.valuesMax) this.#values.shift();
    if (this.#values.length < 3 || !this.#values.some(Boolean)) return false;
    const high = Math.max(...this.#values, 1e-9);
    const from = this.valuesMax - this.#values.length;
    const points = this.#values.map((one, at) => `${from + at} ${(17 - (15.5 * one) / high).toFixed(1)}`);
    const line = `M${points.join("L")}`;
    setAttribute(this.line, "d", line);
    setAttribute(this.under, "d", `${line}V18H${from}Z`);
    return true;
  }
}

function kind(one) {
  return one.slot ? `s${one.slot}` : "rest";
}

function valueText(value) {
  return value === null || value === undefined ? "–" : Math.abs(value) >= 1e6 ? short(value) : numeric(value);
}

function path(values, from, to, place) {
  let text = "";
  let isDown = false;
  for (let at = from; at < to; at += 1) {
    if (values[at] === null) isDown = false;
    else {
      text += `${isDown ? "L" : "M"}${place(at)}`;
      isDown = true;
    }
  }
  return text;
}

/** Values with a gap on both sides: a line would not show them. */
function alone(values) {
  return values.map((value, at) => at).filter((at) => values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);
}
