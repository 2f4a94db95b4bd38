/** Where records come from and what became of them: sources with their splits, the accounts, sinks. */

import { empty, h, setText } from "./elements.js";
import { bytes, count, moment } from "./format.js";
import { Table } from "./table.js";

const SPLITS_MAX = 2000;

export function showSources(panel, { status }) {
  const splits = new Table({ caption: "Splits of all sources", key: (row) => row.name, sort: { name: "watermark", down: false } });
  splits.setColumns([
    { name: "name", label: "split", value: (row) => row.name, text: (row) => row.name, clip: true },
    { name: "source", label: "source", value: (row) => row.source, text: (row) => `${row.source} (${row.kind})` },
    { name: "status", label: "status", value: (row) => row.status, text: (row) => row.status },
    { name: "watermark", label: "watermark (UTC)", value: (row) => row.watermark ?? null, text: (row) => moment(row.watermark), isNull: (row) => !row.watermark },
    { name: "read", label: "read", number: true, value: (row) => row.read_bytes, text: (row) => bytes(row.read_bytes) },
    { name: "share", label: "of its size", value: share, text: shareText, node: shareNode },
  ]);
  const accounts = h("div", { class: "stack" });
  const sinks = h("div");
  panel.replaceChildren(h("div", { class: "split" },
    h("section", { class: "panel", "aria-label": "Sources" }, h("div", { class: "panel-head" }, h("h2", { text: "Sources" }), h("span", { class: "note", text: "The split with the lowest watermark holds the pipeline's." })), h("div", { class: "live" }, splits.element)),
    h("section", { class: "panel", "aria-label": "Accounts" }, h("div", { class: "panel-head" }, h("h2", { text: "What became of every record" }), h("span", { class: "note", text: "in = passed + filtered + duplicate + quarantined, checked at every cut" })), h("div", { class: "panel-body live" }, accounts)),
    sinks));
  const show = (now) => {
    const rows = now.sources.flatMap((source) => source.splits.map((split) => ({ ...split, source: source.name, kind: source.kind })));
    splits.update(rows.slice(0, SPLITS_MAX), new Set(), rows.length > SPLITS_MAX ? `The page lists ${count(SPLITS_MAX)} of ${count(rows.length)} splits.` : "");
    showAccounts(accounts, now);
    showSinks(sinks, now.sinks ?? []);
  };
  show(status);
  return { onStatus: show };
}

function showAccounts(space, { counters, views }) {
  const pairs = [["in", counters.in], ["passed", counters.passed], ["filtered", counters.filtered], ["duplicate", counters.duplicate], ["quarantined", counters.quarantined]];
  const inAll = counters.in || 1;
  const lines = pairs.map(([name, value]) => [name, count(value ?? 0), `${((100 * (value ?? 0)) / inAll).toFixed(2)} %`]);
  const perView = views.map((view) => {
    const told = Object.entries(counters).filter(([name]) => name.startsWith(`view.${view.name}.`));
    return [`view ${view.name}`, told.map(([name, value]) => `${name.split(".").slice(2).join(".")} ${count(value)}`).join(", ") || "nothing yet"];
  });
  if (space.childElementCount === 0) {
    space.append(h("dl", { class: "accounts" }), h("dl", { class: "pairs" }));
  }
  fill(space.firstChild, lines);
  fill(space.lastChild, perView);
}

function fill(list, lines) {
  const cells = lines.flatMap(([name, ...values]) => [["dt", name], ...values.map((value) => ["dd", value])]);
  if (list.childElementCount !== cells.length) list.replaceChildren(...cells.map(([tag]) => h(tag)));
  cells.forEach(([, text], at) => setText(list.children[at], text));
}

function showSinks(space, sinks) {
  const told = JSON.stringify(sinks);
  if (space.dataset.told === told) return;
  space.dataset.told = told;
  if (!sinks.length) {
    space.replaceChildren(h("section", { class: "panel", "aria-label": "Sinks" }, h("div", { class: "panel-head" }, h("h2", { text: "Sinks" })), empty("No sinks", "Results are in the store only; the Query page asks them.")));
    return;
  }
  const lines = sinks.flatMap((sink) => {
    const { name, ...facts } = typeof sink === "string" ? { name: sink } : sink;
    const text = Object.entries(facts).map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
    return [h("dt", { text: name }), h("dd", { text: text || "written at every cut" })];
  });
  space.replaceChildren(h("section", { class: "panel", "aria-label": "Sinks" }, h("div", { class: "panel-head" }, h("h2", { text: "Sinks" })), h("div", { class: "panel-body" }, h("dl", { class: "pairs" }, ...lines))));
}

function share(row) {
  return row.total_bytes ? row.read_bytes / row.total_bytes : null;
}

function shareText(row) {
  return row.total_bytes ? `${((100 * row.read_bytes) / row.total_bytes).toFixed(1)} % of ${bytes(row.total_bytes)}` : "no known end";
}

function shareNode(row) {
  if (!row.total_bytes) return h("span", { class: "null", text: "no known end" });
  const bar = h("i");
  bar.style.width = `${Math.min(100, 100 * share(row)).toFixed(1)}%`;
  return h("span", {}, h("span", { class: "meter", "aria-hidden": "true" }, bar), shareText(row));
}
