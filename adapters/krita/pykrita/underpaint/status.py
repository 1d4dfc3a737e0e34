"""What goes on, below the sections: the picture as it becomes, progress, the buttons that begin and end, one sentence."""

from .qt import QtCore, QtWidgets, guarded
from .widgets import Picture, column, row

TROUBLE = "color: #d9705f"


class Status(QtWidgets.QWidget):
    """It shows what it is told; it knows no job."""

    go = QtCore.pyqtSignal()
    cancel = QtCore.pyqtSignal()

    def __init__(self):
        super().__init__()
        self.picture = Picture()
        self.picture.setObjectName("underpaint_preview")
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("underpaint_bar")
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        buttons = QtWidgets.QWidget()
        line = row(buttons, 4)
        self._go = QtWidgets.QPushButton()
        self._go.setObjectName("underpaint_go")
        self._go.setToolTip("Ctrl+Return in the prompt does the same")
        font = self._go.font()
        font.setBold(True)
        self._go.setFont(font)
        self._go.clicked.connect(guarded(lambda *_: self.go.emit()))
        self._cancel = QtWidgets.QPushButton("Cancel")
        self._cancel.setObjectName("underpaint_cancel")
        self._cancel.setToolTip("Ends what is under way; what waits goes on")
        self._cancel.clicked.connect(guarded(lambda *_: self.cancel.emit()))
        for button in (self._go, self._cancel):
            button.setMinimumHeight(34)
        line.addWidget(self._go, 2)
        line.addWidget(self._cancel, 1)
        self._failure, self._words = (_sentence(name) for name in ("failure", "words"))
        self._failure.setStyleSheet(TROUBLE)
        lines = column(self)
        for widget in (self.picture, self._bar, buttons, self._failure, self._words):
            lines.addWidget(widget)
        self.say("")
        self.fail("")

    def say(self, sentence, trouble=False):
        """The sentence, in place of the one before."""
        self._words.setText(sentence)
        self._words.setStyleSheet(TROUBLE if trouble else "")
        self._words.setVisible(bool(sentence))

    def words(self):
        """The sentence."""
        return self._words.text()

    def fail(self, sentence):
        """What went wrong while other jobs go on, until the next begins; empty for nothing."""
        self._failure.setText(sentence)
        self._failure.setVisible(bool(sentence))

    def show_state(self, busy, label):
        """What the button does."""
        self._go.setText("Queue" if busy else label)
        self._go.setToolTip(("%s after what is under way. " % label if busy else "") + "Ctrl+Return in the prompt does the same")
        if busy and self._cancel.isHidden():
            self._bar.setRange(0, 0)
        self._cancel.setVisible(busy)
        self._bar.setVisible(busy)

    def show_step(self, step, steps):
        """How far it is; 0 of 0: nobody knows."""
        self._bar.setRange(0, steps)
        self._bar.setValue(step)


def _sentence(name):
    label = QtWidgets.QLabel()
    label.setObjectName("underpaint_" + name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
