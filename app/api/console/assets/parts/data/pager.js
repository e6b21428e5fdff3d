// Long lists by the page: what a browser draws at once stays bounded, and each row can be reached by keyboard.

import { count } from "../../core/format.js";
import { PAGE_ROWS } from "../../core/limits.js";
import { html, useEffect, useState } from "../html.js";

/**
 * @param {number} total rows there are
 * @param {string} reset where this changes, the first page is shown again
 * @returns {{from: number, to: number, at: number, go: (page: number) => void, total: number}}
 */
export function usePages(total, reset) {
  const [page, go] = useState(0);
  useEffect(() => go(0), [reset]);
  const at = Math.min(page, Math.max(0, Math.ceil(total / PAGE_ROWS) - 1));
  return { from: at * PAGE_ROWS, to: Math.min(total, (at + 1) * PAGE_ROWS), at, go, total };
}

/** @param {{pages: ReturnType<typeof usePages>, what: string}} props `what`: such as "keys" */
export function Pager({ pages, what }) {
  const { from, to, at, go, total } = pages;
  if (total <= PAGE_ROWS) return null;
  return html`
    <nav class="pager" aria-label=${`Pages of ${what}`}>
      <button type="button" disabled=${at === 0} onClick=${() => go(at - 1)}>Previous</button>
      <span class="number" role="status">${count(from + 1)}–${count(to)} of ${count(total)}</span>
      <button type="button" disabled=${to >= total} onClick=${() => go(at + 1)}>Next</button>
    </nav>
  `;
}
