// What the page knows, and how each message of the live updates changes it. Pure: no clock, no DOM, no network.
//
// A snapshot is gathered aside and takes the place of what is held when it is complete (`ready`), so that a page which
// comes back after a restart of its node never shows half a cluster.

import {
  MAX_DECISIONS,
  MAX_FIGURES,
  MAX_GOSSIP_KEYS,
  MAX_METADATA_KEYS,
  MAX_QUEUES,
  MAX_TIMELINE,
} from "./limits.js";

/** One incarnation of a node. */
export const identity = (node) => `${node.node_id}\n${node.generation}`;

const emptyPicture = () => ({
  /** identity -> {node_id, generation, gossip_advertise_addr, status, since}; `since`: Unix seconds, null: not seen. */
  members: new Map(),
  raft: null,
  /** member_id -> LiveRaftMember */
  raftMembers: new Map(),
  /** Oldest first. */
  decisions: [],
  /** identity -> {node_id, generation, keys: Map(key -> LiveGossipKey)} */
  gossip: new Map(),
  gossipKeys: 0,
  /** `keys`: key -> LiveMetadataKey. */
  metadata: { available: false, revision: null, keys: new Map() },
  /** "lock\nname" -> LiveQueue */
  queues: new Map(),
  /** Names of parts that are not shown whole: left out by the node, or too many for the page. */
  partial: new Set(),
});

export function emptyModel() {
  return {
    connection: { state: "connecting", since: 0, retryAt: null, reason: "" },
    /** What the token may do, as `GET /v1/tokens/self` tells: {id, rules}. */
    self: null,
    /** The last `hello`; null before the first. */
    hello: null,
    clusterId: "",
    /** The node that serves this page. */
    nodeId: "",
    /** Whether a snapshot is complete. */
    complete: false,
    lastId: null,
    /** Seconds that the clock of this browser is ahead of the node's. */
    skew: 0,
    ...emptyPicture(),
    gathered: null,
    /** identity -> phi; of live nodes but the page's own. */
    phi: new Map(),
    phiThreshold: null,
    leases: { time: null, total: 0, leases: [] },
    links: null,
    convergence: null,
    /** Samples, oldest first. */
    figures: [],
    /** Events, oldest first; of the kind `page` are those of the page itself: it began anew, and does not know what
     * happened in between. */
    timeline: [],
    /** Events that were dropped from it. */
    timelineDropped: 0,
    /** Answer of `GET /v1/cluster`, which knows why nodes do not vote. */
    cluster: null,
    /** identity -> Member, as `GET /v1/members` told last. */
    details: new Map(),
  };
}

/**
 * Take one message in.
 * @param {ReturnType<typeof emptyModel>} model changed in place
 * @param {any} message as the schema `LiveMessage` describes it
 * @returns {string[]} the slices that changed
 */
export function apply(model, message) {
  switch (message.type) {
    case "hello":
      return hello(model, message);
    case "snapshot":
      gather(model, message);
      return [];
    case "ready":
      return ready(model, message);
    case "events":
      return events(model, message);
    case "sample":
      return sample(model, message);
    case "heartbeat":
      model.lastId = message.id;
      return [];
    default:
      return [];
  }
}

function hello(model, message) {
  const restarted = model.hello !== null && model.hello.node_id !== message.node_id;
  model.hello = message;
  model.nodeId = message.node_id;
  if (message.resumed) return ["hello"];
  model.gathered = { ...emptyPicture(), clusterId: model.clusterId };
  // What is held of the metadata up to a revision may be brought up to date instead of told again.
  model.gathered.metadata = { ...model.metadata, keys: new Map(model.metadata.keys) };
  model.gathered.fresh = new Set();
  if (restarted) model.figures = [];
  if (model.complete) {
    remember(model, [{ id: `page-${message.epoch}-${model.lastId}`, kind: "page", time: message.at, change: "anew" }]);
  }
  return ["hello", "timeline"];
}

function gather(model, message) {
  const picture = model.gathered;
  if (picture === null) return;
  switch (message.part) {
    case "members":
      picture.clusterId = message.cluster_id;
      for (const member of message.members) {
        const known = model.members.get(identity(member));
        const since = known?.status === member.status ? known.since : null;
        picture.members.set(identity(member), { ...member, since });
      }
      break;
    case "raft":
      picture.raft = message.raft;
      for (const member of message.members) picture.raftMembers.set(member.member_id, member);
      picture.decisions = message.decisions.slice(-MAX_DECISIONS);
      break;
    case "gossip":
      for (const key of message.keys) setGossipKey(picture, key);
      break;
    case "metadata":
      if (!picture.fresh.has("metadata")) picture.metadata.keys = new Map();
      picture.fresh.add("metadata");
      picture.metadata.available = message.available;
      picture.metadata.revision = message.revision;
      for (const key of message.keys) setMetadataKey(picture, key);
      break;
    case "metadata_changes":
      picture.metadata.available = true;
      for (const change of message.changes) changeMetadata(picture, change);
      picture.metadata.revision = message.revision;
      break;
    case "queues":
      for (const queue of message.queues) setQueue(picture, queue);
      break;
  }
}

function ready(model, message) {
  model.lastId = message.id;
  if (model.gathered !== null) {
    const { clusterId, fresh: _, ...picture } = model.gathered;
    for (const part of message.left_out) picture.partial.add(part);
    Object.assign(model, picture, { clusterId, gathered: null, complete: true });
  }
  if (message.revision !== null) model.metadata.revision = message.revision;
  return ["hello", "members", "raft", "gossip", "metadata", "queues"];
}

function events(model, message) {
  const changed = new Set(message.events.length ? ["timeline"] : []);
  for (const event of message.events) {
    event.before = before(model, event);
    changed.add(event.kind === "decisions" ? "raft" : event.kind);
    takeEvent(model, event);
  }
  model.lastId = message.id;
  remember(model, message.events);
  return [...changed];
}

function remember(model, told) {
  model.timeline.push(...told);
  const over = model.timeline.length - MAX_TIMELINE;
  if (over > 0) {
    model.timeline.splice(0, over);
    model.timelineDropped += over;
  }
}

/** What a timeline needs to say what changed, not only what is. */
function before(model, event) {
  if (event.kind === "raft") return model.raft && { leader: model.raft.leader, term: model.raft.term };
  if (event.kind === "members") return model.members.get(identity(event.member))?.status ?? null;
  return null;
}

function takeEvent(model, event) {
  switch (event.kind) {
    case "members":
      if (event.change === "removed") {
        model.members.delete(identity(event.member));
        model.phi.delete(identity(event.member));
        model.details.delete(identity(event.member));
        dropGossip(model, identity(event.member));
      } else {
        model.members.set(identity(event.member), { ...event.member, since: event.time });
        if (event.change !== "live") model.phi.delete(identity(event.member));
      }
      break;
    case "raft":
      model.raft = event.raft;
      for (const member of event.members) model.raftMembers.set(member.member_id, member);
      for (const gone of event.gone) model.raftMembers.delete(gone);
      break;
    case "decisions":
      model.decisions = [...model.decisions, event.decision].slice(-MAX_DECISIONS);
      break;
    case "gossip":
      if (event.change === "set") setGossipKey(model, event);
      else deleteGossipKey(model, event);
      break;
    case "metadata":
      changeMetadata(model, event);
      break;
    case "queues":
      setQueue(model, event);
      break;
  }
}

// -- gossip's keys ----------------------------------------------------------------------------------------------------

function setGossipKey(picture, key) {
  const id = identity({ node_id: key.node, generation: key.generation });
  let node = picture.gossip.get(id);
  if (node === undefined) {
    node = { node_id: key.node, generation: key.generation, keys: new Map() };
    picture.gossip.set(id, node);
  }
  if (!node.keys.has(key.key)) {
    if (picture.gossipKeys >= MAX_GOSSIP_KEYS) {
      picture.partial.add("gossip");
      return;
    }
    picture.gossipKeys += 1;
  }
  node.keys.set(key.key, key);
}

function deleteGossipKey(picture, event) {
  const id = identity({ node_id: event.node, generation: event.generation });
  const node = picture.gossip.get(id);
  if (node?.keys.delete(event.key)) picture.gossipKeys -= 1;
  if (node?.keys.size === 0) picture.gossip.delete(id);
}

function dropGossip(picture, id) {
  picture.gossipKeys -= picture.gossip.get(id)?.keys.size ?? 0;
  picture.gossip.delete(id);
}

// -- metadata ---------------------------------------------------------------------------------------------------------

/** Keys that are not text are told in base64: the encoding is part of which key it is. */
export const metadataKey = (record) => (record.key_encoding === "base64" ? `base64:${record.key}` : `utf-8:${record.key}`);

function setMetadataKey(picture, record) {
  const { keys } = picture.metadata;
  if (!keys.has(metadataKey(record)) && keys.size >= MAX_METADATA_KEYS) picture.partial.add("metadata");
  else keys.set(metadataKey(record), record);
}

function changeMetadata(picture, change) {
  // A snapshot may be newer than the events that follow it.
  const held = picture.metadata.keys.get(metadataKey(change));
  if (held !== undefined && held.mod_revision > change.revision) return;
  if (change.change === "put") setMetadataKey(picture, change);
  else picture.metadata.keys.delete(metadataKey(change));
  picture.metadata.revision = Math.max(picture.metadata.revision ?? 0, change.revision);
}

function setQueue(picture, queue) {
  const id = `${queue.queue}\n${queue.name}`;
  if (queue.holders.length === 0 && queue.waiters.length === 0) picture.queues.delete(id);
  else if (picture.queues.has(id) || picture.queues.size < MAX_QUEUES) picture.queues.set(id, queue);
  else picture.partial.add("queues");
}

// -- samples ----------------------------------------------------------------------------------------------------------

function sample(model, message) {
  switch (message.kind) {
    case "phi":
      model.phi = new Map(message.nodes.map((node) => [identity(node), node.phi]));
      model.phiThreshold = message.threshold;
      break;
    case "leases":
      model.leases = message;
      break;
    case "gossip_links":
      model.links = message;
      break;
    case "convergence":
      model.convergence = message;
      break;
    case "figures":
      // A counter that fell: the node was restarted, and its rates begin anew.
      if (message.process.uptime_seconds < (model.figures.at(-1)?.process.uptime_seconds ?? 0)) model.figures = [];
      model.figures = [...model.figures.slice(1 - MAX_FIGURES), message];
      break;
  }
  return [message.kind];
}
