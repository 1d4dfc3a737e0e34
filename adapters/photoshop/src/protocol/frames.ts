/**
 * Frames: two lengths, a JSON object, a binary tail (host/wire/PROTOCOL.md, 2).
 *
 * Decision: over the WebSocket a message is exactly one frame, so nothing is collected here; a tail is a view into the
 * message it came in, and no length a peer names makes us allocate anything.
 */

import { parseJson, type Json } from "./json.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

export const MAX_HEADER_BYTES = 64 * 1024;
export const MAX_FRAME_BYTES = 8 * 1024 * 1024 + 64 * 1024;
/** The longest frame until `hello` is answered. */
export const HELLO_FRAME_BYTES = 64 * 1024;

export type Members = { [name: string]: Json };

export interface Frame {
  header: Members;
  /** Often empty. */
  tail: Uint8Array;
}

/** The other side broke the rules; the connection cannot be used any more. */
export class ProtocolError extends Error {}

/** More is to be said than one message holds. `message` is a sentence for the painter. */
export class TooLong extends Error {}

/** What may be said in a header: JSON, where members that are `undefined` are left out. */
export type Sayable = null | boolean | number | string | readonly Sayable[] | { readonly [name: string]: Sayable | undefined };

/** A header's bytes. `TooLong` unless a message holds them and `more`. */
export function spell(header: object, more = 0): Uint8Array {
  const text = encodeUtf8(JSON.stringify(header));
  const most = MAX_HEADER_BYTES - more;
  if (text.length > most) throw new TooLong(`All texts together have ${text.length} bytes, and at most ${most} can be sent. Shorten the prompts, or what filters are given.`);
  return text;
}

/** One message: both lengths, the header and the tail in one buffer. */
export function pack(header: object, tail: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = spell(header);
  const message = new Uint8Array(8 + text.length + tail.length);
  const lengths = new DataView(message.buffer);
  lengths.setUint32(0, 4 + text.length + tail.length, true);
  lengths.setUint32(4, text.length, true);
  message.set(text, 8);
  message.set(tail, 8 + text.length);
  return message;
}

/** The frame that `message` is. `ProtocolError` for anything else. */
export function unpack(message: Uint8Array, maxFrameBytes: number): Frame {
  if (message.length < 8) throw new ProtocolError(`a message of ${message.length} bytes`);
  const lengths = new DataView(message.buffer, message.byteOffset, 8);
  const total = lengths.getUint32(0, true);
  const headerBytes = lengths.getUint32(4, true);
  if (total < 6 || total > maxFrameBytes) {
    throw new ProtocolError(`a frame of ${total} bytes; 6 to ${maxFrameBytes} are allowed`);
  }
  if (headerBytes < 2 || headerBytes > Math.min(MAX_HEADER_BYTES, total - 4)) {
    throw new ProtocolError(`a header of ${headerBytes} bytes in a frame of ${total}`);
  }
  if (message.length !== total + 4) {
    throw new ProtocolError(`a frame of ${total} bytes in a message of ${message.length}`);
  }
  const header = readJson(message.subarray(8, 8 + headerBytes));
  return { header: asMembers(header, "a header that is not a JSON object"), tail: message.subarray(8 + headerBytes) };
}

/** One JSON value out of UTF-8 bytes, read strictly. */
export function readJson(bytes: Uint8Array): Json {
  try {
    return parseJson(decodeUtf8(bytes));
  } catch (error) {
    throw new ProtocolError(`a message that is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** `value` if it is an object, else a `ProtocolError` that says `otherwise`. */
export function asMembers(value: Json | undefined, otherwise: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ProtocolError(otherwise);
  return value;
}
