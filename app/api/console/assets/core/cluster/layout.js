// Where nodes stand on the map. Each keeps its place for as long as it is known, whoever comes and goes: places belong
// to names, and a newcomer takes a free one. Pure; the same names give the same places on every page.

import { byName } from "../format.js";

/** Up to here all stand on one ring, and places are made for exactly those who are there. */
const EXACT = 12;
const ONE_RING = 26;

/** So much room is made for newcomers beyond that, so that few of them move anybody. */
const GROWTH = 1.25;

/** Of the outermost. */
const INNERMOST = 0.3;

/** How many places there are for so many nodes. */
export function capacityFor(number) {
  if (number <= EXACT) return Math.max(number, 1);
  let capacity = EXACT;
  while (capacity < number) capacity = Math.ceil((capacity * GROWTH) / 4) * 4;
  return capacity;
}

function hash(text) {
  // FNV-1a: the same on every page.
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** Places by name; lives as long as the page. */
export class Places {
  capacity = 0;
  #slots = new Map();

  /**
   * @param {string[]} names of all who are there now
   * @returns {Map<string, number>} name -> number of its place, below `capacity`
   */
  settle(names) {
    const there = new Set(names);
    for (const name of [...this.#slots.keys()]) if (!there.has(name)) this.#slots.delete(name);
    const needed = capacityFor(there.size);
    if (needed > this.capacity || needed * 2 <= this.capacity) this.#begin([...there].sort(byName), needed);
    else for (const name of [...there].sort(byName)) this.#place(name);
    return this.#slots;
  }

  /** All anew, evenly, in the order of their names. */
  #begin(names, capacity) {
    this.capacity = capacity;
    this.#slots = new Map(names.map((name, at) => [name, Math.floor((at * capacity) / names.length)]));
  }

  #place(name) {
    if (this.#slots.has(name)) return;
    const taken = new Set(this.#slots.values());
    let slot = hash(name) % this.capacity;
    while (taken.has(slot)) slot = (slot + 1) % this.capacity;
    this.#slots.set(name, slot);
  }
}

/**
 * @param {number} capacity
 * @returns {{x: number, y: number}[]} by number of the place, from -1 to 1 each way, the first at the top
 */
export function points(capacity) {
  return rings(capacity).flatMap(({ radius, number }, ring) =>
    Array.from({ length: number }, (_, at) => {
      // Rings are turned against each other, so that names do not stand under names.
      const angle = ((at + (ring % 2) / 2) / number) * 2 * Math.PI - Math.PI / 2;
      return number === 1 && capacity === 1
        ? { x: 0, y: 0 }
        : { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
    }),
  );
}

/** Rings from the outermost in, each with places in proportion to its length. */
function rings(capacity) {
  if (capacity <= ONE_RING) return [{ radius: 1, number: capacity }];
  const count = Math.max(2, Math.round(Math.sqrt(capacity / 9)));
  const radii = Array.from({ length: count }, (_, at) => 1 - ((1 - INNERMOST) * at) / (count - 1));
  const length = radii.reduce((sum, radius) => sum + radius, 0);
  const numbers = radii.map((radius) => Math.floor((capacity * radius) / length));
  numbers[0] += capacity - numbers.reduce((sum, number) => sum + number, 0);
  return radii.map((radius, at) => ({ radius, number: numbers[at] }));
}

/** How large a node is drawn among so many, 1 being the largest. */
export const scaleFor = (capacity) => Math.max(0.3, Math.min(1, Math.sqrt(14 / capacity)));
