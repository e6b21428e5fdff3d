// The nodes of the cluster, one entry a name, out of all that is known of each. Pure.

import { byName } from "../format.js";
import { identity } from "../model.js";

/**
 * @typedef {object} NodeView
 * @property {string} name
 * @property {number} generation
 * @property {string} id its identity
 * @property {string} address of HTTP and gossip
 * @property {"live"|"joining"|"dead"|"left"} status
 * @property {number|null} since Unix seconds; null where the page did not see the change
 * @property {"leader"|"voter"|"observer"|"candidate"|"client"} role in the Raft layer
 * @property {boolean} votes
 * @property {boolean} here whether this is the node that serves the page
 * @property {string} zone
 * @property {string|null} reason why it does not vote
 * @property {string|null} memberId in the Raft layer
 * @property {string|null} raftAddress
 * @property {number|null} phi
 * @property {object|null} details as `GET /v1/members` told last
 * @property {number} others further incarnations of the name that are remembered
 * @property {number} twins further incarnations that run: two processes with one name
 */

/**
 * @param {ReturnType<typeof import("../model.js").emptyModel>} model
 * @returns {NodeView[]} by name
 */
export function nodeViews(model) {
  const names = new Map();
  for (const member of model.members.values()) {
    const all = names.get(member.node_id);
    if (all === undefined) names.set(member.node_id, [member]);
    else all.push(member);
  }
  const places = new Map();
  for (const member of model.raftMembers.values()) {
    const held = places.get(member.node_id);
    if (member.node_id !== null && (held === undefined || member.live)) places.set(member.node_id, member);
  }
  const reasons = new Map((model.cluster?.raft.members ?? []).map((member) => [member.member_id, member.reason]));
  const running = (model.cluster?.gossip?.twins ?? []).map((node) => node.node_id);
  const views = [];
  for (const [name, incarnations] of names) {
    // A live one, or else the latest: of former ones a node that was restarted itself may know by hearsay alone.
    const live = (member) => Number(member.status === "live");
    incarnations.sort((a, b) => live(b) - live(a) || b.generation - a.generation);
    const [member, ...others] = incarnations;
    const place = places.get(name);
    const role = place?.role ?? "client";
    const votes = role === "leader" || role === "voter";
    const id = identity(member);
    views.push({
      name,
      generation: member.generation,
      id,
      address: member.gossip_advertise_addr,
      status: member.status,
      since: member.since,
      role,
      votes,
      here: name === model.nodeId,
      zone: place?.zone ?? "",
      reason: votes ? null : (reasons.get(place?.member_id) ?? null),
      memberId: place?.member_id ?? null,
      raftAddress: place?.raft_addr ?? null,
      phi: member.status === "live" && name !== model.nodeId ? (model.phi.get(id) ?? null) : null,
      details: model.details.get(id) ?? null,
      others: others.length,
      twins: Math.max(
        others.filter((other) => other.status === "live").length,
        running.filter((each) => each === name).length - 1,
      ),
    });
  }
  return views.sort((a, b) => byName(a.name, b.name));
}

/** Members of the Raft layer whose node gossip does not know. */
export const strangers = (model) =>
  [...model.raftMembers.values()].filter(
    (member) => member.node_id === null && (member.role === "leader" || member.role === "voter"),
  );

/** @returns {Record<"live"|"joining"|"dead"|"left", number>} */
export function countByStatus(views) {
  const counts = { live: 0, joining: 0, dead: 0, left: 0 };
  for (const view of views) counts[view.status] += 1;
  return counts;
}

export const STATUS_WORDS = {
  live: "live",
  joining: "joining",
  dead: "dead",
  left: "left",
};

export const STATUS_MEANING = {
  live: "shows signs of life",
  joining: "known by hearsay, no sign of life seen yet",
  dead: "shows no signs of life",
  left: "said goodbye and stopped",
};

export const ROLE_MEANING = {
  leader: "votes, and orders all writes of the metadata",
  voter: "votes on all writes of the metadata",
  observer: "follows the metadata without a vote",
  candidate: "waits for a cluster, or to be let in",
  client: "takes no part in Raft; passes requests on",
};
