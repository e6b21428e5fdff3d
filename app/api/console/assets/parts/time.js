// Times that tick: one timer for all of them.

import { store } from "../core/store.js";
import { ago, dateAndClock } from "../core/format.js";
import { html, useEffect, useState } from "./html.js";

const TICK_MS = 1_000;
const listeners = new Set();

setInterval(() => {
  if (!document.hidden) for (const listener of [...listeners]) listener();
}, TICK_MS);

/** Draws the component again every second; returns Unix seconds by the node's clock. */
export function useNow() {
  const [, again] = useState(0);
  useEffect(() => {
    const tick = () => again((count) => count + 1);
    listeners.add(tick);
    return () => listeners.delete(tick);
  }, []);
  return store.now();
}

/** @param {{time: number}} props Unix seconds, by the node's clock */
export function Ago({ time }) {
  const now = useNow();
  return html`<time class="ago" datetime=${new Date(time * 1000).toISOString()} title=${dateAndClock(time)}
    >${ago(Math.max(0, now - time))}</time
  >`;
}
