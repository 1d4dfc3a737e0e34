"""What the scenarios hold in their hands: documents, selections, the docker's widgets, pixels and a clock."""

import json
import os
import random
import signal
import time

from krita import Krita, Selection
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import amount as adapter_amount
from underpaint.moment import calm

RESULTS = os.environ.get("UNDERPAINT_E2E_RESULTS", "")
SRGB = "sRGB-elle-V2-srgbtrc.icc"
PICTURES = os.environ.get("UNDERPAINT_E2E_PICTURES", "")
ENDPOINT = os.path.join(os.environ.get("UNDERPAINT_HOME", ""), "run", "endpoint.json")


def check(condition, message, *values):
    """An assertion that says what it saw."""
    if not condition:
        raise AssertionError(message % values if values else message)


# Pictures

def woven(width, height, spot=None):
    """A textured picture as bgra8 bytes: a weave with grain. `spot` (x, y, w, h) is filled with pure red."""
    grain = random.Random(7)
    rows = bytearray()
    for y in range(height):
        for x in range(width):
            thread = 40 if (x // 6 + y // 6) % 2 else 0
            light = 90 + thread + (x % 6) * 6 + grain.randrange(20)
            rows += bytes((light // 2, light, min(255, light + 30), 255))
    if spot:
        left, top, wide, high = spot
        for y in range(top, top + high):
            at = (y * width + left) * 4
            rows[at:at + wide * 4] = bytes((0, 0, 255, 255)) * wide
    return bytes(rows)


def document(pixels, width, height, space=("RGBA", "U8", SRGB)):
    """Opens a document in the window, its one layer `base` holding `pixels` (bgra8), converted to `space` by Krita."""
    made = Krita.instance().createDocument(width, height, "test", "RGBA", "U8", SRGB, 72.0)
    made.setBatchmode(True)
    base = made.rootNode().childNodes()[0]
    base.setName("base")
    base.setPixelData(QtCore.QByteArray(pixels), 0, 0, width, height)
    if space != ("RGBA", "U8", SRGB):
        made.setColorSpace(*space)
    made.refreshProjection()
    made.waitForDone()
    Krita.instance().activeWindow().addView(made)
    return made


def photograph(name):
    """Opens one of the demo's photographs; returns it and what its mask marks, as a selection."""
    target = Krita.instance().openDocument(os.path.join(PICTURES, name + ".jpg"))
    target.setBatchmode(True)
    Krita.instance().activeWindow().addView(target)
    mask = QtGui.QImage(os.path.join(PICTURES, name + "-mask.png")).convertToFormat(QtGui.QImage.Format_Grayscale8)
    width, height = target.width(), target.height()
    bits = mask.constBits()
    bits.setsize(mask.sizeInBytes())
    data, stride = bytes(bits), mask.bytesPerLine()
    selection = Selection()
    packed = b"".join(data[y * stride:y * stride + width] for y in range(height))
    selection.setPixelData(QtCore.QByteArray(packed), 0, 0, width, height)
    return target, selection


def select(target, x, y, width, height, feather=0):
    """Selects a rectangle, with a soft edge if asked."""
    selection = Selection()
    selection.select(x, y, width, height, 255)
    if feather:
        selection.feather(feather)
    target.setSelection(selection)


def seen(target, x=0, y=0, width=None, height=None):
    """The composite as packed bgra8 bytes, when Krita has done what was asked of it: layers lie in it a moment after they
    were added."""
    target.waitForDone()
    picture = target.projection(x, y, width or target.width(), height or target.height())
    bits = picture.constBits()
    bits.setsize(picture.sizeInBytes())
    return bytes(bits)


def at_rest():
    """Whether Krita has done, in every document, what was asked of it."""
    return all(calm(document) for document in Krita.instance().documents())


def settled():
    """Waits until it has, and its widgets know."""
    yield at_rest
    yield 200
    yield at_rest


def on_a_layer(target):
    """A predicate: a layer is the active one. Krita makes what was added last active a moment later."""
    return lambda: target.activeNode() is not None and target.activeNode().type().endswith("layer")


def activated(target, node):
    """Makes a node the active one, after what Krita makes active by itself."""
    yield from settled()
    target.setActiveNode(node)
    yield lambda: target.activeNode() == node


def undone(action="edit_undo"):
    """Undoes (or does again) one step; Krita drops the wish while it is at work."""
    yield from settled()
    Krita.instance().action(action).trigger()
    yield from settled()


def layers(parent):
    """The children that a painter calls layers, from the bottom."""
    return [node for node in parent.childNodes() if node.type() != "selectionmask"]


def bounds(node):
    """(x, y, w, h) of the pixels a layer holds."""
    box = node.bounds()
    return box.x(), box.y(), box.width(), box.height()


# The docker, as a painter reaches it

class Docker:
    """The docker of the first window."""

    def __init__(self):
        self.window = Krita.instance().activeWindow().qwindow()
        self.widget = self.window.findChild(QtWidgets.QDockWidget, "underpaint_docker")
        check(self.widget is not None, "the window has no Underpaint docker")

    def part(self, name):
        """A widget by its object name without the prefix."""
        return self.widget.findChild(QtWidgets.QWidget, "underpaint_" + name)

    def arrange(self, tall=False):
        """The window as large as the screen, the docker below a smaller colour selector and the layers; `tall`: below
        the layers alone."""
        self.window.setGeometry(0, 0, 1600, 1000)
        presets = self.window.findChild(QtWidgets.QDockWidget, "PresetDocker")
        if presets is not None:
            presets.setVisible(False)
        self.show()
        column = [self.window.findChild(QtWidgets.QDockWidget, name) for name in ("KisLayerBox", "underpaint_docker")]
        for name in ("ColorSelectorNg", "sharedtooldocker"):
            other = self.window.findChild(QtWidgets.QDockWidget, name)
            if other is not None:
                other.setVisible(not tall)
        heights = [200, 700] if tall else [250, 420]
        self.window.resizeDocks([docker for docker in column if docker], heights, QtCore.Qt.Vertical)

    def show(self):
        """Brings the docker to the front."""
        self.widget.setVisible(True)
        self.widget.raise_()

    def press(self):
        """Clicks the big button."""
        self.part("go").click()

    def cancel(self):
        """Clicks what ends the job under way."""
        self.part("cancel").click()

    def label(self):
        """What the big button says."""
        return self.part("go").text()

    def words(self):
        """The sentence shown."""
        return self.part("words").text()

    def idle(self):
        """Whether nothing is under way."""
        return self.part("cancel").isHidden()

    def busy(self):
        """Whether something is."""
        return not self.idle()

    def ask(self, mode="fill", prompt="", seed="7", model=None):
        """Sets what is to be done."""
        if model is not None:
            box = self.part("model")
            check(box.findData(model) >= 0, "the docker does not offer the model %s", model)
            box.setCurrentIndex(box.findData(model))
        button = self.part("mode_" + mode)
        check(not button.isHidden(), "the docker does not offer %s", mode)
        button.click()
        self.part("prompt").setPlainText(prompt)
        self.part("seed").setText(seed)

    def tiny(self):
        """The id of the tiny diffusion model."""
        box = self.part("model")
        found = next((box.itemData(at) for at in range(box.count()) if "tiny" in box.itemData(at)), None)
        check(found is not None, "the model in the daemon's folder is not offered")
        return found

    def paint_for_long(self, on=True):
        """Whether what is asked for next takes a whole batch of many steps: minutes with the tiny model, on any machine, so that
        it can be looked at, and then has to be cancelled."""
        self.part("batch").setValue(adapter_amount.BATCH if on else 1)
        self.part("steps").setValue(1000 if on else 0)


def nothing_is_kept(docker):
    """A part of a scenario: no result is left with the daemon. What was cancelled it remembers for a while, without any."""
    answers = []
    docker.widget._daemon.connection.call("job/list", {}, lambda *answer: answers.append(answer))
    yield lambda: answers
    jobs, error = answers[0]
    check(error is None and all(job["state"] == "cancelled" for job in jobs), "the daemon keeps %s", answers)


def no_dialog():
    """Whether no modal window stands in the painter's way."""
    return QtWidgets.QApplication.activeModalWidget() is None


# The daemon, from outside

def daemon_pid():
    """The process id the daemon published, or None."""
    try:
        with open(ENDPOINT) as file:
            return json.load(file)["pid"]
    except (OSError, ValueError, KeyError):
        return None


def daemon_lives():
    """Whether that process exists."""
    pid = daemon_pid()
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, TypeError):
        return False


def kill_daemon(how=signal.SIGKILL):
    """Ends it, by default without giving it a chance to clean up."""
    os.kill(daemon_pid(), how)


def screen():
    """The whole screen as a QImage."""
    return QtWidgets.QApplication.primaryScreen().grabWindow(0).toImage()


def screenshot(name):
    """Saves the whole screen as a PNG in the results folder, when all is drawn: it looks the same twice. Where something moves
    all the time, after a while."""
    yield from settled()
    before = None
    for _ in range(10):
        shown = screen()
        if shown == before:
            break
        before = shown
        yield 100
    shown.save(os.path.join(RESULTS, name))


class Heartbeat:
    """The longest time the event loop did not come round, from construction until `stop`: on the wall's clock, and
    what of it this thread computed, which other programs on the machine do not lengthen."""

    def __init__(self):
        self._last, self.longest = (time.time(), time.thread_time()), [0.0, 0.0]
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(5)

    def _beat(self):
        now = (time.time(), time.thread_time())
        self.longest = [max(longest, new - old) for longest, new, old in zip(self.longest, now, self._last)]
        self._last = now

    def stop(self):
        """Ends the measurement; returns both in milliseconds."""
        self._beat()
        self._timer.stop()
        return tuple(seconds * 1000 for seconds in self.longest)
