"""A document as jobs need it: read what is seen, selected and on a layer. What comes of it is put there by `placing.py`.

Decision: pixels are read as Krita shows them (`projection`: 8-bit sRGB, whatever the document is), so no colour
arithmetic happens here. Rects are those of the canvas that was asked about, with the margins it is to get; where they lie
in the document by now, `Target.here` tells: what was asked for earlier may have enlarged it meanwhile. Long work is a
generator that yields between pieces, for the event loop. Nothing here waits for Krita (see `moment.py`).
"""

import collections
import itertools
import zlib

from krita import Krita

from .conversion import SRGB, Conversion, space
from .qt import QtCore, QtGui

PIECE_PIXELS = 1 << 20
"""Pixels read or written per turn of the event loop: about 20 ms."""
NAME_LENGTH = 60
SURROUNDINGS = 512
"""How many pixels around a selection filters see: as far as a filter's tiles may look (the largest halo of
sdk/filter.wit). Beyond that, sending more changes nothing but the time it takes."""


_TURNED_ROUND = bytes(range(255, -1, -1))

turns = itertools.count()
"""What was asked for or done later has a larger number."""

_enlarged = []
"""Of each enlarging of ours: when it was done (None: it is under way), of which document, from which size to which, and by how
much everything moved."""


Survey = collections.namedtuple("Survey", "selected beyond margin")
Survey.__doc__ = """`selected`: something is; `beyond`: the selection reaches to where the canvas is empty beside the picture;
`margin`: the canvas is empty beside the picture."""


class Sorry(Exception):
    """What was asked cannot be done; `str()` is a sentence for the painter."""


def strips(rect, bytes_per_pixel, piece_bytes):
    """Cuts `rect` (x, y, w, h) into full-width strips of at most `piece_bytes`, from the top."""
    x, y, width, height = rect
    rows = max(1, min(piece_bytes // (width * bytes_per_pixel), PIECE_PIXELS // width))
    for top in range(y, y + height, rows):
        yield x, top, width, min(rows, y + height - top)


class Target:
    """The document and the layer that a job was started on, and that its result goes to, whatever is active then."""

    def __init__(self, document, anchor):
        self._document = document
        self._anchor = anchor
        self.turn = next(turns)
        """When it was asked for."""
        self._size = self.extent = _size(document)
        """`extent` is what a request speaks of: larger than the canvas where that is to be enlarged."""
        self._margins = (0, 0, 0, 0)
        self.enlarged = False
        """Whether the canvas was given them."""
        self._mask, self.selection = _selection(document)
        self._covers = self._selected_bytes
        self.marked = self.selection
        """The part to repaint lies in this rect of `extent`; None: all is to be."""
        self.look = None
        """How the result's layer is to be composed, as `placing.Look` says it; None: as Krita makes it."""

    @classmethod
    def active(cls):
        """What the painter is looking at. `Sorry` if no picture is open."""
        target = cls.in_front()
        if target is None:
            raise Sorry("Open or create a picture first.")
        return target

    @classmethod
    def in_front(cls):
        """The same; None if no picture is open."""
        document = Krita.instance().activeDocument()
        return cls(document, document.activeNode()) if document is not None else None

    def is_open(self):
        """Whether the document still is among Krita's."""
        return self._document in Krita.instance().documents()

    @classmethod
    def found(cls, trace):
        """The open document that `trace()` was told of: by the id of the layer, which Krita keeps in its own files, else
        by the file's name. None if it is not open."""
        by_name = None
        for document in Krita.instance().documents():
            if trace.get("file") and document.fileName() == trace["file"] and (
                    [document.width(), document.height()] == trace.get("size")):
                by_name = by_name or cls(document, document.activeNode())
            for node in _all_under(document.rootNode()):
                if node.uniqueId().toString() == trace.get("layer"):
                    return cls(document, node)
        return by_name

    def trace(self):
        """What a later session finds the document by, for JSON."""
        layer = self._anchor.uniqueId().toString() if self._anchor is not None else None
        return {"file": self._document.fileName(), "size": list(self._size), "layer": layer, "look": self.look}

    def resume(self, margins, trace):
        """Takes up what was settled in an earlier session: `margins`, and what `trace()` told."""
        size = trace["size"]
        self._margins, self._size, self.look = tuple(margins), tuple(size), trace.get("look")
        self.extent = (margins[0] + size[0] + margins[2], margins[1] + size[1] + margins[3])

    @property
    def margins(self):
        """By how much the canvas will be enlarged."""
        return self._margins

    def is_in_front(self):
        """Whether the painter is looking at it."""
        return self._document == Krita.instance().activeDocument()

    @property
    def document(self):
        """Krita's."""
        return self._document

    @property
    def anchor(self):
        """The layer that was active, or the mask; None if none was."""
        return self._anchor

    @property
    def selected(self):
        """A copy of the selection, as it was; None if nothing was."""
        return self._mask

    # Where it lies by now

    def here(self, rect):
        """Where a rect of `extent` lies in the document now."""
        left, top = self._offset()
        return (rect[0] + left, rect[1] + top) + tuple(rect[2:])

    def there(self, rect):
        """Where a rect of the document lies in `extent`."""
        left, top = self._offset()
        return (rect[0] - left, rect[1] - top) + tuple(rect[2:])

    def was_resized(self):
        """Whether the canvas was given another size by somebody else than us."""
        return _size(self._document) not in self._moves()

    def _moves(self):
        """By how much the canvas there was has moved, for each size that enlarging it for earlier results led to: undo leads
        back."""
        found = {self._size: (0, 0)}
        for turn, document, before, after, move in _enlarged:
            if (turn is None or turn > self.turn) and document == self._document and before in found:
                found[after] = tuple(map(sum, zip(found[before], move)))
        return found

    def _offset(self):
        moves = self._moves()
        left, top = moves.get(_size(self._document), list(moves.values())[-1])
        return left - self._margins[0], top - self._margins[1]

    def enlarge(self):
        """Gives the canvas room for `extent`, as far as it has none yet. One undo step, Krita has no way to make it one with the
        layer's. To be yielded from; it ends when Krita is done."""
        self.still_open()
        if not any(self._margins):
            return
        if self.was_resized():
            raise Sorry("The canvas was resized meanwhile, so the result was not placed. It is in the history.")
        x, y, width, height = self.here((0, 0) + self.extent)
        before, move = _size(self._document), (max(0, -x), max(0, -y))
        after = (move[0] + max(before[0], x + width), move[1] + max(before[1], y + height))
        if after == before:
            return
        done = [None, self._document, before, after, move]
        _enlarged.append(done)
        self.enlarged = True
        self._document.resizeImage(-move[0], -move[1], *after)
        try:
            while _size(self._document) != after:
                self.still_open()
                yield
        finally:
            done[0] = next(turns)

    # What is to be repainted

    def aim(self, mode, margins=(0, 0, 0, 0)):
        """Settles `extent` and `marked` for a fill of this mode. `margins`: by how much `expand` enlarges the canvas to the
        left, above, to the right and below. `Sorry` if there is nothing for the mode to work on."""
        if mode == "expand" and (any(margins) or self.selection is None):
            self._aim_around(margins)
        elif mode == "background":
            if self.selection is None:
                raise Sorry("Nothing is selected. Select what is to stay; the rest gets a new background.")
            self.marked, self._covers = (0, 0) + self.extent, self._unselected_bytes
        elif mode != "generate" and self.selection is None:
            raise Sorry("Nothing is selected. Select the part of the picture to %s first." % mode)

    def _aim_around(self, margins):
        """What lies outside the picture's content: the margins, and what is empty of the canvas there is."""
        left, top, right, bottom = margins
        width, height = self._size
        kept = content(self._document)
        if kept is None:
            raise Sorry("The canvas is empty, so there is nothing to expand. Generate a picture first.")
        kept = (kept[0] + left, kept[1] + top) + kept[2:]
        self._margins, self.extent = tuple(margins), (left + width + right, top + height + bottom)
        if kept == (0, 0) + self.extent:
            raise Sorry("The canvas is full. Say by how much to enlarge it, or select the part to expand into.")
        self.marked = _around(kept, self.extent)

        def bytes_of(x, y, width, height):
            inside = common((x, y, width, height), kept)
            row, blank = b"\xff" * width, b""
            if inside is not None:
                blank = b"\xff" * (inside[0] - x) + bytes(inside[2]) + b"\xff" * (x + width - inside[0] - inside[2])
            rows = (inside[1] - y, inside[3], y + height - inside[1] - inside[3]) if inside is not None else (height, 0, 0)
            return row * rows[0] + blank * rows[1] + row * rows[2]
        self._covers = bytes_of

    def _selected_bytes(self, x, y, width, height):
        return bytes(self._mask.pixelData(x, y, width, height))

    def _unselected_bytes(self, x, y, width, height):
        return self._selected_bytes(x, y, width, height).translate(_TURNED_ROUND)

    def read_marked(self, piece_bytes):
        """Yields what is to be repainted within `marked` as packed g8 strips: 255 is, 0 stays, soft edges kept."""
        for strip in strips(self.marked, 1, piece_bytes):
            yield self._covers(*strip)

    # What is seen

    def read(self, rect, piece_bytes):
        """Yields the visible pixels of `rect` of `extent` as packed bgra8 strips (straight alpha, sRGB), transparent beyond
        the canvas."""
        canvas = self._margins[:2] + self._size
        for strip in strips(rect, 4, piece_bytes):
            self.still_open()
            inside = common(strip, canvas) or (0, 0, 0, 0)
            pixels = packed(self._document.projection(*self.here(inside))) if inside[2] else b""
            yield pixels if inside == strip else _framed(pixels, inside, strip)

    def read_mask(self, piece_bytes, rect=None):
        """Yields the selection within `rect` (absent: `self.selection`) as packed g8 strips: 0 outside, 255 selected,
        soft edges kept."""
        for strip in strips(rect or self.selection, 1, piece_bytes):
            yield self._selected_bytes(*strip)

    # What lies on one layer

    def layer(self):
        """The layer that filters work on: the active one, or what an active mask belongs to. `Sorry` if there is none."""
        node = self._anchor
        while node is not None and not node.type().endswith("layer"):
            node = node.parentNode()
        if node is None or node.parentNode() is None:
            raise Sorry("Choose the layer that is to be filtered.")
        return node

    def layers(self):
        """(id, name) of every layer of the document, from the top; those in groups are indented."""
        def under(parent, depth):
            for node in reversed(parent.childNodes()):
                if node.type().endswith("layer"):
                    yield node.uniqueId().toString(), "  " * depth + node.name()
                    yield from under(node, depth + 1)
        return list(under(self._document.rootNode(), 0))

    def find(self, layer):
        """The layer of that id. `Sorry` if it is gone."""
        nodes = _all_under(self._document.rootNode())
        node = next((node for node in nodes if node.uniqueId().toString() == layer), None)
        if node is None:
            raise Sorry("A layer that was chosen is not there any more. Choose another.")
        return node

    def beneath(self, node):
        """The visible layer under `node` in the same group; None if there is none."""
        below = None
        for other in node.parentNode().childNodes():
            if other == node:
                return below
            if other.type().endswith("layer") and other.visible():
                below = other
        return None

    def covered(self, node):
        """The part of the canvas that the layer's pixels lie in, as (x, y, w, h). `Sorry` if it is empty."""
        rect = self.part(node, (0, 0) + self.extent)
        if rect is None:
            raise Sorry("“%s” is empty, so there is nothing to filter." % node.name())
        return rect

    def part(self, node, within):
        """The part of `within` that is canvas and has pixels of the layer in it; None if there is none."""
        seen = common(within, self._margins[:2] + self._size)
        return seen and common(seen, self.there(node.bounds().getRect()))

    def filtered_part(self, node):
        """Which part of the layer to send, for all of it or all of the selection to be filtered."""
        whole = self.covered(node)
        if self.selection is None:
            return whole
        if common(whole, self.selection) is None:
            raise Sorry("“%s” is empty where you selected." % node.name())
        x, y, width, height = self.selection
        around = (x - SURROUNDINGS, y - SURROUNDINGS, width + 2 * SURROUNDINGS, height + 2 * SURROUNDINGS)
        return common(whole, around)

    def read_layer(self, node, rect, piece_bytes):
        """Yields what the layer shows of `rect`, with its masks and children, as packed bgra8 strips."""
        native = Conversion(space(node), SRGB)
        try:
            for strip in strips(rect, 4, piece_bytes):
                self.still_open()
                pixels = node.projectionPixelData(*self.here(strip))
                if pixels.isEmpty():
                    raise Sorry("“%s” has no pixels of its own. Choose another layer." % node.name())
                yield bytes(native.convert(pixels, *strip[2:]))
        finally:
            native.close()

    def fingerprint(self, node, rect):
        """A number that is another one as soon as what the layer shows of `rect` is, as a generator that yields None
        between pieces. The layer's own bytes are read, unconverted: it is asked for often."""
        found = 0
        for strip in strips(rect, 4, PIECE_PIXELS * 2):
            self.still_open()
            found = zlib.crc32(node.projectionPixelData(*self.here(strip)), found)
            yield
        return found

    def mask_fingerprint(self, rect):
        """The same of the selection."""
        found = 0
        for piece in self.read_mask(PIECE_PIXELS // 2, rect):
            found = zlib.crc32(piece, found)
            yield
        return found

    def reduced(self, node, rect, factor):
        """What the layer shows of `rect`, `factor` times smaller, as a generator that yields None between pieces and
        returns a QImage. Qt averages: it is a picture to look at."""
        pieces = self.read_layer(node, rect, PIECE_PIXELS * 2)
        return (yield from _reduced(pieces, rect, factor, 4, QtGui.QImage.Format.Format_ARGB32))

    def reduced_mask(self, rect, factor):
        """The selection within `rect` in the same way."""
        pieces = self.read_mask(PIECE_PIXELS // 2, rect)
        return (yield from _reduced(pieces, rect, factor, 1, QtGui.QImage.Format.Format_Grayscale8))

    def still_open(self):
        """`Sorry` if it is not."""
        if not self.is_open():
            raise Sorry("The picture was closed meanwhile, so there is nothing to put the result on.")


def _size(document):
    return document.width(), document.height()


def _selection(document):
    """A copy of the selection and its bounds within the canvas as (x, y, w, h); (None, None) if nothing is selected.
    `Sorry` if all of it lies outside the canvas."""
    selection = document.selection()
    if selection is None or selection.width() <= 0 or selection.height() <= 0:
        return None, None
    left, top = max(0, selection.x()), max(0, selection.y())
    right = min(document.width(), selection.x() + selection.width())
    bottom = min(document.height(), selection.y() + selection.height())
    if right <= left or bottom <= top:
        raise Sorry("The selection lies outside the picture. Select a part of the picture itself.")
    return selection.duplicate(), (left, top, right - left, bottom - top)


def _reduced(pieces, rect, factor, bytes_per_pixel, layout):
    """Puts strips of `rect` together, each side `factor` times smaller. Yields None after each."""
    width = max(1, rect[2] // factor)
    rows, waiting, high = [], b"", factor * max(1, PIECE_PIXELS // 4 // rect[2] // factor)
    stride = rect[2] * bytes_per_pixel

    def shrink(data):
        tall = len(data) // stride
        strip = QtGui.QImage(data, rect[2], tall, stride, layout)
        used = strip.copy(0, 0, min(rect[2], width * factor), min(tall, max(1, tall // factor) * factor))
        return used.scaled(width, max(1, tall // factor), QtCore.Qt.AspectRatioMode.IgnoreAspectRatio,
                           QtCore.Qt.TransformationMode.SmoothTransformation).convertToFormat(layout)

    for piece in pieces:
        waiting += piece
        while len(waiting) >= high * stride:
            rows.append(shrink(waiting[:high * stride]))
            waiting = waiting[high * stride:]
            yield
    if len(waiting) >= factor * stride or not rows:
        rows.append(shrink(waiting))
    data = b"".join(packed(strip) for strip in rows)
    return QtGui.QImage(data, width, len(data) // (width * bytes_per_pixel), width * bytes_per_pixel, layout).copy()


def packed(picture):
    """A QImage's pixels without padding, from the top."""
    bits = picture.constBits()
    bits.setsize(picture.sizeInBytes())
    data, stride, row = bytes(bits), picture.bytesPerLine(), picture.width() * picture.depth() // 8
    return data if stride == row else b"".join(data[y * stride:y * stride + row] for y in range(picture.height()))


def common(one, other):
    """What two rects (x, y, w, h) share; None if nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _all_under(parent):
    for node in parent.childNodes():
        yield node
        yield from _all_under(node)


def content(document):
    """The part of the canvas, as (x, y, w, h), outside of which all layers are transparent; None if all is."""
    box = QtCore.QRect()
    for node in document.rootNode().childNodes():  # the root itself says the whole canvas
        if node.type().endswith("layer") and node.visible():
            box = box.united(node.bounds())
    return common((0, 0, document.width(), document.height()), box.getRect())


def _around(kept, extent):
    """The bounds of what of `extent` lies outside `kept`."""
    x, y, width, height = kept
    free = [(0, 0, x, extent[1]), (x + width, 0, extent[0] - x - width, extent[1]), (0, 0, extent[0], y),
            (0, y + height, extent[0], extent[1] - y - height)]
    free = [rect for rect in free if rect[2] > 0 and rect[3] > 0]
    left, top = min(rect[0] for rect in free), min(rect[1] for rect in free)
    right, bottom = max(rect[0] + rect[2] for rect in free), max(rect[1] + rect[3] for rect in free)
    return left, top, right - left, bottom - top


def _framed(pixels, inside, strip):
    """Packed bgra8 pixels of the rect `inside` as those of `strip`, which holds it, transparent around."""
    row, width = bytes(strip[2] * 4), inside[2] * 4
    if not width:
        return row * strip[3]
    before, after = bytes((inside[0] - strip[0]) * 4), bytes((strip[0] + strip[2] - inside[0] - inside[2]) * 4)
    rows = [before + pixels[at:at + width] + after for at in range(0, len(pixels), width)]
    above, below = inside[1] - strip[1], strip[1] + strip[3] - inside[1] - inside[3]
    return row * above + b"".join(rows) + row * below


def survey():
    """What is selected, and where the canvas is empty, of the picture in front. Quick: it is asked for often."""
    document = Krita.instance().activeDocument()
    if document is None:
        return Survey(False, False, False)
    chosen, kept = document.selection(), content(document)
    area = chosen and (chosen.x(), chosen.y(), chosen.width(), chosen.height())
    area = area if area and area[2] > 0 and area[3] > 0 else None
    whole = (0, 0, document.width(), document.height())
    if kept is None or kept == whole or not _solid(document, kept):
        return Survey(area is not None, False, False)
    inside = common(area, whole) if area else None
    return Survey(area is not None, inside is not None and common(inside, kept) != inside, True)


def _solid(document, kept):
    """Whether a picture fills `kept`, rather than a drawing on nothing: its corners are opaque."""
    x, y, width, height = kept
    corners = ((left, top) for left in (x, x + width - 1) for top in (y, y + height - 1))
    return all(document.projection(left, top, 1, 1).pixelColor(0, 0).alpha() == 255 for left, top in corners)


def layer_name(prompt, mode, seed):
    """`prompt (seed)` on one line, the prompt cut to a readable length; the mode where there is no prompt."""
    words = " ".join(prompt.split()) or mode.capitalize()
    if len(words) > NAME_LENGTH:
        words = words[:NAME_LENGTH - 1].rstrip() + "…"
    return words if seed is None else "%s (%s)" % (words, seed)
