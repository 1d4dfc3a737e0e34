// Bundles src/ into dist/main.js, which is kept in git so that the daemon can embed the plug-in without Node. Read src/ instead:
// the bundle keeps its names, for what Photoshop's console says of it, but not its lines.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outfile: process.argv[2] ?? "dist/main.js",
  bundle: true,
  format: "iife",
  platform: "node", // `require` stays `require`: UXP has one, for these and no others
  external: ["photoshop", "uxp", "os", "fs"],
  target: "es2020",
  legalComments: "none",
  minifyWhitespace: true,
  lineLimit: 160,
  banner: { js: "// Made by `npm run build` from src/. Do not edit." },
});
