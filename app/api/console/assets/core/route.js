// Which view is shown: the address behind the hash, such as `#/nodes/node3`. Links are plain links.

import { useLayoutEffect, useState } from "../vendor/htm-preact.js";

/**
 * @param {string} hash
 * @returns {{view: string, rest: string}} `rest`: decoded, what stands behind the view's name
 */
export function readRoute(hash) {
  const [, view = "", rest = ""] = /^#\/([^/]*)\/?(.*)$/s.exec(hash) ?? [];
  try {
    return { view: view || "overview", rest: decodeURIComponent(rest) };
  } catch {
    return { view: view || "overview", rest: "" };
  }
}

/** An address for a link. */
export const href = (view, rest = "") => (rest ? `#/${view}/${encodeURIComponent(rest)}` : `#/${view}`);

export function useRoute() {
  const [route, setRoute] = useState(readRoute(location.hash));
  useLayoutEffect(() => {
    const change = () => setRoute(readRoute(location.hash));
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return route;
}
