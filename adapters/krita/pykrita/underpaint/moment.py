"""What a picture shows at this moment, while the painter paints.

Decision: nothing here waits for Krita, which would freeze for ever in the middle of a stroke: that ends with an event that
does not come meanwhile. So it is asked whether the picture is `calm`, again and again.
"""

from .canvas import sight
from .conversion import SRGB, Conversion, space
from .document import Sorry
from .qt import QtCore, QtWidgets, guarded


def calm(document):
    """Whether Krita has nothing to do on it: no stroke is under way, no layers are being merged. Its lock is tried, because it
    tells Python nothing shorter."""
    if not document.tryBarrierLock():
        return False
    document.unlock()
    return True


class Picture:
    """All that is visible."""

    PX, BYTES = "bgra8", 4

    def __init__(self, document):
        self._document = document

    def native(self, rect):
        """The bytes of a rect in the document's own form: quick to get, to tell whether it is another picture."""
        return self._document.pixelData(*rect)

    def read(self, rect):
        """The rect's packed pixels as the daemon has them."""
        picture = self._document.projection(*rect)
        bits = picture.constBits()
        bits.setsize(rect[2] * rect[3] * 4)
        return bytes(bits)

    def close(self):
        """Nothing is held."""


class Selected(Picture):
    """How much is selected."""

    PX, BYTES = "g8", 1

    def __init__(self, selection):
        super().__init__(None)
        self._selection = selection

    def native(self, rect):
        """The rect's mask."""
        return self._selection.pixelData(*rect)

    def read(self, rect):
        """The same."""
        return bytes(self.native(rect))


class Shown(Picture):
    """What one layer shows, with its masks and children."""

    def __init__(self, node):
        super().__init__(None)
        self._node, self._to_srgb = node, None

    def native(self, rect):
        """The rect in the layer's own form."""
        pixels = self._node.projectionPixelData(*rect)
        if pixels.isEmpty():
            raise Sorry("“%s” has no pixels of its own. Choose another layer." % self._node.name())
        return pixels

    def read(self, rect):
        """The rect's packed pixels as the daemon has them."""
        if self._to_srgb is None:
            self._to_srgb = Conversion(space(self._node), SRGB)
        return bytes(self._to_srgb.convert(self.native(rect), rect[2], rect[3]))

    def close(self):
        """Gives back what the conversion took."""
        if self._to_srgb is not None:
            self._to_srgb.close()
            self._to_srgb = None


class Opaque(Shown):
    """How opaque one layer is."""

    PX, BYTES = "g8", 1

    def read(self, rect):
        """0 where it shows nothing, 255 where it covers."""
        return super().read(rect)[3::4]


def canvas_widget():
    """The widget of the active view that is painted on; None if no picture is open."""
    seen = sight()
    found = seen.area.viewport().findChildren(QtWidgets.QWidget) if seen is not None else ()
    return next((widget for widget in found if "Canvas" in widget.metaObject().className()), None)


class Pen(QtCore.QObject):
    """Whether the painter holds the pen, or a mouse button, down on the canvas."""

    pressed = QtCore.pyqtSignal()
    """A stroke may begin."""
    lifted = QtCore.pyqtSignal()
    """A stroke may have ended."""

    DOWN = (QtCore.QEvent.Type.TabletPress, QtCore.QEvent.Type.MouseButtonPress, QtCore.QEvent.Type.MouseButtonDblClick,
            QtCore.QEvent.Type.TouchBegin)
    UP = (QtCore.QEvent.Type.TabletRelease, QtCore.QEvent.Type.MouseButtonRelease, QtCore.QEvent.Type.TouchEnd,
          QtCore.QEvent.Type.TouchCancel)
    FORGOTTEN_MS = 3000
    """A pen that neither moved nor was lifted for so long was lifted elsewhere."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._watched, self._down = None, False
        self._since = QtCore.QElapsedTimer()

    def down(self):
        """Whether it is."""
        return self._down and self._since.elapsed() < self.FORGOTTEN_MS

    def held(self):
        """The same, as far as was seen: it may have been lifted elsewhere."""
        return self._down

    def watch(self, on):
        """Looks at what is painted on now, or at nothing."""
        canvas = canvas_widget() if on else None
        if canvas is self._watched:
            return
        if self._watched is not None:
            self._watched.removeEventFilter(self)
            self._watched.destroyed.disconnect(self._gone)
        self._watched, self._down = canvas, False
        if canvas is not None:
            canvas.installEventFilter(self)
            canvas.destroyed.connect(self._gone)

    def eventFilter(self, watched, event):
        """Qt's question before an event is delivered: it always is."""
        kind = event.type()
        if kind in self.DOWN:
            self._down = True
            self._since.start()
            self.pressed.emit()
        elif kind in self.UP:
            self._down = False
            self.lifted.emit()
        elif self._down:
            self._since.start()
        return False

    @guarded
    def _gone(self, *_):
        self._watched, self._down = None, False
