// Writing and deleting keys of the metadata, under the condition that they are as they were shown.

import { ApiError, call, part, writeOnce } from "../../core/net/api.js";
import { fromBase64, isBase64, toBase64 } from "../../core/data/bytes.js";
import { addressable } from "../../core/data/metadata_keys.js";
import { Confirm } from "../dialog.js";
import { html, useState } from "../html.js";
import { Value } from "./value.js";

const path = (key) => `v1/meta/${part(key)}`;

/** One operation on a key whose name no path can hold. @returns {Promise<any>} the answer, `result` that of the operation */
async function asTransaction(send, name, operation) {
  const told = await send("POST", "v1/txn", { json: { then: [{ [name]: operation }] } });
  return { revision: told.revision, ...told.results[0][name] };
}

/** The key as it is now; null: it is not there. */
export async function readKey(key) {
  if (!addressable({ key })) return (await asTransaction(call, "get", { key })).record;
  try {
    return await call("GET", path(key));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** `If-Match` on what was seen, or that there was nothing. */
const condition = (seen) => (seen === null ? { "If-None-Match": "*" } : { "If-Match": `"${seen.mod_revision}"` });

/**
 * @param {any} seen the record as it was shown; null: there was none
 * @param {{text: string, base64: boolean, lease: number}} value `lease`: 0 for none, -1 for the one that it has
 */
function putKey(key, seen, { text, base64, lease }) {
  if (!addressable({ key })) {
    const value = base64 ? { value: toBase64(fromBase64(text)), encoding: "base64" } : { value: text };
    return asTransaction(writeOnce, "put", { key, ...value, lease, expect: seen?.mod_revision ?? 0 });
  }
  const query = lease === 0 ? "" : `?lease=${lease === -1 ? "keep" : lease}`;
  return writeOnce("PUT", path(key) + query, { body: base64 ? fromBase64(text) : text, headers: condition(seen) });
}

const deleteKey = (seen) =>
  addressable(seen)
    ? writeOnce("DELETE", path(seen.key), { headers: condition(seen) })
    : asTransaction(writeOnce, "delete", { key: seen.key, expect: seen.mod_revision });

/**
 * Do a write under the condition that the key is as it was seen; where it is not, see how it is.
 * @param {(error: ApiError, now: any) => void} onConflict
 */
async function guarded(key, write, onConflict) {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 412) throw error;
    const now = await readKey(key);
    onConflict(now);
    const state = now === null ? "it was deleted" : `it is at revision ${now.mod_revision} now`;
    throw new ApiError(412, error.code, `Somebody else was faster: ${state}. Nothing was changed by you.`);
  }
}

function Conflict({ now, mine }) {
  return html`
    <section class="conflict" aria-label="Conflict">
      <h3>Somebody else was faster</h3>
      ${
        now === null
          ? html`<p>The key was deleted meanwhile.</p>`
          : html`<${Value} title=${`Theirs, revision ${now.mod_revision}`} text=${now.value} encoding=${now.encoding} />`
      }
      ${mine && html`<p>Yours is below. Write it all the same, change it first, or leave theirs.</p>`}
    </section>
  `;
}

/**
 * @param {{record: any, name?: string, onClose: () => void, onDone?: (key: string) => void}} props `record`: the key as it
 *   was shown, with its value; null: to be created
 */
export function WriteKey({ record, name = "", onClose, onDone }) {
  const [seen, setSeen] = useState(record);
  const [conflict, setConflict] = useState(undefined);
  const [key, setKey] = useState(record?.key ?? name);
  const [text, setText] = useState(record?.value ?? "");
  const [base64, setBase64] = useState(record?.encoding === "base64");
  const [lease, setLease] = useState(record?.lease ? String(record.lease) : "");
  const perform = async () => {
    if (lease && !/^\d+$/.test(lease.trim())) throw new Error("a lease is a number; leave it empty for none");
    const kept = lease && seen !== null && Number(lease) === seen.lease;
    if (base64 && !isBase64(text.trim())) throw new Error("this is not base64");
    const value = { text: base64 ? text.trim() : text, base64, lease: kept ? -1 : Number(lease) };
    const written = await guarded(
      key,
      () => putKey(key, seen, value),
      (now) => {
        setConflict(now);
        setSeen(now);
      },
    );
    onDone?.(key);
    return `Written at revision ${written.revision}.`;
  };
  const again = conflict !== undefined;
  const action = again ? (seen === null ? "Create it anew" : `Write mine over revision ${seen.mod_revision}`) : "Write";
  return html`
    <${Confirm}
      title=${record === null ? "Create a key" : `Set ${record.key}?`}
      action=${record === null && !again ? "Create" : action}
      disabled=${!key}
      danger=${again && seen !== null}
      perform=${perform}
      onClose=${onClose}
    >
      <p>
        ${
          record === null
            ? "A majority of the voters writes it down before it counts. If the key is there already, nothing happens."
            : html`A majority of the voters writes it down before it counts, and only if the key is still at revision${" "}
                <b class="number">${record.mod_revision}</b>, which you saw.`
        }
      </p>
      ${again && html`<${Conflict} now=${conflict} mine />`}
      ${
        record === null &&
        html`<label class="field"
          ><span>Key</span>
          <input class="mono" value=${key} onInput=${(event) => setKey(event.target.value)} autocomplete="off" autocapitalize="off" spellcheck=${false} placeholder="folder/name" />
        </label>`
      }
      <label class="field"
        ><span>${again ? "Yours" : "Value"}</span>
        <textarea value=${text} onInput=${(event) => setText(event.target.value)} spellcheck=${false} />
      </label>
      <div class="tools">
        <label class="check"
          ><input type="checkbox" checked=${base64} onChange=${(event) => setBase64(event.target.checked)} />
          <span>This is base64 of bytes</span>
        </label>
        <label
          ><span>Lease (none: for good)</span>
          <input class="lease-input" inputmode="numeric" value=${lease} onInput=${(event) => setLease(event.target.value)} autocomplete="off" />
        </label>
      </div>
    <//>
  `;
}

/** @param {{record: any, onClose: () => void}} props */
export function DeleteKey({ record, onClose }) {
  const [seen, setSeen] = useState(record);
  const [conflict, setConflict] = useState(undefined);
  const perform = async () => {
    if (seen === null) return "It is gone already.";
    const told = await guarded(
      seen.key,
      () => deleteKey(seen),
      (now) => {
        setConflict(now);
        setSeen(now);
      },
    );
    return `Deleted at revision ${told.revision}.`;
  };
  const again = conflict !== undefined;
  return html`
    <${Confirm}
      title=${`Delete ${record.key}?`}
      action=${again && seen !== null ? `Delete revision ${seen.mod_revision}` : "Delete"}
      disabled=${seen === null}
      danger
      perform=${perform}
      onClose=${onClose}
    >
      <p>
        The key <code>${record.key}</code> goes for all nodes, if it is still at revision
        <b class="number">${" "}${record.mod_revision}</b>, which you saw. Its history can be read until it is compacted.
      </p>
      ${again && html`<${Conflict} now=${conflict} />`}
    <//>
  `;
}
