// Asks for the token that the node wants.

import { sentence } from "../../core/format.js";
import { setToken } from "../../core/net/session.js";
import { store, useModel } from "../../core/store.js";
import { Dialog } from "../dialog.js";
import { html, useState } from "../html.js";

export function TokenDialog({ onToken }) {
  const { connection } = useModel("connection");
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) onToken(text.trim());
  };
  const away = () => {
    setToken("");
    const reason = "this node wants a token; reload the page, or try now, to enter one";
    store.set("connection", { connection: { state: "refused", since: Date.now(), retryAt: null, reason } });
  };
  return html`
    <${Dialog} title="This node wants a token" onClose=${away}>
      <form class="token" onSubmit=${submit}>
        <div class="dialog-text">
          <p>
            The page shows what it may read, and offers what it may do. It stays in this tab and goes to this node alone.
          </p>
        </div>
        <label class="field"
          ><span>Token</span>
          <input
            type="password"
            name="token"
            value=${text}
            onInput=${(event) => setText(event.target.value)}
            autocomplete="off"
            placeholder="coterie_…"
            aria-describedby="token-refused"
          />
        </label>
        <p id="token-refused" class=${`outcome ${connection.reason ? "outcome-bad" : ""}`} role="status">
          ${sentence(connection.reason)}
        </p>
        <div class="dialog-actions">
          <button type="submit" class="primary" disabled=${!text.trim()}>Use token</button>
        </div>
      </form>
    <//>
  `;
}
