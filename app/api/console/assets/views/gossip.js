// Gossip's keys, by node or by key, and how far they have spread.

import { cut, plural } from "../core/format.js";
import { fitting, keyRows, sortRows } from "../core/data/gossip_keys.js";
import { DRAW_EVERY_MS, MAX_CELL } from "../core/limits.js";
import { href } from "../core/route.js";
import { store, useModelEvery } from "../core/store.js";
import { Convergence } from "../parts/cluster/convergence.js";
import { DeleteGossipKey, SetGossipKey } from "../parts/data/gossip_actions.js";
import { GossipKeyDrawer } from "../parts/data/gossip_key.js";
import { html, useState } from "../parts/html.js";
import { isLit } from "../parts/cluster/lit.js";
import { useMayWriteOf } from "../parts/frame/may.js";
import { Pager, usePages } from "../parts/data/pager.js";
import { Choice } from "../parts/choice.js";
import { PartNotice } from "../parts/withheld.js";

export const STATUS_TITLES = {
  set: "set",
  expires: "expires",
  deleted: "deleted",
};

/** A key's status with its meaning: never by colour alone. */
export const KeyStatus = ({ status }) => html`<span class=${`badge key-${status}`}>${STATUS_TITLES[status]}</span>`;

/** @param {{rest: string}} props "NODE\nKEY" of the key whose details are shown */
export function Gossip({ rest }) {
  const model = useModelEvery(DRAW_EVERY_MS, "hello", "gossip", "self");
  const [order, setOrder] = useState("node");
  const [text, setText] = useState("");
  const [prefix, setPrefix] = useState("");
  const [system, setSystem] = useState(false);
  const [action, setAction] = useState(null);
  const mayWrite = useMayWriteOf("gossip");
  const may = mayWrite(null);
  const now = store.now();
  const rows = sortRows(fitting(keyRows(model, now), { prefix, text, system }), order);
  const pages = usePages(rows.length, `${order}\n${text}\n${prefix}\n${system}`);
  const shown = rows.slice(pages.from, pages.to);
  const nodes = new Set(rows.map((row) => row.node)).size;
  const close = () => setAction(null);
  return html`
    <h1>Gossip keys</h1>
    <p class="lead">
      What each node says of itself. A node’s keys are written by that node alone; here those of <b>${model.nodeId || "…"}</b>,
      which serves this page.
    </p>
    <${PartNotice} kind="gossip" what="keys" />
    <${Convergence} />
    <div class="tools">
      <${Choice} name="Order" value=${order} onChange=${setOrder} choices=${{ node: "By node", key: "By key" }} />
      <label class="grow"
        ><span>Filter (node, key or value)</span>
        <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
      </label>
      <label
        ><span>Key begins with</span>
        <input type="search" class="mono" value=${prefix} onInput=${(event) => setPrefix(event.target.value)} spellcheck=${false} />
      </label>
      <label class="check"
        ><input type="checkbox" checked=${system} onChange=${(event) => setSystem(event.target.checked)} />
        <span>The system’s own keys</span>
      </label>
      <button type="button" class="primary" disabled=${!may.write} title=${may.why} onClick=${() => setAction({ kind: "set" })}>
        Set a key…
      </button>
    </div>
    <p class="tally-line" role="status">
      ${plural(rows.length, "key")} of ${plural(nodes, "node")}${model.partial.has("gossip") && "; there are more than this page holds"}
    </p>
    <${KeyTable} rows=${shown} order=${order} now=${now} complete=${model.complete} mayWrite=${mayWrite} onAction=${setAction} />
    <${Pager} pages=${pages} what="keys" />
    ${action?.kind === "set" && html`<${SetGossipKey} name=${action.key} value=${action.value} onClose=${close} />`}
    ${action?.kind === "delete" && html`<${DeleteGossipKey} name=${action.key} onClose=${close} />`}
    ${rest && html`<${GossipKeyDrawer} key=${rest} rest=${rest} onAction=${setAction} onClose=${() => (location.hash = href("gossip"))} />`}
  `;
}

function KeyTable({ rows, order, now, complete, mayWrite, onAction }) {
  const byNode = order === "node";
  return html`
    <div class="table-room data-table" tabindex="0" role="region" aria-label="Gossip keys">
      <table role="table">
        <caption class="unseen">Keys of the gossip layer, as this node holds them, by ${order}</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col" role="columnheader" class="col-name">${byNode ? "Node" : "Key"}</th>
            <th scope="col" role="columnheader" class="col-name">${byNode ? "Key" : "Node"}</th>
            <th scope="col" role="columnheader">Value</th>
            <th scope="col" role="columnheader" class="right col-short">Version</th>
            <th scope="col" role="columnheader" class="col-middle">Status</th>
            <th scope="col" role="columnheader" class="col-buttons"><span class="unseen">Actions</span></th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${rows.map((row, at) => {
            const first = byNode ? row.node : row.key;
            const again = at > 0 && (byNode ? rows[at - 1].node : rows[at - 1].key) === first;
            const link = html`<a class="mono" href=${href("gossip", `${row.node}\n${row.key}`)}>${row.key}</a>`;
            const may = mayWrite(row.key);
            const node = html`<span>${row.node}${row.own && html` <span class="badge">this page’s</span>`}</span>`;
            return html`
              <tr role="row" key=${row.id} class=${row.status === "deleted" ? "gone" : ""}>
                <td role="cell" class=${again ? "again" : "first-of"} data-label=${byNode ? "Node" : "Key"}>${byNode ? node : link}</td>
                <th scope="row" role="rowheader">${byNode ? link : node}</th>
                <td role="cell" class="value-cell whole" data-label="Value">
                  <span key=${row.version} class=${`mono ${row.status !== "deleted" && isLit(row.time, now) ? "lit" : ""}`}>
                    ${row.value === null ? html`<i class="muted">a long value</i>` : cut(row.value, MAX_CELL)}
                  </span>
                </td>
                <td role="cell" class="right number" data-label="Version">${row.version}</td>
                <td role="cell" data-label="Status"><${KeyStatus} status=${row.status} /></td>
                <td role="cell" class="row-actions">
                  ${
                    row.own &&
                    row.status !== "deleted" &&
                    !row.key.startsWith("coterie/") &&
                    html`
                      <button type="button" class="small" disabled=${!may.write} title=${may.why}
                        aria-label=${`Set ${row.key}`} onClick=${() => onAction({ kind: "set", key: row.key, value: row.value })}>Set…</button>
                      <button type="button" class="small" disabled=${!may.write} title=${may.why}
                        aria-label=${`Delete ${row.key}`} onClick=${() => onAction({ kind: "delete", key: row.key })}>Delete…</button>
                    `
                  }
                </td>
              </tr>
            `;
          })}
          ${
            rows.length === 0 &&
            html`<tr role="row"><td role="cell" class="empty" colspan="6">
              ${complete ? "No key fits." : "Waiting for the first picture of the cluster…"}
            </td></tr>`
          }
        </tbody>
      </table>
    </div>
  `;
}
