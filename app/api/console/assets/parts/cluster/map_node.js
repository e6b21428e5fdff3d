// One node on the map: its status by shape and colour, suspicion as a ring that fills, a second ring where it votes, a
// crown where it leads. Drawn again only when something of it changed: there may be hundreds.

import { href } from "../../core/route.js";
import { html, Steady } from "../html.js";
import { CROWN, STATUS_SHAPES } from "../icons.js";

export class MapNode extends Steady {
  /**
   * Properties: name, status, role, here; `part`: suspicion as a part of the threshold, null where it has none;
   * `words`: all of that for readers of the screen; x, y, scale; `named`: whether the name is always written;
   * `reached`: whether Tab comes here.
   */
  render({ name, status, role, here, part, words, x, y, scale, named, reached }) {
    const votes = role === "leader" || role === "voter";
    const level = part === null ? "none" : part >= 1 ? "bad" : part >= 0.5 ? "warn" : "good";
    return html`
      <a
        class=${`map-node is-${status} ${votes ? "votes" : ""} ${role === "leader" ? "leads" : ""} ${named ? "named" : ""}`}
        href=${href("map", name)}
        aria-label=${words}
        tabindex=${reached ? 0 : -1}
        data-name=${name}
        style=${{ transform: `translate(${x}px, ${y}px) scale(${scale})` }}
      >
        <title>${words}</title>
        <circle class="map-hit" r="30" />
        ${votes && html`<circle class="map-vote" r="26" />`}
        <circle class="map-track" r="19" />
        <circle
          class=${`map-phi map-phi-${level}`}
          r="19"
          pathLength="100"
          transform="rotate(-90)"
          stroke-dasharray=${`${((part ?? 0) * 100).toFixed(1)} 100`}
        />
        <path class="map-shape" d=${STATUS_SHAPES[status]} transform="scale(1.75)" fill-rule="evenodd" />
        ${role === "leader" && html`<path class="map-crown" d=${CROWN} transform="translate(0 -35) scale(1.5)" />`}
        <text class="map-name" y=${votes ? 46 : 40} style=${{ fontSize: `${Math.min(26, 14 / scale)}px` }}>
          ${name}${here ? " (here)" : ""}${status === "live" ? "" : ` · ${status}`}
        </text>
      </a>
    `;
  }
}
