// The WebSocket of live updates, kept up: tries again with growing, jittered pauses, resumes behind the last event that
// it had, takes a heartbeat that stays away for a loss, and says at any time how it stands.

import { ApiError, call, url } from "./api.js";
import { RETRY_FIRST_MS, RETRY_MOST_MS } from "../limits.js";
import { readable, token } from "./session.js";

const SUBPROTOCOL = "coterie.live.v1";

const KINDS = ["members", "phi", "raft", "decisions", "gossip", "metadata", "queues", "leases"];

/** Told only to who names them. */
const MORE_KINDS = ["gossip_links", "convergence", "figures"];

/** A heartbeat may be late by half its time, and by a slow network. */
const LATE_MS = 4_000;

/** Until the first message of a connection. */
const GREETING_MS = 10_000;

const CLOSED = {
  1001: "the node is stopping",
  1006: "the connection broke",
  1013: "this page was too slow for the node",
};

/**
 * The pause before a try.
 * @param {number} attempt 0 for the first after a loss
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds, between half of and the whole of a bound that doubles
 */
export function pauseMs(attempt, random) {
  const bound = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 16));
  return bound / 2 + (random * bound) / 2;
}

/**
 * What to ask for, going on from what is held.
 * @param {any} model
 * @param {string[]} kinds
 */
export function subscription(model, kinds) {
  const asked = { type: "subscribe", kinds };
  if (!model.complete) return asked;
  if (model.lastId !== null) asked.last_id = model.lastId;
  const { available, revision } = model.metadata;
  if (available && revision !== null && !model.partial.has("metadata")) asked.revision = revision;
  return asked;
}

export class Connection {
  #store;
  #socket = null;
  #attempt = 0;
  #retry = 0;
  #watchdog = 0;
  /** The rules by which what is held was told. */
  #rules = "";
  /** Of the try under way: what comes of an older one is nobody's business. */
  #try = 0;

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.#store = store;
    // A network that came back, and a tab that is looked at again, need not wait for the pause to end.
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /** Begin, or begin anew as with another token. */
  start() {
    this.#attempt = 0;
    this.#open();
  }

  #hurry() {
    if (this.#store.model.connection.state === "lost") this.#open();
  }

  #tell(state, more = {}) {
    const held = this.#store.model.connection;
    const since = held.state === state ? held.since : Date.now();
    this.#store.set("connection", { connection: { state, since, retryAt: null, reason: "", ...more } });
  }

  #end() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    this.#try += 1;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #open() {
    this.#end();
    const own = this.#try;
    const lost = this.#store.model.connection;
    if (lost.state === "lost") this.#tell("lost", { ...lost, retryAt: null });
    else this.#tell("connecting");
    try {
      // A browser does not tell a page why a WebSocket was refused; a plain request says so.
      const self = await call("GET", "v1/tokens/self");
      if (own !== this.#try) return;
      const rules = JSON.stringify(self.rules);
      // Under other rules another part is told: what is held of the former one is no beginning for it.
      if (this.#rules && this.#rules !== rules) this.#store.clear();
      this.#rules = rules;
      this.#store.set("self", { self });
      const kinds = readable(self.rules, [...KINDS, ...MORE_KINDS]);
      if (kinds.length === 0) {
        const reason = "this token may read nothing of what this page shows";
        this.#tell(self.id === "anonymous" ? "token" : "refused", { reason });
        return;
      }
      this.#connect(own, kinds);
    } catch (error) {
      if (own !== this.#try) return;
      this.#refused(error);
    }
  }

  #refused(error) {
    // After too many wrong tokens the same one is not shown again by itself either.
    if (error instanceof ApiError && (error.status === 401 || error.code === "too_many_tries")) {
      this.#tell("token", { reason: token() ? error.message : "" });
    } else if (error instanceof ApiError && error.status === 403) {
      this.#tell("refused", { reason: error.message });
    } else {
      this.#lose(error instanceof ApiError ? error.message : String(error));
    }
  }

  #connect(own, wanted) {
    let kinds = wanted;
    const address = url("v1/ws?wait=true");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, token() ? [SUBPROTOCOL, token()] : [SUBPROTOCOL]);
    this.#socket = socket;
    let greeted = false;
    let reason = "";
    const watch = (ms, what) => {
      clearTimeout(this.#watchdog);
      this.#watchdog = setTimeout(() => own === this.#try && this.#lose(what), ms);
    };
    watch(GREETING_MS, "the node did not answer in time");
    socket.onopen = () => socket.send(JSON.stringify(subscription(this.#store.model, kinds)));
    socket.onmessage = ({ data }) => {
      if (own !== this.#try) return;
      const message = JSON.parse(data);
      if (message.type === "end") reason = message.error.message;
      if (message.type === "error" && !greeted && message.error.parameter?.startsWith("kinds")) {
        // The token came to allow less a moment ago, or the node is an older one that does not know all kinds.
        const refused = message.error.details?.withheld ?? MORE_KINDS;
        const less = kinds.filter((kind) => !refused.includes(kind));
        if (less.length === kinds.length || less.length === 0) return this.#lose(message.error.message);
        kinds = less;
        socket.send(JSON.stringify(subscription(this.#store.model, kinds)));
      }
      if (message.type === "hello") greeted = true;
      this.#store.take(message);
      const beat = this.#store.model.hello?.heartbeat_seconds ?? 10;
      watch(beat * 1_500 + LATE_MS, "the node's heartbeat stayed away");
      if (message.type === "ready" || (message.type === "hello" && message.resumed)) {
        this.#attempt = 0;
        this.#tell("live");
      }
    };
    socket.onclose = ({ code }) => {
      if (own !== this.#try) return;
      if (code === 1008) this.#open(); // the token is no longer good, or for less: the request before says which
      else this.#lose(reason || CLOSED[code] || `the connection was closed (${code})`);
    };
  }

  #lose(reason) {
    this.#end();
    const ms = pauseMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#tell("lost", { reason, retryAt: Date.now() + ms });
    this.#retry = setTimeout(() => this.#open(), ms);
  }
}
