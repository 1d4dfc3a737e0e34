/**
 * The connection to the daemon and its life: found, paired, lost, found again. It goes on looking by itself, so the
 * painter may start the daemon before or after Photoshop, and stop and start it between.
 */

import { Conversation, Disconnected, Refused, type Notice, type Server } from "../protocol/conversation.js";
import { asMembers } from "../protocol/frames.js";
import { VERSION } from "../version.js";
import { readPublished, storedToken, storeToken } from "./pairing.js";
import { challenge } from "./proof.js";
import { PORTS, Unreachable, openLink, portOf, sleep, type Link } from "./socket.js";

const OPEN_MS = 2000;
const HELLO_MS = 5000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4000;
const CLIENT = { name: "photoshop", version: VERSION };

export type State =
  | { kind: "searching" }
  /** `why`: a sentence, where it is not that nobody is there. */
  | { kind: "absent"; why?: string }
  /** Somebody is there, and we have no token that could tell who. `why`: a sentence, where we have one that is not known there. */
  | { kind: "pairing"; why?: string }
  | { kind: "ready"; server: Server; session: Session };

/** A connection that has said hello, as long as it lasts. */
export interface Session {
  conversation: Conversation;
  link: Link;
}

export class Connection {
  state: State = { kind: "searching" };
  onState: (state: State) => void = () => {};
  private listeners = new Set<(notice: Notice) => void>();
  private waiting = new Set<() => void>();
  private wake: () => void = () => {};
  private stopped = false;

  /** Begins to look for the daemon, and never ends until `stop`. */
  async run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.stopped) {
      const found = await this.find();
      if ("conversation" in found) {
        retryMs = FIRST_RETRY_MS;
        await this.stay(found);
        if (!this.stopped) this.become({ kind: "searching" });
      } else {
        this.become(found);
        await Promise.race([sleep(retryMs), new Promise<void>((resolve) => (this.wake = resolve))]);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    this.wake();
    if (this.state.kind === "ready") this.state.session.link.close();
  }

  /** The session, once there is one. `giveUp` ends the waiting with `Disconnected`. */
  async session(giveUp: () => boolean = () => false): Promise<Session> {
    while (this.state.kind !== "ready") {
      if (this.stopped || giveUp()) throw new Disconnected("Underpaint is not there.");
      await new Promise<void>((resolve) => {
        const done = () => {
          this.waiting.delete(done);
          resolve();
        };
        this.waiting.add(done);
        setTimeout(done, 200);
      });
    }
    return this.state.session;
  }

  /** Calls `listener` with every event of every session until the returned function is called. */
  listen(listener: (notice: Notice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Pairs with the code that `underpaint pair` shows. Throws a sentence: `Refused` or `Unreachable`. */
  async pair(code: string): Promise<void> {
    const link = await openLink(portOf(code), OPEN_MS).catch(() => {
      throw new Unreachable("Nobody answers where this code leads. Check its digits; `underpaint pair` shows a new one.");
    });
    try {
      const { token } = asMembers(await within(HELLO_MS, converse(link).request("pair", { code, client: CLIENT })), "no answer");
      if (typeof token !== "string") throw new Unreachable("What answered is not Underpaint.");
      await storeToken(token);
      this.token = token;
      this.wake();
    } finally {
      link.close();
    }
  }

  /** The token of this run's pairing: kept here as well, for where nothing can be stored. */
  private token: string | undefined;

  /** Looks once: at the port that the daemon's file names, then at the others. */
  private async find(): Promise<Session | State> {
    const published = await readPublished();
    const known = [published?.token, this.token, await storedToken()];
    const tokens = [...new Set(known.filter((token): token is string => !!token))];
    const ports = new Set([...(published?.port === undefined ? [] : [published.port]), ...PORTS]);
    let why = published && published.port === undefined ? "Underpaint listens on no port that Photoshop may reach; `underpaint doctor` says why." : undefined;
    let other: number | undefined;
    let unpaired: number | undefined;
    for (const port of ports) {
      const met = await meet(port, tokens);
      if (met instanceof Refused) why = met.message;
      else if (met === "unpaired") unpaired ??= port;
      else if (met === "other") other ??= port;
      else if (met !== "nobody") return met;
    }
    if (unpaired !== undefined) why ??= published ? elsewhere(unpaired) : tokens.length > 0 ? unknown(unpaired) : undefined;
    else if (other !== undefined) why ??= occupied(other);
    // Also where the token's file can be read: the daemon that answers may keep its own elsewhere.
    return { kind: unpaired === undefined ? "absent" : "pairing", ...(why === undefined ? {} : { why }) };
  }

  /** Lives with a session until it ends. */
  private async stay(session: Session): Promise<void> {
    const { conversation, link } = session;
    const over = new Promise<void>((resolve) => {
      const ended = link.onClose;
      link.onClose = () => {
        ended();
        resolve();
      };
    });
    conversation.onNotice = (notice) => {
      for (const listener of [...this.listeners]) apart(() => listener(notice));
    };
    this.become({ kind: "ready", server: conversation.server!, session });
    for (const done of [...this.waiting]) done();
    await over;
  }

  private become(state: State): void {
    this.state = state;
    apart(() => this.onState(state));
  }
}

/** Tells somebody who may fail at it, as whoever asks Photoshop may at any time: that ends neither a connection nor a job. */
export function apart(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    console.warn(error);
  }
}

const occupied = (port: number) =>
  `Underpaint is not running: what answers at port ${port} is another program, or another user's. Start yours with \`underpaint serve\`; this panel finds it by itself.`;
const elsewhere = (port: number) =>
  `What answers at port ${port} is another program, or another user's, or an Underpaint that keeps its files elsewhere. Pair with that, or start yours with \`underpaint serve\`.`;
const unknown = (port: number) =>
  `What answers at port ${port} does not know this panel's token. After \`underpaint serve --new-token\`, pair again; else start Underpaint.`;

/**
 * Says hello at `port` to who knows one of the tokens. `Refused` is by such a one too, and a sentence for the painter; what
 * others say is not repeated.
 */
async function meet(port: number, tokens: readonly string[]): Promise<Session | Refused | "nobody" | "unpaired" | "other"> {
  const link = await openLink(port, OPEN_MS).catch(() => undefined);
  if (!link) return "nobody";
  const conversation = converse(link);
  let proof: string | undefined;
  try {
    if (tokens.length > 0) proof = await within(HELLO_MS, challenge(conversation, port, tokens));
    if (proof !== undefined) {
      await within(HELLO_MS, conversation.hello(CLIENT, proof));
      return { conversation, link };
    }
    link.close();
    return "unpaired";
  } catch (error) {
    link.close();
    return proof !== undefined && error instanceof Refused ? error : "other";
  }
}

/** A conversation on `link`: what breaks the rules ends both. */
function converse(link: Link): Conversation {
  const conversation = new Conversation(link.send);
  link.onMessage = (message) => {
    try {
      conversation.receive(message);
    } catch (error) {
      conversation.end(error instanceof Error ? error : new Error(String(error)));
      link.close();
    }
  };
  link.onClose = () => conversation.end(new Disconnected("The connection to Underpaint broke."));
  return conversation;
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return Promise.race([promise, sleep(ms).then(() => Promise.reject(new Unreachable("no answer in time")))]);
}
