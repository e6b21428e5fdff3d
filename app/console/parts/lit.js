// What changed a moment ago lights up, calmly, and once.

import { html } from "./html.js";

/** Seconds; a little longer than the animation of `.lit`. */
const LIT = 3;

/** @param {number|null} time when it changed, Unix seconds; @param {number} now */
export const isLit = (time, now) => time !== null && time !== undefined && time > now - LIT;

/** @param {{time: number|null, now: number, children: any}} props the light begins anew with each change */
export const Lit = ({ time, now, children }) => html`<span key=${time} class=${isLit(time, now) ? "lit" : ""}>${children}</span>`;
