/** Blobs the daemon puts: pieces that arrive between other messages, each straight into the blob's own buffer. */

import { ProtocolError, type Members } from "./frames.js";

/** The most accepted for one blob: an answer is never larger than the canvas that was sent. */
export const MAX_BLOB_BYTES = 1 << 30;

interface Begun {
  data: Uint8Array;
  have: number;
  chunks: number;
}

export class Blobs {
  private begun = new Map<string, Begun>();
  private complete = new Map<string, Uint8Array>();

  /** Takes the piece of a `blob/put`. `ProtocolError` unless it continues what came before. */
  receive(params: Members, piece: Uint8Array): void {
    const { blob, size, chunk, last } = params;
    if (typeof blob !== "string" || !Number.isSafeInteger(size) || (size as number) < 1 || (size as number) > MAX_BLOB_BYTES) {
      throw new ProtocolError("a blob without name or of impossible size");
    }
    if (chunk === 0) this.begun.set(blob, { data: new Uint8Array(size as number), have: 0, chunks: 0 });
    const begun = this.begun.get(blob);
    if (!begun || begun.chunks !== chunk || begun.data.length !== size || begun.have + piece.length > begun.data.length || piece.length === 0) {
      throw new ProtocolError(`a piece of blob ${blob} that does not continue it`);
    }
    begun.data.set(piece, begun.have);
    begun.have += piece.length;
    begun.chunks += 1;
    if (last === true) {
      this.begun.delete(blob);
      if (begun.have !== begun.data.length) throw new ProtocolError(`blob ${blob} ended early`);
      this.complete.set(blob, begun.data);
    }
  }

  /** The bytes of a complete blob, which is forgotten. `ProtocolError` if it never came. */
  take(blob: string): Uint8Array {
    const data = this.complete.get(blob);
    if (!data) throw new ProtocolError(`the daemon speaks of a blob ${blob} that it never sent`);
    this.complete.delete(blob);
    return data;
  }
}
