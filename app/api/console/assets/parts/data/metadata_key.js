// One key of the metadata: its value, what is known of it, and its history.

import { call, part } from "../../core/net/api.js";
import { count } from "../../core/format.js";
import { followHistory } from "../../core/data/history.js";
import { MAX_HISTORY } from "../../core/limits.js";
import { addressable, folderOf, nameable, pastOf, revisionTimes } from "../../core/data/metadata_keys.js";
import { metadataKey } from "../../core/model.js";
import { href } from "../../core/route.js";
import { useModel } from "../../core/store.js";
import { startsOf, who } from "../../core/data/withheld.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { useMayWrite } from "../frame/may.js";
import { readKey } from "./metadata_actions.js";
import { Ago } from "../time.js";
import { Value } from "./value.js";

/** The record with its value, which lists leave out where it is long. */
function useWhole(record) {
  const [told, setTold] = useState(null);
  const missing = record !== undefined && record.value === null && nameable(record);
  const revision = record?.mod_revision;
  useEffect(() => {
    if (!missing) return undefined;
    let wanted = true;
    readKey(record.key).then(
      (found) => wanted && found !== null && setTold({ record: found }),
      (error) => wanted && setTold({ error }),
    );
    return () => {
      wanted = false;
    };
  }, [missing, record?.key, revision]);
  return missing ? told : { record };
}

/** @param {{name: {key: string, key_encoding: string}, source: any, onAction: (action: any) => void}} props */
export function KeyPanel({ name, source, onAction }) {
  const record = source.keys.get(metadataKey(name));
  const whole = useWhole(record);
  const may = useMayWrite("metadata", name.key);
  const text = nameable(name);
  const model = useModel("hello", "self");
  const hidden = name.key_encoding !== "base64" && !(startsOf(model, "metadata") ?? [""]).some((start) => name.key.startsWith(start));
  const head = useRef(null);
  const back = useRef(null);
  useEffect(() => {
    // Where there is no room for both it takes the place of the list, and of the link that had the focus.
    if (getComputedStyle(back.current).display !== "none") head.current.focus();
  }, []);
  return html`
    <section class="panel key-panel" aria-labelledby="key-title">
      <p class="key-back" ref=${back}><a href=${href("metadata", folderOf(name.key) ? `in:${folderOf(name.key)}` : "")}>Back to the keys</a></p>
      <h2 id="key-title" class="mono" ref=${head} tabindex="-1">${name.key}</h2>
      ${
        !text &&
        html`<p class="muted">
          The name of this key is no text (UTF-8): it is shown in base64, and can be changed only by a program that embeds a
          node, not over HTTP and so not here.
        </p>`
      }
      ${
        hidden
          ? html`<p role="status">${who(model.self)} may not read this key.</p>`
          : record === undefined
            ? html`<p role="status">${source.ready ? "There is no such key now." : "Waiting for the metadata…"}</p>`
            : whole?.error
              ? html`<p class="level-bad" role="alert">${whole.error.message}</p>`
              : whole?.record?.value === undefined || whole.record.value === null
                ? html`<p class="muted">${text ? "Asking for the value…" : "Its value is too long to be told unasked."}</p>`
                : html`<${Value} key=${`${name.key} ${record.mod_revision}`} text=${whole.record.value} encoding=${whole.record.encoding} />`
      }
      ${record && html`<${Facts} record=${record} source=${source} />`}
      <div class="drawer-actions">
        ${
          record
            ? html`
                <button type="button" disabled=${!may.write || !whole?.record || !text} title=${may.why}
                  onClick=${() => onAction({ kind: "write", record: whole.record })}>Set…</button>
                <button type="button" class="danger" disabled=${!may.write || !text} title=${may.why}
                  onClick=${() => onAction({ kind: "delete", record })}>Delete…</button>
              `
            : html`<button type="button" disabled=${!may.write || !text || !source.ready} title=${may.why}
                onClick=${() => onAction({ kind: "write", record: null, name: name.key })}>Create it…</button>`
        }
      </div>
      ${addressable(name) && !hidden && html`<${History} key=${name.key} name=${name.key} record=${record} source=${source} />`}
    </section>
  `;
}

function Facts({ record, source }) {
  const time = revisionTimes(source.timeline).get(record.mod_revision);
  return html`
    <dl class="fact-list">
      <div><dt>Revision</dt><dd><span class="number">${count(record.mod_revision)}</span>${time && html`, <${Ago} time=${time} />`}</dd></div>
      <div><dt>Created at</dt><dd class="number">${count(record.create_revision)}</dd></div>
      <div><dt>Version</dt><dd><span class="number">${count(record.version)}</span> <span class="muted">counted from its creation</span></dd></div>
      <div><dt>Lease</dt><dd>${record.lease ? html`<a href=${href("locks", `lease:${record.lease}`)}>lease ${record.lease}</a>` : html`<span class="muted">none: it stays until it is deleted</span>`}</dd></div>
    </dl>
  `;
}

/** One version in full, as the history has it. */
function Version({ name, revision }) {
  const [told, setTold] = useState(null);
  useEffect(() => {
    let wanted = true;
    call("GET", `v1/meta/${part(name)}?revision=${revision}`).then(
      (record) => wanted && setTold({ record }),
      (error) => wanted && setTold({ error }),
    );
    return () => {
      wanted = false;
    };
  }, [name, revision]);
  if (told === null) return html`<p class="muted">Asking…</p>`;
  if (told.error) return html`<p class="level-bad" role="alert">${told.error.message}</p>`;
  return html`<${Value} title=${`As of revision ${count(revision)}`} text=${told.record.value} encoding=${told.record.encoding} />`;
}

function versionText(each) {
  if (each.type === "delete") return html`<i class="muted">deleted</i>`;
  if (each.value === null) return html`<i class="muted">a long value</i>`;
  if (each.encoding === "base64") return html`<i class="muted">bytes</i>`;
  return each.value || html`<i class="muted">empty</i>`;
}

function History({ name, record, source }) {
  const [history, setHistory] = useState({ changes: [], dropped: false, from: 1, error: null });
  const [opened, open] = useState(null);
  useEffect(() => followHistory(name, setHistory), [name]);
  const past = pastOf(history.changes, record);
  const times = revisionTimes(source.timeline);
  return html`
    <section class="history" aria-labelledby="history-title">
      <h3 id="history-title">History</h3>
      <ol>
        ${past.map((each) => {
          const is = opened === each.revision;
          const number = html`<span class="number">${count(each.revision)}</span>`;
          return html`<li key=${each.revision} class="version">
            <span class="version-at">
              ${
                each.type === "delete"
                  ? number
                  : html`<button type="button" class="link" aria-expanded=${is} aria-label=${`Value at revision ${each.revision}`}
                      onClick=${() => open(is ? null : each.revision)}>${number}</button>`
              } ${times.has(each.revision) && html`<${Ago} time=${times.get(each.revision)} />`}
            </span>
            <span class="mono version-value">${versionText(each)}</span>
            ${is && html`<div class="version-whole"><${Version} name=${name} revision=${each.revision} /></div>`}
          </li>`;
        })}
      </ol>
      <p class="muted" role="status">
        ${
          history.error
            ? html`<span class="level-bad">${history.error.message}.</span>`
            : history.dropped
              ? `The newest ${MAX_HISTORY} changes.`
              : history.from > 1
                ? `What was before revision ${count(history.from)} is compacted.`
                : "All that was ever written to it."
        }
      </p>
    </section>
  `;
}
