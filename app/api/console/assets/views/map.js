// The nodes as a picture: who is alive, who votes and leads, suspicion as it moves, and the gossip of this page's node
// with the others as it happens. The same stands beneath it as text.

import { count, duration } from "../core/format.js";
import { Places, points, scaleFor } from "../core/cluster/layout.js";
import { MAX_NAMED_NODES, MAX_ROWS } from "../core/limits.js";
import { identity } from "../core/model.js";
import { nodeViews } from "../core/cluster/nodes.js";
import { href } from "../core/route.js";
import { useModel } from "../core/store.js";
import { html, useEffect, useMemo, useRef, useState } from "../parts/html.js";
import { Crown, StatusShape } from "../parts/icons.js";
import { MapNode } from "../parts/cluster/map_node.js";
import { NodeDrawer } from "../parts/cluster/node_drawer.js";
import { Pulses } from "../parts/cluster/pulses.js";

const WIDE = { width: 1000, height: 580, rx: 400, ry: 205, top: -2 };
const NARROW = { width: 400, height: 460, rx: 140, ry: 165, top: 4 };
const narrow = matchMedia("(max-width: 640px)");

/** Kept over visits of other views: nobody moves because somebody looked elsewhere. */
const places = new Places();

function useNarrow() {
  const [is, set] = useState(narrow.matches);
  useEffect(() => {
    const change = () => set(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return is;
}

function wordsOf(view, part, threshold) {
  const said = [view.name, view.status];
  if (view.role !== "client") said.push(view.role);
  if (part !== null) said.push(`suspicion ${view.phi.toFixed(1)} of ${threshold}`);
  if (view.here) said.push("serves this page");
  return said.join(", ");
}

/** @param {{rest: string}} props the node whose details are shown */
export function NodeMap({ rest }) {
  const model = useModel("members", "raft", "phi", "hello", "cluster");
  const views = nodeViews(model);
  return html`
    <h1>Map</h1>
    <section class="panel map-panel" aria-label="Map of the nodes">
      <${Picture} views=${views} threshold=${model.phiThreshold} />
      <${Legend} />
    </section>
    <${AsText} views=${views} threshold=${model.phiThreshold} />
    ${rest && html`<${NodeDrawer} key=${rest} name=${rest} onClose=${() => (location.hash = href("map"))} />`}
  `;
}

function Picture({ views, threshold }) {
  const size = useNarrow() ? NARROW : WIDE;
  const [reached, setReached] = useState(null);
  const slots = places.settle(views.map((view) => view.name));
  const spots = useMemo(() => points(places.capacity), [places.capacity]);
  const scale = scaleFor(places.capacity) * (size === NARROW ? 0.72 : 1);
  const at = new Map();
  for (const [name, slot] of slots) {
    at.set(name, { x: Math.round(spots[slot].x * size.rx), y: Math.round(spots[slot].y * size.ry + size.top) });
  }
  const first = views.some((view) => view.name === reached) ? reached : views[0]?.name;
  const go = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -views.length, End: views.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const here = views.findIndex((view) => view.name === first);
    const next = views[Math.max(0, Math.min(views.length - 1, here + step))].name;
    setReached(next);
    event.currentTarget.querySelector(`[data-name="${CSS.escape(next)}"]`)?.focus();
  };
  const crowded = views.length > MAX_NAMED_NODES;
  const box = `${-size.width / 2} ${-size.height / 2} ${size.width} ${size.height}`;
  const live = new Set(views.filter((view) => view.status === "live").map((view) => view.id));
  return html`
    <div
      class="map-frame"
      onKeyDown=${go}
      onfocusin=${(event) => setReached(event.target.closest(".map-node")?.dataset.name ?? first)}
    >
      <svg
        class=${`map ${crowded ? "crowded" : ""} ${size === NARROW ? "map-narrow" : ""}`}
        viewBox=${box}
        role="group"
        aria-label="Nodes; arrow keys move from one to the next, Enter shows its details"
      >
        <${Links} at=${at} live=${live} />
        <g class="map-nodes">
          ${views.map((view) => {
            const part = view.phi === null || !threshold ? null : Math.min(1, view.phi / threshold);
            return html`<${MapNode}
              key=${view.name}
              name=${view.name}
              status=${view.status}
              role=${view.role}
              here=${view.here}
              part=${part}
              words=${wordsOf(view, part, threshold)}
              ...${at.get(view.name)}
              scale=${scale}
              named=${!crowded || view.role === "leader" || view.here || view.status !== "live"}
              reached=${view.name === first}
            />`;
          })}
        </g>
      </svg>
      <${PulseLayer} box=${box} at=${at} scale=${scale} live=${live} />
    </div>
    ${views.length === 0 && html`<p class="empty">Waiting for the first picture of the cluster…</p>`}
  `;
}

const AGES = [2, 6, 20];

/** How strong a link is drawn, 0 to 3, by the time since the last exchange of either side. */
function strength(link) {
  const ages = [link.opened_age_seconds, link.answered_age_seconds].filter((age) => age !== null);
  const found = ages.length ? AGES.findIndex((limit) => Math.min(...ages) < limit) : -1;
  return found < 0 ? 0 : AGES.length - found;
}

function Links({ at, live }) {
  const { links, nodeId } = useModel("gossip_links");
  const here = at.get(nodeId);
  const shown = here === undefined ? [] : (links?.links ?? []).filter((link) => at.has(link.node_id));
  return html`
    <g class="map-links" aria-hidden="true">
      ${shown.map((link) => {
        const there = at.get(link.node_id);
        return html`<line
          key=${identity(link)}
          class=${`map-link link-${strength(link)} ${live.has(identity(link)) ? "" : "link-unanswered"}`}
          x1=${here.x}
          y1=${here.y}
          x2=${there.x}
          y2=${there.y}
        />`;
      })}
    </g>
  `;
}

/** A picture of its own over the map: what moves all the time does not have the rest painted again. */
function PulseLayer({ box, at, scale, live }) {
  const { links, nodeId } = useModel("gossip_links");
  const layer = useRef(null);
  const pulses = useRef(null);
  const here = at.get(nodeId);
  useEffect(() => {
    pulses.current ??= new Pulses(layer.current);
    if (links === null || here === undefined) return;
    const radius = Math.max(2.2, 5 * scale);
    for (const link of links.links) {
      const there = at.get(link.node_id);
      if (there) pulses.current.show(link, here, there, links.seconds, radius, live.has(identity(link)));
    }
  }, [links]);
  return html`<svg class="map-pulses" viewBox=${box} aria-hidden="true"><g ref=${layer}></g></svg>`;
}

function Legend() {
  const mark = (status) => html`<li class=${`legend-${status}`}><${StatusShape} status=${status} /> ${status}</li>`;
  return html`
    <ul class="legend" aria-label="What the signs mean">
      ${["live", "joining", "dead", "left"].map(mark)}
      <li class="legend-leader"><${Crown} /> leads</li>
      <li><span class="legend-vote"></span> votes</li>
      <li><span class="legend-phi"></span> suspicion (phi): full is dead</li>
      <li><span class="legend-pulse pulse-opened"></span> a handshake of this node</li>
      <li><span class="legend-pulse pulse-replied"></span> its answer</li>
      <li><span class="legend-pulse pulse-answered"></span> one that a peer began</li>
      <li><span class="legend-pulse pulse-unanswered"></span> one that nobody answers</li>
    </ul>
  `;
}

function AsText({ views, threshold }) {
  const { links, nodeId } = useModel("gossip_links");
  const [open, setOpen] = useState(false);
  const byId = new Map((links?.links ?? []).map((link) => [identity(link), link]));
  const sum = (name) => (links?.links ?? []).reduce((total, link) => total + link[name], 0);
  return html`
    <p class="map-tally">
      Gossip of ${nodeId || "this node"} in the last ${links ? duration(links.seconds) : "–"}:
      <span class="number"> ${count(sum("opened"))}</span> handshakes begun,
      <span class="number"> ${count(sum("replied"))}</span> answers,
      <span class="number"> ${count(sum("answered"))}</span> begun by peers.
    </p>
    <details class="panel" open=${open} onToggle=${(event) => setOpen(event.target.open)}>
      <summary>The map as text</summary>
      ${
        open &&
        html`<div class="table-room" tabindex="0" role="region" aria-label="The map as text">
          <table role="table">
            <caption>Nodes, suspicion, and when they last gossiped with ${nodeId}</caption>
            <thead role="rowgroup">
              <tr role="row">
                <th scope="col" role="columnheader">Node</th><th scope="col" role="columnheader">Status</th><th scope="col" role="columnheader">Role</th>
                <th scope="col" role="columnheader" class="right">Suspicion${threshold ? ` of ${threshold}` : ""}</th>
                <th scope="col" role="columnheader" class="right">Asked it</th><th scope="col" role="columnheader" class="right">It answered</th>
                <th scope="col" role="columnheader" class="right">It asked</th>
              </tr>
            </thead>
            <tbody role="rowgroup">
              ${views.slice(0, MAX_ROWS).map((view) => {
                const link = byId.get(view.id);
                return html`<tr role="row" key=${view.name}>
                  <th scope="row" role="rowheader"><a href=${href("map", view.name)}>${view.name}</a></th>
                  <td role="cell" data-label="Status">${view.status}</td><td role="cell" data-label="Role">${view.role}</td>
                  <td role="cell" class="right number" data-label="Suspicion">${view.phi === null ? "–" : view.phi.toFixed(2)}</td>
                  <td role="cell" class="right number" data-label="Asked it">${since(link?.opened_age_seconds)}</td>
                  <td role="cell" class="right number" data-label="It answered">${since(link?.replied_age_seconds)}</td>
                  <td role="cell" class="right number" data-label="It asked">${since(link?.answered_age_seconds)}</td>
                </tr>`;
              })}
            </tbody>
          </table>
        </div>`
      }
    </details>
  `;
}

const since = (seconds) => (seconds === null || seconds === undefined ? "–" : `${duration(seconds)} ago`);
