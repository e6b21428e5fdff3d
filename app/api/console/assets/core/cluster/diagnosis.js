// What is not well with the cluster, why, and what to do about it, in words. Pure: a model in, a list out.

import { duration, list, plural, sentence } from "../format.js";
import { nodeViews, strangers } from "./nodes.js";

/** Of more dead nodes one finding tells. */
const MAX_DEAD = 5;

/** Seconds. */
const LONG_JOINING = 30;
const SLOW_LOOP = 0.25;
const SLOW_SAMPLES = 10;
const BEHIND_LONG = 10;

/**
 * @typedef {object} Finding
 * @property {"bad"|"warn"|"note"} severity `bad`: something does not work; `warn`: it may come to that; `note`: good
 *   to know
 * @property {string} title
 * @property {string} why
 * @property {string} todo
 * @property {string} [node] the node that it is about
 * @property {"remove"|"removeMember"|"transfer"} [action] what may be done about it here
 * @property {string} [member] member id, for `removeMember`
 */

/**
 * @param {ReturnType<typeof import("../model.js").emptyModel>} model
 * @param {number} now Unix seconds, by the node's clock
 * @returns {Finding[]} the worst first
 */
export function diagnose(model, now) {
  if (!model.complete) return [];
  const views = nodeViews(model);
  const found = [
    ...raftFindings(model, views),
    ...nodeFindings(model, views, now),
    ...spreadFindings(model),
    ...ownFindings(model),
  ];
  const rank = { bad: 0, warn: 1, note: 2 };
  return found.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

/** How many vote, how many of them must be there, and how many are. */
function majority(model, views) {
  const voters = views.filter((view) => view.votes);
  const total = voters.length + strangers(model).length;
  const here = voters.filter((view) => view.status === "live").length;
  return { total, needed: Math.floor(total / 2) + 1, here };
}

function raftFindings(model, views) {
  const { raft } = model;
  const taking = views.some((view) => view.role !== "client");
  if (raft === null) return [];
  if (!taking) {
    return [
      {
        severity: "note",
        title: "No node takes part in Raft",
        why: "Membership and gossip's keys work; metadata, locks and elections do not.",
        todo: "Where they are wanted, set raft.enabled = true and a data_dir on three nodes or more.",
      },
    ];
  }
  const found = [];
  const voters = views.filter((view) => view.votes);
  const deadVoters = voters.filter((view) => view.status !== "live");
  const unknown = strangers(model);
  const { total, needed } = majority(model, views);
  const missing = [...deadVoters.map((view) => view.name), ...unknown.map((member) => member.member_id)];
  if (raft.cluster_id === null && total === 0) {
    const waiting = views.filter((view) => view.role === "candidate");
    found.push({
      severity: "bad",
      title: "The metadata's cluster is not founded yet",
      why: waiting.find((view) => view.reason)?.reason ?? `${plural(waiting.length, "node")} wait for the founders.`,
      todo: "Start as many founders as raft.bootstrap_expect names, each with the others among its seeds.",
    });
  } else if (raft.quorum === false) {
    found.push({
      severity: "bad",
      title: "There is no majority",
      why:
        `${needed} of ${plural(total, "voter")} must be there` +
        (missing.length ? `, and ${list(missing)} ${missing.length === 1 ? "is" : "are"} not.` : ".") +
        " Metadata, locks and elections refuse every write; membership and gossip's keys go on.",
      todo:
        "Start the missing voters again: they keep their votes. Where a majority is lost for good, `coterie recover` " +
        "makes a new cluster out of a snapshot.",
    });
  } else if (raft.leader === null) {
    found.push({
      severity: "bad",
      title: "No leader is known",
      why: "An election is under way, or this node is cut off from the voters. Writes of the metadata wait.",
      todo: "This is over within seconds. If it stays, look whether the voters reach each other on Raft's port.",
    });
  }
  for (const member of unknown) {
    found.push({
      severity: "warn",
      title: `The voter ${member.member_id} is no node that gossip knows`,
      why: "It counts for the majority, and cannot be asked for its vote.",
      todo: "Where its node is lost for good, remove it.",
      action: "removeMember",
      member: member.member_id,
    });
  }
  if (total > 0 && total < 3) {
    found.push({
      severity: "warn",
      title: total === 1 ? "There is one voter only" : "There are two voters only",
      why: "The metadata does not bear the loss of a single one.",
      todo: "Add nodes with raft.enabled = true until three vote; they are given votes by themselves.",
    });
  }
  if (total > 2 && total % 2 === 0) {
    found.push({
      severity: "note",
      title: `${total} voters bear no more losses than ${total - 1}`,
      why: `${needed} of ${total} make a majority.`,
      todo: "One node more or less that may vote makes the number odd.",
    });
  }
  for (const view of views) {
    if (view.status === "live" && view.role === "candidate" && raft.cluster_id !== null) {
      found.push({
        severity: "warn",
        title: `${view.name} is not let into the Raft layer yet`,
        why: sentence(view.reason ?? "it waits"),
        todo: "It comes in by itself as soon as the reason is gone.",
        node: view.name,
      });
    }
  }
  return found;
}

function nodeFindings(model, views, now) {
  const found = [];
  const { total, needed, here } = majority(model, views);
  const dead = views.filter((view) => view.status === "dead");
  for (const view of views) {
    if (view.twins > 0) {
      found.push({
        severity: "bad",
        title: `Two processes go by the name ${view.name}`,
        why: "More than one generation of it shows signs of life: each hides what the other says.",
        todo: "Give one of them another node_id. Right after a restart this is over within seconds.",
        node: view.name,
      });
    }
    const since = view.since === null ? "" : ` for ${duration(Math.max(0, Math.floor(now - view.since)))}`;
    if (view.status === "dead" && (view.votes || dead.indexOf(view) < MAX_DEAD)) {
      const spare = here - needed;
      const vote =
        `It votes: ${here} of ${plural(total, "voter")} are there and ${needed} must be, so ` +
        (spare > 0 ? `the loss of ${plural(spare, "more")} would be borne.` : "one more loss ends the majority.");
      found.push({
        severity: view.votes && spare <= 0 ? "bad" : "warn",
        title: `${view.name} is dead`,
        why:
          `No sign of life of it reaches ${model.nodeId}${since}: it stopped, its machine did, or the network is cut.` +
          (view.votes && spare >= 0 ? ` ${vote}` : ""),
        todo:
          "Start it again, with the same node_id. If it will not come back, remove it." +
          (view.votes ? " Another node that stands ready takes its vote after raft.dead_voter_grace." : ""),
        node: view.name,
        action: "remove",
      });
    } else if (view.status === "joining" && view.since !== null && now - view.since > LONG_JOINING) {
      found.push({
        severity: "warn",
        title: `${view.name} does not finish joining`,
        why: `Others name it, yet its heartbeat has not risen here${since}.`,
        todo: `Look whether UDP reaches ${view.address} and comes back.`,
        node: view.name,
      });
    }
  }
  if (dead.length > MAX_DEAD) {
    found.push({
      severity: "warn",
      title: `${dead.length} nodes are dead`,
      why: `${list(dead.map((view) => view.name), 12)}.`,
      todo: "So many at a time: look at the network, and at what they have in common.",
    });
  }
  return found;
}

function spreadFindings({ convergence }) {
  if (convergence === null) return [];
  const slow = convergence.peers.filter((peer) => peer.heard_age_seconds > BEHIND_LONG).map((peer) => peer.node_id);
  return slow.length === 0
    ? []
    : [
        {
          severity: "note",
          title: `No gossip with ${list(slow)} for more than ${BEHIND_LONG} s`,
          why: "They are alive by what others tell; this node has had no handshake with them.",
          todo: "In large clusters this is chance. In small ones look whether UDP passes between the two.",
        },
      ];
}

function ownFindings(model) {
  const found = [];
  // One late moment is none worth a word: most of the last ones are.
  const lags = model.figures.slice(-SLOW_SAMPLES).map(({ process }) => process.loop_lag.p99_seconds ?? 0);
  if (lags.length === SLOW_SAMPLES && lags.filter((lag) => lag > SLOW_LOOP).length * 2 > SLOW_SAMPLES) {
    found.push({
      severity: "warn",
      title: `${model.nodeId} is busy`,
      why: `Its event loop is late by more than ${duration(SLOW_LOOP)} again and again: its heartbeats and answers are, too.`,
      todo: "Look at the processor of its machine, and at requests per second.",
      node: model.nodeId,
    });
  }
  for (const part of model.partial) {
    found.push({
      severity: "note",
      title: `Not all of ${part} is shown`,
      why: "There is more than a snapshot, or this page, may hold.",
      todo: "Ask for the rest by prefix, with the command line or the API.",
    });
  }
  return found;
}

/** One line for the page's head and its title. */
export function verdict(findings) {
  const bad = findings.filter((finding) => finding.severity === "bad").length;
  const warn = findings.filter((finding) => finding.severity === "warn").length;
  if (bad > 0) return { level: "bad", text: plural(bad + warn, "problem") };
  if (warn > 0) return { level: "warn", text: plural(warn, "warning") };
  return { level: "good", text: "All well" };
}
