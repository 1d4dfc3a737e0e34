"""Scenarios without a screen: what procedures called from scripts do with every kind of image, and when things go wrong."""

import json
import os
import signal
import struct
import time

from gi.repository import Gegl, Gimp, Gio

import aimed
import kept
import steered
from images import (HOLE, SIZE, SOFT, U8, ask, at_work, call, check, joined, kill, lives, made, meanwhile, picture, pid,
                    rect_of, seen, select, selected, sentence, settings_file, shown, tiny, untouched, wait, woven)
from underpaint_client import Client, image as described

LONG = {"steps": 60, "prompt": "a cat"}
"""With the tiny model this takes long enough for something to happen meanwhile."""


def no_program():
    """Nobody listens and no program is to be found: a sentence that says what to do."""
    kept = open(settings_file()).read()
    os.unlink(settings_file())
    try:
        image = picture()
        select(image, *HOLE)
        said = sentence("fill", image)
        check("was not found" in said and "adapter install gimp" in said, "it says: %s", said)
        return said
    finally:
        open(settings_file(), "w").write(kept)


def program_that_cannot_serve():
    """The program ends at once: what it said is told."""
    kept = open(settings_file()).read()
    broken = os.path.join(os.environ["UNDERPAINT_E2E"], "broken")
    with open(broken, "w") as file:
        file.write("#!/bin/sh\necho 'error: the disk is full' >&2\nexit 1\n")
    os.chmod(broken, 0o755)
    open(settings_file(), "w").write(json.dumps({"program": broken}))
    try:
        image = picture()
        select(image, *HOLE)
        said = sentence("fill", image)
        check("the disk is full" in said, "it says: %s", said)
        return said
    finally:
        open(settings_file(), "w").write(kept)


def starts_the_daemon_and_fills():
    """The first fill starts the daemon; a soft selection is filled without touching anything outside."""
    check(not lives(), "a daemon is running already")
    image = picture()
    select(image, *HOLE, feather=SOFT)
    before, mask = seen(image), selected(image)
    layer = made("fill", image, seed=7)
    check(lives(), "no daemon is running")
    check(layer.get_name() == "Fill (7)", "the layer is called %s", layer.get_name())
    check([found.get_name() for found in image.get_layers()] == ["Fill (7)", "base"], "the layers are out of order")
    alpha = untouched(before, image, layer)
    check(all(not alpha[at] for at in range(len(mask)) if not mask[at]), "something is painted outside the selection")
    check(max(alpha) == 255 and any(0 < value < 255 for value in alpha), "the edge is not soft")
    check(selected(image) == mask, "the selection is another")
    _, filled, left, top, right, bottom = Gimp.Selection.bounds(image)
    x, y, width, height = rect_of(layer)
    check(left <= x and top <= y and x + width <= right and y + height <= bottom, "the layer lies at %s", rect_of(layer))
    return "layer at %s" % (rect_of(layer),)


def nothing_selected():
    """Fill, remove, add and background need a selection; generate does not."""
    image = picture()
    for name in ("fill", "remove", "add", "background"):
        check("Nothing is selected" in sentence(name, image), "%s says something else", name)
    layer = made("generate", image, prompt="a cat", model=tiny(), steps=2)
    check(rect_of(layer) == (0, 0) + SIZE, "the layer covers %s", rect_of(layer))
    check(min(shown(layer)[3::4]) == 255, "the picture has holes")


def selection_beyond_the_canvas():
    """Only what lies on the canvas counts; a selection that lies beyond it is none."""
    image = picture()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, -40, -30, 90, 80)
    before = seen(image)
    layer = made("fill", image)
    untouched(before, image, layer)
    x, y, width, height = rect_of(layer)
    check((x, y) == (0, 0) and width <= 50 and height <= 50, "the layer lies at %s", rect_of(layer))
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 500, 500, 50, 50)
    check("Nothing is selected" in sentence("fill", image), "it says something else")


def nested_group():
    """The result goes into the group, above the active layer; above an active group, beside it."""
    image = picture()
    outer, inner = Gimp.GroupLayer.new(image, "outer"), Gimp.GroupLayer.new(image, "inner")
    image.insert_layer(outer, None, 0)
    image.insert_layer(inner, outer, 0)
    leaf = Gimp.Layer.new(image, "leaf", 50, 50, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(leaf, inner, 0)
    select(image, *HOLE)
    before = seen(image)
    made("fill", image, [leaf], seed=1)
    check([layer.get_name() for layer in inner.get_children()] == ["Fill (1)", "leaf"], "the group holds something else")
    layer = inner.get_children()[0]
    untouched(before, image, layer)
    made("fill", image, [inner], seed=2)
    check([layer.get_name() for layer in outer.get_children()] == ["Fill (2)", "inner"], "the outer group holds something else")


def mask_channel_or_nothing_active():
    """An active layer mask stands for its layer, a channel for no layer at all; an image need not have any."""
    image = picture()
    top = Gimp.Layer.new(image, "top", 20, 20, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(top, None, 0)
    base = image.get_layers()[1]
    mask = base.create_mask(Gimp.AddMaskType.WHITE)
    base.add_mask(mask)
    select(image, *HOLE)
    before = seen(image)
    layer = made("fill", image, [mask], seed=1)
    check([found.get_name() for found in image.get_layers()] == ["top", "Fill (1)", "base"], "the layers are out of order")
    check(layer.get_mask() is None and base.get_mask() is not None, "the masks are others")
    untouched(before, image, layer)
    channel = Gimp.Channel.new_from_component(image, Gimp.ChannelType.RED, "red")
    image.insert_channel(channel, None, 0)
    made("fill", image, [channel], seed=2)
    check(image.get_layers()[0].get_name() == "Fill (2)", "the result is not on top")
    made("fill", image, [], seed=3)
    check(image.get_layers()[0].get_name() == "Fill (3)", "the result is not on top")
    empty = Gimp.Image.new(96, 64, Gimp.ImageBaseType.RGB)
    layer = made("generate", empty, [], prompt="a cat", model=tiny(), steps=2)
    check(rect_of(layer) == (0, 0, 96, 64) and len(empty.get_layers()) == 1, "the empty image has something else")


def hidden_and_offset_layers():
    """What is seen is what is sent: hidden layers do not count, layers without alpha or beyond the canvas do no harm."""
    image = picture(alpha=False)
    hidden = Gimp.Layer.new(image, "hidden", *SIZE, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(hidden, None, 0)
    hidden.fill(Gimp.FillType.WHITE)
    hidden.set_visible(False)
    far = Gimp.Layer.new(image, "far", 60, 60, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(far, None, 0)
    far.set_offsets(-30, 120)
    select(image, *HOLE)
    before = seen(image)
    layer = made("remove", image, [far])
    alpha = untouched(before, image, layer)
    pixels = shown(layer)
    opaque = [pixels[at * 4:at * 4 + 3] for at in range(len(alpha)) if alpha[at] == 255]
    check(opaque.count(b"\xff\xff\xff") == 0, "the hidden layer was seen")


def refused_kinds():
    """An image with a palette, and one with a floating selection: sentences that say what to do."""
    image = picture()
    select(image, *HOLE)
    Gimp.Selection.float(image, image.get_layers()[:1], 5, 5)
    floating = sentence("fill", image, [])
    check("Anchor" in floating, "it says: %s", floating)
    image = picture(alpha=False)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    select(image, *HOLE)
    indexed = sentence("fill", image)
    check("Image > Mode > RGB" in indexed, "it says: %s", indexed)
    return indexed


NAMES = Gimp.Precision
SPACES = [
    (False, NAMES.U8_NON_LINEAR, "rgba8", None), (False, NAMES.U8_LINEAR, "rgba8", None), (False, NAMES.U16_NON_LINEAR, "rgba16", None),
    (False, NAMES.U16_LINEAR, "rgba16", None), (False, NAMES.U32_NON_LINEAR, "rgbaf32", None), (False, NAMES.HALF_LINEAR, "rgbaf32", None),
    (False, NAMES.FLOAT_LINEAR, "rgbaf32", None), (False, NAMES.FLOAT_NON_LINEAR, "rgbaf32", None),
    (False, NAMES.DOUBLE_LINEAR, "rgbaf32", None), (True, NAMES.U8_NON_LINEAR, "rgba8", None), (True, NAMES.U16_LINEAR, "rgba16", None),
    (True, NAMES.FLOAT_LINEAR, "rgbaf32", None), (False, NAMES.U8_NON_LINEAR, "rgba8", "Adobe RGB"),
]
BABL = {"rgba8": U8, "rgba16": "R'G'B'A u16", "rgbaf32": "R'G'B'A float"}


def every_colour_model():
    """In each kind of image the layer is of that kind, shows what the daemon sent, and keeps what lies outside."""
    notes = []
    for gray, precision, px, profile in SPACES:
        profile = Gimp.ColorProfile.new_rgb_adobe() if profile else None
        image = picture(gray=gray, precision=precision, profile=profile)
        select(image, *HOLE, feather=SOFT)
        before = seen(image)
        layer = made("fill", image, seed=3)
        kind = Gimp.ImageType.GRAYA_IMAGE if gray else Gimp.ImageType.RGBA_IMAGE
        check(layer.type() == kind and image.get_precision() == precision, "%s: the layer is another kind", precision.value_nick)
        layer.set_visible(False)
        untouched_outside(before, image, layer)
        distance = furthest(image, layer, px)
        # Read back in the format it was sent in. Adobe RGB's eight bits are others than sRGB's, greys come by luminance.
        limit = 1 if profile or gray else 0.01
        check(distance <= limit, "%s: %.2f away from what the daemon sent", precision.value_nick, distance)
        notes.append("%s%s%s %.2f" % ("gray " * gray, precision.value_nick, " Adobe RGB" if profile else "", distance))
        image.delete()
    return "furthest difference in 255ths: " + "; ".join(notes)


def untouched_outside(before, image, layer):
    """The layer hidden, all is as before; shown, all is where it is transparent."""
    check(seen(image) == before, "with the layer hidden the picture is another")
    layer.set_visible(True)
    untouched(before, image, layer)


def furthest(image, layer, px):
    """How far, in 255ths, the layer's opaque pixels are from the patch that the daemon makes of the same request."""
    layer.set_visible(False)
    whole = Gegl.Rectangle.new(0, 0, *SIZE)
    _, _, left, top, right, bottom = Gimp.Selection.bounds(image)
    mask = image.get_selection().get_buffer().get(Gegl.Rectangle.new(left, top, right - left, bottom - top), 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    size = (right - left, bottom - top)
    bounds = dict(zip("xywh", (left, top) + size))
    with Client.connect() as client:
        sent = client.call("fill/context", {"mode": "fill", "extent": list(SIZE), "mask_bounds": bounds, "prompt": ""})["rect"]
        rect = Gegl.Rectangle.new(*(sent[side] for side in "xywh"))
        visible = Gimp.Layer.new_from_visible(image, image, "seen")
        pixels = visible.get_buffer().get(rect, 1.0, BABL[px], Gegl.AbyssPolicy.NONE)
        visible.delete()
        canvas = {"extent": list(SIZE), "rect": sent, "image": described(client.put(pixels), rect.width, rect.height, px)}
        asked = {"mode": "fill", "seed": 3, "canvas": canvas, "mask": {"rect": bounds, "image": described(client.put(mask), *size, "g8")}}
        (patch,) = client.submit("generate", asked).wait()
    layer.set_visible(True)
    check(patch.rect == rect_of(layer), "the layer lies at %s, the patch at %s", rect_of(layer), patch.rect)
    code, most = {"rgba8": ("B", 255), "rgba16": ("H", 65535), "rgbaf32": ("f", 1)}[px]
    meant = memoryview(bytes(patch.pixels)).cast(code)
    whole = Gegl.Rectangle.new(0, 0, *patch.rect[2:])
    there = memoryview(layer.get_buffer().get(whole, 1.0, BABL[px], Gegl.AbyssPolicy.NONE)).cast(code)
    gray = layer.type() == Gimp.ImageType.GRAYA_IMAGE
    found = 0
    for at in range(0, len(meant), 4):
        if meant[at + 3] == most:
            one, other = meant[at:at + 3].tolist(), there[at:at + 3].tolist()
            if gray:
                one, other = [luminance(one, most)], [luminance(other, most)]
            found = max(found, max(abs(a - b) for a, b in zip(one, other)) * 255 / most)
    return found


def luminance(rgb, most):
    """The grey of the same CIE luminance, in the same encoding."""
    linear = [value / most / 12.92 if value / most <= 0.04045 else ((value / most + 0.055) / 1.055) ** 2.4 for value in rgb]
    grey = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return most * (grey * 12.92 if grey <= 0.0031308 else 1.055 * grey ** (1 / 2.4) - 0.055)


def depth_is_kept():
    """A ramp finer than 8 bits goes to the daemon and comes back as fine."""
    notes = []
    for precision, px in [(NAMES.U16_NON_LINEAR, "rgba16"), (NAMES.FLOAT_LINEAR, "rgbaf32")]:
        image = Gimp.Image.new_with_precision(1024, 4, Gimp.ImageBaseType.RGB, precision)
        layer = Gimp.Layer.new(image, "ramp", 1024, 4, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
        image.insert_layer(layer, None, 0)
        ramp = b"".join(int(x * 64).to_bytes(2, "little") * 3 + b"\xff\xff" for x in range(1024)) * 4
        layer.get_buffer().set(Gegl.Rectangle.new(0, 0, 1024, 4), BABL["rgba16"], ramp)
        layer.update(0, 0, 1024, 4)
        result = made("filter", image, [layer], filters='{"name": "vignette", "params": {}}')
        there = memoryview(shown(result, BABL["rgba16"])).cast("H")
        levels = len(set(there[0:4096:4].tolist()))
        check(levels > 900, "%s: of 1024 levels %d are left", px, levels)
        notes.append("%s %d" % (px, levels))
    return "levels of 1024: " + ", ".join(notes)


def words_variants_and_styles():
    """Prompts of any kind, several variants, a style by name; what is not there is told with what there is."""
    image = picture()
    select(image, *HOLE, feather=SOFT)
    before = seen(image)
    prompt = 'a "mossy" stone,\n\tétoile ☆ \\ {red|blue}' + " very" * 40
    layer = made("fill", image, prompt=prompt, model=tiny(), steps=2, seed=11, batch=3)
    names = [found.get_name() for found in image.get_layers()]
    check(len(names) == 4 and "\n" not in names[0] and names[0].startswith('a "mossy" stone,'), "the layers are %s", names)
    check(len(set(names)) == 4, "the variants have the same seed: %s", names)
    untouched(before, image, layer)
    ask("styles/put", name="Quick", settings={"model": tiny(), "steps": 2, "prompt": "a cat"})
    layer = made("generate", image, style="Quick", seed=4)
    check(layer.get_name() == "Generate (4)" or layer.get_name() == "a cat (4)", "the layer is called %s", layer.get_name())
    check("too long" in sentence("fill", image, prompt="very " * 9000), "it says something else")
    said = sentence("fill", image, style="nonsense")
    check("Quick" in said, "it says: %s", said)
    said = sentence("fill", image, model="nonsense")
    check("nonsense" in said, "it says: %s", said)
    return said


def filters_on_layers():
    """A filter works on the active layer with its mask, or what is selected of it; a chain is JSON."""
    image = picture()
    base = image.get_layers()[0]
    mask = base.create_mask(Gimp.AddMaskType.BLACK)
    base.add_mask(mask)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 100, 150)
    mask.edit_fill(Gimp.FillType.WHITE)
    Gimp.Selection.none(image)
    base.append_filter(Gimp.DrawableFilter.new(base, "gegl:invert-gamma", ""))
    layer = made("filter", image, [base], filters='{"name": "film-grain", "params": {"strength": 0}}')
    check(layer.get_name() == "Film grain", "the layer is called %s", layer.get_name())
    alpha = shown(layer)[3::4]
    check(alpha[50] == 255 and alpha[150] == 0, "the layer mask was not seen: %d %d", alpha[50], alpha[150])
    check(base.get_mask() is not None and base.get_filters(), "the layer has lost its mask or its effect")
    inverted, there = seen(image)[:400], shown(layer)[:400]
    check(max(abs(a - b) for a, b in zip(inverted, there)) <= 1, "the layer's effect was not seen")

    image = picture()
    select(image, *HOLE, feather=SOFT)
    before, chosen = seen(image), selected(image)
    layer = made("filter", image, filters='[{"name": "unsharp-mask"}, {"name": "film-grain", "params": {"strength": 1}}]')
    alpha = untouched(before, image, layer)
    check(all(abs(alpha[at] - chosen[at]) <= 1 for at in range(len(alpha))), "the layer is not as transparent as the selection")
    for text in ("nonsense", "[1]", "{", '{"name": "film-grain", "params": {"strength": 7}}', ""):
        sentence("filter", image, filters=text)
    return sentence("filter", image, filters='{"name": "film-grain", "params": {"strenght": 1}}')


def expands():
    """The canvas grows and only what is new is painted; one picture, one layer."""
    image = picture()
    before = seen(image)
    layer = made("expand", image, left=24, bottom=16, model=tiny(), steps=2, prompt="a cat")
    check((image.get_width(), image.get_height()) == (224, 166), "the canvas is %dx%d", image.get_width(), image.get_height())
    alpha = shown(layer)[3::4]
    check(alpha[0] == 255 and alpha[224 * 165 + 223] == 255, "the corners are not painted")
    check(rect_of(image.get_layers()[1]) == (24, 0) + SIZE, "the old layer lies at %s", rect_of(image.get_layers()[1]))
    layer.set_visible(False)
    after = seen(image)
    rows = b"".join(after[(y * 224 + 24) * 4:(y * 224 + 224) * 4] for y in range(150))
    check(rows == before, "the old picture is another")
    return "%s; %s" % (rect_of(layer), sentence("expand", image))


def replaces_the_background():
    """What is selected stays; all around it is painted."""
    image = picture()
    select(image, *HOLE)
    before, chosen = seen(image), selected(image)
    layer = made("background", image, model=tiny(), steps=2, prompt="a cat")
    alpha = untouched(before, image, layer)
    x, y, width, height = HOLE
    check(all(not value for at, value in enumerate(alpha) if chosen[at] == 255), "what was selected is painted over")
    middle = (y + height // 2) * SIZE[0] + x + width // 2
    check(chosen[middle] == 255 and alpha[middle] == 0 and alpha[0] == 255, "the wrong part was painted: opaque %d inside, %d outside",
          alpha[middle], alpha[0])


AROUND = 40
"""A diffusion model's picture fades into its surroundings within so many pixels of a small selection."""


def adds_something():
    """What the words say is painted into the selection; outside it every pixel stays."""
    image = picture()
    select(image, *HOLE, feather=SOFT)
    before, mask = seen(image), selected(image)
    layer = made("add", image, model=tiny(), steps=2, seed=5, prompt="a cat")
    check(layer.get_name() == "a cat (5)", "the layer is called %s", layer.get_name())
    alpha = untouched(before, image, layer)
    x, y, width, height = HOLE
    check(all(alpha[at] == 255 for at in range(len(mask)) if mask[at] == 255), "the selection is not filled")
    left, top, wide, high = rect_of(layer)
    check(left > x - AROUND and top > y - AROUND and left + wide < x + width + AROUND and top + high < y + height + AROUND,
          "the layer lies at %s", rect_of(layer))
    middle = (y + height // 2) * SIZE[0] + x + width // 2
    check(alpha[middle] == 255 and any(0 < value < 255 for value in alpha), "the middle is %d opaque, or the edge is hard", alpha[middle])
    inside = [at for at in range(len(alpha)) if alpha[at] == 255]
    painted, there = shown(layer), seen(image)
    changed = [at for at in inside if painted[at * 4:at * 4 + 3] != before[at * 4:at * 4 + 3]]
    check(len(changed) > len(inside) * 0.9, "only %d of %d pixels are painted", len(changed), len(inside))
    check(all(there[at * 4:at * 4 + 4] == painted[at * 4:at * 4 + 4] for at in inside), "what is seen is not what was painted")
    again = made("add", image, [image.get_layers()[1]], model=tiny(), steps=2, seed=6, prompt="a cat")
    check(shown(again) != painted, "another seed paints the same")


ENLARGED = 2e-3
"""How far an enlarged picture may be from what spandrel makes of the same, in values of 0..1."""


def enlarges():
    """The upscaler's picture, as a new image of the same kind; the old one stays as it is."""
    with open(os.path.join(os.path.dirname(__file__), "enlarged.json")) as file:
        pictures = json.load(file)
    width, height, values = pictures["given"]
    image = Gimp.Image.new_with_precision(width, height, Gimp.ImageBaseType.RGB, NAMES.FLOAT_NON_LINEAR)
    layer = Gimp.Layer.new(image, "small", width, height, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B' float", struct.pack("<%df" % len(values), *values))
    layer.update(0, 0, width, height)
    before = seen(image, BABL["rgbaf32"])
    larger = made("upscale", image)
    wide, high, wanted = pictures["wanted"]
    check((larger.get_width(), larger.get_height()) == (wide, high), "it is %dx%d", larger.get_width(), larger.get_height())
    check(larger.get_precision() == image.get_precision() and len(larger.get_layers()) == 1, "the new image is of another kind")
    found = memoryview(shown(larger.get_layers()[0], BABL["rgbaf32"])).cast("f")
    further = max(abs(min(1, max(0, wanted[at * 3 + part])) - found[at * 4 + part]) for at in range(wide * high) for part in range(3))
    check(further < ENLARGED, "it is off by %.4f", further)
    check(seen(image, BABL["rgbaf32"]) == before and len(image.get_layers()) == 1, "the old image is another")
    upscaler = next(model["id"] for model in ask("models/list") if model.get("kind") == "upscaler")
    image = picture((40, 30))
    larger = made("upscale", image, [], upscaler=upscaler, scale=3)
    check((larger.get_width(), larger.get_height()) == (120, 90), "it is %dx%d", larger.get_width(), larger.get_height())
    check(rect_of(larger.get_layers()[0]) == (0, 0, 120, 90), "the layer lies at %s", rect_of(larger.get_layers()[0]))
    check(min(shown(larger.get_layers()[0])[3::4]) == 255 and len(set(seen(larger))) > 50, "the enlarged picture is empty")
    return "furthest difference %.5f; %s" % (further, sentence("upscale", image, upscaler="nonsense"))


def two_images():
    """The result goes to the image the procedure was called with."""
    first, second = picture(), picture()
    for image in (first, second):
        select(image, *HOLE)
    before = seen(second)
    made("fill", first)
    check(len(first.get_layers()) == 2 and len(second.get_layers()) == 1 and seen(second) == before, "the wrong image was painted")


def huge_image():
    """48 megapixels with a small selection: only the part that the daemon asks for is read and sent."""
    image = Gimp.Image.new(8000, 6000, Gimp.ImageBaseType.RGB)
    layer = Gimp.Layer.new(image, "base", 8000, 6000, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.get_buffer().set(Gegl.Rectangle.new(3900, 2900, *SIZE), U8, woven(*SIZE))
    layer.update(3900, 2900, *SIZE)
    select(image, 3960, 2940, 70, 50)
    began = time.time()
    result = made("fill", image)
    seconds = time.time() - began
    x, y, width, height = rect_of(result)
    check(x >= 3950 and y >= 2930 and width <= 90 and height <= 70, "the layer lies at %s", rect_of(result))
    return "%.1f s" % seconds


def daemon_killed():
    """kill -9 while a job runs: it is started again and the job done; killed again, a sentence; then all is well."""
    image = picture((512, 384))
    select(image, 100, 100, 200, 150)
    first = pid()
    thread = meanwhile(lambda: wait(at_work, "the job's start"), kill)
    made("fill", image, model=tiny(), **LONG)
    joined(thread)
    check(lives() and pid() != first, "no new daemon was started")
    second = pid()
    thread = meanwhile(lambda: wait(at_work, "the job's start"), kill, lambda: wait(lambda: pid() != second, "another daemon"),
                       lambda: wait(at_work, "the job's second start"), kill)
    said = sentence("fill", image, model=tiny(), **LONG)
    joined(thread)
    check("stopped" in said, "it says: %s", said)
    made("fill", image)
    return said


def daemon_stopped():
    """A daemon that is told to end while a job runs ends it, and the painter is told."""
    image = picture((512, 384))
    select(image, 100, 100, 200, 150)
    thread = meanwhile(lambda: wait(at_work, "the job's start"), lambda: kill(signal.SIGTERM))
    said = sentence("fill", image, model=tiny(), **LONG)
    joined(thread)
    made("fill", image)
    return said


ALL = [
    no_program, program_that_cannot_serve, starts_the_daemon_and_fills, nothing_selected, selection_beyond_the_canvas, nested_group,
    mask_channel_or_nothing_active, hidden_and_offset_layers, refused_kinds, every_colour_model, depth_is_kept,
    words_variants_and_styles, filters_on_layers, expands, replaces_the_background, adds_something, enlarges, two_images, huge_image,
    *aimed.ALL, *kept.ALL, *steered.ALL, daemon_killed, daemon_stopped,
]
