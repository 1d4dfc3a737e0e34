/** The panel: what the painter sees and touches. It holds no pixels and knows no frames. */

import { Connection, apart, type State } from "../daemon/connection.js";
import { fill, layerName, masking, type Mode, type Wish } from "../job/fill.js";
import { filter, filtered, type Call } from "../job/filtering.js";
import { Job, sentence } from "../job/job.js";
import { keep, look } from "../job/showing.js";
import type { Control as Steer, Steering } from "../job/steering.js";
import { activeTarget, glance, openDocument, Sorry, type Margins, type Target } from "../photoshop/target.js";
import { isMembers, type Params } from "../protocol/conversation.js";
import type { Members } from "../protocol/frames.js";
import type { Json } from "../protocol/json.js";
import { Chain, type Step } from "./chain.js";
import { Controls } from "./controls.js";
import { History } from "./history.js";
import { Loras } from "./loras.js";
import { Models } from "./models.js";
import { Notes } from "./notes.js";
import { Queue } from "./queue.js";
import { Regions } from "./regions.js";
import { MODES, load, save } from "./settings.js";
import { Styles } from "./styles.js";
import { byId, fold, isShown, make, reveal, tip } from "./widgets.js";

const LABELS: Record<Mode, [label: string, tip: string]> = {
  fill: ["Fill", "Repaint the selection so that it belongs to its surroundings"],
  add: ["Add", "Paint something new inside the selection"],
  remove: ["Remove", "Make what is selected disappear"],
  expand: ["Expand", "Continue the picture into the selection, or where the canvas is empty"],
  background: ["Background", "Keep what is selected, and paint a new background around it"],
  generate: ["Generate", "Paint the whole canvas, or all of the selection, from the prompt"],
};
/** How often the panel looks what is selected, while it is shown: no event tells of every change. */
const GLANCE_MS = 700;
const MARGINS = ["margin-left", "margin-top", "margin-right", "margin-bottom"];

export class Panel {
  readonly connection = new Connection();
  private readonly settings = load();
  private readonly queue = new Queue(this.connection);
  private readonly modes = new Map<Mode, HTMLElement>();
  private readonly model = new Models(byId("model"), this.settings.model, (value) => this.set("model", value));
  private readonly notes = new Notes();
  private readonly loras = new Loras(() => this.set("loras", this.loras.kept()), (words) => this.insert(words));
  private readonly controls = new Controls(() => this.steered(), () => this.keepNote(), {
    offered: () => this.connection.state.kind === "ready" && this.connection.state.server.caps.includes("preprocess"),
    look: (control, title, seen) => this.showing(control, title, "Show", async (job, wish) => seen(await look(job, wish, control)), () => seen(undefined)),
    keep: (control, title, kept) => this.showing(control, title, "Keep as layer", (job, wish) => keep(job, wish, control, kept)),
  });
  private readonly regions = new Regions(() => this.steered(), () => this.keepNote());
  private readonly styles = new Styles({
    request: async (method, params) => (await this.connection.session(() => true)).conversation.request(method, params),
    put: (settings, name) => this.chooseStyle(settings, name),
    current: () => ({ ...this.wanted(), seed: undefined, batch: undefined, prompt: this.settings.prompt || undefined, loras: this.loras.members(), filters: this.running() }),
    say: (words) => this.say(words),
    attempt: (action) => this.attempt(action),
  }, this.settings.style);
  private readonly chain = new Chain(byId("chain"), byId("add-filter"), () => this.set("chain", this.chain.steps));
  private readonly history = new History({
    connection: this.connection,
    play: (job, story) => this.play(job, story),
    useSeed: (seed) => this.useSeed(seed),
    attempt: (action) => this.attempt(action),
  });
  private lastSeed: string | undefined;
  private said = "";
  private glances: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.build();
    this.connection.onState = (state) => this.connected(state);
    this.connection.listen(({ method }) => {
      if (method === "queue/changed") void this.queue.look();
      if (method === "models/changed") this.attempt(() => this.lookForModels());
      if (method === "styles/changed") this.attempt(() => this.lookForStyles());
      if (method === "filters/changed") this.attempt(() => this.lookForFilters());
      if (method === "history/changed") this.history.invalidate();
      if (method === "server/closing") this.say("Underpaint is closing.");
    });
    void this.connection.run();
  }

  shown(): void {
    this.glance();
    this.glances ??= setInterval(() => this.glance(), GLANCE_MS);
  }

  hidden(): void {
    clearInterval(this.glances);
    this.glances = undefined;
  }

  /** Photoshop is closing: nobody will be there for what is under way. */
  destroy(): void {
    this.hidden();
    for (const job of this.queue.jobs) job.cancel();
    this.connection.stop();
  }

  /** The big button, Ctrl+Enter, and the menu command. */
  start(): void {
    this.attempt(() => {
      const held = this.queue.jobs.find(({ phase }) => phase === "held");
      if (held) return void this.replay(held);
      if (this.connection.state.kind !== "ready") throw new Sorry(this.absence());
      this.lookAtDocument();
      // Where nothing but the picture is looked at, nothing steers.
      const { reads } = this.model.scene(true);
      const { target, wish } = this.wish({ controls: reads ? this.controls.wanted() : [], regions: reads ? this.regions.wanted() : [] });
      const { mode, prompt } = wish;
      const job = new Job(this.connection, target, layerName(prompt, LABELS[mode][0], undefined), LABELS[mode][0]);
      this.play(job, () => fill(job, wish));
    });
  }

  /** What would be painted now, and where. */
  private wish(steering: Steering): { target: Target; wish: Wish } {
    const { mode, prompt } = this.settings;
    const target = activeTarget();
    if (mode === "expand") target.margins = this.margins();
    masking(mode, target);
    const loras = this.model.scene(true).reads ? this.loras.members() : undefined;
    const settings: Params = { ...this.styles.unshown(), ...this.wanted(), loras };
    return { target, wish: { mode, prompt, settings, filters: this.running(), steering } };
  }

  /** Begins a job that makes what `control` would be shown, `title`; `missed` is called where it does not come. */
  private showing(control: Steer, title: string, command: string, story: (job: Job, wish: Wish) => Promise<void>, missed = () => {}): Job | undefined {
    let begun: Job | undefined;
    this.attempt(() => {
      if (this.connection.state.kind !== "ready") throw new Sorry(this.absence());
      const { target, wish } = this.wish({ controls: [control], regions: [] });
      const job = (begun = new Job(this.connection, target, title, command));
      this.play(job, async () => {
        try {
          await story(job, wish);
        } catch (error) {
          missed();
          throw error;
        }
      });
    });
    return begun;
  }

  cancel(): void {
    this.queue.jobs.find(({ phase }) => phase === "working")?.cancel();
  }

  // How jobs go

  private play(job: Job, story: () => Promise<void>): void {
    this.queue.add(job);
    job.onChange = () => {
      this.queue.draw(job);
      if (job.phase !== "working" && this.queue.jobs.includes(job)) this.stopped(job);
      else this.look();
    };
    void job.play(story);
    this.say("");
  }

  private replay(job: Job): void {
    void job.placeAgain();
    this.say("");
  }

  /** A job is over, or waits for Photoshop. */
  private stopped(job: Job): void {
    if (job.phase !== "held") this.queue.remove(job);
    if (job.seed !== undefined) this.lastSeed = job.seed;
    tip(byId("status"), Object.entries(job.times).map(([part, ms]) => `${part} ${Math.round(ms)} ms`).join(", "));
    this.say(job.text);
  }

  private filterLayer(): void {
    if (this.connection.state.kind !== "ready") throw new Sorry(this.absence());
    const filters = this.chain.running();
    if (!filters) throw new Sorry("There is no filter that is switched on. Add one first.");
    const target = activeTarget();
    filtered(target);
    const title = this.chain.title();
    const job = new Job(this.connection, target, title, "Apply filters");
    this.play(job, () => filter(job, filters, title));
  }

  /** The filters that run over what is painted. */
  private running(): Call[] | undefined {
    return this.settings.withFills ? this.chain.running() : undefined;
  }

  /** The members of `generate` that the panel's controls say; those left alone are absent. */
  private wanted(): Params {
    const { negative, strength, model, steps, guidance, seed, batch, mode } = this.settings;
    const number = (text: string, what: string, min: number, max: number) => {
      if (text.trim() === "") return undefined;
      const value = Number(text.replace(",", "."));
      if (!(value >= min && value <= max)) throw new Sorry(`${what} “${text}” is not a number from ${min} to ${max}.`);
      return value;
    };
    if (!/^\d{0,20}$/.test(seed.trim())) throw new Sorry(`The seed “${seed}” is no whole number. Leave it empty for a random one.`);
    return {
      model: model || undefined,
      negative_prompt: negative || undefined,
      denoise_strength: mode === "remove" || strength === 100 ? undefined : strength / 100,
      steps: number(steps, "Steps", 1, 1000),
      guidance_scale: number(guidance, "Guidance", 0, 100),
      seed: seed.trim() || undefined,
      batch: batch > 1 ? batch : undefined,
    };
  }

  private margins(): Margins {
    const [left = 0, top = 0, right = 0, bottom = 0] = this.settings.margins.map((text) => {
      if (!/^\d{0,5}$/.test(text.trim())) throw new Sorry(`The canvas cannot be enlarged by “${text}” pixels. Type a whole number, or nothing.`);
      return Number(text);
    });
    return { left, top, right, bottom };
  }

  // What the painter sees

  private build(): void {
    const settings = this.settings;
    for (const mode of MODES) {
      const button = make("div", "mode", LABELS[mode][0]);
      button.id = `mode-${mode}`;
      tip(button, LABELS[mode][1]);
      button.addEventListener("click", () => this.set("mode", mode));
      byId("modes").appendChild(button);
      this.modes.set(mode, button);
    }
    this.text("prompt", "prompt");
    this.text("negative", "negative");
    this.text("steps", "steps");
    this.text("guidance", "guidance");
    this.text("seed", "seed");
    MARGINS.forEach((id, i) => {
      const field = byId(id);
      field.value = settings.margins[i] ?? "";
      field.addEventListener("input", () => this.set("margins", settings.margins.map((text, k) => (k === i ? field.value : text))));
    });
    this.number("strength", " %");
    this.number("batch", "");
    this.chain.set(settings.chain);
    byId("with-fills").checked = settings.withFills;
    byId("with-fills").addEventListener("change", () => this.set("withFills", byId("with-fills").checked));
    byId("apply").addEventListener("click", () => this.attempt(() => this.filterLayer()));
    byId("last-seed").addEventListener("click", () => this.lastSeed !== undefined && this.useSeed(this.lastSeed));
    for (const name of ["loras", "controls", "regions", "filters", "more", "history"]) {
      const folded = fold(byId(`${name}-fold`), byId(name), (open) => {
        this.set("open", open ? [...settings.open, name] : settings.open.filter((other) => other !== name));
        if (name === "history" && open) this.attempt(() => this.history.look());
      });
      folded.open(settings.open.includes(name));
      if (name === "loras" || name === "controls" || name === "regions") this[name].count = folded.count;
    }
    this.loras.set(settings.loras);
    byId("go").addEventListener("click", () => this.start());
    byId("pair").addEventListener("click", () => this.pair());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.start();
      } else if (event.key === "Enter" && document.activeElement?.id === "code") {
        this.pair();
      } else if (event.key === "Enter" && document.activeElement?.id === "style-name") {
        this.styles.named();
      } else if (event.key === "Escape") {
        this.cancel();
      }
    });
    this.look();
  }

  private text(id: string, name: "prompt" | "negative" | "steps" | "guidance" | "seed"): void {
    const control = byId(id);
    control.value = this.settings[name];
    control.addEventListener("input", () => this.set(name, control.value));
  }

  private number(name: "strength" | "batch", unit: string): void {
    const control = byId(name);
    const tell = () => (byId(`${name}-value`).textContent = `${this.settings[name]}${unit}`);
    control.value = String(this.settings[name]);
    tell();
    control.addEventListener("input", () => {
      this.set(name, Math.round(Number(control.value)));
      tell();
    });
  }

  private set<K extends keyof typeof this.settings>(name: K, value: (typeof this.settings)[K]): void {
    this.settings[name] = value;
    save(name, value);
    this.say("");
  }

  /** Puts words at the end of the prompt, unless they are in it. */
  private insert(words: string): void {
    const { prompt } = this.settings;
    if (prompt.includes(words)) return;
    byId("prompt").value = prompt.trim() ? `${prompt.trimEnd()}, ${words}` : words;
    this.set("prompt", byId("prompt").value);
  }

  private useSeed(seed: string): void {
    byId("seed").value = seed;
    this.set("seed", seed);
    this.say(`The next picture uses the seed ${seed}.`);
  }

  /** Brings everything that follows from elsewhere up to date. What Photoshop does not tell now, it tells at the next glance. */
  private look(): void {
    apart(() => this.lookAround());
  }

  /** The chosen mode, the button and the sentence; then what only Photoshop knows. */
  private lookAround(): void {
    const { mode } = this.settings;
    const { state } = this.connection;
    for (const [other, button] of this.modes) button.className = other === mode ? "mode chosen" : "mode";
    reveal(byId("strength-row"), mode !== "remove");
    reveal(byId("margins-row"), mode === "expand");
    reveal(byId("pairing"), state.kind === "pairing");
    byId("light").className = state.kind;
    const held = this.queue.jobs.some(({ phase }) => phase === "held");
    const busy = this.queue.jobs.length > 0;
    byId("go").textContent = held ? "Place layer" : busy ? `${LABELS[mode][0]} another` : LABELS[mode][0];
    byId("status").textContent = this.said || this.hint();
    this.lookAtDocument();
    for (const job of [...this.queue.jobs]) {
      if (job.phase === "working" && !openDocument(job.target)) job.cancel("The picture was closed, so its job was cancelled.");
    }
  }

  /** Another document may be in front, with what belongs to it. */
  private lookAtDocument(): void {
    const note = this.notes.look();
    const scene = this.model.scene(this.notes.any);
    for (const section of [this.loras, this.controls, this.regions]) section.suit(scene);
    if (note) {
      this.controls.set(note.controls);
      this.regions.set(note.regions);
    }
  }

  /** What no event tells of: what is selected, and what the layers are called. */
  private glance(): void {
    this.look();
    apart(() => {
      for (const name of ["controls", "regions"] as const) {
        if (isShown(byId(name))) this[name].look();
      }
    });
  }

  private keepNote(): void {
    this.notes.keep({ controls: this.controls.kept(), regions: this.regions.kept() });
  }

  private steered(): void {
    this.keepNote();
    this.say("");
  }

  /** What the sentence says while there is nothing to say. */
  private hint(): string {
    if (this.connection.state.kind !== "ready") return this.absence();
    if (this.queue.jobs.length > 0) return "";
    const document = glance();
    if (!document) return "Open a picture to begin.";
    const { mode, margins } = this.settings;
    if (mode === "expand" && margins.some((text) => Number(text) > 0)) return "The canvas is enlarged, and the picture continued there.";
    if (document.selection) return `${document.selection.w} × ${document.selection.h} pixels are selected.`;
    if (mode === "generate") return "The whole canvas is painted.";
    if (mode === "expand") return "Where the canvas is empty, the picture is continued.";
    return mode === "background" ? "Select what is to stay." : `Select the part to ${mode === "add" ? "add something to" : mode}.`;
  }

  private absence(): string {
    const { state } = this.connection;
    if (state.kind === "pairing") return state.why ?? "Underpaint is running and waits to be paired.";
    if (state.kind !== "absent") return "Looking for Underpaint…";
    return state.why ?? "Underpaint is not running. Start it with `underpaint serve`; this panel finds it by itself.";
  }

  private say(words: string): void {
    this.said = words;
    this.look();
  }

  /** Does something the painter asked for; what goes wrong becomes the sentence. */
  private attempt(action: () => void | Promise<void>): void {
    const told = (error: unknown) => this.say(sentence(error, LABELS[this.settings.mode][0]));
    try {
      void Promise.resolve(action()).catch(told);
    } catch (error) {
      told(error);
    }
  }

  // The daemon and its lists

  private connected(state: State): void {
    if (state.kind !== "ready") return this.look();
    this.said = "";
    this.look();
    const topics = ["queue", "models", "filters", "styles", ...(state.server.caps.includes("history") ? ["history"] : [])];
    this.attempt(async () => {
      await state.session.conversation.request("subscribe", { topics });
      await Promise.all([this.lookForModels(), this.lookForStyles(), this.lookForFilters(), this.queue.look()]);
      this.history.invalidate();
      await this.history.look();
    });
  }

  private pair(): void {
    this.attempt(async () => {
      const code = byId("code").value.replace(/\s/g, "");
      if (!/^\d{6}$/.test(code)) throw new Sorry("The code has six digits. `underpaint pair` shows it.");
      this.say("Pairing…");
      await this.connection.pair(code);
      byId("code").value = "";
      this.say("");
    });
  }

  private async ask(method: string): Promise<Members[]> {
    if (this.connection.state.kind !== "ready") return [];
    const list: Json = await this.connection.state.session.conversation.request(method);
    return Array.isArray(list) ? list.filter(isMembers) : [];
  }

  /** The models that paint, and then what may steer them. */
  private async lookForModels(): Promise<void> {
    this.model.offer(await this.ask("models/list"), this.settings.model);
    this.look();
    this.loras.offer(await this.ask("loras/list"));
    this.controls.offer(await this.ask("controls/list"));
  }

  private async lookForFilters(): Promise<void> {
    this.chain.offer(await this.ask("filters/list"));
  }

  private async lookForStyles(): Promise<void> {
    this.styles.offer(await this.ask("styles/list"));
  }

  /** A chosen style's members go to the controls that show them. */
  private chooseStyle(style: Members | undefined, name: string): void {
    this.set("style", name);
    if (!style) return;
    const put = (id: string, key: "prompt" | "negative" | "steps" | "guidance", value: Json | undefined) => {
      if (value === undefined) return;
      byId(id).value = String(value);
      this.set(key, String(value));
    };
    put("prompt", "prompt", style.prompt);
    put("negative", "negative", style.negative_prompt ?? "");
    put("steps", "steps", style.steps ?? "");
    put("guidance", "guidance", style.guidance_scale ?? "");
    if (typeof style.model === "string") this.model.choose(style.model);
    if (typeof style.denoise_strength === "number") {
      const percent = Math.max(1, Math.round(style.denoise_strength * 100));
      byId("strength").value = String(percent);
      byId("strength-value").textContent = `${percent} %`;
      this.set("strength", percent);
    }
    const steps = (Array.isArray(style.filters) ? style.filters : []).filter(isMembers).filter(({ name }) => typeof name === "string");
    this.chain.set(steps.map(({ name, params }): Step => ({ name: String(name), params: isMembers(params) ? params : {} })));
    this.set("chain", this.chain.steps);
    this.loras.set(style.loras);
    this.set("loras", this.loras.kept());
  }
}
