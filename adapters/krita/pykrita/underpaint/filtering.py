"""The section of the filters: the chain, what it makes of what is in sight, and the button that applies it to a layer."""

import os

from krita import Krita

from .document import Sorry, Target
from .filters import Chain, Missing, keep, kept
from .preview import Preview
from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import Fold, column, row


class Filters(Section):
    """A chain of filters."""

    NAME = "filters"
    LISTS = ("filters/list",)
    STYLE = ("filters",)

    apply = QtCore.pyqtSignal()
    """The painter wants the chain over the active layer."""
    added = QtCore.pyqtSignal(object)
    """The widget of a new step, to be scrolled to."""
    previewed = QtCore.pyqtSignal(object, object)
    """What it becomes and what it was; two Nones: nothing to show."""
    preview_said = QtCore.pyqtSignal(str)
    """Why there is no preview; empty once there is one."""

    def __init__(self, connection):
        """`connection()`: the one there is, or None."""
        super().__init__()
        self._busy = False
        folded, buttons, switches = (QtWidgets.QWidget() for _ in range(3))
        self._chain = Chain(Krita.instance().icon, _layers)
        self._chain.changed.connect(self._chain_changed)
        self._chain.said.connect(self.said)
        self._chain.added.connect(self.added)
        self._apply = QtWidgets.QPushButton("Apply to layer")
        self._apply.setToolTip("Runs the filters over the active layer, or what is selected of it, as a new layer above")
        self._apply.clicked.connect(guarded(lambda *_: self.apply.emit()))
        line = row(buttons)
        for button in (self._chain.adder, self._apply):
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            line.addWidget(button)
        self._show_preview = QtWidgets.QCheckBox("Preview")
        self._show_preview.setToolTip("Shows below what becomes of the selection, or of what is in sight")
        self._show_preview.toggled.connect(guarded(lambda *_: self._turn_preview()))
        self._with_fills = QtWidgets.QCheckBox("With fills")
        self._with_fills.setToolTip("Runs the filters over what is painted, too")
        line = row(switches, 12)
        line.addWidget(self._show_preview)
        line.addWidget(self._with_fills)
        line.addStretch(1)
        lines = column(folded, 4)
        for widget in (self._chain, buttons, switches):
            lines.addWidget(widget)
        self._fold = Fold("Filters", folded)
        self._fold.toggled.connect(guarded(lambda *_: self._turn_preview()))
        lines = column(self, 4)
        lines.addWidget(self._fold)
        lines.addWidget(folded)
        named = {"filters": self._fold, "apply": self._apply, "with_fills": self._with_fills, "show_preview": self._show_preview}
        for name, widget in named.items():
            widget.setObjectName("underpaint_" + name)
        self._live = Preview(connection, self.running, self)
        self._live.shown.connect(self.previewed)
        self._live.said.connect(self.preview_said)

    @property
    def live(self):
        """Whether the preview is on."""
        return self._live.on

    def running(self):
        """The steps that run, and which inputs they ask for. `Sorry` if one of them cannot."""
        try:
            return self._chain.running(), self._chain.wants
        except Missing as error:
            raise Sorry(str(error)) from None

    def lost(self):
        """The connection ended."""
        self._live.lost()

    def offer(self, method, answer):
        """The daemon's filters."""
        self._chain.offer([entry for entry in answer if isinstance(entry, dict) and entry.get("name")])

    def suit(self, scene):
        """While a picture is made, its own preview is shown."""
        self._busy = scene.busy
        self._apply.setText("Apply to selection" if scene.selected else "Apply to layer")
        self._turn_preview()

    def picture_changed(self):
        """Another picture came to the front, or there is a connection again."""
        self._live.look()

    def turn(self):
        """The docker was shown or hidden."""
        self._turn_preview()

    def members(self, scene):
        """The chain, if it goes with fills."""
        if not self._with_fills.isChecked():
            return {}
        steps = self.running()[0]
        return {"filters": lambda job: job.filters(steps)} if steps else {}

    def style(self):
        """The steps that run."""
        return {"filters": [{"name": step["name"], "params": step["params"]} for step in self._chain.steps() if step["on"]]}

    def put_style(self, settings):
        """The chain."""
        self._chain.set_steps(settings.get("filters") or [])

    def remembered(self):
        """The switches; the chain has a file of its own."""
        return {"open": self._fold.isChecked(), "preview": self._show_preview.isChecked(), "with_fills": self._with_fills.isChecked()}

    def recall(self, held):
        """The switches and the chain."""
        self._fold.setChecked(bool(held.get("open")))
        self._show_preview.setChecked(held.get("preview", True))
        self._with_fills.setChecked(held.get("with_fills", True))
        self._chain.set_steps(kept(_chain_file()))

    def about_to_close(self):
        """The chain."""
        try:
            keep(_chain_file(), self._chain.steps())
        except OSError:
            pass  # then the next session begins with an older one

    @guarded
    def _chain_changed(self):
        count = len(self._chain.steps())
        self._fold.setText("Filters (%d)" % count if count else "Filters")
        self._turn_preview()
        self._live.changed()

    def _turn_preview(self):
        wanted = self.isVisible() and self._fold.isChecked() and self._show_preview.isChecked()
        self._live.turn(wanted and not self._busy and bool(self._chain.steps()))


def _chain_file():
    """Where the chain is kept between sessions: a table of colours in it may be a megabyte, too much for Krita's settings."""
    return os.path.join(Krita.instance().getAppDataLocation(), "underpaint-filters.json")


def _layers():
    """The layers of the picture in front, for a filter's inputs."""
    try:
        return Target.active().layers()
    except Sorry:
        return []
