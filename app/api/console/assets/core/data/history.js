// The history of one key, as far as the cluster keeps it, and what happens to it while somebody looks.

import { part } from "../net/api.js";
import { followMetadata } from "../net/event_stream.js";
import { MAX_CELL, MAX_HISTORY } from "../limits.js";

/** The value's beginning is enough for a list: a long one is asked for when it is wanted. */
const slim = (change) => (change.value?.length > MAX_CELL * 3 ? { ...change, value: `${change.value.slice(0, MAX_CELL * 3)}…` } : change);

/**
 * @param {string} key
 * @param {(history: {changes: any[], dropped: boolean, from: number, error: Error|null}) => void} onChange `changes`:
 *   oldest first; `from`: the first revision that the cluster still knows
 * @returns {() => void} ends it
 */
export function followHistory(key, onChange) {
  const aborter = new AbortController();
  const { signal } = aborter;
  const held = { changes: [], dropped: false, from: 1, error: null };
  const tell = () => !signal.aborted && onChange({ ...held });
  const take = (revision, changes) => {
    for (const change of changes) held.changes.push(slim({ ...change, revision }));
    if (held.changes.length > MAX_HISTORY) {
      held.changes = held.changes.slice(-MAX_HISTORY);
      held.dropped = true;
    }
    tell();
  };
  const failed = (error) => {
    held.error = error;
    tell();
  };
  const follow = async () => {
    while (!signal.aborted) {
      try {
        await followMetadata({ what: `key=${part(key)}`, revision: held.from, signal }, take, failed);
      } catch (error) {
        if (error.code !== "compacted") return failed(error);
        held.from = error.details.compacted + 1;
        held.changes = [];
        tell();
      }
    }
  };
  follow();
  return () => aborter.abort();
}
