/* Sepia: a first filter, to be made into your own. */

#include "underpaint_filter.h"

UP_MANIFEST("my-filter", "0.1.0", "MIT");

/* What the painter sets, and its place in `params`. */
enum { STRENGTH };

static const up_param params[] = {
    UP_FLOAT("strength", "Strength", "0 leaves the picture as it is.", 0.8f, 0, 1, 0.01f, ""),
};

static float strength;

static const char *prepare(const up_request *request, up_plan *plan) {
    strength = request->params[STRENGTH].number;
    up_pointwise(plan);
    return NULL;
}

static float mix(float from, float to) { return from + (to - from) * strength; }

static up_color pixel(uint32_t x, uint32_t y, up_color p) {
    (void)x, (void)y;
    float grey = 0.299f * p.r + 0.587f * p.g + 0.114f * p.b;
    return (up_color){mix(p.r, grey), mix(p.g, grey * 0.85f), mix(p.b, grey * 0.65f), p.a};
}

const up_filter underpaint_filter = {
    .about = {UP_TEXT("Sepia"), UP_TEXT("Tints the picture as an old photograph."), UP_LIST(params),
              .samples = UP_FLOAT32_ONLY},
    .prepare = prepare,
    .pixel = pixel,
};
