"""The stories of the filters: their controls, the preview, what they do to a layer, and styles that hold a chain."""

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import filters as adapter_filters
from underpaint import preview as adapter_preview

from .bench import Docker, Heartbeat, bounds, check, document, layers, no_dialog, photograph, screenshot, seen, select, woven

SIZE = (320, 240)
HOLE = (120, 80, 80, 70)
PAUSE = "longest pause of the event loop %.0f ms, of which it computed %.0f ms"

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
    yield 600
    screenshot("krita-controls.png")

    section.chain.offer(list(offered.values()))  # it vanishes
    check(section.chain.steps()[0]["params"] == held, "a filter that vanished lost its values")
    try:
        section.chain.running()
        check(False, "a filter that is not there runs")
    except adapter_filters.Missing as error:
        check("not installed" in str(error), "it says %s", error)
    section.press(0, "switch")
    check(section.chain.running() == [], "a step that is off runs")
    yield 300
    screenshot("krita-vanished.png")
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
        check(step["params"] == {param["name"]: param["default"] for param in schema["params"]}, "%s begins with %s", name,
              step["params"])
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
    yield lambda: docker.part("apply").text() == "Apply to selection"
    docker.part("apply").click()
    yield from filtered(docker, target, 1)
    layer, after = layers(target.rootNode())[1], seen(target)
    check(layer.name() == "Film grain + Film grain", "the layer is called %s", layer.name())
    alpha = bytes(layer.pixelData(0, 0, *SIZE))[3::4]
    check(alpha == mask, "the layer's alpha is not the selection: %d pixels differ", sum(map(int.__ne__, alpha, mask)))
    changed = [at for at in range(len(alpha)) if before[at * 4:at * 4 + 4] != after[at * 4:at * 4 + 4]]
    check(len(changed) > HOLE[2] * HOLE[3] / 2, "only %d pixels changed", len(changed))
    check(all(mask[at] for at in changed), "a pixel changed outside the selection")
    Krita.instance().action("edit_undo").trigger()
    yield lambda: len(layers(target.rootNode())) == 1
    target.waitForDone()
    check(seen(target) == before, "undo does not bring back the picture as it was")

    target.setSelection(None)
    yield lambda: docker.part("apply").text() == "Apply to layer"
    docker.part("apply").click()
    yield from filtered(docker, target, 1)
    whole = layers(target.rootNode())[1]
    check(bounds(whole) == (0, 0) + SIZE, "the layer covers %s", bounds(whole))
    # Where the selection was full, the pixels are those of the whole: the same noise, the same surroundings.
    section.end()
    return "%d pixels changed" % len(changed)


def filtered(docker, target, count):
    """Waits for a filtering to end well and the document to have `count` layers more than its base."""
    yield docker.idle
    check(docker.words().startswith("Done"), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 1 + count, "%d layers", len(layers(target.rootNode())))
    check(no_dialog(), "a dialog came up")


def previews_while_sliders_move():
    """The preview appears, follows a slider without the picture being sent again, follows the picture when that changes,
    and Krita's event loop comes round all the while."""
    docker = Docker()
    docker.arrange(tall=True)
    target, _ = photograph("raccoon")
    yield 1500
    section = Section(docker)
    live = docker.widget.findChild(adapter_preview.Preview)
    heart = Heartbeat()
    section.begin("film-grain", preview=True)
    picture = docker.part("preview")
    yield lambda: not picture.isHidden()
    held = live._held
    first = picture._after.copy()
    check(first != picture._before, "the preview shows the picture as it is")
    answers = []
    live.shown.connect(lambda after, _: answers.append(after))
    for turn in range(40):
        section.slide(0, "strength", turn / 39)
        yield 30
    yield lambda: live._answered == live._asked
    gap = heart.stop()
    check(len(answers) > 3, "%d previews came of 40 moves", len(answers))
    check(live._held is held, "the picture was sent again although it did not change")
    check(picture._after != first, "the preview did not follow the slider")
    yield 500
    screenshot("krita-filters.png")
    stroke = target.createNode("stroke", "paintlayer")
    base = layers(target.rootNode())[0]
    base.setPixelData(QtCore.QByteArray(b"\0\0\xff\xff" * 10000), 300, 300, 100, 100)
    target.refreshProjection()
    yield lambda: live._held is not None and live._held is not held and live._answered == live._asked
    del stroke
    check(gap[1] < 100, PAUSE, *gap)
    select(target, 100, 100, 200, 150, feather=10)
    before = live._held
    yield lambda: live._held is not before and live._answered == live._asked
    check(live._held.factor == 1 and "mask" in live._held.images, "a small selection is not previewed as it is")
    yield 300
    screenshot("krita-filters-selection.png")
    section.chain.set_steps([])
    check(picture.isHidden(), "the preview stays although there is no filter")
    section.end()
    return "%d previews of 40 moves; " % len(answers) + PAUSE % gap


ALL = [controls_of_every_kind, controls_match_the_schema, filters_a_soft_selection, previews_while_sliders_move]
