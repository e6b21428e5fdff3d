// Gossip's keys as rows, and how far each node's keys have spread, in words. Pure.

import { byName, duration, list, plural } from "../format.js";
import { PAGE_ROWS } from "../limits.js";
import { identity } from "../model.js";

/** Seconds for which a key that was deleted is still shown. */
export const SHOW_DELETED = 60;

/**
 * @typedef {object} KeyRow
 * @property {string} id
 * @property {string} node
 * @property {number} generation
 * @property {string} key
 * @property {string|null} value null where it is too long to be told unasked
 * @property {number} version
 * @property {"set"|"expires"|"deleted"} status
 * @property {boolean} own whether the node behind the page writes it
 * @property {number|null} time when the page saw it change, Unix seconds
 */

/**
 * Keys that are there, and those that went a moment ago.
 * @param {any} model
 * @param {number} now Unix seconds
 * @returns {KeyRow[]} in no order
 */
export function keyRows(model, now) {
  const rows = [];
  const times = changeTimes(model.timeline);
  for (const node of model.gossip.values()) {
    for (const key of node.keys.values()) {
      const id = `${identity(node)}\n${key.key}`;
      rows.push({
        id,
        node: node.node_id,
        generation: node.generation,
        key: key.key,
        value: key.value,
        version: key.version,
        status: key.status === "Set" ? "set" : "expires",
        own: node.node_id === model.nodeId,
        time: times.get(id)?.time ?? null,
      });
    }
  }
  for (const [id, event] of times) {
    if (event.change !== "delete" || event.time < now - SHOW_DELETED) continue;
    rows.push({
      id,
      node: event.node,
      generation: event.generation,
      key: event.key,
      value: "",
      version: event.version,
      status: "deleted",
      own: event.node === model.nodeId,
      time: event.time,
    });
  }
  return rows;
}

/** The last event of each key that the timeline still has. */
function changeTimes(timeline) {
  const times = new Map();
  for (const event of timeline) {
    if (event.kind !== "gossip") continue;
    times.set(`${identity({ node_id: event.node, generation: event.generation })}\n${event.key}`, event);
  }
  return times;
}

/**
 * Sorted by node and then by key, or by key and then by node.
 * @param {KeyRow[]} rows changed in place
 * @param {"node"|"key"} order
 */
export function sortRows(rows, order) {
  const [first, second] = order === "node" ? ["node", "key"] : ["key", "node"];
  return rows.sort((a, b) => byName(a[first], b[first]) || byName(a[second], b[second]) || b.generation - a.generation);
}

/**
 * @param {KeyRow[]} rows
 * @param {{prefix: string, text: string, system: boolean}} wanted `prefix` of keys; `text`: in node, key or value;
 *   `system`: the keys, too, that nodes write for each other
 */
export function fitting(rows, { prefix, text, system }) {
  const word = text.trim().toLowerCase();
  return rows.filter(
    (row) =>
      row.key.startsWith(prefix) &&
      (system || prefix.startsWith("coterie/") || !row.key.startsWith("coterie/")) &&
      (!word || `${row.node}\n${row.key}\n${row.value ?? ""}`.toLowerCase().includes(word)),
  );
}

/**
 * @typedef {object} Spread how far one node's keys have come
 * @property {string} id
 * @property {string} node
 * @property {number} version
 * @property {number} confirmed live peers that hold all of them
 * @property {number} of live peers
 * @property {boolean} done
 * @property {string} words
 */

/**
 * @param {any} sample of the kind `convergence`, or null
 * @returns {Spread[]} by name, where they stay; of more than a page what is not everywhere comes first
 */
export function spreads(sample) {
  if (sample === null) return [];
  const all = sample.nodes.map((node) => {
    const done = node.behind === 0 && node.here_behind_versions === 0 && node.confirmed >= sample.live_peers;
    return {
      id: identity(node),
      node: node.node_id,
      version: node.version,
      confirmed: node.confirmed,
      of: sample.live_peers,
      live: node.live,
      done,
      words: spreadWords(node, sample),
    };
  });
  const urgent = all.length > PAGE_ROWS;
  return all.sort((a, b) => (urgent ? Number(a.done) - Number(b.done) : 0) || byName(a.node, b.node));
}

function spreadWords(node, sample) {
  const said = [`confirmed on ${node.confirmed} of ${plural(sample.live_peers, "live peer")}`];
  if (node.behind > 0) {
    const who = list(node.behind_nodes, 3);
    said.push(`${who || plural(node.behind, "peer")} behind, by ${plural(node.max_behind_versions, "version")} at most`);
  }
  const silent = sample.live_peers - node.confirmed - node.behind;
  if (silent > 0) said.push(`${plural(silent, "peer")} not heard yet`);
  if (node.here_behind_versions > 0) said.push(`here ${plural(node.here_behind_versions, "version is", "versions are")} missing`);
  return said.join("; ");
}

/** The whole in one sentence. */
export function convergenceWords(sample) {
  if (sample === null) return "Not told yet.";
  if (sample.live_peers === 0) return "This node is alone: there is nobody to spread to.";
  const all = spreads(sample);
  const behind = all.filter((each) => !each.done).length;
  const ages = sample.peers.map((peer) => peer.heard_age_seconds);
  const heard = ages.length > 0 ? `, by what they showed within the last ${duration(Math.ceil(Math.max(1, ...ages)))}` : "";
  const peers = plural(sample.live_peers, "live peer");
  if (behind === 0) {
    const what = sample.scope === "own" ? "This node’s keys are" : `The keys of ${plural(all.length, "node")} are all`;
    return `${what} on ${peers}${heard}.`;
  }
  return `The keys of ${behind} of ${plural(all.length, "node")} are on their way to ${peers}${heard}.`;
}
