// Events of all kinds as they come, the newest first: filtered, held still on request, the newest MAX_TIMELINE kept.

import { clock, count, dateAndClock } from "../core/format.js";
import { MAX_TIMELINE } from "../core/limits.js";
import { href } from "../core/route.js";
import { store, useModel } from "../core/store.js";
import { fits } from "../core/table.js";
import { describe, KINDS, nodeOf, weight } from "../core/telling.js";
import { html, useState } from "../parts/html.js";
import { Icon } from "../parts/icons.js";

/** More are drawn on request. */
const PAGE = 100;

function fields(event) {
  return { kind: event.kind, node: nodeOf(event) ?? "", text: describe(event) };
}

/** Kept over visits of other views. */
let hidden = new Set();

/** @param {{rest: string}} props text to filter by from the beginning */
export function Timeline({ rest }) {
  const model = useModel("timeline", "hello");
  const [text, setText] = useState(rest);
  const [off, setOff] = useState(hidden);
  const [still, setStill] = useState(null);
  const [most, setMost] = useState(PAGE);
  const events = still ?? model.timeline;
  const fitting = events.filter((event) => !off.has(event.kind) && fits(fields(event), text)).reverse();
  const toggle = (kind) => {
    hidden = new Set(off);
    if (!hidden.delete(kind)) hidden.add(kind);
    setOff(hidden);
  };
  const missed = still === null ? 0 : model.timeline.length + model.timelineDropped - still.seen;
  const pause = () => {
    if (still !== null) setStill(null);
    else setStill(Object.assign([...store.model.timeline], { seen: model.timeline.length + model.timelineDropped }));
  };
  return html`
    <h1>Timeline</h1>
    <div class="tools">
      <label class="grow"
        ><span>Filter (words; <code>node:node3</code>)</span>
        <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
      </label>
      <button type="button" class="pause" aria-pressed=${still !== null} onClick=${pause}>
        <${Icon} name=${still === null ? "pause" : "play"} />${still === null ? "Hold still" : `Go on (${count(missed)} new)`}
      </button>
      <p class="tally">${count(fitting.length)} of ${count(events.length)}</p>
    </div>
    <fieldset class="kinds">
      <legend class="unseen">Kinds of events</legend>
      ${Object.entries(KINDS).map(
        ([kind, title]) => html`<label class="kind" key=${kind}
          ><input type="checkbox" checked=${!off.has(kind)} onChange=${() => toggle(kind)} /> ${title}</label
        >`,
      )}
    </fieldset>
    <section class="panel" aria-label="Events, the newest first">
      ${fitting.length === 0 && html`<p class="empty">${events.length ? "No event fits the filter." : "Nothing has happened since this page was opened."}</p>`}
      <ol class="events">
        ${fitting.slice(0, most).map((event) => html`<${Entry} key=${event.id} event=${event} />`)}
      </ol>
      ${fitting.length > most && html`<button type="button" onClick=${() => setMost(most + PAGE)}>Show more</button>`}
      <p class="muted events-end">
        Since this page was opened${model.timelineDropped > 0 && html`; of them the newest ${count(MAX_TIMELINE)}, ${count(model.timelineDropped)} older ones are gone`}.
        Times by the clock of ${model.nodeId || "the node"}.
      </p>
    </section>
  `;
}

function Entry({ event }) {
  const node = nodeOf(event);
  return html`
    <li class=${`event event-${weight(event)}`}>
      <time datetime=${new Date(event.time * 1000).toISOString()} title=${dateAndClock(event.time)}>${clock(event.time)}</time>
      <span class="event-kind">${KINDS[event.kind]}</span>
      <span class="event-text">${describe(event)}${node && html` <a class="event-node" href=${href("nodes", node)}>details<span class="unseen"> of ${node}</span></a>`}</span>
    </li>
  `;
}
