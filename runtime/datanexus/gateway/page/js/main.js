/**
 * The page's start: what address shows what, the frame around it, and whether the server is there.
 *
 * Addresses: #/ · #/p/NAME/TAB[/MORE] · #/query[?sql=…]. A change of address ends what the old one was reading.
 */

import { get } from "./api.js";
import { callout, empty, h, say, setAttribute, setText } from "./elements.js";
import { link, poll } from "./link.js";
import { showOverview } from "./overview.js";
import { PipelinePage } from "./pipeline.js";
import { showQuery } from "./query.js";

const content = document.getElementById("content");
let ending = new AbortController();
let page = null; // the pipeline's page that is shown

function route() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [section = "", name, tab, ...rest] = path.split("/").slice(1).map(decoded);
  const parameters = new URLSearchParams(query);
  if (section === "p" && name && page?.name === name) {
    page.go(tab, rest[0] ?? null, parameters);
    return;
  }
  ending.abort();
  ending = new AbortController();
  page = null;
  const signal = ending.signal;
  let heading = null;
  if (section === "p" && name) {
    page = new PipelinePage(content, name, signal);
    heading = page.heading;
    page.go(tab, rest[0] ?? null, parameters);
  } else if (section === "query") heading = showQuery(content, { signal, parameters });
  else if (section === "") heading = showOverview(content, { signal });
  else content.replaceChildren(empty("Nothing is here", `The page knows no address ${location.hash}.`), h("p", { class: "empty" }, h("a", { href: "#/", text: "All pipelines" })));
  frame(section, name);
  if (!isFirst) {
    window.scrollTo(0, 0);
    (heading ?? content).focus({ preventScroll: true });
  }
  isFirst = false;
}

function frame(section, name) {
  document.title = section === "p" ? `${name} – DataNexus` : section === "query" ? "Query – DataNexus" : "DataNexus";
  for (const anchor of document.querySelectorAll(".sections a")) {
    const isHere = anchor.dataset.section === (section === "query" ? "query" : "pipelines");
    setAttribute(anchor, "aria-current", isHere ? "page" : null);
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The link's state in the bar; a banner, said once, while nobody answers. */
function showLink() {
  const { state } = link;
  document.documentElement.dataset.link = state;
  setAttribute(document.getElementById("link-state"), "data-state", state);
  setText(document.getElementById("link-text"), { live: "Live", lost: "Not connected", connecting: "Connecting" }[state]);
  document.getElementById("banner").hidden = state !== "lost";
  if (state === "lost") say("The server cannot be reached. Figures are old. Trying again.");
  else if (wasLost) say("The server is there again.");
  wasLost = state === "lost";
  showBanner();
}

function showBanner() {
  if (link.state !== "lost") return;
  const since = link.heardAt === null ? "Nothing was heard from it yet" : `Figures are of ${new Date(link.heardAt).toISOString().slice(11, 19)} UTC`;
  const seconds = Math.max(0, Math.ceil(((link.retryAt ?? Date.now()) - Date.now()) / 1000));
  setText(document.getElementById("banner-text"), `The server cannot be reached. ${since}. ${seconds ? `Trying again in ${seconds} s.` : "Trying again …"}`);
}

/** A fault of the page itself is shown, not left in a console that nobody looks at. */
function showFault(message) {
  if (document.getElementById("fault") || /^ResizeObserver loop/.test(message)) return; // that one only means: next frame
  const again = h("button", { type: "button", class: "button", text: "Load the page anew", onclick: () => location.reload() });
  const box = callout("bad", "The page has a fault; what it shows may be old", h("p", { text: message }), again);
  box.id = "fault";
  content.before(box);
}

let isFirst = true;
let wasLost = false;
link.addEventListener("change", showLink);
setInterval(showBanner, 500);
document.getElementById("banner-retry").addEventListener("click", () => link.retry());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address belongs to the router
  content.focus();
});
window.addEventListener("error", (event) => showFault(event.message));
window.addEventListener("unhandledrejection", (event) => showFault(String(event.reason)));
window.addEventListener("hashchange", route);
poll((signal) => get("v1/info", signal), {
  everySeconds: 15,
  signal: new AbortController().signal,
  onValue: (info) => {
    const texts = [`DataNexus ${info.version}`, `process ${info.pid}`, `data in ${info.data}`, "all times are UTC"];
    const foot = document.getElementById("foot");
    if (foot.textContent !== texts.join("")) foot.replaceChildren(...texts.map((text) => h("span", { text })));
  },
});
showLink();
route();
