// The metadata's keys as folders and lists, and when they changed. Pure.

import { metadataKey } from "../model.js";

/** Bytes order keys, and so do UTF-16 code units as far as a list is concerned. */
const byKey = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** What addresses a record in the page: `key:NAME`, or `bytes:BASE64` of a key that is no text. */
export const keyAddress = (record) => (record.key_encoding === "base64" ? `bytes:${record.key}` : `key:${record.key}`);

/** @param {string} address @returns {{key: string, key_encoding: "utf-8"|"base64"}|null} */
export function readKeyAddress(address) {
  if (address.startsWith("key:")) return { key: address.slice(4), key_encoding: "utf-8" };
  if (address.startsWith("bytes:")) return { key: address.slice(6), key_encoding: "base64" };
  return null;
}

/** Whether the HTTP interface can name the key at all: it takes text alone. */
export const nameable = ({ key_encoding: encoding }) => encoding !== "base64";

/** Whether a path can name it: a browser takes these two for directories, however they are escaped. */
export const addressable = (name) => nameable(name) && name.key !== "." && name.key !== "..";

/** The folder that a key is in: up to its last slash. */
export const folderOf = (key) => key.slice(0, key.lastIndexOf("/") + 1);

/** "a/b/" -> ["a/", "a/b/"] */
export function pathOf(folder) {
  const found = [];
  for (let at = folder.indexOf("/"); at >= 0; at = folder.indexOf("/", at + 1)) found.push(folder.slice(0, at + 1));
  return found;
}

/**
 * One level of the keys: folders, and what is in none.
 * @param {Iterable<any>} records
 * @param {string} folder ends with a slash, or is empty
 * @returns {{folders: {prefix: string, name: string, keys: number}[], records: any[]}} in order
 */
export function level(records, folder) {
  const folders = new Map();
  const here = [];
  for (const record of records) {
    if (record.key_encoding === "base64") {
      if (!folder) here.push(record);
      continue;
    }
    if (!record.key.startsWith(folder)) continue;
    const slash = record.key.indexOf("/", folder.length);
    if (slash < 0) here.push(record);
    else {
      const prefix = record.key.slice(0, slash + 1);
      folders.set(prefix, (folders.get(prefix) ?? 0) + 1);
    }
  }
  const sorted = [...folders].map(([prefix, keys]) => ({ prefix, name: prefix.slice(folder.length), keys }));
  sorted.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  return { folders: sorted, records: here.sort(byKey) };
}

/**
 * @param {Iterable<any>} records
 * @param {{prefix: string, text: string}} wanted `text`: in key or value, whatever its case
 * @returns {any[]} in order
 */
export function matching(records, { prefix, text }) {
  const word = text.trim().toLowerCase();
  const found = [];
  for (const record of records) {
    if (prefix && (record.key_encoding === "base64" || !record.key.startsWith(prefix))) continue;
    const said = record.encoding === "utf-8" ? `${record.key}\n${record.value}` : record.key;
    if (!word || said.toLowerCase().includes(word)) found.push(record);
  }
  return found.sort(byKey);
}

/**
 * When revisions came, as far as events tell.
 * @param {any[]} timeline
 * @returns {Map<number, number>} revision -> Unix seconds
 */
export function revisionTimes(timeline) {
  const times = new Map();
  for (const event of timeline) {
    if (event.revision !== undefined && !times.has(event.revision)) times.set(event.revision, event.time);
  }
  return times;
}

/**
 * The last change of each key since a moment.
 * @param {any[]} timeline oldest first
 * @param {number} since Unix seconds
 * @returns {Map<string, number>} key as the model has it -> Unix seconds
 */
export function changedSince(timeline, since) {
  const changed = new Map();
  for (let at = timeline.length - 1; at >= 0 && timeline[at].time >= since; at--) {
    const event = timeline[at];
    if (event.kind === "metadata" && !changed.has(metadataKey(event))) changed.set(metadataKey(event), event.time);
  }
  return changed;
}

/**
 * A key's past: what a watch told of it, and what is there now where history does not reach back to it.
 * @param {any[]} changes oldest first: {revision, type, value, encoding, version, lease}
 * @param {any} record as it is now; undefined: it is not there
 * @returns {any[]} newest first
 */
export function pastOf(changes, record) {
  const past = [...changes];
  if (record !== undefined && !past.some((each) => each.revision === record.mod_revision)) {
    past.push({ ...record, type: "put", revision: record.mod_revision });
    past.sort((a, b) => a.revision - b.revision);
  }
  return past.reverse();
}
