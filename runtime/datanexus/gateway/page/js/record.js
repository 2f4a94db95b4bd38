/** One quarantined record: why, from where, its bytes as text and as hex, a box to fix it, dry run, replay, purge. */

import { pipelinePath, post } from "./api.js";
import { ask } from "./dialog.js";
import { callout, h, problemCallout } from "./elements.js";
import { bytes, count, hexDump, moment, plural } from "./format.js";

const COUNTED = [["passed", "passed"], ["filtered", "filtered"], ["duplicate", "dropped as repeats"], ["late", "too late for a window"], ["unassigned", "without a window"]];

let last = 0;

export class RecordDetail {
  constructor({ name, entry, close, changed }) {
    Object.assign(this, { name, entry, changed });
    last += 1;
    const boxId = `fix-${last}`;
    const data = decoded(entry.raw_base64);
    this.heading = h("h2", { text: `Record ${entry.id}`, tabindex: "-1" });
    this.box = h("textarea", { id: boxId, rows: "5", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": `${boxId}-hint` });
    this.box.value = entry.raw ?? "";
    this.told = h("div", { role: "status" });
    this.buttons = [
      h("button", { type: "button", class: "button", text: "Dry run", onclick: () => this.#replay(true) }),
      h("button", { type: "button", class: "button main", text: "Replay", onclick: () => this.#replay(false) }),
      h("button", { type: "button", class: "button", text: "Undo edits", onclick: () => { this.box.value = entry.raw ?? ""; this.box.focus(); } }),
      h("button", { type: "button", class: "button danger", text: "Purge …", onclick: () => this.#purge() }),
    ];
    const isText = !(entry.raw ?? "").includes("\uFFFD");
    const hint = isText
      ? "Replay runs this text through the pipeline as it is now, at its event time."
      : "Some bytes are no UTF-8 and stand as �. An edit replaces the record's bytes by this text.";
    this.element = h("section", { class: "panel", "aria-label": `Quarantined record ${entry.id}` },
      h("div", { class: "panel-head" }, this.heading, h("span", { class: "note", text: `${entry.stage}: ${entry.reason}` }), h("button", { type: "button", class: "button push", text: "Close", onclick: close })),
      h("div", { class: "panel-body stack" },
        callout("warn", entry.message || entry.reason, entry.subject ? h("p", { text: `Concerns: ${entry.subject}` }) : null),
        facts(entry),
        h("div", {}, h("label", { class: "block", for: boxId, text: "Fix the record" }), this.box, h("p", { class: "note", id: `${boxId}-hint`, text: hint })),
        h("div", { class: "actions" }, ...this.buttons),
        this.told,
        rawBytes(entry, data)));
  }

  async #replay(isDry) {
    const isEdited = this.box.value !== (this.entry.raw ?? "");
    const request = { ids: [this.entry.id], dry_run: isDry, ...(isEdited ? { fixes: { [String(this.entry.id)]: this.box.value } } : {}) };
    await this.#carryOut("The replay", async () => {
      const outcome = await post(pipelinePath(this.name, "/quarantine/replay"), request);
      const text = outcomeText(outcome);
      if (outcome.selected === 0) return callout("warn", "Nothing to replay", h("p", { text: `${text} The record is on its way back already, was purged, or its source or view is gone.` }));
      const isRefused = (outcome.rejected ?? []).length > 0;
      if (!isDry && !isRefused) this.#finish();
      return callout(isRefused ? "bad" : "good", isRefused ? "Refused again" : isDry ? "Would be replayed" : "Replayed", h("p", { text }));
    });
  }

  async #purge() {
    const isSure = await ask({ title: `Purge record ${this.entry.id}?`, body: "The record is deleted with its bytes. It stays counted as quarantined. This cannot be undone.", confirm: "Purge", danger: true });
    if (!isSure) return;
    await this.#carryOut("The purge", async () => {
      const { purged } = await post(pipelinePath(this.name, "/quarantine/purge"), { ids: [this.entry.id], dry_run: false });
      this.#finish();
      return callout("good", "Purged", h("p", { text: `${plural(purged, "record")} deleted.` }));
    });
  }

  async #carryOut(what, action) {
    this.buttons.forEach((button) => { button.disabled = true; });
    try {
      this.told.replaceChildren(await action());
    } catch (problem) {
      this.told.replaceChildren(problemCallout(problem, what));
    }
    if (!this.isFinished) this.buttons.forEach((button) => { button.disabled = false; });
    this.changed();
  }

  #finish() {
    this.isFinished = true;
    this.box.readOnly = true;
    this.heading.focus({ preventScroll: true });
  }
}

/** What a replay did or, dry, would do, in one or more sentences. */
export function outcomeText(outcome) {
  const rejected = outcome.rejected ?? [];
  const parts = COUNTED.filter(([key]) => amount(outcome[key]) > 0).map(([key, words]) => `${count(amount(outcome[key]))} ${words}`);
  if (amount(outcome.skipped) > 0) parts.push(`${count(outcome.skipped)} left out (on their way back already, or their source or view is gone)`);
  if (rejected.length) parts.push(`${count(rejected.length)} refused again`);
  let lead = `Of ${plural(outcome.selected, "record")}: ${parts.join(", ") || "nothing"}.`;
  const why = rejected.slice(0, 5).map((one) => `${one.id}: ${one.message || one.reason}`).join("\n");
  if (outcome.more) lead += " There are further ones: replay again.";
  return [outcome.dry_run ? `Dry run, nothing changed. ${lead}` : lead, why].filter(Boolean).join("\n");
}

function amount(value) {
  if (value === null || value === undefined) return 0;
  if (typeof value === "object") return Object.values(value).reduce((sum, one) => sum + Number(one), 0);
  return Number(value);
}

function facts(entry) {
  const lines = [["Place", `${entry.split}, position ${count(entry.position)}, cut ${count(entry.seq)}`]];
  if (entry.event_time) lines.push(["Event time", `${moment(entry.event_time)} UTC`]);
  const values = typeof entry.values === "string" ? entry.values : entry.values && Object.entries(entry.values).map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`).join("\n");
  const list = h("dl", { class: "pairs" }, ...lines.flatMap(([name, value]) => [h("dt", { text: name }), h("dd", { text: value })]));
  if (values) list.append(h("dt", { text: "Values" }), h("dd", {}, h("pre", { class: "wrap-pre", text: values })));
  return list;
}

function rawBytes(entry, data) {
  return h("div", { class: "stack" },
    h("div", {}, h("h3", { text: `Raw bytes, ${bytes(data.length)}` }), h("pre", { class: "bytes folded", tabindex: "0", role: "region", "aria-label": "Raw bytes as text", text: entry.raw || "(none)" })),
    h("pre", { class: "bytes", tabindex: "0", role: "region", "aria-label": "Raw bytes as hexadecimal", text: hexDump(data) || "(none)" }));
}

function decoded(base64) {
  if (!base64) return new Uint8Array();
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
