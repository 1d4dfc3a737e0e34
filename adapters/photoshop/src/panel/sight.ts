/** What is made of a control layer, shown in the panel before it steers anything. At most one is shown at a time. */

import type { Job } from "../job/job.js";
import type { Control as Steer } from "../job/steering.js";
import type { Picture } from "../protocol/images.js";
import { clear, make, show, tip } from "./widgets.js";

const SIDE_PX = 160;

/** What the panel does for a control layer. Both give the job that was begun, and undefined where none could be. */
export interface Looks {
  /** Whether the daemon can show what is made. */
  offered(): boolean;
  /** Has it made; `seen` is called with it, or with nothing if it does not come. */
  look(control: Steer, title: string, seen: (picture: Picture | undefined) => void): Job | undefined;
  /** Has it put into the picture as a hidden layer. */
  keep(control: Steer, title: string, kept: (layerID: number, kind: string) => void): Job | undefined;
}

/** What is made of an entry's layer, as it is now. */
interface Made {
  control: Steer;
  title: string;
  /** What is made of what: it is shown as long as that is the same. */
  source: string;
}

export class Sight<E extends object> {
  private entry: E | undefined;
  private source = "";
  private job: Job | undefined;
  private picture: Picture | undefined;
  /** Draws an entry's part anew. */
  private readonly parts = new Map<E, () => void>();

  constructor(private readonly looks: Looks) {}

  /** An entry's part of the list. `made` says what is made of its layer, undefined for nothing; `kept` takes the layer that came of it. */
  part(entry: E, made: () => Made | undefined, kept: (layerID: number, title: string, kind: string) => void): HTMLElement {
    const part = make("div", "made");
    const draw = () => {
      clear(part);
      if (this.looks.offered() && made()) for (const line of this.lines(entry, made, kept)) part.appendChild(line);
    };
    this.parts.set(entry, draw);
    draw();
    return part;
  }

  /** The entries are these now, each with its source: what is shown of another is shown no more. */
  settle(sources: Map<E, string>): void {
    if (this.entry && sources.get(this.entry) !== this.source) this.drop();
    for (const entry of [...this.parts.keys()]) if (!sources.has(entry)) this.parts.delete(entry);
    this.draw();
  }

  private lines(entry: E, made: () => Made | undefined, kept: (layerID: number, title: string, kind: string) => void): HTMLElement[] {
    const isShown = this.entry === entry;
    const look = button("see", isShown ? "Hide" : "Show", "What the model will see of the layer", () => (isShown ? this.hide() : this.see(entry, made())));
    const keep = button("grow keep", "Keep as layer", "Puts what is made of it into the picture as a hidden layer, to draw on; it steers as it is", () => {
      const { control, title } = made()!;
      this.looks.keep(control, title, (layerID, kind) => kept(layerID, title, kind));
    });
    const found = [make("div", "row", look, keep)];
    if (isShown && this.picture) {
      const image = make<HTMLImageElement>("img");
      show(image, this.picture, { w: SIDE_PX, h: SIDE_PX });
      found.push(make("div", "seen", image));
    }
    return found;
  }

  private see(entry: E, made: Made | undefined): void {
    this.drop();
    const job: Job | undefined = made && this.looks.look(made.control, made.title, (picture) => {
      if (this.job !== job) return;
      this.job = undefined;
      this.picture = picture;
      if (!picture) this.entry = undefined;
      this.draw();
    });
    if (job && made) [this.entry, this.source, this.job] = [entry, made.source, job];
    this.draw();
  }

  private hide(): void {
    this.drop();
    this.draw();
  }

  private drop(): void {
    const { job } = this;
    this.entry = this.job = this.picture = undefined;
    job?.cancel();
  }

  private draw(): void {
    for (const draw of this.parts.values()) draw();
  }
}

function button(look: string, words: string, help: string, pressed: () => void): HTMLElement {
  const element = make("sp-button", look, words);
  element.setAttribute("variant", "secondary");
  tip(element, help);
  element.addEventListener("click", pressed);
  return element;
}
