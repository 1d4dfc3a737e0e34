"""The pictures of a batch, to choose from. Decision: one picture becomes a layer at once, of several none does before it is
chosen: a painter who asked for eight wants one of them, and seven layers to delete are no help."""

from .qt import QtCore, QtGui, QtWidgets, guarded
from .widgets import column, row, tool

SIDE = 72


class Thumbnails(QtWidgets.QListWidget):
    """Small pictures in rows, as high as it needs to be up to a limit."""

    hovered = QtCore.pyqtSignal(int)
    """The pointer is over the so-manieth; -1: over none."""

    def __init__(self, side=SIDE, rows=2):
        super().__init__()
        self._side, self._rows = side, rows
        self.setViewMode(QtWidgets.QListView.ViewMode.IconMode)
        self.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        self.setMovement(QtWidgets.QListView.Movement.Static)
        self.setIconSize(QtCore.QSize(side, side))
        self.setGridSize(QtCore.QSize(side + 6, side + 6))
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.viewport().installEventFilter(self)
        self.itemEntered.connect(guarded(lambda item: self.hovered.emit(self.row(item))))
        self.viewportEntered.connect(guarded(lambda: self.hovered.emit(-1)))

    def put(self, picture, tip):
        """Adds a picture, a QImage of any size."""
        item = QtWidgets.QListWidgetItem(QtGui.QIcon(thumbnail(picture, self._side)), "")
        item.setToolTip(tip)
        self.addItem(item)

    def fit(self):
        """Takes the height that shows all, or `rows` rows."""
        cell, policy = self._side + 6, QtCore.Qt.ScrollBarPolicy
        across = max(1, (self.width() - 2 * self.frameWidth()) // cell)
        wanted = max(1, -(-self.count() // across))
        self.setVerticalScrollBarPolicy(policy.ScrollBarAlwaysOn if wanted > self._rows else policy.ScrollBarAlwaysOff)
        self.setFixedHeight(min(self._rows, wanted) * cell + 2 * self.frameWidth() + 2)

    def resizeEvent(self, event):
        """Qt's report of a new size."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit()

    def eventFilter(self, watched, event):
        """Qt's report of what happens to the viewport: the pointer left."""
        if event.type() == QtCore.QEvent.Type.Leave:
            self.hovered.emit(-1)
        return super().eventFilter(watched, event)


def thumbnail(picture, side):
    """A square pixmap with the picture in its middle."""
    small = picture.scaled(side, side, QtCore.Qt.AspectRatioMode.KeepAspectRatio, QtCore.Qt.TransformationMode.SmoothTransformation)
    square = QtGui.QPixmap(side, side)
    square.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(square)
    painter.drawImage((side - small.width()) // 2, (side - small.height()) // 2, small)
    painter.end()
    return square


class Choice(QtWidgets.QWidget):
    """The pictures of one batch after the other, each until it is closed."""

    chosen = QtCore.pyqtSignal(object, object)
    """`job.Pictures`, and the patches of it that are to become layers."""
    hovered = QtCore.pyqtSignal(object, object)
    """`job.Pictures` and a QImage with its rect, to be shown in place; two Nones: no more."""

    def __init__(self, icon):
        """`icon(name)` gives a QIcon of Krita's."""
        super().__init__()
        self._pictures, self._images, self._next = None, [], []
        head = QtWidgets.QWidget()
        line = row(head, 2)
        self._title = QtWidgets.QLabel()
        close = tool(icon("dialog-cancel"), "×", "Close; the history has them still", self.close_it)
        close.setObjectName("underpaint_choice_close")
        self._all = QtWidgets.QToolButton()
        self._all.setText("All")
        self._all.setAutoRaise(True)
        self._all.setToolTip("Place each on a layer of its own")
        self._all.setObjectName("underpaint_choice_all")
        self._all.clicked.connect(guarded(lambda *_: self.chosen.emit(self._pictures, list(self._pictures.patches))))
        line.addWidget(self._title, 1)
        line.addWidget(self._all)
        line.addWidget(close)
        self._list = Thumbnails()
        self._list.setObjectName("underpaint_choice")
        self._list.hovered.connect(guarded(self._over))
        self._list.itemClicked.connect(guarded(lambda item: self._take(self._list.row(item))))
        lines = column(self, 2)
        lines.addWidget(head)
        lines.addWidget(self._list)
        self.hide()

    def show_pictures(self, pictures):
        """Shows them, as soon as nothing is left to choose from before."""
        self._next.append(pictures)
        if self._pictures is None:
            self._show_next()
        else:
            self._tell()

    def _show_next(self):
        self._pictures = pictures = self._next.pop(0)
        self._list.clear()
        for patch in pictures.patches:
            width, height = patch.rect[2:]
            image = QtGui.QImage(patch.pixels, width, height, width * 4, QtGui.QImage.Format.Format_ARGB32)
            self._images.append(image)
            self._list.put(image, "Place it as a layer. Seed %s" % patch.seed)
        self._tell()
        self.show()
        self._list.fit()

    def _tell(self):
        after = sum(len(pictures.patches) for pictures in self._next)
        self._title.setText("Choose from %d" % len(self._pictures.patches) + (", %d more after these" % after if after else ""))

    def close_it(self):
        """Nothing more of these is wanted."""
        self._over(-1)
        self._pictures, self._images = None, []
        self._list.clear()
        if self._next:
            self._show_next()
        else:
            self.hide()

    def _over(self, at):
        if 0 <= at < len(self._images):
            self.hovered.emit(self._pictures, (self._images[at], self._pictures.patches[at].rect))
        else:
            self.hovered.emit(None, None)

    def _take(self, at):
        self.chosen.emit(self._pictures, [self._pictures.patches[at]])
