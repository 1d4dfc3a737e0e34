/**
 * Write an Underpaint filter in AssemblyScript: this file, `transform.mjs`, and one file of yours, as in `template/`.
 *
 * A filter is a class that extends `Filter`; `start(new MyFilter())` makes it the filter of the module, and
 * `export { cabi_realloc, describe, prepare, process, survey, learn } from "./underpaint-filter/underpaint_filter"`
 * lets the host call it. What a filter may do and what the numbers mean is written in filter.wit; this is that
 * contract, lowered by hand as the canonical ABI of the component model has it.
 *
 * Decision: pixels stay where the host put them. `Values` reads and writes that memory without a bounds check, as a
 * pointer does; a mistake there spoils the filter's own memory and nothing else.
 */

/** Pixels in memory: four values for each, r, g, b, a with straight alpha, row after row. */
@unmanaged
export class Values<T> {
  @operator("[]") @inline
  get(i: i32): T {
    return load<T>(changetype<usize>(this) + (<usize>i) * sizeof<T>());
  }
  @operator("[]=") @inline
  set(i: i32, value: T): void {
    store<T>(changetype<usize>(this) + (<usize>i) * sizeof<T>(), value);
  }
  /** 16 bytes from value `i` on: of `f32`, a pixel. */
  @inline
  lanes(i: i32): v128 {
    return v128.load(changetype<usize>(this) + (<usize>i) * sizeof<T>());
  }
  @inline
  setLanes(i: i32, value: v128): void {
    v128.store(changetype<usize>(this) + (<usize>i) * sizeof<T>(), value);
  }
  /** What lies from value `i` on. */
  @inline
  from(i: i32): Values<T> {
    return changetype<Values<T>>(changetype<usize>(this) + (<usize>i) * sizeof<T>());
  }
}

/** sRGB-encoded, straight alpha, each 0..=1. */
export class Color {
  constructor(public r: f32, public g: f32, public b: f32, public a: f32 = 1) {}
}

export enum Sample { Uint8, Uint16, Float32 }
export enum Encoding { Srgb, Linear }
export enum Role { Original, Mask, Before, Generated, Image }
export enum Level { Debug, Info, Warn, Error }

/** What a painter sees of a filter. */
export class About {
  title: string = "";
  description: string = "";
  encoding: Encoding = Encoding.Srgb;
  /** The sample types it takes. */
  samples: Sample[] = [Sample.Float32];
  private params: usize = heap.alloc(64 * PARAM);
  private count: i32 = 0;
  private inputs: usize = heap.alloc(8 * INPUT);
  private inputCount: i32 = 0;

  /** A number with a slider of a hundred steps. */
  float(name: string, label: string, help: string, initial: f32, min: f32, max: f32): Param {
    const at = this.param(name, label, help, 0);
    store<f32>(at, initial, 36);
    store<f32>(at, min, 40);
    store<f32>(at, max, 44);
    store<f32>(at, max > min ? (max - min) / 100 : 1, 48);
    text(at + 52, "");
    return changetype<Param>(at);
  }
  /** A whole number. */
  int(name: string, label: string, help: string, initial: i32, min: i32, max: i32): Param {
    const at = this.param(name, label, help, 1);
    store<i32>(at, initial, 36);
    store<i32>(at, min, 40);
    store<i32>(at, max, 44);
    store<u32>(at, 1, 48);
    text(at + 52, "");
    return changetype<Param>(at);
  }
  /** A switch. */
  bool(name: string, label: string, help: string, initial: bool): Param {
    const at = this.param(name, label, help, 2);
    store<bool>(at, initial, 36);
    return changetype<Param>(at);
  }
  /** One of some choices, given as name, label, name, label, …; `initial` counts them from 0. */
  choice(name: string, label: string, help: string, initial: i32, choices: string[]): Param {
    const at = this.param(name, label, help, 3);
    const list = heap.alloc(choices.length * 8);
    for (let i = 0; i < choices.length; i++) text(list + i * 8, choices[i]);
    store<u32>(at, initial, 36);
    store<usize>(at, list, 40);
    store<i32>(at, choices.length / 2, 44);
    return changetype<Param>(at);
  }
  color(name: string, label: string, help: string, initial: Color): Param {
    const at = this.param(name, label, help, 4);
    store<f32>(at, initial.r, 36);
    store<f32>(at, initial.g, 40);
    store<f32>(at, initial.b, 44);
    store<f32>(at, initial.a, 48);
    return changetype<Param>(at);
  }
  /** Words, or with `multiline` a text file's content. */
  words(name: string, label: string, help: string, initial: string, maxBytes: i32, multiline: bool = false): Param {
    const at = this.param(name, label, help, 5);
    text(at + 36, initial);
    store<i32>(at, maxBytes, 44);
    store<bool>(at, multiline, 48);
    return changetype<Param>(at);
  }
  /** A number to draw randomness from. */
  seed(name: string, label: string, help: string, initial: u32): Param {
    const at = this.param(name, label, help, 6);
    store<u32>(at, initial, 36);
    return changetype<Param>(at);
  }
  /** Pixels wanted besides the picture's. */
  input(role: Role, name: string, label: string = "", help: string = "", required: bool = false): void {
    assert(this.inputCount < 8, "a filter has at most 8 inputs");
    const at = this.inputs + this.inputCount++ * INPUT;
    text(at, name);
    text(at + 8, label);
    text(at + 16, help);
    store<u8>(at, <u8>role, 24);
    store<bool>(at, required, 25);
  }

  private param(name: string, label: string, help: string, kind: u8): usize {
    assert(this.count < 64, "a filter has at most 64 parameters");
    const at = this.params + this.count++ * PARAM;
    text(at, name);
    text(at + 8, label);
    text(at + 16, help);
    text(at + 24, "");
    store<u8>(at, kind, 32);
    return at;
  }

  lower(): usize {
    const at = heap.alloc(44);
    const samples = heap.alloc(3);
    for (let i = 0; i < this.samples.length; i++) store<u8>(samples + i, <u8>this.samples[i]);
    text(at, this.title);
    text(at + 8, this.description);
    list(at + 16, this.params, this.count);
    list(at + 24, this.inputs, this.inputCount);
    list(at + 32, samples, this.samples.length);
    store<u8>(at, <u8>this.encoding, 40);
    return at;
  }
}

/** A parameter just made, for what few need: `about.float(…).step(0.5).unit("px").group("Shape")`. */
@unmanaged
export class Param {
  /** What one click changes; a whole number for `int`. */
  step(size: f32): Param {
    if (load<u8>(changetype<usize>(this), 32) == 0) store<f32>(changetype<usize>(this), size, 48);
    else store<u32>(changetype<usize>(this), <u32>size, 48);
    return this;
  }
  unit(words: string): Param {
    text(changetype<usize>(this) + 52, words);
    return this;
  }
  group(heading: string): Param {
    text(changetype<usize>(this) + 24, heading);
    return this;
  }
}

/** A whole picture of an input of role `Image`. */
export class Image {
  constructor(public width: i32, public height: i32, private start: usize) {}
  pixels<T>(): Values<T> {
    return changetype<Values<T>>(this.start);
  }
}

/** One run. Parameters and inputs are counted from 0, in the order they were described. */
export class Request {
  width: i32 = 0;
  height: i32 = 0;
  sample: Sample = Sample.Float32;
  /** Below 1 in a preview: multiply lengths in pixels by it. */
  scale: f32 = 1;
  /** All randomness comes from it and a pixel's position. */
  seed: u64 = 0;
  params: usize = 0;
  inputs: usize = 0;

  float(i: i32): f32 {
    return load<f32>(this.value(i));
  }
  int(i: i32): i32 {
    return load<i32>(this.value(i));
  }
  bool(i: i32): bool {
    return load<bool>(this.value(i));
  }
  choice(i: i32): i32 {
    return load<i32>(this.value(i));
  }
  color(i: i32): Color {
    const at = this.value(i);
    return new Color(load<f32>(at), load<f32>(at, 4), load<f32>(at, 8), load<f32>(at, 12));
  }
  words(i: i32): string {
    const at = this.value(i);
    return String.UTF8.decodeUnsafe(load<usize>(at), load<usize>(at, 4));
  }
  seedOf(i: i32): u32 {
    return load<u32>(this.value(i));
  }
  /** True if there is anything of the input. */
  has(i: i32): bool {
    return load<u8>(this.inputs + i * GIVEN) != 0;
  }
  /** The picture of an input of role `Image`; null where there is none. */
  image(i: i32): Image | null {
    const at = this.inputs + i * GIVEN;
    return load<u8>(at) == 2 ? new Image(load<i32>(at, 4), load<i32>(at, 8), load<usize>(at, 16)) : null;
  }

  private value(i: i32): usize {
    return this.params + i * VALUE + 4;
  }
}

/** How a run goes. Begins with the picture's size and no pass, which leaves the picture as it is. */
export class Plan {
  width: i32 = 0;
  height: i32 = 0;
  count: i32 = 0;
  // One more than may be: the host says so.
  passes: usize = heap.alloc(17 * 8);

  /** Each pixel depends on itself and its position alone. */
  pointwise(): void {
    this.add(0, 0);
  }
  /** Tiles on all cores, each with `halo` more pixels on every side, 0..=512. */
  tiles(halo: i32): void {
    this.add(1, halo);
  }
  /** The whole picture as one tile, on one core. */
  wholePicture(): void {
    this.add(2, 0);
  }
  /** `survey` sees every tile, then `learn` hears all answers. */
  survey(): void {
    this.add(3, 0);
  }

  private add(kind: u8, halo: i32): void {
    const at = this.passes + min(this.count, 16) * 8;
    store<u8>(at, kind);
    store<i32>(at, halo, 4);
    this.count = min(this.count + 1, 17);
  }
}

/** Pixels to turn into pixels. Colour under alpha 0 is 0 and means nothing: weigh by alpha. */
export class Tile {
  /** From 0, surveys included. */
  pass: i32 = 0;
  sample: Sample = Sample.Float32;
  /** What to make: left, top and size in pixels of the result. */
  x: i32 = 0;
  y: i32 = 0;
  width: i32 = 0;
  height: i32 = 0;
  /** What `pixels` covers: the area and the halo, in pixels of the picture. */
  sourceX: i32 = 0;
  sourceY: i32 = 0;
  sourceWidth: i32 = 0;
  sourceHeight: i32 = 0;
  start: usize = 0;
  inputs: usize = 0;
  made: usize = 0;

  /** What the pass before made, or the picture. Yours to write into. */
  @inline
  pixels<T>(): Values<T> {
    return changetype<Values<T>>(this.start);
  }
  /** The n-th input that comes with tiles; covers what `pixels` covers. */
  @inline
  input<T>(n: i32): Values<T> {
    return changetype<Values<T>>(load<usize>(this.inputs + n * PIXELS, 4));
  }
  /** Where `width * height * 4` new values go. Not cleared. */
  @inline
  out<T>(): Values<T> {
    return changetype<Values<T>>(this.made);
  }
  /** Where pixel `x`, `y` of the picture lies in `pixels` and in every input. */
  @inline
  at(x: i32, y: i32): i32 {
    return ((y - this.sourceY) * this.sourceWidth + x - this.sourceX) * 4;
  }
}

/** What a filter is. Functions return null when all is well, else one sentence for the painter. */
export abstract class Filter {
  /** Title, description, parameters, inputs: always the same. */
  abstract about(about: About): void;

  /** Begins a run in this instance: read parameters, make tables, say how the picture is cut. */
  abstract prepare(request: Request, plan: Plan): string | null;

  /** The area's pixels into `tile.out`. Must not depend on which tiles came before, nor on how the picture was cut. */
  abstract process(tile: Tile): string | null;

  /** What is to be known of a tile, in at most 65536 bytes appended to `answer`. */
  survey(tile: Tile, answer: u8[]): string | null {
    return null;
  }

  /** All answers to a survey, in the order of its tiles, row by row. */
  learn(pass: i32, answers: Uint8Array[]): string | null {
    return null;
  }
}

/** Makes this the filter of the module. */
export function start(it: Filter): void {
  filter = it;
}

/** In place of a sentence alone: shown beside the parameter or input of this name. */
export function badParameter(name: string, message: string): string {
  parameter = name;
  return message;
}

/** A line for the author or, from `Level.Warn` on, the painter. */
export function log(level: Level, line: string): void {
  const bytes = String.UTF8.encode(line);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

/** How much of a whole picture is done, 0..=1. */
// @ts-ignore: decorator
@external("underpaint:filter/host@1.0.0", "progress")
export declare function progress(fraction: f32): void;

/** True once nobody wants the result any more; a courtesy, the filter is stopped in any case. */
// @ts-ignore: decorator
@external("underpaint:filter/host@1.0.0", "cancelled")
export declare function cancelled(): bool;

// @ts-ignore: decorator
@external("underpaint:filter/host@1.0.0", "log")
declare function hostLog(level: i32, start: usize, len: usize): void;

/** What a failed `assert` and `throw` become: the sentence the run ends with. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const where = file !== null ? `${file}:${line}: ` : "";
  log(Level.Error, where + (message !== null ? message : "it gave up"));
  unreachable();
}

// The contract as it lies in memory: sizes of its records.

// @ts-ignore: decorator
@inline const PARAM: i32 = 60;
// @ts-ignore: decorator
@inline const INPUT: i32 = 28;
// @ts-ignore: decorator
@inline const VALUE: i32 = 20;
// @ts-ignore: decorator
@inline const GIVEN: i32 = 24;
// @ts-ignore: decorator
@inline const PIXELS: i32 = 12;

let filter: Filter | null = null;
let parameter: string | null = null;

const request = new Request();
const plan = new Plan();
const tile = new Tile();
/** result<…, error>, whichever: 24 bytes are the most. */
const result = heap.alloc(24);
/** What `process` returned, until the next call, and how large that is. */
let made: usize = 0;
let room: usize = 0;
/** What `survey` returned, until the next call. */
let answered: usize = 0;

function list(at: usize, start: usize, len: i32): void {
  store<usize>(at, start);
  store<i32>(at, len, 4);
}

/** A string as UTF-8 that stays. */
function text(at: usize, words: string): void {
  const len = String.UTF8.byteLength(words);
  const start = heap.alloc(len);
  String.UTF8.encodeUnsafe(changetype<usize>(words), words.length, start);
  list(at, start, <i32>len);
}

function ending(error: string | null): usize {
  store<bool>(result, error !== null);
  if (error !== null) {
    const name = parameter;
    store<bool>(result, name === null, 4);
    if (name !== null) {
      text(result + 8, name);
      text(result + 16, error);
      parameter = null;
    } else {
      text(result + 8, error);
    }
  }
  // Nothing of the call is in use any more.
  __collect();
  return result;
}

/** How the host makes room for what it hands in. */
export function cabi_realloc(old: usize, oldLen: usize, align: usize, len: usize): usize {
  if (len == 0) return align;
  const start = heap.alloc(len);
  if (oldLen != 0) {
    memory.copy(start, old, min(oldLen, len));
    heap.free(old);
  }
  return start;
}

export function describe(): usize {
  const about = new About();
  filter!.about(about);
  return about.lower();
}

export function prepare(
  params: usize, _paramsLen: usize, width: i32, height: i32, sample: i32, scale: f32, seed: u64,
  inputs: usize, _inputsLen: usize
): usize {
  request.params = params;
  request.width = width;
  request.height = height;
  request.sample = sample;
  request.scale = scale;
  request.seed = seed;
  request.inputs = inputs;
  plan.width = width;
  plan.height = height;
  const error = filter!.prepare(request, plan);
  store<i32>(result, plan.width, 4);
  store<i32>(result, plan.height, 8);
  list(result + 12, plan.passes, plan.count);
  return ending(error);
}

function set(
  pass: i32, x: i32, y: i32, width: i32, height: i32,
  sourceX: i32, sourceY: i32, sourceWidth: i32, sourceHeight: i32, sample: i32, start: usize, inputs: usize
): void {
  tile.pass = pass;
  tile.sample = sample;
  tile.x = x;
  tile.y = y;
  tile.width = width;
  tile.height = height;
  tile.sourceX = sourceX;
  tile.sourceY = sourceY;
  tile.sourceWidth = sourceWidth;
  tile.sourceHeight = sourceHeight;
  tile.start = start;
  tile.inputs = inputs;
}

function free(inputs: usize, inputsLen: usize): void {
  for (let i = 0; i < <i32>inputsLen; i++) heap.free(load<usize>(inputs + i * PIXELS, 4));
  if (inputsLen != 0) heap.free(inputs);
  heap.free(tile.start);
}

export function process(
  pass: i32, x: i32, y: i32, width: i32, height: i32,
  sourceX: i32, sourceY: i32, sourceWidth: i32, sourceHeight: i32,
  sample: i32, start: usize, _len: usize, inputs: usize, inputsLen: usize
): usize {
  set(pass, x, y, width, height, sourceX, sourceY, sourceWidth, sourceHeight, sample, start, inputs);
  const values = width * height * 4;
  const bytes = <usize>values << sample;
  if (bytes > room) {
    if (made != 0) heap.free(made);
    made = heap.alloc(bytes);
    room = bytes;
  }
  tile.made = made;
  const error = filter!.process(tile);
  free(inputs, inputsLen);
  store<u8>(result, <u8>sample, 4);
  list(result + 8, made, values);
  return ending(error);
}

export function survey(
  pass: i32, x: i32, y: i32, width: i32, height: i32,
  sourceX: i32, sourceY: i32, sourceWidth: i32, sourceHeight: i32,
  sample: i32, start: usize, _len: usize, inputs: usize, inputsLen: usize
): usize {
  set(pass, x, y, width, height, sourceX, sourceY, sourceWidth, sourceHeight, sample, start, inputs);
  const answer: u8[] = [];
  const error = filter!.survey(tile, answer);
  free(inputs, inputsLen);
  if (answered != 0) heap.free(answered);
  answered = heap.alloc(answer.length);
  memory.copy(answered, answer.dataStart, answer.length);
  list(result + 4, answered, answer.length);
  return ending(error);
}

export function learn(pass: i32, answers: usize, len: i32): usize {
  const heard: Uint8Array[] = [];
  for (let i = 0; i < len; i++) {
    const start = load<usize>(answers + i * 8);
    const bytes = load<i32>(answers + i * 8, 4);
    const answer = new Uint8Array(bytes);
    memory.copy(answer.dataStart, start, bytes);
    if (bytes != 0) heap.free(start);
    heard.push(answer);
  }
  if (len != 0) heap.free(answers);
  return ending(filter!.learn(pass, heard));
}
