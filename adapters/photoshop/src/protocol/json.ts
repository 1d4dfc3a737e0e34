/**
 * JSON read as strictly as PROTOCOL.md asks: no duplicate keys, no numbers beyond the finite, no half surrogate pairs,
 * at most 32 levels. `JSON.parse` tells of none of these, so the text is read here, once.
 */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The deepest nesting of lists and objects. */
export const MAX_DEPTH = 32;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Record<string, string> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS: [string, Json][] = [["true", true], ["false", false], ["null", null]];
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/;

/** The one value that `text` holds. Throws `SyntaxError`. Objects come without a prototype: any name is a mere name. */
export function parseJson(text: string): Json {
  let at = 0;

  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at character ${at}`);
  };
  const space = () => {
    while (at < text.length && " \t\n\r".includes(text[at]!)) at++;
  };
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };

  const value = (depth: number): Json => {
    space();
    const first = text[at];
    if (first === "{" || first === "[") {
      if (depth === MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} deep`);
      at++;
      return first === "{" ? object(depth + 1) : list(depth + 1);
    }
    if (first === '"') return string();
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = match(NUMBER);
    if (number === "") fail("not JSON");
    if (!Number.isFinite(Number(number))) fail("a number too large");
    return Number(number);
  };

  /** After an opening bracket: `item` for each of what commas part, up to `end`. */
  const each = (end: string, item: () => void) => {
    space();
    if (text[at] === end) {
      at++;
      return;
    }
    for (;;) {
      item();
      space();
      const mark = text[at++];
      if (mark === end) return;
      if (mark !== ",") fail("not JSON");
    }
  };

  const list = (depth: number): Json[] => {
    const found: Json[] = [];
    each("]", () => found.push(value(depth)));
    return found;
  };

  const object = (depth: number): { [name: string]: Json } => {
    const found: { [name: string]: Json } = Object.create(null);
    each("}", () => {
      space();
      if (text[at] !== '"') fail("not JSON");
      const name = string();
      if (name in found) fail("a name that occurs twice");
      space();
      if (text[at++] !== ":") fail("not JSON");
      found[name] = value(depth);
    });
    return found;
  };

  const string = (): string => {
    at++;
    let found = "";
    for (;;) {
      found += match(PLAIN);
      const mark = text[at++];
      if (mark === '"') break;
      if (mark !== "\\") fail("not JSON");
      const escape = text[at++] ?? "";
      if (escape === "u") {
        const hex = text.slice(at, at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) fail("not JSON");
        at += 4;
        found += String.fromCharCode(parseInt(hex, 16));
      } else {
        found += ESCAPES[escape] ?? fail("not JSON");
      }
    }
    if (LONE.test(found)) fail("half a surrogate pair");
    return found;
  };

  const found = value(0);
  space();
  if (at !== text.length) fail("more than one value");
  return found;
}
