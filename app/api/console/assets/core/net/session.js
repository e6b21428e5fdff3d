// The token: in memory, and in sessionStorage so that a reload of this tab keeps it. Never in the URL, never in
// localStorage, never in a cookie.

import { LAYER_OF, startOf } from "../data/withheld.js";

const NAME = "coterie.token";

let held = read();

function read() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage is switched off: the token lives as long as the page
  }
}

/** @returns {string} the token, or "" */
export const token = () => held;

/** @param {string} value "" to forget it */
export function setToken(value) {
  held = value;
  try {
    if (value) sessionStorage.setItem(NAME, value);
    else sessionStorage.removeItem(NAME);
  } catch {
    // As above.
  }
}

const ORDER = { read: 0, write: 1, admin: 2 };

/**
 * Whether rules allow an action, for buttons to say so before the node does; the node decides.
 * @param {{layer: string, action: string, prefix?: string}[]} rules
 * @param {"cluster"|"gossip"|"metadata"|"locks"|"tokens"} layer
 * @param {"read"|"write"|"admin"} action
 * @param {string|null} start the key or name that is asked for; null: any will do
 */
export function allows(rules, layer, action, start = "") {
  return rules.some(
    (rule) =>
      (rule.layer === layer || rule.layer === "*") &&
      ORDER[rule.action] >= ORDER[action] &&
      (start === null || start.startsWith(rule.prefix ?? "")),
  );
}

/**
 * @param {{layer: string, action: string, prefix?: string}[]} rules as `GET /v1/tokens/self` tells them
 * @param {string[]} kinds of live updates
 * @returns {string[]} those that may be read, at least in part; to name others is refused
 */
export const readable = (rules, kinds) => kinds.filter((kind) => allows(rules, LAYER_OF[kind], "read", startOf(kind)));
