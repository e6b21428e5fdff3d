// How far each node's keys have spread, by what the peers show in their handshakes with this node.

import { convergenceWords, spreads } from "../../core/data/gossip_keys.js";
import { count } from "../../core/format.js";
import { useModel } from "../../core/store.js";
import { isWithheld } from "../../core/data/withheld.js";
import { html } from "../html.js";
import { Pager, usePages } from "../data/pager.js";
import { Withheld } from "../withheld.js";

const WIDTH = 120;

function SpreadBar({ spread }) {
  const part = spread.of === 0 ? 1 : spread.confirmed / spread.of;
  return html`
    <svg class=${`spread-bar ${spread.done ? "spread-done" : "spread-way"}`} viewBox=${`0 0 ${WIDTH} 8`} aria-hidden="true" focusable="false">
      <rect class="spread-room" width=${WIDTH} height="8" rx="4" />
      <rect class="spread-fill" width=${WIDTH * part} height="8" rx="4" />
    </svg>
  `;
}

export function Convergence() {
  const model = useModel("convergence", "hello");
  const { convergence } = model;
  const all = spreads(convergence);
  const pages = usePages(all.length, "");
  return html`
    <section class="panel convergence" aria-labelledby="convergence-title">
      <h2 id="convergence-title">Convergence</h2>
      ${
        isWithheld(model, "convergence")
          ? html`<${Withheld} kind="convergence" what="How far keys have spread" />`
          : html`<p class="convergence-words">${convergenceWords(convergence)}</p>`
      }
      ${convergence?.scope === "own" && html`<p class="muted">In a cluster of this size each node tells of its own keys alone.</p>`}
      <ul class="spreads">
        ${all.slice(pages.from, pages.to).map(
          (spread) => html`<li key=${spread.id} class="spread">
            <span class="spread-node">${spread.node}</span>
            <${SpreadBar} spread=${spread} />
            <span class="spread-version muted">version <span class="number">${count(spread.version)}</span></span>
            <span class="spread-words" title=${spread.words}>${spread.words}${!spread.live && html`<span class="muted"> · not live</span>`}</span>
          </li>`,
        )}
      </ul>
      <${Pager} pages=${pages} what="nodes" />
    </section>
  `;
}
