/** Values as people read them. Pure; times are UTC; every width is stable enough for figures that tick. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const UNITS = [["y", 31_557_600], ["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]];
export const UNKNOWN = "–";

/** A count: all digits, grouped. */
export function count(value) {
  return value === null || value === undefined ? UNKNOWN : WHOLE.format(value);
}

/** A rate or a count in few characters: 7.3, 482, 12.4 k, 1.31 M. */
export function short(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 999_500) {
    for (const [unit, scale] of [["T", 1e12], ["G", 1e9], ["M", 1e6]]) {
      if (size >= scale * 0.9995) return `${digits(value / scale)} ${unit}`;
    }
  }
  if (size >= 9_999.5) return `${digits(value / 1000)} k`;
  if (size >= 99.95) return WHOLE.format(value);
  return Number.isInteger(value) ? String(value) : value.toFixed(size >= 9.995 ? 1 : 2).replace(/\.?0+$/, "");
}

export function bytes(value) {
  if (value === null || value === undefined) return UNKNOWN;
  for (const [unit, scale] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (value >= scale) return `${digits(value / scale)} ${unit}`;
  }
  return `${value} B`;
}

/** Seconds in the two greatest units that say something: 340 ms, 12.4 s, 3 m 20 s, 2 d 4 h, 11.5 y. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const sign = seconds < 0 ? "−" : "";
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${sign}${digits(size * 1e6)} µs`;
  if (size < 1) return `${sign}${Math.round(size * 1000)} ms`;
  if (size < 60) return `${sign}${size < 10 && !Number.isInteger(size) ? size.toFixed(1) : Math.floor(size)} s`;
  if (size >= UNITS[0][1]) return `${sign}${(size / UNITS[0][1]).toFixed(1)} y`;
  const at = UNITS.findIndex(([, scale]) => size >= scale);
  const [unit, scale] = UNITS[at];
  const [next, nextScale] = UNITS[at + 1];
  const rest = Math.floor((size % scale) / nextScale);
  return `${sign}${Math.floor(size / scale)} ${unit}${rest ? ` ${rest} ${next}` : ""}`;
}

/** A moment without what is zero at its end: 2015-05-17 15:00, 2015-05-17 15:00:03.25. */
export function moment(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const text = String(value).replace("T", " ").replace(/(Z|\+00:00)$/, "");
  return text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "").replace(/(\d\d:\d\d):00$/, "$1");
}

/** The time of day of a moment, to the second. */
export function clock(value) {
  return value === null || value === undefined ? UNKNOWN : String(value).slice(11, 19);
}

/** A moment in milliseconds as ISO text of `Date`. */
export function fromMillis(millis) {
  return new Date(millis).toISOString();
}

/** A cell of a result, by the column's type. */
export function cell(value, type) {
  if (value === null || value === undefined) return "NULL";
  if (isTime(type)) return moment(value);
  if (typeof value === "number") return numeric(value);
  if (typeof value === "bigint") return WHOLE.format(value);
  if (typeof value === "object") return JSON.stringify(value, (_, part) => (typeof part === "bigint" ? String(part) : part));
  if (isNumber(type) && /^-?\d+(\.\d+)?$/.test(value)) return grouped(value);
  return String(value);
}

/** A number as large as it is and no longer than it means: whole in full, else five significant digits. */
export function numeric(value) {
  if (Number.isInteger(value)) return WHOLE.format(value);
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
  return size < 1e-4 ? value.toExponential(2) : value.toFixed(size >= 100 ? 2 : size >= 1 ? 3 : 4);
}

export function isTime(type) {
  return /^timestamp/i.test(type || "");
}

export function isNumber(type) {
  return /^(u?(tiny|small|big|huge)?int|integer|float|double|real|decimal|numeric)/i.test(type || "");
}

/** Bytes as a hex dump: offset, 16 bytes, the printable ones. */
export function hexDump(data, bytesMax = 4096) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, bytesMax); at += 16) {
    const part = [...data.slice(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0"));
    const printable = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    const left = hex.slice(0, 8).join(" ").padEnd(23);
    lines.push(`${at.toString(16).padStart(6, "0")}  ${left}  ${hex.slice(8).join(" ").padEnd(23)}  ${printable}`);
  }
  if (data.length > bytesMax) lines.push(`… ${WHOLE.format(data.length - bytesMax)} more bytes`);
  return lines.join("\n");
}

export function plural(amount, one, many = `${one}s`) {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function grouped(text) {
  const [whole, fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? `.${fraction}` : "");
}
