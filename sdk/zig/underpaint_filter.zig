//! Write an Underpaint filter in Zig: this file and one of yours. `template/filter.zig` is a whole filter.
//!
//! A filter is a struct (a file is one too) that `exports` turns into the functions of filter.wit:
//!
//!     pub const manifest: Manifest          name, version, licence, limits
//!     pub const about: About                title, description, inputs, encoding
//!     pub const Settings                    what the painter sets: see `Control`
//!     pub const samples = .{f32};           sample types, if not f32 alone
//!     pub fn init(Settings, *const Request, *Plan) !Self
//!     pub fn pixel(*const Self, x: u32, y: u32, Pixel) Pixel           a pixel on its own, of f32
//!     pub fn process(*Self, Tile(f32), out: []f32) !void               or the area's pixels into `out`
//!     pub fn survey(*Self, Tile(f32)) ![]const u8
//!     pub fn learn(*Self, pass: u32, answers: []const []const u8) !void
//!
//! `process` and `survey` of a filter for several sample types take `anytype`. Errors with words come from `fail` and
//! `badParameter`; of any other the painter reads the name, and `OutOfMemory` is told as what it is.
//!
//! Decision: the contract's types are written by hand, as extern structs, which are laid out as the canonical ABI of the
//! component model has them; what a filter says of itself is worked out at compile time and is constant data.

const std = @import("std");

/// For what lives as long as the run: tables, kernels. Nothing needs to be freed.
pub const allocator = std.heap.wasm_allocator;

pub const Manifest = struct {
    name: []const u8,
    version: []const u8,
    license: []const u8,
    authors: []const u8 = "",
    homepage: []const u8 = "",
    /// Limits other than the usual ones.
    memory_bytes: ?u32 = null,
    timeout_ms: ?u32 = null,
};

pub const Encoding = enum(u8) { srgb, linear };

pub const About = struct {
    title: []const u8,
    description: []const u8,
    inputs: []const Input = &.{},
    encoding: Encoding = .srgb,
};

pub const Role = enum(u8) { original, mask, before, generated, image };

/// Pixels wanted besides the picture's.
pub const Input = struct {
    name: []const u8,
    label: []const u8 = "",
    help: []const u8 = "",
    role: Role,
    required: bool = false,
};

/// How a field of `Settings` is shown. The field's type says what it is (`f32`, `i32`, `bool`, an enum, `Color`,
/// `[]const u8`, `Seed`), its default is the default, its name the parameter's:
///
///     pub const Settings = struct {
///         radius: i32 = 6,
///         pub const controls = .{ .radius = Control{ .label = "Radius", .min = 1, .max = 64, .unit = "px" } };
///     };
pub const Control = struct {
    label: []const u8,
    help: []const u8 = "",
    group: []const u8 = "",
    min: f32 = 0,
    max: f32 = 1,
    /// A hundredth of the range, and 1 for whole numbers, if not given.
    step: ?f32 = null,
    unit: []const u8 = "",
    /// What the painter reads for each value of an enum, in their order.
    choices: []const []const u8 = &.{},
    max_bytes: u32 = 1000,
    multiline: bool = false,
};

/// sRGB-encoded, straight alpha, each 0..=1.
pub const Color = extern struct { r: f32, g: f32, b: f32, a: f32 = 1 };

/// A number to draw randomness from.
pub const Seed = enum(u32) { _ };

/// r, g, b, a.
pub const Pixel = @Vector(4, f32);

pub const Image = struct { width: u32, height: u32, pixels: Pixels };

/// What there is of a declared input.
pub const Given = union(enum) { absent, with_tiles, whole: Image };

/// One run.
pub const Request = struct {
    width: u32,
    height: u32,
    /// Below 1 in a preview: multiply lengths in pixels by it.
    scale: f32,
    /// All randomness comes from it and a pixel's position.
    seed: u64,
    /// In the order of `about.inputs`.
    inputs: []const Given,
};

/// How a run goes. Begins with the picture's size and no pass, which leaves the picture as it is.
pub const Plan = struct {
    width: u32,
    height: u32,
    count: usize = 0,
    // One more than may be: the host says so.
    passes: [17]RawPass = undefined,

    /// Each pixel depends on itself and its position alone.
    pub fn pointwise(plan: *Plan) void {
        plan.add(.{ .kind = 0 });
    }
    /// Tiles on all cores, each with `halo` more pixels on every side, 0..=512.
    pub fn tiles(plan: *Plan, halo: u32) void {
        plan.add(.{ .kind = 1, .halo = halo });
    }
    /// The whole picture as one tile, on one core.
    pub fn wholePicture(plan: *Plan) void {
        plan.add(.{ .kind = 2 });
    }
    /// `survey` sees every tile, then `learn` hears all answers.
    pub fn survey(plan: *Plan) void {
        plan.add(.{ .kind = 3 });
    }
    fn add(plan: *Plan, pass: RawPass) void {
        plan.passes[@min(plan.count, 16)] = pass;
        plan.count = @min(plan.count + 1, 17);
    }
};

pub const Rect = extern struct { x: i32, y: i32, width: u32, height: u32 };

/// Pixels to turn into pixels. Colour under alpha 0 is 0 and means nothing: weigh by alpha.
pub fn Tile(comptime Sample: type) type {
    return struct {
        /// From 0, surveys included.
        pass: u32,
        /// What to make, in pixels of the result.
        area: Rect,
        /// What `pixels` covers: the area and the halo, in pixels of the picture.
        source: Rect,
        /// What the pass before made, or the picture. Yours to write into.
        pixels: []Sample,
        raw_inputs: []const Pixels,

        /// The pixels of the n-th input that comes with tiles, covering `source`.
        pub fn input(tile: @This(), n: usize) []const Sample {
            return tile.raw_inputs[n].of(Sample);
        }
        /// Where pixel `x`, `y` of the picture lies in `pixels` and in every input.
        pub fn at(tile: @This(), x: i32, y: i32) usize {
            const row: usize = @intCast(y - tile.source.y);
            const column: usize = @intCast(x - tile.source.x);
            return (row * tile.source.width + column) * 4;
        }
    };
}

/// Rows of pixels, tightly packed; a pixel is r, g, b, a.
pub const Pixels = extern struct {
    sample: u8,
    start: *anyopaque,
    len: usize,

    /// The values; none if they are of another type.
    pub fn of(pixels: Pixels, comptime Sample: type) []Sample {
        if (pixels.sample != code(Sample)) return &.{};
        return @as([*]Sample, @ptrCast(@alignCast(pixels.start)))[0..pixels.len];
    }

    fn free(pixels: Pixels) void {
        switch (pixels.sample) {
            0 => allocator.free(pixels.of(u8)),
            1 => allocator.free(pixels.of(u16)),
            else => allocator.free(pixels.of(f32)),
        }
    }
};

fn code(comptime Sample: type) u8 {
    return switch (Sample) {
        u8 => 0,
        u16 => 1,
        f32 => 2,
        else => @compileError("samples are u8, u16 or f32"),
    };
}

pub const Error = error{ BadParameter, Failed };

var said: []const u8 = "";
var parameter: []const u8 = "";
var sentence: [100]u8 = undefined;

/// Ends the run with one sentence for the painter: `return fail("…")`. The words stay yours.
pub fn fail(why: []const u8) Error {
    said = why;
    return error.Failed;
}

/// As `fail`; shown beside the parameter or input of this name.
pub fn badParameter(name: []const u8, why: []const u8) Error {
    parameter = name;
    said = why;
    return error.BadParameter;
}

pub const Level = enum(u32) { debug, info, warn, err };

/// A line for the author or, from `warn` on, the painter.
pub fn log(level: Level, line: []const u8) void {
    host.log(@intFromEnum(level), line.ptr, line.len);
}

/// How much of a whole picture is done, 0..=1.
pub fn progress(fraction: f32) void {
    host.progress(fraction);
}

/// True once nobody wants the result any more; a courtesy, the filter is stopped in any case.
pub fn cancelled() bool {
    return host.cancelled() != 0;
}

/// `pub const panic = up.panic;` in your file lets `@panic("…")` and failed checks tell what happened.
pub const panic = std.debug.FullPanic(struct {
    fn tell(why: []const u8, _: ?usize) noreturn {
        log(.err, why);
        @trap();
    }
}.tell);

const host = struct {
    extern "underpaint:filter/host@1.0.0" fn log(level: u32, start: [*]const u8, len: usize) void;
    extern "underpaint:filter/host@1.0.0" fn progress(fraction: f32) void;
    extern "underpaint:filter/host@1.0.0" fn cancelled() u32;
};

// The contract as it lies in memory.

const Text = extern struct {
    start: [*]const u8,
    len: usize,

    fn of(words: []const u8) Text {
        return .{ .start = words.ptr, .len = words.len };
    }
    fn slice(text: Text) []const u8 {
        return if (text.len == 0) "" else text.start[0..text.len];
    }
};

const RawChoice = extern struct { name: Text, label: Text };

const RawKind = extern struct {
    case: u8,
    of: extern union {
        float: extern struct { default: f32, min: f32, max: f32, step: f32, unit: Text },
        int: extern struct { default: i32, min: i32, max: i32, step: u32, unit: Text },
        boolean: bool,
        choice: extern struct { default: u32, start: [*]const RawChoice, len: usize },
        color: Color,
        text: extern struct { default: Text, max_bytes: u32, multiline: bool },
        seed: u32,
    },
};

const RawParam = extern struct { name: Text, label: Text, help: Text, group: Text, kind: RawKind };

const RawInput = extern struct { name: Text, label: Text, help: Text, role: Role, required: bool };

const RawDescriptor = extern struct {
    title: Text,
    description: Text,
    params: [*]const RawParam,
    params_len: usize,
    inputs: [*]const RawInput,
    inputs_len: usize,
    samples: [*]const u8,
    samples_len: usize,
    encoding: Encoding,
};

const RawValue = extern struct {
    case: u8,
    of: extern union { float: f32, int: i32, boolean: bool, choice: u32, color: Color, text: Text, seed: u32 },

    fn read(value: RawValue, comptime T: type) T {
        return switch (T) {
            f32 => value.of.float,
            i32 => value.of.int,
            bool => value.of.boolean,
            Color => value.of.color,
            []const u8 => value.of.text.slice(),
            Seed => @enumFromInt(value.of.seed),
            else => std.enums.values(T)[value.of.choice],
        };
    }
};

const RawGiven = extern struct { case: u8, width: u32, height: u32, pixels: Pixels };

const RawPass = extern struct { kind: u8, halo: u32 = 0 };

const RawResult = extern struct {
    failed: bool = false,
    of: extern union {
        plan: extern struct { width: u32, height: u32, passes: [*]const RawPass, len: usize },
        pixels: Pixels,
        answer: Text,
        refusal: extern struct { case: u8, first: Text, second: Text = .of("") },
    } = undefined,

    fn refusal(why: anyerror) RawResult {
        const words: Text = .of(switch (why) {
            error.BadParameter, error.Failed => said,
            // The host knows how much it was, and says so.
            error.OutOfMemory => panic.call("out of memory", null),
            else => std.fmt.bufPrint(&sentence, "it gave up: {s}", .{@errorName(why)}) catch @errorName(why),
        });
        return .{ .failed = true, .of = .{ .refusal = switch (why) {
            error.BadParameter => .{ .case = 0, .first = .of(parameter), .second = words },
            else => .{ .case = 1, .first = words },
        } } };
    }
};

/// Makes `Filter` the filter of this module: `comptime { up.exports(@This()); }`.
pub fn exports(comptime Filter: type) void {
    @setEvalBranchQuota(100_000);
    const Of = Exports(Filter);
    const name = "underpaint:filter/filter@1.0.0#";
    @export(&realloc, .{ .name = "cabi_realloc" });
    @export(&Of.describe, .{ .name = name ++ "describe" });
    @export(&Of.prepare, .{ .name = name ++ "prepare" });
    @export(&Of.process, .{ .name = name ++ "process" });
    @export(&Of.survey, .{ .name = name ++ "survey" });
    @export(&Of.learn, .{ .name = name ++ "learn" });
}

/// The manifest as a custom section: in assembly, since `linksection` would make it data.
fn section(comptime m: Manifest) []const u8 {
    comptime var json: []const u8 = "{\\\"api\\\":\\\"1.0.0\\\"";
    inline for (.{ "name", "version", "license", "authors", "homepage" }) |key| {
        if (@field(m, key).len > 0) json = json ++ ",\\\"" ++ key ++ "\\\":\\\"" ++ @field(m, key) ++ "\\\"";
    }
    inline for (.{ "memory_bytes", "timeout_ms" }) |key| {
        if (@field(m, key)) |limit| json = json ++ std.fmt.comptimePrint(",\\\"{s}\\\":{d}", .{ key, limit });
    }
    return ".section \".custom_section.underpaint:filter\",\"\",@\n.ascii \"" ++ json ++ "}\"\n.text\n";
}

/// How the host makes room for what it hands in.
fn realloc(old: ?[*]u8, old_len: usize, alignment: usize, len: usize) callconv(.c) [*]u8 {
    const to: std.mem.Alignment = .fromByteUnits(alignment);
    if (len == 0) return @ptrFromInt(alignment);
    const start = allocator.rawAlloc(len, to, 0) orelse panic.call("out of memory", null);
    if (old_len > 0) {
        const from = old.?[0..old_len];
        @memcpy(start[0..@min(len, old_len)], from[0..@min(len, old_len)]);
        allocator.rawFree(from, to, 0);
    }
    return start;
}

fn Exports(comptime Filter: type) type {
    return struct {
        const names = std.meta.fieldNames(Filter.Settings);
        const samples = if (@hasDecl(Filter, "samples")) Filter.samples else .{f32};

        comptime {
            asm (section(Filter.manifest));
        }

        var running: Filter = undefined;
        var result: RawResult = .{};
        var plan: Plan = undefined;
        /// What `process` returned, until the next call.
        var made: []align(16) u8 = &.{};

        const about: About = Filter.about;

        const params = of: {
            var list: [names.len]RawParam = undefined;
            for (names, &list) |name, *param| param.* = rawParam(Filter.Settings, name);
            break :of list;
        };

        const inputs = of: {
            var list: [about.inputs.len]RawInput = undefined;
            for (about.inputs, &list) |input, *raw| raw.* = .{
                .name = .of(input.name),
                .label = .of(input.label),
                .help = .of(input.help),
                .role = input.role,
                .required = input.required,
            };
            break :of list;
        };

        const codes = of: {
            var list: [samples.len]u8 = undefined;
            for (samples, &list) |Sample, *c| c.* = code(Sample);
            break :of list;
        };

        const descriptor: RawDescriptor = .{
            .title = .of(about.title),
            .description = .of(about.description),
            .params = &params,
            .params_len = params.len,
            .inputs = &inputs,
            .inputs_len = inputs.len,
            .samples = &codes,
            .samples_len = codes.len,
            .encoding = about.encoding,
        };

        fn describe() callconv(.c) *const RawDescriptor {
            return &descriptor;
        }

        fn prepare(
            values: [*]const RawValue,
            values_len: usize,
            width: u32,
            height: u32,
            _: u32,
            scale: f32,
            seed: u64,
            there: [*]const RawGiven,
            there_len: usize,
        ) callconv(.c) *const RawResult {
            if (values_len != names.len) panic.call("the host sent other values than the filter's parameters", null);
            var settings: Filter.Settings = .{};
            inline for (names, 0..) |name, i| {
                @field(settings, name) = values[i].read(@FieldType(Filter.Settings, name));
            }
            result = if (begin(settings, width, height, scale, seed, there[0..there_len])) |ready| ready else |why| .refusal(why);
            return &result;
        }

        fn begin(settings: Filter.Settings, width: u32, height: u32, scale: f32, seed: u64, raw: []const RawGiven) anyerror!RawResult {
            const given = try allocator.alloc(Given, raw.len);
            for (raw, given) |there, *input| input.* = switch (there.case) {
                0 => .absent,
                1 => .with_tiles,
                else => .{ .whole = .{ .width = there.width, .height = there.height, .pixels = there.pixels } },
            };
            const request: Request = .{ .width = width, .height = height, .scale = scale, .seed = seed, .inputs = given };
            plan = .{ .width = width, .height = height };
            running = try Filter.init(settings, &request, &plan);
            return .{ .of = .{ .plan = .{ .width = plan.width, .height = plan.height, .passes = &plan.passes, .len = plan.count } } };
        }

        fn process(
            pass: u32,
            x: i32,
            y: i32,
            width: u32,
            height: u32,
            source_x: i32,
            source_y: i32,
            source_width: u32,
            source_height: u32,
            sample: u32,
            start: *anyopaque,
            len: usize,
            beside: [*]const Pixels,
            beside_len: usize,
        ) callconv(.c) *const RawResult {
            const area: Rect = .{ .x = x, .y = y, .width = width, .height = height };
            const source: Rect = .{ .x = source_x, .y = source_y, .width = source_width, .height = source_height };
            const pixels: Pixels = .{ .sample = @intCast(sample), .start = start, .len = len };
            result = if (make(pass, area, source, pixels, beside[0..beside_len])) |out| .{ .of = .{ .pixels = out } } else |why| .refusal(why);
            freeTile(pixels, beside[0..beside_len]);
            return &result;
        }

        fn make(pass: u32, area: Rect, source: Rect, pixels: Pixels, beside: []const Pixels) anyerror!Pixels {
            const values = @as(usize, area.width) * area.height * 4;
            inline for (samples) |Sample| {
                if (pixels.sample == code(Sample)) {
                    const bytes = values * @sizeOf(Sample);
                    if (made.len < bytes) {
                        allocator.free(made);
                        made = &.{};
                        made = try allocator.alignedAlloc(u8, .@"16", bytes);
                    }
                    const out: []Sample = @as([*]Sample, @ptrCast(made.ptr))[0..values];
                    const tile: Tile(Sample) = .{ .pass = pass, .area = area, .source = source, .pixels = pixels.of(Sample), .raw_inputs = beside };
                    if (@hasDecl(Filter, "process")) {
                        try running.process(tile, out);
                    } else {
                        eachPixel(area, tile.pixels, out);
                    }
                    return .{ .sample = pixels.sample, .start = made.ptr, .len = values };
                }
            }
            return fail("it does not take this sample type");
        }

        fn eachPixel(area: Rect, from: []const f32, out: []f32) void {
            const filter = running;
            var i: usize = 0;
            for (0..area.height) |row| {
                for (0..area.width) |column| {
                    const x = @as(u32, @intCast(area.x)) + column;
                    const y = @as(u32, @intCast(area.y)) + row;
                    const p: Pixel = from[i..][0..4].*;
                    out[i..][0..4].* = filter.pixel(@intCast(x), @intCast(y), p);
                    i += 4;
                }
            }
        }

        fn survey(
            pass: u32,
            x: i32,
            y: i32,
            width: u32,
            height: u32,
            source_x: i32,
            source_y: i32,
            source_width: u32,
            source_height: u32,
            sample: u32,
            start: *anyopaque,
            len: usize,
            beside: [*]const Pixels,
            beside_len: usize,
        ) callconv(.c) *const RawResult {
            const area: Rect = .{ .x = x, .y = y, .width = width, .height = height };
            const source: Rect = .{ .x = source_x, .y = source_y, .width = source_width, .height = source_height };
            const pixels: Pixels = .{ .sample = @intCast(sample), .start = start, .len = len };
            result = if (look(pass, area, source, pixels, beside[0..beside_len])) |answer| .{ .of = .{ .answer = .of(answer) } } else |why| .refusal(why);
            freeTile(pixels, beside[0..beside_len]);
            return &result;
        }

        fn look(pass: u32, area: Rect, source: Rect, pixels: Pixels, beside: []const Pixels) anyerror![]const u8 {
            if (!@hasDecl(Filter, "survey")) return "";
            inline for (samples) |Sample| {
                if (pixels.sample == code(Sample)) {
                    const tile: Tile(Sample) = .{ .pass = pass, .area = area, .source = source, .pixels = pixels.of(Sample), .raw_inputs = beside };
                    return running.survey(tile);
                }
            }
            return fail("it does not take this sample type");
        }

        fn learn(pass: u32, start: [*]const Text, len: usize) callconv(.c) *const RawResult {
            result = if (hear(pass, start[0..len])) .{} else |why| .refusal(why);
            return &result;
        }

        fn hear(pass: u32, raw: []const Text) anyerror!void {
            if (!@hasDecl(Filter, "learn")) return;
            const answers = try allocator.alloc([]const u8, raw.len);
            for (raw, answers) |text, *answer| answer.* = text.slice();
            try running.learn(pass, answers);
        }
    };
}

fn freeTile(pixels: Pixels, inputs: []const Pixels) void {
    pixels.free();
    for (inputs) |input| input.free();
    if (inputs.len > 0) allocator.free(inputs);
}

fn rawParam(comptime Settings: type, comptime name: []const u8) RawParam {
    const control: Control = @field(Settings.controls, name);
    const default = @field(Settings{}, name);
    const unit: Text = .of(control.unit);
    const kind: RawKind = switch (@TypeOf(default)) {
        f32 => .{ .case = 0, .of = .{ .float = .{
            .default = default,
            .min = control.min,
            .max = control.max,
            .step = control.step orelse (control.max - control.min) / 100,
            .unit = unit,
        } } },
        i32 => .{ .case = 1, .of = .{ .int = .{
            .default = default,
            .min = @intFromFloat(control.min),
            .max = @intFromFloat(control.max),
            .step = @intFromFloat(control.step orelse 1),
            .unit = unit,
        } } },
        bool => .{ .case = 2, .of = .{ .boolean = default } },
        Color => .{ .case = 4, .of = .{ .color = default } },
        []const u8 => .{ .case = 5, .of = .{ .text = .{
            .default = .of(default),
            .max_bytes = control.max_bytes,
            .multiline = control.multiline,
        } } },
        Seed => .{ .case = 6, .of = .{ .seed = @intFromEnum(default) } },
        else => |Choice| choice: {
            const names = std.meta.fieldNames(Choice);
            if (control.choices.len != names.len) @compileError(name ++ ": one of `choices` for each value");
            var choices: [names.len]RawChoice = undefined;
            var index: u32 = 0;
            for (names, control.choices, &choices, 0..) |value, label, *raw, i| {
                raw.* = .{ .name = .of(value), .label = .of(label) };
                if (default == @field(Choice, value)) index = i;
            }
            const kept = choices;
            break :choice .{ .case = 3, .of = .{ .choice = .{ .default = index, .start = &kept, .len = kept.len } } };
        },
    };
    return .{
        .name = .of(name),
        .label = .of(control.label),
        .help = .of(control.help),
        .group = .of(control.group),
        .kind = kind,
    };
}
