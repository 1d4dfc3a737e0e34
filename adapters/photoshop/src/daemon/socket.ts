/** A WebSocket as the conversation needs it: opened within a time, whole binary messages, and not flooded. */

/** The ports a daemon may listen on. Photoshop lets a plug-in speak only to those its manifest names, one by one. */
export const PORTS = [17231, 17232, 17233];

/** Which of them a code of `underpaint pair` leads to: no other must be told it (host/wire/PROTOCOL.md, 8). */
export function portOf(code: string): number {
  return PORTS[[...code].reduce((sum, digit) => sum + Number(digit), 0) % PORTS.length]!;
}

/** Bytes handed to the socket and not yet written, above which `drained` waits. */
const HIGH_WATER_BYTES = 8 * 1024 * 1024;

export interface Link {
  send(message: Uint8Array): void;
  /** Resolves once the socket has written most of what it was given, or is closed; at least one turn of the event loop later. */
  drained(): Promise<void>;
  close(): void;
  onMessage: (message: Uint8Array) => void;
  /** Called once, however the connection ended. */
  onClose: () => void;
}

/** Nobody listens there, or not in time, or Photoshop does not allow it. */
export class Unreachable extends Error {}

export function openLink(port: number, timeoutMs: number): Promise<Link> {
  return new Promise((resolve, reject) => {
    const url = `ws://127.0.0.1:${port}/ws`;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch (error) {
      return reject(new Unreachable(`${url}: ${error}`));
    }
    socket.binaryType = "arraybuffer";
    let open = false;
    let over = false;
    const link: Link = {
      send: (message) => {
        if (socket.readyState === 1) socket.send(message);
      },
      drained: async () => {
        do await sleep(0);
        while (!over && socket.bufferedAmount > HIGH_WATER_BYTES);
      },
      close: () => {
        socket.close();
        closed();
      },
      onMessage: () => {},
      onClose: () => {},
    };
    const closed = () => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (open) link.onClose();
      else reject(new Unreachable(`${url} does not answer`));
    };
    const timer = setTimeout(link.close, timeoutMs);
    socket.onopen = () => {
      if (over) return;
      clearTimeout(timer);
      open = true;
      resolve(link);
    };
    socket.onerror = closed;
    socket.onclose = closed;
    socket.onmessage = (event) => {
      // The protocol has binary messages only; anything else reads as the empty message, which it refuses.
      if (!over) link.onMessage(event.data instanceof ArrayBuffer ? new Uint8Array(event.data) : new Uint8Array(0));
    };
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
