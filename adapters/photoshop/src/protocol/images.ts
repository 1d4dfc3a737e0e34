/** Images that lie in blobs: the wire's description, and the packed pixels that one describes. */

import { ProtocolError, asMembers } from "./frames.js";
import type { Json } from "./json.js";

export type Px = "rgba8" | "rgba16" | "rgbaf32" | "g8" | "g16" | "gf32";

export const BYTES_PER_PIXEL: Record<Px, number> = { rgba8: 4, rgba16: 8, rgbaf32: 16, g8: 1, g16: 2, gf32: 4 };

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Picture {
  w: number;
  h: number;
  px: Px;
  /** Linear light, or sRGB's encoding. */
  linear: boolean;
  /** Packed rows, straight alpha. */
  pixels: Uint8Array;
}

/** The wire's description of packed pixels at the start of `blob`. */
export function image(blob: string, w: number, h: number, px: Px, linear = false) {
  return { blob, w, h, px, color: linear ? "linear-srgb" : undefined };
}

/** The picture that `described` finds in `data`: a view where the rows are packed already. `ProtocolError` if it does not fit. */
export function picture(described: Json | undefined, data: Uint8Array): Picture {
  const { w, h, px, stride, offset, color } = asMembers(described, "an image without a description");
  if (!isSide(w) || !isSide(h) || typeof px !== "string" || !(px in BYTES_PER_PIXEL)) {
    throw new ProtocolError("an image without size or pixel format");
  }
  const row = w * BYTES_PER_PIXEL[px as Px];
  const step = stride ?? row;
  const from = offset ?? 0;
  if (!isCount(step) || step < row || !isCount(from) || from + step * (h - 1) + row > data.length) {
    throw new ProtocolError(`an image of ${w}x${h} does not fit its ${data.length} bytes`);
  }
  const found = { w, h, px: px as Px, linear: color === "linear-srgb" };
  if (step === row) return { ...found, pixels: data.subarray(from, from + row * h) };
  const pixels = new Uint8Array(row * h);
  for (let y = 0; y < h; y++) pixels.set(data.subarray(from + y * step, from + y * step + row), y * row);
  return { ...found, pixels };
}

/** How opaque each of packed pixels is, 0..255. The pixels begin on a boundary of their samples. */
export function alphas(pixels: Uint8Array, px: "rgba8" | "rgba16" | "rgbaf32"): Uint8Array {
  const { buffer, byteOffset, byteLength } = pixels;
  const [samples, scale] =
    px === "rgba8" ? [pixels, 1] as const
    : px === "rgba16" ? [new Uint16Array(buffer, byteOffset, byteLength / 2), 1 / 257] as const
    : [new Float32Array(buffer, byteOffset, byteLength / 4), 255] as const;
  const found = new Uint8Array(samples.length / 4);
  for (let i = 3, o = 0; i < samples.length; i += 4, o++) found[o] = Math.round(samples[i]! * scale);
  return found;
}

/** A rect as the wire has it. */
export function rect(value: Json | undefined): Rect {
  const { x, y, w, h } = asMembers(value, "a rect that is none");
  if (!Number.isSafeInteger(x) || !Number.isSafeInteger(y) || !isSide(w) || !isSide(h)) {
    throw new ProtocolError("a rect that is none");
  }
  return { x: x as number, y: y as number, w, h };
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSide(value: Json | undefined): value is number {
  return isCount(value) && value >= 1;
}
