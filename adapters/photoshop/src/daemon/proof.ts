/**
 * Who is at the other end: a program that knows our token proves it, and so do we, and nobody says it.
 *
 * Decision: a port of this machine belongs to whoever took it first, another user's program it may be. So nothing is said
 * to it that it could use until it has signed, with the token, our nonce and the port at which we found it; one that
 * hands our words on to the daemon has that signed with another port than ours (host/wire/PROTOCOL.md, 8).
 */

import type { Conversation } from "../protocol/conversation.js";
import { ProtocolError, asMembers } from "../protocol/frames.js";
import { hex, hmacSha256 } from "../protocol/sha256.js";
import { encodeUtf8 } from "../protocol/utf8.js";

type Side = "server" | "client";

export function proof(token: string, side: Side, port: number, client: string, server: string): string {
  return hex(hmacSha256(encodeUtf8(token), encodeUtf8(`underpaint ${side} ${port} ${client} ${server}`)));
}

/**
 * Has the other end prove that it knows one of `tokens`; gives our own proof, for `hello`. Undefined if it answers as a
 * daemon does and knows none of them; `ProtocolError` if it does not even that.
 */
export async function challenge(conversation: Conversation, port: number, tokens: readonly string[]): Promise<string | undefined> {
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
  const answer = asMembers(await conversation.request("challenge", { nonce }), "an answer to a challenge that is none");
  const { nonce: theirs, proof: given } = answer;
  if (typeof theirs !== "string" || !/^[0-9a-f]{64}$/.test(theirs) || typeof given !== "string") {
    throw new ProtocolError("an answer to a challenge without nonce and proof");
  }
  const token = tokens.find((token) => isSame(given, proof(token, "server", port, nonce, theirs)));
  return token === undefined ? undefined : proof(token, "client", port, nonce, theirs);
}

/** Takes as long wherever the first difference is. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let i = 0; i < other.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return difference === 0;
}
