"""The only file that touches Krita's documents: read what is seen and selected, add a layer.

Decision: pixels are read as Krita shows them (`projection`: 8-bit sRGB, whatever the document is) and a result is
brought into the document's own colour space by Krita itself, so no colour arithmetic happens here. Only ever a new
layer is added: writing into a layer that is already in the document cannot be undone. Long work is a generator that
yields between pieces, for the event loop.
"""

from krita import Krita

from .qt import QtCore

SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
PIECE_PIXELS = 1 << 20
"""Pixels read or written per turn of the event loop: about 20 ms."""
NAME_LENGTH = 60


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
        self.extent = (document.width(), document.height())
        self._mask, self.selection = _selection(document)

    @classmethod
    def active(cls):
        """What the painter is looking at. `Sorry` if no picture is open."""
        document = Krita.instance().activeDocument()
        if document is None:
            raise Sorry("Open or create a picture first.")
        return cls(document, document.activeNode())

    def is_open(self):
        """Whether the document still is among Krita's."""
        return self._document in Krita.instance().documents()

    def was_resized(self):
        """Whether the canvas has another size than when the job began."""
        return (self._document.width(), self._document.height()) != self.extent

    def read(self, rect, piece_bytes):
        """Yields the visible pixels of `rect` as packed bgra8 strips (straight alpha, sRGB)."""
        self._document.waitForDone()
        for x, y, width, height in strips(rect, 4, piece_bytes):
            self._still_open()
            picture = self._document.projection(x, y, width, height)
            bits = picture.constBits()
            bits.setsize(width * height * 4)
            yield bytes(bits)

    def read_mask(self, piece_bytes):
        """Yields the selection within `self.selection` as packed g8 strips: 0 outside, 255 selected, soft edges kept."""
        for x, y, width, height in strips(self.selection, 1, piece_bytes):
            yield bytes(self._mask.pixelData(x, y, width, height))

    def insert(self, patch, name):
        """Adds `patch` (bgra8) as a new layer above the one that was active; one undo step. Yields between pieces.

        The layer is complete before it enters the document, so that this is the only change undo knows of.
        """
        self._still_open()
        x, y, width, _ = patch.rect
        node = self._document.createNode(name, "paintlayer")
        native = _Conversion(self._document)
        yield
        try:
            row = width * 4
            for _, top, _, rows in strips(patch.rect, 4, PIECE_PIXELS * 4):
                self._still_open()
                start = (top - y) * row
                piece = QtCore.QByteArray(bytes(patch.pixels[start:start + rows * row]))
                node.setPixelData(native.convert(piece, width, rows), x, top, width, rows)
                yield
        finally:
            native.close()
        yield
        self._still_open()
        parent, above = self._insertion_point()
        parent.addChildNode(node, above)

    def _still_open(self):
        if not self.is_open():
            raise Sorry("The picture was closed meanwhile, so there is nothing to put the result on.")

    def _insertion_point(self):
        """Where a paint layer may go: into a group, above the anchor or above what holds it (a mask cannot hold
        layers, and Krita drops such a wish silently). If the anchor was deleted: on top of everything."""
        node = self._anchor
        while node is not None and node.parentNode() is not None:
            if node.parentNode().type() == "grouplayer":
                if node.type() == "selectionmask":
                    break
                return node.parentNode(), node
            node = node.parentNode()
        root = self._document.rootNode()
        layers = [child for child in root.childNodes() if child.type().endswith("layer")]
        return root, layers[-1] if layers else None


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


class _Conversion:
    """From sRGB 8-bit to a document's own colour space, done by Krita in a document nobody sees.

    Converting a node leaves an undo step in the document that made it, so the real one must not be asked.
    """

    def __init__(self, document):
        self._space = (document.colorModel(), document.colorDepth(), document.colorProfile())
        self._scratch = None
        if self._space != SRGB:
            self._scratch = Krita.instance().createDocument(1, 1, "scratch", *SRGB, 72.0)

    def convert(self, bgra, width, height):
        """Bytes of `width * height` pixels in the document's space; `bgra` itself where nothing is to be done."""
        if self._scratch is None:
            return bgra
        node = self._scratch.createNode("piece", "paintlayer")
        node.setPixelData(bgra, 0, 0, width, height)
        node.setColorSpace(*self._space)
        return node.pixelData(0, 0, width, height)

    def close(self):
        """Gives the scratch document back."""
        if self._scratch is not None:
            self._scratch.setModified(False)
            self._scratch.close()
            self._scratch = None


def layer_name(prompt, mode, seed):
    """`prompt (seed)` on one line, the prompt cut to a readable length; the mode where there is no prompt."""
    words = " ".join(prompt.split()) or mode.capitalize()
    if len(words) > NAME_LENGTH:
        words = words[:NAME_LENGTH - 1].rstrip() + "…"
    return words if seed is None else "%s (%s)" % (words, seed)
