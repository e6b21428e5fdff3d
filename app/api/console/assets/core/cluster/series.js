// Curves out of samples of figures: rates by differences of counters, and latencies as they were measured. Pure.

/**
 * @typedef {{time: number, value: number|null}} Point `time`: Unix seconds by the node's clock; null: not known then
 */

/**
 * How fast a counter rose, between each sample and the one before.
 * @param {any[]} figures samples, oldest first
 * @param {(sample: any) => number|null|undefined} counter
 * @returns {Point[]} one fewer than there are samples
 */
export function rates(figures, counter) {
  return figures.slice(1).map((sample, at) => {
    const before = figures[at];
    const seconds = sample.time - before.time;
    const [from, to] = [counter(before), counter(sample)];
    const known = typeof from === "number" && typeof to === "number" && seconds > 0 && to >= from;
    return { time: sample.time, value: known ? (to - from) / seconds : null };
  });
}

/**
 * A value as each sample has it.
 * @returns {Point[]}
 */
export const values = (figures, value) =>
  figures.slice(1).map((sample) => ({ time: sample.time, value: value(sample) ?? null }));

/** The smallest of 1, 2, 2.5, 5, 10, ... times a power of ten that is no less. */
export function niceMax(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 2.5, 5, 10].find((step) => step * power >= value * 0.999999);
}

/** The greatest of some curves; 0 where nothing is known. */
export const greatest = (curves) =>
  curves.reduce((most, points) => points.reduce((so, { value }) => Math.max(so, value ?? 0), most), 0);

/**
 * A curve as the path of an SVG, with gaps where nothing is known.
 * @param {Point[]} points
 * @param {(time: number) => number} x
 * @param {(value: number) => number} y
 */
export function path(points, x, y) {
  let drawn = "";
  let pen = "M";
  for (const { time, value } of points) {
    if (value !== null) drawn += `${pen}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value === null ? "M" : "L";
  }
  return drawn;
}

/** What is known at single moments is no line: dots, as a path whose ends are round. */
export const dots = (points, x, y) =>
  points
    .filter(({ value }, at) => value !== null && (points[at - 1]?.value ?? null) === null && (points[at + 1]?.value ?? null) === null)
    .map(({ time, value }) => `M${x(time).toFixed(1)} ${y(value).toFixed(1)}h0`)
    .join("");

/** The last, the least and the greatest of what is known. */
export function summary(points) {
  const known = points.map((point) => point.value).filter((value) => value !== null);
  if (known.length === 0) return { last: null, least: null, most: null };
  return { last: points.at(-1).value, least: Math.min(...known), most: Math.max(...known) };
}
