// Ending a lease: what will go with it, and what came of it.

import { writeOnce } from "../../core/net/api.js";
import { plural } from "../../core/format.js";
import { Confirm } from "../dialog.js";
import { html, useState } from "../html.js";

const SHOWN = 20;

function Going({ title, names }) {
  if (names.length === 0) return null;
  return html`
    <h3>${title}</h3>
    <ul class="going">
      ${names.slice(0, SHOWN).map((name) => html`<li key=${name} class="mono">${name}</li>`)}
      ${names.length > SHOWN && html`<li class="muted">and ${plural(names.length - SHOWN, "more", "more")}</li>`}
    </ul>
  `;
}

/**
 * @param {{lease: any, content: {keys: any[], held: any[], waits: any[]}, partial: boolean, onClose: () => void}} props
 *   `partial`: there may be more than the page shows
 */
export function RevokeLease({ lease, content, partial, onClose }) {
  // As it was when the dialog opened: what is read shall not change under the eye.
  const [{ keys, held, waits }] = useState(content);
  const perform = async () => {
    const told = await writeOnce("DELETE", `v1/leases/${lease.lease}`);
    return `Lease ${told.lease} has ended at revision ${told.revision}; ${plural(told.deleted, "key or place", "keys and places")} went with it.`;
  };
  const names = (queues) => queues.map((queue) => `${queue.queue} ${queue.name}`);
  const nothing = keys.length + held.length + waits.length === 0;
  return html`
    <${Confirm} title=${`Revoke lease ${lease.lease}?`} action="Revoke lease" danger perform=${perform} onClose=${onClose}>
      <p>
        The lease ends now, whoever keeps it alive
        ${lease.kind === "node" ? html` (it is bound to <b>${lease.node}</b>, whose process goes on)` : ""}. This cannot be undone.
      </p>
      ${nothing && html`<p>Nothing that is known here lives on it.</p>`}
      <${Going} title="Deleted" names=${keys.map((record) => record.key)} />
      <${Going} title="Lost, and free for whoever is next" names=${names(held)} />
      <${Going} title="No longer waited for" names=${names(waits)} />
      ${partial && html`<p class="level-warn">There may be more than this page shows: other keys may go, too.</p>`}
    <//>
  `;
}
