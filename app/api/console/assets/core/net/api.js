// Requests to the node that served this page. Paths are relative to it, so that a proxy may put it under any path.

import { MAX_TRIES, REQUEST_MS, TRY_AGAIN_MS } from "../limits.js";
import { token } from "./session.js";

/** What the node answered where it did not do what was asked, or that it did not answer. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} code stable; "unreachable" where there was no answer
   * @param {string} message for people, with what to do
   */
  constructor(status, code, message, details = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** @param {string} path such as "v1/cluster" */
export const url = (path) => new URL(`../${path}`, location.origin + location.pathname);

/** A key or name as a part of a path. */
export const part = (name) => encodeURIComponent(name);

let onUnauthorized = () => {};

/** @param {() => void} listener called whenever the node asks for a token, or for another one */
export function whenUnauthorized(listener) {
  onUnauthorized = listener;
}

/**
 * One request.
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, json?: unknown, headers?: Record<string, string>}} options
 * @returns {Promise<any>} the answer's JSON
 * @throws {ApiError}
 */
export async function call(method, path, { body, json, headers = {} } = {}) {
  const sent = { ...headers };
  if (token()) sent.Authorization = `Bearer ${token()}`;
  if (json !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url(path), {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      signal: AbortSignal.timeout(REQUEST_MS),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new ApiError(0, "unreachable", "the node does not answer");
  }
  const told = await response.json().catch(() => null);
  if (response.ok && told !== null) return told;
  const error = told?.error ?? { code: "internal", message: `the node answered ${response.status}` };
  if (response.status === 401) onUnauthorized();
  throw new ApiError(response.status, error.code, error.message, error.details ?? null);
}

/** @param {ApiError} error whether the same write may be sent again under the same id */
const mayRepeat = (error) => error.status === 0 || error.status === 503 || error.status === 504;

/**
 * A write of the metadata, its locks or leases, that happens at most once however often it must be sent.
 * @throws {ApiError} with the code `outcome_unknown` where it is still not known
 */
export async function writeOnce(method, path, options = {}) {
  const { request_id: id } = await call("POST", "v1/request_ids");
  let unknown = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(method, path, { ...options, headers: { ...options.headers, "Coterie-Request-Id": id } });
    } catch (error) {
      // A try without an answer may have happened, whatever a later one says of itself.
      unknown ||= error.status === 0 || error.status === 504;
      if (!mayRepeat(error)) throw error;
      if (attempt === MAX_TRIES) {
        if (!unknown) throw error;
        throw new ApiError(504, "outcome_unknown", `it is not known whether this happened: ${error.message}`);
      }
      await new Promise((done) => setTimeout(done, TRY_AGAIN_MS * attempt));
    }
  }
}
