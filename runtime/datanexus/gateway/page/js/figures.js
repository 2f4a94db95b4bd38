/** The strip of figures of a pipeline: each keeps its place and size, only its text ticks. */

import { Spark } from "./chart.js";
import { h, setAttribute, setText } from "./elements.js";
import { bytes, clock, count, duration, short } from "./format.js";

/** One figure: a name, a value, a note below; with a spark line if `spark`. */
class Figure {
  constructor(name, { spark = false, wide = false } = {}) {
    this.unit = h("small");
    this.text = document.createTextNode("–");
    this.note = h("span");
    this.spark = spark ? new Spark() : null;
    this.value = h("dd", { class: "figure-value" }, this.text, this.unit);
    const below = h("dd", { class: "figure-note" }, this.note, this.spark?.element);
    this.element = h("div", { class: `figure${wide ? " wide" : ""}` }, h("dt", { text: name }), this.value, below);
  }

  show(value, unit = "", note = "", level = "") {
    if (this.text.data !== value) this.text.data = value;
    setText(this.unit, unit ? ` ${unit}` : "");
    setText(this.note, note);
    setAttribute(this.note, "title", note || null);
    setAttribute(this.value, "class", `figure-value${level ? ` ${level}` : ""}`);
    setAttribute(this.value, "title", value.length > 12 ? value : null);
  }

  /** A line of the last values takes the note's place, unless it would be flat at zero. */
  trace(value) {
    const isShown = this.spark.push(value);
    this.spark.element.classList.toggle("none", !isShown);
    this.note.hidden = isShown;
  }
}

/** The figures of one pipeline. `all`: those of its own page, else the few for the overview. */
export class PipelineFigures {
  constructor({ all }) {
    this.isWide = all;
    this.in = new Figure("Records in", { spark: true });
    this.quarantined = new Figure("Quarantined");
    this.lag = new Figure("Behind now");
    this.watermark = new Figure("Watermark, UTC", { wide: all });
    this.passed = new Figure("Passed");
    this.state = new Figure("State");
    this.cut = new Figure("Last cut");
    const shown = all
      ? [this.in, this.passed, this.quarantined, this.lag, this.watermark, this.state, this.cut]
      : [this.in, this.quarantined, this.lag, this.watermark];
    this.element = h("dl", { class: `figures has-holder live ${all ? "all" : "few"}` }, ...shown.map((figure) => figure.element));
    this.holderName = h("b");
    this.holderText = document.createTextNode("");
    this.holder = h("p", { class: "holder" }, h("span", { class: all ? "" : "one-line" }, this.holderName, this.holderText));
  }

  show(status) {
    const { rates, counters } = status;
    this.in.show(short(rates.in_per_s), "/s", `${count(counters.in ?? 0)} so far`);
    this.in.trace(rates.in_per_s);
    this.passed.show(short(rates.passed_per_s), "/s", `${count(counters.passed ?? 0)} of ${count(counters.in ?? 0)}`);
    const bad = counters.quarantined ?? 0;
    this.quarantined.show(short(bad), "", bad ? `${share(bad, counters.in)}, ${short(rates.quarantined_per_s)}/s now` : "none so far", bad ? "warn" : "");
    this.#lag(status);
    this.#watermark(status);
    this.state.show(bytes(status.state_bytes), "", !status.log_bytes ? "" : `log ${bytes(status.log_bytes)}`);
    this.cut.show(status.cut_ms === null || status.cut_ms === undefined ? "–" : short(Math.round(status.cut_ms * 10) / 10), "ms", `cut ${count(status.seq)}`);
    setText(this.holderName, status.holder ? `Watermark held by ${status.holder}` : "Watermark");
    const reason = status.watermark_reason || "no record has moved it yet";
    const text = `: ${status.holder && /^(is|has|was)\b/.test(reason) ? "it " : ""}${reason}`;
    if (this.holderText.data !== text) this.holderText.data = text;
    setAttribute(this.holder, "title", `${this.holderName.textContent}${text}`);
  }

  #lag(status) {
    const splits = status.sources.flatMap((source) => source.splits);
    const isAtEnd = splits.length > 0 && splits.every((split) => split.status === "finished");
    const isQuiet = splits.length > 0 && splits.every((split) => split.status !== "active");
    const input = isAtEnd ? "input at its end" : isQuiet ? "input is quiet" : "";
    if (status.lag_s === null || status.lag_s === undefined) this.lag.show("–", "", "no record yet");
    else if (status.lag_s > 86_400) this.lag.show(duration(status.lag_s), "", input || "old data");
    else this.lag.show(duration(status.lag_s), "", input || "of event time", status.lag_s > 3600 ? "warn" : "");
  }

  #watermark(status) {
    const text = status.watermark;
    if (!text) this.watermark.show("–", "", "no record yet");
    else if (this.isWide) this.watermark.show(`${text.slice(0, 10)} ${clock(text)}`, "", "nothing before it is expected");
    else this.watermark.show(clock(text), "", text.slice(0, 10));
  }
}

function share(part, whole) {
  if (!whole) return "0 %";
  const percent = (100 * part) / whole;
  return percent < 0.01 ? "< 0.01 %" : `${percent.toFixed(percent < 1 ? 2 : 1)} %`;
}
