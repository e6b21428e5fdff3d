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
 * What was typed into a filter: words that must all be found, and `field:word` for the beginning of one field.
 * @param {string} text
 * @returns {(fields: Record<string, string>) => boolean} whether something fits it
 */
export function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return () => true;
  return (fields) => {
    const all = Object.values(fields).join("\n").toLowerCase();
    return words.every((word) => {
      const [, name, value] = /^([a-z]+):(.+)$/.exec(word) ?? [];
      return name in fields ? fields[name].toLowerCase().startsWith(value) : all.includes(word);
    });
  };
}
