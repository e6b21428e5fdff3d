// Curves over the last minutes, drawn as SVG in the page's own colours. A table beneath says the same in numbers.

import { clock } from "../core/format.js";
import { dots, greatest, niceMax, path, summary } from "../core/cluster/series.js";
import { html, useState } from "./html.js";

const WIDTH = 520;
const HEIGHT = 150;
const LEFT = 6;
const TOP = 18;
const BOTTOM = 18;

/** How long the axis is at first, and grows by, in whole minutes. */
const MINUTE = 60;
const MINUTES = 5;

/**
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.about what it means, in a sentence
 * @param {{name: string, points: import("../core/cluster/series.js").Point[]}[]} props.series at most four
 * @param {(value: number|null) => string} props.show
 * @param {number} props.now Unix seconds: the axis ends here
 */
export function Chart({ title, about, series, show, now }) {
  const [at, setAt] = useState(null);
  const top = niceMax(greatest(series.map((each) => each.points)));
  const oldest = series[0].points[0]?.time ?? now;
  const minutes = Math.max(1, Math.min(MINUTES, Math.ceil((now - oldest) / MINUTE)));
  const span = minutes * MINUTE;
  const x = (time) => LEFT + ((time - now + span) / span) * (WIDTH - LEFT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const looked = at === null ? null : nearest(series, at);
  const move = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(now - span * (1 - (event.clientX - box.left) / box.width));
  };
  return html`
    <section class="panel chart" aria-label=${title}>
      <h2>${title}</h2>
      <p class="chart-about">${about}</p>
      <svg
        viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label=${`${title}: ${series.map((each) => `${each.name} ${show(summary(each.points).last)}`).join(", ")}`}
        onPointerMove=${move}
        onPointerLeave=${() => setAt(null)}
      >
        ${[0, 0.5, 1].map(
          (part) => html`<line class="chart-grid" x1="0" x2=${WIDTH} y1=${y(top * part)} y2=${y(top * part)} />`,
        )}
        <text class="chart-label" x="2" y=${TOP - 6}>${show(top)}</text>
        <text class="chart-label" x="2" y=${HEIGHT - 4}>${minutes} min ago</text>
        <text class="chart-label chart-end" x=${WIDTH - 2} y=${HEIGHT - 4}>now</text>
        ${series.map(
          (each, number) => html`
            <path class=${`chart-line series-${number + 1}`} d=${path(each.points, x, y)} />
            <path class=${`chart-dots series-${number + 1}`} d=${dots(each.points, x, y)} />
          `,
        )}
        ${looked !== null && html`<line class="chart-cursor" x1=${x(looked)} x2=${x(looked)} y1=${TOP} y2=${HEIGHT - BOTTOM} />`}
      </svg>
      <table class="chart-table">
        <caption class="unseen">${title}: now, least and most of the last five minutes</caption>
        <thead>
          <tr>
            <th scope="col"><span class="unseen">Curve</span></th>
            <th scope="col" class="right">${looked === null ? "now" : clock(looked).slice(0, 8)}</th>
            <th scope="col" class="right">least</th>
            <th scope="col" class="right">most</th>
          </tr>
        </thead>
        <tbody>
          ${series.map((each, number) => {
            const { last, least, most } = summary(each.points);
            const shown = looked === null ? last : (each.points.find((point) => point.time === looked)?.value ?? null);
            return html`<tr key=${each.name}>
              <th scope="row"><span class=${`chart-key series-${number + 1}`} aria-hidden="true"></span>${each.name}</th>
              <td class="right number">${show(shown)}</td>
              <td class="right number">${show(least)}</td>
              <td class="right number">${show(most)}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </section>
  `;
}

const SPARK = { width: 120, height: 26 };

/** The same without axes, beside a number that says what is now. */
export function Spark({ points }) {
  const top = niceMax(greatest([points]));
  const [from, to] = [points[0]?.time ?? 0, points.at(-1)?.time ?? 1];
  const x = (time) => ((time - from) / Math.max(MINUTE, to - from)) * SPARK.width + spare(from, to);
  const y = (value) => SPARK.height - 2 - (value / top) * (SPARK.height - 4);
  return html`
    <svg class="spark" viewBox=${`0 0 ${SPARK.width} ${SPARK.height}`} preserveAspectRatio="xMinYMid" aria-hidden="true" focusable="false">
      <line class="chart-grid" x1="0" x2=${SPARK.width} y1=${SPARK.height - 1} y2=${SPARK.height - 1} />
      <path class="chart-line series-1" d=${path(points, x, y)} />
      <path class="chart-dots series-1" d=${dots(points, x, y)} />
    </svg>
  `;
}

/** What is less than a minute stands at the end, as it does in charts. */
const spare = (from, to) => SPARK.width * (1 - Math.min(1, (to - from) / MINUTE));

/** The time of the sample that is nearest to where the pointer is. */
function nearest(series, time) {
  let found = null;
  for (const point of series[0].points) {
    if (found === null || Math.abs(point.time - time) < Math.abs(found - time)) found = point.time;
  }
  return found;
}
