// What a person can do about nodes from the page, each behind a dialog that says what will happen.

import { call, part } from "../core/net/api.js";
import { list, plural } from "../core/format.js";
import { TRANSFER_SEEN_MS } from "../core/limits.js";
import { nodeViews } from "../core/cluster/nodes.js";
import { allows } from "../core/net/session.js";
import { store, until, useModel } from "../core/store.js";
import { Confirm } from "./dialog.js";
import { html, useState } from "./html.js";

/** Whether the token may act on the cluster, and what to say where it may not. */
export function useMay() {
  const { self } = useModel("self");
  const admin = self !== null && allows(self.rules, "cluster", "admin");
  const who = self === null || self.id === "anonymous" ? "Without a token" : `The token ${self.id}`;
  return { admin, why: `${who} may not do this: it wants admin in the layer cluster` };
}

/**
 * @param {{action: "transfer"|"remove"|"removeMember", node?: string, member?: string, onClose: () => void}} props
 */
export function ActionDialog({ action, node, member, onClose }) {
  if (action === "transfer") return html`<${Transfer} to=${node} onClose=${onClose} />`;
  if (action === "remove") return html`<${Remove} node=${node} onClose=${onClose} />`;
  return html`<${RemoveMember} member=${member} onClose=${onClose} />`;
}

const leads = (model) => (model.raft?.leader ? `${model.raft.leader} leads` : "nobody is known to lead");

/**
 * Ask for it, and say what is so. The node answers well only once the new leader is heard of.
 * @param {string} chosen empty: whoever holds most of the log
 * @param {string|null} before who led
 */
async function transfer(chosen, before) {
  try {
    const { leader } = await call("POST", "v1/raft/transfer", { json: { node: chosen || null } });
    return `${leader} leads now.`;
  } catch (error) {
    if (error.status !== 0 && error.status !== 504) throw new Error(`Not done, because ${error.message}`);
    const took = ({ raft }) => (chosen ? raft?.leader === chosen : Boolean(raft?.leader) && raft.leader !== before);
    if (await until("raft", took, TRANSFER_SEEN_MS)) return `${store.model.raft.leader} leads now.`;
    throw new Error(`It is not known whether this will happen: ${leads(store.model)}, as far as this node knows (${error.message})`);
  }
}

function Transfer({ to, onClose }) {
  const model = useModel("members", "raft");
  const leader = model.raft?.leader ?? null;
  const [chosen, choose] = useState(to ?? "");
  const there = nodeViews(model)
    .filter((view) => view.role === "voter" && view.status === "live")
    .map((view) => view.name);
  // Who was chosen stays chosen, whatever becomes of it meanwhile: the node says whether it can lead.
  const voters = chosen === "" || there.includes(chosen) ? there : [...there, chosen];
  const perform = () => transfer(chosen, leader);
  return html`
    <${Confirm} title="Transfer leadership?" action="Transfer leadership" perform=${perform} onClose=${onClose}>
      <p>
        <b>${leader ?? "The leader"}</b> hands over to another voter and votes on. Writes of the metadata wait meanwhile, for
        about an election's time at most; none is lost.
      </p>
      <label class="field"
        ><span>New leader</span>
        <select value=${chosen} onChange=${(event) => choose(event.target.value)}>
          <option value="">Whoever holds most of the log</option>
          ${voters.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
        </select>
      </label>
    <//>
  `;
}

function Remove({ node, onClose }) {
  const model = useModel("members");
  const find = () => nodeViews(model).find((each) => each.name === node);
  const [view] = useState(find);
  const perform = async () => {
    const told = await call("DELETE", `v1/members/${part(node)}`);
    const members = told.raft_members.length ? ` Barred from Raft: ${list(told.raft_members)}.` : "";
    return `${node} is forgotten: ${plural(told.forgotten, "incarnation")} dropped here.${members}`;
  };
  return html`
    <${Confirm} title=${`Remove ${node}?`} action=${`Remove ${node}`} typed=${node} danger perform=${perform} onClose=${onClose}>
      <p>
        For a node that is lost for good. This node and, by gossip, all others that hold <b>${node}</b> dead forget it and
        its keys.
      </p>
      ${
        view?.memberId &&
        html`<p>
          Its member of the Raft layer${view.votes ? ", which votes," : ""} is barred for ever and removed by the
          leader. This cannot be undone.
        </p>`
      }
      <p>Should it come back after all, it is a new node to the cluster. One that is alive is refused.</p>
      ${find()?.status === "live" && html`<p class="level-warn" role="alert">It is alive: stop it first, or have it leave.</p>`}
    <//>
  `;
}

function RemoveMember({ member, onClose }) {
  const perform = async () => {
    await call("DELETE", `v1/raft/members/${part(member)}`);
    return "It is barred; the leader removes it.";
  };
  return html`
    <${Confirm} title="Remove this voter?" action="Remove voter" typed=${member} danger perform=${perform} onClose=${onClose}>
      <p>
        The member <code>${member}</code> belongs to no node that gossip knows. It is barred for ever, and the leader takes
        its vote away. This cannot be undone.
      </p>
    <//>
  `;
}
