// Every bound of the page: nothing that it holds grows without one.

/** Events kept for the timeline, the newest. */
export const MAX_TIMELINE = 1_000;

/** Gossip's keys, and the metadata's, that are held; of more the page says that it does not show all. */
export const MAX_GOSSIP_KEYS = 20_000;
export const MAX_METADATA_KEYS = 20_000;

/** Locks, elections and semaphores that are held. */
export const MAX_QUEUES = 5_000;

/** Samples of figures kept for the charts: five minutes at one a second. */
export const MAX_FIGURES = 300;

/** Decisions of the leaders that are held, the newest. */
export const MAX_DECISIONS = 100;

/** Rows that a table draws; a filter finds the others. */
export const MAX_ROWS = 500;

/** Pulses that move over the map at a time. */
export const MAX_PULSES = 120;

/** Nodes up to which the map writes every name beside its node. */
export const MAX_NAMED_NODES = 30;

/** Milliseconds. */
export const REQUEST_MS = 15_000;
export const CLUSTER_EVERY_MS = 10_000;
export const CLUSTER_SETTLE_MS = 400;
export const RETRY_FIRST_MS = 500;
export const RETRY_MOST_MS = 15_000;

/** Milliseconds for which it is waited for to see who leads, where a transfer's outcome is not known. */
export const TRANSFER_SEEN_MS = 5_000;

/** Tries of one write, all under the same request id. */
export const MAX_TRIES = 3;
export const TRY_AGAIN_MS = 700;

/** Rows of a page, in lists that are shown by the page. */
export const PAGE_ROWS = 100;

/** Characters of a value that a list shows. */
export const MAX_CELL = 120;

/** Milliseconds between one drawing of a long list and the next, however fast it changes. */
export const DRAW_EVERY_MS = 250;

/** Versions of one key that its history shows, the newest. */
export const MAX_HISTORY = 200;

/** At a node without Raft: locks, elections and semaphores that are asked for, of each kind, and how often. */
export const MAX_FORWARDED_QUEUES = 50;
export const FORWARDED_EVERY_MS = 5_000;
