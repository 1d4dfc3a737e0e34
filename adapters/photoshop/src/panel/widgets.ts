/**
 * The widgets the panel is made of: UXP's own `sp-…` elements and plain boxes, and how to fill and read them.
 *
 * Decision: of the DOM only what Adobe's typings of UXP name is used, by the plainest way there is: attributes, and lists
 * of our own instead of live collections.
 */

import type { Picture } from "../protocol/images.js";

/** An `sp-…` control, as far as the panel uses one. */
export interface Control extends HTMLElement {
  value: string;
  checked: boolean;
  disabled: boolean;
}

interface Dropdown extends Control {
  selectedIndex: number;
}

export function byId<T extends HTMLElement = Control>(id: string): T {
  return document.getElementById(id) as unknown as T;
}

/** An element with a class and what is in it. */
export function make<T extends HTMLElement = HTMLElement>(tag: string, className = "", ...children: (HTMLElement | string)[]): T {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) element.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
  return element as unknown as T;
}

/** A small button that shows a sign. */
export function tool(sign: string, title: string, pressed: () => void): HTMLElement {
  const element = make("div", "tool", sign);
  tip(element, title);
  element.addEventListener("click", pressed);
  return element;
}

/** What is said of an element while the pointer rests on it. */
export function tip(element: HTMLElement, words: string): void {
  element.setAttribute("title", words);
}

/** Shows an element, or takes it away. */
export function reveal(element: HTMLElement, shown: boolean): void {
  if (shown) element.removeAttribute("hidden");
  else element.setAttribute("hidden", "");
}

export function isShown(element: HTMLElement): boolean {
  return !element.hasAttribute("hidden");
}

export function clear(element: HTMLElement): void {
  while (element.firstChild) element.removeChild(element.firstChild);
}

/** An entry to choose: a value, what is shown for it, and why it cannot be chosen, if so. */
export type Option = readonly [value: string, label: string, whyNot?: string];

/** A list to choose from. */
export class Choice {
  private values: string[] = [];

  constructor(private readonly element: Control, chosen: (value: string) => void) {
    element.addEventListener("change", () => chosen(this.value));
  }

  /** Replaces the entries; the chosen value stays if it still is among them, else the first one is. */
  fill(entries: readonly Option[], chosen = this.value): void {
    const menu = this.element.querySelector("sp-menu") as HTMLElement;
    clear(menu);
    for (const [, label, whyNot] of entries) {
      const item = make("sp-menu-item", "", whyNot ? `${label}, ${whyNot}` : label);
      if (whyNot) item.setAttribute("disabled", "");
      menu.appendChild(item);
    }
    this.values = entries.map(([value]) => value);
    this.value = chosen;
  }

  get value(): string {
    return this.values[(this.element as Dropdown).selectedIndex] ?? "";
  }

  set value(value: string) {
    (this.element as Dropdown).selectedIndex = Math.max(0, this.values.indexOf(value));
  }

  /** Shows none of the entries as chosen. */
  unchoose(): void {
    (this.element as Dropdown).selectedIndex = -1;
  }
}

/** An empty list to choose from, made rather than found. */
export function dropdown(className = "grow"): Control {
  const menu = make("sp-menu");
  menu.setAttribute("slot", "options");
  return make<Control>("sp-dropdown", className, menu);
}

/** A heading that folds what follows it; `count` tells how many are on inside. */
export function fold(heading: HTMLElement, body: HTMLElement, toggled: (open: boolean) => void): { open(open: boolean): void; count(on: number): void } {
  const words = heading.textContent ?? "";
  let on = 0;
  const tell = () => (heading.textContent = `${isShown(body) ? "▾" : "▸"} ${words}${on > 0 ? ` (${on})` : ""}`);
  const open = (shown: boolean) => {
    reveal(body, shown);
    tell();
  };
  heading.addEventListener("click", () => {
    open(!isShown(body));
    toggled(isShown(body));
  });
  const count = (now: number) => {
    on = now;
    tell();
  };
  return { open, count };
}

/** A slider that counts in steps of its own: UXP's counts in whole numbers. */
export function slider(value: number, min: number, max: number, step: number, moved: (value: number) => void): Control {
  const bar = make<Control>("sp-slider", "grow");
  bar.setAttribute("min", "0");
  bar.setAttribute("max", String(Math.max(1, Math.round((max - min) / step))));
  bar.setAttribute("show-value", "false");
  setSlider(bar, value, min, step);
  bar.addEventListener("input", () => moved(Math.min(max, Number((min + Number(bar.value) * step).toPrecision(8)))));
  return bar;
}

/** Moves such a slider. */
export function setSlider(bar: Control, value: number, min: number, step: number): void {
  bar.value = String(Math.round((value - min) / step));
}

const shown = new WeakMap<HTMLImageElement, string>();

/** Shows raw pixels in an image, as large as fits; undefined shows nothing. */
export function show(element: HTMLImageElement, picture: Picture | undefined, most: { w: number; h: number }): void {
  const before = shown.get(element);
  if (!picture || picture.px !== "rgba8") {
    element.removeAttribute("src");
  } else {
    const { w, h, pixels } = picture;
    const blob = new ImageBlob(pixels.slice().buffer, {
      type: "image/uncompressed", width: w, height: h, colorSpace: "RGB", colorProfile: "sRGB IEC61966-2.1", pixelFormat: "RGBA",
      components: 4, componentSize: 8, hasAlpha: true,
    });
    const url = URL.createObjectURL(blob);
    const scale = Math.min(most.w / w, most.h / h);
    element.style.width = `${Math.max(1, Math.round(w * scale))}px`;
    element.style.height = `${Math.max(1, Math.round(h * scale))}px`;
    element.src = url;
    shown.set(element, url);
  }
  if (before) URL.revokeObjectURL(before);
}
