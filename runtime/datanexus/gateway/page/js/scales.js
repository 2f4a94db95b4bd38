/** Ticks and positions for charts. Pure; times are milliseconds UTC. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS = [
  1, 5, 10, 50, 100, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE,
  15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
  91 * DAY, 365 * DAY, 1826 * DAY,
];

/** About `wanted` round values that cover low … high: {low, high, ticks}. */
export function valueTicks(low, high, wanted = 4) {
  if (!(high > low)) high = low + (Math.abs(low) || 1);
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9) * step;
  const ticks = [];
  for (let at = 0; ticks.length < 12; at += 1) {
    ticks.push(Number((first + at * step).toPrecision(12)));
    if (ticks.at(-1) >= high - step * 1e-9) break;
  }
  return { low: ticks[0], high: ticks.at(-1), ticks };
}

/** Round moments within first … last, at most `most`: [{at, label}]. A new day is named in full. */
export function timeTicks(first, last, most) {
  const step = TIME_STEPS.find((size) => (last - first) / size <= most) ?? TIME_STEPS.at(-1);
  const ticks = [];
  let day = "";
  for (let at = Math.ceil(first / step) * step; at <= last; at += step) {
    const text = new Date(at).toISOString();
    const isNewDay = text.slice(0, 10) !== day;
    day = text.slice(0, 10);
    ticks.push({ at, label: step >= DAY ? text.slice(0, 10) : isNewDay && text.slice(11, 16) === "00:00" ? text.slice(5, 10) : timeOfDay(text, step) });
  }
  return ticks;
}

/** Two ends of a window in as few characters as are clear. */
export function spanText(start, end) {
  if (start === null || start === undefined) return "all time";
  const from = new Date(start).toISOString();
  const to = end === null || end === undefined ? null : new Date(end).toISOString();
  const step = end !== null && (end - start) % MINUTE === 0 && start % MINUTE === 0 ? MINUTE : 1;
  const left = `${from.slice(0, 10)} ${timeOfDay(from, step)}`;
  if (to === null) return left;
  if (from.slice(0, 10) === new Date(end - 1).toISOString().slice(0, 10) && end % DAY === 0) return `${left} – 24:00`;
  return `${left} – ${from.slice(0, 10) === to.slice(0, 10) ? "" : `${to.slice(0, 10)} `}${timeOfDay(to, step)}`;
}

function timeOfDay(text, step) {
  if (step >= MINUTE) return text.slice(11, 16);
  return text.slice(11, step >= 1000 ? 19 : 23).replace(/\.000$/, "");
}
