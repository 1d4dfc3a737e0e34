/* Write an Underpaint filter in C (C11 and later): this header, one file of yours, no library.
 *
 *     #include "underpaint_filter.h"
 *
 *     UP_MANIFEST("sepia", "1.0.0", "MIT");
 *
 *     enum { STRENGTH };
 *     static const up_param params[] = {
 *         UP_FLOAT("strength", "Strength", "0 leaves the picture as it is.", 0.8f, 0, 1, 0.01f, ""),
 *     };
 *
 *     static float strength;
 *
 *     static const char *prepare(const up_request *request, up_plan *plan) {
 *         strength = request->params[STRENGTH].number;
 *         up_pointwise(plan);
 *         return NULL;
 *     }
 *
 *     static up_color pixel(uint32_t x, uint32_t y, up_color p) { … }
 *
 *     const up_filter underpaint_filter = {
 *         .about = {UP_TEXT("Sepia"), UP_TEXT("Tints the picture."), UP_LIST(params), .samples = UP_FLOAT32_ONLY},
 *         .prepare = prepare,
 *         .pixel = pixel,
 *     };
 *
 * What a filter may do and what the numbers mean is written in filter.wit; this is that contract, version 1.0.0, in C.
 * The structs are laid out as the canonical ABI of the component model has them on wasm32, so what the host wrote is
 * read where it lies, and what a filter says of itself is constant data. Further files of the same filter define
 * UP_TYPES_ONLY before they include this one.
 *
 * Decision: functions return NULL when all is well, else one sentence for the painter.
 */
#ifndef UNDERPAINT_FILTER_H
#define UNDERPAINT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Words, as bytes of UTF-8; no 0 at the end. UP_TEXT makes one of a literal, where something is initialised. */
typedef struct {
    const char *start;
    size_t len;
} up_text;
#define UP_TEXT(literal) {literal, sizeof(literal) - 1}

/* A list from an array, where something is initialised. */
#define UP_LIST(array) {array, sizeof(array) / sizeof(*(array))}

/* sRGB-encoded as a parameter; as a pixel in what the filter asked for. Straight alpha, 0..=1. */
typedef struct {
    float r, g, b, a;
} up_color;

/* ---- What a filter says of itself ---------------------------------------------------------------------------- */

typedef enum { UP_KIND_FLOAT, UP_KIND_INT, UP_KIND_BOOL, UP_KIND_CHOICE, UP_KIND_COLOR, UP_KIND_TEXT, UP_KIND_SEED } up_kind;

/* Name for ever, label for now. */
typedef struct {
    up_text name, label;
} up_choice;

/* One control; make it with one of the macros below. */
typedef struct {
    up_text name, label, help, group;
    uint8_t kind;
    union {
        struct {
            float initial, min, max, step;
            up_text unit;
        } number;
        struct {
            int32_t initial, min, max;
            uint32_t step;
            up_text unit;
        } integer;
        bool boolean;
        struct {
            uint32_t initial;
            const up_choice *choices;
            size_t count;
        } choice;
        up_color color;
        struct {
            up_text initial;
            uint32_t max_bytes;
            bool multiline;
        } text;
        uint32_t seed;
    };
} up_param;

/* After the last argument may come `.group = UP_TEXT("Heading")`. Names are lower case letters, digits, `-`, `_`. */
#define UP_NAMED(name_, label_, help_) .name = UP_TEXT(name_), .label = UP_TEXT(label_), .help = UP_TEXT(help_)
#define UP_FLOAT(name, label, help, initial, min, max, step, unit, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_FLOAT, .number = {initial, min, max, step, UP_TEXT(unit)}, __VA_ARGS__}
#define UP_INT(name, label, help, initial, min, max, step, unit, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_INT, .integer = {initial, min, max, step, UP_TEXT(unit)}, __VA_ARGS__}
#define UP_BOOL(name, label, help, initial, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_BOOL, .boolean = initial, __VA_ARGS__}
/* `choices` is an array of up_choice: `{UP_TEXT("soft"), UP_TEXT("Soft")}`; `initial` is an index in it. */
#define UP_CHOICE(name, label, help, initial, choices, ...)             \
    {UP_NAMED(name, label, help), .kind = UP_KIND_CHOICE,               \
     .choice = {initial, choices, sizeof(choices) / sizeof(*(choices))}, __VA_ARGS__}
#define UP_COLOR(name, label, help, r, g, b, a, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_COLOR, .color = {r, g, b, a}, __VA_ARGS__}
#define UP_WORDS(name, label, help, initial, max_bytes, multiline, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_TEXT, .text = {UP_TEXT(initial), max_bytes, multiline}, __VA_ARGS__}
#define UP_SEED(name, label, help, initial, ...) \
    {UP_NAMED(name, label, help), .kind = UP_KIND_SEED, .seed = initial, __VA_ARGS__}

/* Where an input's pixels come from. */
typedef enum { UP_ORIGINAL, UP_MASK, UP_BEFORE, UP_GENERATED, UP_IMAGE } up_role;

/* Pixels wanted besides the picture's. */
typedef struct {
    up_text name, label, help;
    uint8_t role;
    bool required;
} up_input;

typedef enum { UP_UINT8, UP_UINT16, UP_FLOAT32 } up_sample;

/* What is taken: one of these, or a list of your own. */
static const uint8_t up_samples[] = {UP_UINT8, UP_UINT16, UP_FLOAT32};
#define UP_UINT8_ONLY {up_samples + UP_UINT8, 1}
#define UP_UINT16_ONLY {up_samples + UP_UINT16, 1}
#define UP_FLOAT32_ONLY {up_samples + UP_FLOAT32, 1}
#define UP_ANY_SAMPLE {up_samples, 3}

typedef enum { UP_SRGB, UP_LINEAR } up_encoding;

typedef struct {
    up_text title, description;
    struct {
        const up_param *start;
        size_t len;
    } params;
    struct {
        const up_input *start;
        size_t len;
    } inputs;
    struct {
        const uint8_t *start;
        size_t len;
    } samples;
    uint8_t encoding;
} up_descriptor;

/* ---- What a filter is given ---------------------------------------------------------------------------------- */

/* A parameter's value; read the member of its kind. The host has checked it. */
typedef struct {
    uint8_t kind;
    union {
        float number;
        int32_t integer;
        bool boolean;
        uint32_t choice;
        up_color color;
        up_text text;
        uint32_t seed;
    };
} up_value;

/* Rows of pixels, tightly packed; a pixel is r, g, b, a. `len` counts values, four for each pixel. */
typedef struct {
    uint8_t sample;
    union {
        uint8_t *uint8;
        uint16_t *uint16;
        float *float32;
    };
    size_t len;
} up_pixels;

typedef enum { UP_ABSENT, UP_WITH_TILES, UP_WHOLE } up_presence;

/* What there is of a declared input; size and pixels where it is whole. */
typedef struct {
    uint8_t presence;
    uint32_t width, height;
    up_pixels pixels;
} up_given;

/* One run. All of it, pixels and texts included, stays until the run ends. */
typedef struct {
    const up_value *params; /* in the order of the descriptor's */
    size_t param_count;
    uint32_t width, height;
    uint8_t sample;
    float scale;   /* below 1 in a preview: multiply lengths in pixels by it */
    uint64_t seed; /* all randomness comes from it and a pixel's position */
    const up_given *inputs;
    size_t input_count;
} up_request;

/* How the run goes. Begins with the picture's size and no pass, which leaves the picture as it is. */
typedef struct {
    uint32_t width, height;
    size_t count;
    struct {
        uint8_t kind;
        uint32_t halo;
    } passes[17]; /* one more than may be: the host says so */
} up_plan;

static inline void up_pass(up_plan *plan, uint8_t kind, uint32_t halo) {
    size_t i = plan->count < 17 ? plan->count++ : 16;
    plan->passes[i].kind = kind;
    plan->passes[i].halo = halo;
}
/* Adds a pass in which each pixel depends on itself and its position alone. */
static inline void up_pointwise(up_plan *plan) { up_pass(plan, 0, 0); }
/* Adds a pass in tiles on all cores, each with `halo` more pixels on every side, 0..=512. */
static inline void up_tiles(up_plan *plan, uint32_t halo) { up_pass(plan, 1, halo); }
/* Adds a pass over the whole picture as one tile, on one core. */
static inline void up_whole_picture(up_plan *plan) { up_pass(plan, 2, 0); }
/* Adds a survey: `survey` sees every tile, then `learn` hears all answers. */
static inline void up_survey(up_plan *plan) { up_pass(plan, 3, 0); }

typedef struct {
    int32_t x, y;
    uint32_t width, height;
} up_rect;

/* Pixels to turn into pixels. Colour under alpha 0 is 0 and means nothing: weigh by alpha. */
typedef struct {
    uint32_t pass;    /* from 0, surveys included */
    up_rect area;     /* what to make, in pixels of the result */
    up_rect source;   /* what `pixels` covers: the area and the halo, in pixels of the picture */
    up_pixels pixels; /* what the pass before made, or the picture */
    const up_pixels *inputs; /* those that come with tiles, each covering `source` */
    size_t input_count;
} up_tile;

/* Where the row of `pixels` at `y` of the picture begins: at column `source.x`. Counts values of any sample type. */
static inline size_t up_row(const up_tile *tile, int32_t y) {
    return (size_t)(y - tile->source.y) * tile->source.width * 4;
}
/* Where pixel `x`, `y` of the picture lies in `pixels` and in every input. */
static inline size_t up_at(const up_tile *tile, int32_t x, int32_t y) {
    return up_row(tile, y) + (size_t)(x - tile->source.x) * 4;
}

/* Bytes of your own making. */
typedef struct {
    const uint8_t *start;
    size_t len;
} up_bytes;

/* ---- What a filter is ---------------------------------------------------------------------------------------- */

/* Every function but the one you need may be left out. Errors are sentences that end with 0, and stay yours. */
typedef struct {
    up_descriptor about;

    /* Begins a run in this instance: read parameters, make tables, say how the picture is cut. */
    const char *(*prepare)(const up_request *request, up_plan *plan);

    /* Either: a pixel on its own, for filters of float32 whose only pass is pointwise. `x`, `y` in the picture. */
    up_color (*pixel)(uint32_t x, uint32_t y, up_color p);

    /* Or: the area's pixels into `out`, which is as large as they are and not cleared. Must not depend on which tiles
     * came before, nor on how the picture was cut. */
    const char *(*process)(const up_tile *tile, up_pixels out);

    /* What is to be known of a tile: at most 65536 bytes, which stay yours until the next call. */
    const char *(*survey)(const up_tile *tile, up_bytes *answer);

    /* All answers to a survey, in the order of its tiles, row by row; they go when the call ends. */
    const char *(*learn)(uint32_t pass, const up_bytes *answers, size_t count);
} up_filter;

/* You define it. */
extern const up_filter underpaint_filter;

/* In place of a sentence alone: shown beside the parameter or input of this name. */
const char *up_bad_parameter(const char *name, const char *message);

/* What only means something in wasm. Compiled for your own machine the filter is a struct of functions, which a test or
 * a debugger can call; `up_log_bytes`, `up_progress` and `up_cancelled` are then yours to define. */
#ifdef __wasm__
#define UP_WASM(...) __attribute__((__VA_ARGS__))
#define UP_ASSEMBLY(...) __asm__(__VA_ARGS__)
#else
#define UP_WASM(...)
#define UP_ASSEMBLY(...) _Static_assert(1, "")
#endif

/* Name, version and licence as literals, in one file; more fields may follow:
 * `UP_MANIFEST("blur", "1.0.0", "MIT", UP_FIELD("authors", "Ada") UP_LIMIT("memory_bytes", 67108864));`
 *
 * In assembly, since a section named by an attribute would be one of data, which the linker puts elsewhere. */
#define UP_MANIFEST(name, version, license, ...)                                                                 \
    UP_ASSEMBLY(".section \".custom_section.underpaint:filter\",\"\",@\n"                                        \
                ".ascii \"{\\\"api\\\":\\\"1.0.0\\\"\"\n"                                                        \
                UP_FIELD("name", name) UP_FIELD("version", version) UP_FIELD("license", license) __VA_ARGS__     \
                ".ascii \"}\"\n"                                                                                 \
                ".text\n")
#define UP_FIELD(key, text) ".ascii \",\\\"" key "\\\":\\\"" text "\\\"\"\n"
#define UP_LIMIT(key, number) ".ascii \",\\\"" key "\\\":" #number "\"\n"

/* ---- What the host offers ------------------------------------------------------------------------------------ */

#define UP_IMPORT(name) UP_WASM(import_module("underpaint:filter/host@1.0.0"), import_name(name))

typedef enum { UP_DEBUG, UP_INFO, UP_WARN, UP_ERROR } up_level;
UP_IMPORT("log") void up_log_bytes(uint32_t level, const char *start, size_t len);
/* How much of a whole picture is done, 0..=1. */
UP_IMPORT("progress") void up_progress(float fraction);
/* True once nobody wants the result any more; a courtesy, the filter is stopped in any case. */
UP_IMPORT("cancelled") bool up_cancelled(void);

/* A line for the author or, from UP_WARN on, the painter. */
static inline void up_log(up_level level, const char *line) { up_log_bytes(level, line, strlen(line)); }

/* Ends the run with a sentence, from anywhere. */
_Noreturn static inline void up_panic(const char *why) {
    up_log(UP_ERROR, why);
    __builtin_trap();
}

#define UP_LINE_OF(line) #line
#define UP_LINE(line) UP_LINE_OF(line)
/* In place of assert(), which would want a console. */
#define UP_ASSERT(condition) \
    ((condition) ? (void)0 : up_panic(__FILE__ ":" UP_LINE(__LINE__) ": " #condition " does not hold"))

/* ---- The exports --------------------------------------------------------------------------------------------- */

#ifndef UP_TYPES_ONLY

#define UP_EXPORT(function) UP_WASM(export_name("underpaint:filter/filter@1.0.0#" function))

#ifdef __wasm__
_Static_assert(sizeof(up_param) == 60 && sizeof(up_input) == 28 && sizeof(up_descriptor) == 44, "describe");
_Static_assert(sizeof(up_value) == 20 && sizeof(up_given) == 24 && sizeof(up_pixels) == 12, "prepare");
#endif

/* What is returned: result<…, error>. */
static struct {
    uint8_t failed;
    union {
        struct {
            uint32_t width, height;
            const void *passes;
            size_t count;
        } plan;
        up_pixels pixels;
        up_bytes answer;
        struct {
            uint8_t kind; /* bad-parameter, failed */
            up_text first, second;
        } error;
    };
} up_result;

static const char *up_parameter;

const char *up_bad_parameter(const char *name, const char *message) {
    up_parameter = name;
    return message;
}

static const void *up_return(const char *error) {
    up_result.failed = error != NULL;
    if (error) {
        up_text message = {error, strlen(error)};
        up_result.error.kind = up_parameter ? 0 : 1;
        up_result.error.first = message;
        if (up_parameter) {
            up_result.error.first = (up_text){up_parameter, strlen(up_parameter)};
            up_result.error.second = message;
        }
        up_parameter = NULL;
    }
    return &up_result;
}

/* How the host makes room for what it hands in. */
UP_WASM(export_name("cabi_realloc")) void *up_realloc(void *old, size_t old_len, size_t align, size_t len) {
    (void)old_len;
    if (len == 0) return (void *)align;
    void *start = realloc(old, len);
    if (!start) up_panic("out of memory");
    return start;
}

/* What the host handed in as a list of `len`; an empty one was never allocated. */
static void up_free(const void *start, size_t len) {
    if (len) free((void *)start);
}

UP_EXPORT("describe") const void *up_export_describe(void) { return &underpaint_filter.about; }

UP_EXPORT("prepare")
const void *up_export_prepare(const up_value *params, size_t param_count, uint32_t width, uint32_t height,
                              uint32_t sample, float scale, uint64_t seed, const up_given *inputs, size_t input_count) {
    static up_request request;
    static up_plan plan;
    request = (up_request){params, param_count, width, height, (uint8_t)sample, scale, seed, inputs, input_count};
    plan.width = width;
    plan.height = height;
    if (underpaint_filter.prepare) {
        const char *error = underpaint_filter.prepare(&request, &plan);
        if (error) return up_return(error);
    } else {
        up_pointwise(&plan);
    }
    up_result.plan.width = plan.width;
    up_result.plan.height = plan.height;
    up_result.plan.passes = plan.passes;
    up_result.plan.count = plan.count;
    return up_return(NULL);
}

/* What `process` returned, until the next call. */
static void *up_made;
static size_t up_room;

static void *up_make_room(size_t bytes) {
    if (bytes > up_room) {
        free(up_made);
        up_made = malloc(bytes);
        up_room = bytes;
        if (!up_made) up_panic("out of memory");
    }
    return up_made;
}

static void up_free_tile(const up_tile *tile) {
    for (size_t i = 0; i < tile->input_count; i++) up_free(tile->inputs[i].uint8, tile->inputs[i].len);
    up_free(tile->inputs, tile->input_count);
    up_free(tile->pixels.uint8, tile->pixels.len);
}

#define UP_TILE_ARGUMENTS                                                                                      \
    uint32_t pass, int32_t x, int32_t y, uint32_t width, uint32_t height, int32_t source_x, int32_t source_y,  \
        uint32_t source_width, uint32_t source_height, uint32_t sample, void *pixels, size_t len,              \
        const up_pixels *inputs, size_t input_count
#define UP_TILE                                                                                                 \
    {pass, {x, y, width, height}, {source_x, source_y, source_width, source_height},                            \
     {(uint8_t)sample, {pixels}, len}, inputs, input_count}

UP_EXPORT("process") const void *up_export_process(UP_TILE_ARGUMENTS) {
    up_tile tile = UP_TILE;
    size_t values = (size_t)width * height * 4;
    up_pixels out = {(uint8_t)sample, {up_make_room(values << sample)}, values};
    const char *error = NULL;
    if (underpaint_filter.process) {
        error = underpaint_filter.process(&tile, out);
    } else if (underpaint_filter.pixel && sample == UP_FLOAT32 && len == values) {
        const up_color *from = pixels;
        up_color *to = (up_color *)out.float32;
        for (uint32_t row = 0; row < height; row++)
            for (uint32_t column = 0; column < width; column++)
                *to++ = underpaint_filter.pixel((uint32_t)x + column, (uint32_t)y + row, *from++);
    } else {
        error = "it has no function for this pass";
    }
    up_free_tile(&tile);
    up_result.pixels = out;
    return up_return(error);
}

UP_EXPORT("survey") const void *up_export_survey(UP_TILE_ARGUMENTS) {
    up_tile tile = UP_TILE;
    up_bytes answer = {NULL, 0};
    const char *error = underpaint_filter.survey ? underpaint_filter.survey(&tile, &answer) : NULL;
    up_free_tile(&tile);
    up_result.answer = answer;
    return up_return(error);
}

UP_EXPORT("learn") const void *up_export_learn(uint32_t pass, const up_bytes *answers, size_t count) {
    const char *error = underpaint_filter.learn ? underpaint_filter.learn(pass, answers, count) : NULL;
    for (size_t i = 0; i < count; i++) up_free(answers[i].start, answers[i].len);
    up_free(answers, count);
    return up_return(error);
}

#endif /* UP_TYPES_ONLY */
#endif /* UNDERPAINT_FILTER_H */
