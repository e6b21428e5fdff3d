// Dialogs: the browser's own modal ones, which keep the focus inside and end with Escape. Where they end, the focus goes
// back to what opened them.

import { sentence } from "../core/format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";

let serial = 0;

/**
 * @param {{title: string, onClose: () => void, drawer?: boolean, children: any}} props `drawer`: at the side, as
 *   details of a thing are shown
 */
export function Dialog({ title, onClose, drawer = false, children }) {
  const ref = useRef(null);
  const [id] = useState(() => `dialog-${++serial}`);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    // To what is to be filled in, where there is such; the browser's own choice is the button that closes.
    dialog.querySelector("form input, form select, form textarea")?.focus();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
      // What opened it is gone: to the dialog below, or the page.
      else (document.querySelector("dialog[open] button") ?? document.getElementById("content"))?.focus();
    };
  }, []);
  useEffect(() => {
    // A click beside it.
    const dialog = ref.current;
    const click = (event) => event.target === dialog && onClose();
    dialog.addEventListener("mousedown", click);
    return () => dialog.removeEventListener("mousedown", click);
  }, [onClose]);
  return html`
    <dialog
      ref=${ref}
      class=${drawer ? "drawer" : "modal"}
      aria-labelledby=${id}
      onCancel=${(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id=${id}>${title}</h2>
          <button type="button" class="quiet" onClick=${onClose}>Close</button>
        </header>
        ${children}
      </div>
    </dialog>
  `;
}

/**
 * Asks before something is done, does it, and says what came of it.
 * @param {object} props
 * @param {string} props.title such as "Remove node3?"
 * @param {any} props.children what will happen, in plain words
 * @param {string} props.action the button's words
 * @param {string} [props.typed] what must be typed before, for what cannot be undone
 * @param {boolean} [props.danger]
 * @param {boolean} [props.disabled] for as long as something is not chosen
 * @param {() => Promise<string>} props.perform does it; what it returns is shown
 * @param {() => void} props.onClose
 */
export function Confirm({ title, children, action, typed, danger = false, disabled = false, perform, onClose }) {
  const [text, setText] = useState("");
  const [outcome, setOutcome] = useState(null);
  const [busy, setBusy] = useState(false);
  const ready = !busy && !disabled && (!typed || text === typed);
  const submit = async (event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    setOutcome(null);
    try {
      setOutcome({ good: true, text: await perform() });
    } catch (error) {
      setOutcome({ good: false, text: sentence(error.message) });
    }
    setBusy(false);
  };
  const done = outcome?.good === true;
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form onSubmit=${submit}>
        ${!done && html`<div class="dialog-text">${children}</div>`}
        ${!done && typed &&
        html`<label class="field"
          ><span>Type <code>${typed}</code> to confirm</span>
          <input
            value=${text}
            onInput=${(event) => setText(event.target.value)}
            autocomplete="off"
            autocapitalize="off"
            spellcheck=${false}
          />
        </label>`}
        <p class=${`outcome ${outcome ? (outcome.good ? "outcome-good" : "outcome-bad") : ""}`} role="status">
          ${busy ? "Working…" : (outcome?.text ?? "")}
        </p>
        <div class="dialog-actions">
          <button type="button" onClick=${onClose}>${done ? "Done" : "Cancel"}</button>
          ${!done && html`<button type="submit" class=${danger ? "danger" : "primary"} disabled=${!ready}>${action}</button>`}
        </div>
      </form>
    <//>
  `;
}
