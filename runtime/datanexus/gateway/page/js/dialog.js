/** Asking before something that cannot be undone, or that concerns many records. The browser's own modal dialog. */

import { h } from "./elements.js";

let last = 0;

/**
 * Ask; gives true when confirmed. `body` is shown at once; `prepare`, if given, finds out what will happen and gives
 * {text, possible}; until then nothing can be confirmed.
 */
export function ask({ title, body, confirm, danger = false, prepare = null }) {
  last += 1;
  const id = `dialog-${last}`;
  const what = h("div", { class: "stack" }, h("p", { text: body }));
  const yes = h("button", { value: "yes", class: `button ${danger ? "danger" : "main"}`, text: confirm, disabled: prepare !== null });
  const no = h("button", { value: "no", class: "button", text: "Cancel", autofocus: true, formnovalidate: true });
  const dialog = h("dialog", { "aria-labelledby": id }, h("form", { method: "dialog" }, h("h2", { id, text: title }), what, h("div", { class: "actions" }, no, yes)));
  document.body.append(dialog);
  dialog.showModal();
  if (prepare) settle(prepare, what, yes);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

async function settle(prepare, what, yes) {
  const told = h("p", { role: "status", text: "Finding out what would happen …" });
  what.append(told);
  try {
    const { text, possible } = await prepare();
    told.textContent = text;
    yes.disabled = !possible;
  } catch (problem) {
    told.textContent = problem.message;
  }
}
