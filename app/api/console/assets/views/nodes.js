// All nodes in a table: sorted, filtered, each with its details at the side.

import { wantDetails } from "../core/net/asked.js";
import { count, duration, plural } from "../core/format.js";
import { countByStatus, nodeViews } from "../core/cluster/nodes.js";
import { href } from "../core/route.js";
import { useModel } from "../core/store.js";
import { filter } from "../core/table.js";
import { Role, Status } from "../parts/cluster/badges.js";
import { html, useEffect, useMemo, useState } from "../parts/html.js";
import { NodeDrawer } from "../parts/cluster/node_drawer.js";
import { Phi } from "../parts/cluster/phi.js";
import { Table } from "../parts/table.js";

const STATUS_ORDER = { dead: 0, joining: 1, live: 2, left: 3 };
const ROLE_ORDER = { leader: 0, voter: 1, observer: 2, candidate: 3, client: 4 };

const columns = (threshold) => [
  {
    name: "name",
    title: "Node",
    value: (view) => view.name,
    cell: (view) => html`<a href=${href("nodes", view.name)}>${view.name}</a>${view.here && html` <span class="badge">this page’s</span>`}`,
  },
  { name: "status", title: "Status", value: (view) => STATUS_ORDER[view.status], cell: (view) => html`<${Status} status=${view.status} />` },
  { name: "role", title: "Role", value: (view) => ROLE_ORDER[view.role], cell: (view) => html`<${Role} role=${view.role} />` },
  {
    name: "phi",
    title: "Suspicion (phi)",
    value: (view) => view.phi,
    down: true,
    cell: (view) => html`<${Phi} phi=${view.phi} threshold=${threshold} />`,
  },
  {
    name: "sign",
    title: "Last sign",
    value: (view) => view.details?.last_heartbeat_seconds,
    right: true,
    down: true,
    cell: (view) => (view.here ? "–" : duration(view.details?.last_heartbeat_seconds)),
  },
  { name: "heartbeat", title: "Heartbeat", value: (view) => view.details?.heartbeat, right: true, cell: (view) => count(view.details?.heartbeat) },
  { name: "version", title: "Version", value: (view) => view.details?.max_version, right: true, cell: (view) => count(view.details?.max_version) },
  { name: "keys", title: "Keys", value: (view) => view.details?.keys, right: true, cell: (view) => count(view.details?.keys) },
  { name: "zone", title: "Zone", value: (view) => view.zone, cell: (view) => view.zone || html`<span class="muted">–</span>` },
  { name: "address", title: "Address", value: (view) => view.address, cell: (view) => html`<code>${view.address}</code>` },
];

const FILTER = /^is:(live|joining|dead|left)$/;

/** @param {{rest: string}} props a node's name, or `is:STATUS` for a filter to begin with */
export function Nodes({ rest }) {
  const model = useModel("hello", "members", "raft", "phi", "details", "cluster");
  const [text, setText] = useState("");
  const [status, setStatus] = useState("");
  const asked = FILTER.exec(rest)?.[1];
  useEffect(() => wantDetails(), []);
  useEffect(() => {
    if (asked) setStatus(asked);
  }, [asked]);
  const shownColumns = useMemo(() => columns(model.phiThreshold), [model.phiThreshold]);
  const views = nodeViews(model);
  const counts = countByStatus(views);
  const fits = filter(text);
  const shown = views.filter(
    (view) =>
      (!status || view.status === status) &&
      fits({ name: view.name, is: view.status, role: view.role, zone: view.zone, address: view.address }),
  );
  return html`
    <h1>Nodes</h1>
    <div class="tools">
      <label class="grow"
        ><span>Filter (words; <code>role:voter</code>, <code>zone:a</code>)</span>
        <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
      </label>
      <label
        ><span>Status</span>
        <select value=${status} onChange=${(event) => setStatus(event.target.value)}>
          <option value="">All (${views.length})</option>
          ${Object.entries(counts).map(([name, number]) => html`<option key=${name} value=${name}>${name} (${number})</option>`)}
        </select>
      </label>
      <p class="tally" role="status">${plural(shown.length, "node")} of ${count(views.length)}</p>
    </div>
    <${Table}
      caption="Nodes, as this one sees them"
      columns=${shownColumns}
      rows=${shown}
      rowKey=${(view) => view.name}
      empty=${model.complete ? "No node fits the filter." : "Waiting for the first picture of the cluster…"}
    />
    ${rest && !asked && html`<${NodeDrawer} key=${rest} name=${rest} onClose=${() => (location.hash = href("nodes"))} />`}
  `;
}
