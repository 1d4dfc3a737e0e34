//! The reference filter in Zig; src/lib.rs says what it does.

const up = @import("underpaint-filter/underpaint_filter.zig");

const Glow = @This();

comptime {
    up.exports(Glow);
}
pub const panic = up.panic;

pub const manifest: up.Manifest = .{ .name = "glow", .version = "1.0.0", .license = "MIT OR Apache-2.0" };

pub const about: up.About = .{
    .title = "Glow",
    .description = "Lets bright parts shine over what is around them.",
    .inputs = &.{.{ .name = "original", .role = .original, .required = true }},
    .encoding = .linear,
};

pub const Settings = struct {
    threshold: f32 = 0.6,
    radius: i32 = 6,
    blend: enum { screen, add } = .screen,
    tint: up.Color = .{ .r = 1, .g = 0.8, .b = 0.6 },

    pub const controls = .{
        .threshold = up.Control{ .label = "Threshold", .help = "How bright a pixel must be to glow.", .max = 0.99, .step = 0.01 },
        .radius = up.Control{ .label = "Radius", .help = "How far the glow reaches.", .min = 1, .max = 64, .unit = "px" },
        .blend = up.Control{ .label = "Blend", .help = "Screen never burns out, Add does.", .choices = &.{ "Screen", "Add" } },
        .tint = up.Control{ .label = "Tint", .help = "The light's colour; its alpha is the strength." },
    };
};

threshold: f32,
radius: u32,
screen: bool,
tint: [3]f32,

pub fn init(settings: Settings, request: *const up.Request, plan: *up.Plan) !Glow {
    const scaled = @as(f32, @floatFromInt(settings.radius)) * request.scale + 0.5;
    const radius: u32 = @intFromFloat(@max(scaled, 1));
    const c = settings.tint;
    if (c.a > 0) {
        plan.tiles(radius);
        plan.tiles(radius);
    }
    return .{
        .threshold = settings.threshold,
        .radius = radius,
        .screen = settings.blend == .screen,
        .tint = .{ c.r * c.r * c.a, c.g * c.g * c.a, c.b * c.b * c.a },
    };
}

pub fn process(glow: *Glow, tile: up.Tile(f32), out: []f32) !void {
    const area = tile.area;
    const row = area.width * 4;
    const line = tile.source.width * 4;
    const count = 2 * glow.radius + 1;
    for (0..area.height) |y| {
        const to = out[y * row ..][0..row];
        const at = area.y + @as(i32, @intCast(y));
        if (tile.pass == 0) {
            // The row as it lies in the tile is not needed again.
            const from = tile.pixels[tile.at(tile.source.x, at)..][0..line];
            glow.bright(from);
            mean(from, 4, count, to);
            continue;
        }
        mean(tile.pixels[tile.at(area.x, at - @as(i32, @intCast(glow.radius)))..], line, count, to);
        const original = tile.input(0)[tile.at(area.x, at)..][0..row];
        for (to, original, 0..) |*v, below, i| {
            if (i % 4 == 3) {
                v.* = below;
                continue;
            }
            const light = v.* * glow.tint[i % 4];
            v.* = if (glow.screen) below + light - below * light else below + light;
        }
    }
}

/// Leaves of every pixel its bright part, weighed by its alpha.
fn bright(glow: *const Glow, row: []f32) void {
    var i: usize = 0;
    while (i < row.len) : (i += 4) {
        const p: up.Pixel = row[i..][0..4].*;
        const light = 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
        const over = (@sqrt(light) - glow.threshold) / (1 - glow.threshold);
        const weight: f32 = if (over > 0) over * p[3] else 0;
        row[i..][0..4].* = up.Pixel{ p[0] * weight, p[1] * weight, p[2] * weight, weight };
    }
}

/// The mean of `count` pieces of `values` that begin `step` after one another.
fn mean(values: []const f32, step: usize, count: u32, out: []f32) void {
    const share = 1 / @as(f32, @floatFromInt(count));
    var i: usize = 0;
    while (i < out.len) : (i += 4) {
        var sum: up.Pixel = values[i..][0..4].*;
        for (1..count) |k| sum += @as(up.Pixel, values[k * step + i ..][0..4].*);
        out[i..][0..4].* = sum * @as(up.Pixel, @splat(share));
    }
}
