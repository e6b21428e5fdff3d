// One gossip key in full, at the side: its value, when it goes, and who holds it.

import { ApiError, call, part } from "../../core/net/api.js";
import { duration } from "../../core/format.js";
import { spreads } from "../../core/data/gossip_keys.js";
import { href } from "../../core/route.js";
import { useModel } from "../../core/store.js";
import { isWithheld } from "../../core/data/withheld.js";
import { Dialog } from "../dialog.js";
import { html, useEffect, useState } from "../html.js";
import { useMayWrite } from "../frame/may.js";
import { Value } from "./value.js";

/** The key as this node holds it: asked for whenever its version is another one. */
function useKey(node, key, version) {
  const [told, setTold] = useState({ state: "asking" });
  useEffect(() => {
    let wanted = true;
    call("GET", `v1/kv/${part(key)}?node=${part(node)}`).then(
      (found) => wanted && setTold({ state: "found", found }),
      (error) => wanted && setTold({ state: error instanceof ApiError && error.status === 404 ? "gone" : "failed", error }),
    );
    return () => {
      wanted = false;
    };
  }, [node, key, version]);
  return told;
}

/** @param {{rest: string, onAction: (action: any) => void, onClose: () => void}} props `rest`: "NODE\nKEY" */
export function GossipKeyDrawer({ rest, onAction, onClose }) {
  const [node, key] = rest.split("\n");
  const model = useModel("gossip", "convergence", "members", "hello");
  const may = useMayWrite("gossip", key);
  const held = [...model.gossip.values()].filter((each) => each.node_id === node).sort((a, b) => b.generation - a.generation)[0];
  const told = useKey(node, key ?? "", held?.keys.get(key)?.version);
  const spread = spreads(model.convergence).find((each) => each.node === node);
  const own = node === model.nodeId;
  const address = [...model.members.values()].find((each) => each.node_id === node && each.status === "live")?.gossip_advertise_addr;
  const found = told.found;
  return html`
    <${Dialog} title=${key ?? ""} drawer onClose=${onClose}>
      <p>A key of <a href=${href("nodes", node)}>${node}</a>, in the gossip layer.</p>
      ${told.state === "asking" && html`<p class="muted">Asking…</p>`}
      ${told.state === "gone" && html`<p role="status">It is gone: deleted, or its time is over.</p>`}
      ${told.state === "failed" && html`<p class="level-bad" role="alert">${told.error.message}</p>`}
      ${
        found &&
        told.state === "found" &&
        html`
          <${Value} text=${found.value} encoding="utf-8" />
          <dl class="fact-list">
            <div><dt>Version</dt><dd class="number">${found.version}</dd></div>
            <div><dt>Status</dt><dd>${found.status === "Set" ? "set" : `expires: goes in ${duration(found.expires_in_seconds)}`}</dd></div>
            <div><dt>Its node</dt><dd>${found.alive ? "live" : "not live: this is the last that was heard of it"}</dd></div>
            ${spread && html`<div><dt>${node}’s keys</dt><dd>${spread.words}</dd></div>`}
          </dl>
        `
      }
      <div class="drawer-actions">
        ${
          own
            ? html`
                <button type="button" disabled=${!may.write || !found} title=${may.why}
                  onClick=${() => onAction({ kind: "set", key, value: found.value })}>Set…</button>
                <button type="button" class="danger" disabled=${!may.write || told.state !== "found"} title=${may.why}
                  onClick=${() => onAction({ kind: "delete", key })}>Delete…</button>
              `
            : html`<p class="muted">
                Only <b>${node}</b> writes it${address ? html`: by its own page, at <code>${address}/ui/</code>` : isWithheld(model, "members") ? "" : ", and it is not live"}.
              </p>`
        }
      </div>
    <//>
  `;
}
