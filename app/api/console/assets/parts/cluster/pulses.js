// Exchanges of gossip as pulses over the map. The browser moves them, from a fixed number of circles: however much
// gossip there is, no more is drawn. People who asked for less motion see none; the links' strength tells it too.

import { MAX_PULSES } from "../../core/limits.js";

const SVG = "http://www.w3.org/2000/svg";
const TRAVEL_MS = 750;

/** The answer sets out when the question has come. */
const ANSWER_AFTER_MS = TRAVEL_MS;

/** Of one peer and kind in one sample; more look like one. */
const MAX_EACH = 4;

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Pulses {
  #layer;
  #idle = [];
  #made = 0;

  /** @param {SVGGElement} layer */
  constructor(layer) {
    this.#layer = layer;
  }

  /**
   * @param {{opened: number, replied: number, answered: number}} link
   * @param {{x: number, y: number}} here
   * @param {{x: number, y: number}} there
   * @param {number} seconds over which these exchanges took place
   * @param {number} radius of a pulse
   * @param {boolean} live whether the peer is; one that is not is tried now and then, and does not answer
   */
  show(link, here, there, seconds, radius, live) {
    if (still.matches || document.hidden) return;
    const spread = Math.min(seconds, 2) * 1_000;
    const each = (number, from, to, kind, after) => {
      for (let at = 0; at < Math.min(number, MAX_EACH); at++) {
        this.#send(from, to, kind, after + (spread * (at + Math.random())) / number, radius);
      }
    };
    each(link.opened, here, there, live ? "opened" : "unanswered", 0);
    each(link.replied, there, here, "replied", ANSWER_AFTER_MS);
    each(link.answered, there, here, "answered", 0);
  }

  #send(from, to, kind, delay, radius) {
    const circle = this.#idle.pop() ?? this.#make();
    if (circle === null) return;
    circle.setAttribute("class", `pulse pulse-${kind}`);
    circle.setAttribute("r", radius);
    const at = ({ x, y }) => `translate(${x}px, ${y}px)`;
    const moving = circle.animate(
      [
        { transform: at(from), opacity: 0 },
        { opacity: 1, offset: 0.15 },
        { opacity: 1, offset: 0.85 },
        { transform: at(to), opacity: 0 },
      ],
      { duration: TRAVEL_MS, delay, easing: "ease-in-out", fill: "backwards" },
    );
    moving.onfinish = moving.oncancel = () => this.#idle.push(circle);
  }

  #make() {
    if (this.#made === MAX_PULSES) return null;
    this.#made += 1;
    const circle = document.createElementNS(SVG, "circle");
    this.#layer.append(circle);
    return circle;
  }
}
