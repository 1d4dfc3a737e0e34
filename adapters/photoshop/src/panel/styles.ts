/** Styles: named sets of settings that the daemon keeps, for every editor alike. Nothing here knows what a setting means. */

import { isMembers, type Params } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import { Choice, byId, isShown, reveal } from "./widgets.js";

/** A style's members that the panel has controls for. The others go along with each job as they are. */
const SHOWN = new Set(["model", "prompt", "negative_prompt", "denoise_strength", "steps", "guidance_scale", "loras", "filters"]);
/** Those that are another for each picture: saved only if the style that was chosen had them. */
const ASKED_ANEW = new Set(["prompt", "denoise_strength"]);

interface Hands {
  /** Asks the daemon; undefined without one. */
  request(method: string, params: Params): Promise<unknown>;
  /** The painter chose a style: its settings go to the controls. */
  put(settings: Members | undefined, name: string): void;
  /** What the controls say now. */
  current(): Params;
  say(words: string): void;
  attempt(action: () => void | Promise<void>): void;
}

export class Styles {
  private known = new Map<string, Members>();
  private readonly list = new Choice(byId("style"), (name) => this.hands.put(this.known.get(name), name));

  constructor(private readonly hands: Hands, private wanted: string) {
    this.list.fill([["", "No style"]]);
    byId("style-save").addEventListener("click", () => this.ask(!isShown(byId("style-naming"))));
    byId("style-keep").addEventListener("click", () => hands.attempt(() => this.keep()));
    byId("style-remove").addEventListener("click", () => hands.attempt(() => this.remove()));
  }

  /** What `styles/list` answered. */
  offer(styles: Members[]): void {
    this.known = new Map(styles.map(({ name, settings }) => [String(name), isMembers(settings) ? settings : {}]));
    this.list.fill([["", "No style"], ...[...this.known.keys()].map((name) => [name, name] as const)], this.list.value || this.wanted);
    this.wanted = "";
  }

  /** The chosen style's settings that the panel does not show. */
  unshown(): Params {
    const chosen = this.known.get(this.list.value) ?? {};
    return Object.fromEntries(Object.entries(chosen).filter(([name]) => !SHOWN.has(name))) as Params;
  }

  /** Enter in the name's field. */
  named(): void {
    this.hands.attempt(() => this.keep());
  }

  private ask(open: boolean): void {
    reveal(byId("style-naming"), open);
    if (!open) return;
    byId("style-name").value = this.list.value;
    byId("style-name").focus();
  }

  private async keep(): Promise<void> {
    const name = byId("style-name").value.trim();
    if (!name) return this.hands.say("A style needs a name.");
    const chosen = this.known.get(this.list.value) ?? {};
    const shown = Object.entries(this.hands.current()).filter(([member, value]) => value !== undefined && (!ASKED_ANEW.has(member) || member in chosen));
    await this.hands.request("styles/put", { name, settings: { ...this.unshown(), ...Object.fromEntries(shown) } });
    this.wanted = name;
    this.list.unchoose();
    this.ask(false);
    this.hands.say(`“${name}” was saved, for every editor.`);
  }

  private async remove(): Promise<void> {
    const name = this.list.value;
    if (!name) return this.hands.say("Choose the style to delete first.");
    await this.hands.request("styles/remove", { name });
    this.hands.say(`“${name}” was deleted. What the panel shows stays as it is.`);
  }
}
