/**
 * Whether the server is there, and reading it again and again.
 *
 * One Link for the page: any answer makes it live, a read that nobody answers makes it lost. Polls read one after the
 * other (never two at once), slow down while the server is gone, rest while the page is hidden, and go on by themselves.
 */

import { Problem } from "./api.js";

const RETRY_SECONDS = [1, 2, 4, 8, 10];

class Link extends EventTarget {
  state = "connecting"; // connecting | live | lost
  heardAt = null; // milliseconds, of the last answer
  retryAt = null;
  #failures = 0;

  /** Something answered. */
  heard() {
    this.heardAt = Date.now();
    this.#failures = 0;
    this.retryAt = null;
    this.#become("live");
  }

  /** Nobody answered; gives the seconds to wait before the next try. */
  missed() {
    const seconds = RETRY_SECONDS[Math.min(this.#failures, RETRY_SECONDS.length - 1)];
    this.#failures += 1;
    this.retryAt = Date.now() + seconds * 1000;
    this.#become("lost");
    return seconds;
  }

  /** Everything that waits tries at once. */
  retry() {
    this.dispatchEvent(new Event("retry"));
  }

  #become(state) {
    const changed = this.state !== state;
    this.state = state;
    if (changed) this.dispatchEvent(new Event("change"));
  }
}

export const link = new Link();
document.addEventListener("visibilitychange", () => document.hidden || link.retry());

/** Wait, but no longer than until the next retry or the end. */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      link.removeEventListener("retry", finish);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, seconds * 1000);
    link.addEventListener("retry", finish);
    signal.addEventListener("abort", finish);
  });
}

/**
 * Read until `signal` ends it: `onValue` gets what was read, `onProblem` what the server refused. A lost server is the
 * link's matter. `everySeconds` is the pause between an answer and the next question.
 */
export async function poll(read, { onValue, onProblem, everySeconds, signal }) {
  while (!signal.aborted) {
    let wait = everySeconds;
    try {
      if (!document.hidden) {
        const value = await read(signal);
        if (signal.aborted) return;
        link.heard();
        onValue(value);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (error.gone) wait = link.missed();
      else {
        link.heard();
        wait = Math.max(wait, 2);
        onProblem?.(error);
      }
    }
    await pause(wait, signal);
  }
}
