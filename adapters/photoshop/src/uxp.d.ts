/**
 * What of UXP the adapter uses and @types/photoshop does not describe.
 *
 * Decision: written here, because Adobe's own typings of UXP redeclare all of the DOM as `any` and ask for entry points
 * that nobody has. These follow the reference, and are all that the mock has to give.
 */

declare module "uxp" {
  interface PanelEntry {
    create?(root: HTMLElement): void;
    show?(root: HTMLElement): void;
    hide?(root: HTMLElement): void;
    destroy?(root: HTMLElement): void;
  }
  export const entrypoints: {
    setup(points: { plugin?: { create(): void; destroy?(): void }; panels?: Record<string, PanelEntry>; commands?: Record<string, () => void> }): void;
  };
  /** A cache rather than a store: what lies here can be lost, and must be had anew. */
  export const storage: {
    secureStorage: {
      setItem(key: string, value: string): Promise<void>;
      getItem(key: string): Promise<Uint8Array | null>;
      removeItem(key: string): Promise<void>;
    };
  };
  export const versions: { uxp: string; plugin: string };
}

declare module "os" {
  export function homedir(): string;
  export function platform(): string;
}

declare module "fs" {
  /** Needs `localFileSystem: "fullAccess"` in the manifest, and the painter's consent on installing. */
  export function readFile(path: string, options: { encoding: "utf-8" }): Promise<string>;
}

/** Raw pixels that an `<img>` can show through `URL.createObjectURL`. */
declare class ImageBlob extends Blob {
  constructor(pixels: ArrayBuffer, options: {
    type: "image/uncompressed";
    width: number;
    height: number;
    colorSpace: "RGB" | "Grayscale";
    colorProfile: string;
    pixelFormat: "RGB" | "RGBA" | "Gray";
    components: number;
    componentSize: 8 | 16;
    hasAlpha: boolean;
  });
}
