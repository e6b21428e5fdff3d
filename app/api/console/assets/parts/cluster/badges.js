// Small labels: a node's status and role, and how a finding weighs.

import { ROLE_MEANING, STATUS_MEANING } from "../../core/cluster/nodes.js";
import { html } from "../html.js";
import { Crown, StatusShape } from "../icons.js";

export const Status = ({ status }) => html`
  <span class=${`badge status-${status}`} title=${STATUS_MEANING[status]}><${StatusShape} status=${status} />${status}</span>
`;

export const Role = ({ role }) => html`
  <span class=${`badge role role-${role}`} title=${ROLE_MEANING[role]}>${role === "leader" && html`<${Crown} />`}${role}</span>
`;

const SEVERITY = { bad: "Problem", warn: "Warning", note: "Note" };

export const Severity = ({ severity }) => html`<span class=${`badge severity-${severity}`}>${SEVERITY[severity]}</span>`;
