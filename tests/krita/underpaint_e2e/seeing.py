"""The stories of what is seen beside the painting: a preview over the canvas is where the layer will be, however the view is
zoomed, scrolled, turned or mirrored, with either kind of canvas; and that of the filters leaves whoever paints alone."""

import gc
import math

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import canvas as adapter_canvas
from underpaint import preview as adapter_preview

from .bench import Docker, check, document, layers, screen, screenshot, seen, settled, undone, woven
from .filtering import Section, unmoved
from .painting_live import Brush
from .scenarios import SIZE, tiled

MARK = (60, 50, 97, 83)
"""A part of the canvas that lies on no round number."""
MAGENTA = (255, 0, 255)
VIEWS = [
    # zoom, rotation, mirrored, by how much it is scrolled
    (0.5, 0, False, 0), (2.7, 0, False, 0), (6.0, 0, False, 40), (3.0, -75, False, 60), (1.0, 0, True, 0), (2.0, 40, True, 50),
]
OFF = 1.5
"""Pixels of the screen that an edge may lie apart: Krita's canvas and Qt's painter round a half differently."""


def marked(viewport):
    """How many pixels of the canvas on the screen are magenta, and their extreme points in eight directions."""
    corner = viewport.mapToGlobal(QtCore.QPoint(0, 0))
    shown = screen().copy(QtCore.QRect(corner, viewport.size()))
    mask = shown.convertToFormat(QtGui.QImage.Format_RGB32).createMaskFromColor(QtGui.qRgb(*MAGENTA), QtCore.Qt.MaskOutColor)
    rects = QtGui.QRegion(QtGui.QBitmap.fromImage(mask)).rects()
    points = [(x, y) for rect in rects for x in (rect.left(), rect.right()) for y in (rect.top(), rect.bottom())]
    directions = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
    return sum(rect.width() * rect.height() for rect in rects), [max(x * a + y * b for x, y in points) / math.hypot(a, b) for a, b in directions] if points else []


def mark_on(viewport):
    """Waits until there are magenta pixels, and the same ones for a while; returns them."""
    found, same = (0, []), 0

    def stays():
        nonlocal found, same
        before, found = found, marked(viewport)
        same = same + 1 if found[0] and found == before else 0
        return same == 5
    yield from settled()
    yield stays
    return found


def previews_lie_where_layers_will():
    """A magenta layer and a magenta preview of the same rect are seen at the same place."""
    docker = Docker()
    docker.arrange()
    target = document(woven(*SIZE), *SIZE)
    target.setResolution(300)
    yield from settled()
    view = Krita.instance().activeWindow().activeView()
    area = adapter_canvas.sight().area
    kind = next(widget.metaObject().className() for widget in area.viewport().children() if "Canvas" in widget.metaObject().className())
    picture = QtGui.QImage(MARK[2], MARK[3], QtGui.QImage.Format_ARGB32)
    picture.fill(QtGui.QColor(*MAGENTA))
    glass = docker.widget._results._glass
    notes = []
    for zoom, rotation, mirrored, scrolled in VIEWS:
        canvas = view.canvas()
        canvas.setMirror(mirrored)
        canvas.setRotation(rotation)
        canvas.setZoomLevel(zoom)
        yield from settled()
        for bar in (area.horizontalScrollBar(), area.verticalScrollBar()):
            bar.setValue(bar.value() + scrolled)
        layer = target.createNode("mark", "paintlayer")
        layer.setPixelData(QtCore.QByteArray(bytes((255, 0, 255, 255)) * MARK[2] * MARK[3]), *MARK)
        target.rootNode().addChildNode(layer, None)
        real = yield from mark_on(area.viewport())
        layer.remove()
        target.refreshProjection()
        yield lambda: marked(area.viewport())[0] == 0
        glass.show(target, MARK, picture)
        shown = yield from mark_on(area.viewport())
        if zoom == 2.0:
            yield from screenshot("krita-over-the-canvas.png")
        glass.clear()
        off = max(abs(a - b) for a, b in zip(real[1], shown[1]))
        notes.append("%g %d°%s %.1f" % (zoom, rotation, " mirrored" if mirrored else "", off))
        check(off <= OFF, "%s: the preview lies %.1f pixels beside the layer, with zoom, rotation, mirror %s; before: %s", kind, off,
              (zoom, rotation, mirrored), notes)

    # It follows the view, and the mouse goes through it.
    canvas = view.canvas()
    canvas.setMirror(False)
    canvas.setRotation(0)
    canvas.setZoomLevel(6)
    yield from settled()
    glass.show(target, MARK, picture)
    pane = docker.window.findChild(QtWidgets.QWidget, "underpaint_on_canvas")
    yield pane.isVisible
    before = pane.geometry()
    bar = area.verticalScrollBar()
    bar.setValue(bar.value() + 40)
    check(pane.geometry() != before, "the preview does not scroll with the canvas")
    before = pane.geometry()
    canvas.setZoomLevel(2)
    yield lambda: pane.geometry() != before
    middle = pane.mapTo(area.viewport(), pane.rect().center())
    check(area.viewport().childAt(middle) is not pane, "the mouse does not go through the preview")
    second = document(woven(64, 64), 64, 64)
    yield lambda: not pane.isVisible()
    yield from settled()
    second.close()
    yield lambda: glass.shown
    target.setModified(False)
    target.close()  # the preview's widget goes with its view
    yield lambda: Krita.instance().activeDocument() is None and not glass.shown
    yield from settled()
    glass.clear()
    check(len(layers(document(woven(64, 64), 64, 64).rootNode())) == 1, "the next picture cannot be opened")
    how = "as Krita tells" if hasattr(view, "flakeToCanvasTransform") else "from zoom and scroll bars"
    return "%s, %s: %s" % (kind, how, "; ".join(notes))


def previews_change_views():
    """Shown over one picture and then over another, by another widget, a preview leaves nothing behind that Python takes for garbage
    before Qt has deleted it, and that Qt would stumble over."""
    docker = Docker()
    docker.arrange()
    picture = QtGui.QImage(64, 64, QtGui.QImage.Format_ARGB32)
    glass = docker.widget._results._glass
    gc.disable()  # it looks when it is worst: for the first time, before Qt comes to what was left
    try:
        for collect in (lambda: None, gc.collect):
            target = document(woven(64, 64), 64, 64)
            yield from settled()
            glass.show(target, (0, 0, 64, 64), picture)
            collect()
            yield lambda: glass.shown
    finally:
        gc.enable()
        glass.clear()


STROKE = [(400 + 60 * step, 500 + 20 * step) for step in range(10)]


def filters_wait_for_the_stroke():
    """While a stroke is painted the filters' preview looks often, and neither reads the picture nor ends the stroke; afterwards it
    follows."""
    docker = Docker()
    docker.arrange(tall=True)
    target = tiled(1536, 1024)
    yield from settled()
    section, live = Section(docker), docker.widget.findChild(adapter_preview.Preview)
    brush = Brush()
    usual = adapter_preview.LOOK_MS, adapter_preview.BUSY_MS, adapter_preview.SHARE
    adapter_preview.LOOK_MS, adapter_preview.BUSY_MS, adapter_preview.SHARE = 20, 20, 0
    looks = []
    live._timer.timeout.connect(lambda: looks.append(live._held))
    try:
        section.begin("film-grain", preview=True)
        yield lambda: live._held is not None and not docker.part("preview").isHidden()
        yield from unmoved(target)
        yield section.settled
        before = seen(target)
        looks.clear()
        yield lambda: len(looks) > 5 and live._reading is None
        held = live._held
        brush.down(*STROKE[0])
        for point in STROKE[1:]:
            brush.move(*point)
            count = len(looks)
            yield lambda: len(looks) > count + 3
        check(live._held is held, "the picture was read in the middle of a stroke")
        brush.up(*STROKE[-1])
        yield lambda: live._held is not held
        yield from settled()
        after = seen(target)
        at = [(y * target.width() + x) * 4 for x, y in STROKE]
        painted = [before[point:point + 4] != after[point:point + 4] for point in at]
        check(all(painted), "of the stroke this was painted: %s", painted)
        yield from undone()
        check(seen(target) == before, "one undo does not take the stroke back")
    finally:
        brush.up()
        adapter_preview.LOOK_MS, adapter_preview.BUSY_MS, adapter_preview.SHARE = usual
        section.end()
    return "%d looks" % len(looks)


ALL = [previews_lie_where_layers_will, previews_change_views, filters_wait_for_the_stroke]
