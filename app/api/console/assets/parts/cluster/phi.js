// Suspicion as a bar that is full where a node is taken for dead, with the number beside it.

import { html } from "../html.js";

/** Parts of the threshold from which on the bar says so. */
const LATE = 0.5;

/** @param {{phi: number|null, threshold: number|null}} props */
export function Phi({ phi, threshold }) {
  if (phi === null || phi === undefined) return html`<span class="muted">–</span>`;
  const part = threshold ? Math.min(1, phi / threshold) : 0;
  const level = part >= 1 ? "bad" : part >= LATE ? "warn" : "good";
  return html`
    <span class=${`phi phi-${level}`}>
      <svg class="phi-bar" viewBox="0 0 60 8" aria-hidden="true" focusable="false">
        <rect class="phi-room" width="60" height="8" rx="2" />
        <rect class="phi-fill" width=${(part * 60).toFixed(1)} height="8" rx="2" />
      </svg>
      <span class="number">${phi.toFixed(2)}</span>
    </span>
  `;
}
