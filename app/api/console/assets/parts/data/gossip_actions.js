// Writing and deleting the gossip keys of the node behind the page: a node's keys are written by that node alone.

import { call, part } from "../../core/net/api.js";
import { duration } from "../../core/format.js";
import { store } from "../../core/store.js";
import { Confirm } from "../dialog.js";
import { html, useState } from "../html.js";

function path(key, ttl) {
  if (key === "." || key === "..") {
    throw new Error(`a browser takes ${key} for a directory: ask for /set_kv or /mark_for_deletion with ?key=${key} instead`);
  }
  return `v1/kv/${part(key)}${ttl ? "?ttl=true" : ""}`;
}

const until = (told) => (told.expires_in_seconds === undefined ? "" : ` It goes in ${duration(told.expires_in_seconds)}.`);

/** @param {{name?: string, value?: string, onClose: () => void}} props `name`: of the key, where it is chosen already */
export function SetGossipKey({ name, value = "", onClose }) {
  const [key, setKey] = useState(name ?? "");
  const [text, setText] = useState(value ?? "");
  const [ttl, setTtl] = useState(false);
  const node = store.model.nodeId;
  const perform = async () => {
    const told = await call("PUT", path(key, ttl), { body: text });
    const done = told.changed ? `Written at version ${told.version} of ${told.node}.` : "It had this value already.";
    return `${done}${until(told)}`;
  };
  return html`
    <${Confirm}
      title=${name ? `Set ${name}?` : "Set a key"}
      action="Set"
      disabled=${!key}
      perform=${perform}
      onClose=${onClose}
    >
      <p>
        <b>${node}</b> writes the key at once, without asking anybody, and it spreads from there to all nodes. What was there
        is replaced.
      </p>
      ${!name &&
      html`<label class="field"
        ><span>Key</span>
        <input class="mono" value=${key} onInput=${(event) => setKey(event.target.value)} autocomplete="off" spellcheck=${false} />
      </label>`}
      <label class="field"
        ><span>Value</span>
        <textarea value=${text} onInput=${(event) => setText(event.target.value)} spellcheck=${false} />
      </label>
      <label class="check"
        ><input type="checkbox" checked=${ttl} onChange=${(event) => setTtl(event.target.checked)} />
        <span>Let it go by itself, after the cluster’s grace period for deleted keys</span>
      </label>
    <//>
  `;
}

/** @param {{name: string, onClose: () => void}} props */
export function DeleteGossipKey({ name, onClose }) {
  const [ttl, setTtl] = useState(false);
  const perform = async () => {
    const told = await call("DELETE", path(name, ttl));
    if (!told.deleted) return "There was no such key any more.";
    return ttl ? `It is marked.${until(told)}` : `Deleted at version ${told.version} of ${told.node}.`;
  };
  return html`
    <${Confirm} title=${`Delete ${name}?`} action="Delete" danger perform=${perform} onClose=${onClose}>
      <p>
        <b>${store.model.nodeId}</b> deletes its key <code>${name}</code>, and that spreads to all nodes. Keys of the same name
        that other nodes wrote stay.
      </p>
      <label class="check"
        ><input type="checkbox" checked=${ttl} onChange=${(event) => setTtl(event.target.checked)} />
        <span>Not at once: readable until the cluster’s grace period for deleted keys is over</span>
      </label>
    <//>
  `;
}
