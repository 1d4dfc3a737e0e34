/**
 * The module `photoshop`, as far as its documentation tells how it behaves, on the mock's documents. Every function has
 * the type that @types/photoshop gives it.
 *
 * The quirks: pixels come trimmed to the area that holds some, with three components where nothing is transparent;
 * a layer's pixels are its own, whether it is visible or not, and only pixel layers give any;
 * 16-bit samples run from 0 to 32768 unless the full range is asked for; 32-bit ones are linear light, and their
 * profile's name says so; an area without pixels is an error, also between those of a layer; whatever changes a document needs the modal scope; and a
 * modal scope is refused with error 9 while another one is open.
 */

import type * as Photoshop from "photoshop";
import * as constants from "photoshop-constants";

import { MockDocument, front, scope, writes } from "./document.js";
import { FULL, convert, cut, depthOf, height, meet, range, reduced, samples, tight, width, type Depth, type Samples } from "./pixels.js";

type Ps = typeof Photoshop;
type Imaging = Ps["imaging"];
type ImageData = Awaited<ReturnType<Imaging["createImageDataFromBuffer"]>>;

/** What a test makes Photoshop do. */
export const trouble = {
  /** Another modal scope is open: a dialog, or another plug-in's work. */
  busy: false,
  /** The painter presses Escape inside the next modal scope. */
  cancelNext: false,
  /** Photoshop does not tell which document is in front. */
  mute: false,
  /** Image data that was made and not yet disposed of. */
  held: 0,
  /** Modal scopes so far. */
  scopes: 0,
  /** Pixels of pictures and layers that were read so far. */
  read: 0,
  /** Profiles in which pixels were read and made, in order. */
  profiles: [] as (string | undefined)[],
};

/** Everything real takes at least a turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

class MockImageData implements ImageData {
  readonly chunky = true;
  readonly type = "image/uncompressed";
  private data: Samples | undefined;

  constructor(data: Samples, readonly width: number, readonly height: number, readonly components: number, readonly colorProfile: string, readonly colorSpace: ImageData["colorSpace"]) {
    this.data = data;
    trouble.held += 1;
  }

  get componentSize(): Depth {
    return depthOf(this.whole());
  }

  get hasAlpha(): boolean {
    return this.components === 4 || this.components === 2;
  }

  get pixelFormat(): ImageData["pixelFormat"] {
    return this.components === 4 ? "RGBA" : this.components === 3 ? "RGB" : "Grayscale";
  }

  whole(): Samples {
    if (!this.data) throw new Error("This image data was disposed of.");
    return this.data;
  }

  getData: ImageData["getData"] = async ({ chunky = true, fullRange = false }) => {
    await turn();
    if (!chunky) throw new Error("the mock gives chunky data only");
    return fullRange ? range(this.whole(), FULL[16], 65535) : this.whole();
  };

  dispose: ImageData["dispose"] = async () => {
    if (this.data) trouble.held -= 1;
    this.data = undefined;
  };
}

function documentOf(id: number | undefined): MockDocument {
  const found = id === undefined || id < 0 ? front.document : front.open.find((document) => document.id === id);
  if (!found) throw new Error("The requested document does not exist.");
  return found;
}

const getPixels: Imaging["getPixels"] = async (options) => {
  await turn();
  trouble.profiles.push(options.colorProfile);
  const document = documentOf(options.documentID);
  const layer = options.layerID === undefined ? undefined : document.find(options.layerID);
  if (options.layerID !== undefined && layer?.kind !== constants.LayerKind.NORMAL) throw new Error("The requested layer has no pixels.");
  const asked = options.sourceBounds ?? document.canvas;
  if (asked.left < 0 || asked.top < 0 || asked.right > document.width || asked.bottom > document.height) throw new Error("The bounds reach beyond the canvas.");
  const box = layer ? layer.box && meet(layer.box, asked) : document.held(asked);
  if (!box) throw new Error("grabPixels: the area holds no pixels.");
  const whole = layer ? cut(layer.data!, layer.box!, box) : document.composite(box);
  if (!tight(whole, box)) throw new Error("grabPixels: the area holds no pixels.");
  const { native, w, h } = reduced(whole, box, options.targetSize);
  trouble.read += w * h;
  const depth = options.componentSize === undefined || options.componentSize === -1 ? document.depth : options.componentSize;
  const profile = options.colorProfile ?? document.colorProfileName;
  const converted = convert(native, { depth: document.depth, profile: document.colorProfileName }, { depth, profile });
  const named = depth === 32 ? `${profile} (Linear RGB Profile)` : profile;
  const opaque = isOpaque(converted);
  const data = opaque ? withoutAlpha(converted) : converted;
  return { imageData: new MockImageData(data, w, h, opaque ? 3 : 4, named, "RGB"), sourceBounds: box, level: 0 };
};

const getSelection: Imaging["getSelection"] = async (options) => {
  await turn();
  const document = documentOf(options.documentID);
  const { selected } = document;
  const box = selected && meet(selected.bounds, meet(options.sourceBounds ?? document.canvas, document.canvas) ?? selected.bounds);
  if (!selected || !box) throw new Error("There is no selection.");
  const data = new Uint8Array(width(box) * height(box));
  for (let y = box.top; y < box.bottom; y++) {
    const at = (y - selected.bounds.top) * width(selected.bounds) + box.left - selected.bounds.left;
    data.set(selected.data.subarray(at, at + width(box)), (y - box.top) * width(box));
  }
  return { imageData: new MockImageData(data, width(box), height(box), 1, "Gray Gamma 2.2", "Grayscale"), sourceBounds: box };
};

const createImageDataFromBuffer: Imaging["createImageDataFromBuffer"] = async (buffer, options) => {
  await turn();
  trouble.profiles.push(options.colorProfile);
  const { width: w, height: h, components } = options;
  if (buffer.length !== w * h * components) throw new Error("The number of elements must be width * height * components.");
  if (options.colorProfile?.includes("(Linear RGB Profile)")) throw new Error("There is no profile of that name.");
  if (options.colorSpace !== "RGB" || components !== 4) throw new Error("the mock takes RGBA only");
  const data = options.fullRange ? range(buffer, 65535, FULL[16]) : buffer.slice();
  if (data instanceof Uint16Array && data.some((value) => value > FULL[16])) throw new Error("A 16-bit sample is above 32768.");
  return new MockImageData(data, w, h, components, options.colorProfile ?? "", "RGB");
};

const putPixels: Imaging["putPixels"] = async (options) => {
  writes("putPixels");
  await turn();
  if (trouble.cancelNext) throw new Error("User canceled the operation.");
  const document = documentOf(options.documentID);
  const layer = document.find(options.layerID);
  if (layer?.kind !== constants.LayerKind.NORMAL) throw new Error("putPixels needs a pixel layer.");
  const image = options.imageData as MockImageData;
  if (image.componentSize !== document.depth) throw new Error(`Image data of ${image.componentSize} bits does not fit a document of ${document.depth}.`);
  const at = options.targetBounds ?? document.canvas;
  const box = { left: at.left, top: at.top, right: at.left + image.width, bottom: at.top + image.height };
  const space = { depth: image.componentSize, profile: image.colorProfile || document.colorProfileName };
  layer.put(box, convert(image.whole(), space, { depth: document.depth, profile: document.colorProfileName }).slice());
  document.record(options.commandName ?? "Put Pixels");
};

const executeAsModal: Ps["core"]["executeAsModal"] = async (work, options) => {
  await turn();
  if (trouble.busy || scope.modal) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(50, 1000 * ((options as { timeOut?: number }).timeOut ?? 1))));
    if (trouble.busy || scope.modal) {
      throw Object.assign(new Error("host is in a modal state"), { number: 9 });
    }
  }
  trouble.scopes += 1;
  scope.modal = true;
  let tried = 0;
  let suspended: { document: MockDocument; at: number; name: string } | undefined;
  try {
    const context: Parameters<typeof work>[0] = {
      get isCancelled() {
        // Seen only once something was tried, so that both ways of hearing of it are.
        return trouble.cancelNext && tried++ > 0;
      },
      onCancel: undefined,
      reportProgress: () => {},
      hostControl: {
        suspendHistory: async ({ documentID, name }) => {
          await turn();
          const document = documentOf(documentID);
          suspended = { document, at: document.at, name };
          scope.suspended = document;
          return { historySuspensionID: 1 };
        },
        resumeHistory: async ({ finalName }, commit = true) => {
          await turn();
          if (!suspended) throw new Error("History was not suspended.");
          const { document, at, name } = suspended;
          suspended = scope.suspended = undefined;
          if (commit) document.record(finalName ?? name);
          else document.restore(at);
        },
        registerAutoCloseDocument: async () => {},
        unregisterAutoCloseDocument: async () => {},
      },
    };
    return await work(context, options.descriptor);
  } finally {
    trouble.cancelNext = false;
    scope.modal = false;
    scope.suspended = undefined;
    if (suspended) throw new Error("The modal scope ended while history was suspended.");
  }
};

const app = {
  get documents() {
    return [...front.open];
  },
  get activeDocument(): MockDocument {
    if (trouble.mute) throw new Error("The document is not available.");
    if (!front.document) throw new Error("There is no active document.");
    return front.document;
  },
  set activeDocument(document: MockDocument) {
    writes("activeDocument");
    front.document = document;
  },
};

/** What `require("photoshop")` gives. */
export const photoshop = {
  app,
  constants,
  core: { executeAsModal, isModal: (() => scope.modal || trouble.busy) satisfies Ps["core"]["isModal"] },
  imaging: { getPixels, getSelection, createImageDataFromBuffer, putPixels },
} satisfies { app: object; constants: Ps["constants"]; core: Partial<Ps["core"]>; imaging: Partial<Imaging> };

function isOpaque(data: Samples): boolean {
  const full = FULL[depthOf(data)];
  for (let i = 3; i < data.length; i += 4) if (data[i] !== full) return false;
  return true;
}

function withoutAlpha(data: Samples): Samples {
  const found = samples(depthOf(data), (data.length / 4) * 3);
  for (let i = 0, o = 0; i < data.length; i += 4, o += 3) {
    found[o] = data[i]!;
    found[o + 1] = data[i + 1]!;
    found[o + 2] = data[i + 2]!;
  }
  return found;
}

