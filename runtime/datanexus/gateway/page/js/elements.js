/**
 * Making and changing elements. Text only ever becomes text: nothing here, or in any other module, parses HTML, so a
 * record's content can never become markup. Styles are set as properties, never as attributes: the content policy
 * refuses those.
 */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Functions become listeners, `class` and `text` are short forms, null and false leave a thing out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Change a text only if it differs, so that ticking figures touch nothing that stays. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Change or remove an attribute only if it differs. */
export function setAttribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value));
}

/** Give a screen reader one sentence, after something the reader did or that concerns the whole page. */
export function say(sentence) {
  setText(document.getElementById("said"), sentence);
}

/** A designed empty state: what is not there, why, and what to do, with a command where one helps. */
export function empty(title, explanation, command = null) {
  return h("div", { class: "empty" }, h("strong", { text: title }), explanation, command && h("br"), command && h("code", { text: command }));
}

export function loading(what) {
  return h("p", { class: "loading", text: `Reading ${what} …` });
}

/** A problem as the server told it, or as the page found it. */
export function callout(kind, title, ...body) {
  return h("div", { class: "callout", "data-kind": kind }, h("h3", { text: title }), ...body);
}

export function problemCallout(problem, what) {
  return callout("bad", problem.title || `${what} cannot be shown`, h("p", { text: problem.message }), problem.hint && h("p", { text: problem.hint }));
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
