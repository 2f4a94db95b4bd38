/**
 * One view's stream of changes (server-sent events), resumed after every break from the last event that was taken.
 *
 * Read with fetch and not with EventSource: that hides the server's comments, by which a dead connection is told from
 * a quiet one, and gives up for good after an error answer. A page that is hidden for a while lets its stream go, as a
 * browser has only six connections to a server, and resumes when it is seen again.
 */

import { Problem, parse, problemOf } from "./api.js";
import { link, pause } from "./link.js";

const SILENCE_SECONDS = 40; // the server says something at least each 15 s
const HIDDEN_SECONDS = 20;

/** The path of a view's stream; `windows` bounds the snapshot. */
export function livePath(pipeline, view, windows) {
  return `v1/live/${encodeURIComponent(pipeline)}/${encodeURIComponent(view)}?windows=${windows}`;
}

/** Follow until `signal` ends it. Events: onSnapshot(data), onChanges(data), onProblem(problem). */
export async function follow(path, { onSnapshot, onChanges, onProblem, signal }) {
  let token = null;
  let failures = 0;
  const take = (event) => {
    failures = 0;
    if (event.id !== null) token = event.id;
    if (event.type === "snapshot") onSnapshot(parse(event.data));
    else if (event.type === "changes") onChanges(parse(event.data));
  };
  while (!signal.aborted) {
    try {
      await visible(signal);
      await readOnce(path, token, take, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem) {
        if (error.status === 409 || error.status === 410) token = null; // the server cannot resume from there
        onProblem?.(error);
        failures = Math.max(failures, 2);
      }
    }
    failures += 1;
    await pause(Math.min(0.25 * 2 ** failures, 10) * (0.75 + Math.random() / 2), signal);
  }
}

/** The snapshot of a view, once. */
export async function snapshot(path, signal) {
  const ending = new AbortController();
  const stop = () => ending.abort();
  signal.addEventListener("abort", stop);
  let found = null;
  try {
    await readOnce(path, null, (event) => {
      if (event.type !== "snapshot") return;
      found = parse(event.data);
      ending.abort();
    }, ending.signal);
  } catch (error) {
    if (found === null) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    ending.abort();
  }
  return found;
}

/** Events of a text that arrives in parts: [whole events, what is left]. Exported for its test. */
export function eventsOf(text) {
  const events = [];
  const blocks = text.split(/\r?\n\r?\n/);
  const left = blocks.pop();
  for (const block of blocks) {
    const event = { type: "message", id: null, data: [] };
    for (const line of block.split(/\r?\n/)) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "event") event.type = value;
      else if (name === "id") event.id = value;
      else if (name === "data") event.data.push(value);
    }
    if (event.data.length) events.push({ ...event, data: event.data.join("\n") });
  }
  return [events, left];
}

async function readOnce(path, token, take, signal) {
  const ending = new AbortController();
  const stop = () => ending.abort();
  signal.addEventListener("abort", stop);
  let silence = setTimeout(stop, SILENCE_SECONDS * 1000);
  let hidden = 0;
  const rest = () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(stop, HIDDEN_SECONDS * 1000);
  };
  document.addEventListener("visibilitychange", rest);
  try {
    const headers = { Accept: "text/event-stream", ...(token === null ? {} : { "Last-Event-ID": token }) };
    const answer = await fetch(path, { headers, signal: ending.signal, cache: "no-store" });
    if (!answer.ok) throw await problemOf(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parts = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      link.heard();
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_SECONDS * 1000);
      parts.push(value);
      if (!/\n\r?\n/.test((parts.at(-2) ?? "").slice(-3) + value)) continue; // no event ends here: a long one is joined once
      const [events, left] = eventsOf(parts.join(""));
      parts.splice(0, parts.length, left);
      events.forEach(take);
    }
  } finally {
    clearTimeout(silence);
    clearTimeout(hidden);
    document.removeEventListener("visibilitychange", rest);
    signal.removeEventListener("abort", stop);
    ending.abort();
  }
}

function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", finish);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    document.addEventListener("visibilitychange", finish);
    signal.addEventListener("abort", finish);
  });
}
