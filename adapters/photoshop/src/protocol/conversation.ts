/**
 * Everything said on one connection: requests and their answers, events, blobs both ways.
 *
 * Decision: it never touches a socket. It is given a way to send, and is told what was received, so the same code runs
 * in Photoshop, in a browser and in plain Node.
 */

import { Blobs } from "./blobs.js";
import { HELLO_FRAME_BYTES, MAX_FRAME_BYTES, MAX_HEADER_BYTES, ProtocolError, asMembers, pack, readJson, unpack, type Members, type Sayable } from "./frames.js";
import type { Json } from "./json.js";

export type Params = { readonly [name: string]: Sayable | undefined };

/** The connection ended before the answer came. */
export class Disconnected extends Error {}

/** The daemon's answer is an error. `message` is a sentence for the painter; programs look at `kind`. */
export class Refused extends Error {
  readonly kind: string;
  readonly field: string | undefined;

  constructor(error: Json | undefined) {
    const said = isMembers(error) ? error : {};
    const data = isMembers(said.data) ? said.data : {};
    const hint = typeof data.hint === "string" ? ` ${data.hint}` : "";
    super((typeof said.message === "string" ? said.message : "Underpaint answered with an error it did not explain.") + hint);
    this.kind = typeof data.kind === "string" ? data.kind : "internal";
    this.field = typeof data.field === "string" ? data.field : undefined;
  }
}

export interface Notice {
  method: string;
  params: Members;
  tail: Uint8Array;
}

/** What `hello` was answered with. */
export interface Server {
  instance: string;
  version: string;
  caps: string[];
  maxChunkBytes: number;
  maxBlobBytes: number;
}

interface Pending {
  resolve(result: Json): void;
  reject(error: Error): void;
}

export class Conversation {
  server: Server | undefined;
  /** Events nobody asked for by id: `progress`, `job/state`, `queue/changed` … */
  onNotice: (notice: Notice) => void = () => {};
  readonly blobs = new Blobs();
  /** Why blobs of ours were not taken. */
  readonly refusals = new Map<string, Refused>();
  private pending = new Map<number, Pending>();
  private nextId = 1;
  private blobCount = 0;
  private ended: Error | undefined;

  constructor(private readonly send: (message: Uint8Array) => void) {}

  /** Introduces us. `proof` is what `challenge` made to be expected of us. */
  async hello(client: { name: string; version: string }, proof: string): Promise<Server> {
    const params = { protocol: { min: 1, max: 1 }, client, proof, caps: ["preview"] };
    const answer = asMembers(await this.ask(0, "hello", params), "an answer to hello that is none");
    return this.server = readServer(answer);
  }

  /** Asks; the result, or `Refused`, `Disconnected`. */
  request(method: string, params: Params = {}): Promise<Json> {
    return this.begin(method, params).answer;
  }

  /** Asks, and tells under which id, for `cancel`. */
  begin(method: string, params: Params): { id: number; answer: Promise<Json> } {
    const id = this.nextId++;
    return { id, answer: this.ask(id, method, params) };
  }

  private ask(id: number, method: string, params: Params): Promise<Json> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(this.ended);
      this.pending.set(id, { resolve, reject });
      this.send(pack({ jsonrpc: "2.0", id, method, params }));
    });
  }

  /** Tells; nothing comes back. */
  notify(method: string, params: Params, tail?: Uint8Array): void {
    if (!this.ended) this.send(pack({ jsonrpc: "2.0", method, params }, tail));
  }

  /** The longest tail the daemon takes in one frame. */
  get chunkBytes(): number {
    return Math.max(1, Math.min(this.server?.maxChunkBytes ?? 1 << 20, MAX_FRAME_BYTES - MAX_HEADER_BYTES - 8));
  }

  /** How much the daemon holds of us at a time. */
  get blobBytes(): number {
    return this.server?.maxBlobBytes ?? 0;
  }

  /** Begins a blob of `size` bytes; its pieces follow in order. */
  upload(size: number): Upload {
    this.blobCount += 1;
    return new Upload(this, `c${this.blobCount}`, size);
  }

  /** Takes one received message. Throws `ProtocolError`: then the connection is to be closed. */
  receive(message: Uint8Array): void {
    const { header, tail } = unpack(message, this.server ? MAX_FRAME_BYTES : HELLO_FRAME_BYTES);
    // Whom we have not said hello to has nothing to tell us but answers.
    if (!this.server && "method" in header) throw new ProtocolError("a message that is no answer");
    const params = isMembers(header.params) ? header.params : {};
    if (header.method === "blob/put") return this.blobs.receive(params, tail);
    if (typeof header.method === "string") return this.onNotice({ method: header.method, params, tail });
    if (!("error" in header) && !("result" in header) && header.tail !== "result") {
      throw new ProtocolError("a message that is neither an answer nor an event");
    }
    if (header.id === null || header.id === undefined) {
      const data = isMembers(header.error) && isMembers(header.error.data) ? header.error.data : {};
      if (typeof data.blob === "string") return void this.refusals.set(data.blob, new Refused(header.error));
      throw new ProtocolError(new Refused(header.error).message);
    }
    const pending = this.pending.get(header.id as number);
    if (!pending) return;
    this.pending.delete(header.id as number);
    if ("error" in header) return pending.reject(new Refused(header.error));
    const result = "result" in header ? header.result! : readJson(tail);
    // Longer frames may follow at once, before anyone who waits for the answer has run.
    if (header.id === 0 && isMembers(result) && !this.server) this.server = readServer(result);
    pending.resolve(result);
  }

  /** The connection is over: whoever waits is told. */
  end(error: Error): void {
    this.ended = error;
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of waiting) reject(error);
  }
}

/** A blob of ours on its way. Pieces must add up to `size`; the last is recognised by the sum. */
export class Upload {
  private sent = 0;
  private chunk = 0;

  constructor(private readonly conversation: Conversation, readonly blob: string, private readonly size: number) {}

  /** Sends the next piece of at most `chunkBytes`. `Refused` once the daemon has said that it does not take them. */
  write(piece: Uint8Array): void {
    const refused = this.conversation.refusals.get(this.blob);
    if (refused) throw refused;
    this.sent += piece.length;
    if (this.sent > this.size) throw new Error(`blob ${this.blob}: ${this.sent} bytes given, ${this.size} announced`);
    const params = { blob: this.blob, size: this.size, chunk: this.chunk, last: this.sent === this.size };
    this.conversation.notify("blob/put", params, piece);
    this.chunk += 1;
  }
}

export function isMembers(value: Json | undefined): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readServer(answer: Members): Server {
  const server = isMembers(answer.server) ? answer.server : {};
  const limits = isMembers(answer.limits) ? answer.limits : {};
  const text = (value: Json | undefined) => (typeof value === "string" ? value : "");
  const number = (value: Json | undefined, otherwise: number) => (typeof value === "number" ? value : otherwise);
  return {
    instance: text(answer.instance),
    version: text(server.version),
    caps: Array.isArray(answer.caps) ? answer.caps.map((cap) => text(cap)) : [],
    maxChunkBytes: number(limits.max_chunk_bytes, 1 << 20),
    maxBlobBytes: number(limits.max_blob_bytes, 512 << 20),
  };
}
