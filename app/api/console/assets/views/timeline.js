// Events of all kinds as they come, in order, the newest at the end: filtered, held still on request, and of many the
// newest. Whoever looks at the end stays there; whoever scrolled back is left where they are.

import { clock, count, dateAndClock } from "../core/format.js";
import { MAX_TIMELINE } from "../core/limits.js";
import { href } from "../core/route.js";
import { useModelEvery } from "../core/store.js";
import { filter } from "../core/table.js";
import { describe, kindOf, KINDS, nodeOf, weight } from "../core/cluster/telling.js";
import { who, withheldLayers } from "../core/data/withheld.js";
import { html, Steady, useLayoutEffect, useRef, useState } from "../parts/html.js";
import { Icon } from "../parts/icons.js";

/** So many are drawn, and as many more on each request. */
const PAGE = 200;

/** The oldest that are drawn are let go so many at a time: what is read does not move with each new one. */
const CHUNK = 50;

/** Pixels from the end that still count as there. */
const NEAR = 40;

/** However fast events come, they are read more slowly. */
const DRAW_MS = 250;

const words = new WeakMap();

function wordsOf(event) {
  let known = words.get(event);
  if (known === undefined) {
    known = { kind: kindOf(event), node: nodeOf(event) ?? "", text: describe(event) };
    words.set(event, known);
  }
  return known;
}

/** Kept over visits of other views. */
let hidden = new Set(["system"]);

/** @param {{rest: string}} props text to filter by from the beginning */
export function Timeline({ rest }) {
  const model = useModelEvery(DRAW_MS, "timeline", "hello", "self");
  const [text, setText] = useState(rest);
  const [off, setOff] = useState(hidden);
  const [still, setStill] = useState(null);
  const [most, setMost] = useState(PAGE);
  const seen = model.timeline.length + model.timelineDropped;
  const events = still?.events ?? model.timeline;
  const fits = filter(text);
  const fitting = events.filter((event) => !off.has(wordsOf(event).kind) && fits(wordsOf(event)));
  const from = Math.max(0, Math.ceil((fitting.length - most) / CHUNK) * CHUNK);
  const toggle = (kind) => {
    hidden = new Set(off);
    if (!hidden.delete(kind)) hidden.add(kind);
    setOff(hidden);
  };
  const missed = still === null ? 0 : seen - still.seen;
  const pause = () => setStill(still === null ? { events: [...model.timeline], seen } : null);
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
    ${
      withheldLayers(model) &&
      html`<p class="muted">${who(model.self)} may not read ${withheldLayers(model)}: of that nothing is told here.</p>`
    }
    <fieldset class="kinds">
      <legend class="unseen">Kinds of events</legend>
      ${Object.entries(KINDS).map(
        ([kind, title]) => html`<label class="kind" key=${kind}
          ><input type="checkbox" checked=${!off.has(kind)} onChange=${() => toggle(kind)} /> ${title}</label
        >`,
      )}
    </fieldset>
    <${Room} newest=${fitting.at(-1)?.id}>
      <p class="older">
        ${from > 0 && html`<button type="button" onClick=${() => setMost(most + PAGE)}>Show ${count(Math.min(PAGE, from))} older</button>`}
      </p>
      ${fitting.length === 0 && html`<p class="empty">${events.length ? "No event fits the filter." : "Nothing has happened since this page was opened."}</p>`}
      <ol class="events">
        ${fitting.slice(from).map((event) => html`<${Entry} key=${event.id} event=${event} />`)}
      </ol>
    <//>
    <p class="muted">
      Since this page was opened${model.timelineDropped > 0 && html`; of them the newest ${count(MAX_TIMELINE)}, ${count(model.timelineDropped)} older ones are gone`}.
      Times in this browser’s zone, by the clock of ${model.nodeId || "the node"}.
    </p>
  `;
}

/** Scrolls along with the newest for whoever is at the end. */
function Room({ newest, children }) {
  const room = useRef(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current) room.current.scrollTop = room.current.scrollHeight;
  }, [newest]);
  const scrolled = ({ target }) => {
    atEnd.current = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR;
  };
  return html`
    <section
      ref=${room}
      class="panel events-room"
      tabindex="0"
      aria-label="Events, the newest at the end"
      onScroll=${scrolled}
    >
      ${children}
    </section>
  `;
}

class Entry extends Steady {
  render({ event }) {
    const { kind, node, text } = wordsOf(event);
    return html`
      <li class=${`event event-${weight(event)}`}>
        <time datetime=${new Date(event.time * 1000).toISOString()} title=${dateAndClock(event.time)}>${clock(event.time)}</time>
        <span class="event-kind">${kind === "system" ? "system" : KINDS[kind]}</span>
        <span class="event-text">${text}${node && html` <a class="event-node" href=${href("nodes", node)}>details<span class="unseen"> of ${node}</span></a>`}</span>
      </li>
    `;
  }
}
