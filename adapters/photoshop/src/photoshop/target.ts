/** What the painter is working on: which document, how large and deep, what is selected, and where a layer would go. */

import { app, constants } from "photoshop";

import type { Px, Rect } from "../protocol/images.js";

type Document = typeof app.activeDocument;

/** A sentence for the painter: what was asked for makes no sense just now. */
export class Sorry extends Error {}

/** What was to be read is no longer as it was when the job began. `message` is a sentence that says what. */
export class Changed extends Error {}

export type Depth = 8 | 16 | 32;

/** A document as it was when a job began. The job keeps it, whatever comes to the front meanwhile. */
export interface Target {
  documentID: number;
  extent: Extent;
  depth: Depth;
  /** The selection's bounds inside the canvas; undefined where nothing is selected. */
  selection: Rect | undefined;
  /** The new layer goes above this one. */
  layerID: number | undefined;
  /** When, in milliseconds. */
  began: number;
  /** By how much the canvas is enlarged when the result is placed. */
  margins: Margins;
}

export interface Extent {
  w: number;
  h: number;
}

export interface Margins {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const NO_MARGINS: Margins = { left: 0, top: 0, right: 0, bottom: 0 };

/** The layout in which pixels of a depth travel. */
export const PX = { 8: "rgba8", 16: "rgba16", 32: "rgbaf32" } as const satisfies Record<Depth, Px>;

/** The active document. `Sorry` where there is none, or one that can hold no layers in colour. */
export function activeTarget(): Target {
  const document = app.documents.length > 0 ? app.activeDocument : null;
  if (!document) throw new Sorry("No picture is open.");
  const depth = depthOf(document);
  if (depth === undefined || !LAYERED.has(document.mode)) {
    throw new Sorry("This picture's mode has no layers in colour. Choose Image > Mode > RGB Color first.");
  }
  if (document.quickMaskMode) throw new Sorry("Quick Mask is on. Press Q to turn it into a selection first.");
  return {
    documentID: document.id,
    extent: { w: document.width, h: document.height },
    depth,
    selection: selectionOf(document),
    layerID: document.activeLayers[0]?.id,
    began: Date.now(),
    margins: NO_MARGINS,
  };
}

/** What is selected in the active document, without reading a pixel; undefined for nothing, or no document. */
export function glance(): { name: string; selection: Rect | undefined } | undefined {
  const document = app.documents.length > 0 ? app.activeDocument : null;
  return document ? { name: document.name, selection: selectionOf(document) } : undefined;
}

/** Whether the canvas is enlarged for it. */
export function enlarges({ margins }: Target): boolean {
  return Object.values(margins).some((px) => px > 0);
}

/** Whether the canvas has that size. */
export function isOf({ width, height }: Document, { w, h }: Extent): boolean {
  return width === w && height === h;
}

/** The document of a target, if it still is open. */
export function openDocument(target: Target): Document | undefined {
  return [...app.documents].find((document) => document.id === target.documentID);
}

const LAYERED: ReadonlySet<string> = new Set([
  constants.DocumentMode.RGB, constants.DocumentMode.CMYK, constants.DocumentMode.LAB, constants.DocumentMode.GRAYSCALE,
]);

function depthOf(document: Document): Depth | undefined {
  const depths: Record<string, Depth> = {
    [constants.BitsPerChannelType.EIGHT]: 8,
    [constants.BitsPerChannelType.SIXTEEN]: 16,
    [constants.BitsPerChannelType.THIRTYTWO]: 32,
  };
  return depths[document.bitsPerChannel];
}

/** A selection may reach beyond the canvas; only what lies inside counts. */
export function selectionOf(document: Document): Rect | undefined {
  const bounds = document.selection.bounds;
  if (!bounds) return undefined;
  const x = Math.max(0, Math.floor(bounds.left));
  const y = Math.max(0, Math.floor(bounds.top));
  const w = Math.min(document.width, Math.ceil(bounds.right)) - x;
  const h = Math.min(document.height, Math.ceil(bounds.bottom)) - y;
  return w > 0 && h > 0 ? { x, y, w, h } : undefined;
}
