"""The stories of live painting: strokes of a real brush, and what travels because of them."""

import time

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import live as adapter_live
from underpaint import moment as adapter_moment
from underpaint import regions as adapter_regions
from underpaint import watching as adapter_watching
from underpaint.underpaint_client import Conversation

from .bench import (
    SRGB, Docker, Heartbeat, bounds, check, daemon_lives, daemon_pid, kill_daemon, layers, no_dialog, screenshot, seen, select,
    settled,
)
from .scenarios import PAUSE, PAUSE_MS, tiled

SIDE = 2048
TILE_BYTES = 256 * 256 * 4


NEVER_MS = 1 << 30
LISTS = ("job/list", "history/list", "models/list", "job/forget")
"""What the docker's other sections ask for whenever they are told that it is another."""


class Wire:
    """Counts what live painting sends, by method, and when."""

    def __init__(self):
        self._real = Conversation._write
        self.sent = []
        counted = self

        def write(conversation, header, tail=b""):
            if header.get("method") not in LISTS:
                counted.sent.append((time.perf_counter(), header.get("method"), header.get("params") or {}, memoryview(tail).nbytes))
            return counted._real(conversation, header, tail)
        Conversation._write = write

    def stop(self):
        """Counts no more."""
        Conversation._write = self._real

    def clear(self):
        """Counts from now on."""
        self.sent = []

    def of(self, *methods):
        """(time, params, bytes of the tail) of those messages."""
        return [(when, params, size) for when, method, params, size in self.sent if method in methods]

    def bytes(self):
        """Of pixels, in both kinds of message."""
        return sum(size for _, _, size in self.of("blob/put", "blob/write"))

    def requests(self):
        """The live requests."""
        return [(when, params) for when, params, _ in self.of("generate")]


class Brush:
    """A mouse on the canvas of the active view, with Krita's freehand brush."""

    def __init__(self):
        Krita.instance().action("KritaShape/KisToolBrush").trigger()
        view = Krita.instance().activeWindow().activeView()
        presets = Krita.instance().resources("preset")
        name = next(name for name in sorted(presets) if "Basic-5 Size" in name and "Opacity" not in name)
        view.setCurrentBrushPreset(presets[name])
        view.setBrushSize(40)
        view.setForeGroundColor(view.foregroundColor())
        view.canvas().setZoomLevel(0.25)

    @staticmethod
    def _at(x, y):
        canvas = adapter_moment.canvas_widget()
        area = canvas.parentWidget().parentWidget()
        view = Krita.instance().activeWindow().activeView()
        zoom = view.canvas().zoomLevel() * 72 / view.document().resolution()
        return QtCore.QPointF(x * zoom - area.horizontalScrollBar().value(), y * zoom - area.verticalScrollBar().value())

    def _send(self, kind, x, y, buttons):
        canvas = adapter_moment.canvas_widget()
        point = self._at(x, y)
        event = QtGui.QMouseEvent(kind, point, canvas.mapToGlobal(point.toPoint()), QtCore.Qt.LeftButton, buttons, QtCore.Qt.NoModifier)
        QtWidgets.QApplication.sendEvent(canvas, event)

    def down(self, x, y):
        """Puts the pen down."""
        self._send(QtCore.QEvent.MouseMove, x, y, QtCore.Qt.NoButton)
        self._send(QtCore.QEvent.MouseButtonPress, x, y, QtCore.Qt.LeftButton)

    def move(self, x, y):
        """Draws on to there."""
        self._send(QtCore.QEvent.MouseMove, x, y, QtCore.Qt.LeftButton)

    def up(self, x=0, y=0):
        """Lifts the pen, if there still is a canvas."""
        if adapter_moment.canvas_widget() is not None:
            self._send(QtCore.QEvent.MouseButtonRelease, x, y, QtCore.Qt.NoButton)

    def stroke(self, x, y, to_x, to_y):
        """A stroke of some 200 ms."""
        self.down(x, y)
        for step in range(1, 11):
            yield 20
            self.move(x + (to_x - x) * step / 10, y + (to_y - y) * step / 10)
        self.up(to_x, to_y)


class Patience:
    """Strokes are not followed before they end, and the pen is down until it is lifted, however long the machine takes for them."""

    def __init__(self):
        self._real = adapter_watching.OLD_MS, adapter_moment.Pen.FORGOTTEN_MS
        adapter_watching.OLD_MS = adapter_moment.Pen.FORGOTTEN_MS = NEVER_MS

    def stop(self):
        """As it is."""
        adapter_watching.OLD_MS, adapter_moment.Pen.FORGOTTEN_MS = self._real


class Live:
    """The section, as a painter reaches it."""

    def __init__(self):
        self.docker = Docker()
        self.docker.arrange(tall=True)
        self.section = self.docker.widget.findChild(adapter_live.Live)
        self.switch = self.docker.part("live_switch")

    def begin(self, prompt="a photo of a cat"):
        """On, with the tiny model."""
        yield lambda: self.docker.part("model").findData("tiny-sd") >= 0
        self.docker.ask("generate", prompt=prompt, seed="5", model="tiny-sd")
        self.docker.part("steps").setValue(4)
        self.docker.part("live").setChecked(True)

    def picture(self):
        """What is shown, or None."""
        return self.section._result

    def end(self):
        """Leaves nothing behind."""
        self.switch.setChecked(False)
        self.docker.part("live").setChecked(False)
        self.docker.paint_for_long(False)
        self.docker.ask("fill", model="")


def live_painting_sends_what_changed():
    """On a large picture: first all of it, then for each stroke the tiles it touched, and nothing while the pen is down, while
    nothing changes, or when it is off. What comes is shown, and kept as a layer."""
    live, patience = Live(), Patience()
    target = tiled(SIDE, SIDE)
    yield from settled()
    yield from live.begin()
    brush = Brush()
    yield from settled()
    wire = Wire()
    try:
        yield 1000
        check(not wire.sent, "something was sent before it was on: %s", [line[1] for line in wire.sent])
        heart = Heartbeat()
        live.switch.setChecked(True)
        yield lambda: live.picture() is not None
        yield from settled()
        gaps = [heart.stop()]
        whole = wire.bytes()
        check(whole == SIDE * SIDE * 4, "the picture was sent as %d bytes", whole)
        wire.clear()
        yield 1500
        check(not wire.sent, "nothing changed, and this was sent: %s", [line[1] for line in wire.sent])

        counts, delays = [], []
        for x, y, to_x, to_y in [(300, 300, 700, 420), (900, 1500, 1300, 1500), (1700, 200, 1750, 1200)]:
            wire.clear()
            before, shown = seen(target), live.picture()
            brush.down(x, y)
            for step in range(1, 11):
                yield 20
                brush.move(x + (to_x - x) * step / 10, y + (to_y - y) * step / 10)
            yield 300
            check(not wire.sent, "while the pen was down this was sent: %s", [line[1] for line in wire.sent])
            heart = Heartbeat()
            brush.up(to_x, to_y)
            lifted = time.perf_counter()
            yield lambda: wire.requests()
            delays.append((wire.requests()[0][0] - lifted) * 1000)
            yield lambda: live.picture() is not shown
            yield from settled()
            yield 1000
            gaps.append(heart.stop())
            after = seen(target)
            touched = different_tiles(before, after)
            counts.append((len(touched), wire.bytes()))
            check(touched, "the brush did not paint")
            check(wire.bytes() == len(touched) * TILE_BYTES, "%d tiles changed, and %d bytes were sent", len(touched), wire.bytes())
            check(not wire.of("blob/put"), "a picture was sent anew")
            check(len(wire.requests()) <= 2, "%d requests for one stroke", len(wire.requests()))
        gap = tuple(map(max, zip(*gaps)))
        check(gap[1] < PAUSE_MS, PAUSE, *gap)
        params = wire.requests()[-1][1]
        check(params["live"] == {"key": "live"} and params["denoise_strength"] == 0.6, "the request is %s", params)
        yield from screenshot("krita-live.png")

        shown = live.picture()
        live.docker.part("live_keep").click()
        yield lambda: len(layers(target.rootNode())) == 2
        check(bounds(layers(target.rootNode())[1]) == (0, 0, SIDE, SIDE), "the layer covers %s", bounds(layers(target.rootNode())[1]))
        check(bytes(layers(target.rootNode())[1].pixelData(0, 0, SIDE, 64)) == bytes(shown.patch.pixels)[:SIDE * 64 * 4],
              "the layer is not what was shown")
        live.switch.setChecked(False)
        wire.clear()
        yield from brush.stroke(500, 900, 900, 900)
        yield 1500
        check(not wire.sent and no_dialog(), "it is off, and this was sent: %s", [line[1] for line in wire.sent])
    finally:
        brush.up()  # Krita waits for ever for a stroke that does not end
        wire.stop()
        patience.stop()
        live.end()
    return "all %d KiB; strokes (tiles, KiB) %s; from the stroke's end to the request %s ms; %s" % (
        whole // 1024, [(tiles, size // 1024) for tiles, size in counts], [round(delay) for delay in delays], PAUSE % gap)


def different_tiles(before, after):
    """The 256 by 256 tiles in which two pictures of the large size differ."""
    row = SIDE * 4
    found = set()
    for y in range(SIDE):
        if before[y * row:y * row + row] != after[y * row:y * row + row]:
            for x in range(0, row, 1024):
                if before[y * row + x:y * row + x + 1024] != after[y * row + x:y * row + x + 1024]:
                    found.add((x // 1024, y // 256))
    return found


class Answers:
    """What became of the live requests: `done`, or the kind of the error."""

    def __init__(self):
        self.kinds = []
        self._real = adapter_watching.Watching._came

        def came(watching, number, connection, target, words, result, error):
            self.kinds.append(getattr(error, "kind", type(error).__name__) if error is not None else "done")
            return self._real(watching, number, connection, target, words, result, error)
        adapter_watching.Watching._came = came

    def stop(self):
        """Notes no more."""
        adapter_watching.Watching._came = self._real


def live_requests_take_each_others_place():
    """Strokes faster than the model: one request runs, one waits, those between are superseded, and the last is answered.
    A stroke that lasts is followed before it ends. Switched off in the middle: nothing more comes."""
    live, answers, wire = Live(), Answers(), Wire()
    tiled(1024, 1024)
    yield from settled()
    yield from live.begin()
    live.docker.part("steps").setValue(400)
    brush = Brush()
    yield from settled()
    try:
        live.switch.setChecked(True)
        yield lambda: wire.requests()
        for at in range(24):
            requests = len(wire.requests())
            yield from brush.stroke(100 + 30 * at, 200, 150 + 30 * at, 800)
            yield lambda: len(wire.requests()) > requests
            if at >= 5 and "superseded" in answers.kinds:  # where strokes take long, a request may be done between two of them
                break
        yield lambda: len(answers.kinds) == len(wire.requests())
        kinds, requests = list(answers.kinds), len(wire.requests())
        check(kinds[-1] == "done" and set(kinds) == {"done", "superseded"}, "the requests became %s", kinds)
        check(kinds.count("done") < requests, "nothing was superseded: %s", kinds)
        shown, last = live.picture(), wire.requests()[-1][1]
        check(shown is not None and shown.patch.seed == last["seed"], "the last is not shown")

        live.docker.part("steps").setValue(4)
        yield lambda: live.picture() is not shown and len(answers.kinds) == len(wire.requests())
        before, step = len(wire.requests()), 0
        times = [time.perf_counter()]
        brush.down(500, 100)
        while step < 120 or len(wire.requests()) == before:
            yield 20
            step += 1
            brush.move(500 + step % 120 * 2, 100 + step % 120 * 5)
        times += [when for when, _ in wire.requests()[before:]]
        waits = [later - sooner for sooner, later in zip(times, times[1:])]
        check(min(waits) > 1.4, "a long stroke was followed after %s s", waits)
        brush.up(740, 700)
        yield from settled()
        yield 1500

        live.docker.paint_for_long()
        requests = len(wire.requests())
        yield lambda: len(wire.requests()) > requests
        live.switch.setChecked(False)
        check(live.picture() is None, "it is off and still shows a picture")
        freed = wire.of("blob/free")
        check(freed, "the daemon's copy was not given back")
        live.docker.paint_for_long(False)
        yield lambda: len(answers.kinds) == len(wire.requests())
        yield 300
        check(live.picture() is None and no_dialog(), "what came too late is shown")
    finally:
        brush.up()
        wire.stop()
        answers.stop()
        live.end()
    return "%d requests: %s; a long stroke was followed after %s s" % (len(kinds), " ".join(kinds), " ".join("%.1f" % wait for wait in waits))


def live_painting_of_a_selection():
    """With something selected only the part around it is looked at, and the picture lies in the selection; a region's layer
    is watched, too; on the canvas the picture is shown while the pen is up."""
    live, wire = Live(), Wire()
    regions = live.docker.widget.findChild(adapter_regions.Regions)
    target = tiled(1024, 1024)
    yield from settled()
    yield from live.begin()
    select(target, 300, 300, 200, 160)
    brush = Brush()
    yield from settled()
    try:
        live.docker.part("live_on_canvas").setChecked(True)
        live.switch.setChecked(True)
        yield lambda: live.picture() is not None
        params = wire.requests()[-1][1]
        rect = params["canvas"]["rect"]
        check(max(rect["x"] + rect["w"], rect["y"] + rect["h"]) < 960, "%s is looked at", rect)
        check(params["mask"]["rect"] == {"x": 300, "y": 300, "w": 200, "h": 160}, "the mask is %s", params["mask"])
        x, y, width, height = live.picture().patch.rect
        alpha = bytes(live.picture().patch.pixels)[3::4]
        seen_at = [(x + at % width, y + at // width) for at in range(0, len(alpha), 7) if alpha[at]]
        check(seen_at and all(250 <= x < 550 and 250 <= y < 510 for x, y in seen_at), "the patch of %s is seen at %s … %s",
              live.picture().patch.rect, min(seen_at), max(seen_at))
        glass = live.docker.window.findChild(QtWidgets.QWidget, "underpaint_on_canvas")
        check(glass is not None and glass.isVisible(), "the picture is not on the canvas")
        check(live.docker.part("live_picture").isHidden(), "it is in the docker, too")
        yield from screenshot("krita-live-canvas.png")
        wire.clear()
        yield from brush.stroke(985, 985, 1010, 1010)
        yield from settled()
        yield 1500
        check(not wire.requests(), "a stroke elsewhere was sent: %s", [line[1] for line in wire.sent])
        brush.down(320, 320)
        check(not glass.isVisible(), "the picture hides the stroke")
        for step in range(1, 9):
            yield 20
            brush.move(320 + 20 * step, 320 + 15 * step)
        brush.up(480, 440)
        yield lambda: wire.requests()
        yield lambda: glass.isVisible()

        wire.clear()
        layer = target.createNode("left", "paintlayer")
        layer.setPixelData(QtCore.QByteArray(b"\x20\x40\x60\xff" * (100 * 160)), 300, 300, 100, 160)
        target.rootNode().addChildNode(layer, None)
        layer.setOpacity(1)
        yield lambda: target.activeNode() == layer
        regions.adder.click()
        regions.entries()[-1].findChild(QtWidgets.QPlainTextEdit, "underpaint_region_prompt").setPlainText("an old tree")
        yield lambda: any(request[1].get("regions") for request in wire.requests())
        region = next(request[1] for request in wire.requests() if request[1].get("regions"))["regions"][0]
        check(region["prompt"] == "an old tree" and region["mask"]["rect"] == {"x": 256, "y": 256, "w": 256, "h": 256},
              "the region is %s", region)
        yield from settled()
        yield 1500
        wire.clear()
        layer.setPixelData(QtCore.QByteArray(bytes(4 * 100 * 80)), 300, 380, 100, 80)
        yield lambda: wire.requests()
        sent = [(params["rows"], params["row_bytes"]) for _, params, _ in wire.of("blob/write")]
        check((256, 256) in sent and not wire.of("blob/put"), "the region's layer changed, and this was sent: %s", sent)

        yield from settled()
        live.docker.paint_for_long()
        live.docker.press()
        yield lambda: "step" in live.docker.words()
        wire.clear()
        yield from brush.stroke(320, 320, 480, 440)
        yield from settled()
        yield 600
        check(live.docker.busy(), "the picture was too quick for this test: %s", live.docker.words())
        check(not wire.bytes(), "while another picture was painted, this was sent: %s", [line[1] for line in wire.sent])
        live.docker.cancel()
        live.docker.paint_for_long(False)
        live.docker.part("steps").setValue(4)
        yield live.docker.idle
        yield lambda: wire.requests()
        check(not wire.of("blob/put"), "afterwards all of it was sent anew")

        target.setModified(False)
        yield from settled()
        target.close()
        yield lambda: Krita.instance().activeDocument() is None
        yield 1500
        check(no_dialog() and live.section.watching.on, "the picture was closed: %s", live.docker.words())
    finally:
        brush.up()
        wire.stop()
        live.docker.part("live_on_canvas").setChecked(False)
        live.end()
    return "looked at %s" % rect


def live_painting_outlives_the_daemon():
    """The daemon is killed while it paints live: it is started again, gets all of the picture, and goes on. In a document of
    16 bits, which is watched like any other."""
    live, wire, patience = Live(), Wire(), Patience()
    target = tiled(512, 512)
    target.setColorSpace("RGBA", "U16", SRGB)
    target.waitForDone()
    yield from settled()
    yield from live.begin()
    brush = Brush()
    yield from settled()
    try:
        live.switch.setChecked(True)
        yield lambda: live.picture() is not None
        old, shown = daemon_pid(), live.picture()
        wire.clear()
        kill_daemon()
        yield lambda: live.picture() is not shown
        check(daemon_lives() and daemon_pid() != old, "no new daemon was started")
        check(wire.bytes() == 512 * 512 * 4, "the new one was sent %d bytes", wire.bytes())
        wire.clear()
        shown = live.picture()
        yield from brush.stroke(100, 100, 160, 160)
        yield lambda: live.picture() is not shown
        check(wire.bytes() == TILE_BYTES and no_dialog(), "%d bytes were sent for one tile", wire.bytes())
    finally:
        brush.up()
        wire.stop()
        patience.stop()
        live.end()
    return live.docker.words()


ALL = [
    live_painting_sends_what_changed, live_requests_take_each_others_place, live_painting_of_a_selection,
    live_painting_outlives_the_daemon,
]
