"""Where the pixels of a picture are on the screen, and pictures shown there, over Krita's canvas.

Krita lets no plug-in draw on its canvas, but the canvas is a widget like others: a widget that the mouse goes through lies
over it as glass does. Where a pixel lies, Krita 5.2 and later tell; before, it follows from zoom, rotation, mirror and the
scroll bars, because Krita's scroll bars stand where the turned picture's bounding box begins.
"""

import collections

from krita import Krita

from .qt import QtCore, QtGui, QtWidgets, guarded

FOLLOW_MS = 40
"""How often it is looked whether the canvas was zoomed or turned, while something is shown. Scrolling is told."""

Sight = collections.namedtuple("Sight", "document area to_screen")
Sight.__doc__ = """The active view. `document` it shows; `area` the scroll area whose viewport holds the canvas; `to_screen` a
QTransform from the picture's pixels to the viewport's."""


def sight(window=None):
    """The active view of a window (absent: the active one) as a `Sight`; None if there is none, or Krita builds it otherwise."""
    window = window or Krita.instance().activeWindow()
    view = window.activeView() if window is not None else None
    document = view.document() if view is not None else None
    area = _canvas_area(window.qwindow()) if document is not None else None
    if area is None:
        return None
    canvas = view.canvas()
    if hasattr(view, "flakeToCanvasTransform"):
        return Sight(document, area, view.flakeToImageTransform().inverted()[0] * view.flakeToCanvasTransform())
    zoom = canvas.zoomLevel() * 72 / document.resolution()
    if zoom <= 0:
        return None
    turned = QtGui.QTransform.fromScale(-zoom if canvas.mirror() else zoom, zoom) * QtGui.QTransform().rotate(canvas.rotation())
    box = turned.mapRect(QtCore.QRectF(0, 0, document.width(), document.height()))
    left, top = area.horizontalScrollBar().value() + box.x(), area.verticalScrollBar().value() + box.y()
    return Sight(document, area, turned * QtGui.QTransform.fromTranslate(-left, -top))


def visible_part(extent):
    """The part of the active view's canvas that is in sight, as (x, y, w, h); all of it where that cannot be told."""
    whole = QtCore.QRect(0, 0, *extent)
    seen = sight()
    if seen is None or not seen.to_screen.isInvertible():
        return whole.getRect()
    shown = seen.to_screen.inverted()[0].mapRect(QtCore.QRectF(seen.area.viewport().rect())).toAlignedRect()
    part = shown.intersected(whole)
    return (whole if part.isEmpty() else part).getRect()


def _canvas_area(window):
    """The scroll area that shows the active view's canvas; None in a Krita that builds it otherwise."""
    area = window.centralWidget().findChild(QtWidgets.QMdiArea) if window.centralWidget() is not None else None
    inner = area.activeSubWindow() if area is not None else None
    found = inner.findChildren(QtWidgets.QAbstractScrollArea) if inner is not None else ()
    return next((widget for widget in found if widget.metaObject().className() == "KisCanvasController"), None)


class Glass(QtCore.QObject):
    """Shows one picture at its place over the canvas, in whatever view of its document is active in the window."""

    def __init__(self, window, parent=None):
        """`window()`: the QMainWindow whose views are meant."""
        super().__init__(parent)
        self._window = window
        self._document = self._pane = None
        self._watched = None
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._follow)

    def show(self, document, rect, picture):
        """Shows a QImage over the part `rect` (x, y, w, h) of the document, in place of what was shown."""
        self._document, self._rect, self._picture = document, QtCore.QRectF(*rect), picture
        self._follow()
        self._timer.start()

    def clear(self):
        """Shows nothing."""
        self._timer.stop()
        self._document = self._picture = None
        if self._pane is not None:
            self._pane.hide()

    @property
    def shown(self):
        """Whether there is something on a canvas now."""
        return self._pane is not None and self._pane.isVisible()

    @guarded
    def _follow(self):
        if self._document is None:
            return
        window = next((window for window in Krita.instance().windows() if window.qwindow() is self._window()), None)
        seen = sight(window)
        if seen is None or seen.document != self._document:
            if self._pane is not None:
                self._pane.hide()
            return
        viewport = seen.area.viewport()
        if self._pane is None or self._pane.parentWidget() is not viewport:
            self._lay_over(seen.area)
        self._pane.put(self._rect, self._picture, seen.to_screen)

    def _lay_over(self, area):
        if self._pane is not None:
            self._pane.destroyed.disconnect(self._gone)
            self._pane.deleteLater()
        self._pane = _Pane(area.viewport())
        # Never a function that holds the pane: until Qt deletes it nothing else may, so Python would take both for garbage, and Qt
        # would then call what is left of the function.
        self._pane.destroyed.connect(self._gone)
        for bar in (area.horizontalScrollBar(), area.verticalScrollBar()):
            bar.valueChanged.connect(self._pane.moved)
        self._pane.moved_by_hand.connect(self._follow)

    @guarded
    def _gone(self, *_):
        self._pane = None  # its view was closed


class _Pane(QtWidgets.QWidget):
    """The glass itself: as large as what it shows, within the viewport."""

    moved_by_hand = QtCore.pyqtSignal()

    def __init__(self, viewport):
        super().__init__(viewport)
        self.setObjectName("underpaint_on_canvas")
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self._shown = None

    @guarded
    def moved(self, *_):
        """A scroll bar was."""
        if self.isVisible():
            self.moved_by_hand.emit()

    def put(self, rect, picture, to_screen):
        """Shows `picture` where `to_screen` maps `rect` to."""
        box = to_screen.mapRect(rect).toAlignedRect().intersected(self.parentWidget().rect())
        wanted = (rect, picture.cacheKey(), to_screen, box)
        if wanted != self._shown:
            self._shown, self._picture = wanted, picture
            self.setGeometry(box)
            self.update()
        if box.isEmpty():
            self.hide()
        elif not self.isVisible():
            self.show()
            self.raise_()

    def paintEvent(self, _event):
        """Qt's call to draw."""
        if self._shown is None:
            return
        rect, _key, to_screen, _box = self._shown
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        painter.setTransform(to_screen * QtGui.QTransform.fromTranslate(-self.x(), -self.y()))
        painter.drawImage(rect, self._picture)
        painter.end()
