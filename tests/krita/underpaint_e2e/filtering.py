"""The stories of the filters: their controls, the preview, what they do to a layer, and styles that hold a chain."""

import os

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import canvas as adapter_canvas
from underpaint import document as adapter_document
from underpaint import filters as adapter_filters
from underpaint import preview as adapter_preview
from underpaint.docker import UnderpaintDocker

from .bench import (
    RESULTS, Docker, Heartbeat, activated, bounds, check, document, layers, no_dialog, on_a_layer, photograph, screen, screenshot,
    seen, select, settled, undone, woven,
)
from .scenarios import HOLE, PAUSE, PAUSE_MS, SIZE, SPACES, Spy, distance, filled, spotted, tiled

KINDS = [
    ({"name": "amount", "label": "Amount", "help": "How much.", "type": "float", "default": 0.35, "min": 0, "max": 1, "step": 0.01,
      "unit": ""}, 0.35, [(0.5, True), (1.5, False), ("0.5", False), (True, False)]),
    ({"name": "radius", "label": "Radius", "help": "", "type": "float", "default": 2.5, "min": 0.5, "max": 200, "step": 0.5,
      "unit": "px"}, 2.5, [(200, True), (0, False)]),
    ({"name": "angle", "label": "Angle", "help": "", "type": "int", "default": -45, "min": -180, "max": 180, "step": 15, "unit": "°",
      "group": "Shape"}, -45, [(-180, True), (181, False)]),
    ({"name": "levels", "label": "A label that is much too long for the docker", "help": "", "type": "int", "default": 4,
      "min": -2147483648, "max": 2147483647, "step": 1, "unit": "", "group": "Shape"}, 4, [(2147483647, True), (-2147483648, True)]),
    ({"name": "invert", "label": "Invert", "help": "", "type": "bool", "default": True}, True, [(False, True), (0, False)]),
    ({"name": "dots", "label": "Dots", "help": "", "type": "choice", "default": "line", "choices": [
        {"name": "round", "label": "Round"}, {"name": "line", "label": "Lines"}], "group": "Look"}, "line",
     [("round", True), ("square", False), (1, False)]),
    ({"name": "paper", "label": "Paper", "help": "", "type": "color", "default": "#f0e0c080", "group": "Look"}, "#f0e0c080",
     [("#102030", True), ("red", False), ("#12", False)]),
    ({"name": "words", "label": "Words", "help": "", "type": "text", "default": "© me", "max_bytes": 12, "multiline": False}, "© me",
     [("hallo", True), ("far too long for it", False)]),
    ({"name": "table", "label": "Table (.cube)", "help": "", "type": "text", "default": "", "max_bytes": 2097152, "multiline": True},
     "", [("0 1 2\n" * 100000, True), ("x" * 2097153, False), ("short\ntext", True)]),
    ({"name": "seed", "label": "Seed", "help": "", "type": "seed", "default": 4294967295}, 4294967295, [(0, True), (-1, False), (1.5, False)]),
]
"""A parameter of each kind, its default, and values with whether it takes them."""

SCHEMA = {"name": "everything", "title": "Every kind of control", "description": "A filter that does not exist.",
          "params": [param for param, _, _ in KINDS],
          "inputs": [{"name": "stamp", "label": "Stamp", "help": "", "role": "image", "required": True},
                     {"name": "picked", "label": "Mask", "help": "", "role": "mask", "required": False}]}


class Section:
    """The docker's filters, as a painter reaches them."""

    def __init__(self, docker):
        self.docker = docker
        self.chain = docker.widget.findChild(adapter_filters.Chain)

    def begin(self, *names, preview=False):
        """Opens the section with these filters in the chain."""
        self.docker.part("show_preview").setChecked(preview)
        self.docker.part("filters").setChecked(True)
        self.chain.set_steps([])
        for name in names:
            self.add(name)

    def settled(self):
        """Whether everything has the height it asks for: layouts follow a change in several turns of the event loop."""
        scroll = self.docker.widget._scroll
        wanted = scroll.widget().sizeHint().height()
        return all(step.height() >= step.sizeHint().height() for step in self.steps()) and scroll.height() <= wanted

    def end(self):
        """Leaves nothing behind for the scenario that follows."""
        self.chain.set_steps([])
        self.docker.part("filters").setChecked(False)

    def installed(self):
        """What the menu offers."""
        return [action.data() for action in self.menu().actions()]

    def menu(self):
        """The menu of the button that adds."""
        return self.docker.part("add_filter").menu()

    def add(self, name):
        """Chooses a filter in the menu."""
        next(action for action in self.menu().actions() if action.data() == name).trigger()

    def steps(self):
        """The widgets of the steps, from the top."""
        lines = self.chain.layout()
        return [lines.itemAt(at).widget() for at in range(lines.count())]

    def press(self, at, part):
        """Presses a button in a step's heading."""
        self.steps()[at].findChild(QtWidgets.QToolButton, "underpaint_step_" + part).click()

    def control(self, at, name):
        """The control of a parameter."""
        return self.steps()[at].findChild(QtWidgets.QWidget, "underpaint_param_" + name)

    def slide(self, at, name, share):
        """Moves a slider."""
        slider = self.control(at, name).findChild(QtWidgets.QSlider)
        slider.setValue(round(share * slider.maximum()))


def controls_of_every_kind():
    """A filter with a parameter of each kind: the controls show the defaults, take what the schema allows and nothing
    else, and the step says what it holds; a filter that vanishes keeps its values; order, switch, reset, remove."""
    docker = Docker()
    docker.arrange(tall=True)
    target = document(woven(*SIZE), *SIZE)
    section = Section(docker)
    section.begin()
    offered = dict(section.chain._schemas)
    section.chain.offer(list(offered.values()) + [SCHEMA])
    section.add("everything")
    check(section.chain.steps()[0]["params"] == {param["name"]: default for param, default, _ in KINDS},
          "the step begins with %s", section.chain.steps()[0]["params"])
    for param, default, values in KINDS:
        control = section.control(0, param["name"])
        for value, taken in values:
            before = control.value()
            check(control.put(value) == taken, "%s: %r is %s", param["name"], value, "refused" if taken else "taken")
            expected = value if taken else before
            check(control.value() == expected and isinstance(control.value(), type(before)), "%s holds %r after %r", param["name"],
                  control.value(), value)
    headings = [label.text() for label in section.steps()[0].findChildren(QtWidgets.QLabel, "underpaint_group")]
    check(headings == ["Shape", "Look"], "the headings are %s", headings)
    section.press(0, "reset")
    check(section.chain.steps()[0]["params"]["amount"] == 0.35, "reset did not bring the default back")
    section.slide(0, "amount", 1)
    section.slide(0, "angle", 0)
    held = section.chain.steps()[0]["params"]
    check((held["amount"], held["angle"]) == (1, -180), "the sliders led to %s", held)
    try:
        section.chain.running()
        check(False, "a picture that is needed is missing, and nobody says so")
    except adapter_filters.Missing as error:
        note = str(error)
    box = section.control(0, "stamp").findChild(QtWidgets.QComboBox)
    box.showPopup()
    box.hidePopup()
    check([box.itemText(at) for at in range(box.count())][:2] == ["none", "base"], "the layers offered are wrong")
    box.setCurrentIndex(1)
    check(section.chain.running()[0]["images"]["stamp"] == layers(target.rootNode())[0].uniqueId().toString(), "not the layer")
    yield section.settled
    yield from screenshot("krita-controls.png")

    colour, changes = section.control(0, "paper"), []
    section.chain.changed.connect(lambda: changes.append(colour.value()))
    colour.findChild(QtWidgets.QPushButton).click()
    dialog = docker.window.findChild(QtWidgets.QColorDialog, "underpaint_colour_dialog")
    dialog.setCurrentColor(QtGui.QColor(16, 32, 48, 64))
    check(changes[-1:] == ["#10203040"], "the dialog's colour is told as %s", changes)
    dialog.reject()
    check(changes[-1] == held["paper"] and no_dialog(), "Cancel does not bring the old colour back: %s", changes)
    heard, table = [], section.control(0, "table")
    section.chain.said.connect(heard.append)
    path = os.path.join(RESULTS, "table.cube")
    for data, text in [(b"\xef\xbb\xbf0.5 1 0\n", "0.5 1 0\n"), (b"0 0 1\n" * 90000, "0 0 1\n" * 90000), (b"\xff\xfe", None),
                       (b" " * 2097153, None)]:
        count, before = len(heard), table.value()
        with open(path, "wb") as file:
            file.write(data)
        table.load(path)
        check(table.value() == (before if text is None else text), "a file of %d bytes became another text", len(data))
        check((len(heard) > count) == (text is None), "of a file of %d bytes was said %s", len(data), heard)
    os.unlink(path)
    table.load(path)
    check(len(heard) == 3 and heard[-1].startswith("table.cube cannot be read"), "it was said %s", heard)
    section.control(0, "table").put("")

    section.chain.offer(list(offered.values()))  # it vanishes
    check(section.chain.steps()[0]["params"] == held, "a filter that vanished lost its values")
    try:
        section.chain.running()
        check(False, "a filter that is not there runs")
    except adapter_filters.Missing as error:
        check("not installed" in str(error), "it says %s", error)
    section.press(0, "switch")
    check(section.chain.running() == [], "a step that is off runs")
    yield section.settled
    yield from screenshot("krita-vanished.png")
    section.chain.offer(list(offered.values()) + [SCHEMA])  # and comes back
    check(section.chain.steps()[0]["params"] == held, "a filter that came back lost its values")
    section.add("film-grain")
    yield 100
    section.press(1, "up")
    yield 100
    check([step["name"] for step in section.chain.steps()] == ["film-grain", "everything"], "the order did not change")
    section.press(1, "remove")
    check([step["name"] for step in section.chain.steps()] == ["film-grain"], "the step was not removed")
    section.chain.offer(list(offered.values()))
    section.end()
    return note


def controls_match_the_schema():
    """Every installed filter: a control for each parameter, with its default, limits and help."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin()
    yield lambda: section.installed()
    notes = []
    for name in section.installed():
        section.chain.set_steps([])
        section.add(name)
        schema = section.chain._schemas[name]
        step = section.chain.steps()[0]
        for param in schema["params"]:
            default, value = param["default"], step["params"][param["name"]]
            if param["type"] == "color":
                default = default[:7] if default[7:] == "ff" else default
            check(value == default, "%s.%s begins with %r instead of %r", name, param["name"], value, default)
        for param in schema["params"]:
            control = section.control(0, param["name"])
            check(control.toolTip() == param["help"], "%s.%s: the help is %s", name, param["name"], control.toolTip())
            if param["type"] in ("float", "int"):
                for end in (param["min"], param["max"]):
                    check(control.put(end) and control.value() == end, "%s.%s does not reach %s", name, param["name"], end)
                check(not control.put(param["max"] + 1), "%s.%s goes beyond its end", name, param["name"])
                spin = control.findChild(QtWidgets.QAbstractSpinBox)
                check(spin.suffix().strip() == param["unit"], "%s.%s counts in %r", name, param["name"], spin.suffix())
        notes.append("%s %d" % (name, len(schema["params"])))
    section.end()
    return ", ".join(notes)


def filters_a_soft_selection():
    """Two filters on what is selected with a soft edge: a new layer, nothing changes outside, one undo step."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    target = document(woven(*SIZE), *SIZE)
    select(target, *HOLE, feather=8)
    mask = bytes(target.selection().pixelData(0, 0, *SIZE))
    section.begin("film-grain", "film-grain")
    section.slide(0, "strength", 1)
    section.slide(1, "size", 0.5)
    before = seen(target)
    yield on_a_layer(target)
    yield lambda: docker.part("apply").text() == "Apply to selection"
    docker.part("apply").click()
    yield from filled(docker, target, 1)
    layer, after = layers(target.rootNode())[1], seen(target)
    check(layer.name() == "Film grain + Film grain", "the layer is called %s", layer.name())
    alpha = bytes(layer.pixelData(0, 0, *SIZE))[3::4]
    check(alpha == mask, "the layer's alpha is not the selection: %d pixels differ", sum(map(int.__ne__, alpha, mask)))
    changed = [at for at in range(len(alpha)) if before[at * 4:at * 4 + 4] != after[at * 4:at * 4 + 4]]
    check(len(changed) > HOLE[2] * HOLE[3] / 2, "only %d pixels changed", len(changed))
    check(all(mask[at] for at in changed), "a pixel changed outside the selection")
    yield from undone()
    yield lambda: len(layers(target.rootNode())) == 1
    check(seen(target) == before, "undo does not bring back the picture as it was")

    target.setSelection(None)
    yield on_a_layer(target)
    yield lambda: docker.part("apply").text() == "Apply to layer"
    docker.part("apply").click()
    yield from filled(docker, target, 1)
    whole = layers(target.rootNode())[1]
    check(bounds(whole) == (0, 0) + SIZE, "the layer covers %s", bounds(whole))
    section.end()
    return "%d pixels changed" % len(changed)


def previews_while_sliders_move():
    """The preview appears, follows a slider without the picture being sent again, follows the picture when that changes,
    and Krita's event loop comes round all the while."""
    docker = Docker()
    docker.arrange(tall=True)
    target, _ = photograph("raccoon")
    yield from settled()
    section = Section(docker)
    live = docker.widget.findChild(adapter_preview.Preview)
    heart = Heartbeat()
    section.begin("film-grain", preview=True)
    picture = docker.part("preview")
    yield lambda: not picture.isHidden()
    yield section.settled
    yield from unmoved(target)  # with the picture the docker is another, and with it the part of the canvas that is in sight
    yield lambda: live._held is not None and live._held.key[0][2] == part_in_sight(target) and picture._before is live._held.picture
    held = live._held
    first = picture._after.copy()
    check(first != picture._before, "the preview shows the picture as it is")
    answers = []
    live.shown.connect(lambda after, _: answers.append(after))
    for turn in range(40):
        count = len(answers)
        section.slide(0, "strength", turn / 39)
        if turn % 10 == 9:
            yield lambda: len(answers) > count
        else:
            yield 30
    yield lambda: live._answered == live._asked and not live._waiting
    gap = heart.stop()
    check(len(answers) > 3, "%d previews came of 40 moves", len(answers))
    check(live._held is held, "the picture was sent again although it did not change")
    check(picture._after != first, "the preview did not follow the slider")
    yield section.settled
    yield from screenshot("krita-filters.png")
    base = layers(target.rootNode())[0]
    base.setPixelData(QtCore.QByteArray(b"\0\0\xff\xff" * 10000), 300, 300, 100, 100)
    target.refreshProjection()
    yield lambda: live._held is not held and picture._before is live._held.picture
    check(gap[1] < PAUSE_MS, PAUSE, *gap)
    select(target, 100, 100, 200, 150, feather=10)
    yield lambda: live._held is not None and "mask" in live._held.images and picture._before is live._held.picture
    check(live._held.factor == 1, "a small selection is not previewed as it is")
    yield from screenshot("krita-filters-selection.png")
    section.chain.set_steps([])
    check(picture.isHidden(), "the preview stays although there is no filter")
    section.end()
    return "%d previews of 40 moves; " % len(answers) + PAUSE % gap


def part_in_sight(target):
    """The part of the canvas that is on the screen."""
    return tuple(adapter_canvas.visible_part((target.width(), target.height())))


def unmoved(target):
    """Waits until what is in sight stays so."""
    part = None
    while part != part_in_sight(target):
        part = part_in_sight(target)
        yield from settled()


def filters_every_colour_model():
    """A layer of each kind of document, on a part of the canvas: what comes back is what was sent, and one undo step."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin("film-grain")
    section.slide(0, "strength", 0)  # the picture as it is
    notes, live, picture = [], docker.widget.findChild(adapter_preview.Preview), docker.part("preview")
    for *space, mean_limit, furthest_limit in SPACES:
        mean_limit, furthest_limit = mean_limit + 0.5, furthest_limit + 2  # the red spot lies at the edge of every gamut
        target = spotted(tuple(space))
        select(target, *HOLE)
        yield on_a_layer(target)
        before = seen(target)
        patches = Spy()
        docker.part("apply").click()
        yield docker.idle
        patches.stop()
        yield from filled(docker, target, 1)
        layer = layers(target.rootNode())[1]
        check((layer.colorModel(), layer.colorDepth()) == tuple(space[:2]), "the layer is %s %s", layer.colorModel(), layer.colorDepth())
        check(patches.patch.rect == HOLE, "the patch covers %s", patches.patch.rect)
        mean, furthest = distance(patches.patch, target)
        check(mean <= mean_limit and furthest <= furthest_limit, "%s: pixels are %.2f, at most %d, away from what the "
              "daemon sent", space, mean, furthest)
        # What was sent is what Krita shows: the layer's pixels are converted as the projection is.
        sent, there = bytes(patches.patch.pixels), cut(before, HOLE)
        off = max(abs(a - b) for at, (a, b) in enumerate(zip(sent, there)) if at % 4 != 3)
        check(off <= furthest_limit, "%s: what was sent is up to %d away from what is seen", space, off)
        yield from undone()
        yield lambda: len(layers(target.rootNode())) == 1
        check(seen(target) == before, "%s: undo does not bring back the picture", space)
        target.setSelection(None)
        heart = Heartbeat()
        docker.part("show_preview").setChecked(True)
        yield lambda: live._held is not None and picture._before is live._held.picture
        gap = heart.stop()
        shown = adapter_document.packed(picture._before)
        off = max(abs(a - b) for a, b in zip(shown, before))
        check(live._held.factor == 1 and off <= furthest_limit, "%s: the preview is %d away from what is seen", space, off)
        docker.part("show_preview").setChecked(False)
        notes.append("%s/%s %.2f, %d, %.0f ms" % (space[0], space[1], mean, furthest, gap[1]))
    section.end()
    return "mean and furthest difference, longest pause of a preview: " + "; ".join(notes)


def cut(pixels, box):
    """A part of a picture of `SIZE`."""
    x, y, width, height = box
    return b"".join(pixels[(row * SIZE[0] + x) * 4:(row * SIZE[0] + x + width) * 4] for row in range(y, y + height))


def filters_what_it_should():
    """A mask is active: its layer is filtered. The layer is empty: a sentence. No filter, no picture: a sentence."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin()
    docker.part("apply").click()
    yield docker.idle
    check("picture first" in docker.words(), "the docker says: %s", docker.words())
    target = spotted()
    docker.part("apply").click()
    yield docker.idle
    check("no filter" in docker.words(), "the docker says: %s", docker.words())
    section.add("film-grain")
    empty = target.createNode("empty", "paintlayer")
    target.rootNode().addChildNode(empty, None)
    yield lambda: target.activeNode() == empty
    docker.part("apply").click()
    yield docker.idle
    check("is empty" in docker.words(), "the docker says: %s", docker.words())
    small = target.createNode("small", "paintlayer")
    small.setPixelData(QtCore.QByteArray(woven(64, 48)), 20, 30, 64, 48)
    target.rootNode().addChildNode(small, None)
    mask = target.createNode("mask", "transparencymask")
    small.addChildNode(mask, None)
    yield from activated(target, mask)
    docker.part("apply").click()
    yield docker.idle
    check(docker.words().startswith("Done"), "the docker says: %s", docker.words())
    names = [node.name() for node in layers(target.rootNode())]
    check(names == ["base", "empty", "small", "Film grain"], "the layers are %s", names)
    check(bounds(layers(target.rootNode())[3]) == (20, 30, 64, 48), "the layer covers %s", bounds(layers(target.rootNode())[3]))
    section.end()
    return docker.words()


def filtering_cancelled():
    """Cancel while the picture is sent: nothing changes, and the next one works; Krita's event loop comes round."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin("film-grain", "film-grain")
    target = tiled(4096, 4096)
    yield from settled()
    yield on_a_layer(target)
    heart = Heartbeat()
    docker.part("apply").click()
    yield lambda: "Filtering" in docker.words() or docker.idle()
    check(docker.busy(), "the docker says: %s", docker.words())
    gap = heart.stop()
    docker.cancel()
    yield docker.idle
    check(docker.words().startswith("Cancelled"), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 1, "a layer was added")
    check(gap[1] < PAUSE_MS, PAUSE, *gap)
    small = spotted()
    yield on_a_layer(small)
    docker.part("apply").click()
    yield from filled(docker, small, 1)
    section.end()
    return PAUSE % gap


def fills_through_the_chain():
    """A fill with the chain and one without it differ; both are the same seed's."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin("film-grain")
    section.slide(0, "strength", 1)
    target = spotted()
    select(target, *HOLE)
    found = []
    for on in (True, False):
        docker.part("with_fills").setChecked(on)
        patches = Spy()
        docker.ask("remove", seed="3")
        docker.press()
        yield docker.idle
        patches.stop()
        found.append(bytes(patches.patch.pixels))
    docker.part("with_fills").setChecked(True)
    check(len(found[0]) == len(found[1]) and found[0] != found[1], "the chain makes no difference")
    check(found[0][3::4] == found[1][3::4], "the chain changed the alpha")
    section.end()
    docker.ask("fill")
    return ""


def inputs_and_long_texts():
    """What a filter asks for besides the picture reaches it: another layer, what lies below, a text of a megabyte. Each is
    tried with the first installed filter that asks for it, in the preview and on the layer."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    section.begin(preview=True)
    live, picture = docker.widget.findChild(adapter_preview.Preview), docker.part("preview")
    target = spotted()
    select(target, *HOLE, feather=4)
    top = target.createNode("top", "paintlayer")
    top.setPixelData(QtCore.QByteArray(bytes((200, 80, 20, 255)) * SIZE[0] * SIZE[1]), 0, 0, *SIZE)
    target.rootNode().addChildNode(top, None)
    yield lambda: target.activeNode() == top
    base = layers(target.rootNode())[0].uniqueId().toString()

    def give_layer(name, schema):
        given = next(given for given in schema["inputs"] if given["role"] == "image")
        control = section.control(0, given["name"])
        check(control.put(base), "the layer is refused")
        control.changed.emit()

    def give_text(name, schema):
        param = next(param for param in schema["params"] if param.get("multiline") and param["max_bytes"] > 1 << 20)
        # A table of colours, 2x2x2, that swaps red and blue, and a megabyte of comments.
        entries = ["%d %d %d" % (b, g, r) for b in (0, 1) for g in (0, 1) for r in (0, 1)]
        control = section.control(0, param["name"])
        text = "LUT_3D_SIZE 2\n" + "\n".join(entries) + "\n" + "# nothing\n" * 100000
        check(control.put(text), "the text is refused")
        control.changed.emit()

    notes = []
    for what, asks, give in [
            ("another layer", lambda schema: any(given["role"] == "image" for given in schema["inputs"]), give_layer),
            ("what lies below", lambda schema: any(given["role"] == "before" for given in schema["inputs"]), lambda *_: None),
            ("a long text", lambda schema: any(param.get("multiline") and param["max_bytes"] > 1 << 20 for param in schema["params"]),
             give_text)]:
        name = next((name for name in section.installed() if asks(section.chain._schemas[name])), None)
        if name is None:
            continue
        section.chain.set_steps([])
        section.add(name)
        old = picture._after
        give(name, section.chain._schemas[name])
        yield lambda: picture._after is not old and live._held is not None and live._answered == live._asked and not live._waiting and (
            picture._before is live._held.picture)
        check(picture._after != picture._before, "%s: the preview shows no change", name)
        count = len(layers(target.rootNode()))
        docker.part("apply").click()
        yield from filled(docker, target, count)
        made = layers(target.rootNode())[-1]
        pixels = bytes(made.pixelData(HOLE[0] + 20, HOLE[1] + 20, 20, 20))
        check(pixels != bytes((200, 80, 20, 255)) * 400 and min(pixels[3::4]) == 255, "%s: the layer did not change", name)
        made.remove()
        yield from activated(target, top)
        notes.append("%s for %s" % (what, name))
    section.end()
    return ", ".join(notes) or "no installed filter asks for anything"


def knows_what_is_in_sight():
    """The part of the canvas that the preview shows is the one on the screen, after zooming and scrolling."""
    width, height = 1024, 768
    rows = [b"".join(bytes((0, y // 4, x // 4, 255)) for x in range(width)) for y in range(height)]
    docker = Docker()
    docker.arrange()
    target = document(b"".join(rows), width, height)
    view = Krita.instance().activeWindow().activeView()
    notes = []
    yield from settled()
    for zoom in (1.0, 3.0):
        view.canvas().setZoomLevel(zoom)
        yield from unmoved(target)
        area = adapter_canvas._canvas_area(docker.window)
        check(area is not None, "this Krita builds its canvas otherwise")
        for bar in (area.horizontalScrollBar(), area.verticalScrollBar()):
            if bar.maximum() > bar.minimum():
                bar.setValue(bar.minimum() + (bar.maximum() - bar.minimum()) * 6 // 10)
        factor, at = view.canvas().zoomLevel() * 72 / target.resolution(), (0, 0)

        def as_thought():
            nonlocal at
            middle = area.viewport().mapToGlobal(QtCore.QPoint(area.viewport().width() // 2, area.viewport().height() // 2))
            colour = screen().pixelColor(middle)
            at = (colour.red() * 4 + 2, colour.green() * 4 + 2)
            expected = (area.horizontalScrollBar().value() + area.viewport().width() / 2) / factor, (
                area.verticalScrollBar().value() + area.viewport().height() / 2) / factor
            return all(abs(a - b) < 8 for a, b in zip(at, expected))
        yield as_thought
        left, top, wide, high = part_in_sight(target)
        check(left <= at[0] <= left + wide and top <= at[1] <= top + high, "%s is not in %s", at, (left, top, wide, high))
        notes.append("%d %%: %s" % (round(factor * 100), (left, top, wide, high)))
    return "; ".join(notes)


def styles_are_kept():
    """A style is saved with model, steps, guidance and the chain; another docker, made anew, offers it and sets all of
    it; what it has no control for goes along; it is deleted."""
    docker = Docker()
    docker.show()
    box = docker.part("model")
    tiny = next(box.itemData(at) for at in range(box.count()) if "tiny" in box.itemData(at))
    docker.ask("fill", model=tiny)
    docker.part("steps").setValue(12)
    docker.part("guidance").setValue(3.5)
    docker.part("negative").setPlainText("mud")
    section = Section(docker)
    section.begin("film-grain", "film-grain")
    section.slide(0, "strength", 1)
    section.press(1, "switch")
    docker.widget._unshown = {"scheduler": "karras"}
    docker.part("style_save").click()
    docker.part("style_name").setText("  Gritty   film ")
    docker.part("style_name").returnPressed.emit()
    yield lambda: docker.part("style").currentText() == "Gritty film"
    check("was saved" in docker.words(), "the docker says: %s", docker.words())
    docker.widget._save_settings()
    chain = section.chain.steps()
    # The docker as it would stand after a restart, and everything else as it was before.
    docker.ask("fill", model="")
    for name in ("steps", "guidance"):
        docker.part(name).setValue(0)
    docker.part("negative").setPlainText("")
    section.end()
    docker.widget._unshown = {}
    again = Docker()
    again.widget = UnderpaintDocker()
    again.widget.setParent(docker.window, QtCore.Qt.Tool)  # which ends it before Python ends
    again.widget.show()
    yield lambda: again.part("style").currentText() == "Gritty film" and again.part("model").currentData() == tiny
    check(Section(again).chain.steps() == chain, "the chain after a restart is %s", Section(again).chain.steps())
    Section(again).chain.set_steps([])
    again.part("style").activated.emit(again.part("style").currentIndex())
    shown = [again.part(name).value() for name in ("steps", "guidance")]
    check(shown == [12, 3.5] and again.part("negative").toPlainText() == "mud", "the style set %s", shown)
    check(again.widget._unshown == {"scheduler": "karras"}, "what is not shown is %s", again.widget._unshown)
    steps = Section(again).chain.steps()
    check([(step["name"], step["params"]["strength"]) for step in steps] == [("film-grain", 1)], "the style's chain is %s", steps)
    box = docker.part("style")
    yield lambda: box.findData("Gritty film") >= 0
    told = box.itemData(box.findData("Gritty film"), QtCore.Qt.ItemDataRole.ToolTipRole)
    check("scheduler: karras" in told and "filters: film-grain" in told, "the list tells of the style: %s", told)
    yield from screenshot("krita-style.png")
    again.part("style_remove").click()
    yield lambda: again.part("style").count() == 1 and docker.part("style").count() == 1
    check(len(Section(again).chain.steps()) == 1, "deleting the style emptied the docker")
    again.widget.hide()
    Section(again).end()
    return docker.words()


ALL = [
    controls_of_every_kind, controls_match_the_schema, filters_a_soft_selection, filters_every_colour_model, filters_what_it_should,
    filtering_cancelled, fills_through_the_chain, inputs_and_long_texts, knows_what_is_in_sight, previews_while_sliders_move, styles_are_kept,
]
