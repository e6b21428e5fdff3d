// One of a few, side by side: radio buttons that look like a switch.

import { html, useState } from "./html.js";

let serial = 0;

/** @param {{name: string, value: string, choices: Record<string, string>, onChange: (value: string) => void}} props */
export function Choice({ name, value, choices, onChange }) {
  const [id] = useState(() => `choice-${++serial}`);
  return html`
    <fieldset class="choice">
      <legend>${name}</legend>
      ${Object.entries(choices).map(
        ([each, words]) => html`<label key=${each}>
          <input type="radio" name=${id} value=${each} checked=${each === value} onChange=${() => onChange(each)} />
          <span>${words}</span>
        </label>`,
      )}
    </fieldset>
  `;
}
