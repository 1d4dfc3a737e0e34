"""Scenarios without a screen: what a job reads of the layer it is aimed at, and where its result goes when others were faster or
the canvas is another one by then."""

import itertools

from gi.repository import Gegl, Gimp

from images import HOLE, SIZE, SOFT, U8, call, check, made, picture, rect_of, seen, select, sentence
from job import Fill, Wish
from monitor import Waiting
from picture import Sorry, Target
from underpaint_client import Patch

WHITE, BLACK, CLEAR = (255, 255, 255, 255), (0, 0, 0, 255), None


def effect(layer, visible=True):
    """Turns its colours round, without changing its pixels."""
    made_dark = Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "")
    layer.append_filter(made_dark)
    made_dark.set_visible(visible)
    made_dark.update()


def lock(layer):
    """What a painter locks so that nothing happens to it."""
    for item in (layer, *(layer.get_children() if layer.is_group() else ())):
        item.set_lock_content(True)
        item.set_lock_position(True)


def fade(layer):
    """How it is laid over others is no property of what it shows."""
    layer.set_visible(False)
    layer.set_lock_visibility(True)
    layer.set_opacity(50)
    layer.set_mode(Gimp.LayerMode.MULTIPLY)
    layer.set_composite_mode(Gimp.LayerCompositeMode.CLIP_TO_BACKDROP)


SHOWN = [
    ("a mask", lambda layer: None, WHITE, CLEAR),
    ("an effect", effect, BLACK, CLEAR),
    ("an effect that is off", lambda layer: effect(layer, False), WHITE, CLEAR),
    ("a mask that is off", lambda layer: layer.set_apply_mask(False), WHITE, WHITE),
    ("a mask that is looked at", lambda layer: layer.set_show_mask(True), WHITE, CLEAR),
    ("locks", lock, WHITE, CLEAR),
    ("another mode", fade, WHITE, CLEAR),
]
"""(what it has, how it gets it, what is seen of it on the left, and on the right, which its mask hides)."""


def layers_with_masks_and_effects():
    """A layer and a group are read as they are seen, and stay as they are."""
    for grouped, (name, act, left, right) in itertools.product((False, True), SHOWN):
        image, layer = half_hidden(grouped)
        act(layer)
        before = seen(image)
        with Target(image, [layer]).shown(layer) as snapshot:
            found = [tuple(snapshot.read((x, 50, 1, 1), "rgba8")) for x in (30, 90)]
        for there, meant in zip(found, (left, right)):
            right_one = there == meant if meant else there[3] == 0
            check(right_one, "a %s with %s shows %s", "group" if grouped else "layer", name, found)
        check(layer.get_mask() is not None and len(image.get_layers()) == 1 and seen(image) == before, "%s: it was changed", name)
    image, group = half_hidden(True)
    alpha = made("filter", image, [group], filters="vignette").get_buffer()
    found = [alpha.get(Gegl.Rectangle.new(x, 40, 1, 1), 1.0, U8, Gegl.AbyssPolicy.NONE)[3] for x in (10, 70)]
    check(found == [255, 0], "filtered, it is as opaque as %s", found)


def half_hidden(grouped):
    """(an image, its layer): white, its right half hidden by its mask."""
    image = Gimp.Image.new(*SIZE, Gimp.ImageBaseType.RGB)
    leaf = Gimp.Layer.new(image, "leaf", 100, 80, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    layer = Gimp.GroupLayer.new(image, "group") if grouped else leaf
    image.insert_layer(layer, None, 0)
    if grouped:
        image.insert_layer(leaf, layer, 0)
    leaf.fill(Gimp.FillType.WHITE)
    leaf.set_offsets(20, 10)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 10, 50, 80)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.SELECTION))
    Gimp.Selection.none(image)
    return image, layer


DOT = Patch((10, 10, 1, 1), b"\xff" * 4, "rgba8", None)


def later_on_top():
    """What was asked for later lies on top, whichever is done first; what the painter or an earlier job put there stays."""
    for turns in itertools.permutations(range(3)):
        for grouped in (False, True):
            image = picture()
            (base,) = image.get_layers()
            if grouped:
                group = Gimp.GroupLayer.new(image, "group")
                image.insert_layer(group, None, 0)
                image.reorder_item(base, group, 0)
            Target(image, [base]).insert([DOT], lambda _seed: "before")
            targets = [Target(image, [base]) for _ in turns]
            for turn in turns:
                targets[turn].insert([DOT, DOT], lambda _seed: "asked %d" % turn)
            own = Gimp.Layer.new(image, "own", 1, 1, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
            image.insert_layer(own, base.get_parent(), image.get_item_position(base))
            targets.append(Target(image, [base]))
            targets[-1].insert([DOT], lambda _seed: "last")
            siblings = group.get_children() if grouped else image.get_layers()
            names = [layer.get_name().split(" #")[0] for layer in siblings]
            wanted = ["before"] + ["asked 2"] * 2 + ["asked 1"] * 2 + ["asked 0"] * 2 + ["own", "last", "base"]
            check(names == wanted, "done in the order %s they lie as %s", turns, names)


class Acting(Waiting):
    """Does something when the result is there and not yet placed, and keeps what the painter is told."""

    def __init__(self, act):
        super().__init__(lambda: True)
        self._act, self.warned = act, []

    def say(self, text, fraction=None):
        if text == "Placing the layer":
            self._act()

    def warn(self, sentence):
        self.warned.append(sentence)


def resized_meanwhile():
    """A canvas that was resized while the job ran is not resized again; other layers are placed, and it is said."""
    for mode, margins in [("fill", None), ("expand", (24, 0, 0, 16))]:
        for extent, offset in [(SIZE, (0, 0)), ((220, 150), (20, 0)), ((150, 120), (-30, -10))]:
            image = picture()
            select(image, *HOLE, feather=SOFT)
            target, resized = Target(image, image.get_layers()), extent != SIZE
            monitor = Acting(lambda: image.resize(*extent, *offset) if resized else None)
            wish = Wish(mode, {}, [], margins)
            try:
                (layer,), said = Fill(target, monitor, wish).run(), ""
                rect = rect_of(layer)
            except Sorry as why:
                rect, said = None, str(why)
            refused, size = resized and mode == "expand", (image.get_width(), image.get_height())
            check(bool(said) == refused and ("It is in the history." in said) == refused, "%s in %s: it says: %s", mode, extent, said)
            check(size == ((224, 166) if mode == "expand" and not resized else extent), "the canvas is %s", size)
            check(len(image.get_layers()) == (1 if refused else 2), "there are %d layers", len(image.get_layers()))
            check(mode == "expand" or abs(rect[0] - HOLE[0]) <= 24 and abs(rect[1] - HOLE[1]) <= 24, "the layer lies at %s", rect)
            warned = ["resized meanwhile" in told for told in monitor.warned]
            check(warned == [True] * (resized and not refused), "%s in %s: it warns: %s", mode, extent, monitor.warned)
    return "; ".join(monitor.warned) + said


def too_large():
    """More than can be sent at once is told before it is read, and what would be right."""
    deep = Gimp.Image.new_with_precision(6000, 5700, Gimp.ImageBaseType.RGB, Gimp.Precision.FLOAT_LINEAR)
    layer = Gimp.Layer.new(deep, "base", 6000, 5700, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    deep.insert_layer(layer, None, 0)
    wide = Gimp.Image.new(9000, 8000, Gimp.ImageBaseType.RGB)
    said = [sentence("generate", deep, prompt="a cat"), sentence("filter", deep, filters="vignette"), sentence("upscale", deep)]
    check(all("547.2 MB, at most 536.9" in each and "8 bits" in each for each in said), "it says: %s", said)
    said.append(sentence("generate", wide, [], prompt="a cat"))
    check("72.0 megapixels, at most 67.1" in said[-1] and "8 bits" not in said[-1], "it says: %s", said[-1])
    deep.select_rectangle(Gimp.ChannelOps.REPLACE, 100, 100, 200, 200)
    status, why = call("filter", deep, filters="vignette")
    check(status == "success", "a part of it: %s", why)
    return " ".join(said[::3])


ALL = [layers_with_masks_and_effects, later_on_top, resized_meanwhile, too_large]
