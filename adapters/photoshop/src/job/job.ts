/**
 * A job on its way, from the press of the button to the new layer: what is shown of it, and how it is given up.
 *
 * Decision: the daemon keeps every job (`keep`), so a connection that breaks is found again and the job goes on where it
 * was; and a result that Photoshop had no time for waits here until the painter presses again.
 *
 * Decision: one job at a time reads and sends its pixels, until the daemon has taken it on and they can be freed. What the
 * daemon holds for a connection is limited, and three large pictures at once would be too much for it.
 */

import { apart, type Connection, type Session } from "../daemon/connection.js";
import { Disconnected, Refused, isMembers, type Notice, type Params } from "../protocol/conversation.js";
import { ProtocolError, TooLong, asMembers, type Members } from "../protocol/frames.js";
import { BYTES_PER_PIXEL, image, picture, rect, type Picture, type Px, type Rect } from "../protocol/images.js";
import type { Json } from "../protocol/json.js";
import { Busy, place, type Patch } from "../photoshop/place.js";
import { compareExtent } from "../photoshop/read.js";
import { Changed, Sorry, type Target } from "../photoshop/target.js";
import { Turns } from "./turns.js";

const PREVIEW = { max_side: 384, every_ms: 200 };
const STAGES: Record<string, string> = {
  load: "Loading the model", infill: "Painting", encode: "Reading the picture", denoise: "Painting", decode: "Developing",
  upscale: "Enlarging", filter: "Finishing",
};

/** `held`: the result is here, and Photoshop could not take it yet. */
export type Phase = "working" | "held" | "done" | "failed" | "cancelled";

/** What is sent: all at once, or in bands as they are read. */
type Bytes = Uint8Array | AsyncIterator<Uint8Array>;

/** What is put into the picture. */
interface Result {
  patches: Patch[];
  name: (patch: Patch) => string;
  kept: ((layerID: number) => string) | undefined;
}

let jobs = 0;
const turns = new Turns();

export class Job {
  phase: Phase = "working";
  /** One sentence: what is going on, or how it ended. */
  text = "Reading the picture";
  /** How far, 0..1; undefined where nobody knows. */
  share: number | undefined;
  /** What the result looks like so far. */
  preview: Picture | undefined;
  /** The daemon's name for it, once it told. */
  id: string | undefined;
  /** The seed that was used. */
  seed: string | undefined;
  /** Milliseconds by part, for those who want to know where time goes. */
  readonly times: Record<string, number> = {};
  onChange: () => void = () => {};

  private readonly token = `photoshop-${++jobs}`;
  private readonly began = Date.now();
  private reason: string | undefined;
  private asked: { session: Session; id: number } | undefined;
  private blobs: { session: Session; blob: string; size: number }[] = [];
  /** Ends the turn at sending. */
  private sent: (() => void) | undefined;
  private held: Result | undefined;

  /** `title` stands in lists; `command` is the history state's name and what a sentence calls it. */
  constructor(private readonly connection: Connection, readonly target: Target, readonly title: string, readonly command: string) {}

  /** Plays `story`, which ends by placing a result. Never throws: how it went is in `phase` and `text`. */
  async play(story: () => Promise<void>): Promise<void> {
    const stop = this.connection.listen((notice) => this.heard(notice));
    try {
      await story();
    } catch (error) {
      if (this.reason !== undefined && !(error instanceof Busy)) this.end("cancelled", this.reason);
      else if (error instanceof Busy) this.end("held", error.message);
      else this.end("failed", sentence(error, this.command));
    } finally {
      stop();
      this.free();
      this.preview = undefined;
      apart(this.onChange);
    }
  }

  /** The connection, which may be just being found again. */
  session(): Promise<Session> {
    return this.connection.session(() => this.reason !== undefined);
  }

  /** Gives up. A job the daemon has is over within one step. */
  cancel(reason = "Cancelled. The picture is unchanged."): void {
    if (this.phase === "held") {
      this.held = undefined;
      return this.end("cancelled", reason);
    }
    if (this.phase !== "working" || this.reason !== undefined) return;
    this.reason = reason;
    this.tell("Cancelling");
    const { asked, id } = this;
    if (id !== undefined) {
      // Also where the connection is just lost: the daemon would go on with a job that it keeps.
      void this.connection.session().then(({ conversation }) => conversation.request("job/cancel", { job: id })).catch(() => {});
    } else if (asked) {
      asked.session.conversation.notify("cancel", { id: asked.id });
    }
  }

  /** Tries once more to put a held result into the picture. */
  async placeAgain(): Promise<void> {
    const { held } = this;
    if (this.phase !== "held" || !held) return;
    this.phase = "working";
    await this.play(() => this.put(held.patches, held.name, held.kept));
  }

  /** Adds the time since `since` to a part's. */
  spent(part: string, since: number): void {
    this.times[part] = (this.times[part] ?? 0) + Date.now() - since;
  }

  /** Asks something short on the way. */
  async call(session: Session, method: string, params: Params): Promise<Members> {
    const since = Date.now();
    const answer = await session.conversation.request(method, params);
    this.spent("plan", since);
    return asMembers(answer, `an answer to ${method} that is none`);
  }

  /** Sends pixels; returns the image they make. */
  async send(session: Session, size: Rect, px: Px, pixels: Bytes, linear = false, see?: (band: Uint8Array) => void) {
    return image(await this.upload(session, size.w * size.h * BYTES_PER_PIXEL[px], pixels, see), size.w, size.h, px, linear);
  }

  /** Sends `size` bytes; returns the blob's name. `see` looks at each band on its way. */
  async upload(session: Session, size: number, bytes: Bytes, see?: (band: Uint8Array) => void): Promise<string> {
    const bands = bytes instanceof Uint8Array ? [bytes].values() : bytes;
    this.sent ??= await turns.take();
    this.check();
    const { conversation, link } = session;
    if (this.blobs.reduce((sum, blob) => sum + blob.size, size) > conversation.blobBytes) {
      const less = this.target.depth > 8 ? "choose Image > Mode > 8 Bits/Channel" : "let fewer layers steer it";
      throw new Sorry(`The picture is too large to be sent whole; select a part of it, or ${less}.`);
    }
    const upload = conversation.upload(size);
    this.blobs.push({ session, blob: upload.blob, size });
    for (;;) {
      let since = Date.now();
      const band = await bands.next();
      this.spent("read", since);
      if (band.done) break;
      see?.(band.value);
      since = Date.now();
      for (let start = 0; start < band.value.length; start += conversation.chunkBytes) {
        upload.write(band.value.subarray(start, start + conversation.chunkBytes));
        await link.drained();
        this.check();
      }
      this.spent("send", since);
    }
    return upload.blob;
  }

  /** Submits, waits, and takes the patches; across a lost connection, too. */
  async result(session: Session, method: string, params: Params): Promise<{ result: Members; patches: Patch[] }> {
    compareExtent(this.target);
    const how = { progress: this.token, preview: PREVIEW };
    const instance = session.conversation.server?.instance;
    let since = Date.now();
    let asked = session.conversation.begin(method, { ...params, ...how, keep: true });
    for (;;) {
      this.asked = { session, id: asked.id };
      try {
        const result = asMembers(await asked.answer, "a result that is none");
        // Also of a job that was given up just then: what is not taken stays until the connection ends.
        const found = patches(result, session);
        this.check();
        const timing = isMembers(result.timing_ms) ? result.timing_ms.total : undefined;
        this.spent("compute and receive", since);
        if (typeof timing === "number") this.times.compute = timing;
        return { result, patches: found };
      } catch (error) {
        if (!(error instanceof Disconnected) || this.id === undefined || this.reason !== undefined) throw error;
        this.share = undefined;
        this.tell("The connection was lost; waiting for Underpaint");
        session = await this.session();
        if (session.conversation.server?.instance !== instance) throw new Restarted();
        since = Date.now();
        asked = session.conversation.begin("job/attach", { job: this.id, ...how });
      } finally {
        this.asked = undefined;
      }
    }
  }

  /**
   * Puts patches into the picture, each on a layer called `name`, and says so. Or, with `kept`, one patch on a hidden layer; it
   * is called with that, and says what to say.
   */
  async put(patches: Patch[], name: (patch: Patch) => string, kept?: (layerID: number) => string): Promise<void> {
    this.check();
    if (patches.length === 0) return this.end("done", "Underpaint found nothing to change there.");
    this.share = 1;
    this.tell(patches.length === 1 ? "Placing the layer" : `Placing ${patches.length} layers`);
    const since = Date.now();
    this.held = { patches, name, kept };
    const { layers, resized } = await place(this.target, patches, name, this.command, kept !== undefined);
    this.held = undefined;
    this.spent("insert", since);
    this.times.total = Date.now() - this.began;
    const seconds = ((this.times.total ?? 0) / 1000).toFixed(1);
    const done = kept ? kept(layers[0]!) : `Done in ${seconds} s, as ${layers.length === 1 ? "a new layer" : `${layers.length} new layers`}.`;
    this.end("done", resized ? `${done} The canvas was resized meanwhile: look whether the layer lies where you want it.` : done);
  }

  /** Ends a job that puts nothing into the picture, with a sentence. */
  finish(text: string): void {
    this.end("done", text);
  }

  /** Throws if the painter gave up. */
  check(): void {
    if (this.reason !== undefined) throw new Sorry(this.reason);
  }

  /** The daemon keeps what came of a job until it is told that nobody will ask again. */
  private forget(): void {
    const { id } = this;
    if (id !== undefined) void this.connection.session().then(({ conversation }) => conversation.request("job/forget", { job: id })).catch(() => {});
  }

  /** What was sent is the daemon's now, or nobody's. */
  private free(): void {
    this.sent?.();
    this.sent = undefined;
    for (const { session, blob } of this.blobs.splice(0)) session.conversation.notify("blob/free", { blob });
  }

  private heard({ method, params, tail }: Notice): void {
    if (method === "job/state" && this.asked && params.id === this.asked.id) {
      this.free();
      if (typeof params.job === "string") this.id = params.job;
      if (params.state === "queued") {
        this.tell(typeof params.position === "number" && params.position > 0 ? `Waiting, with ${params.position} more before it` : "Waiting for its turn");
      } else if (params.state === "running") {
        this.tell("Painting");
      }
    } else if (method === "progress" && params.progress === this.token && this.reason === undefined && this.phase === "working") {
      this.progressed(params, tail);
    }
  }

  private progressed(params: Members, tail: Uint8Array): void {
    const step = typeof params.step === "number" ? params.step : 0;
    const steps = typeof params.steps === "number" ? params.steps : 0;
    let text = STAGES[String(params.stage)] ?? "Painting";
    if (steps > 1) text += `, step ${step} of ${steps}`;
    if (typeof params.eta_ms === "number") text += `, ${duration(params.eta_ms)} left`;
    this.share = steps > 0 ? step / steps : undefined;
    if (params.preview !== undefined) {
      try {
        this.preview = picture(params.preview, tail);
        this.times["first preview"] ??= Date.now() - this.began;
      } catch {
        // A preview that cannot be shown is no reason to end the job.
      }
    }
    this.tell(text);
  }

  private tell(text: string): void {
    this.text = text;
    apart(this.onChange);
  }

  private end(phase: Phase, text: string): void {
    this.phase = phase;
    this.share = undefined;
    if (phase !== "held") this.forget();
    this.tell(text);
  }
}

/** The daemon that had the job is gone, and the job with it. */
export class Restarted extends Error {}

/** The patches of a result, their blobs taken. */
export function patches(result: Members, session: Session): Patch[] {
  if (!Array.isArray(result.patches)) throw new ProtocolError("a result without patches");
  const taken = new Map<string, Uint8Array>();
  return result.patches.map((entry: Json) => {
    const patch = asMembers(entry, "a patch that is none");
    const where = rect(patch.rect);
    const blob = isMembers(patch.image) ? String(patch.image.blob) : "";
    const data = taken.get(blob) ?? session.conversation.blobs.take(blob);
    taken.set(blob, data);
    const found = picture(patch.image, data);
    if (found.w !== where.w || found.h !== where.h) throw new ProtocolError("a patch whose picture is not as large as its rect");
    const seed = typeof patch.seed === "string" || typeof patch.seed === "number" ? String(patch.seed) : undefined;
    return { ...found, rect: where, seed };
  });
}

/** A mistake as the painter should read it. */
export function sentence(error: unknown, command: string): string {
  const again = `The picture is unchanged; press ${command} again.`;
  if (error instanceof Sorry || error instanceof TooLong || (error instanceof Refused && error.kind !== "no_such_job")) return error.message;
  if (error instanceof Changed) return `${error.message} ${again}`;
  if (error instanceof Restarted || error instanceof Refused) return `Underpaint was started anew while it was at work, and the job is lost. ${again}`;
  if (error instanceof Disconnected) return `The connection to Underpaint broke before it had the picture. ${again}`;
  if (error instanceof ProtocolError) return `Underpaint's answer cannot be used (${error.message}). Are it and this plug-in of the same version?`;
  return `Photoshop did not let the plug-in go on: ${error instanceof Error ? error.message : String(error)}`;
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
