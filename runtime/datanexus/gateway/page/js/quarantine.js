/** The quarantine browser: counts that filter, a list in pages, and one record to look at, fix, replay or purge. */

import { get, pipelinePath, post } from "./api.js";
import { ask } from "./dialog.js";
import { callout, empty, h, loading, problemCallout, say, setText } from "./elements.js";
import { count, moment, plural } from "./format.js";
import { link, poll } from "./link.js";
import { outcomeText, RecordDetail } from "./record.js";
import { Table } from "./table.js";

const PAGE_RECORDS = 50;
const REPLAY_SECONDS = 120;

export function showQuarantine(panel, { name, argument, signal }) {
  const browser = new Browser(panel, name, signal);
  browser.select(argument);
  return { onArgument: (id) => browser.select(id, true) };
}

class Browser {
  #filter = null; // {stage, reason} or null
  #before = []; // `after` of the pages before this one
  #after = null;
  #found = null;
  #detail = null;

  constructor(panel, name, signal) {
    this.name = name;
    this.signal = signal;
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Show only" });
    this.total = h("span", { class: "note" });
    this.told = h("div");
    this.replayAll = h("button", { type: "button", class: "button", text: "Replay all …", onclick: () => this.#replayAll() });
    this.purgeAll = h("button", { type: "button", class: "button danger", text: "Purge all …", onclick: () => this.#purgeAll() });
    this.actions = h("span", { class: "push actions" }, this.replayAll, this.purgeAll);
    this.table = this.#newTable();
    this.back = h("button", { type: "button", class: "button plain", text: "Previous page", onclick: () => this.#turn(false) });
    this.forth = h("button", { type: "button", class: "button plain", text: "Next page", onclick: () => this.#turn(true) });
    this.pages = h("div", { class: "table-foot" }, h("span", { class: "push actions" }, this.back, this.forth));
    this.waiting = loading("the quarantine");
    this.list = h("div", { hidden: true }, h("div", { class: "panel-body" }, this.chips), this.table.element, this.pages);
    this.none = empty("The quarantine is empty", "A record that cannot be used is kept here with its bytes and the reason; its neighbours go on.");
    this.none.hidden = true;
    this.listPanel = h("section", { class: "panel", "aria-label": "Quarantined records" },
      h("div", { class: "panel-head" }, h("h2", { text: "Quarantined records" }), this.total, this.actions),
      this.told, this.waiting, this.none, this.list);
    this.detailSpace = h("div", { class: "detail" });
    this.element = h("div", { class: "split" }, this.listPanel);
    panel.replaceChildren(this.element);
    poll((inner) => get(this.#address(), inner), {
      everySeconds: 2,
      signal,
      onValue: (found) => this.#show(found),
      onProblem: (problem) => {
        this.waiting.hidden = true;
        this.told.replaceChildren(problemCallout(problem, "The quarantine"));
      },
    });
  }

  /** Show one record beside the list; none: the list alone. `isMove`: the reader chose it, so the focus goes along. */
  select(id, isMove = false) {
    this.selected = id ?? null;
    this.element.classList.toggle("has-detail", this.selected !== null);
    if (this.selected === null) {
      this.detailSpace.remove();
      this.#detail = null;
    } else {
      this.element.append(this.detailSpace);
      this.#openDetail(this.selected, isMove);
    }
    if (this.#found) this.table.update(this.#found.entries);
  }

  #address() {
    const query = new URLSearchParams({ limit: String(PAGE_RECORDS) });
    if (this.#after !== null) query.set("after", String(this.#after));
    if (this.#filter) {
      query.set("stage", this.#filter.stage);
      query.set("reason", this.#filter.reason);
    }
    return pipelinePath(this.name, `/quarantine?${query}`);
  }

  #show(found) {
    this.#found = found;
    this.waiting.hidden = true;
    if (this.told.dataset.kind !== "outcome") this.told.replaceChildren();
    const all = found.counts.reduce((sum, one) => sum + one.records, 0);
    setText(this.total, all ? plural(all, "record") : "");
    this.none.hidden = all > 0;
    this.list.hidden = all === 0;
    this.actions.hidden = all === 0;
    this.#showChips(found.counts, all);
    if (this.#filter && !found.counts.some((one) => isSameLane(one, this.#filter))) this.#choose(null);
    this.table.update(found.entries);
    this.back.disabled = this.#before.length === 0;
    this.forth.disabled = !hasNext(found);
    this.pages.hidden = this.back.disabled && this.forth.disabled;
    const scope = this.#filter ? "these" : "all";
    setText(this.replayAll, `Replay ${scope} …`);
    setText(this.purgeAll, `Purge ${scope} …`);
  }

  #showChips(counts, all) {
    const wanted = [null, ...counts];
    if (this.chips.childElementCount !== wanted.length || this.chips.dataset.lanes !== laneNames(counts)) {
      this.chips.dataset.lanes = laneNames(counts);
      this.chips.replaceChildren(...wanted.map((lane) => h("button", { type: "button", class: "chip", onclick: () => this.#choose(lane) }, h("span", { text: lane ? `${lane.stage}: ${lane.reason}` : "All" }), h("b"))));
    }
    wanted.forEach((lane, at) => {
      const chip = this.chips.children[at];
      setText(chip.lastChild, count(lane ? lane.records : all));
      chip.setAttribute("aria-pressed", String(lane ? isSameLane(lane, this.#filter) : this.#filter === null));
    });
  }

  #choose(lane) {
    this.#filter = lane && !isSameLane(lane, this.#filter) ? { stage: lane.stage, reason: lane.reason } : null;
    this.#before = [];
    this.#after = null;
    link.retry();
  }

  #turn(isForth) {
    if (isForth) {
      this.#before.push(this.#after);
      this.#after = this.#found.next;
    } else this.#after = this.#before.pop() ?? null;
    link.retry();
    this.table.scroll.scrollTop = 0;
  }

  #newTable() {
    const table = new Table({ caption: "Quarantined records", key: (row) => String(row.id), isCurrent: (row) => String(row.id) === this.selected });
    table.setColumns([
      { name: "id", label: "record", value: (row) => row.id, text: (row) => String(row.id), node: (row) => h("a", { class: "row-link", href: this.#hash(row.id), text: String(row.id), "aria-label": `Record ${row.id}` }) },
      { name: "stage", label: "stage", value: (row) => row.stage, text: (row) => row.stage },
      { name: "message", label: "what was wrong", wrap: true, value: (row) => row.message, text: (row) => row.message || row.reason },
      { name: "time", label: "event time (UTC)", look: "when", value: (row) => row.event_time ?? null, text: (row) => moment(row.event_time), isNull: (row) => !row.event_time },
      { name: "position", label: "place", value: (row) => row.split, text: (row) => `${row.split} @ ${count(row.position)}`, clip: true, look: "place" },
    ]);
    return table;
  }

  #hash(id) {
    return `#/p/${encodeURIComponent(this.name)}/quarantine/${encodeURIComponent(id)}`;
  }

  async #openDetail(id, isMove) {
    this.detailSpace.replaceChildren(loading(`record ${id}`));
    try {
      const entry = this.#found?.entries.find((one) => String(one.id) === id) ?? (await this.#readOne(id));
      if (this.selected !== id || this.signal.aborted) return;
      const close = () => { location.hash = `#/p/${encodeURIComponent(this.name)}/quarantine`; };
      if (!entry) {
        this.detailSpace.replaceChildren(callout("warn", `Record ${id} is not in the quarantine`, h("p", { text: "It was replayed or purged, or never was there." })), h("button", { type: "button", class: "button", text: "Close", onclick: close }));
        return;
      }
      this.#detail = new RecordDetail({ name: this.name, entry, close, changed: () => link.retry() });
      this.detailSpace.replaceChildren(this.#detail.element);
      if (!isMove) return;
      this.#detail.heading.focus({ preventScroll: true });
      this.#detail.element.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      if (!this.signal.aborted) this.detailSpace.replaceChildren(problemCallout(problem, `Record ${id}`));
    }
  }

  async #readOne(id) {
    const found = await get(pipelinePath(this.name, `/quarantine?after=${encodeURIComponent(Number(id) - 1)}&limit=1`), this.signal);
    return found.entries.find((one) => String(one.id) === id);
  }

  #selection() {
    return this.#filter ? { all: true, ...this.#filter } : { all: true };
  }

  #scopeText() {
    return this.#filter ? `of stage ${this.#filter.stage} with reason “${this.#filter.reason}”` : "of this pipeline";
  }

  async #replayAll() {
    const selection = this.#selection();
    const replay = (isDry) => post(pipelinePath(this.name, "/quarantine/replay"), { ...selection, dry_run: isDry }, null, REPLAY_SECONDS);
    const isSure = await ask({
      title: "Replay quarantined records?",
      body: `All quarantined records ${this.#scopeText()} go through the pipeline as it is now, at their event time. What is refused again stays.`,
      confirm: "Replay",
      prepare: async () => {
        const outcome = await replay(true);
        return { text: outcomeText(outcome), possible: outcome.selected > 0 };
      },
    });
    if (isSure) await this.#carryOut(async () => outcomeText(await replay(false)), "The replay");
  }

  async #purgeAll() {
    const selection = this.#selection();
    const purge = (isDry) => post(pipelinePath(this.name, "/quarantine/purge"), { ...selection, dry_run: isDry }, null, REPLAY_SECONDS);
    const isSure = await ask({
      title: "Purge quarantined records?",
      body: `All quarantined records ${this.#scopeText()} are deleted with their bytes. They stay counted as quarantined. This cannot be undone.`,
      confirm: "Purge",
      danger: true,
      prepare: async () => {
        const { selected } = await purge(true);
        return { text: `${plural(selected, "record")} would be deleted.`, possible: selected > 0 };
      },
    });
    if (isSure) await this.#carryOut(async () => `${plural((await purge(false)).purged, "record")} deleted.`, "The purge");
  }

  async #carryOut(action, what) {
    this.told.dataset.kind = "outcome";
    try {
      const text = await action();
      this.told.replaceChildren(h("div", { class: "panel-body" }, callout("good", "Done", h("p", { text }))));
      say(text);
    } catch (problem) {
      this.told.replaceChildren(h("div", { class: "panel-body" }, problemCallout(problem, what)));
      say(problem.message);
    }
    this.#before = [];
    this.#after = null;
    link.retry();
  }
}

function isSameLane(one, other) {
  return Boolean(other) && one.stage === other.stage && one.reason === other.reason;
}

function laneNames(counts) {
  return JSON.stringify(counts.map((one) => [one.stage, one.reason]));
}

function hasNext(found) {
  return found.next !== null && found.next !== undefined && found.entries.length >= PAGE_RECORDS;
}
