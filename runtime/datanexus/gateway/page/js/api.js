/**
 * Asking the server. Every failure becomes a Problem: what the server said (RFC 9457), or that it cannot be reached.
 * Addresses are relative to the page, so it also works below a path of a proxy. Whole numbers beyond 2^53 stay exact.
 */

const ANSWER_SECONDS = 10;
const LONG_DIGITS = /[:[,]\s*-?\d{16,}\s*[,\]}]/;

/** What went wrong. `gone`: nobody answered; else `status` is the answer's. */
export class Problem extends Error {
  constructor({ title, detail, hint, status, gone }) {
    super(detail || title || "the server gave no reason");
    this.title = title || "";
    this.hint = hint || "";
    this.status = status || 0;
    this.gone = Boolean(gone);
  }
}

/** GET as JSON. `signal` ends it early. */
export function get(path, signal = null) {
  return ask(path, { headers: { Accept: "application/json" } }, signal);
}

/** POST JSON, answered as JSON. */
export function post(path, body, signal = null, seconds = ANSWER_SECONDS) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) }, signal, seconds);
}

/** The address of one pipeline, or of something below it. */
export function pipelinePath(name, rest = "") {
  return `v1/pipelines/${encodeURIComponent(name)}${rest}`;
}

/** A JSON text; whole numbers that a double cannot hold become BigInt where the browser shows their digits. */
export function parse(text) {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    const isLong = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isLong && context && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  });
}

/** The problem of an answer that is no success. */
export async function problemOf(answer) {
  const text = await answer.text().catch(() => "");
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    told = { title: `The server answered ${answer.status}`, detail: text.slice(0, 400) };
  }
  return new Problem({ ...told, status: answer.status, detail: typeof told.detail === "string" ? told.detail : told.title });
}

async function ask(path, request, signal, seconds = ANSWER_SECONDS) {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), seconds * 1000);
  const stop = () => ending.abort();
  signal?.addEventListener("abort", stop);
  try {
    const answer = await fetch(path, { ...request, signal: ending.signal, cache: "no-store" });
    if (!answer.ok) throw await problemOf(answer);
    return parse(await answer.text());
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    const detail = ending.signal.aborted ? `The server did not answer within ${seconds} s.` : "The server cannot be reached.";
    throw new Problem({ title: "No answer", detail, gone: true });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
