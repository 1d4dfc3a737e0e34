"""Where a result goes, and how it gets there: as a new layer, one undo step.

Decision: only ever a new layer is added: writing into a layer that is already in the document cannot be undone. It is brought
into the document's own colour space by Krita itself. Whoever paints on is not disturbed: Krita adds a layer when nothing else
is to be done, and in the middle of a stroke it freezes for ever, so the stroke's end is waited for. And it makes a new layer
the active one: the painter is given back theirs.
"""

import collections

from .conversion import SRGB, Conversion, space
from .document import PIECE_PIXELS, strips, turns
from .moment import Pen, calm
from .qt import QtCore, guarded
from .story import next_turn, pause

PAUSE_MS = 5
PATIENCE_MS = 10000
"""How long Krita may be busy while the pen is up. A tool that waits to be confirmed keeps it so, and ends when a layer is added."""
MOMENT_MS = 2000
"""How long Krita takes, at most, until a layer that was added is the active one."""

_placed = []
"""Of each layer that was added, in that order: its id, when what it shows was asked for, and when it was added."""

_under_way = []
"""What is being placed: Krita lets other work go on meanwhile, and of two at once the first would lie on top."""

Look = collections.namedtuple("Look", "name mode opacity inherits")
Look.__doc__ = """How Krita composes the layer called `name` with what is below it: blending mode, opacity (255: all), and whether it
inherits alpha."""
PLAIN = ("normal", 255, False)


def look(node):
    """How a layer is composed."""
    return Look(node.name(), node.blendingMode(), node.opacity(), node.inheritAlpha())


class Painter:
    """What the painter does since this was made."""

    def __init__(self, target, parent=None):
        self._target, self._painted = target, False
        at = target.document.activeNode()
        # Krita names none for a moment after a picture was opened, and a selection's mask comes and goes by itself.
        self._at = at if at is not None and at.type() != "selectionmask" else None
        self._pen = Pen(parent)
        self._pen.pressed.connect(guarded(self._paint))
        self._pen.watch(True)

    def _paint(self):
        self._painted = True

    def quiet(self):
        """A part of a story: waits until nothing is done on the picture, but not for ever, unless there is a stroke under way."""
        waited = 0
        while not calm(self._target.document) and (self._pen.held() or waited < PATIENCE_MS):
            waited += 0 if self._pen.held() else PAUSE_MS
            yield pause(PAUSE_MS)
            self._target.still_open()

    def elsewhere(self):
        """The layer on which they go on, and want to stay; None if the result's may become the active one, as Krita has it."""
        active = self._target.document.activeNode()
        stayed = self._at is None or active == self._at or active is not None and _id(active) in _since(self._target)
        return None if stayed and not self._painted else active


def placed(target, patch, name, painter=None, aside=False):
    """A part of a story: puts `patch` (bgra8) on a layer of its own, above the one that was active, enlarging the canvas before
    if that was asked for. What was asked for later lies on top, whichever is done first. Returns the layer's id. `aside`: the
    layer is hidden, and the canvas stays as it is.

    The layer is complete before it enters the document, so that this is the only change undo knows of.
    """
    painter = painter or Painter(target)
    node = yield from new_layer(target, patch, name)
    node.setVisible(not aside)
    while _under_way:
        yield pause(PAUSE_MS)
    _under_way.append(node)
    try:
        yield from painter.quiet()
        for _ in range(0) if aside else target.enlarge():
            yield pause(PAUSE_MS)
        yield from painter.quiet()
        node.move(*target.here((0, 0)))  # from where its pixels lie in what was asked about
        yield from _add(target, node, painter)
    finally:
        _under_way.clear()
    return _id(node)


def new_layer(target, patch, name):
    """A layer that shows `patch`, not yet in the document."""
    target.still_open()
    x, y, width, _ = patch.rect
    node = target.document.createNode(name, "paintlayer")
    native = Conversion(SRGB, space(target.document))
    try:
        row = width * 4
        for _, top, _, rows in strips(patch.rect, 4, PIECE_PIXELS * 4):
            if top > y:
                yield next_turn
            target.still_open()
            start = (top - y) * row
            piece = QtCore.QByteArray(bytes(patch.pixels[start:start + rows * row]))
            node.setPixelData(native.convert(piece, width, rows), x, top, width, rows)
    finally:
        native.close()
    if target.look is not None:
        _name, mode, opacity, inherits = target.look
        node.setBlendingMode(mode)
        node.setOpacity(opacity)
        node.setInheritAlpha(inherits)
    yield next_turn
    return node


def remark(target):
    """What the painter should know of a result that was placed, as sentences; empty if there is nothing."""
    found = []
    if target.look is not None and tuple(target.look[1:]) != PLAIN:
        found.append("It is blended as “%s” is, and lies over it: hide that one, or erase it there, to see it alone." % target.look[0])
    if target.was_resized():
        found.append("The canvas was resized meanwhile: look whether the layer lies where you want it.")
    return "".join(" " + sentence for sentence in found)


def _add(target, node, painter):
    """Puts a layer into the document. Krita composes the whole picture anew before it goes on: of a large one that takes
    longer than everything else here."""
    before = painter.elsewhere()
    if not calm(target.document):  # Krita 5.3 lets other events in when it is asked for the active layer: a stroke may have begun
        yield from painter.quiet()
        before = painter.elsewhere()
    target.still_open()
    parent, above = _insertion_point(target)
    parent.addChildNode(node, above)
    _placed.append((_id(node), target.turn, next(turns)))
    if before is not None:
        yield from _given_back(target, node, before)


def _given_back(target, node, before):
    """Makes the layer active again that was, after Krita has made the new one so."""
    for _ in range(MOMENT_MS // PAUSE_MS):
        target.still_open()
        if target.document.activeNode() == node:
            target.document.setActiveNode(before)
            break
        yield pause(PAUSE_MS)


def _insertion_point(target):
    """Where a paint layer may go: into a group, above the anchor or above what holds it (a mask cannot hold
    layers, and Krita drops such a wish silently). If the anchor is gone, by itself or with its group: on top of everything."""
    line, node, root = [], target.anchor, target.document.rootNode()
    while node is not None:
        line.append(node)
        node = node.parentNode()
    if line and line[-1] == root:  # not that of something deleted, which holds together
        for node, parent in zip(line, line[1:]):
            if parent.type() == "grouplayer" and node.type() != "selectionmask":
                return parent, _topmost_since(target, node)
    layers = [child for child in root.childNodes() if child.type().endswith("layer")]
    return root, layers[-1] if layers else None


def _topmost_since(target, node):
    """The uppermost of the layers that were added upon `node` since this began, up to the first that was asked for later;
    without any, `node`."""
    since = _since(target)
    siblings = node.parentNode().childNodes()
    for other in siblings[siblings.index(node) + 1:]:
        turn = since.get(_id(other))
        if turn is None or turn > target.turn:
            break
        node = other
    return node


def _since(target):
    """The ids of layers that were added since this began, and when they were asked for."""
    return {layer: asked for layer, asked, added in _placed if added > target.turn}


def _id(node):
    return node.uniqueId().toString()
