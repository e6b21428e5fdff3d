// The table of locks, elections and semaphores: who holds each with which fencing token, and who is next.

import { count } from "../../core/format.js";
import { placeValue } from "../../core/data/holdings.js";
import { href } from "../../core/route.js";
import { html } from "../html.js";
import { isLit } from "../cluster/lit.js";
import { Ago } from "../time.js";

const SHOWN_WAITERS = 10;

function Place({ place, times }) {
  const time = times.get(place.since_revision);
  return html`
    <span class="place">
      <b>${placeValue(place) ?? `lease ${place.lease}`}</b>
      ${place.token !== null && html`<span class="badge" title="The fencing token: whatever is changed under it refuses a lower one">token ${place.token}</span>`}
      <a href=${href("locks", `lease:${place.lease}`)}>lease ${place.lease}</a>
      <span class="muted">since ${time ? html`<${Ago} time=${time} />` : `revision ${count(place.since_revision)}`}</span>
    </span>
  `;
}

/** @param {{rows: any[], times: Map<number, number>, now: number, ready: boolean}} props */
export const QueueTable = ({ rows, times, now, ready }) => html`
  <div class="table-room data-table" tabindex="0" role="region" aria-label="Locks, elections and semaphores">
    <table role="table">
      <caption class="unseen">Who holds what, and who waits, in order</caption>
      <thead role="rowgroup">
        <tr role="row"><th scope="col" role="columnheader" class="col-name">Name</th><th scope="col" role="columnheader" class="col-middle">Kind</th><th scope="col" role="columnheader">Held by</th><th scope="col" role="columnheader">Waiting, in order</th></tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          (queue) => html`
            <tr role="row" key=${`${queue.queue}\n${queue.name}`}>
              <th scope="row" role="rowheader" class="mono">
                <span key=${queue.revision} class=${isLit(times.get(queue.revision) ?? null, now) ? "lit" : ""}>${queue.name}</span>
              </th>
              <td role="cell" data-label="Kind"><span class="badge">${queue.queue}</span></td>
              <td role="cell" class="whole" data-label="Held by">
                ${queue.holders.map((place) => html`<${Place} key=${place.lease} place=${place} times=${times} />`)}
                ${queue.holders.length === 0 && html`<span class="muted">nobody</span>`}
              </td>
              <td role="cell" class="whole" data-label="Waiting, in order">
                <ol class="waiters">
                  ${queue.waiters.slice(0, SHOWN_WAITERS).map((place) => html`<li key=${place.lease}><${Place} place=${place} times=${times} /></li>`)}
                </ol>
                ${queue.waiters.length > SHOWN_WAITERS && html`<span class="muted">and ${count(queue.waiters.length - SHOWN_WAITERS)} more</span>`}
                ${queue.waiters.length === 0 && html`<span class="muted">nobody</span>`}
              </td>
            </tr>
          `,
        )}
        ${
          rows.length === 0 &&
          html`<tr role="row"><td role="cell" class="empty" colspan="4">${ready ? "Nobody holds or wants anything here." : "Waiting for the first picture…"}</td></tr>`
        }
      </tbody>
    </table>
  </div>
`;
