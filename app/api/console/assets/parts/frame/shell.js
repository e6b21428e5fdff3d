// What stands around every view: the head with the cluster and the connection, the navigation, the dialogs of the page.

import { diagnose, verdict } from "../../core/cluster/diagnosis.js";
import { href, useRoute } from "../../core/route.js";
import { setToken, token } from "../../core/net/session.js";
import { store, useModel } from "../../core/store.js";
import { useTheme } from "../../core/theme.js";
import { isWithheld } from "../../core/data/withheld.js";
import { VIEWS } from "../../views/index.js";
import { ConnectionState, LostNotice } from "./connection_state.js";
import { Help, useShortcuts } from "./help.js";
import { html, useEffect, useErrorBoundary, useRef, useState } from "../html.js";
import { Icon, Logo } from "../icons.js";
import { TokenDialog } from "./token.js";
import { WithheldView } from "../withheld.js";

const THEME_WORDS = { system: "as the system", light: "light", dark: "dark" };

function Navigation({ current, open, onGo }) {
  return html`
    <nav id="navigation" class=${open ? "nav open" : "nav"} aria-label="Views">
      <ul>
        ${VIEWS.map(
          ({ name, title, icon }) => html`
            <li>
              <a href=${href(name)} aria-current=${current === name ? "page" : undefined} onClick=${onGo}>
                <${Icon} name=${icon} /><span>${title}</span>
              </a>
            </li>
          `,
        )}
      </ul>
    </nav>
  `;
}

function Verdict() {
  const model = useModel("hello", "members", "raft", "cluster", "phi", "convergence", "connection");
  const { state } = model.connection;
  let { level, text } = { level: "unknown", text: "Not known yet" };
  if (isWithheld(model, "members") && state === "live") text = "Not known to this token";
  else if (model.complete && state === "live") ({ level, text } = verdict(diagnose(model, store.now())));
  else if (state === "lost") ({ level, text } = { level: "bad", text: "No connection" });
  useEffect(() => {
    const name = model.clusterId ? ` – ${model.clusterId}` : "";
    document.title = level === "good" || level === "unknown" ? `Coterie${name}` : `(${text}) Coterie${name}`;
  }, [level, text, model.clusterId]);
  return html`<a class=${`verdict verdict-${level}`} href=${href("overview")}>${text}</a>`;
}

function Where() {
  const model = useModel("hello", "members");
  return html`
    <p class="where">
      <span class="where-cluster" title="cluster_id">${isWithheld(model, "members") ? "" : model.clusterId || "…"}</span>
      <span class="where-node">seen by <b>${model.nodeId || "…"}</b></span>
    </p>
  `;
}

/** A fault in one view leaves the rest of the page in use. */
function Guarded({ View, rest, title, kind }) {
  const [error, reset] = useErrorBoundary((fault) => console.error(fault));
  const model = useModel("hello");
  if (kind !== undefined && isWithheld(model, kind)) return html`<${WithheldView} title=${title} kind=${kind} views=${VIEWS} />`;
  if (error === undefined) return html`<${View} rest=${rest} />`;
  return html`
    <h1>${title}</h1>
    <p role="alert">This view failed: ${String(error?.message ?? error)}</p>
    <button type="button" onClick=${reset}>Show it again</button>
  `;
}

export function Shell({ connection }) {
  const { view, rest } = useRoute();
  const [navigation, setNavigation] = useState(false);
  const [help, setHelp] = useState(false);
  const [theme, nextTheme] = useTheme();
  const { state } = useModel("connection").connection;
  const main = useRef(null);
  const first = useRef(true);
  const shown = VIEWS.find((each) => each.name === view) ?? VIEWS[0];
  useShortcuts({ help: () => setHelp(true), theme: nextTheme });
  useEffect(() => {
    // A new view is read from its beginning; the first one has the focus as it is.
    if (!first.current) {
      main.current.focus();
      scrollTo(0, 0);
    }
    first.current = false;
    setNavigation(false);
  }, [shown]);
  const withToken = (value) => {
    setToken(value);
    store.clear();
    connection.start();
  };
  return html`
    <a
      class="skip"
      href="#content"
      onClick=${(event) => {
        event.preventDefault();
        main.current.focus();
      }}
      >Skip to the content</a
    >
    <header class="head">
      <button
        type="button"
        class="quiet menu"
        aria-expanded=${navigation}
        aria-controls="navigation"
        onClick=${() => setNavigation(!navigation)}
      >
        <${Icon} name="menu" /><span class="unseen">Views</span>
      </button>
      <a class="brand" href=${href("overview")}><${Logo} /><span>Coterie</span></a>
      <${Where} />
      <${Verdict} />
      <div class="head-end">
        <${ConnectionState} />
        <button type="button" class="quiet" onClick=${nextTheme} title=${`Colours: ${THEME_WORDS[theme]}`}>
          <${Icon} name=${theme} /><span class="unseen">Colours: ${THEME_WORDS[theme]}. Change</span>
        </button>
        ${token() &&
        html`<button type="button" class="quiet" onClick=${() => withToken("")} title="Forget the token">
          <${Icon} name="key" /><span class="wide">Forget token</span><span class="unseen narrow">Forget token</span>
        </button>`}
        <button type="button" class="quiet key-help" onClick=${() => setHelp(true)} title="Keyboard shortcuts">
          <span aria-hidden="true">?</span><span class="unseen">Help and shortcuts</span>
        </button>
      </div>
    </header>
    <div class="frame">
      <${Navigation} current=${shown.name} open=${navigation} onGo=${() => setNavigation(false)} />
      <main id="content" ref=${main} tabindex="-1">
        <${Guarded} key=${shown.name} View=${shown.View} rest=${rest} title=${shown.title} kind=${shown.kind} />
      </main>
    </div>
    <${LostNotice} onRetry=${() => connection.start()} />
    ${state === "token" && html`<${TokenDialog} onToken=${withToken} />`}
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
  `;
}
