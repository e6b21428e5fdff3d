// Values as people read them: text, JSON, or bytes in hexadecimal digits. Pure.

/** Characters of a text, and bytes in hexadecimal, that are shown at first. */
export const SHOW_TEXT = 20_000;
export const SHOW_BYTES = 4_096;

const LINE = 16;

/** @param {string} text base64; @returns {Uint8Array} */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export function isBase64(text) {
  try {
    atob(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {string} text; @param {"utf-8"|"base64"} encoding as the API tells values */
export const valueBytes = (text, encoding) => (encoding === "base64" ? fromBase64(text) : new TextEncoder().encode(text));

/** Size in bytes without making them all. */
export function sizeOf(text, encoding) {
  if (encoding !== "base64") return new TextEncoder().encode(text).length;
  return (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
}

/**
 * Sixteen bytes a line: where, the bytes, and what of them is ASCII.
 * @param {Uint8Array} bytes
 */
export function hexLines(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    const part = [...bytes.subarray(at, at + LINE)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(LINE * 3 - 1)}  ${text}`);
  }
  return lines.join("\n");
}

/**
 * @param {string} text
 * @returns {string|null} indented, where it is a JSON object or list whose numbers JavaScript can hold; else null
 */
export function prettyJson(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    // A number that would be rounded is better shown as it stands.
    if (/[-\d.eE+]{16,}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'))) return null;
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}
