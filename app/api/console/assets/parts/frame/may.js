// Whether the token allows something, for buttons to say so before the node does.

import { allows } from "../../core/net/session.js";
import { useModel } from "../../core/store.js";

/**
 * @param {"gossip"|"metadata"|"locks"} layer
 * @param {string|null} start the key or name; null: any will do
 * @returns {{write: boolean, why: string|undefined}} `why`: where it may not
 */
export function useMayWrite(layer, start = null) {
  return useMayWriteOf(layer)(start);
}

/** The same for whatever is asked of it. @returns {(start: string|null) => {write: boolean, why: string|undefined}} */
export function useMayWriteOf(layer) {
  const { self } = useModel("self");
  const who = self === null || self.id === "anonymous" ? "Without a token one" : `The token ${self.id}`;
  return (start) => {
    const write = self !== null && allows(self.rules, layer, "write", start);
    return { write, why: write ? undefined : `${who} may not do this: it wants write in the layer ${layer}` };
  };
}
