// The metadata for a page whose node takes no part in Raft: live updates tell nothing of it there, so it is read and
// watched through that node, which passes requests on to the leader. Only while somebody looks at it.

import { call, part } from "./api.js";
import { followMetadata } from "./event_stream.js";
import { FORWARDED_EVERY_MS, MAX_FORWARDED_QUEUES, MAX_METADATA_KEYS, MAX_TIMELINE, TRY_AGAIN_MS } from "../limits.js";
import { metadataKey } from "../model.js";
import { store } from "../store.js";
import { isWithheld, startsOf } from "../data/withheld.js";

/** Longer values are not held, as live updates do not tell them; characters. */
const MAX_VALUE = 4_096;

const PAGE = 1_000;

const empty = () => ({
  /** Whether it has been read once. */
  available: false,
  revision: null,
  keys: new Map(),
  /** Whether there is more than the page holds. */
  partial: false,
  /** Changes seen, as events of live updates are. */
  timeline: [],
  /** What is wrong; null: nothing. */
  error: null,
  queues: new Map(),
  queuesPartial: false,
  leases: { time: null, total: 0, leases: [] },
  /** Whether the token may read a part of the locks: lists are of all. */
  unlisted: false,
});

export let forwarded = empty();

let wanted = 0;
let aborter = null;

const tell = () => store.touch("forwarded");

const slim = (record) => (record.value.length > MAX_VALUE ? { ...record, value: null, encoding: null } : record);

/** Live updates do not tell keys that the cluster keeps for itself, either: locks are shown as locks. */
const isOwn = ({ key, key_encoding: encoding }) => encoding !== "base64" && key.startsWith("coterie/");

function put(record) {
  if (forwarded.keys.has(metadataKey(record)) || forwarded.keys.size < MAX_METADATA_KEYS) {
    forwarded.keys.set(metadataKey(record), slim(record));
  } else forwarded.partial = true;
}

/** @returns {Promise<number>} the revision that was read of the keys that begin so */
async function readAll(start, signal) {
  const found = [];
  let page = null;
  let revision;
  do {
    const told = await call("GET", `v1/meta?limit=${PAGE}&prefix=${part(start)}${page === null ? "" : `&page=${part(page)}`}`);
    if (signal.aborted) return 0;
    revision = told.revision;
    for (const record of told.keys) if (!isOwn(record)) found.push(slim(record));
    page = told.next_page;
  } while (page !== null && found.length < MAX_METADATA_KEYS);
  for (const [id, record] of forwarded.keys) if (record.key.startsWith(start)) forwarded.keys.delete(id);
  forwarded.partial ||= page !== null;
  for (const record of found) put(record);
  Object.assign(forwarded, { available: true, revision: Math.max(forwarded.revision ?? 0, revision), error: null });
  return revision;
}

function take(revision, changes) {
  const time = store.now();
  for (const change of changes) {
    if (isOwn(change)) continue;
    if (change.type === "put") put(change);
    else forwarded.keys.delete(metadataKey(change));
    forwarded.timeline.push({ kind: "metadata", key: change.key, key_encoding: change.key_encoding, revision, time });
  }
  forwarded.timeline = forwarded.timeline.slice(-MAX_TIMELINE);
  forwarded.revision = Math.max(forwarded.revision ?? 0, revision);
}

async function followAll(start, signal) {
  while (!signal.aborted) {
    try {
      const revision = await readAll(start, signal);
      tell();
      if (signal.aborted) return;
      await followMetadata(
        { what: `prefix=${part(start)}`, revision: revision + 1, signal },
        (at, changes) => {
          take(at, changes);
          tell();
        },
        (error) => {
          if (forwarded.error === error) return;
          forwarded.error = error;
          tell();
        },
      );
    } catch (error) {
      // History that does not reach back: read anew.
      if (error.code !== "compacted") forwarded.error = error;
      tell();
      await new Promise((done) => setTimeout(done, TRY_AGAIN_MS * 4));
    }
  }
}

const KINDS = { locks: "lock", elections: "election", semaphores: "semaphore" };

async function readQueues() {
  const queues = new Map();
  let partial = false;
  const unlisted = startsOf(store.model, "queues") !== null;
  for (const [path, queue] of unlisted ? [] : Object.entries(KINDS)) {
    const { names } = await call("GET", `v1/${path}`);
    partial ||= names.length > MAX_FORWARDED_QUEUES;
    for (const name of names.slice(0, MAX_FORWARDED_QUEUES)) {
      const told = await call("GET", `v1/${path}/${part(name)}`);
      const holders = told.holders ?? (told.leader === null ? [] : [told.leader]);
      const waiters = told.waiters ?? told.candidates;
      if (holders.length + waiters.length > 0) {
        queues.set(`${queue}\n${name}`, { queue, name, revision: told.revision, holders, waiters });
      }
    }
  }
  const { leases } = await call("GET", "v1/leases");
  Object.assign(forwarded, { queues, unlisted, queuesPartial: partial, leases: { time: store.now(), total: leases.length, leases } });
}

async function pollQueues(signal) {
  while (!signal.aborted) {
    try {
      if (!document.hidden) await readQueues();
      tell();
    } catch (error) {
      forwarded.error = error;
      tell();
    }
    await new Promise((done) => setTimeout(done, FORWARDED_EVERY_MS));
  }
}

/** It is read and watched until the returned function is called. */
export function wantForwarded() {
  wanted += 1;
  if (wanted === 1) {
    forwarded = empty();
    aborter = new AbortController();
    const starts = isWithheld(store.model, "metadata") ? [] : (startsOf(store.model, "metadata") ?? [""]);
    if (starts.length === 0) forwarded.available = true;
    for (const start of starts) followAll(start, aborter.signal);
    if (!isWithheld(store.model, "queues")) pollQueues(aborter.signal);
  }
  return () => {
    wanted -= 1;
    if (wanted > 0) return;
    aborter.abort();
    forwarded = empty();
  };
}
