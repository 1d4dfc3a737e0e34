/** Turns at something that one does at a time, in the order in which they were asked for. */

export class Turns {
  private last: Promise<void> = Promise.resolve();

  /** Waits for its turn, and gives what ends it. */
  async take(): Promise<() => void> {
    const before = this.last;
    let end!: () => void;
    this.last = new Promise((resolve) => (end = resolve));
    await before;
    return end;
  }
}
