// Events in words, for the timeline. Pure.

import { cut, list } from "../format.js";

const MAX_VALUE = 60;

export const KINDS = {
  members: "members",
  raft: "Raft",
  decisions: "decisions",
  gossip: "gossip keys",
  metadata: "metadata",
  queues: "locks",
  page: "this page",
  system: "the system’s own keys",
};

/** Keys that nodes write for each other: rarely what somebody looks for. */
const SYSTEM_PREFIX = "coterie/";

/** Of `KINDS`. */
export const kindOf = (event) =>
  event.kind === "gossip" && event.key.startsWith(SYSTEM_PREFIX) ? "system" : event.kind;

/** The node that an event is about, where it is about one. */
export function nodeOf(event) {
  switch (event.kind) {
    case "members":
      return event.member.node_id;
    case "gossip":
      return event.node;
    case "decisions":
      return event.decision.node_id;
    default:
      return null;
  }
}

const MEMBERS = {
  joining: (name) => `${name} is joining: known by hearsay`,
  live: (name, before) => (before === "dead" ? `${name} is back` : `${name} is live`),
  dead: (name) => `${name} is dead: it shows no signs of life`,
  left: (name) => `${name} has left`,
  removed: (name) => `${name} is no longer remembered`,
};

const quoted = (value) => (value === null ? "a long value" : `“${cut(value, MAX_VALUE)}”`);

/** @returns {string} */
export function describe(event) {
  switch (event.kind) {
    case "members":
      return MEMBERS[event.change](event.member.node_id, event.before);
    case "raft":
      return raft(event);
    case "decisions": {
      const { action, node_id, member_id, reason, outcome } = event.decision;
      return `${action.replaceAll("_", " ")} ${node_id ?? member_id ?? ""}: ${reason} (${outcome})`;
    }
    case "gossip":
      return event.change === "set"
        ? `${event.node} set ${event.key} to ${quoted(event.value)}`
        : `${event.key} of ${event.node} is gone`;
    case "metadata":
      return event.change === "put"
        ? `${event.key} is ${event.encoding === "base64" ? "bytes" : quoted(event.value)} at revision ${event.revision}`
        : `${event.key} was deleted at revision ${event.revision}`;
    case "queues":
      return queue(event);
    case "page":
      return "connected anew; what happened in between is not told here";
    default:
      return "";
  }
}

function raft({ changes, raft: now, members, gone, before }) {
  const said = [];
  if (changes.includes("leader")) {
    said.push(now.leader ? `${now.leader} leads in term ${now.term}` : `no leader is known${before?.leader ? `, it was ${before.leader}` : ""}`);
  } else if (changes.includes("term")) said.push(`the term is ${now.term}`);
  if (changes.includes("quorum")) {
    said.push({ true: "there is a majority", false: "there is no majority", null: "whether there is a majority is not known" }[String(now.quorum)]);
  }
  if (changes.includes("voters")) said.push(`the voters are ${list(now.voters, 9) || "nobody"}`);
  if (changes.includes("cluster_id")) said.push(now.cluster_id ? "the metadata's cluster is founded" : "in no cluster");
  if (said.length === 0) {
    const places = members.map((member) => `${member.node_id ?? member.member_id} is ${member.role}${member.live ? "" : ", not live"}`);
    if (places.length > 0) said.push(list(places, 4));
    if (gone.length > 0) said.push(`${gone.length} gone from the Raft layer`);
  }
  return said.join("; ") || "the voters changed";
}

function queue({ queue: kind, name, holders, waiters }) {
  const what = `the ${kind} ${name}`;
  if (holders.length === 0) return waiters.length ? `${what} is waited for` : `${what} is free`;
  const by = list(holders.map((holder) => (holder.value ? holder.value : `lease ${holder.lease}`)), 4);
  return `${what} is held by ${by}${waiters.length ? `, ${waiters.length} waiting` : ""}`;
}

/** How much an event weighs, for its mark: the words say it too. */
export function weight(event) {
  if (event.kind === "members") return { dead: "bad", removed: "note", left: "note", joining: "note", live: "good" }[event.change];
  if (event.kind === "raft" && event.changes.includes("quorum")) return event.raft.quorum === false ? "bad" : "good";
  if (event.kind === "raft" && event.changes.includes("leader")) return event.raft.leader ? "good" : "warn";
  return "note";
}
