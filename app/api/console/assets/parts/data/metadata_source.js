// Where a page has the metadata from: live updates of its node, or, where that takes no part in Raft, requests that it
// passes on; and what to say where there is none.

import { forwarded, wantForwarded } from "../../core/net/forwarded.js";
import { DRAW_EVERY_MS } from "../../core/limits.js";
import { store, useModelEvery } from "../../core/store.js";
import { isWithheld } from "../../core/data/withheld.js";
import { html, useEffect } from "../html.js";

/**
 * @returns {{ready: boolean, live: boolean, off: boolean, revision: number|null, keys: Map<string, any>, partial: boolean,
 *   timeline: any[], error: Error|null, queues: Map<string, any>, queuesPartial: boolean, leases: any,
 *   unlisted: boolean}} `live`: by live updates; `off`: nobody in the cluster takes part in Raft; `unlisted`: there may be
 *   locks, and this page cannot list them
 */
export function useMetadata() {
  const model = useModelEvery(DRAW_EVERY_MS, "hello", "metadata", "queues", "forwarded", "raft", "connection");
  const live = model.hello === null || model.hello.metadata;
  const known = !isWithheld(model, "raft");
  const off = model.complete && !live && known && ![...model.raftMembers.values()].some((member) => member.role !== "client");
  const ask = model.complete && !live && !off && model.connection.state === "live";
  useEffect(() => (ask ? wantForwarded() : undefined), [ask]);
  if (!live) return { ...forwarded, ready: forwarded.available, live, off };
  return {
    ready: model.complete,
    live,
    off,
    revision: model.metadata.revision,
    keys: model.metadata.keys,
    partial: model.partial.has("metadata"),
    timeline: model.timeline,
    error: null,
    queues: model.queues,
    queuesPartial: model.partial.has("queues"),
    leases: store.model.leases,
    unlisted: false,
  };
}

/** Why the metadata is not as live as the rest, where it is not. */
export function SourceNotice({ source }) {
  if (source.off) {
    return html`
      <section class="panel" aria-labelledby="off-title">
        <h2 id="off-title">The Raft layer is off</h2>
        <p>
          No node of this cluster takes part in Raft, so there is no metadata, and there are no leases and no locks. Gossip
          does not need it.
        </p>
        <p>
          To switch it on, put this into the configuration of three nodes or more, each with a <code>data_dir</code>, and
          restart them. With it on, they found a cluster as soon as so many are there.
        </p>
        <pre class="value-text" tabindex="0" aria-label="Configuration">[raft]
enabled = true
bootstrap_expect = 3</pre>
      </section>
    `;
  }
  if (source.live) return null;
  return html`
    <p class="aside" role="status">
      ${
        source.error
          ? html`<span class="level-bad">${source.error.message}.</span> The page asks again by itself.`
          : html`This node takes no part in Raft: it asks the leader for what is shown here. Keys are watched; locks and leases
              are asked for every few seconds.`
      }
    </p>
  `;
}
