// Sorting and filtering of rows. Pure.

import { byName } from "./format.js";

/** Nothing known sorts behind everything, either way. */
function compare(a, b, down) {
  const without = (value) => value === null || value === undefined || value === "";
  if (without(a) || without(b)) return without(a) - without(b);
  const order = typeof a === "number" && typeof b === "number" ? a - b : byName(String(a), String(b));
  return down ? -order : order;
}

/**
 * @template Row
 * @param {Row[]} rows
 * @param {(row: Row) => unknown} value what to sort by
 * @param {boolean} down the greatest first
 * @returns {Row[]} a new list; rows that are equal keep their order
 */
export const sorted = (rows, value, down) => [...rows].sort((a, b) => compare(value(a), value(b), down));

/**
 * Whether something fits what was typed: words that must all be found, and `field:word` for one field.
 * @param {Record<string, string>} fields
 * @param {string} text
 */
export function fits(fields, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = Object.values(fields).join("\n").toLowerCase();
  return words.every((word) => {
    const [, name, value] = /^([a-z]+):(.+)$/.exec(word) ?? [];
    return name in fields ? fields[name].toLowerCase().startsWith(value) : all.includes(word);
  });
}
