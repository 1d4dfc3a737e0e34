#!/usr/bin/env python3
"""Runs the Krita adapter without Krita, under PyQt6: the one Qt no Krita of Debian is built with.

    tests/krita/offscreen.py [--daemon PATH] [--picture FILE]

What Krita gives a plug-in stands in `FakeKrita` below: just enough for a document of one layer. The docker is built, talks to
the real daemon, fills a selection, and its parts are pressed as a painter would. Exit codes: 0 passed, 1 something failed,
77 skipped (PyQt6 is not installed; the reason is printed). That it works in Krita itself is what run.py shows.
"""

import argparse
import faulthandler
import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import types

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "editors"))

import tiny_models  # noqa: E402

SKIPPED = 77
WAIT_S = 300
SIZE = (160, 120)
HOLE = (60, 40, 50, 40)
SRGB = "sRGB-elle-V2-srgbtrc.icc"

try:
    from PyQt6 import QtCore, QtGui, QtTest, QtWidgets
except ImportError as error:
    print("skipped: PyQt6 cannot be imported (%s)" % error)
    sys.exit(SKIPPED)


class Node:
    """A layer, or the root."""

    def __init__(self, name, kind, parent=None):
        self._name, self._kind, self._parent, self._children = name, kind, parent, []
        self._id = QtCore.QUuid.createUuid()
        self._pixels, self._box, self._visible = b"", QtCore.QRect(), True

    def name(self):
        return self._name

    def type(self):
        return self._kind

    def visible(self):
        return self._visible

    def setVisible(self, visible):
        self._visible = visible

    def uniqueId(self):
        return self._id

    def move(self, x, y):
        self._box.translate(x, y)

    def bounds(self):
        return self._box

    def parentNode(self):
        return self._parent

    def childNodes(self):
        return list(self._children)

    def setPixelData(self, data, x, y, width, height):
        assert isinstance(data, QtCore.QByteArray) and data.size() == width * height * 4
        self._pixels += bytes(data)
        self._box = self._box.united(QtCore.QRect(x, y, width, height))

    def projectionPixelData(self, x, y, width, height):
        return QtCore.QByteArray(bytes((60, 120, 90, 255)) * width * height)

    def colorModel(self):
        return "RGBA"

    def colorDepth(self):
        return "U8"

    def colorProfile(self):
        return SRGB

    def addChildNode(self, node, above):
        node._parent = self
        self._children.insert(self._children.index(above) + 1 if above in self._children else len(self._children), node)


class Selection:
    """A hard rectangle."""

    def __init__(self, *box):
        self._box = box

    def x(self):
        return self._box[0]

    def y(self):
        return self._box[1]

    def width(self):
        return self._box[2]

    def height(self):
        return self._box[3]

    def duplicate(self):
        return self

    def pixelData(self, x, y, width, height):
        inside = QtCore.QRect(*self._box)
        return QtCore.QByteArray(bytes(255 if inside.contains(x + at % width, y + at // width) else 0 for at in range(width * height)))


class Document:
    """One layer, in sRGB."""

    def __init__(self):
        self._picture = QtGui.QImage(*SIZE, QtGui.QImage.Format.Format_ARGB32)
        for y in range(SIZE[1]):
            for x in range(SIZE[0]):
                self._picture.setPixelColor(x, y, QtGui.QColor(90 + 40 * ((x // 6 + y // 6) % 2), 120, 60))
        self._root = Node("root", "grouplayer")
        base = Node("base", "paintlayer")
        base._box = QtCore.QRect(0, 0, *SIZE)
        self._root.addChildNode(base, None)
        self.chosen, self.notes = None, {}

    def width(self):
        return SIZE[0]

    def height(self):
        return SIZE[1]

    def fileName(self):
        return ""

    def selection(self):
        return self.chosen

    def rootNode(self):
        return self._root

    def activeNode(self):
        return self._root.childNodes()[0]

    def projection(self, *rect):
        return self._picture.copy(*rect)

    def createNode(self, name, kind):
        return Node(name, kind)

    def waitForDone(self):
        pass

    def tryBarrierLock(self):
        return True

    def unlock(self):
        pass

    def pixelData(self, *rect):
        picture = self.projection(*rect)
        bits = picture.constBits()
        bits.setsize(picture.sizeInBytes())
        return QtCore.QByteArray(bytes(bits))

    def paint(self, *box):
        """A stroke."""
        painter = QtGui.QPainter(self._picture)
        painter.fillRect(*box, QtGui.QColor(200, 30, 20))
        painter.end()

    def annotation(self, name):
        return self.notes.get(name, QtCore.QByteArray())

    def setAnnotation(self, name, _words, data):
        self.notes[name] = data

    def setModified(self, modified):
        pass

    def colorModel(self):
        return "RGBA"

    def colorDepth(self):
        return "U8"

    def colorProfile(self):
        return SRGB


class Notifier(QtCore.QObject):
    imageClosed = QtCore.pyqtSignal()
    applicationClosing = QtCore.pyqtSignal()

    def setActive(self, on):
        pass


class FakeKrita(QtCore.QObject):
    """The one instance."""

    def __init__(self, home):
        super().__init__()
        self.home, self.document, self._notifier, self._settings = home, None, Notifier(), {}

    def notifier(self):
        return self._notifier

    def icon(self, name):
        return QtGui.QIcon()

    def getAppDataLocation(self):
        return self.home

    def readSetting(self, group, name, default):
        return self._settings.get((group, name), default)

    def writeSetting(self, group, name, value):
        assert isinstance(value, str)
        self._settings[group, name] = value

    def activeDocument(self):
        return self.document

    def documents(self):
        return [self.document] if self.document else []

    def windows(self):
        return []

    def activeWindow(self):
        return None

    def addExtension(self, extension):
        self.extension = extension

    def addDockWidgetFactory(self, factory):
        self.factory = factory


def fake_modules(home):
    """`krita` and `pykrita`, as a Krita built with Qt 6 brings them."""
    instance = FakeKrita(home)
    krita, pykrita = types.ModuleType("krita"), types.ModuleType("pykrita")
    pykrita.qt_major_version = lambda: 6
    krita.Krita = type("Krita", (), {"instance": staticmethod(lambda: instance)})
    krita.DockWidget, krita.Extension = QtWidgets.QDockWidget, QtCore.QObject
    krita.DockWidgetFactoryBase = types.SimpleNamespace(DockRight=1)
    krita.DockWidgetFactory = lambda name, area, kind: (name, kind)
    sys.modules.update(krita=krita, pykrita=pykrita)
    return instance


def wait(condition, what):
    """Turns the event loop until it is so."""
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "did not happen: %s" % what
        QtTest.QTest.qWait(10)


def play(instance, picture):
    """The story."""
    package = importlib.import_module("underpaint")
    qt, weights = importlib.import_module("underpaint.qt"), importlib.import_module("underpaint.weights")
    assert qt.QT_MAJOR == 6, "the adapter took PyQt%d" % qt.QT_MAJOR
    troubles = []
    qt.on_trouble.append(troubles.append)
    for given, start, end, steps, expected in WEIGHTS:
        assert (weights.reweighted(given, start, end, steps) or (None,))[0] == expected, (given, weights.reweighted(given, start, end, steps))

    window = QtWidgets.QMainWindow()
    docker = instance.factory[1]()
    window.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, docker)
    window.resize(340, 900)
    window.show()

    def part(name):
        found = docker.findChild(QtWidgets.QWidget, "underpaint_" + name)
        assert found is not None, "the docker has no %s" % name
        return found

    wait(lambda: part("model").count() > 2, "the daemon's models")
    part("go").click()
    assert "picture first" in part("words").text(), part("words").text()
    instance.document = document = Document()
    document.chosen = Selection(*HOLE)
    wait(lambda: part("go").text() == "Fill", "a mode chosen by the selection")

    prompt = part("prompt")
    prompt.setPlainText("a red cat")
    QtTest.QTest.keyClick(prompt, QtCore.Qt.Key.Key_Up, QtCore.Qt.KeyboardModifier.ControlModifier)
    assert prompt.toPlainText() == "(a:1.1) red cat", prompt.toPlainText()
    prompt.setPlainText("")
    part("mode_remove").click()
    part("go").click()
    wait(lambda: part("cancel").isHidden(), "the end of the fill")
    assert part("words").text().startswith("Done"), part("words").text()
    layer = document.rootNode().childNodes()[1]
    box = layer.bounds()
    assert box.contains(QtCore.QRect(*HOLE)) and len(layer._pixels) == box.width() * box.height() * 4, box
    alpha = layer._pixels[3::4]
    assert max(alpha) == 255, "the layer is empty"

    model = part("model")
    model.setCurrentIndex(next(at for at in range(model.count()) if "tiny" in model.itemData(at)))
    part("mode_fill").click()
    part("batch").setValue(2)
    part("steps").setValue(6)
    prompt.setPlainText("a cat")
    QtTest.QTest.keyClick(prompt, QtCore.Qt.Key.Key_Return, QtCore.Qt.KeyboardModifier.ControlModifier)
    wait(lambda: part("choice").count() == 2, "two pictures to choose from")
    part("choice").itemEntered.emit(part("choice").item(0))
    assert part("preview").isVisible(), "hovering shows nothing"
    QtTest.QTest.keyClick(prompt, QtCore.Qt.Key.Key_Up, QtCore.Qt.KeyboardModifier.AltModifier)
    if picture:
        QtTest.QTest.qWait(200)
        window.grab().save(picture)
    part("choice_all").click()
    wait(lambda: len(document.rootNode().childNodes()) == 4, "both as layers")

    part("batch").setValue(1)
    steer(instance.document, part)
    part("filters").click()
    adder = part("add_filter").menu()
    for action in adder.actions():  # a control of every kind there is
        action.trigger()
    part("steps").setValue(1000)  # minutes: they are to be cancelled
    part("batch").setValue(16)
    for _ in range(2):
        part("go").click()
    wait(lambda: part("queue").isVisible(), "a queue")
    part("cancel_all").click()
    wait(lambda: part("cancel").isHidden(), "all cancelled")
    instance.notifier().applicationClosing.emit()
    window.close()
    assert not troubles, troubles
    assert package is not None


def steer(document, part):
    """A LoRA, a control layer and a region in a fill; then the same live, while the picture is painted."""
    for name in ("loras", "controls", "regions", "live"):
        part(name).click()
    next(action for action in part("loras_add").menu().actions() if action.data() == "kohya").trigger()
    part("lora_trigger").click()
    assert part("prompt").toPlainText().endswith("tny style"), part("prompt").toPlainText()
    part("controls_add").click()
    part("control_layer").showPopup()
    part("control_layer").hidePopup()
    part("control_layer").setCurrentIndex(part("control_layer").count() - 1)
    part("control_preprocess").setCurrentIndex(1)
    part("regions_add").click()
    part("region_prompt").setPlainText("an old tree")
    wait(part("control_show").isVisible, "a daemon that shows what is made of a layer")
    part("control_show").click()
    wait(lambda: part("preview").isVisible(), "the control picture")  # no canvas here: in the docker
    assert "as the model will see it" in part("words").text(), part("words").text()
    part("control_show").click()
    assert not part("preview").isVisible() and not part("control_show").isChecked()
    kept = json.loads(bytes(document.notes["underpaint"]))
    assert kept["regions"][0]["prompt"] == "an old tree" and kept["controls"][0]["preprocess"] == "canny", kept
    count = len(document.rootNode().childNodes())
    part("go").click()
    wait(lambda: part("cancel").isHidden(), "the end of a steered fill")
    assert part("words").text().startswith("Done") and len(document.rootNode().childNodes()) == count + 1, part("words").text()
    part("control_keep").click()
    wait(lambda: part("control_preprocess").currentData() == "", "the control picture as a layer")
    added = document.rootNode().childNodes()[1]
    assert not added.visible() and part("control_layer").layer() == added.uniqueId().toString()
    assert not part("control_show").isVisible(), "it is offered to show what is made of nothing"
    count += 1
    part("live_switch").click()
    wait(lambda: not part("live_picture").isHidden(), "a live picture")
    before = part("live_picture")._after
    document.paint(*HOLE)
    wait(lambda: part("live_picture")._after is not before, "a live picture of what was painted")
    part("live_keep").click()
    wait(lambda: len(document.rootNode().childNodes()) == count + 2, "the live picture as a layer")
    part("live_switch").click()
    assert part("live_picture").isHidden()
    for name in ("loras", "controls", "regions", "live"):
        part(name).click()


WEIGHTS = [
    ("a red cat", 3, 3, 1, "a (red:1.1) cat"), ("a (red:1.1) cat", 4, 4, 1, "a (red:1.2) cat"), ("a (red:1.1) cat", 3, 6, -1, "a red cat"),
    ("a red cat", 2, 9, 1, "a (red cat:1.1)"), ("a red cat ", 2, 10, -1, "a (red cat:0.9) "), ("a (red) cat", 4, 4, 1, "a (red:1.2) cat"),
    (r"a \(red\) cat", 5, 5, 1, r"a \((red:1.1)\) cat"), ("((red))", 3, 3, 1, "((red:1.2))"), ("a  b", 2, 2, 1, None), ("", 0, 0, 1, None),
    ("a (red:0.1) cat", 4, 4, -2, "a (red:0) cat"), ("x (a, (b:1.2):1.3)", 8, 8, 1, "x (a, (b:1.3):1.3)"), ("cat)", 1, 4, 1, None),
]
"""A prompt, where the cursor or the selection is, how many tenths, and what becomes of it."""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--daemon", default=os.environ.get("UNDERPAINT_BIN") or str(ROOT / "target/debug/underpaint"))
    arguments.add_argument("--picture", metavar="FILE", help="where to write a picture of the docker")
    chosen = arguments.parse_args()
    faulthandler.enable()
    work = pathlib.Path(tempfile.mkdtemp(prefix="upq-"))
    os.environ.update(UNDERPAINT_HOME=str(work / "up"), QT_QPA_PLATFORM="offscreen")
    os.environ.pop("UNDERPAINT_SOCKET", None)
    shutil.copytree(str(ROOT / "tests/reference/golden/tiny-sd"), str(work / "up/models/tiny-sd"))
    tiny_models.put_steering_into(work / "up/models")
    install = [chosen.daemon, "adapter", "install", "krita", "--tree", str(ROOT), "--to", str(work / "pykrita")]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    sys.path.insert(0, str(work / "pykrita"))
    failed = []
    sys.excepthook = lambda *trouble: (traceback.print_exception(*trouble), failed.append(trouble))
    QtCore.qInstallMessageHandler(lambda _kind, _where, words: None if "propagateSizeHints" in words else print(words))
    application = QtWidgets.QApplication(sys.argv[:1])
    try:
        play(fake_modules(str(work)), chosen.picture)
    except Exception:
        failed.append(traceback.print_exc())
    finally:
        subprocess.run([chosen.daemon, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(str(work), ignore_errors=True)
    del application
    print("failed" if failed else "ok: the adapter under PyQt %s" % QtCore.PYQT_VERSION_STR)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
