"""The stories of what steers a picture: LoRAs, control layers, regions, and what a document keeps of them."""

import os
import subprocess

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import connection as adapter_connection
from underpaint import controls as adapter_controls
from underpaint import loras as adapter_loras
from underpaint import regions as adapter_regions
from underpaint.daemon import find_program

from .bench import RESULTS, Docker, activated, check, document, layers, no_dialog, screenshot, seen, select, settled, woven
from .scenarios import SIZE

LARGE_HOLE = (32, 24, 256, 192)
"""Most of the picture, so that halves and layers lie in it."""
STEPS = 8


class Steered:
    """The docker's sections that steer, as a painter reaches them, with the tiny model chosen."""

    def __init__(self):
        self.docker = Docker()
        self.docker.arrange(tall=True)
        find = self.docker.widget.findChild
        self.loras, self.controls = find(adapter_loras.Loras), find(adapter_controls.Controls)
        self.regions = find(adapter_regions.Regions)
        self.sections = (self.loras, self.controls, self.regions)

    def begin(self, prompt="a photo of a cat", seed="5"):
        """A picture with a selection, and nothing that steers it yet."""
        self.target = document(woven(*SIZE), *SIZE)
        yield lambda: self.docker.part("model").findData("tiny-sd") >= 0
        self.again(prompt, seed)
        self.docker.part("steps").setValue(STEPS)
        yield lambda: self.loras.adder.menu().actions() and self.controls.models()

    def again(self, prompt="a photo of a cat", seed="5"):
        """The selection and the settings, once more."""
        select(self.target, *LARGE_HOLE)
        self.docker.ask("fill", prompt=prompt, seed=seed, model="tiny-sd")

    def open(self, *names):
        """Unfolds sections."""
        for section in self.sections:
            self.docker.part(section.NAME).setChecked(section.NAME in names)

    def end(self):
        """Leaves nothing behind for the scenario that follows."""
        self.loras.set_values([])
        self.open()
        self.docker.part("steps").setValue(0)
        self.docker.ask("fill", model="")

    def paint(self, *options):
        """Fills; compares with what the command line makes of the same; gives the bytes of the layer, which is taken away
        again."""
        before, count = seen(self.target), len(layers(self.target.rootNode()))
        self.docker.press()
        yield self.docker.idle
        check(self.docker.words().startswith("Done"), "the docker says: %s", self.docker.words())
        check(len(layers(self.target.rootNode())) == count + 1 and no_dialog(), "no layer was added")
        layer = layers(self.target.rootNode())[-1]
        pixels = bytes(layer.pixelData(0, 0, *SIZE))
        self.target.waitForDone()
        after = seen(self.target)
        yield from self._same_as_commanded(before, after, pixels[3::4], options)
        layer.remove()
        self.target.refreshProjection()
        self.target.waitForDone()
        check(seen(self.target) == before, "the picture is not as it was")
        return pixels

    def _same_as_commanded(self, before, after, alpha, options):
        picture, mask, out = (os.path.join(RESULTS, name) for name in ("given.png", "mask.png", "out.png"))
        save(before, picture)
        save(mask_of(LARGE_HOLE), mask)
        command = [find_program(), "fill", "--image", picture, "--mask", mask, "--model", "tiny-sd", "--seed", "5",
                   "--steps", str(STEPS), "--prompt", self.docker.part("prompt").toPlainText(), *options, "-o", out]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        yield lambda: process.poll() is not None
        check(process.returncode == 0, "%s", process.stderr.read().decode())
        commanded = load(out)
        off = [max(map(abs, map(int.__sub__, commanded[at:at + 3], after[at:at + 3]))) for at in range(0, len(after), 4)]
        whole = max(difference for difference, share in zip(off, alpha) if share == 255)
        # Where the layer is half transparent Krita blends 8-bit colours, the command line floats.
        check(whole == 0 and max(off) <= 2, "pixels are up to %d, in soft places %d, away from the command line's", whole, max(off))
        for name in (picture, mask, out):
            os.unlink(name)


def save(pixels, path):
    """bgra8 of the usual size as a file."""
    QtGui.QImage(pixels, *SIZE, SIZE[0] * 4, QtGui.QImage.Format_ARGB32).save(path)


def load(path):
    """A file as bgra8."""
    picture = QtGui.QImage(path).convertToFormat(QtGui.QImage.Format_ARGB32)
    bits = picture.constBits()
    bits.setsize(picture.sizeInBytes())
    return bytes(bits)


def mask_of(box, grey=255):
    """A white or grey box on black, as bgra8."""
    rows = bytearray(bytes((0, 0, 0, 255)) * SIZE[0] * SIZE[1])
    x, y, width, height = box
    for top in range(y, y + height):
        at = (top * SIZE[0] + x) * 4
        rows[at:at + width * 4] = bytes((grey, grey, grey, 255)) * width
    return bytes(rows)


def layer_with(target, name, box, pixels):
    """A new layer with bgra8 pixels at `box`."""
    made = target.createNode(name, "paintlayer")
    made.setPixelData(QtCore.QByteArray(pixels), *box)
    target.rootNode().addChildNode(made, None)
    return made


def differ(one, other, box=LARGE_HOLE):
    """How many pixels of a box differ."""
    x, y, width, height = box
    rows = range(y, y + height)
    return sum(one[at:at + 4] != other[at:at + 4] for top in rows
               for at in range((top * SIZE[0] + x) * 4, (top * SIZE[0] + x + width) * 4, 4))


def a_lora_changes_the_picture():
    """LoRAs are offered, those for other models greyed; one changes the picture, switched off it does not; its words go
    into the prompt; a style takes it along."""
    steered = Steered()
    yield from steered.begin()
    loras, docker = steered.loras, steered.docker
    steered.open("loras")
    actions = {action.data(): action for action in loras.adder.menu().actions()}
    check(set(actions) == {"kohya", "loha", "for-another"}, "there are %s", sorted(actions))
    check(not actions["for-another"].isEnabled() and "Stable Diffusion XL" in actions["for-another"].text(),
          "another family's is offered as %s", actions["for-another"].text())
    plain = yield from steered.paint()
    actions["kohya"].trigger()
    entry = loras.entries()[0]
    check(docker.part("loras").text() == "LoRAs (1)", "the heading says %s", docker.part("loras").text())
    trigger = entry.findChild(QtWidgets.QPushButton, "underpaint_lora_trigger")
    check(trigger.isVisible() and "tny style" in trigger.text(), "the trigger words are shown as %s", trigger.text())
    yield from screenshot("krita-loras.png")
    with_it = yield from steered.paint("--lora", "kohya")
    check(differ(plain, with_it) > 10000, "the LoRA changes %d pixels", differ(plain, with_it))
    entry.findChild(QtWidgets.QDoubleSpinBox, "underpaint_lora_weight").setValue(-0.75)
    other_way = yield from steered.paint("--lora", "kohya,weight=-0.75")
    check(differ(with_it, other_way) > 10000, "its weight changes nothing")
    entry.findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    off = yield from steered.paint()
    check(off == plain, "a LoRA that is switched off changes %d pixels", differ(off, plain))
    entry.findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    trigger.click()
    trigger.click()
    words = docker.part("prompt").toPlainText()
    check(words == "a photo of a cat, tny style", "the prompt is “%s”", words)

    check(loras.style() == {"loras": [{"name": "kohya", "weight": -0.75}]}, "a style would hold %s", loras.style())
    loras.put_style({"loras": [{"name": "loha", "weight": 0.5}, {"name": "gone"}]})
    names = [entry.name for entry in loras.entries()]
    check(names == ["loha", "gone"], "the style's LoRAs are %s", names)
    docker.press()
    yield docker.idle
    check("gone" in docker.words() and no_dialog(), "the docker says: %s", docker.words())
    loras.entries()[1].findChild(QtWidgets.QToolButton, "underpaint_entry_remove").click()
    yield from steered.paint("--lora", "loha,weight=0.5")
    docker.part("style_save").click()
    docker.part("style_name").setText("Inky")
    docker.part("style_name").returnPressed.emit()
    yield lambda: docker.part("style").currentText() == "Inky"
    loras.set_values([])
    docker.part("style").activated.emit(docker.part("style").currentIndex())
    check(loras.style() == {"loras": [{"name": "loha", "weight": 0.5}]}, "the style brings back %s", loras.style())
    docker.part("style_remove").click()
    yield lambda: docker.part("style").count() == 1
    steered.end()
    return "%d of %d pixels" % (differ(plain, with_it), LARGE_HOLE[2] * LARGE_HOLE[3])


def set_part(entry, name, value):
    """Chooses in a list or sets a number of an entry."""
    part = entry.findChild(QtWidgets.QWidget, "underpaint_" + name)
    if isinstance(part, QtWidgets.QComboBox):
        check(part.findData(value) >= 0, "%s does not offer %s", name, value)
        part.setCurrentIndex(part.findData(value))
    else:
        part.setValue(value)


def control_layers_steer():
    """A ControlNet by a layer as it is, then by edges of the picture itself; a T2I-Adapter for part of the steps; an
    IP-Adapter by a layer as reference; a layer that is not there any more."""
    steered = Steered()
    yield from steered.begin()
    controls, docker, target = steered.controls, steered.docker, steered.target
    steered.open("controls")
    offered = [(model, bool(why)) for model, _, _, why in controls.models()]
    check(offered == [("lines", False), ("sketch", False), ("reference", False), ("union-xl", True)], "there are %s", offered)
    stripes = b"".join((b"\xff\xff\xff\xff" if (x + y) % 40 < 6 else b"\0\0\0\xff") for y in range(SIZE[1]) for x in range(SIZE[0]))
    layer = layer_with(target, "stripes", (0, 0) + SIZE, stripes)
    layer.setVisible(False)
    target.refreshProjection()
    yield from settled()
    steered.again()
    picture = os.path.join(RESULTS, "stripes.png")
    save(stripes, picture)
    plain = yield from steered.paint()
    controls.adder.click()
    entry = controls.entries()[0]
    entry.findChild(QtWidgets.QWidget, "underpaint_control_layer").look()
    set_part(entry, "control_layer", layer.uniqueId().toString())
    yield from screenshot("krita-control-layers.png")
    notes, made = [], []
    for model, preprocess, weight, end, from_layer in [
            ("lines", "", 1, 100, True), ("lines", "canny", 0.8, 100, False), ("lines", "depth", 1, 100, True),
            ("sketch", "", 1, 50, True), ("reference", "", 1, 100, True)]:
        set_part(entry, "control_layer", layer.uniqueId().toString() if from_layer else "")
        for name, value in (("model", model), ("preprocess", preprocess), ("weight", weight), ("end", end)):
            set_part(entry, "control_" + name, value)
        shown = ["model=" + model, "weight=%s" % weight, "end=%s" % (end / 100)]
        shown += ["image=" + picture] if from_layer else []
        shown += ["preprocess=" + preprocess] if preprocess else []
        made.append((yield from steered.paint("--control", ",".join(shown))))
        notes.append("%s %s: %d" % (model, preprocess, differ(plain, made[-1])))
        check(differ(plain, made[-1]) > 10000, "%s: %d pixels differ", shown, differ(plain, made[-1]))
    check(len(set(made)) == len(made), "two of them make the same")
    entry.findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    check((yield from steered.paint()) == plain, "what is switched off steers")
    entry.findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    layer.remove()
    yield from settled()
    steered.again()
    docker.press()
    yield docker.idle
    check("not there any more" in docker.words() and no_dialog(), "the docker says: %s", docker.words())
    os.unlink(picture)
    steered.end()
    return "of %d pixels: %s" % (LARGE_HOLE[2] * LARGE_HOLE[3], ", ".join(notes))


LEFT, RIGHT = (0, 0, SIZE[0] // 2, SIZE[1]), (SIZE[0] // 2, 0, SIZE[0] // 2, SIZE[1])


def regions_are_bound_to_layers():
    """A text on the left half, another on the right, the first on a group: each half is another one than without, and both
    are what the command line makes; a soft edge counts; an empty layer is no region."""
    steered = Steered()
    yield from steered.begin()
    regions, target = steered.regions, steered.target
    steered.open("regions")
    plain = yield from steered.paint()
    group = target.createNode("left half", "grouplayer")
    target.rootNode().addChildNode(group, None)
    inside = target.createNode("inside", "paintlayer")
    inside.setPixelData(QtCore.QByteArray(b"\x20\x40\x60\xff" * (LEFT[2] * LEFT[3])), *LEFT)
    group.addChildNode(inside, None)
    right = layer_with(target, "right half", RIGHT, b"\x60\x40\x20\xff" * (RIGHT[2] * RIGHT[3]))
    empty = layer_with(target, "empty", (0, 0, 1, 1), b"\0\0\0\0")
    for node in (group, right):
        node.setVisible(False)  # the picture stays what it is
    target.refreshProjection()
    yield from settled()
    steered.again()
    masks = [os.path.join(RESULTS, name) for name in ("left.png", "right.png")]
    for path, box in zip(masks, (LEFT, RIGHT)):
        save(mask_of(box), path)
    for node, text in ((group, "an old tree"), (right, "deep water"), (empty, "nowhere")):
        yield from activated(target, node)
        regions.adder.click()
        regions.entries()[-1].findChild(QtWidgets.QPlainTextEdit, "underpaint_region_prompt").setPlainText(text)
    yield from screenshot("krita-regions.png")
    options = ["--region", "prompt=an old tree,mask=" + masks[0], "--region", "prompt=deep water,mask=" + masks[1]]
    both = yield from steered.paint(*options)
    regions.entries()[1].findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    one = yield from steered.paint(*options[:2])
    check(differ(plain, both) > 10000 and differ(plain, one) > 10000 and differ(one, both) > 1000,
          "pixels that differ: %d with both, %d with one, %d between them", differ(plain, both), differ(plain, one), differ(one, both))
    right.setPixelData(QtCore.QByteArray(b"\x60\x40\x20\x80" * (RIGHT[2] * RIGHT[3])), *RIGHT)
    regions.entries()[0].findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    regions.entries()[1].findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    save(mask_of(RIGHT, grey=128), masks[1])
    half = yield from steered.paint(*options[2:])
    check(differ(half, plain) > 1000 and differ(half, both) > 1000, "half a region is like a whole one, or none")
    regions.entries()[0].findChild(QtWidgets.QToolButton, "underpaint_entry_switch").click()
    for path in masks:
        os.unlink(path)

    path = os.path.join(RESULTS, "kept.kra")
    held = regions.values()
    check(target.saveAs(path) or os.path.exists(path), "it could not be saved")
    yield from settled()
    target.setModified(False)
    target.close()
    yield lambda: Krita.instance().activeDocument() is None
    yield from settled()
    regions.set_values([])  # since 5.2 Krita hides the dockers while no picture is open, and a hidden one does not look
    again = Krita.instance().openDocument(path)
    again.setBatchmode(True)
    Krita.instance().activeWindow().addView(again)
    yield lambda: regions.values() == held
    shown = [entry.findChild(QtWidgets.QComboBox, "underpaint_region_layer").currentText() for entry in regions.entries()]
    check(shown == ["left half", "right half", "empty"], "the layers are %s", shown)
    steered.target = again
    yield from settled()
    os.unlink(path)
    steered.end()
    return "%d, %d of %d pixels; came back with the document: %s" % (
        differ(plain, both), differ(one, both), LARGE_HOLE[2] * LARGE_HOLE[3], shown)


def sections_say_why_they_are_empty():
    """A model that reads no words, and a daemon without LoRAs and control models: a line each instead of dead buttons."""
    steered = Steered()
    yield from steered.begin()
    steered.open("loras", "controls", "regions")

    def notes():
        return [section._note.text() for section in steered.sections], [section.adder.isHidden() for section in steered.sections]
    check(notes() == (["", "", ""], [False] * 3), "with everything there it says %s", notes())
    steered.docker.ask("fill", model="exemplar")
    sentences, hidden = notes()
    check(all(sentences) and all(hidden), "for a model without words it says %s", notes())
    yield from screenshot("krita-steering-empty.png")
    steered.docker.ask("fill", model="tiny-sd")
    lists = {method: None for method in ("loras/list", "controls/list")}
    steered.loras.offer("loras/list", [])
    steered.controls.offer("controls/list", [])
    sentences, hidden = notes()
    check("models folder" in sentences[0] and "models folder" in sentences[1] and hidden == [True, True, False], "it says %s", notes())
    for method in lists:
        steered.docker.widget._daemon.connection.call(method, {}, lambda answer, _error, method=method: lists.update({method: answer}))
    yield lambda: all(lists.values())
    steered.controls.offer("controls/list", [facts for facts in lists["controls/list"] if facts["id"] in ("union-xl", "reference")])
    check("fits" in notes()[0][1], "with only another family's it says %s", notes()[0][1])
    steered.loras.offer("loras/list", lists["loras/list"])
    steered.controls.offer("controls/list", lists["controls/list"])
    check(notes() == (["", "", ""], [False] * 3), "with everything back it says %s", notes())
    steered.end()
    return "; ".join(sentences[:2])


def control_layers_when_the_canvas_grows():
    """Where the canvas is enlarged, layers lie further in; a region, too."""
    steered = Steered()
    yield from steered.begin()
    docker, target = steered.docker, steered.target
    stripes = layer_with(target, "stripes", (40, 30, 100, 80), b"\xff\xff\xff\xff" * 8000)
    yield from settled()
    target.setSelection(None)
    steered.controls.adder.click()
    set_part(steered.controls.entries()[0], "control_layer", stripes.uniqueId().toString())
    steered.regions.adder.click()
    set_part(steered.regions.entries()[0], "region_layer", stripes.uniqueId().toString())
    steered.regions.entries()[0].findChild(QtWidgets.QPlainTextEdit, "underpaint_region_prompt").setPlainText("a stone")
    docker.ask("expand", prompt="a wall", seed="5")
    docker.part("expand_left").setValue(64)
    docker.part("expand_top").setValue(32)
    asked = []
    real = adapter_connection.Connection.call

    def call(connection, method, params=None, then=None):
        asked.append((method, params))
        return real(connection, method, params, then)
    adapter_connection.Connection.call = call
    try:
        docker.press()
        yield docker.idle
    finally:
        adapter_connection.Connection.call = real
    check(docker.words().startswith("Done"), "the docker says: %s", docker.words())
    params = next(params for method, params in asked if method == "generate")
    there = {"x": 104, "y": 62, "w": 100, "h": 80}
    rects = [params["controls"][0]["image"]["rect"], params["regions"][0]["mask"]["rect"]]
    check(params["canvas"]["rect"]["x"] == 0 and rects == [there, there], "of %s they lie at %s", params["canvas"]["rect"], rects)
    for side in ("left", "top"):
        docker.part("expand_" + side).setValue(0)
    steered.end()
    return "%s" % there


ALL = [
    a_lora_changes_the_picture, control_layers_steer, control_layers_when_the_canvas_grows, regions_are_bound_to_layers,
    sections_say_why_they_are_empty,
]
