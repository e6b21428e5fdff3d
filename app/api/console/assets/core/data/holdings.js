// Locks, elections, semaphores and leases as rows, and what lives on a lease. Pure.

import { byName, list, plural } from "../format.js";

export const QUEUE_WORDS = { lock: "lock", election: "election", semaphore: "semaphore" };

/** @param {any} place @returns {string|null} what the holder says of itself; null: nothing */
export const placeValue = (place) => (place.value === "" ? null : place.encoding === "base64" ? "bytes" : place.value);

/**
 * @param {Iterable<any>} queues
 * @param {{kind: string, text: string}} wanted `kind`: "" for all
 * @returns {any[]} by name
 */
export function queueRows(queues, { kind, text }) {
  const word = text.trim().toLowerCase();
  const fits = (queue) =>
    (!kind || queue.queue === kind) &&
    (!word || [queue.name, ...[...queue.holders, ...queue.waiters].map((place) => place.value)].join("\n").toLowerCase().includes(word));
  return [...queues].filter(fits).sort((a, b) => byName(a.name, b.name) || byName(a.queue, b.queue));
}

/**
 * What lives on each lease.
 * @param {Iterable<any>} records of the metadata
 * @param {Iterable<any>} queues
 * @returns {Map<number, {keys: any[], held: any[], waits: any[]}>}
 */
export function onLeases(records, queues) {
  const found = new Map();
  const of = (lease) => {
    if (!found.has(lease)) found.set(lease, { keys: [], held: [], waits: [] });
    return found.get(lease);
  };
  for (const record of records) if (record.lease > 0) of(record.lease).keys.push(record);
  for (const queue of queues) {
    for (const place of queue.holders) of(place.lease).held.push(queue);
    for (const place of queue.waiters) of(place.lease).waits.push(queue);
  }
  return found;
}

export const NOTHING = { keys: [], held: [], waits: [] };

/** "2 keys, holds 1, waits for 3" */
export function contentWords({ keys, held, waits }, nothing = "nothing") {
  const said = [];
  if (keys.length > 0) said.push(plural(keys.length, "key"));
  if (held.length > 0) said.push(`holds ${list(held.map((queue) => `the ${queue.queue} ${queue.name}`), 3)}`);
  if (waits.length > 0) said.push(`waits for ${list(waits.map((queue) => `the ${queue.queue} ${queue.name}`), 3)}`);
  return said.join("; ") || nothing;
}

/**
 * Seconds that a lease has left.
 * @param {any} lease as a sample told it
 * @param {number} time of the sample
 * @param {number} now by the same clock
 * @returns {number|null} null: it is bound to a node, and has no end that is known
 */
export const timeLeft = (lease, time, now) =>
  lease.remaining_seconds === null ? null : Math.max(0, lease.remaining_seconds - Math.max(0, now - time));
