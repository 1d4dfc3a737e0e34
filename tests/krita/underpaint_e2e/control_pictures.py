"""The story of what is made of a control layer: seen over the canvas before anything is painted, and kept as a layer."""

import os

from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import layers as adapter_layers
from underpaint.document import packed

from .bench import (
    RESULTS, Heartbeat, activated, bounds, check, document, layers, no_dialog, screenshot, seen, settled, undone, woven,
)
from .scenarios import SIZE
from .steering import LARGE_HOLE, Steered, differ, layer_with, save, set_part

BLOCKED_MS = 250
"""What the event loop may be busy with at a stretch."""


def rings():
    """A drawing: dark rings on a clear layer, as bgra8."""
    rows = bytearray()
    for y in range(SIZE[1]):
        for x in range(SIZE[0]):
            far = ((x - SIZE[0] / 2) ** 2 + (y - SIZE[1] / 2) ** 2) ** 0.5
            rows += b"\x30\x50\x90\xff" if int(far) % 30 < 9 else bytes(4)
    return bytes(rows)


def shown_by(entry, preprocess, pressed):
    """What is shown where this is made of the layer."""
    set_part(entry, "control_preprocess", preprocess)
    picture, _where = yield from pressed()
    return picture


def what_a_control_layer_makes_is_seen_first():
    """The control picture over the canvas: shown, hidden, made anew for something else, gone with a fill; then kept as a
    hidden layer, in one undo step, which steers by itself as the command line has it."""
    steered = Steered()
    yield from steered.begin()
    controls, docker, target = steered.controls, steered.docker, steered.target
    glass = docker.widget._results._glass
    steered.open("controls")
    layer = layer_with(target, "rings", (0, 0) + SIZE, rings())
    layer.setVisible(False)
    target.refreshProjection()
    yield from settled()
    steered.again()
    before = seen(target)
    controls.adder.click()
    entry = controls.entries()[0]
    show, keep = (entry.findChild(QtWidgets.QPushButton, "underpaint_control_" + name) for name in ("show", "keep"))
    entry.findChild(QtWidgets.QWidget, "underpaint_control_layer").look()
    set_part(entry, "control_layer", layer.uniqueId().toString())
    set_part(entry, "control_model", "lines")
    check(not show.isVisible() and not keep.isVisible(), "it is offered to show what nothing is made of")
    set_part(entry, "control_preprocess", "canny")
    controls.can_show(False)
    check(not show.isVisible(), "a daemon that cannot is asked to show")
    controls.can_show(True)
    check(show.isVisible() and keep.isVisible(), "it is not offered to show what is made")

    def pressed():
        """Presses the button and waits for what it shows: the picture, and where it is."""
        show.click()
        yield lambda: docker.idle() and glass.shown
        check(show.isChecked() and no_dialog() and "as the model will see it" in docker.words(), "the docker says: %s", docker.words())
        return glass._picture.copy(), glass._rect.toAlignedRect()

    heart = Heartbeat()
    edges, where = yield from pressed()
    blocked = heart.stop()
    check(blocked[1] < BLOCKED_MS, "the event loop was busy for %d ms", blocked[1])
    hole = QtCore.QRect(*LARGE_HOLE)
    check(where.contains(hole) and QtCore.QRect(0, 0, *SIZE).contains(where), "it lies at %s", where)
    greys = {QtGui.QColor(edges.pixel(x, y)).getRgb() for x in range(0, edges.width()) for y in range(0, edges.height(), 3)}
    check(greys == {(0, 0, 0, 255), (255, 255, 255, 255)}, "edges have the colours %s", sorted(greys)[:8])
    yield from screenshot("krita-control-shown.png")
    check(seen(target) == before and len(layers(target.rootNode())) == 2, "showing it changes the picture")
    set_part(entry, "control_weight", 0.9)
    check(glass.shown and show.isChecked(), "a weight takes it away")
    show.click()
    check(not glass.shown and not show.isChecked(), "it cannot be taken away")
    depth = yield from shown_by(entry, "depth", pressed)
    tile = yield from shown_by(entry, "tile", pressed)
    check(len({bytes(packed(found)) for found in (edges, depth, tile)}) == 3, "two of them are the same")
    set_part(entry, "control_layer", "")
    check(not glass.shown and not show.isChecked(), "another layer's picture stays")
    own = yield from shown_by(entry, "tile", pressed)
    check(packed(own) != packed(tile), "the picture itself shows what the layer does")

    # Pressed again before it has come: nothing is shown.
    show.click()
    show.click()
    show.click()
    check(not show.isChecked(), "the button is down")
    yield docker.idle
    check(not glass.shown, "what nobody wants is shown")
    yield from pressed()
    second = document(woven(64, 64), 64, 64)
    yield lambda: Krita.instance().activeDocument() == second and not glass.shown and not controls.entries()
    next(view for view in Krita.instance().activeWindow().views() if view.document() == target).setVisible()
    yield lambda: Krita.instance().activeDocument() == target and controls.entries()
    steered.again()
    entry = controls.entries()[0]
    show, keep = (entry.findChild(QtWidgets.QPushButton, "underpaint_control_" + name) for name in ("show", "keep"))
    check(not show.isChecked() and not glass.shown, "it is back by itself")

    set_part(entry, "control_layer", layer.uniqueId().toString())
    set_part(entry, "control_preprocess", "canny")
    edges, where = yield from pressed()
    picture = os.path.join(RESULTS, "rings.png")
    save(rings(), picture)
    made = yield from steered.paint("--control", "model=lines,weight=0.9,preprocess=canny,image=" + picture)
    check(not glass.shown and not show.isChecked(), "it hides what was painted")
    yield from pressed()

    keep.click()
    yield lambda: docker.idle() and entry.value()["preprocess"] == ""
    check(no_dialog() and docker.words().endswith("part of the picture."), "the docker says: %s", docker.words())
    kept = next(node for node in layers(target.rootNode()) if node.name() == "Canny of rings")
    identity = kept.uniqueId().toString()
    check(not kept.visible() and len(layers(target.rootNode())) == 3 and not glass.shown, "it is visible")
    held = adapter_layers.note(target)["controls"][0]
    check((held["layer"], held["preprocess"]) == (identity, "") == (entry.value()["layer"], ""), "what steers is %s", held)
    check(not show.isVisible(), "it is offered to show what nothing is made of")
    yield from settled()
    check(seen(target) == before and bounds(kept) == where.getRect(), "the picture changed, or it lies at %s", bounds(kept))

    def there():
        return identity in [node.uniqueId().toString() for node in layers(target.rootNode())]
    yield from undone()
    check(not there() and len(layers(target.rootNode())) == 2 and seen(target) == before, "undo takes away another than the layer")
    yield from undone("edit_redo")
    check(there() and seen(target) == before, "redo does not bring it back")
    steered.again()
    kept = next(node for node in layers(target.rootNode()) if node.uniqueId().toString() == identity)
    yield from activated(target, layers(target.rootNode())[-1])  # what is painted comes above the active layer
    save(bytes(kept.pixelData(0, 0, *SIZE)), picture)
    by_hand = yield from steered.paint("--control", "model=lines,weight=0.9,image=" + picture)
    plain_share = differ(made, by_hand)
    os.unlink(picture)
    steered.end()
    return "%dx%d over %s, event loop busy %d ms; kept, %d pixels of %d are painted otherwise" % (
        edges.width(), edges.height(), where.getRect(), blocked[1], plain_share, LARGE_HOLE[2] * LARGE_HOLE[3])


ALL = [what_a_control_layer_makes_is_seen_first]
