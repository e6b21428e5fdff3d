// How the connection to the node stands: in the head always, and over the page's foot while it is lost.

import { duration, sentence } from "../../core/format.js";
import { useModel } from "../../core/store.js";
import { html } from "../html.js";
import { useNow } from "../time.js";

const WORDS = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Lost",
  token: "Token needed",
  refused: "Not allowed",
};

/** What a reader of the screen is told: once for each change, without the seconds that tick. */
function announcement({ state, reason }, nodeId) {
  const node = nodeId || "the node";
  if (state === "lost") return `The connection to ${node} is lost: ${reason}. The page tries again by itself.`;
  if (state === "live") return `Connected to ${node}.`;
  if (state === "refused") return sentence(reason);
  return "";
}

export function ConnectionState() {
  const { connection, nodeId } = useModel("connection", "hello");
  return html`
    <span class=${`connection connection-${connection.state}`} title=${connection.reason || undefined}>
      <span class="connection-light" aria-hidden="true"></span>${WORDS[connection.state]}
    </span>
    <span class="unseen" role="status">${announcement(connection, nodeId)}</span>
  `;
}

function Countdown({ connection }) {
  useNow();
  const lost = duration(Math.floor((Date.now() - connection.since) / 1000));
  const left = connection.retryAt === null ? 0 : Math.max(0, Math.ceil((connection.retryAt - Date.now()) / 1000));
  return html`for <b>${lost}</b>${left > 0 ? html`, trying again in <b>${left} s</b>` : ", trying now"}`;
}

export function LostNotice({ onRetry }) {
  const { connection, nodeId, complete } = useModel("connection");
  if (connection.state !== "lost" && connection.state !== "refused") return null;
  const lost = connection.state === "lost";
  return html`
    <aside class="notice" aria-label="Connection">
      <p>
        ${
          lost
            ? html`<b>No connection to ${nodeId || "the node"}</b> <${Countdown} connection=${connection} />.
                <span class="notice-why">${sentence(connection.reason)}${complete ? " What you see is as it was then." : ""}</span>`
            : html`<b>Not allowed.</b> <span class="notice-why">${sentence(connection.reason)}</span>`
        }
      </p>
      <button type="button" onClick=${onRetry}>Try now</button>
    </aside>
  `;
}
