/**
 * What the panel keeps from one start of Photoshop to the next, by name.
 *
 * Decision: the plug-in's own `localStorage`, which UXP keeps on this machine and shows to no other plug-in. It holds words and numbers,
 * nothing secret; the token is not among them (`daemon/pairing.ts` keeps it in `secureStorage`). Who reads it looks at each value
 * again, since another version may have written it.
 */

import { parseJson, type Json } from "../protocol/json.js";

/** What was kept; null if nothing was, or it cannot be read. */
export function read(name: string): Json {
  try {
    return parseJson(localStorage.getItem(name) ?? "null");
  } catch {
    return null; // Damaged: nothing worth a sentence.
  }
}

/** Keeps `value`, which JSON can hold. */
export function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // What cannot be kept is no reason to disturb.
  }
}
