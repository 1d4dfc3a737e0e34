"""Scenarios without a screen: what the daemon keeps for painters, pictures and styles."""

from gi.repository import Gimp

from images import (HOLE, SIZE, SOFT, ask, call, check, made, picture, rect_of, seen, select, sentence, shown, tiny, untouched, wait)
from picture import BABL


def entry_of(seed):
    """Waits until the history has an entry that begins with this seed; it comes a moment after the layer."""
    def found():
        return next((entry for entry in ask("history/list", limit=64)["entries"] if entry["seed"] == seed), None)
    return wait(found, "an entry with seed %d" % seed)


def history_places_again():
    """What was painted comes back as it was, from the newest or by name, all pictures of a batch at once."""
    ask("history/clear")
    image = picture()
    check("history is empty" in sentence("history", image), "it says something else")
    select(image, *HOLE, feather=SOFT)
    before = seen(image)
    first = made("fill", image, model=tiny(), steps=2, seed=31, prompt="a cat")
    wanted = shown(first), rect_of(first), first.get_name()
    older = entry_of(31)["entry"]
    image.remove_layer(first)
    made("fill", image, model=tiny(), steps=2, seed=41, prompt="a dog", batch=3)
    batch = [(shown(found), found.get_name()) for found in image.get_layers()[:3]]
    for layer in image.get_layers()[:3]:
        image.remove_layer(layer)
    entry_of(41)
    check(seen(image) == before, "the picture is another")

    layer = made("history", image)
    check([(shown(found), found.get_name()) for found in image.get_layers()[:3]] == batch, "the batch came back as something else")
    check(layer.get_id() == image.get_layers()[0].get_id() and len(image.get_layers()) == 4, "the layers are out of order")
    for layer in image.get_layers()[:3]:
        image.remove_layer(layer)
    layer = made("history", image, entry=older)
    check((shown(layer), rect_of(layer), layer.get_name()) == wanted, "the layer came back as something else, at %s", rect_of(layer))
    untouched(before, image, layer)

    ask("history/remove", entry=older)
    gone = sentence("history", image, entry=older)
    check("no such entry" in gone, "it says: %s", gone)
    status, said = call("history", image, entry="nonsense")
    check(status == "execution-error" and "names no entry" in said, "it says: %s", said)
    return "%s %s" % (gone, said)


def history_in_other_pictures():
    """In a deeper or a grey image the same colours; in a smaller one as near as it fits; above the active layer, even in
    a group."""
    image = picture()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 90, 80, 60)
    layer = made("fill", image, model=tiny(), steps=2, seed=51, prompt="a cat")
    wanted, rect = shown(layer), rect_of(layer)
    entry_of(51)
    deep = picture(precision=Gimp.Precision.U16_NON_LINEAR)
    layer = made("history", deep)
    check(rect_of(layer) == rect and shown(layer) == wanted, "the deeper layer lies at %s or has other colours", rect_of(layer))
    check(len(set(memoryview(shown(layer, BABL["rgba16"])).cast("H").tolist())) <= 257, "there is more in it than was painted")
    gray = picture(gray=True)
    layer = made("history", gray)
    check(layer.type() == Gimp.ImageType.GRAYA_IMAGE and rect_of(layer) == rect, "the grey layer is of another kind")
    check(shown(layer)[3::4] == wanted[3::4], "the grey layer is as transparent as another")
    small = picture((100, 100))
    group = Gimp.GroupLayer.new(small, "group")
    small.insert_layer(group, None, 0)
    leaf = Gimp.Layer.new(small, "leaf", 10, 10, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    small.insert_layer(leaf, group, 0)
    layer = made("history", small, [leaf])
    check(layer.get_parent().get_id() == group.get_id(), "it is not in the group")
    width, height = rect[2:]
    check(rect_of(layer) == (100 - width, 100 - height, width, height), "the layer lies at %s", rect_of(layer))
    check(cut(shown(layer, size=(100, 100)), 100, rect_of(layer)) == cut(wanted, SIZE[0], rect), "the moved picture is another")
    return "from %s to %s" % (rect, rect_of(layer))


def cut(pixels, across, rect):
    """The part of packed pixels, `across` in a row, that lies in `rect`."""
    x, y, width, height = rect
    return b"".join(pixels[(row * across + x) * 4:(row * across + x + width) * 4] for row in range(y, y + height))


def enlarged_from_the_history():
    """An enlarged picture is kept, too, and comes back as a layer."""
    image = picture((40, 30))
    larger = made("upscale", image)
    wait(lambda: ask("history/list", limit=1)["entries"][0]["mode"] == "upscale", "the enlarged picture's entry")
    layer = made("history", image)
    check(rect_of(layer) == (0, 0, 80, 60), "the layer lies at %s", rect_of(layer))
    check(shown(layer, size=(80, 60)) == seen(larger), "it is another picture")
    return layer.get_name()


def styles_give_what_is_left_open():
    """A style's LoRAs, filters and steps are used; an argument that is given wins."""
    image = picture()
    select(image, *HOLE)
    for name, settings in [("Bare", {"model": tiny(), "steps": 2, "prompt": "a cat"}),
                           ("Full", {"model": tiny(), "steps": 2, "prompt": "a cat", "loras": [{"name": "kohya", "weight": 2}],
                                     "filters": [{"name": "vignette", "params": {}}]})]:
        ask("styles/put", name=name, settings=settings)
    def painted(**arguments):
        layer = made("fill", image, seed=3, **arguments)
        pixels = shown(layer)
        image.remove_layer(layer)
        return pixels
    bare, full = painted(style="Bare"), painted(style="Full")
    check(bare != full, "the style's LoRA and filter changed nothing")
    spelled = {"model": tiny(), "steps": 2, "prompt": "a cat"}
    check(painted(**spelled) == bare, "the bare style is not what it says")
    check(painted(loras="kohya,weight=2", filters="vignette", **spelled) == full, "the style is not what it says")
    check(painted(style="Full", loras="kohya,weight=0", filters="film-grain") not in (bare, full), "what was given did not win")
    for name in ("Bare", "Full"):
        ask("styles/remove", name=name)
    status, said = call("fill", image, style="Full")
    check(status == "execution-error" and "no style “Full”" in said, "it says: %s", said)
    return said


ODD = {"steps": 5, "prompt": "a cat", "negative_prompt": "dogs", "denoise_strength": 0.7, "sampler": "euler", "feather_px": 9,
       "loras": [{"name": "kohya", "weight": 2}], "filters": [{"name": "vignette", "params": {}}]}
"""A style with members that no dialog shows."""


def history_gives_settings():
    """An entry of the history stands for a style: with its seed the same picture is painted again, an argument that is given wins,
    and one that is gone is told."""
    image = picture()
    select(image, *HOLE, feather=SOFT)
    ask("styles/put", name="Odd", settings=dict(ODD, model=tiny()))
    layer = made("fill", image, style="Odd", seed=81)
    wanted = shown(layer)
    image.remove_layer(layer)
    ask("styles/remove", name="Odd")
    entry = entry_of(81)["entry"]

    def painted(**arguments):
        layer = made("fill", image, style="history:" + entry, **arguments)
        pixels = shown(layer)
        image.remove_layer(layer)
        return pixels
    check(painted(seed=81) == wanted, "it is painted otherwise")
    for given in ({"seed": 82}, {"steps": 9}, {"loras": "kohya,weight=-3"}, {"filters": "film-grain"}):
        check(painted(**dict({"seed": 81}, **given)) != wanted, "%s did not win", given)
    ask("history/remove", entry=entry)
    status, said = call("fill", image, style="history:" + entry)
    check(status == "execution-error" and "not in the history any more" in said, "it says: %s", said)
    return said


ALL = [history_places_again, history_in_other_pictures, enlarged_from_the_history, styles_give_what_is_left_open,
       history_gives_settings]
