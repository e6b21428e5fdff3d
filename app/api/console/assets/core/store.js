// The one model of the page, and who is told when parts of it change: at most once a frame, however many messages come.

import { useLayoutEffect, useReducer } from "../vendor/htm-preact.js";
import { apply, emptyModel } from "./model.js";

export class Store {
  model = emptyModel();
  #dirty = new Set();
  #listeners = new Map();
  #frame = 0;

  /** @param {any} message of the live updates */
  take(message) {
    // Samples are told as they are taken: so the two clocks can be compared, as far as the network is quick.
    if (message.type === "sample") this.model.skew = Date.now() / 1000 - message.time;
    if (message.type === "hello") message.at = this.now();
    this.touch(...apply(this.model, message));
  }

  /**
   * Change the model outside of the live updates.
   * @param {string} slice what listeners are told changed
   * @param {Record<string, unknown>} values members of the model
   */
  set(slice, values) {
    Object.assign(this.model, values);
    this.touch(slice);
  }

  /** Unix seconds by the clock of the node, as far as this page can know it. */
  now() {
    return Date.now() / 1000 - this.model.skew;
  }

  /** Forget all, as for another token. */
  clear() {
    const { connection } = this.model;
    this.model = { ...emptyModel(), connection };
    this.touch("all");
  }

  touch(...slices) {
    for (const slice of slices) this.#dirty.add(slice);
    if (this.#dirty.size > 0 && this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#tell());
  }

  /**
   * @param {string[]} slices
   * @param {() => void} listener
   * @returns {() => void} ends it
   */
  subscribe(slices, listener) {
    const own = { slices: new Set(slices), listener };
    this.#listeners.set(own, own);
    return () => this.#listeners.delete(own);
  }

  #tell() {
    this.#frame = 0;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const { slices, listener } of [...this.#listeners.values()]) {
      if (dirty.has("all") || [...slices].some((slice) => dirty.has(slice))) listener();
    }
  }
}

export const store = new Store();

/**
 * Wait until the model is as wanted.
 * @param {string} slice whose changes matter
 * @param {(model: any) => boolean} holds
 * @param {number} within milliseconds
 * @returns {Promise<boolean>} whether it came to be so
 */
export function until(slice, holds, within) {
  return new Promise((done) => {
    const end = (held) => {
      clearTimeout(timer);
      unsubscribe();
      done(held);
    };
    const timer = setTimeout(() => end(holds(store.model)), within);
    const unsubscribe = store.subscribe([slice], () => holds(store.model) && end(true));
    if (holds(store.model)) end(true);
  });
}

/**
 * For components: the model, and drawn again when one of these slices changed. Slices: connection, self, hello, members,
 * raft (with decisions), gossip, metadata, queues, phi, leases, gossip_links, convergence, figures, timeline, cluster,
 * details.
 * @param {...string} slices
 */
export function useModel(...slices) {
  return useModelEvery(0, ...slices);
}

/**
 * The same, for views that are much to draw.
 * @param {number} ms at least so long between one drawing and the next
 * @param {...string} slices
 */
export function useModelEvery(ms, ...slices) {
  const [, again] = useReducer((count) => count + 1, 0);
  useLayoutEffect(() => {
    let waiting = 0;
    let drawn = 0;
    const draw = () => {
      waiting = 0;
      drawn = performance.now();
      again();
    };
    const changed = () => {
      const left = ms - (performance.now() - drawn);
      if (left <= 0) draw();
      else waiting ||= setTimeout(draw, left);
    };
    const end = store.subscribe(slices, changed);
    return () => {
      end();
      clearTimeout(waiting);
    };
  }, [ms, slices.join()]);
  return store.model;
}
