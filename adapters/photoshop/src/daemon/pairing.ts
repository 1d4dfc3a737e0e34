/**
 * How the adapter comes by the daemon's token. Where Photoshop lets it read the painter's files, from the daemon's own
 * folder, and nobody has to do anything. Elsewhere the painter types the six digits that `underpaint pair` shows, once.
 */

import { readFile } from "fs";
import { homedir, platform } from "os";
import { storage } from "uxp";

import { isMembers } from "../protocol/conversation.js";
import { parseJson } from "../protocol/json.js";
import { decodeUtf8 } from "../protocol/utf8.js";
import { daemonFile } from "./home.js";

const TOKEN_KEY = "underpaint.token";

/** What the daemon's folder tells. */
export interface Published {
  port: number | undefined;
  token: string;
}

/** Reads the daemon's `endpoint.json` and token; undefined where there are none, or Photoshop does not let us. */
export async function readPublished(): Promise<Published | undefined> {
  try {
    const path = (name: string) => `file:${daemonFile(homedir(), platform(), "run", name)}`;
    const endpoint = parseJson(await readFile(path("endpoint.json"), { encoding: "utf-8" }));
    if (!isMembers(endpoint)) return undefined;
    const file = typeof endpoint.token_file === "string" ? endpoint.token_file : "token";
    // The name of a file beside it, never a path to somewhere else.
    if (!/^[A-Za-z0-9_.-]+$/.test(file)) return undefined;
    const token = (await readFile(path(file), { encoding: "utf-8" })).trim();
    return { port: typeof endpoint.ws_port === "number" ? endpoint.ws_port : undefined, token };
  } catch {
    return undefined;
  }
}

/** The token an earlier pairing left; undefined if there is none any more. */
export async function storedToken(): Promise<string | undefined> {
  try {
    const bytes = await storage.secureStorage.getItem(TOKEN_KEY);
    return bytes && bytes.length > 0 ? decodeUtf8(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a token for the next start. Where that fails, pairing is asked for again. */
export async function storeToken(token: string): Promise<void> {
  await storage.secureStorage.setItem(TOKEN_KEY, token).catch(() => {});
}
