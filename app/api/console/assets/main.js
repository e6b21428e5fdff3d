// Starts the console: the theme, the connection, and the page.

import { startAsking } from "./core/net/asked.js";
import { whenUnauthorized } from "./core/net/api.js";
import { Connection } from "./core/net/connection.js";
import { store } from "./core/store.js";
import { startTheme } from "./core/theme.js";
import { html, render } from "./parts/html.js";
import { Shell } from "./parts/frame/shell.js";

startTheme();
const connection = new Connection(store);
// A token that is no longer good ends the connection too; a request that finds out first need not wait for that.
whenUnauthorized(() => store.model.connection.state === "live" && connection.start());

const page = document.getElementById("page");
page.textContent = "";
render(html`<${Shell} connection=${connection} />`, page);
connection.start();
startAsking();
