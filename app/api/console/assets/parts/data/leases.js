// The table of leases: the time that is left, counting down, and what lives on each.

import { count, duration, plural } from "../../core/format.js";
import { contentWords, NOTHING, timeLeft } from "../../core/data/holdings.js";
import { keyAddress } from "../../core/data/metadata_keys.js";
import { href } from "../../core/route.js";
import { store, useModel } from "../../core/store.js";
import { html, useEffect, useRef } from "../html.js";
import { Pager, usePages } from "./pager.js";
import { useNow } from "../time.js";

const SHOWN_KEYS = 10;
const WIDTH = 80;

/** The soon are red: seconds. */
const SOON = 5;

function Left({ lease, time }) {
  useNow();
  const left = timeLeft(lease, time, store.now());
  if (left === null) {
    return html`<span>as long as <a href=${href("nodes", lease.node)}>${lease.node}</a> lives, and ${duration(lease.hold_seconds)}</span>`;
  }
  const part = Math.min(1, left / lease.ttl_seconds);
  return html`
    <span class=${`left ${left < SOON && part < 0.5 ? "left-soon" : ""}`}>
      <svg class="left-bar" viewBox=${`0 0 ${WIDTH} 8`} aria-hidden="true" focusable="false">
        <rect class="spread-room" width=${WIDTH} height="8" rx="4" />
        <rect class="left-fill" width=${WIDTH * part} height="8" rx="4" />
      </svg>
      <span class="left-words">${left <= 0 ? "ending" : duration(Math.ceil(left))} <span class="muted">of ${duration(lease.ttl_seconds)}</span></span>
    </span>
  `;
}

/**
 * @param {{source: any, content: Map<number, any>, chosen: number|null, may: {write: boolean, why?: string},
 *   narrow: boolean, onRevoke: (lease: any) => void}} props `chosen`: the lease that was asked for; `narrow`: more may live on
 *   a lease than the token may read
 */
export function Leases({ source, content, chosen, may, narrow, onRevoke }) {
  const model = useModel("leases");
  const { time, total, leases } = source.live ? model.leases : source.leases;
  const first = leases.filter((lease) => lease.lease === chosen);
  const rows = [...first, ...leases.filter((lease) => lease.lease !== chosen)];
  const pages = usePages(rows.length, String(chosen));
  const section = useRef(null);
  useEffect(() => {
    if (chosen !== null) section.current.scrollIntoView({ block: "start" });
  }, [chosen]);
  return html`
    <section class="panel leases" aria-labelledby="leases-title" ref=${section}>
      <h2 id="leases-title">Leases</h2>
      <p class="tally-line" role="status">
        ${plural(total, "lease")}${total > leases.length && `, the first ${count(leases.length)} of which are told`}${
          chosen !== null && time !== null && first.length === 0 && `. Lease ${chosen} is not among them: it ended`
        }
      </p>
      <div class="table-room data-table" tabindex="0" role="region" aria-label="Leases">
        <table role="table">
          <caption class="unseen">Leases and what lives on them</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th scope="col" role="columnheader" class="col-short">Lease</th><th scope="col" role="columnheader" class="col-time">Time left</th><th scope="col" role="columnheader">What lives on it</th>
              <th scope="col" role="columnheader" class="right col-short">Renewals</th><th scope="col" role="columnheader" class="col-middle"><span class="unseen">Actions</span></th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            ${rows.slice(pages.from, pages.to).map((lease) => {
              const on = content.get(lease.lease) ?? NOTHING;
              return html`
                <tr role="row" key=${lease.lease} class=${lease.lease === chosen ? "chosen" : ""}>
                  <th scope="row" role="rowheader" class="number" data-label="Lease">${lease.lease}</th>
                  <td role="cell" class="whole" data-label="Time left"><${Left} lease=${lease} time=${time} /></td>
                  <td role="cell" class="lease-content whole" data-label="What lives on it">
                    ${contentWords(on, narrow ? "nothing that this token may read" : "nothing")}
                    ${on.keys.length > 0 && html`<ul class="lease-keys">
                      ${on.keys.slice(0, SHOWN_KEYS).map((record) => html`<li key=${record.key}><a class="mono" href=${href("metadata", keyAddress(record))}>${record.key}</a></li>`)}
                      ${on.keys.length > SHOWN_KEYS && html`<li class="muted">and ${count(on.keys.length - SHOWN_KEYS)} more</li>`}
                    </ul>`}
                  </td>
                  <td role="cell" class="right number" data-label="Renewals">${count(lease.renewals)}</td>
                  <td role="cell" class="row-actions">
                    <button type="button" class="small danger" disabled=${!may.write} title=${may.why}
                      aria-label=${`Revoke lease ${lease.lease}`} onClick=${() => onRevoke(lease)}>Revoke…</button>
                  </td>
                </tr>
              `;
            })}
            ${
              rows.length === 0 &&
              html`<tr role="row"><td role="cell" class="empty" colspan="5">${time === null ? "Waiting for the leases…" : "There are no leases."}</td></tr>`
            }
          </tbody>
        </table>
      </div>
      <${Pager} pages=${pages} what="leases" />
    </section>
  `;
}
