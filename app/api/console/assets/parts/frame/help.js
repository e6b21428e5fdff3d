// The keyboard shortcuts: what they do, and a switch for people whom single keys get in the way of.

import { href } from "../../core/route.js";
import { VIEWS } from "../../views/index.js";
import { Dialog } from "../dialog.js";
import { html, useEffect, useRef, useState } from "../html.js";

const NAME = "coterie.shortcuts";

function areOn() {
  try {
    return localStorage.getItem(NAME) !== "off";
  } catch {
    return true;
  }
}

let on = areOn();

const TYPING = "input, textarea, select, [contenteditable]";

/** @param {{help: () => void, theme: () => void}} actions */
export function useShortcuts(actions) {
  const held = useRef(actions);
  held.current = actions;
  useEffect(() => {
    const press = (event) => {
      if (!on || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return;
      if (document.querySelector("dialog[open]")) return;
      const view = VIEWS[Number(event.key) - 1];
      if (view) location.hash = href(view.name);
      else if (event.key === "?") held.current.help();
      else if (event.key === "c") held.current.theme();
      else if (event.key === "/") {
        const filter = document.querySelector("input[type=search]");
        if (filter === null) return;
        filter.focus();
      } else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

export function Help({ onClose }) {
  const [using, setUsing] = useState(on);
  const change = (event) => {
    on = event.target.checked;
    setUsing(on);
    try {
      localStorage.setItem(NAME, on ? "on" : "off");
    } catch {
      // Storage is switched off: the choice lives as long as the page.
    }
  };
  return html`
    <${Dialog} title="Keyboard shortcuts" onClose=${onClose}>
      <table class="shortcuts">
        <caption class="unseen">Keys and what they do</caption>
        <thead><tr><th scope="col">Key</th><th scope="col">What it does</th></tr></thead>
        <tbody>
          ${VIEWS.map(
            ({ title }, at) => html`<tr><td><kbd>${at + 1}</kbd></td><td>${title}</td></tr>`,
          )}
          <tr><td><kbd>/</kbd></td><td>Go to the filter</td></tr>
          <tr><td><kbd>c</kbd></td><td>Change the colours: as the system, light, dark</td></tr>
          <tr><td><kbd>?</kbd></td><td>This help</td></tr>
          <tr><td><kbd>Esc</kbd></td><td>Close a dialog</td></tr>
        </tbody>
      </table>
      <label class="check"><input type="checkbox" checked=${using} onChange=${change} /> Single keys are shortcuts</label>
      <p class="muted">
        All that the page shows comes from <a href="../docs">this node's API</a>; the command line tells the same.
      </p>
    <//>
  `;
}
