//! Uses everything there is in the contract; languages.rs says what must come of it.

const std = @import("std");
const up = @import("underpaint-filter/underpaint_filter.zig");

const Probe = @This();

comptime {
    up.exports(Probe);
}
pub const panic = up.panic;

pub const manifest: up.Manifest = .{
    .name = "probe",
    .version = "1.0.0",
    .license = "MIT",
    .authors = "Ada",
    .memory_bytes = 8 << 20,
    .timeout_ms = 5000,
};

pub const about: up.About = .{
    .title = "Probe",
    .description = "Everything there is.",
    .inputs = &.{
        .{ .name = "selection", .label = "Selection", .help = "Where.", .role = .mask },
        .{ .name = "stamp", .label = "Stamp", .role = .image },
    },
};

pub const samples = .{ u8, u16, f32 };

const Mode = enum { copy, echo, refuse, blame, crash, hoard, survey, enlarge, image, mask };

pub const Settings = struct {
    mode: Mode = .copy,
    number: f32 = 0.25,
    whole: i32 = 3,
    @"switch": bool = true,
    paper: up.Color = .{ .r = 1, .g = 0.5, .b = 0.25, .a = 0.75 },
    words: []const u8 = "grün",
    seed: up.Seed = @enumFromInt(7),

    pub const controls = .{
        .mode = up.Control{ .label = "Mode", .choices = &.{
            "Copy", "Echo", "Refuse", "Blame", "Crash", "Hoard", "Survey", "Enlarge", "Image", "Mask",
        } },
        .number = up.Control{ .label = "Number", .help = "More is more.", .group = "Values", .min = -1, .step = 0.125, .unit = "°" },
        .whole = up.Control{ .label = "Whole", .group = "Values", .min = -9, .max = 9, .step = 2, .unit = "px" },
        .@"switch" = up.Control{ .label = "Switch" },
        .paper = up.Control{ .label = "Paper" },
        .words = up.Control{ .label = "Words", .max_bytes = 100, .multiline = true },
        .seed = up.Control{ .label = "Seed" },
    };
};

settings: Settings,
request: up.Request,
sum: u64 = 0,

pub fn init(settings: Settings, request: *const up.Request, plan: *up.Plan) !Probe {
    const probe: Probe = .{ .settings = settings, .request = request.* };
    switch (settings.mode) {
        .refuse => return up.fail("it does not feel like it"),
        .blame => return up.badParameter("words", "there are too few"),
        .survey => plan.survey(),
        .enlarge => {
            plan.width *= 2;
            plan.height *= 3;
            plan.tiles(1);
            return probe;
        },
        .image => if (request.inputs[1] != .whole) return up.badParameter("stamp", "choose one"),
        else => {},
    }
    plan.pointwise();
    return probe;
}

/// 0..=1 as a value of the run's sample type.
fn put(out: anytype, unit: f32) void {
    out.* = switch (@TypeOf(out.*)) {
        u8 => @intFromFloat(unit * 255),
        u16 => @intFromFloat(unit * 65535),
        else => unit,
    };
}

pub fn process(probe: *Probe, tile: anytype, out: anytype) !void {
    const Sample = std.meta.Child(@TypeOf(out));
    const mode = probe.settings.mode;
    if (mode == .crash) @panic("it had to come to this");
    while (mode == .hoard) _ = try up.allocator.alloc(u8, 1 << 16);
    var i: usize = 0;
    for (0..tile.area.height) |row| {
        for (0..tile.area.width) |column| {
            const x = tile.area.x + @as(i32, @intCast(column));
            const y = tile.area.y + @as(i32, @intCast(row));
            const to = out[i..][0..4];
            i += 4;
            switch (mode) {
                .echo => {
                    const s = probe.settings;
                    put(&to[0], s.number);
                    put(&to[1], @as(f32, @floatFromInt(s.whole)) / 10 + @as(f32, if (s.@"switch") 0.5 else 0));
                    put(&to[2], s.paper.g + @as(f32, @floatFromInt(s.words.len)) / 100);
                    const seeds = @as(f32, @floatFromInt(@intFromEnum(s.seed))) / 16 + @as(f32, @floatFromInt(probe.request.seed)) / 64;
                    put(&to[3], seeds + probe.request.scale / 8);
                },
                .survey => for (to) |*v| put(v, @as(f32, @floatFromInt(probe.sum)) / 65536),
                .enlarge => to.* = tile.pixels[tile.at(@divTrunc(x, 2), @divTrunc(y, 3))..][0..4].*,
                .image => {
                    const stamp = probe.request.inputs[1].whole;
                    const at = (@as(usize, @intCast(y)) % stamp.height * stamp.width + @as(usize, @intCast(x)) % stamp.width) * 4;
                    to.* = stamp.pixels.of(Sample)[at..][0..4].*;
                },
                .mask => {
                    if (probe.request.inputs[0] == .absent) return up.fail("there is no selection");
                    to.* = tile.input(0)[tile.at(x, y)..][0..4].*;
                },
                else => to.* = tile.pixels[tile.at(x, y)..][0..4].*,
            }
        }
    }
}

var answer: [256]u8 = undefined;

/// The size of the tile, and of the answer: as many bytes as it has rows.
pub fn survey(_: *Probe, tile: anytype) ![]const u8 {
    const rows = answer[0..tile.area.height];
    @memset(rows, @intCast(tile.pixels.len / 4 / tile.area.height % 251));
    return rows;
}

pub fn learn(probe: *Probe, pass: u32, answers: []const []const u8) !void {
    if (pass != 0) return up.fail("the survey is the first pass");
    probe.sum = 0;
    for (answers, 1..) |bytes, weight| {
        for (bytes) |byte| probe.sum += weight * byte;
    }
    probe.sum %= 65536;
}
