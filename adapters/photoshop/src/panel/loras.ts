/**
 * LoRAs: what changes the model's weights for a picture, with how much of each.
 *
 * Decision: one that is not on this machine stays in the list and says so, because a style may have been made where it was.
 */

import { isMembers } from "../protocol/conversation.js";
import type { Members, Sayable } from "../protocol/frames.js";
import type { Json } from "../protocol/json.js";
import { Entries, isWeight, weight, type Entry } from "./entries.js";
import { misfit, named, titleOf } from "./models.js";
import { Choice, byId, make, tip } from "./widgets.js";

const MOST = 16;
const HELP = "1 as it was trained, 0 nothing, less than 0 the opposite";

export interface Lora extends Entry {
  name: string;
  weight: number;
  /** Another weight for the text encoders, which a style may bring. */
  text_weight?: number;
}

export class Loras extends Entries<Lora> {
  private known = new Map<string, Members>();
  private readonly choice = new Choice(byId("loras-adder"), (name) => this.chosen(name));

  /** `insert` puts words that call a LoRA up into the prompt. */
  constructor(changed: () => void, private readonly insert: (words: string) => void) {
    super("loras", MOST, changed);
  }

  /** What `loras/list` answered. */
  offer(list: Json): void {
    const known = named(list).map((lora) => [lora.id, lora] as const);
    if (JSON.stringify(known) === JSON.stringify([...this.known])) return;
    this.known = new Map(known);
    this.draw();
  }

  /** The member `loras`; undefined for none. */
  members(): Sayable[] | undefined {
    const running = this.running().map(({ off: _, ...lora }) => lora);
    return running.length > 0 ? running : undefined;
  }

  override read(kept: Json): Lora | undefined {
    if (!isMembers(kept) || typeof kept.name !== "string") return undefined;
    const { name, weight: held, text_weight: text, off } = kept;
    return { name, weight: isWeight(held) ? held : 1, ...(isWeight(text) ? { text_weight: text } : {}), ...(off === true ? { off } : {}) };
  }

  override draw(): void {
    super.draw();
    const fitting = [...this.known].map(([id, lora]) => [id, titleOf(lora), misfit(lora.family, this.scene)] as const);
    fitting.sort((a, b) => Number(a[2] !== "") - Number(b[2] !== "") || a[1].localeCompare(b[1]));
    this.choice.fill(fitting);
    this.choice.unchoose();
  }

  protected override lack(): string {
    if (!this.scene.reads) return "This model takes no LoRAs.";
    return this.known.size > 0 ? "" : "No LoRAs here yet: put .safetensors files into a models folder.";
  }

  protected override lead(entry: Lora): HTMLElement {
    const lora = this.known.get(entry.name);
    const why = lora ? misfit(lora.family, this.scene) : "not on this machine";
    const head = make("div", "title", `${lora ? titleOf(lora) : entry.name}${why ? ` – ${why}` : ""}`);
    tip(head, lora ? described(lora) : entry.name);
    return head;
  }

  protected override lines(entry: Lora): HTMLElement[] {
    const set = weight(entry.weight, -2, 2, HELP, (value) => {
      entry.weight = value;
      this.touched();
    });
    const found = [make("div", "row", ...set)];
    const trigger = this.known.get(entry.name)?.trigger;
    if (typeof trigger === "string" && trigger) {
      const words = make("div", "words link", `+ ${trigger}`);
      tip(words, "Trigger words: a click puts them into the prompt");
      words.addEventListener("click", () => this.insert(trigger));
      found.push(words);
    }
    return found;
  }

  private chosen(name: string): void {
    this.choice.unchoose();
    if (this.known.has(name)) this.add({ name, weight: 1 });
  }
}

function described({ id, trigger, tags }: Members): string {
  const trained = Array.isArray(tags) && tags.length > 0 ? `Trained on: ${tags.slice(0, 8).map(String).join(", ")}` : "";
  return [String(id), trigger ? `Trigger words: ${String(trigger)}` : "", trained].filter(Boolean).join("\n");
}
