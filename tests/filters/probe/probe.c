/* Uses everything there is in the contract; languages.rs says what must come of it. */

#include "underpaint_filter.h"

UP_MANIFEST("probe", "1.0.0", "MIT", UP_FIELD("authors", "Ada") UP_LIMIT("memory_bytes", 8388608) UP_LIMIT("timeout_ms", 5000));

enum { MODE, NUMBER, WHOLE, SWITCH, PAPER, WORDS, SEED };
enum { COPY, ECHO, REFUSE, BLAME, CRASH, HOARD, SURVEY, ENLARGE, IMAGE, MASK };

static const up_choice modes[] = {
    {UP_TEXT("copy"), UP_TEXT("Copy")},     {UP_TEXT("echo"), UP_TEXT("Echo")},   {UP_TEXT("refuse"), UP_TEXT("Refuse")},
    {UP_TEXT("blame"), UP_TEXT("Blame")},   {UP_TEXT("crash"), UP_TEXT("Crash")}, {UP_TEXT("hoard"), UP_TEXT("Hoard")},
    {UP_TEXT("survey"), UP_TEXT("Survey")}, {UP_TEXT("enlarge"), UP_TEXT("Enlarge")},
    {UP_TEXT("image"), UP_TEXT("Image")},   {UP_TEXT("mask"), UP_TEXT("Mask")},
};

static const up_param params[] = {
    UP_CHOICE("mode", "Mode", "", COPY, modes),
    UP_FLOAT("number", "Number", "More is more.", 0.25f, -1, 1, 0.125f, "\u00b0", .group = UP_TEXT("Values")),
    UP_INT("whole", "Whole", "", 3, -9, 9, 2, "px", .group = UP_TEXT("Values")),
    UP_BOOL("switch", "Switch", "", true),
    UP_COLOR("paper", "Paper", "", 1, 0.5f, 0.25f, 0.75f),
    UP_WORDS("words", "Words", "", "gr\u00fcn", 100, true),
    UP_SEED("seed", "Seed", "", 7),
};

static const up_input inputs[] = {
    {UP_TEXT("selection"), UP_TEXT("Selection"), UP_TEXT("Where."), UP_MASK, false},
    {UP_TEXT("stamp"), UP_TEXT("Stamp"), UP_TEXT(""), UP_IMAGE, false},
};

static up_request request;
static const up_value *values;
static uint64_t sum;

static const char *prepare(const up_request *r, up_plan *plan) {
    request = *r;
    values = r->params;
    switch (values[MODE].choice) {
    case REFUSE: return "it does not feel like it";
    case BLAME: return up_bad_parameter("words", "there are too few");
    case SURVEY: up_survey(plan); break;
    case ENLARGE:
        plan->width = 2 * r->width;
        plan->height = 3 * r->height;
        up_tiles(plan, 1);
        return NULL;
    case IMAGE:
        if (r->inputs[1].presence != UP_WHOLE) return up_bad_parameter("stamp", "choose one");
    }
    up_pointwise(plan);
    return NULL;
}

/* 0..=1 as a value of the run's sample type. */
static void put(up_pixels out, size_t i, float unit) {
    if (out.sample == UP_UINT8) out.uint8[i] = (uint8_t)(unit * 255);
    else if (out.sample == UP_UINT16) out.uint16[i] = (uint16_t)(unit * 65535);
    else out.float32[i] = unit;
}

static void copy(up_pixels out, size_t i, up_pixels from, size_t j) {
    memcpy(out.uint8 + (i << out.sample), from.uint8 + (j << out.sample), (size_t)4 << out.sample);
}

static const char *process(const up_tile *tile, up_pixels out) {
    uint32_t mode = values[MODE].choice;
    if (mode == CRASH) UP_ASSERT(request.width == 0);
    while (mode == HOARD) {
        /* Volatile, or the compiler leaves out what nobody reads. */
        void *volatile more = malloc(1 << 16);
        UP_ASSERT(more);
    }
    size_t i = 0;
    for (uint32_t row = 0; row < tile->area.height; row++)
        for (uint32_t column = 0; column < tile->area.width; column++, i += 4) {
            int32_t x = tile->area.x + (int32_t)column, y = tile->area.y + (int32_t)row;
            switch (mode) {
            case ECHO:
                put(out, i, values[NUMBER].number);
                put(out, i + 1, (float)values[WHOLE].integer / 10 + (values[SWITCH].boolean ? 0.5f : 0));
                put(out, i + 2, values[PAPER].color.g + (float)values[WORDS].text.len / 100);
                put(out, i + 3, (float)values[SEED].seed / 16 + (float)request.seed / 64 + request.scale / 8);
                break;
            case SURVEY:
                for (size_t c = 0; c < 4; c++) put(out, i + c, (float)sum / 65536);
                break;
            case ENLARGE: copy(out, i, tile->pixels, up_at(tile, x / 2, y / 3)); break;
            case IMAGE: {
                const up_given *stamp = &request.inputs[1];
                size_t at = ((uint32_t)y % stamp->height * stamp->width + (uint32_t)x % stamp->width) * 4;
                copy(out, i, stamp->pixels, at);
                break;
            }
            case MASK:
                if (request.inputs[0].presence == UP_ABSENT) return "there is no selection";
                copy(out, i, tile->inputs[0], up_at(tile, x, y));
                break;
            default: copy(out, i, tile->pixels, up_at(tile, x, y));
            }
        }
    return NULL;
}

/* The size of the tile, and of the answer: as many bytes as it has rows. */
static const char *survey(const up_tile *tile, up_bytes *answer) {
    static uint8_t bytes[256];
    memset(bytes, (int)(tile->pixels.len / 4 / tile->area.height % 251), tile->area.height);
    answer->start = bytes;
    answer->len = tile->area.height;
    return NULL;
}

static const char *learn(uint32_t pass, const up_bytes *answers, size_t count) {
    if (pass != 0) return "the survey is the first pass";
    sum = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < answers[i].len; k++) sum += (i + 1) * answers[i].start[k];
    sum %= 65536;
    return NULL;
}

const up_filter underpaint_filter = {
    .about = {UP_TEXT("Probe"), UP_TEXT("Everything there is."), UP_LIST(params), UP_LIST(inputs), UP_ANY_SAMPLE, UP_SRGB},
    .prepare = prepare,
    .process = process,
    .survey = survey,
    .learn = learn,
};
