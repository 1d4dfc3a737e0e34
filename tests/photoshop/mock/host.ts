/**
 * What surrounds the panel: the modules `uxp`, `os` and `fs`, a network that reaches only what the manifest names, raw
 * pixels for `<img>`, and the absence of what browsers have and UXP does not.
 */

import type * as Uxp from "uxp";

export interface Manifest {
  entrypoints: { type: string; id: string }[];
  requiredPermissions: { network: { domains: string[] }; localFileSystem?: string };
}

/** Reads a file of the machine, for `fs`; the test provides it. */
declare function readHostFile(path: string): Promise<string | null>;

/** What a test may look at and change. */
export const host = {
  manifest: undefined as Manifest | undefined,
  home: "/home/painter",
  /** The painter agreed to `localFileSystem: fullAccess` on installing. */
  fullAccess: true,
  /** Sentences about what the plug-in may not do and did. */
  violations: [] as string[],
  secrets: new Map<string, string>(),
  denied: [] as string[],
  /** Connections that were opened so far. */
  opened: 0,
};

const ENTRY_LIMIT_MS = 300;

type Points = Parameters<(typeof Uxp)["entrypoints"]["setup"]>[0];
let points: Points | undefined;

/** Calls an entry point as Photoshop does, and complains if it takes too long. */
export function enter(name: string, call: () => unknown): void {
  const began = performance.now();
  const answer = call();
  const took = performance.now() - began;
  if (took > ENTRY_LIMIT_MS) host.violations.push(`${name} took ${Math.round(took)} ms`);
  if (answer instanceof Promise) {
    const late = setTimeout(() => host.violations.push(`${name} did not resolve within ${ENTRY_LIMIT_MS} ms`), ENTRY_LIMIT_MS);
    void answer.then(() => clearTimeout(late));
  }
}

export const entry = {
  /** Loads the plug-in's panel into the page. */
  open(root: HTMLElement): void {
    const panel = points?.panels?.underpaint;
    for (const { type, id } of host.manifest!.entrypoints) {
      if (!(type === "panel" ? points?.panels?.[id] : points?.commands?.[id])) host.violations.push(`${type} ${id} of the manifest has no entry point`);
    }
    enter("create", () => panel?.create?.(root));
    enter("show", () => panel?.show?.(root));
  },
  command: (id: string) => enter(id, () => points?.commands?.[id]?.()),
  hide: (root: HTMLElement) => enter("hide", () => points?.panels?.underpaint?.hide?.(root)),
  destroy: () => enter("destroy", () => points?.plugin?.destroy?.()),
};

export const uxp: typeof Uxp = {
  entrypoints: {
    setup: (given) => {
      if (points) throw new Error("entrypoints.setup can be called once only.");
      if (given.plugin && !given.plugin.create) throw new Error("plugin needs a create handler.");
      points = given;
    },
  },
  storage: {
    secureStorage: {
      setItem: async (key, value) => void host.secrets.set(key, value),
      getItem: async (key) => {
        const value = host.secrets.get(key);
        return value === undefined ? null : Uint8Array.from(value, (character) => character.charCodeAt(0));
      },
      removeItem: async (key) => void host.secrets.delete(key),
    },
  },
  versions: { uxp: "7.3.0", plugin: "0.1.0" },
};

export const os = { homedir: () => host.home, platform: () => "darwin" };

export const fs = {
  readFile: async (path: string): Promise<string> => {
    if (!host.fullAccess || host.manifest!.requiredPermissions.localFileSystem !== "fullAccess") throw new Error("Permission denied: localFileSystem");
    const text = await readHostFile(path.replace(/^file:/, ""));
    if (text === null) throw new Error(`ENOENT: no such file: ${path}`);
    return text;
  },
};

const sockets = new Set<WebSocket>();

/** Breaks every connection. */
export function cut(): void {
  for (const socket of sockets) socket.close();
}

/** Puts UXP's globals in the place of the browser's. */
export function install(): void {
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(url: string | URL) {
      const { protocol, host: place } = new URL(url);
      if (!host.manifest!.requiredPermissions.network.domains.includes(`${protocol}//${place}`)) {
        host.denied.push(String(url));
        throw new Error(`Permission denied to the url ${url}. Manifest entry not found.`);
      }
      super(url);
      sockets.add(this);
      this.addEventListener("open", () => (host.opened += 1));
      this.addEventListener("close", () => sockets.delete(this));
    }
  };
  Object.assign(window, { ImageBlob: RawImage });
  for (const name of ["TextEncoder", "TextDecoder", "structuredClone", "OffscreenCanvas", "Worker", "createImageBitmap"]) {
    Object.defineProperty(window, name, { value: undefined, configurable: true, writable: true });
  }
  Object.defineProperty(window.crypto, "subtle", { value: undefined });
}

/** Raw RGBA as a picture that Chromium shows, too: a bitmap with an alpha mask. */
class RawImage extends Blob {
  constructor(pixels: ArrayBuffer, options: { type: string; width: number; height: number; components: number; componentSize: number; pixelFormat: string; hasAlpha: boolean }) {
    const { width, height, components } = options;
    const data = new Uint8Array(pixels);
    if (options.type !== "image/uncompressed" || components !== 4 || options.componentSize !== 8 || options.pixelFormat !== "RGBA" || !options.hasAlpha) {
      throw new Error("the mock shows 8-bit RGBA only");
    }
    if (data.length !== width * height * 4) throw new Error("The pixels do not fit width and height.");
    const header = new DataView(new ArrayBuffer(122));
    header.setUint16(0, 0x424d);
    header.setUint32(2, 122 + data.length, true);
    header.setUint32(10, 122, true);
    header.setUint32(14, 108, true);
    header.setInt32(18, width, true);
    header.setInt32(22, -height, true);
    header.setUint16(26, 1, true);
    header.setUint16(28, 32, true);
    header.setUint32(30, 3, true);
    header.setUint32(34, data.length, true);
    [0xff, 0xff00, 0xff0000, 0xff000000].forEach((mask, i) => header.setUint32(54 + 4 * i, mask, true));
    header.setUint32(70, 0x73524742, true);
    super([header, data.slice()], { type: "image/bmp" });
  }
}
