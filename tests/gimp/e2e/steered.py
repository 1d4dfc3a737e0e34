"""Scenarios without a screen: LoRAs and control layers, written as a script's author writes them."""

import json

from gi.repository import Gegl, Gimp

from images import SIZE, U8, ask, call, check, made, picture, rect_of, seen, select, selected, sentence, shown, tiny, untouched
from job import Wish
from kept import entry_of
from monitor import Waiting
from picture import BABL, Sorry, Target
from sentences import sentence as sentence_of
from showing import Preprocessed
from underpaint_client import Client, Refused, image as described

PAINTED = (20, 15, 160, 120)
SEED = 70


def painted(image, seed=SEED, **arguments):
    """What a fill paints into `image`, which is left as it was."""
    before = seen(image)
    layer = made("fill", image, image.get_layers()[-1:], model=tiny(), steps=4, seed=seed, prompt="a cat", **arguments)
    pixels = shown(layer)
    untouched(before, image, layer)
    image.remove_layer(layer)
    return pixels


def used(seed):
    """What the daemon says it used for the picture of this seed."""
    return ask("history/get", entry=entry_of(seed)["entry"])["used"]


def loras():
    """Names with weights, several, as arguments; what cannot be read or found is told."""
    image = picture()
    select(image, *PAINTED)
    plain = painted(image)
    one, less = painted(image, loras="kohya"), painted(image, loras="kohya, weight=0.5")
    both = painted(image, seed=SEED + 1, loras="kohya,weight=0.5,text-weight=0; loha,weight=-1")
    check(len({plain, one, less, both}) == 4, "a LoRA makes no difference")
    check(painted(image, loras="kohya,weight=0") == plain, "a LoRA of no weight makes a difference")
    told = [(lora["name"], lora["weight"], lora["text_weight"]) for lora in used(SEED + 1)["loras"]]
    check(sorted(told) == [("kohya", 0.5, 0.0), ("loha", -1.0, -1.0)], "it used %s", told)
    said = [sentence("fill", image, prompt="a cat", model=tiny(), loras=text)
            for text in ("nonsense", "kohya,weight=much", "kohya,weight=1,weight=2", "kohya,strength=1", ",weight=1")]
    for text, reason in [("kohya,weight=11", "from -10 to 10"), ("for-another", "is a LoRA for SDXL")]:
        status, why = call("fill", image, prompt="a cat", model=tiny(), loras=text)
        check(status == "execution-error" and reason in why, "it says: %s", why)
    check("a number is needed" in said[1] and "twice" in said[2] and "sets strength" in said[3], "it says: %s", said)
    return "; ".join(said)


def sketched(precision=Gimp.Precision.U8_NON_LINEAR):
    """A picture to be filled, below a hidden layer with a drawing on it."""
    image = picture(precision=precision)
    sketch = Gimp.Layer.new(image, "Sketch, rough", 100, 80, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(sketch, None, 0)
    sketch.set_offsets(40, 30)
    line = b"\xff\xff\xff\xff" * 100
    for y in range(0, 80, 10):
        sketch.get_buffer().set(Gegl.Rectangle.new(0, y, 100, 1), U8, line)
    sketch.update(0, 0, 100, 80)
    sketch.set_visible(False)
    select(image, *PAINTED)
    return image, sketch


def control_layers():
    """A layer by name or by number steers, what is made of it and how much it counts; the picture itself where none is named."""
    image, sketch = sketched()
    plain = painted(image)
    steered = painted(image, controls="lines,layer=Sketch, rough")
    check(steered != plain, "the layer makes no difference")
    check(painted(image, controls="lines, layer=%d" % sketch.get_id()) == steered, "its number is another layer")
    others = [painted(image, controls=text) for text in (
        "lines", "lines,layer=Sketch, rough,weight=0.4", "lines,layer=Sketch, rough,preprocess=canny", "lines,layer=Sketch, rough,end=0.5",
        "sketch,layer=Sketch, rough", "reference,layer=Sketch, rough", "lines,layer=Sketch, rough; reference,layer=base,weight=0.7",
        "lines,preprocess=depth")]
    check(len({plain, steered, *others}) == len(others) + 2, "two of them paint the same")
    check(painted(image, controls="lines,layer=Sketch, rough,weight=0") == plain, "a layer of no weight makes a difference")
    sketch.set_offsets(41, 30)
    check(painted(image, controls="lines,layer=Sketch, rough") != steered, "it makes no difference where the layer lies")
    before = seen(image)
    layer = made("expand", image, image.get_layers()[-1:], left=16, model=tiny(), steps=2, prompt="a cat", controls="lines,layer=Sketch, rough")
    check(rect_of(layer)[:2] == (0, 0) and min(shown(layer)[3:16 * 4:4]) == 255, "the layer at %s has holes", rect_of(layer))
    layer.set_visible(False)
    rows = seen(image)
    kept = b"".join(rows[(y * (SIZE[0] + 16) + 16) * 4:(y + 1) * (SIZE[0] + 16) * 4] for y in range(SIZE[1]))
    check(kept == before, "the old picture is another")


def control_layers_that_cannot_be():
    """Layers that are not there, or empty where it is painted, and models that are not there: sentences."""
    image, sketch = sketched()
    sketch.set_offsets(-500, 0)
    texts = ["lines,layer=nonsense", "lines,layer=Sketch, rough", "nonsense", "layer=base", "lines,strength=2", "lines,weight=x",
             "lines,preprocess=nonsense", "lines,start=0.9,end=0.1", "union-xl,layer=base"]
    said = [sentence("fill", image, image.get_layers()[-1:], prompt="a cat", model=tiny(), steps=2, controls=text) for text in texts]
    check("no layer “nonsense”" in said[0] and "Sketch, rough" in said[1] and "begins with no name" in said[3], "it says: %s", said)
    return "; ".join(said)


def what_steers_becomes_a_layer():
    """What is made of a layer, or of the picture, as the dialog keeps it: where it belongs, as deep as the image, also where the
    canvas grows; in one undo step, hidden, and steering by itself. What cannot be is told."""
    for precision, px in [(Gimp.Precision.U8_NON_LINEAR, "rgba8"), (Gimp.Precision.FLOAT_LINEAR, "rgbaf32")]:
        image, _sketch = sketched(precision)
        before = seen(image)
        for name, mode, margins, where in [("Sketch, rough", "fill", None, None), ("", "fill", None, None),
                                           ("Sketch, rough", "expand", (16, 0, 8, 0), (-16, -8, SIZE[0] + 16, SIZE[1] + 8))]:
            patch, rect = looked(image, {"layer": name, "preprocess": "soft_edge"}, mode, margins)
            check(patch.px == px and patch.rect[2:] == rect[2:] and where in (None, rect), "%s: %s over %s", mode, patch.rect, rect)
            check(len(set(bytes(patch.pixels))) > 2, "nothing is seen of “%s”", name)
            (layer,) = Target(image, []).insert([patch._replace(rect=rect)], lambda _seed: "kept", visible=False)
            check(rect_of(layer) == rect and not layer.get_visible() and seen(image) == before, "it lies at %s", rect_of(layer))
            check(distance(pixels(layer, BABL[px]), bytes(patch.pixels), px) <= 1e-5, "the layer holds something else")
        if px == "rgba8":
            check(painted(image, controls="lines,layer=kept") != painted(image), "it does not steer")
    image, _sketch = sketched()
    for mode in ("fill", "remove", "add", "background", "generate"):
        patch, rect = looked(image, {"layer": "Sketch, rough", "preprocess": "canny"}, mode, words="")
        check(len(set(bytes(patch.pixels))) > 2, "%s without words: nothing is seen over %s", mode, rect)
    said = []
    for control in ({"layer": "nonsense", "preprocess": "canny"}, {"layer": "far", "preprocess": "canny"}, {"preprocess": "nonsense"}):
        image = picture((1600, 1200))
        far = Gimp.Layer.new(image, "far", 20, 20, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
        image.insert_layer(far, None, 0)
        far.set_offsets(1580, 1180)
        select(image, 10, 10, 30, 20)
        try:
            looked(image, control)
            check(False, "%s was looked at", control)
        except (Sorry, Refused) as why:
            said.append(sentence_of(why))
    check("no layer “nonsense”" in said[0] and "is empty where" in said[1], "it says: %s", said)
    return "; ".join(said)


def looked(image, control, mode="fill", margins=None, words="a cat"):
    """What the daemon makes of a control layer, to be kept: (patch, the part of the image it shows)."""
    settings = dict({"model": tiny(), "steps": 4}, **({"prompt": words} if words else {}))
    wish = Wish(mode, settings, [], margins, [dict(control, model="lines")])
    return Preprocessed(Target(image, []), Waiting(lambda: True), wish, control, "a test", True).run()


def pixels(layer, babl):
    """All of a layer."""
    return layer.get_buffer().get(Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height()), 1.0, babl, Gegl.AbyssPolicy.NONE)


def distance(one, other, px):
    """How far the furthest two numbers are from each other, of packed pixels of the same size."""
    one, other = (memoryview(data).cast("f" if px == "rgbaf32" else "B").tolist() for data in (one, other))
    check(len(one) == len(other), "%d numbers instead of %d", len(one), len(other))
    return max(abs(here - there) for here, there in zip(one, other))


HALF = SIZE[0] // 2
SKY = "a stormy sky; dark, with birds=3"
"""Words with all that a line of text has a meaning for."""


def halves():
    """A picture to be filled, and hidden: a group over its left half, a layer over its right one, and an empty layer."""
    image = picture()
    group = Gimp.GroupLayer.new(image, "left half")
    image.insert_layer(group, None, 0)
    for name, parent, x, pixel in [("inside", group, 0, b"\x20\x40\x60\xff"), ("right half", None, HALF, b"\x60\x40\x20\xff"),
                                   ("empty", None, 0, bytes(4))]:
        layer = Gimp.Layer.new(image, name, HALF, SIZE[1], Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
        image.insert_layer(layer, parent, 0)
        layer.set_offsets(x, 0)
        colour(layer, pixel)
    for layer in image.get_layers()[:-1]:
        layer.set_visible(False)
    select(image, *PAINTED)
    return image


def colour(layer, pixel):
    """The whole layer becomes that."""
    width, height = layer.get_width(), layer.get_height()
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, width, height), U8, pixel * (width * height))
    layer.update(0, 0, width, height)


def asked_directly(image, regions, extent=SIZE, at=(0, 0), mask=None, **settings):
    """What the daemon paints if it is asked without the plug-in: `regions` are words and (x, y, w, h, value)s of their masks. The
    image lies `at` in `extent`. Returns the patch as pixels of the whole canvas."""
    before = seen(image)
    rows = [before[y * SIZE[0] * 4:(y + 1) * SIZE[0] * 4] for y in range(SIZE[1])]
    right = extent[0] - at[0] - SIZE[0]
    canvas = bytes(extent[0] * at[1] * 4) + b"".join(bytes(at[0] * 4) + row + bytes(right * 4) for row in rows)
    with Client.connect() as client:
        called = []
        for words, (x, y, width, height, value) in regions:
            drawn = described(client.put(bytes([value]) * (width * height)), width, height, "g8")
            called.append({"prompt": words, "mask": {"rect": dict(x=x, y=y, w=width, h=height), "image": drawn}})
        settings = dict({"mode": "fill"}, **settings)
        (patch,) = client.fill(canvas + bytes(extent[0] * 4 * (extent[1] - at[1] - SIZE[1])), extent, selected(image) if mask is None else mask,
                               regions=called, model=tiny(), steps=4, seed=SEED, prompt="a cat", **settings).wait()
    x, y, width, height = patch.rect
    data = bytes(patch.pixels)
    row = [bytes(x * 4) + data[top * width * 4:(top + 1) * width * 4] + bytes((extent[0] - x - width) * 4) for top in range(height)]
    return bytes(y * extent[0] * 4) + b"".join(row) + bytes((extent[1] - y - height) * extent[0] * 4)


LEFT, RIGHT = (0, 0, HALF, SIZE[1], 255), (HALF, 0, HALF, SIZE[1], 255)


def regions_are_bound_to_layers():
    """Words on a group over the left half and on a layer over the right one: the picture is the one that the daemon paints with
    masks of just these halves. Half transparent counts by half; an empty layer is no region; layers are found by number, too."""
    image = halves()
    right = image.get_layer_by_name("right half")
    plain = painted(image)
    check(plain == asked_directly(image, []), "without regions it is another picture than the daemon's")
    sky = "right half, prompt = %s" % SKY.replace(";", "\\;")
    both = painted(image, regions="left half,prompt=an old tree; " + sky)
    check(both == asked_directly(image, [("an old tree", LEFT), (SKY, RIGHT)]), "two regions are others than asked for")
    one = painted(image, regions="%d,prompt=%s; empty,prompt=nowhere" % (right.get_id(), SKY.replace(";", "\\;")))
    check(one == asked_directly(image, [(SKY, RIGHT)]), "one region is another than asked for")
    check(painted(image, regions=json.dumps([{"layer": "right half", "prompt": SKY}])) == one, "JSON is another region")
    other = painted(image, regions=sky.replace("right", "left"))
    check(other == asked_directly(image, [(SKY, LEFT)]), "the other half is another region than asked for")
    check(len({plain, both, one, other}) == 4, "two of them are the same")
    colour(right, b"\x60\x40\x20\x80")
    soft = painted(image, regions=sky)
    check(soft == asked_directly(image, [(SKY, RIGHT[:4] + (128,))]) and soft not in (plain, one), "half a region is a whole one, or none")


def regions_where_the_canvas_grows():
    """A layer that reaches beyond the canvas is a region there; its mask lies where it does."""
    image = halves()
    right = image.get_layer_by_name("right half")
    right.set_offsets(-30, 20)
    extent = (SIZE[0] + 24, SIZE[1] + 8)
    inner = [bytes(24) if y < 8 else b"\xff" * 24 + bytes(SIZE[0]) for y in range(extent[1])]
    mask = b"".join(b"\xff" * extent[0] if y < 8 else inner[y] for y in range(extent[1]))
    layer = made("expand", image, image.get_layers()[-1:], left=24, top=8, model=tiny(), steps=4, seed=SEED, prompt="a cat",
                 regions="right half,prompt=deep water")
    grown = shown(layer, size=extent)
    image = halves()
    wanted = asked_directly(image, [("deep water", (0, 28, 94, 130, 255))], extent, (24, 8), mask, mode="expand")
    check(grown == wanted, "it is another picture than the daemon's")


def regions_that_cannot_be():
    """Layers that are not there, regions without words or without a layer, too many: sentences."""
    image = halves()
    texts = ["nonsense,prompt=a sky", "left half", "prompt=a sky", "[{", '[{"layer": 3}]', "left half,prompt=" + "long " * 5000,
             "; ".join(["right half,prompt=a sky"] * 17)]
    said = [sentence("fill", image, image.get_layers()[-1:], prompt="a cat", model=tiny(), steps=2, regions=text) for text in texts]
    check("no layer “nonsense”" in said[0] and "has no words" in said[1] and "without a layer" in said[2], "it says: %s", said)
    check("too long" in said[5] and "16" in said[6], "it says: %s", said[5:])
    return "; ".join(said)


ALL = [loras, control_layers, control_layers_that_cannot_be, what_steers_becomes_a_layer, regions_are_bound_to_layers,
       regions_where_the_canvas_grows, regions_that_cannot_be]
