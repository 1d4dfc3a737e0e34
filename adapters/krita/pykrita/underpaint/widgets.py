"""Small widgets that the docker's parts share: layouts without margins of their own, a part that folds away, lines of
text, a picture. They know neither Krita nor the daemon."""

from .qt import QtCore, QtGui, QtWidgets, guarded


def column(widget, spacing=6):
    """A column without margins of its own."""
    made = QtWidgets.QVBoxLayout(widget)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    return made


def row(widget, spacing=6):
    """A row without margins of its own."""
    made = QtWidgets.QHBoxLayout(widget)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    return made


def tool(icon, letter, tip, pressed=None):
    """A flat button with an icon, or with `letter` where Krita has none of that name."""
    button = QtWidgets.QToolButton()
    button.setAutoRaise(True)
    button.setToolTip(tip)
    button.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
    if icon is not None and not icon.isNull():
        button.setIcon(icon)
        button.setIconSize(QtCore.QSize(16, 16))
    else:
        button.setText(letter)
    button.setFixedSize(22, 22)
    if pressed is not None:
        button.clicked.connect(guarded(lambda *_: pressed()))
    return button


OPEN_FOLD = "QToolButton:checked { background: transparent; border: 1px solid transparent; }"
"""An opened heading is no pressed button."""


class Fold(QtWidgets.QToolButton):
    """A heading with an arrow that shows and hides `content`."""

    def __init__(self, title, content, opened=False):
        """`content` must already have its place in a layout when it is shown."""
        super().__init__()
        self._content = content
        self.setText(title)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setStyleSheet(OPEN_FOLD)
        self.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggled.connect(self._unfold)
        self.setChecked(opened)
        self._unfold(opened)

    def hold(self, content):
        """Shows and hides other content from now on."""
        self._content = content
        self._unfold(self.isChecked())

    @guarded
    def _unfold(self, opened):
        self._content.setVisible(opened)
        self.setArrowType(QtCore.Qt.ArrowType.DownArrow if opened else QtCore.Qt.ArrowType.RightArrow)


class Elided(QtWidgets.QLabel):
    """One line of text that ends in … where there is no room. A double click is told."""

    double_clicked = QtCore.pyqtSignal()

    def __init__(self, text):
        super().__init__(text)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)

    def paintEvent(self, _event):
        """Qt's call to draw."""
        painter, metrics = QtGui.QPainter(self), self.fontMetrics()
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = metrics.elidedText(self.text(), QtCore.Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(0, (self.height() + metrics.ascent() - metrics.descent()) // 2, text)
        painter.end()

    def mouseDoubleClickEvent(self, event):
        """Qt's call for a double click."""
        self.double_clicked.emit()
        event.accept()


class Scroll(QtWidgets.QScrollArea):
    """As high as its content where there is room, scrolling where there is not."""

    def __init__(self, content):
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Maximum)
        self.setMinimumHeight(48)
        self.setWidget(content)

    def sizeHint(self):
        """Qt's question."""
        return self.widget().sizeHint()

    def eventFilter(self, watched, event):
        """Qt's report of what happens to the content: its size counts for ours."""
        if event.type() == QtCore.QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Words(QtWidgets.QPlainTextEdit):
    """A few lines of text that Tab leaves and Ctrl+Return submits."""

    submitted = QtCore.pyqtSignal()

    def __init__(self, placeholder, lines):
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setTabChangesFocus(True)
        margins = 2 * (self.frameWidth() + int(self.document().documentMargin()))
        self.setFixedHeight(self.fontMetrics().lineSpacing() * lines + margins)

    def keyPressEvent(self, event):
        """Qt's call for a key."""
        returns = (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter)
        if event.key() in returns and event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            self.submitted.emit()
        else:
            super().keyPressEvent(event)


class Picture(QtWidgets.QWidget):
    """A picture as wide as the docker; hidden while there is none. While it is pressed, it shows what was before."""

    MAX_HEIGHT = 320

    def __init__(self):
        super().__init__()
        self._after = self._before = None
        self._pressed = False
        self.setVisible(False)

    def show_picture(self, after, before=None):
        """Shows a QImage, or hides on None. `before`: what to show while the mouse is pressed."""
        self._after, self._before = after, before
        self.setToolTip("Press to see it as it was" if before is not None else "")
        self.setVisible(after is not None)
        if after is not None:
            height = after.height() * self.parentWidget().width() // max(1, after.width())
            self.setFixedHeight(max(16, min(self.MAX_HEIGHT, height)))
        self.update()

    def mousePressEvent(self, _event):
        """Qt's call for a mouse button."""
        self._pressed = True
        self.update()

    def mouseReleaseEvent(self, _event):
        """Qt's call for a mouse button."""
        self._pressed = False
        self.update()

    def paintEvent(self, _event):
        """Qt's call to draw."""
        picture = self._before if self._pressed and self._before is not None else self._after
        if picture is None:
            return
        size = picture.size().scaled(self.size(), QtCore.Qt.AspectRatioMode.KeepAspectRatio)
        box = QtCore.QRect(QtCore.QPoint((self.width() - size.width()) // 2, 0), size)
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(box, picture)
        painter.end()


class Box(QtWidgets.QComboBox):
    """A narrow list to choose from."""

    def __init__(self, opened=None):
        """`opened()` is called before it is shown."""
        super().__init__()
        self._opened = guarded(opened) if opened else None
        self.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        calm(self)

    def showPopup(self):
        """Qt's call to open the list."""
        if self._opened:
            self._opened()
        super().showPopup()


class LayerBox(Box):
    """One of the document's layers, looked up anew whenever the list is opened. A layer that is not there (any more)
    stays chosen: it may come back."""

    def __init__(self, layers, none=None):
        """`layers()` gives the (id, name) there are; `none` is what no layer is called, absent: one must be chosen."""
        super().__init__(self.look)
        self._layers, self._none = layers, none
        if none is not None:
            self.addItem(none, "")

    def layer(self):
        """The layer's id, empty for none."""
        return self.currentData() or ""

    def show_layer(self, layer):
        """Chooses the layer of that id."""
        self.look()
        if self.findData(layer) < 0:
            self.addItem("a layer that is not here", layer)
        self.setCurrentIndex(self.findData(layer))

    def look(self):
        """Lists what there is now, under the names it has now."""
        chosen, name = self.currentData(), self.currentText()
        self.blockSignals(True)
        self.clear()
        for layer, label in ([] if self._none is None else [("", self._none)]) + list(self._layers()):
            self.addItem(label, layer)
        if chosen and self.findData(chosen) < 0:
            self.addItem(name, chosen)
        self.setCurrentIndex(max(0, self.findData(chosen)))
        self.blockSignals(False)


class _Calm(QtCore.QObject):
    """Lets the wheel scroll the docker instead of turning the number that happens to lie under the pointer."""

    def eventFilter(self, watched, event):
        """Qt's question before an event is delivered."""
        if event.type() == QtCore.QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def calm(widget):
    """Keeps the wheel from turning the widget's number while it has not the focus."""
    widget.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_Calm(widget))
