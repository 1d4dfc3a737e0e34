/**
 * Underpaint in Photoshop: the entry points. Photoshop gives each of them 300 ms, so nothing is waited for here: the
 * panel builds itself, and finds the daemon in its own time.
 */

import { entrypoints } from "uxp";

import { Panel } from "./panel/panel.js";

let panel: Panel | undefined;
const ready = () => (panel ??= new Panel());

entrypoints.setup({
  // Without `create` Photoshop takes `plugin` for a mistake.
  plugin: { create: () => {}, destroy: () => panel?.destroy() },
  panels: {
    underpaint: {
      create: (root) => {
        root.appendChild(document.getElementById("panel")!);
        ready();
      },
      show: () => ready().shown(),
      hide: () => panel?.hidden(),
    },
  },
  commands: {
    run: () => ready().start(),
    cancel: () => panel?.cancel(),
  },
});
