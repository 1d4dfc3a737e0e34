/**
 * What belongs to a document: its control layers and regions, which come back when it is opened again.
 *
 * Decision: kept (`kept.ts`) by the document's file, not inside the file: writing XMP is a change of
 * the document, which would ask to be saved. So they come back on this computer, as long as the file keeps its place and its
 * layers. A document that has no file yet has them as long as it is open.
 */

import { documentInFront } from "../photoshop/layers.js";
import { isMembers } from "../protocol/conversation.js";
import type { Json } from "../protocol/json.js";
import { read, write } from "./kept.js";

const KEY = "underpaint.documents";
/** Documents that are remembered; the one that changed longest ago is forgotten first. */
const MOST = 100;

export interface Note {
  controls: Json[];
  regions: Json[];
}

export class Notes {
  private front: { id: number; file: string | undefined } | undefined;
  /** Of the documents of this session, by their number. */
  private readonly open = new Map<number, Note>();
  /** Of those that have a file, the newest first. */
  private store = stored();

  /** Looks which document is in front; its note, if it is another than the last time. */
  look(): Note | undefined {
    const now = documentInFront();
    const before = this.front;
    this.front = now;
    if (now?.id !== before?.id) return this.note();
    // Saved for the first time, or elsewhere.
    if (now?.file !== undefined && now.file !== before?.file) this.write();
    return undefined;
  }

  /** Keeps what the document in front has now. */
  keep(note: Note): void {
    if (!this.front) return;
    this.open.set(this.front.id, note);
    this.write();
  }

  /** Whether a document is open. */
  get any(): boolean {
    return this.front !== undefined;
  }

  private note(): Note {
    if (!this.front) return { controls: [], regions: [] };
    const { id, file } = this.front;
    const found = this.open.get(id) ?? this.store.find(([path]) => path === file)?.[1] ?? { controls: [], regions: [] };
    this.open.set(id, found);
    return found;
  }

  private write(): void {
    const { id, file } = this.front!;
    const note = this.open.get(id);
    if (file === undefined || !note) return;
    const others = this.store.filter(([path]) => path !== file);
    const empty = note.controls.length === 0 && note.regions.length === 0;
    this.store = [...(empty ? [] : [[file, note] as const]), ...others].slice(0, MOST);
    write(KEY, this.store);
  }
}

/** What is stored, the newest first; what cannot be read is left out. */
function stored(): (readonly [file: string, note: Note])[] {
  const kept = read(KEY);
  return (Array.isArray(kept) ? kept : []).flatMap((pair): [string, Note][] => {
    const [file, note] = Array.isArray(pair) ? pair : [];
    if (typeof file !== "string" || !isMembers(note)) return [];
    const list = (value: Json | undefined) => (Array.isArray(value) ? value : []);
    return [[file, { controls: list(note.controls), regions: list(note.regions) }]];
  });
}
