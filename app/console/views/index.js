// The views, in the order of the navigation. A view is a component in a file of its own; `name` is its address
// (`#/name`), and what stands behind the name there comes to it as the property `rest`.

import { Charts } from "./charts.js";
import { Gossip } from "./gossip.js";
import { Locks } from "./locks.js";
import { NodeMap } from "./map.js";
import { Metadata } from "./metadata.js";
import { Nodes } from "./nodes.js";
import { Overview } from "./overview.js";
import { Timeline } from "./timeline.js";

/** @type {{name: string, title: string, icon: string, View: any}[]} */
export const VIEWS = [
  { name: "overview", title: "Overview", icon: "overview", View: Overview },
  { name: "nodes", title: "Nodes", icon: "nodes", View: Nodes },
  { name: "map", title: "Map", icon: "map", View: NodeMap },
  { name: "timeline", title: "Timeline", icon: "timeline", View: Timeline },
  { name: "charts", title: "Charts", icon: "charts", View: Charts },
  { name: "gossip", title: "Gossip keys", icon: "gossip", View: Gossip },
  { name: "metadata", title: "Metadata", icon: "metadata", View: Metadata },
  { name: "locks", title: "Locks", icon: "locks", View: Locks },
];
