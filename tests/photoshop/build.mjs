// Bundles the mock, or a unit test, for the runner:  node build.mjs ENTRY OUTFILE browser|node
// The typings' enumerations are compiled into values, so the mock's constants cannot differ from Photoshop's typings.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const adapter = fileURLToPath(new URL("../../adapters/photoshop/", import.meta.url));
const { build } = createRequire(`${adapter}package.json`)("esbuild");
const [entry, outfile, platform] = process.argv.slice(2);

const constants = {
  name: "constants",
  setup(build) {
    const path = `${adapter}node_modules/@types/photoshop/dom/Constants.d.ts`;
    build.onResolve({ filter: /^photoshop-constants$/ }, () => ({ path, namespace: "constants" }));
    build.onLoad({ filter: /./, namespace: "constants" }, async () => ({
      contents: (await readFile(path, "utf8")).replaceAll("export declare enum", "export enum"), loader: "ts",
    }));
  },
};

await build({
  absWorkingDir: here, entryPoints: [entry], outfile, bundle: true, target: "es2022", logLevel: "warning", platform,
  format: platform === "node" ? "esm" : "iife", plugins: [constants],
});
