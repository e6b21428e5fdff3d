// A value: as text, as JSON, or as bytes.

import { hexLines, prettyJson, SHOW_BYTES, SHOW_TEXT, sizeOf, toBase64, valueBytes } from "../../core/data/bytes.js";
import { bytes, count } from "../../core/format.js";
import { Choice } from "../choice.js";
import { html, useState } from "../html.js";

/** @param {{text: string, encoding: "utf-8"|"base64", title?: string}} props as the API tells values */
export function Value({ text, encoding, title = "Value" }) {
  const pretty = encoding === "base64" ? null : prettyJson(text);
  const [chosen, choose] = useState("");
  const [whole, setWhole] = useState(false);
  const choices = {
    ...(encoding === "base64" ? {} : { text: "Text" }),
    ...(pretty === null ? {} : { json: "JSON" }),
    bytes: "Bytes",
    base64: "Base64",
  };
  const view = chosen in choices ? chosen : pretty !== null ? "json" : encoding === "base64" ? "bytes" : "text";
  const size = sizeOf(text, encoding);
  const most = view === "bytes" ? SHOW_BYTES : SHOW_TEXT;
  const full = () => {
    if (view === "json") return pretty;
    if (view === "text") return text;
    const all = valueBytes(text, encoding);
    if (view === "base64") return toBase64(all);
    return hexLines(whole ? all : all.subarray(0, SHOW_BYTES));
  };
  const shown = full();
  const over = view === "bytes" ? size > SHOW_BYTES : shown.length > SHOW_TEXT;
  return html`
    <div class="value">
      <div class="value-head">
        <h3>${title}</h3>
        <span class="muted number" title=${`${count(size)} bytes`}>${bytes(size)}</span>
        <${Choice} name="Show as" value=${view} choices=${choices} onChange=${choose} />
      </div>
      <pre class=${`value-text ${view === "bytes" ? "value-bytes" : ""}`} tabindex="0" aria-label=${title}>${
        size === 0 ? html`<i class="muted">empty</i>` : over && !whole && view !== "bytes" ? shown.slice(0, SHOW_TEXT) : shown
      }</pre>
      ${
        over &&
        html`<button type="button" class="link" onClick=${() => setWhole(!whole)}>
          ${whole ? `Show the first ${count(most)} alone` : `Show all of ${bytes(size)}`}
        </button>`
      }
    </div>
  `;
}
