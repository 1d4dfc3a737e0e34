"""The section of live painting: the switch, how strongly the model changes what is painted, and the picture it makes."""

import random

from .canvas import Glass
from .document import Sorry
from .modes import SEGMENT
from .placing import placed
from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .story import Story
from .watching import OURS, Watching
from .widgets import Fold, Picture, calm, column, row, tool

SEEDS = 1 << 32
STRENGTH = 60
"""In percent: the painting is still what was painted, and already a picture."""


class Live(Section):
    """What the model makes of the picture while it is painted."""

    NAME = "live"

    lonely = QtCore.pyqtSignal()
    """There is no daemon to ask: somebody should start it."""

    def __init__(self, connection, members, window):
        """`connection()` the connection there is, or None; `members()` what the sections add to a request now; `window()` the
        QMainWindow whose canvases are meant."""
        super().__init__()
        self._members, self._glass = members, Glass(window, self)
        self._seed, self._result, self._placing = random.randrange(SEEDS), None, None
        self._mode = "add"
        self._watching = Watching(connection, self._wish, self)
        self._watching.painted.connect(guarded(self._painted))
        self._watching.said.connect(guarded(self._say))
        self._watching.lonely.connect(self.lonely)
        self._watching.broken.connect(guarded(lambda: self._switch.setChecked(False)))
        self._watching.pen.pressed.connect(guarded(self._glass.clear))  # the painter wants to see the stroke
        self._watching.pen.lifted.connect(guarded(lambda: self._show(self._result)))
        folded = QtWidgets.QWidget()
        self._fold = Fold("Live painting", folded)
        self._switch = QtWidgets.QPushButton("Paint live")
        self._switch.setCheckable(True)
        self._switch.setStyleSheet(SEGMENT)
        self._switch.setToolTip("The model follows what you paint: all of the canvas, or what is selected")
        self._switch.toggled.connect(guarded(lambda *_: self._turn()))
        self._keep = QtWidgets.QPushButton("Keep")
        self._keep.setToolTip("Puts the picture on a new layer, above the one you are on")
        self._keep.setEnabled(False)
        self._keep.clicked.connect(guarded(lambda *_: self._place()))
        self._on_canvas = QtWidgets.QCheckBox("On the canvas")
        self._on_canvas.setToolTip("Shows the picture over the canvas while the pen is up, instead of below")
        self._on_canvas.toggled.connect(guarded(lambda *_: self._show(self._result)))
        self._picture = Picture()
        self._note = QtWidgets.QLabel()
        self._note.setWordWrap(True)
        self._note.setEnabled(False)
        buttons, again = QtWidgets.QWidget(), tool(None, "⚄", "Another picture: another seed", self._reseed)
        font = again.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        again.setFont(font)
        line = row(buttons, 4)
        for button in (self._switch, self._keep):
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            line.addWidget(button, 1)
        line.addWidget(again)
        lines = column(folded, 4)
        for widget in (buttons, self._build_strength(), self._on_canvas, self._note, self._picture):
            lines.addWidget(widget)
        lines = column(self, 4)
        lines.addWidget(self._fold)
        lines.addWidget(folded)
        named = {"live": self._fold, "live_switch": self._switch, "live_keep": self._keep, "live_strength": self._strength,
                 "live_on_canvas": self._on_canvas, "live_picture": self._picture, "live_note": self._note, "live_again": again}
        for name, widget in named.items():
            widget.setObjectName("underpaint_" + name)
        self._say("")

    def _build_strength(self):
        holder = QtWidgets.QWidget()
        self._strength, number = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal), QtWidgets.QSpinBox()
        for widget in (self._strength, number):
            widget.setRange(1, 100)
            widget.setValue(STRENGTH)
            widget.setToolTip("How much of what you paint the model may change")
            calm(widget)
        number.setSuffix(" %")
        self._strength.valueChanged.connect(number.setValue)
        number.valueChanged.connect(self._strength.setValue)
        self._strength.valueChanged.connect(guarded(lambda *_: self._watching.look()))
        line = row(holder)
        line.addWidget(QtWidgets.QLabel("Strength"))
        line.addWidget(self._strength, 1)
        line.addWidget(number)
        return holder

    @property
    def watching(self):
        """What does the work."""
        return self._watching

    def lost(self):
        """The connection ended."""
        self._watching.lost()

    def suit(self, scene):
        """Live painting waits while a job is under way, and for a model that reads words."""
        self._watching.paused = scene.busy
        # Not `fill`, if there is a choice: without words that would be continued, not painted.
        self._mode = "add" if scene.model is None or "add" in (scene.model.get("modes") or ()) else "fill"
        self._switch.setEnabled(scene.reads_prompts)
        if not scene.reads_prompts:
            self._switch.setChecked(False)
            self._say("This model does not follow what is painted.")
        elif not self._watching.on:
            self._say("")
        self._turn()
        self._watching.look()

    def remembered(self):
        """How strongly, where it is shown, and whether this is open. It is never on by itself."""
        return {"open": self._fold.isChecked(), "strength": self._strength.value(), "on_canvas": self._on_canvas.isChecked()}

    def recall(self, held):
        """The same."""
        self._fold.setChecked(bool(held.get("open")))
        self._strength.setValue(int(held.get("strength", STRENGTH)))
        self._on_canvas.setChecked(bool(held.get("on_canvas")))

    def about_to_close(self):
        """Documents go away: they must not be looked at any more."""
        self._switch.setChecked(False)

    def _turn(self):
        wanted = self._switch.isChecked()
        self._watching.turn(wanted)
        self._fold.setText("Live painting (on)" if wanted else "Live painting")
        if not wanted:
            self._show(None)

    def _wish(self):
        members = {name: value for name, value in self._members().items() if name not in OURS}
        return dict(members, mode=self._mode, seed=self._seed, denoise_strength=self._strength.value() / 100)

    def _reseed(self):
        self._seed = random.randrange(SEEDS)
        self._watching.look()

    def _say(self, sentence):
        self._note.setText(sentence)
        self._note.setVisible(bool(sentence))

    # The picture

    def _painted(self, result):
        self._show(result)

    def _show(self, result):
        self._result = result
        if result is not None and self._on_canvas.isChecked() and not self._watching.pen.down():
            self._glass.show(result.target.document, result.target.here(result.patch.rect), result.picture)
        else:
            self._glass.clear()
        self._picture.show_picture(result.small if result is not None and not self._on_canvas.isChecked() else None)
        self._keep.setEnabled(result is not None and self._placing is None)

    def _place(self):
        if self._result is not None and self._placing is None:
            self._placing = Story(placed(self._result.target, self._result.patch, self._result.name), self._placed)
            self._keep.setEnabled(False)
            self._placing.start()

    def _placed(self, _value, error):
        self._placing = None
        self._keep.setEnabled(self._result is not None)
        if isinstance(error, Sorry):
            self.said.emit(str(error))
        elif error is not None:
            raise error
