// What changed a moment ago lights up, calmly, and once.

/** Seconds; a little longer than the animation of `.lit`. */
const LIT = 3;

/** @param {number|null} time when it changed, Unix seconds; @param {number} now */
export const isLit = (time, now) => time !== null && time !== undefined && time > now - LIT;
