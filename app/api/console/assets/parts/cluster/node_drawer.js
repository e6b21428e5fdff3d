// All that is known of one node, at the side of the view it was opened from, and what can be done about it.

import { wantDetails } from "../../core/net/asked.js";
import { count, dateAndClock, duration } from "../../core/format.js";
import { nodeViews, ROLE_MEANING, STATUS_MEANING } from "../../core/cluster/nodes.js";
import { href } from "../../core/route.js";
import { useModel } from "../../core/store.js";
import { describe, nodeOf } from "../../core/cluster/telling.js";
import { ActionDialog, useMay } from "../actions.js";
import { Role, Status } from "./badges.js";
import { Dialog } from "../dialog.js";
import { html, useEffect, useState } from "../html.js";
import { Phi } from "./phi.js";
import { Ago } from "../time.js";

const SHOWN_EVENTS = 12;

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

/** @param {{name: string, onClose: () => void}} props */
export function NodeDrawer({ name, onClose }) {
  const model = useModel("members", "raft", "phi", "details", "cluster", "timeline", "self");
  const [action, setAction] = useState(null);
  useEffect(() => wantDetails(), []);
  const view = nodeViews(model).find((each) => each.name === name);
  // What is asked stays, whatever becomes of the node: once it is removed, that is still to be said.
  return html`
    <${Dialog} title=${name} onClose=${onClose} drawer>
      ${
        view === undefined
          ? html`<p>No node of this name is known here (any more).</p>`
          : html`<${Details} name=${name} view=${view} model=${model} onAction=${setAction} />`
      }
    <//>
    ${action && html`<${ActionDialog} action=${action} node=${name} onClose=${() => setAction(null)} />`}
  `;
}

function Details({ name, view, model, onAction }) {
  const { details } = view;
  return html`
    <p class="drawer-badges">
      <${Status} status=${view.status} /> <${Role} role=${view.role} /> ${view.here && html`<span class="badge">serves this page</span>`}
    </p>
    <p class="muted">
      It ${STATUS_MEANING[view.status]}${view.since !== null ? html` (<${Ago} time=${view.since} />)` : ""}. In Raft it
      ${" "}${ROLE_MEANING[view.role]}.
    </p>
    ${!view.votes && view.reason && html`<p><b>Why it does not vote:</b> ${view.reason}.</p>`}
    ${view.twins > 0 && html`<p class="level-bad">Another live process goes by this name.</p>`}
    <${Actions} view=${view} onAction=${onAction} />
    <section aria-labelledby="drawer-gossip">
      <h3 id="drawer-gossip">Gossip</h3>
      <dl class="fact-list">
        <${Fact} name="Address"><code>${view.address}</code><//>
        <${Fact} name="Generation"><span class="number">${view.generation}</span><//>
        <${Fact} name="Suspicion (phi)">
          <${Phi} phi=${view.phi} threshold=${model.phiThreshold} />${model.phiThreshold !== null && html`
          <span class="muted"> dead above ${model.phiThreshold}</span>`}
        <//>
        <${Fact} name="Last sign of life">
          ${view.here ? "this node" : details?.last_heartbeat_seconds == null ? "none seen" : `${duration(details.last_heartbeat_seconds)} before it was asked`}
        <//>
        <${Fact} name="Heartbeat"><span class="number">${count(details?.heartbeat)}</span><//>
        <${Fact} name="Version"><span class="number">${count(details?.max_version)}</span><//>
        <${Fact} name="Keys"><span class="number">${count(details?.keys)}</span><//>
        <${Fact} name="Zone">${view.zone || "–"}<//>
      </dl>
    </section>
    <section aria-labelledby="drawer-raft">
      <h3 id="drawer-raft">Raft</h3>
      <dl class="fact-list">
        <${Fact} name="Member id"><code>${view.memberId ?? "–"}</code><//>
        <${Fact} name="Address"><code>${view.raftAddress ?? "–"}</code><//>
      </dl>
    </section>
    <${Recent} name=${name} events=${model.timeline} />
  `;
}

function Actions({ view, onAction }) {
  const may = useMay();
  const title = may.admin ? undefined : may.why;
  return html`
    <div class="drawer-actions">
      ${
        view.role === "voter" &&
        view.status === "live" &&
        html`<button type="button" disabled=${!may.admin} title=${title} onClick=${() => onAction("transfer")}>
          Make it the leader…
        </button>`
      }
      ${
        view.status !== "live" &&
        html`<button type="button" class="danger" disabled=${!may.admin} title=${title} onClick=${() => onAction("remove")}>
          Remove ${view.name}…
        </button>`
      }
      ${!may.admin && html`<p class="muted">${may.why}.</p>`}
    </div>
  `;
}

function Recent({ name, events }) {
  const own = events.filter((event) => nodeOf(event) === name).slice(-SHOWN_EVENTS).reverse();
  return html`
    <section aria-labelledby="drawer-events">
      <h3 id="drawer-events">What happened to it while this page was open</h3>
      ${own.length === 0 && html`<p class="muted">Nothing.</p>`}
      <ol class="recent">
        ${own.map((event) => html`<li key=${event.id}><time>${dateAndClock(event.time).slice(11)}</time> ${describe(event)}</li>`)}
      </ol>
      <p><a href=${href("timeline", name)}>All of it in the timeline</a></p>
    </section>
  `;
}
