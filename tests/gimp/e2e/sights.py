"""Scenarios on a screen: what is made of a control layer is seen in the dialog first, and kept as a layer."""

from gi.repository import Gdk, Gegl, Gimp

from images import U8, ask, check, picture, rect_of, seen, select, tiny, untouched, wait
from job import Wish
from kept import entry_of
from keys import (LARGE, dialog, front, idle, layers, menu, press, press_for, screenshot, show, slow_styles, still, window, windows,
                  write)
from monitor import Waiting
from picture import Target
from pixbufs import pixbuf
from showing import Preprocessed, _fitted
from underpaint_client import Client

PAINTED = (40, 30, 300, 220)
AT = (24, 16)


def sketch_on(image, name="Sketch", size=(440, 340)):
    """A hidden layer with rings on it, that does not begin where the image does."""
    layer = Gimp.Layer.new(image, name, *size, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    layer.set_visible(False)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(*AT)
    ring, hole = b"\x30\x50\x90\xff", bytes(4)
    rows = b"".join(ring if int(((x - 200) ** 2 + (y - 150) ** 2) ** 0.5) % 60 < 20 else hole for y in range(size[1]) for x in range(size[0]))
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, *size), U8, rows)
    layer.update(0, 0, *size)
    return layer


def looked(image, control, mode="fill", keep=False, margins=None, **settings):
    """What the daemon makes of a control layer: (patch, the part of the image it shows)."""
    wish = Wish(mode, dict(settings, model=tiny(), prompt="a cat", steps=4), [], margins, [control])
    return Preprocessed(Target(image, image.get_selected_layers()), Waiting(lambda: True), wish, control, "a test", keep).run()


def on_screen(patch, rect):
    """Whether the picture is to be seen on the screen as the dialog shows it: each of its pixels."""
    wanted = _fitted(pixbuf(patch.pixels, *patch.rect[2:]), rect)
    root = Gdk.get_default_root_window()
    whole = Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height())
    (stride, screen), row = (whole.get_rowstride(), whole.get_pixels()), rgb_rows(wanted)
    middle = len(row) // 2
    at = screen.find(row[middle])
    while at >= 0:
        starts = [at + stride * (y - middle) for y in range(len(row))]
        if starts[0] >= 0 and all(screen[start:start + len(row[0])] == found for start, found in zip(starts, row)):
            return True
        at = screen.find(row[middle], at + 1)
    return False


def rgb_rows(seen_there):
    """The rows of a pixbuf without alpha."""
    width, height, stride, size = seen_there.get_width(), seen_there.get_height(), seen_there.get_rowstride(), seen_there.get_n_channels()
    pixels = seen_there.get_pixels()
    found = []
    for y in range(height):
        row = pixels[y * stride:y * stride + width * size]
        found.append(row if size == 3 else b"".join(row[x:x + 3] for x in range(0, len(row), size)))
    return found


def what_steers_is_seen_first():
    """Edges of a layer are shown, hidden, made anew for another kind, and kept as a hidden layer that steers by itself; each
    layer is one undo step."""
    slow_styles()
    ask("styles/put", name="Quick", settings={"model": tiny(), "steps": 4, "prompt": "a cat"})
    image = picture(LARGE)
    select(image, *PAINTED)
    sketch_on(image)
    show(image)
    image.set_selected_layers([image.get_layers()[0]])
    before = seen(image)
    edges, scribble = (looked(image, {"layer": "Sketch", "model": "lines", "preprocess": name}) for name in ("canny", "scribble"))
    opened = begun()
    press("Tab", "Tab", "space")
    wait(lambda: on_screen(*edges), "the edges")
    still(opened)
    screenshot("shown")
    check(seen(image) == before and len(image.get_layers()) == 2, "showing it changes the picture")
    press("space")
    wait(lambda: not on_screen(*edges), "no edges")
    press("space")
    wait(lambda: on_screen(*edges), "the edges again")
    press("shift+Tab", "shift+Tab", "Down", "Down")
    wait(lambda: on_screen(*scribble), "the scribble")
    press("Up", "Up")
    wait(lambda: on_screen(*edges), "the edges once more")
    press("Tab", "Tab", "Tab", "space")
    kept = layers(image, 3)
    still(opened)
    screenshot("shown-kept")
    wanted, where = looked(image, {"layer": "Sketch", "model": "lines", "preprocess": "canny"}, keep=True)
    check(not kept.get_visible() and kept.get_name() == "Canny edges of Sketch", "it is called %s, or visible", kept.get_name())
    check(rect_of(kept) == where == wanted.rect and pixels_of(kept) == bytes(wanted.pixels), "it lies at %s, not %s", rect_of(kept), where)
    press("alt+p", "ctrl+Return")
    layers(image, 4)
    idle()
    (layer,) = [found for found in image.get_layers() if found.get_name().startswith("a cat (")]
    untouched(before, image, layer)
    (control,) = used_for(layer)["controls"]
    check((control.get("preprocess"), control["rect"]) == (None, dict(zip("xywh", where))), "it used %s", control)
    front()
    press("ctrl+z")
    layers(image, 3)
    press("ctrl+z")
    layers(image, 2)
    check(seen(image) == before, "undo does not bring back the picture")
    press("ctrl+y")
    layers(image, 3)
    return "%dx%d over %s" % (*edges[0].rect[2:], edges[1])


def looking_is_given_up():
    """While the daemon is busy with somebody else's picture: pressed again nothing is looked at any more, the last of several
    counts, and a dialog that is closed leaves nothing behind."""
    slow_styles()
    ask("styles/put", name="Quick", settings={"model": tiny(), "steps": 4, "prompt": "a cat"})
    image = picture(LARGE)
    select(image, *PAINTED)
    show(image)
    opened = begun()
    edges = looked(image, {"layer": "base", "model": "lines", "preprocess": "canny"})
    with Client.connect() as other:
        theirs = other.submit("generate", {"model": tiny(), "prompt": "a cat", "steps": 1000, "extent": [512, 512]})
        theirs.wait_until("running")
        press("Tab", "Tab", "space")
        wait(lambda: queue() == 2, "a look in the queue")
        still(opened)
        screenshot("show-waits")
        press("space")
        wait(lambda: queue() == 1, "an end of the look")
        press("space", "space", "space")
        wait(lambda: queue() == 2, "the last look in the queue")
        check(not on_screen(*edges), "the edges came before their turn")
        theirs.cancel()
    wait(lambda: on_screen(*edges), "the edges")
    press("space")
    wait(lambda: not on_screen(*edges), "no edges")
    with Client.connect() as other:
        theirs = other.submit("generate", {"model": tiny(), "prompt": "a cat", "steps": 1000, "extent": [512, 512]})
        theirs.wait_until("running")
        press("space")
        wait(lambda: queue() == 2, "a look in the queue")
        press("Escape")
        wait(lambda: not windows("Underpaint: "), "a closed dialog")
        wait(lambda: queue() == 1, "an end of the look")
        theirs.cancel()
    idle()
    check(len(image.get_layers()) == 1, "something was painted")


def queue():
    """How many jobs the daemon has."""
    return len(ask("status")["queue"])


def begun():
    """Opens the dialog with a control layer, the active one, of which edges are to be made; what is made of it has the focus."""
    opened = dialog("fill")
    press("alt+y", "Home", "Down", "alt+m")
    still(opened)
    press_for(opened, "alt+n")
    menu(opened, "space", 0)  # lines, with the active layer
    press("shift+Tab", "shift+Tab", "Down")  # from the button below the list over the weight to what is made of the layer
    still(opened)
    return opened


def words_for_layers():
    """Regions are added from the menu of layers, written, used and remembered, and taken out again; layers that are gone are told."""
    slow_styles()
    ask("styles/put", name="Quick", settings={"model": tiny(), "steps": 4, "prompt": "a cat"})
    image = picture(LARGE)
    select(image, *PAINTED)
    for name, x in [("Meadow", 256), ("Sky", 0)]:
        layer = sketch_on(image, name, (256, 384))
        layer.set_offsets(x, 0)
        layer.fill(Gimp.FillType.WHITE)
    show(image)
    image.set_selected_layers([image.get_layers()[0]])
    before = seen(image)
    opened = dialog("fill")
    press("alt+y", "Home", "Down", "alt+m")
    still(opened)
    press_for(opened, "alt+o")
    menu(opened, "space", 0)  # Sky, the layer on top
    write("a storm; dark, with birds=3")
    press("Tab")
    still(opened)
    menu(opened, "space", 1)
    write("grass")
    still(opened)
    screenshot("regions")
    press("alt+p", "ctrl+Return")
    layers(image, 4)
    idle()
    (layer,) = [found for found in image.get_layers() if found.get_name().startswith("a cat (")]
    untouched(before, image, layer)
    told = [region["prompt"] for region in used_for(layer)["regions"]]
    check(told == ["a storm; dark, with birds=3", "grass"], "it used %s", told)
    image.remove_layer(layer)
    image.remove_layer(image.get_layer_by_name("Meadow"))
    opened = dialog("fill")  # unfolded, because there is something in it
    press("alt+m")
    still(opened)
    screenshot("regions-remembered")
    press("alt+p", "ctrl+Return")
    window("GIMP Message")
    screenshot("regions-layer-gone")
    press("Return")
    idle()
    check(seen(image) == before and len(image.get_layers()) == 2, "something was painted")


def pixels_of(layer):
    """All of a layer."""
    return layer.get_buffer().get(Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height()), 1.0, U8, Gegl.AbyssPolicy.NONE)


def used_for(layer):
    """What the daemon says it used for a layer that is called by its seed."""
    seed = int(layer.get_name().rsplit("(", 1)[1].rstrip(")"))
    return ask("history/get", entry=entry_of(seed)["entry"])["used"]


ALL = [what_steers_is_seen_first, looking_is_given_up, words_for_layers]
