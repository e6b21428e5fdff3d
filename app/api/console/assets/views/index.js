// The views, in the order of the navigation. A view is a component in a file of its own; `name` is its address
// (`#/name`), and what stands behind the name there comes to it as the property `rest`. `kind`: the kind of live updates
// without which a view has nothing to show.

import { Charts } from "./charts.js";
import { Gossip } from "./gossip.js";
import { Locks } from "./locks.js";
import { NodeMap } from "./map.js";
import { Metadata } from "./metadata.js";
import { Nodes } from "./nodes.js";
import { Overview } from "./overview.js";
import { Timeline } from "./timeline.js";

/** @type {{name: string, title: string, icon: string, View: any, kind?: string}[]} */
export const VIEWS = [
  { name: "overview", title: "Overview", icon: "overview", View: Overview, kind: "members" },
  { name: "nodes", title: "Nodes", icon: "nodes", View: Nodes, kind: "members" },
  { name: "map", title: "Map", icon: "map", View: NodeMap, kind: "members" },
  { name: "timeline", title: "Timeline", icon: "timeline", View: Timeline },
  { name: "charts", title: "Charts", icon: "charts", View: Charts, kind: "figures" },
  { name: "gossip", title: "Gossip keys", icon: "gossip", View: Gossip, kind: "gossip" },
  { name: "metadata", title: "Metadata", icon: "metadata", View: Metadata, kind: "metadata" },
  { name: "locks", title: "Locks", icon: "locks", View: Locks, kind: "queues" },
];
