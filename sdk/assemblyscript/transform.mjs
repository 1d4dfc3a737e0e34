/**
 * What AssemblyScript cannot say: exports with the contract's names, and the manifest as a custom section. Name,
 * version, license, author and homepage come from package.json; limits from `"underpaint": {"memory_bytes": …}` there.
 */
import { Transform } from "assemblyscript/transform";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export default class Filter extends Transform {
  afterCompile(module) {
    for (const name of ["describe", "prepare", "process", "survey", "learn"]) {
      const there = module.getExport(name);
      if (!there) throw new Error(`${name} is not exported: see the first lines of underpaint_filter.ts`);
      const { value } = this.binaryen.getExportInfo(there);
      module.removeExport(name);
      module.addFunctionExport(value, `underpaint:filter/filter@1.0.0#${name}`);
    }
    const said = JSON.parse(readFileSync(join(this.baseDir, "package.json"), "utf8"));
    const { name, version, license, homepage, underpaint } = said;
    const authors = typeof said.author === "object" ? said.author.name : said.author;
    const manifest = { api: "1.0.0", name, version, license, authors, homepage, ...underpaint };
    module.addCustomSection("underpaint:filter", new TextEncoder().encode(JSON.stringify(manifest)));
  }
}
