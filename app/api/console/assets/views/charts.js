// What the node behind this page does and how long it takes, over the last five minutes.

import { bytes, count, duration, rate } from "../core/format.js";
import { rates, values } from "../core/cluster/series.js";
import { useModel } from "../core/store.js";
import { Chart } from "../parts/chart.js";
import { html } from "../parts/html.js";

const byteRate = (value) => (value === null ? "–" : `${bytes(value)}/s`);
const percent = (value) => (value === null ? "–" : `${value.toFixed(1)} %`);

/** What each chart shows; `of` makes its curves out of the samples, null: there is nothing of the kind. */
const CHARTS = [
  {
    title: "Requests",
    about: "HTTP answers of this node a second, by class.",
    show: rate,
    of: (figures) => ({
      "2xx and 3xx": rates(figures, ({ http }) => http.responses_2xx + http.responses_3xx),
      "4xx": rates(figures, ({ http }) => http.responses_4xx),
      "5xx": rates(figures, ({ http }) => http.responses_5xx),
    }),
  },
  {
    title: "Time to answer",
    about: "Of HTTP requests in the last second; streams are left out.",
    show: duration,
    of: (figures) => ({
      median: values(figures, ({ http }) => http.duration.p50_seconds),
      p99: values(figures, ({ http }) => http.duration.p99_seconds),
    }),
  },
  {
    title: "Commits",
    about: "Entries of Raft's log committed a second, and writes that this node's clients proposed.",
    show: rate,
    of: (figures) =>
      raft(figures, {
        committed: rates(figures, ({ raft }) => raft?.commit_index),
        proposed: rates(figures, ({ raft }) => raft?.proposals_done),
        failed: rates(figures, ({ raft }) => raft && raft.proposals_unavailable + raft.proposals_unknown),
      }),
  },
  {
    title: "Time to commit",
    about: "From a proposal of this node's clients to its result, and to write and sync the log.",
    show: duration,
    of: (figures) =>
      raft(figures, {
        "write, median": values(figures, ({ raft }) => raft?.proposal.p50_seconds),
        "write, p99": values(figures, ({ raft }) => raft?.proposal.p99_seconds),
        "sync, p99": values(figures, ({ raft }) => raft?.sync.p99_seconds),
      }),
  },
  {
    title: "Gossip",
    about: "Bytes a second over UDP.",
    show: byteRate,
    of: (figures) => ({
      sent: rates(figures, ({ gossip }) => gossip.sent_bytes),
      received: rates(figures, ({ gossip }) => gossip.received_bytes),
    }),
  },
  {
    title: "Handshakes",
    about: "Of gossip, a second: begun here, and begun by others.",
    show: rate,
    of: (figures) => ({
      begun: rates(figures, ({ gossip }) => gossip.handshakes_opened),
      answered: rates(figures, ({ gossip }) => gossip.handshakes_answered),
      rejected: rates(figures, ({ gossip }) => gossip.rejected_datagrams),
    }),
  },
  {
    title: "Lateness of the event loop",
    about: "How late this node comes to what is due; above 0.25 s its heartbeats suffer.",
    show: duration,
    of: (figures) => ({
      mean: values(figures, ({ process }) => process.loop_lag.mean_seconds),
      p99: values(figures, ({ process }) => process.loop_lag.p99_seconds),
    }),
  },
  {
    title: "Processor",
    about: "Of one core, by this node's process.",
    show: percent,
    of: (figures) => ({
      used: rates(figures, ({ process }) => process.cpu_seconds).map(({ time, value }) => ({
        time,
        value: value === null ? null : value * 100,
      })),
    }),
  },
];

const raft = (figures, curves) => (figures.at(-1)?.raft ? curves : null);

export function Charts() {
  const { figures, nodeId } = useModel("figures");
  const last = figures.at(-1);
  return html`
    <h1>Charts</h1>
    <dl class="panel facts chart-now">
      <div><dt>Node</dt><dd>${nodeId || "–"}</dd></div>
      <div><dt>Up for</dt><dd class="number">${last ? duration(Math.floor(last.process.uptime_seconds)) : "–"}</dd></div>
      <div><dt>Connections</dt><dd class="number">${count(last?.http.connections)}</dd></div>
      <div><dt>Live clients</dt><dd class="number">${count(last?.live.clients)}</dd></div>
      <div><dt>Memory</dt><dd class="number">${bytes(last?.process.memory_bytes)}</dd></div>
    </dl>
    <div class="charts">
      ${CHARTS.map(({ title, about, show, of }) => {
        const curves = of(figures);
        if (curves === null) {
          return html`<section class="panel chart" key=${title} aria-label=${title}>
            <h2>${title}</h2>
            <p class="empty">This node takes no part in Raft.</p>
          </section>`;
        }
        const series = Object.entries(curves).map(([name, points]) => ({ name, points }));
        return html`<${Chart} key=${title} title=${title} about=${about} series=${series} show=${show} now=${last?.time ?? 0} />`;
      })}
    </div>
  `;
}
