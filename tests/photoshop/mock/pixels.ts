/**
 * Pixels as Photoshop keeps them: straight-alpha samples in the document's own depth and profile, 16 bits from 0 to
 * 32768, 32 bits as linear light. Conversions go through linear sRGB in floating point.
 */

export type Depth = 8 | 16 | 32;
export type Samples = Uint8Array | Uint16Array | Float32Array;

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** What a full channel is in Photoshop's own range. */
export const FULL: Record<Depth, number> = { 8: 255, 16: 32768, 32: 1 };

export const SRGB = "sRGB IEC61966-2.1";
/** A profile with sRGB's primaries and another tone curve, so that conversions can be seen and told exactly. */
export const GAMMA_18 = "Test RGB Gamma 1.8";

const LINEAR = " (Linear RGB Profile)";

export function samples(depth: Depth, count: number): Samples {
  return depth === 8 ? new Uint8Array(count) : depth === 16 ? new Uint16Array(count) : new Float32Array(count);
}

export function depthOf(data: Samples): Depth {
  return data instanceof Float32Array ? 32 : data instanceof Uint16Array ? 16 : 8;
}

/** A sample of a colour, 0..1 in `profile`, as linear light. */
function decode(value: number, profile: string, depth: Depth): number {
  if (depth === 32 || profile.endsWith(LINEAR)) return value;
  if (profile === GAMMA_18) return value ** 1.8;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function encode(linear: number, profile: string, depth: Depth): number {
  if (depth === 32 || profile.endsWith(LINEAR)) return linear;
  if (profile === GAMMA_18) return linear ** (1 / 1.8);
  return linear <= 0.0031308 ? linear * 12.92 : 1.055 * linear ** (1 / 2.4) - 0.055;
}

export interface Space {
  depth: Depth;
  profile: string;
}

/** Straight-alpha RGBA samples brought from one depth and profile to another; the same data where nothing differs. */
export function convert(data: Samples, from: Space, to: Space): Samples {
  const sameCurve = from.depth === to.depth && from.profile === to.profile;
  if (sameCurve || (from.depth === 32 && to.depth === 32)) return data;
  const found = samples(to.depth, data.length);
  const known = new Map<number, number>();
  const curve = (value: number) => {
    let made = known.get(value);
    if (made === undefined) {
      const share = value / FULL[from.depth];
      made = from.profile === to.profile && from.depth !== 32 && to.depth !== 32 ? share : encode(decode(share, from.profile, from.depth), to.profile, to.depth);
      made *= FULL[to.depth];
      if (to.depth !== 32) made = Math.min(FULL[to.depth], Math.max(0, Math.round(made)));
      known.set(value, made);
    }
    return made;
  };
  for (let i = 0; i < data.length; i++) {
    if (i % 4 !== 3) found[i] = curve(data[i]!);
    else found[i] = to.depth === 32 ? data[i]! / FULL[from.depth] : Math.round((data[i]! / FULL[from.depth]) * FULL[to.depth]);
  }
  return found;
}

/** 16-bit samples between Photoshop's range and the full one; other depths have only one. */
export function range(data: Samples, from: number, to: number): Samples {
  return data instanceof Uint16Array && from !== to ? data.map((value) => Math.round((value / from) * to)) : data;
}

export function meet(a: Box, b: Box): Box | undefined {
  const box = { left: Math.max(a.left, b.left), top: Math.max(a.top, b.top), right: Math.min(a.right, b.right), bottom: Math.min(a.bottom, b.bottom) };
  return box.left < box.right && box.top < box.bottom ? box : undefined;
}

export function around(boxes: Box[]): Box | undefined {
  if (boxes.length === 0) return undefined;
  return {
    left: Math.min(...boxes.map(({ left }) => left)), top: Math.min(...boxes.map(({ top }) => top)),
    right: Math.max(...boxes.map(({ right }) => right)), bottom: Math.max(...boxes.map(({ bottom }) => bottom)),
  };
}

export const width = ({ left, right }: Box) => right - left;
export const height = ({ top, bottom }: Box) => bottom - top;

/** A rectangle out of RGBA samples that fill `from`. */
export function cut(data: Samples, from: Box, part: Box): Samples {
  if (part.left === from.left && part.right === from.right) {
    const row = width(from) * 4;
    return data.slice((part.top - from.top) * row, (part.bottom - from.top) * row);
  }
  const found = samples(depthOf(data), width(part) * height(part) * 4);
  for (let y = part.top; y < part.bottom; y++) {
    const at = ((y - from.top) * width(from) + part.left - from.left) * 4;
    found.set(data.subarray(at, at + width(part) * 4), (y - part.top) * width(part) * 4);
  }
  return found;
}

/** The smallest box that holds every pixel with any alpha; undefined where there is none. */
export function tight(data: Samples, box: Box): Box | undefined {
  const w = width(box);
  let found: Box | undefined;
  for (let y = 0; y < height(box); y++) {
    let first = -1;
    let last = -1;
    for (let x = 0; x < w; x++) {
      if (data[(y * w + x) * 4 + 3]! > 0) {
        if (first < 0) first = x;
        last = x;
      }
    }
    if (first < 0) continue;
    const row = { left: box.left + first, top: box.top + y, right: box.left + last + 1, bottom: box.top + y + 1 };
    found = found ? around([found, row]) : row;
  }
  return found;
}

/** RGBA samples that fill `box`, in the size that is wanted, if any is, and never larger: the nearest ones. */
export function reduced(data: Samples, box: Box, wanted: { width?: number; height?: number } = {}): { native: Samples; w: number; h: number } {
  const [w, h] = [Math.min(width(box), wanted.width ?? Infinity), Math.min(height(box), wanted.height ?? Infinity)];
  if (w === width(box) && h === height(box)) return { native: data, w, h };
  const native = samples(depthOf(data), w * h * 4);
  for (let i = 0; i < w * h; i++) {
    const at = Math.floor((Math.floor(i / w) * height(box)) / h) * width(box) + Math.floor(((i % w) * width(box)) / w);
    native.set(data.subarray(at * 4, at * 4 + 4), i * 4);
  }
  return { native, w, h };
}
