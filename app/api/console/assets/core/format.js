// How numbers and times are written. Pure.

const WHOLE = new Intl.NumberFormat("en");

/** 12345 -> "12,345" */
export const count = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));

/** "1 node", "2 nodes" */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** "a", "a and b", "a, b and c"; of many the first few and how many more. */
export function list(names, most = 5) {
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} more`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/** Three digits that matter. */
function digits(value) {
  if (value >= 100) return WHOLE.format(Math.round(value));
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** @param {number|null} seconds "340 ms", "2.5 s", "3 min", "2 h", "5 d" */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.001) return seconds <= 0 ? "0 ms" : `${digits(seconds * 1e6)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Times that tick are told in whole seconds. */
export const ago = (seconds) => (seconds < 1 ? "just now" : `${duration(Math.floor(seconds))} ago`);

/** @param {number} value bytes: "1.20 kB" */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (value >= size) return `${digits(value / size)} ${unit}`;
  }
  return `${Math.round(value)} B`;
}

/** @param {number} value per second: "12.0/s" */
export const rate = (value) => (value === null || value === undefined ? "–" : `${value === 0 ? "0" : digits(value)}/s`);

/** @param {number} time Unix seconds: "14:03:07.125" by the clock of this browser */
export function clock(time) {
  const date = new Date(time * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** @param {number} time Unix seconds: "2026-01-21 14:03:07" */
export function dateAndClock(time) {
  const date = new Date(time * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clock(time).slice(0, 8)}`;
}

/** What the API says begins small and ends without a full stop. */
export const sentence = (text) =>
  text && `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** Long values are cut, with a sign that they are. */
export const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Names in the order that people expect: node2 before node10. */
const COLLATOR = new Intl.Collator("en", { numeric: true });
export const byName = (a, b) => COLLATOR.compare(a, b);
