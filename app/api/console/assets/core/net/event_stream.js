// Server-sent events of this node, read by fetch: the browser's own reader of them cannot show a token.

import { ApiError, url } from "./api.js";
import { TRY_AGAIN_MS } from "../limits.js";
import { token } from "./session.js";

/** Characters of one event; one that is longer is none of this node's. */
const MAX_EVENT = 64_000_000;

/**
 * @param {(event: {event: string, data: string, id: string|null}) => void} onEvent `event` is empty where there is an id
 *   alone, as progress is told
 * @returns {(text: string) => void} takes the stream piece by piece
 */
export function eventReader(onEvent) {
  let rest = "";
  return (text) => {
    rest += text;
    if (rest.length > MAX_EVENT) throw new ApiError(0, "unreachable", "the node sends what cannot be read");
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const told = { event: "", data: "", id: null };
      for (const line of block.split("\n")) {
        const colon = line.indexOf(": ");
        const name = line.slice(0, colon);
        if (colon > 0 && name in told) told[name] = line.slice(colon + 2);
      }
      if (told.event || told.id !== null) onEvent(told);
    }
  };
}

async function once(path, onEvent, signal) {
  const headers = { Accept: "text/event-stream" };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  let response;
  try {
    response = await fetch(url(path), { headers, signal, cache: "no-store", credentials: "omit" });
  } catch {
    throw new ApiError(0, "unreachable", "the node does not answer");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    const error = told?.error ?? { code: "internal", message: `the node answered ${response.status}` };
    throw new ApiError(response.status, error.code, error.message, error.details ?? null);
  }
  const take = eventReader(onEvent);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      take(value);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, "unreachable", "the connection broke");
  } finally {
    reader.cancel().catch(() => {});
  }
}

const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });

/**
 * Follow the metadata from a revision on, over lost connections, until the signal ends it.
 * @param {{what: string, revision: number, signal: AbortSignal}} asked `what`: `key=…` or `prefix=…`
 * @param {(revision: number, changes: any[], progress: number) => void} onChange `changes` is empty where only progress
 *   is told
 * @param {(error: ApiError|null) => void} onState what is wrong, null: nothing any more
 * @throws {ApiError} with the code `compacted` where history does not reach back, and any other that waiting does not mend
 */
export async function followMetadata({ what, revision, signal }, onChange, onState) {
  let next = revision;
  for (let tries = 0; !signal.aborted; tries++) {
    let compacted = null;
    try {
      await once(
        `v1/watch?${what}&revision=${next}`,
        ({ event, data, id }) => {
          if (signal.aborted) return;
          tries = 0;
          if (event === "compacted") compacted = JSON.parse(data).compacted;
          if (event === "compacted" || event === "end") return;
          onState(null);
          if (event === "change") onChange(JSON.parse(data).revision, JSON.parse(data).changes);
          if (id === null) return;
          next = Math.max(next, Number(id) + 1);
          if (event !== "change") onChange(Number(id), []);
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
      onState(error);
    }
    if (compacted !== null) throw new ApiError(410, "compacted", "history is gone", { compacted });
    await pause(TRY_AGAIN_MS * Math.min(tries + 1, 10), signal);
  }
}
