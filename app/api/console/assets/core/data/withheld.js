// What of the live updates the token may not read, as `hello` tells it, in words. Pure.

import { list } from "../format.js";

/** The layer of each kind, as rules name it. */
export const LAYER_OF = {
  members: "cluster",
  phi: "cluster",
  raft: "cluster",
  decisions: "cluster",
  gossip_links: "cluster",
  convergence: "cluster",
  figures: "cluster",
  gossip: "gossip",
  metadata: "metadata",
  queues: "locks",
  leases: "locks",
};

/** Of the whole cluster it takes a rule without a prefix; of the others any part will do. */
export const startOf = (kind) => (LAYER_OF[kind] === "cluster" ? "" : null);

/** Whether nothing of a kind may be read. */
export const isWithheld = (model, kind) => model.hello?.withheld?.includes(kind) ?? false;

/** @returns {string[]|null} what keys or names of a kind begin with, of which no others may be read; null: all may */
export const startsOf = (model, kind) => model.hello?.within?.[kind] ?? null;

/** Whether something that belongs to leases may be there and not be shown. */
export const isNarrow = (model) =>
  ["metadata", "queues"].some((kind) => isWithheld(model, kind) || startsOf(model, kind) !== null);

/** "The token worker", as the beginning of a sentence. */
export const who = (self) => (self === null || self.id === "anonymous" ? "Who shows no token" : `The token ${self.id}`);

/** @returns {string} layers of which nothing is told, for a sentence; "" for none */
export const withheldLayers = (model) => list([...new Set((model.hello?.withheld ?? []).map((kind) => LAYER_OF[kind]))], 9);
