// What live updates do not tell, asked for now and then: `GET /v1/cluster` for the reasons why nodes do not vote, after
// changes and every few seconds, and `GET /v1/members` for heartbeats and versions while somebody looks at them.

import { call } from "./api.js";
import { CLUSTER_EVERY_MS, CLUSTER_SETTLE_MS } from "../limits.js";
import { identity } from "../model.js";
import { allows } from "./session.js";
import { store } from "../store.js";

const wanted = { cluster: 1, details: 0 };
const asking = { cluster: false, details: false };

async function ask(what) {
  const { connection, self } = store.model;
  if (asking[what] || connection.state !== "live" || document.hidden || !wanted[what]) return;
  if (self === null || !allows(self.rules, "cluster", "read")) return;
  asking[what] = true;
  try {
    if (what === "cluster") {
      store.set("cluster", { cluster: await call("GET", "v1/cluster") });
    } else {
      const { members } = await call("GET", "v1/members");
      store.set("details", { details: new Map(members.map((member) => [identity(member), member])) });
    }
  } catch {
    // The connection tells of a node that does not answer; the next round asks again.
  } finally {
    asking[what] = false;
  }
}

/** Details are asked for, at once and now and then, until the returned function is called. */
export function wantDetails() {
  wanted.details += 1;
  ask("details");
  return () => {
    wanted.details -= 1;
  };
}

export function startAsking() {
  let settle = 0;
  const soon = () => {
    clearTimeout(settle);
    settle = setTimeout(() => {
      ask("cluster");
      ask("details");
    }, CLUSTER_SETTLE_MS);
  };
  store.subscribe(["members", "raft"], soon);
  store.subscribe(["connection"], () => store.model.connection.state === "live" && soon());
  setInterval(() => ask("cluster"), CLUSTER_EVERY_MS);
  setInterval(() => ask("details"), CLUSTER_EVERY_MS / 4);
}
