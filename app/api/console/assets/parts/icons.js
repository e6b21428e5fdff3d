// Small pictures, drawn with the text's colour. Words stand beside all of them, so readers of the screen skip them.

import { html } from "./html.js";

const PATHS = {
  overview: "M3 12h4l2-6 4 12 2-6h6",
  nodes: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.01M7.5 16.5h.01",
  map: "M12 4.5 19 17H5zM12 4.5h.01M19 17h.01M5 17h.01",
  timeline: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17",
  charts: "M4 4v16h16M7.5 15l3.5-4 3 2.5L19 8",
  gossip: "M4 6h11v7H9l-3 3v-3H4zM18 10h2v7h-2v3l-3-3h-5",
  metadata: "M5 6c0-3.3 14-3.3 14 0v12c0 3.3-14 3.3-14 0zM5 6c0 3.3 14 3.3 14 0M5 12c0 3.3 14 3.3 14 0",
  locks: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 15v1.5",
  menu: "M4 7h16M4 12h16M4 17h16",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  key: "M8 16a4 4 0 1 1 3.5-6H20v3h-2v3h-3v-3h-3.2A4 4 0 0 1 8 16M8 12h.01",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l12 7-12 7z",
  close: "M6 6l12 12M18 6 6 18",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
};

/** @param {{name: keyof typeof PATHS}} props */
export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>
`;

/** A node's status as a shape, so that colour is never all that tells it. Centre 0,0; radius about 6. */
export const STATUS_SHAPES = {
  live: "M-5.2 0a5.2 5.2 0 1 0 10.4 0a5.2 5.2 0 1 0-10.4 0z",
  joining: "M0-6 6 4.8H-6z",
  dead: "M-5-2.2-2.2-5 0-2.8 2.2-5 5-2.2 2.8 0 5 2.2 2.2 5 0 2.8-2.2 5-5 2.2-2.8 0z",
  left: "M-4.8-4.8H4.8V4.8H-4.8zM-2.4-2.4V2.4H2.4V-2.4z",
};

export const StatusShape = ({ status }) => html`
  <svg class="status-shape" viewBox="-7 -7 14 14" aria-hidden="true" focusable="false">
    <path d=${STATUS_SHAPES[status]} fill-rule="evenodd" />
  </svg>
`;

export const CROWN = "M-6 3.5-7.5-4-3.2-1 0-6 3.2-1 7.5-4 6 3.5z";

export const Crown = () => html`
  <svg class="crown" viewBox="-8 -7 16 12" aria-hidden="true" focusable="false"><path d=${CROWN} /></svg>
`;

export const Logo = () => html`
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <path class="logo-links" d="M16 6.5 25 22H7z" />
    <circle cx="16" cy="6.5" r="4.2" /><circle cx="25" cy="22" r="4.2" /><circle cx="7" cy="22" r="4.2" />
  </svg>
`;
