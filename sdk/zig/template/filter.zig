//! Sepia: a first filter, to be made into your own.

const up = @import("underpaint-filter/underpaint_filter.zig");

const Sepia = @This();

comptime {
    up.exports(Sepia);
}
pub const panic = up.panic;

pub const manifest: up.Manifest = .{ .name = "my-filter", .version = "0.1.0", .license = "MIT" };

pub const about: up.About = .{ .title = "Sepia", .description = "Tints the picture as an old photograph." };

/// What the painter sets.
pub const Settings = struct {
    strength: f32 = 0.8,

    pub const controls = .{
        .strength = up.Control{ .label = "Strength", .help = "0 leaves the picture as it is." },
    };
};

strength: f32,

pub fn init(settings: Settings, _: *const up.Request, plan: *up.Plan) !Sepia {
    plan.pointwise();
    return .{ .strength = settings.strength };
}

pub fn pixel(sepia: *const Sepia, _: u32, _: u32, p: up.Pixel) up.Pixel {
    const grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    const tinted: up.Pixel = .{ grey, grey * 0.85, grey * 0.65, p[3] };
    return p + (tinted - p) * @as(up.Pixel, @splat(sepia.strength));
}
