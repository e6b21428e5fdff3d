// The cluster at a glance: how many nodes are what, who leads, whether there is a majority, and what is not well.

import { diagnose } from "../core/cluster/diagnosis.js";
import { bytes, clock, count, duration, plural, rate } from "../core/format.js";
import { countByStatus, nodeViews, STATUS_MEANING, strangers } from "../core/cluster/nodes.js";
import { href } from "../core/route.js";
import { rates, values } from "../core/cluster/series.js";
import { store, useModel } from "../core/store.js";
import { ActionDialog, useMay } from "../parts/actions.js";
import { Role, Severity } from "../parts/cluster/badges.js";
import { Spark } from "../parts/chart.js";
import { html, useState } from "../parts/html.js";
import { Crown, StatusShape } from "../parts/icons.js";
import { Ago, useNow } from "../parts/time.js";

const SHOWN_DECISIONS = 6;

export function Overview() {
  const model = useModel("hello", "members", "raft", "cluster", "phi", "convergence", "self");
  const [action, setAction] = useState(null);
  if (!model.complete) return html`<h1>Overview</h1><p class="muted">Waiting for the first picture of the cluster…</p>`;
  const views = nodeViews(model);
  return html`
    <h1>Overview</h1>
    <div class="overview">
      <${Counts} views=${views} />
      <${Raft} model=${model} views=${views} onAction=${setAction} />
      <${Findings} onAction=${setAction} />
      <${Voting} model=${model} views=${views} />
      <${Decisions} decisions=${model.decisions} holds=${model.hello.metadata} />
      <${Now} />
    </div>
    ${action && html`<${ActionDialog} ...${action} onClose=${() => setAction(null)} />`}
  `;
}

function Counts({ views }) {
  const counts = countByStatus(views);
  return html`
    <section class="panel counts" aria-labelledby="counts-title">
      <h2 id="counts-title">Nodes</h2>
      <ul>
        ${Object.entries(counts).map(
          ([status, number]) => html`
            <li class=${`count status-${status} ${number ? "" : "none"}`} title=${STATUS_MEANING[status]}>
              <a href=${href("nodes", `is:${status}`)}>
                <span class="count-number">${count(number)}</span>
                <span class="count-word"><${StatusShape} status=${status} />${status}</span>
              </a>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

const QUORUM = {
  true: { word: "yes", level: "good" },
  false: { word: "no", level: "bad" },
  null: { word: "not known here", level: "unknown" },
};

function Raft({ model, views, onAction }) {
  const { raft } = model;
  const may = useMay();
  const voters = views.filter((view) => view.votes);
  const total = voters.length + strangers(model).length;
  const here = voters.filter((view) => view.status === "live").length;
  const quorum = QUORUM[String(raft?.quorum ?? null)];
  const others = voters.filter((view) => view.role !== "leader" && view.status === "live");
  return html`
    <section class="panel raft" aria-labelledby="raft-title">
      <h2 id="raft-title">Raft</h2>
      <dl class="facts">
        <div><dt>Leader</dt><dd class="fact-leader">${raft?.leader ? html`<${Crown} />${raft.leader}` : "none known"}</dd></div>
        <div><dt>Term</dt><dd class="number">${count(raft?.term)}</dd></div>
        <div><dt>Majority</dt><dd class=${`level-${quorum.level}`}>${quorum.word}</dd></div>
        <div>
          <dt>Voters there</dt>
          <dd><span class="number">${here} of ${total}</span>${total > 0 && html`<span class="muted">
            needs ${Math.floor(total / 2) + 1}</span>`}</dd>
        </div>
        <div><dt>Changes of voters</dt><dd class="number">${count(raft?.membership_epoch)}</dd></div>
      </dl>
      <button
        type="button"
        disabled=${!raft?.leader || others.length === 0 || !may.admin}
        title=${may.admin ? undefined : may.why}
        onClick=${() => onAction({ action: "transfer" })}
      >
        Transfer leadership…
      </button>
      ${!may.admin && html`<p class="muted may-not">${may.why}.</p>`}
    </section>
  `;
}

/** What the node behind the page does now, each with its last minutes. */
const NOW = [
  { title: "Requests", show: rate, of: (figures) => rates(figures, ({ http }) => answers(http)) },
  { title: "Time to answer, p99", show: duration, of: (figures) => values(figures, ({ http }) => http.duration.p99_seconds) },
  { title: "Commits", show: rate, of: (figures) => rates(figures, ({ raft }) => raft?.commit_index) },
  { title: "Gossip, sent", show: (value) => (value === null ? "–" : `${bytes(value)}/s`), of: (figures) => rates(figures, ({ gossip }) => gossip.sent_bytes) },
  { title: "Event loop late, p99", show: duration, of: (figures) => values(figures, ({ process }) => process.loop_lag.p99_seconds) },
];

const answers = (http) => http.responses_2xx + http.responses_3xx + http.responses_4xx + http.responses_5xx;

function Now() {
  const { figures, nodeId } = useModel("figures", "hello");
  return html`
    <section class="panel now" aria-labelledby="now-title">
      <h2 id="now-title">${nodeId} now <a class="now-more" href=${href("charts")}>Charts</a></h2>
      <dl>
        ${NOW.map(({ title, show, of }) => {
          const points = of(figures);
          return html`<div key=${title}>
            <dt>${title}</dt>
            <dd><span class="number">${show(points.at(-1)?.value ?? null)}</span><${Spark} points=${points} /></dd>
          </div>`;
        })}
      </dl>
    </section>
  `;
}

function Findings({ onAction }) {
  const model = useModel("figures");
  const findings = diagnose(model, useNow());
  const may = useMay();
  const well = findings.every((finding) => finding.severity === "note");
  const said = well
    ? `Every node that is known shows signs of life${model.raft?.leader ? ", and there is a leader" : ""}.`
    : "The worst first. What stands here is as this node sees it.";
  return html`
    <section class="panel findings" aria-labelledby="findings-title">
      <h2 id="findings-title">${well ? "The cluster is well" : "What is not well"}</h2>
      <p class=${`verdict-line ${well ? "level-good" : "muted"}`}>${said}</p>
      ${
        findings.length > 0 &&
        html`<ul class="finding-list">
          ${findings.map(
            (finding) => html`
              <li key=${finding.title} class=${`finding finding-${finding.severity}`}>
                <h3><${Severity} severity=${finding.severity} />${finding.title}</h3>
                <p>${finding.why}</p>
                <p class="todo"><span class="todo-word">What to do</span> ${finding.todo}</p>
                <p class="finding-ends">
                  ${finding.node && html`<a href=${href("nodes", finding.node)}>Show ${finding.node}</a>`}
                  ${
                    finding.action &&
                    html`<button
                      type="button"
                      disabled=${!may.admin}
                      title=${may.admin ? undefined : may.why}
                      onClick=${() => onAction({ action: finding.action, node: finding.node, member: finding.member })}
                    >
                      Remove ${finding.node ?? "this voter"}…
                    </button>`
                  }
                </p>
              </li>
            `,
          )}
        </ul>`
      }
    </section>
  `;
}

function Voting({ model, views }) {
  const voters = views.filter((view) => view.votes);
  const rest = views.filter((view) => !view.votes && view.status === "live");
  return html`
    <section class="panel voting" aria-labelledby="voting-title">
      <h2 id="voting-title">Who votes</h2>
      <ul class="names">
        ${voters.map(
          (view) => html`<li key=${view.name}>
            <a href=${href("nodes", view.name)}>${view.name}</a><${Role} role=${view.role} />
            ${view.status !== "live" && html`<span class=${`level-bad`}>${view.status}</span>`}
          </li>`,
        )}
        ${strangers(model).map(
          (member) => html`<li key=${member.member_id}><code>${member.member_id}</code><${Role} role=${member.role} />
            <span class="level-bad">not known to gossip</span></li>`,
        )}
        ${voters.length === 0 && html`<li class="muted">Nobody.</li>`}
      </ul>
      ${
        rest.length > 0 &&
        html`
          <h3>Who does not, and why</h3>
          <ul class="names">
            ${rest.slice(0, 50).map(
              (view) => html`<li key=${view.name}>
                <a href=${href("nodes", view.name)}>${view.name}</a><${Role} role=${view.role} />
                <span class="muted">${view.reason ?? (view.role === "client" ? "takes no part in Raft" : "")}</span>
              </li>`,
            )}
            ${rest.length > 50 && html`<li class="muted">and ${plural(rest.length - 50, "more node")}</li>`}
          </ul>
        `
      }
    </section>
  `;
}

function Decisions({ decisions, holds }) {
  const shown = decisions.slice(-SHOWN_DECISIONS).reverse();
  return html`
    <section class="panel decisions" aria-labelledby="decisions-title">
      <h2 id="decisions-title">What the leaders decided last</h2>
      ${shown.length === 0 && html`<p class="muted">${holds ? "Nothing that is remembered." : "Not known here: this node takes no part in Raft."}</p>`}
      <ol class="decision-list">
        ${shown.map(
          (each) => html`<li key=${`${each.time} ${each.action} ${each.member_id}`}>
            <span class="decision-time" title=${clock(each.time)}><${Ago} time=${each.time} /></span>
            <span><b>${each.action.replaceAll("_", " ")}</b> ${each.node_id ?? each.member_id ?? ""}: ${each.reason}${" "}
              <span class="muted">(${each.outcome})</span></span>
          </li>`,
        )}
      </ol>
    </section>
  `;
}
