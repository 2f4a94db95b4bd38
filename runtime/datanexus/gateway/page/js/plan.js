/** The plan: drawn, and as the text that `datanexus explain` prints. */

import { get, pipelinePath } from "./api.js";
import { drawPlan } from "./drawing.js";
import { h, loading, problemCallout, say } from "./elements.js";
import { poll } from "./link.js";

export function showPlan(panel, { name, status, signal }) {
  const drawing = h("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Drawing of the plan" }, loading("the plan"));
  const text = h("pre", { class: "plan-text", tabindex: "0", role: "region", "aria-label": "The plan as text" });
  const copy = h("button", { type: "button", class: "button push", text: "Copy", onclick: () => copyText(text.textContent) });
  panel.replaceChildren(h("div", { class: "split has-detail" },
    h("section", { class: "panel", "aria-label": "Plan as a drawing" }, h("div", { class: "panel-head" }, h("h2", { text: "What happens to a record" }), h("span", { class: "note", text: "from the top down" })), drawing),
    h("section", { class: "panel", "aria-label": "Plan as text" }, h("div", { class: "panel-head" }, h("h2", { text: "The same as text" }), h("span", { class: "note", text: "what datanexus explain prints" }), copy), text)));
  let plan = null;
  let drawnFor = 0;
  const draw = () => {
    if (!plan || !drawing.clientWidth || drawing.clientWidth === drawnFor) return;
    drawnFor = drawing.clientWidth;
    drawing.replaceChildren(drawPlan(plan, drawnFor));
  };
  new ResizeObserver(draw).observe(drawing);
  let revision = null;
  const read = () => {
    const ending = new AbortController();
    signal.addEventListener("abort", () => ending.abort());
    poll((inner) => get(pipelinePath(name, "/plan"), inner), {
      everySeconds: 1,
      signal: ending.signal,
      onProblem: (problem) => drawing.replaceChildren(problemCallout(problem, "The plan")),
      onValue: (found) => {
        plan = found;
        drawnFor = 0;
        text.textContent = found.text;
        draw();
        ending.abort();
      },
    });
  };
  const onStatus = (now) => {
    if (now.revision === revision) return;
    revision = now.revision;
    read();
  };
  onStatus(status);
  return { onStatus };
}

async function copyText(text) {
  await navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("The browser does not allow copying here."));
}
