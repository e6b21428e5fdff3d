// A table that is sorted by its heads. Wide ones scroll inside their frame, which the keyboard reaches; on a phone its
// rows are stacked, each cell under its `data-label` (styles/stacked.css), which is why all of it names its role.

import { MAX_ROWS } from "../core/limits.js";
import { count } from "../core/format.js";
import { sorted } from "../core/table.js";
import { alike, html, Steady, useState } from "./html.js";
import { Icon } from "./icons.js";

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} title
 * @property {(row: any) => any} cell what is shown
 * @property {(row: any) => unknown} [value] what to sort by; left out: not sortable
 * @property {boolean} [right] for numbers
 * @property {boolean} [down] the greatest first, at the first press
 */

/**
 * `columns`: the same list each time, unless what they show depends on something that changed; `rows`: plain objects.
 * @param {{caption: string, columns: Column[], rows: any[], rowKey: (row: any) => string, empty: string}} props
 */
export function Table({ caption, columns, rows, rowKey, empty }) {
  const [sort, setSort] = useState({ name: columns[0].name, down: false });
  const column = columns.find((each) => each.name === sort.name) ?? columns[0];
  const shown = sorted(rows, column.value, sort.down).slice(0, MAX_ROWS);
  const press = ({ name, down = false }) =>
    setSort(sort.name === name ? { name, down: !sort.down } : { name, down });
  const order = (name) => (sort.name !== name ? "none" : sort.down ? "descending" : "ascending");
  return html`
    <div class="table-room" tabindex="0" role="region" aria-label=${caption}>
      <table role="table">
        <caption>
          ${caption}${rows.length > shown.length && html`: the first ${count(shown.length)} of ${count(rows.length)}; a filter finds the others`}
        </caption>
        <thead role="rowgroup" class="sorts">
          <tr role="row">
            ${columns.map(
              (each) => html`
                <th key=${each.name} scope="col" role="columnheader" class=${each.right ? "right" : undefined} aria-sort=${each.value ? order(each.name) : undefined}>
                  ${
                    each.value
                      ? html`<button type="button" onClick=${() => press(each)}>
                          ${each.title}<${Icon} name=${sort.name === each.name && sort.down ? "down" : "up"} />
                        </button>`
                      : each.title
                  }
                </th>
              `,
            )}
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${shown.map(
            (row) => html`<${Row} key=${rowKey(row)} row=${row} columns=${columns} />`,
          )}
          ${shown.length === 0 && html`<tr role="row"><td role="cell" class="empty" colspan=${columns.length}>${empty}</td></tr>`}
        </tbody>
      </table>
    </div>
  `;
}

/** Drawn again only where something of its own changed: a table may have hundreds. */
class Row extends Steady {
  same(name, next, held) {
    return name === "row" ? alike(next, held) : next === held;
  }

  render({ row, columns }) {
    const [first, ...others] = columns;
    return html`
      <tr role="row">
        <th scope="row" role="rowheader">${first.cell(row)}</th>
        ${others.map((each) => html`<td key=${each.name} role="cell" data-label=${each.title} class=${each.right ? "right number" : undefined}>${each.cell(row)}</td>`)}
      </tr>
    `;
  }
}
