// Locks, elections and semaphores with who holds them and who waits, and the leases that all of it lives on.

import { plural } from "../core/format.js";
import { NOTHING, onLeases, queueRows } from "../core/data/holdings.js";
import { revisionTimes } from "../core/data/metadata_keys.js";
import { store } from "../core/store.js";
import { isNarrow } from "../core/data/withheld.js";
import { Choice } from "../parts/choice.js";
import { html, useState } from "../parts/html.js";
import { RevokeLease } from "../parts/data/lease_actions.js";
import { Leases } from "../parts/data/leases.js";
import { useMayWrite } from "../parts/frame/may.js";
import { SourceNotice, useMetadata } from "../parts/data/metadata_source.js";
import { Pager, usePages } from "../parts/data/pager.js";
import { QueueTable } from "../parts/data/queues.js";
import { PartNotice } from "../parts/withheld.js";

const KINDS = { "": "All", lock: "Locks", election: "Elections", semaphore: "Semaphores" };

/** @param {{rest: string}} props `lease:N` to show that one */
export function Locks({ rest }) {
  const source = useMetadata();
  const [kind, setKind] = useState("");
  const [text, setText] = useState("");
  const [revoking, setRevoking] = useState(null);
  const may = useMayWrite("locks");
  const rows = queueRows(source.queues.values(), { kind, text });
  const pages = usePages(rows.length, `${kind}\n${text}`);
  const content = onLeases(source.keys.values(), source.queues.values());
  const chosen = /^lease:(\d+)$/.exec(rest)?.[1];
  return html`
    <h1>Locks and leases</h1>
    <${SourceNotice} source=${source} />
    <${PartNotice} kind="queues" what="locks, elections and semaphores" />
    ${source.unlisted && html`<p class="aside">This node takes no part in Raft, and cannot list locks for a token that may read a part of them.</p>`}
    ${
      !source.off &&
      html`
        <section class="panel" aria-labelledby="queues-title">
          <h2 id="queues-title">Locks, elections and semaphores</h2>
          <div class="tools">
            <${Choice} name="Kind" value=${kind} onChange=${setKind} choices=${KINDS} />
            <label class="grow"
              ><span>Filter (name or holder)</span>
              <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
            </label>
          </div>
          <p class="tally-line" role="status">
            ${plural(rows.length, "is", "are")} in use${source.queuesPartial && "; there are more than this page holds"}
          </p>
          <${QueueTable} rows=${rows.slice(pages.from, pages.to)} times=${revisionTimes(source.timeline)} now=${store.now()} ready=${source.ready} />
          <${Pager} pages=${pages} what="locks" />
        </section>
        <${Leases} source=${source} content=${content} chosen=${chosen === undefined ? null : Number(chosen)}
          may=${may} narrow=${isNarrow(store.model)} onRevoke=${setRevoking} />
      `
    }
    ${
      revoking &&
      html`<${RevokeLease} lease=${revoking} content=${content.get(revoking.lease) ?? NOTHING}
        partial=${source.partial || source.queuesPartial || isNarrow(store.model)} onClose=${() => setRevoking(null)} />`
    }
  `;
}
