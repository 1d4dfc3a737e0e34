/** UXP's own widgets, as plain as they can be, in the look of Photoshop's dark theme. */

const LOOK = `
  :host { display: block; font: 12px "Adobe Clean", "Source Sans Pro", "Helvetica Neue", Arial, sans-serif; color: #dcdcdc; }
  input, textarea, select { box-sizing: border-box; width: 100%; margin: 0; font: inherit; color: inherit; background: #454545; border: 1px solid #666; border-radius: 4px; padding: 4px 7px; outline: none; }
  input:focus, textarea:focus, select:focus { border-color: #4b9cf5; }
  textarea { height: 56px; resize: none; display: block; }
  input[type=range] { padding: 0; border: none; background: none; accent-color: #b8b8b8; height: 16px; display: block; }
  ::placeholder { color: #9a9a9a; }
  button { box-sizing: border-box; width: 100%; font: inherit; font-weight: bold; border-radius: 16px; padding: 6px 14px; border: 2px solid #dcdcdc; color: #dcdcdc; background: none; white-space: nowrap; }
  :host([variant=cta]) button { background: #1473e6; border-color: #1473e6; color: #fff; }
  label { display: flex; align-items: center; }
  input[type=checkbox] { width: 14px; height: 14px; margin: 2px 6px 2px 0; accent-color: #4b9cf5; }
`;

abstract class Widget extends HTMLElement {
  protected readonly inner: ShadowRoot;

  constructor(html: string) {
    super();
    this.inner = this.attachShadow({ mode: "open", delegatesFocus: true });
    this.inner.innerHTML = `<style>${LOOK}</style>${html}`;
  }

  protected find<T extends HTMLElement>(selector: string): T {
    return this.inner.querySelector(selector) as T;
  }
}

abstract class Field extends Widget {
  static observedAttributes = ["placeholder", "maxlength", "min", "max", "value"];

  constructor(html: string) {
    super(html);
    // Unlike `input`, `change` does not leave a shadow tree by itself.
    this.field.addEventListener("change", () => this.dispatchEvent(new Event("change", { bubbles: true })));
  }

  protected get field(): HTMLInputElement {
    return this.find("input, textarea");
  }

  get value(): string {
    return this.field.value;
  }

  set value(value: string) {
    this.field.value = value;
  }

  attributeChangedCallback(name: string, _before: string | null, value: string | null): void {
    if (value === null) return;
    this.field.setAttribute(name, value);
    if (name === "value") this.field.value = value;
  }
}

class Textfield extends Field {
  constructor() {
    super(`<input type="text">`);
  }
}

class Textarea extends Field {
  constructor() {
    super(`<textarea></textarea>`);
  }
}

class Slider extends Field {
  constructor() {
    super(`<input type="range">`);
  }
}

class Checkbox extends Widget {
  static observedAttributes = ["checked"];

  constructor() {
    super(`<label><input type="checkbox"><slot></slot></label>`);
    this.find("input").addEventListener("change", () => this.dispatchEvent(new Event("change", { bubbles: true })));
  }

  get checked(): boolean {
    return this.find<HTMLInputElement>("input").checked;
  }

  set checked(checked: boolean) {
    this.find<HTMLInputElement>("input").checked = checked;
  }

  attributeChangedCallback(): void {
    this.checked = this.hasAttribute("checked");
  }
}

class Button extends Widget {
  constructor() {
    super(`<button><slot></slot></button>`);
  }
}

class Dropdown extends Widget {
  constructor() {
    super(`<select></select>`);
    this.list.addEventListener("change", () => this.dispatchEvent(new Event("change", { bubbles: true })));
    new MutationObserver(() => this.read()).observe(this, { childList: true, subtree: true, characterData: true });
  }

  private get list(): HTMLSelectElement {
    return this.find("select");
  }

  get selectedIndex(): number {
    this.read();
    return this.list.selectedIndex - this.extra;
  }

  set selectedIndex(index: number) {
    this.read();
    this.list.selectedIndex = index + this.extra;
  }

  private get extra(): number {
    return this.hasAttribute("placeholder") ? 1 : 0;
  }

  /** The items as options; the placeholder is a first one that cannot be chosen again. */
  private read(): void {
    const items = [...this.querySelectorAll("sp-menu-item")].map((item) => [item.textContent ?? "", item.hasAttribute("disabled")] as const);
    const placeholder = this.getAttribute("placeholder");
    const wanted = placeholder === null ? items : [[placeholder, false] as const, ...items];
    // Not `text`, which has no spaces at its ends.
    if (JSON.stringify(wanted) === JSON.stringify([...this.list.options].map(({ label, disabled }) => [label, disabled]))) return;
    const before = this.list.selectedIndex;
    this.list.replaceChildren(...wanted.map(([label, disabled]) => Object.assign(new Option(label), { label, disabled })));
    this.list.selectedIndex = Math.min(before, wanted.length - 1);
  }
}

export function define(): void {
  const tags: [string, CustomElementConstructor][] = [
    ["sp-textfield", Textfield], ["sp-textarea", Textarea], ["sp-slider", Slider], ["sp-checkbox", Checkbox], ["sp-button", Button], ["sp-dropdown", Dropdown],
    ["sp-menu", class extends HTMLElement {}], ["sp-menu-item", class extends HTMLElement {}],
  ];
  for (const [tag, element] of tags) customElements.define(tag, element);
}
