/**
 * The connection to the daemon and its life: found, paired, lost, found again. It goes on looking by itself, so the
 * painter may start the daemon before or after Photoshop, and stop and start it between.
 */

import { Conversation, Disconnected, Refused, type Notice, type Server } from "../protocol/conversation.js";
import { asMembers } from "../protocol/frames.js";
import { VERSION } from "../version.js";
import { readPublished, storedToken, storeToken } from "./pairing.js";
import { PORTS, Unreachable, openLink, sleep, type Link } from "./socket.js";

const OPEN_MS = 2000;
const HELLO_MS = 5000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4000;
const CLIENT = { name: "photoshop", version: VERSION };

export type State =
  | { kind: "searching" }
  /** `why`: a sentence, where it is not that nobody is there. */
  | { kind: "absent"; why?: string }
  /** A daemon is there, and wants a token that we do not have. */
  | { kind: "pairing" }
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
    let refusal: unknown = new Unreachable("Underpaint is not running any more. Start it with `underpaint serve`.");
    for (const port of PORTS) {
      const link = await openLink(port, OPEN_MS).catch(() => undefined);
      if (!link) continue;
      const conversation = converse(link);
      try {
        const answer = asMembers(await within(HELLO_MS, conversation.request("pair", { code, client: CLIENT })), "no answer");
        await storeToken(String(answer.token));
        this.token = String(answer.token);
        this.wake();
        return;
      } catch (error) {
        refusal = error;
      } finally {
        link.close();
      }
    }
    throw refusal;
  }

  /** The token of this run's pairing: kept here as well, for where nothing can be stored. */
  private token: string | undefined;

  /**
   * Looks once. The token of the daemon's own file goes to the port that the file names and to no other; a token from
   * pairing goes to the three ports, for there nothing tells which.
   */
  private async find(): Promise<Session | State> {
    const published = await readPublished();
    let why = published && published.port === undefined ? "Underpaint listens on no port that Photoshop may reach; `underpaint doctor` says why." : undefined;
    let reached = false;
    const tries: [port: number, token: string | undefined][] = [];
    if (published?.port !== undefined) tries.push([published.port, published.token]);
    const tokens = new Set([this.token, await storedToken()].filter((token): token is string => !!token));
    // The daemon closes after a refused token, so each token has a connection of its own.
    for (const port of PORTS) tries.push(...(tokens.size > 0 ? [...tokens] : [undefined]).map((token): [number, string | undefined] => [port, token]));
    for (const [port, token] of tries) {
      const link = await openLink(port, OPEN_MS).catch(() => undefined);
      if (!link) continue;
      if (token === undefined) {
        link.close();
        reached = true;
        continue;
      }
      const conversation = converse(link);
      try {
        await within(HELLO_MS, conversation.hello(CLIENT, token));
        return { conversation, link };
      } catch (error) {
        link.close();
        // Anything but a refusal: some other program has this port.
        if (error instanceof Refused && error.kind === "unauthorized") reached = true;
        else if (error instanceof Refused) why = error.message;
      }
    }
    return reached ? { kind: "pairing" } : { kind: "absent", ...(why === undefined ? {} : { why }) };
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
      for (const listener of [...this.listeners]) listener(notice);
    };
    this.become({ kind: "ready", server: conversation.server!, session });
    for (const done of [...this.waiting]) done();
    await over;
  }

  private become(state: State): void {
    this.state = state;
    this.onState(state);
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
