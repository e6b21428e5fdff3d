// Says that the token may not read what a view or a part of one would show, or that it may read a part of it.

import { list } from "../core/format.js";
import { href } from "../core/route.js";
import { useModel } from "../core/store.js";
import { isWithheld, LAYER_OF, startsOf, who } from "../core/data/withheld.js";
import { html } from "./html.js";

/**
 * In the place of a view.
 * @param {{title: string, kind: string, views: {name: string, title: string, kind?: string}[]}} props `kind`: what the
 *   view shows; `views`: all of them
 */
export function WithheldView({ title, kind, views }) {
  const model = useModel("hello", "self");
  const others = views.filter((view) => view.kind !== undefined && !isWithheld(model, view.kind));
  return html`
    <h1>${title}</h1>
    <section class="panel" aria-labelledby="withheld-title">
      <h2 id="withheld-title">Not for this token</h2>
      <p role="status">${who(model.self)} may not read the layer <b>${LAYER_OF[kind]}</b>, and so this view has nothing to show.</p>
      <p>
        What it may read:${" "}
        ${others.map((view, at) => html`${at > 0 && ", "}<a key=${view.name} href=${href(view.name)}>${view.title}</a>`)}.
        Another token is asked for once this one is forgotten.
      </p>
    </section>
  `;
}

/** In the place of a part of a view. */
export function Withheld({ kind, what }) {
  const { self } = useModel("hello", "self");
  return html`<p class="muted">${what} is not told: ${who(self)} may not read the layer ${LAYER_OF[kind]}.</p>`;
}

/** Above what is told in part; nothing where it is told whole. */
export function PartNotice({ kind, what }) {
  const model = useModel("hello", "self");
  const starts = startsOf(model, kind);
  if (starts === null) return null;
  const shown = starts.map((start) => html`<code>${start}</code>`);
  return html`
    <p class="aside" role="status">
      ${who(model.self)} may read only the ${what} that begin with${" "}
      ${starts.length <= 5 ? shown.map((start, at) => html`${at > 0 && " or "}${start}`) : list(starts, 5)}; others may be there.
    </p>
  `;
}
