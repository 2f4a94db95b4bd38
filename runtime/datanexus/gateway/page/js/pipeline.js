/** One pipeline: its head with figures that tick, and five tabs below. The tab is part of the address. */

import { get, pipelinePath } from "./api.js";
import { callout, h, loading, problemCallout, setAttribute, setText } from "./elements.js";
import { PipelineFigures } from "./figures.js";
import { count, moment } from "./format.js";
import { poll } from "./link.js";
import { showLateness } from "./lateness.js";
import { showPlan } from "./plan.js";
import { showQuarantine } from "./quarantine.js";
import { showResults } from "./results.js";
import { showSources } from "./sources.js";
import { fileName } from "./overview.js";

const TABS = [
  ["results", "Results", showResults],
  ["sources", "Sources and counts", showSources],
  ["quarantine", "Quarantine", showQuarantine],
  ["lateness", "Late data", showLateness],
  ["plan", "Plan", showPlan],
];

const NOTICES_MAX = 6; // the latest

export class PipelinePage {
  #status = null;
  #tab = "";
  #argument = null;
  #inner = null; // the shown tab: its end, and what it wants to hear of each status
  #shown = "";

  constructor(content, name, signal) {
    this.name = name;
    this.signal = signal;
    this.heading = h("h1", { text: name, tabindex: "-1" });
    this.badge = h("span", { class: "badge" });
    this.about = h("span", { class: "note about" });
    this.notices = h("ul", { class: "notices", "aria-label": "Notices" });
    this.trouble = h("div");
    this.figures = new PipelineFigures({ all: true });
    this.tabs = this.#tabList();
    this.panel = h("div", { role: "tabpanel", id: "tab-panel", tabindex: "-1" }, loading(`pipeline ${name}`));
    this.rest = h("div", { hidden: true }, this.figures.element, this.figures.holder, this.notices, this.tabs, this.panel);
    this.waiting = loading(`pipeline ${name}`);
    content.replaceChildren(
      h("div", { class: "page-head" }, h("a", { class: "crumb", href: "#/", text: "Pipelines" }), h("span", { class: "note", "aria-hidden": "true", text: "/" }), this.heading, this.badge, this.about),
      this.trouble, this.waiting, this.rest);
    poll((inner) => get(pipelinePath(name), inner), {
      everySeconds: 1,
      signal,
      onValue: (status) => this.#show(status),
      onProblem: (problem) => this.#fail(problem),
    });
    // What waits in quarantine now: the status counts what ever came there.
    poll((inner) => get(pipelinePath(name, "/quarantine?limit=1"), inner), {
      everySeconds: 5,
      signal,
      onValue: ({ counts }) => {
        const waiting = counts.reduce((sum, one) => sum + one.records, 0);
        setText(this.quarantineCount, waiting ? count(waiting) : "");
        this.quarantineCount.hidden = !waiting;
      },
    });
    signal.addEventListener("abort", () => this.#inner?.ending.abort());
  }

  /** Show a tab; `argument` is what follows it in the address. */
  go(tab, argument, parameters) {
    this.#tab = TABS.some(([id]) => id === tab) ? tab : "results";
    this.#argument = argument;
    this.parameters = parameters;
    this.#markTabs();
    if (this.#status) this.#open();
  }

  #show(status) {
    const isFirst = this.#status === null;
    this.#status = status;
    this.waiting.hidden = true;
    this.rest.hidden = false;
    setText(this.badge, status.state);
    setAttribute(this.badge, "data-state", status.state);
    setText(this.about, `${fileName(status.file)}, revision ${String(status.revision).slice(0, 10)}, up since ${moment(String(status.started_at).slice(0, 19))} UTC`);
    setAttribute(this.about, "title", status.file);
    this.figures.show(status);
    this.#tell(status);
    if (isFirst) this.#open();
    else this.#inner?.onStatus?.(status);
  }

  #fail(problem) {
    this.waiting.hidden = true;
    this.told = "";
    this.trouble.replaceChildren(problemCallout(problem, `Pipeline ${this.name}`));
  }

  /** Errors, refused changes and notices: made anew only when they differ. */
  #tell(status) {
    const told = JSON.stringify([status.error, status.refused, status.notices]);
    if (told === this.told) return;
    this.told = told;
    const parts = [];
    if (status.error) parts.push(callout("bad", "The pipeline failed", h("pre", { text: status.error })));
    if (status.refused) {
      const title = `A change of ${fileName(status.file)} was refused at ${moment(String(status.refused.at).slice(0, 19))} UTC; the version before it goes on`;
      parts.push(callout("warn", title, h("pre", { text: status.refused.text })));
    }
    const notices = (status.notices ?? []).map((notice) => (typeof notice === "string" ? notice : notice.text ?? JSON.stringify(notice)));
    this.notices.replaceChildren(...notices.slice(-NOTICES_MAX).map((text) => h("li", { text })));
    this.notices.hidden = !notices.length;
    this.trouble.replaceChildren(...parts);
  }

  #open() {
    const wanted = JSON.stringify([this.#tab, this.#argument, this.parameters?.toString()]);
    if (wanted === this.#shown) return;
    const isSameTab = this.#inner?.tab === this.#tab;
    this.#shown = wanted;
    if (isSameTab && this.#inner.onArgument) {
      this.#inner.onArgument(this.#argument);
      return;
    }
    this.#inner?.ending.abort();
    const ending = new AbortController();
    const show = TABS.find(([id]) => id === this.#tab)[2];
    const context = { name: this.name, status: this.#status, argument: this.#argument, signal: ending.signal };
    this.#inner = { ending, tab: this.#tab, ...show(this.panel, context) };
  }

  #tabList() {
    this.quarantineCount = h("span", { class: "count some", hidden: true });
    const list = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the pipeline", onkeydown: (event) => this.#tabKey(event) });
    for (const [id, label] of TABS) {
      const open = () => { location.hash = `#/p/${encodeURIComponent(this.name)}/${id}`; };
      const counted = id === "quarantine" ? this.quarantineCount : null;
      list.append(h("button", { type: "button", class: "tab", role: "tab", id: `tab-${id}`, "aria-controls": "tab-panel", onclick: open }, label, counted));
    }
    return list;
  }

  #markTabs() {
    for (const tab of this.tabs.children) {
      const isChosen = tab.id === `tab-${this.#tab}`;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      if (isChosen && this.tabs.scrollWidth > this.tabs.clientWidth) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.panel.setAttribute("aria-labelledby", `tab-${this.#tab}`);
  }

  /** Arrow keys, Home and End walk over the tabs and open them. */
  #tabKey(event) {
    const tabs = [...this.tabs.children];
    const now = tabs.indexOf(event.target.closest("[role=tab]"));
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || now < 0) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    tab.click();
  }
}
