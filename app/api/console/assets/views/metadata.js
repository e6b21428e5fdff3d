// The metadata: folders and keys, one key with its history, and what changes as it changes.

import { count, cut, plural } from "../core/format.js";
import { MAX_CELL } from "../core/limits.js";
import { changedSince, folderOf, keyAddress, level, matching, pathOf, readKeyAddress } from "../core/data/metadata_keys.js";
import { metadataKey } from "../core/model.js";
import { href } from "../core/route.js";
import { store } from "../core/store.js";
import { Choice } from "../parts/choice.js";
import { html, useState } from "../parts/html.js";
import { isLit } from "../parts/cluster/lit.js";
import { useMayWrite } from "../parts/frame/may.js";
import { DeleteKey, WriteKey } from "../parts/data/metadata_actions.js";
import { KeyPanel } from "../parts/data/metadata_key.js";
import { SourceNotice, useMetadata } from "../parts/data/metadata_source.js";
import { Pager, usePages } from "../parts/data/pager.js";
import { PartNotice } from "../parts/withheld.js";

/** Seconds. */
const LOOK_BACK = 5;

/** @param {{rest: string}} props `in:FOLDER/`, or a key's address */
export function Metadata({ rest }) {
  const source = useMetadata();
  const [shape, setShape] = useState("folders");
  const [text, setText] = useState("");
  const [action, setAction] = useState(null);
  const may = useMayWrite("metadata");
  const name = readKeyAddress(rest);
  const folder = rest.startsWith("in:") ? rest.slice(3) : name?.key_encoding === "utf-8" ? folderOf(name.key) : "";
  const close = () => setAction(null);
  return html`
    <h1>Metadata</h1>
    <${SourceNotice} source=${source} />
    <${PartNotice} kind="metadata" what="keys" />
    ${
      !source.off &&
      html`
        <div class="tools">
          <${Choice} name="Shape" value=${shape} onChange=${setShape} choices=${{ folders: "Folders", flat: "All keys" }} />
          <label class="grow"
            ><span>Filter (key or value)</span>
            <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
          </label>
          <button type="button" class="primary" disabled=${!may.write} title=${may.why}
            onClick=${() => setAction({ kind: "write", record: null, name: folder })}>
            Create a key…
          </button>
        </div>
        <div class=${`meta ${name ? "meta-chosen" : ""}`}>
          <${Keys} source=${source} folder=${folder} flat=${shape === "flat"} text=${text} chosen=${name} />
          ${name && html`<${KeyPanel} key=${rest} name=${name} source=${source} onAction=${setAction} />`}
        </div>
      `
    }
    ${
      action?.kind === "write" &&
      html`<${WriteKey} record=${action.record} name=${action.name} onClose=${close}
        onDone=${(key) => action.record === null && (location.hash = href("metadata", `key:${key}`))} />`
    }
    ${action?.kind === "delete" && html`<${DeleteKey} record=${action.record} onClose=${close} />`}
  `;
}

function Keys({ source, folder, flat, text, chosen }) {
  const asList = flat || text.trim() !== "";
  const { folders, records } = asList
    ? { folders: [], records: matching(source.keys.values(), { prefix: folder, text }) }
    : level(source.keys.values(), folder);
  const rows = [...folders, ...records];
  const pages = usePages(rows.length, `${folder}\n${asList}\n${text}`);
  const now = store.now();
  const changed = changedSince(source.timeline, now - LOOK_BACK);
  const changedIn = (prefix) => Math.max(...[...changed].filter(([key]) => key.startsWith(`utf-8:${prefix}`)).map(([, time]) => time), 0) || null;
  const total = records.length + folders.reduce((sum, each) => sum + each.keys, 0);
  return html`
    <div class="meta-list">
      <${Path} folder=${folder} />
      <p class="tally-line" role="status">
        ${plural(total, "key")}${folders.length > 0 && ` in ${plural(folders.length, "folder")}${records.length ? ` and ${count(records.length)} beside them` : ""}`}${
          source.revision !== null && html`, revision <span class="number">${count(source.revision)}</span>`
        }${source.partial && "; there are more than this page holds"}
      </p>
      <div class="table-room data-table" tabindex="0" role="region" aria-label="Keys of the metadata">
        <table role="table">
          <caption class="unseen">Keys of the metadata${folder && ` in ${folder}`}</caption>
          <thead role="rowgroup">
            <tr role="row"><th scope="col" role="columnheader" class="col-key">Key</th><th scope="col" role="columnheader">Value</th><th scope="col" role="columnheader" class="right col-short">Revision</th></tr>
          </thead>
          <tbody role="rowgroup">
            ${rows.slice(pages.from, pages.to).map((row) =>
              row.prefix === undefined
                ? html`<${KeyRow} key=${keyAddress(row)} record=${row} folder=${asList ? "" : folder} now=${now}
                    time=${changed.get(metadataKey(row)) ?? null} chosen=${chosen !== null && metadataKey(row) === metadataKey(chosen)} />`
                : html`<${FolderRow} key=${row.prefix} folder=${row} now=${now} time=${changedIn(row.prefix)} />`,
            )}
            ${
              rows.length === 0 &&
              html`<tr role="row"><td role="cell" class="empty" colspan="3">
                ${!source.ready ? "Waiting for the metadata…" : text ? "No key fits the filter." : "No keys here."}
              </td></tr>`
            }
          </tbody>
        </table>
      </div>
      <${Pager} pages=${pages} what="keys" />
    </div>
  `;
}

function Path({ folder }) {
  return html`
    <div class="path mono" role="group" aria-label="Folder">
      <a href=${href("metadata")} aria-current=${folder ? undefined : "true"}>all keys</a>
      ${pathOf(folder).map(
        (each) => html`<span key=${each}> / <a href=${href("metadata", `in:${each}`)} aria-current=${each === folder ? "true" : undefined}>${
          each.slice(0, -1).split("/").at(-1) || "(empty)"
        }</a></span>`,
      )}
    </div>
  `;
}

const FolderRow = ({ folder, now, time }) => html`
  <tr role="row">
    <th scope="row" role="rowheader" class="mono">
      <span key=${time} class=${isLit(time, now) ? "lit" : ""}><a href=${href("metadata", `in:${folder.prefix}`)}>${folder.name}</a></span>
    </th>
    <td role="cell" class="whole muted">${plural(folder.keys, "key")}</td>
    <td role="cell" class="nothing"></td>
  </tr>
`;

const KeyRow = ({ record, folder, now, time, chosen }) => html`
  <tr role="row" class=${chosen ? "chosen" : ""}>
    <th scope="row" role="rowheader" class="mono">
      <a href=${href("metadata", keyAddress(record))} aria-current=${chosen ? "true" : undefined}>${record.key.slice(folder.length) || "(empty)"}</a>
      ${record.lease > 0 && html` <span class="badge" title=${`lives with lease ${record.lease}`}>lease</span>`}
    </th>
    <td role="cell" class="value-cell whole" data-label="Value">
      <span key=${record.mod_revision} class=${`mono ${isLit(time, now) ? "lit" : ""}`}>
        ${
          record.value === null
            ? html`<i class="muted">a long value</i>`
            : record.encoding === "base64"
              ? html`<i class="muted">bytes</i>`
              : cut(record.value, MAX_CELL)
        }
      </span>
    </td>
    <td role="cell" class="right number" data-label="Revision">${count(record.mod_revision)}</td>
  </tr>
`;
