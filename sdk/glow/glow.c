/* The reference filter in C; src/lib.rs says what it does. */

#include "underpaint_filter.h"

UP_MANIFEST("glow", "1.0.0", "MIT OR Apache-2.0");

enum { THRESHOLD, RADIUS, BLEND, TINT };
enum { SCREEN, ADD };

static const up_choice blends[] = {
    {UP_TEXT("screen"), UP_TEXT("Screen")},
    {UP_TEXT("add"), UP_TEXT("Add")},
};

static const up_param params[] = {
    UP_FLOAT("threshold", "Threshold", "How bright a pixel must be to glow.", 0.6f, 0, 0.99f, 0.01f, ""),
    UP_INT("radius", "Radius", "How far the glow reaches.", 6, 1, 64, 1, "px"),
    UP_CHOICE("blend", "Blend", "Screen never burns out, Add does.", SCREEN, blends),
    UP_COLOR("tint", "Tint", "The light's colour; its alpha is the strength.", 1, 0.8f, 0.6f, 1),
};

static const up_input inputs[] = {
    {UP_TEXT("original"), UP_TEXT(""), UP_TEXT(""), UP_ORIGINAL, true},
};

static float threshold;
static uint32_t radius, blend;
static float tint[3];

static const char *prepare(const up_request *request, up_plan *plan) {
    const up_value *values = request->params;
    threshold = values[THRESHOLD].number;
    float scaled = (float)values[RADIUS].integer * request->scale + 0.5f;
    radius = scaled < 1 ? 1 : (uint32_t)scaled;
    blend = values[BLEND].choice;
    up_color c = values[TINT].color;
    tint[0] = c.r * c.r * c.a;
    tint[1] = c.g * c.g * c.a;
    tint[2] = c.b * c.b * c.a;
    if (c.a == 0) return NULL;
    up_tiles(plan, radius);
    up_tiles(plan, radius);
    return NULL;
}

/* The bright part of every pixel of `in`, weighed by its alpha. */
static void bright(const float *in, float *out, size_t values) {
    for (size_t i = 0; i < values; i += 4) {
        float light = 0.2126f * in[i] + 0.7152f * in[i + 1] + 0.0722f * in[i + 2];
        float over = (__builtin_sqrtf(light) - threshold) / (1 - threshold);
        float weight = over > 0 ? over * in[i + 3] : 0;
        out[i] = in[i] * weight;
        out[i + 1] = in[i + 1] * weight;
        out[i + 2] = in[i + 2] * weight;
        out[i + 3] = weight;
    }
}

/* Adds up `count` pieces of `in` that begin `step` values after one another, and takes the mean. */
static void mean(const float *restrict in, size_t step, uint32_t count, float *restrict out, size_t values) {
    memcpy(out, in, values * sizeof(float));
    for (uint32_t k = 1; k < count; k++)
        for (size_t i = 0; i < values; i++) out[i] += in[k * step + i];
    float share = 1 / (float)count;
    for (size_t i = 0; i < values; i++) out[i] *= share;
}

static const char *process(const up_tile *tile, up_pixels out) {
    const up_rect area = tile->area;
    const size_t row = area.width * 4;
    const uint32_t count = 2 * radius + 1;
    for (uint32_t y = 0; y < area.height; y++) {
        float *to = out.float32 + y * row;
        int32_t at = area.y + (int32_t)y;
        if (tile->pass == 0) {
            /* The row as it lies in the tile is not needed again. */
            float *from = tile->pixels.float32 + up_row(tile, at);
            bright(from, from, tile->source.width * 4);
            mean(from, 4, count, to, row);
            continue;
        }
        mean(tile->pixels.float32 + up_at(tile, area.x, at - (int32_t)radius), tile->source.width * 4, count, to, row);
        const float *original = tile->inputs[0].float32 + up_at(tile, area.x, at);
        for (size_t i = 0; i < row; i += 4) {
            for (size_t c = 0; c < 3; c++) {
                float glow = to[i + c] * tint[c], below = original[i + c];
                to[i + c] = blend == SCREEN ? below + glow - below * glow : below + glow;
            }
            to[i + 3] = original[i + 3];
        }
    }
    return NULL;
}

const up_filter underpaint_filter = {
    .about = {UP_TEXT("Glow"), UP_TEXT("Lets bright parts shine over what is around them."), UP_LIST(params),
              UP_LIST(inputs), UP_FLOAT32_ONLY, UP_LINEAR},
    .prepare = prepare,
    .process = process,
};
