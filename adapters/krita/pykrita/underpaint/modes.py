"""The modes: what is to happen. As long as the painter chooses none himself, the docker does, by what is selected, how strong the
repainting is and where the canvas is empty; a mode that he chose stays until he gives the choice back."""

from .qt import QtWidgets, guarded
from .section import Section

MODES = [
    ("generate", "Generate", "Paint the whole canvas, or all of the selection, from the prompt"),
    ("fill", "Fill", "Repaint the selection so that it belongs to its surroundings"),
    ("expand", "Expand", "Continue the picture beyond its edges: on a larger canvas, or where the canvas is empty"),
    ("add", "Add", "Paint something new inside the selection"),
    ("remove", "Remove", "Make what is selected disappear"),
    ("background", "Background", "Keep what is selected and paint another background"),
]
COLUMNS = 3
SEGMENT = ("QPushButton { padding: 4px 0; border: 1px solid palette(dark); background: palette(button); }"
           "QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }")
"""The look of the modes: one block, the chosen part in the theme's own accent."""


def suggested(survey, strength):
    """The mode that suits what is selected and empty (see `document.Survey`)."""
    if survey.selected:
        return "expand" if survey.beyond else "fill"
    return "expand" if survey.margin and strength >= 1 else "generate"


class Modes(Section):
    """One button for each mode that the model has, and one that leaves the choice to the docker."""

    NAME = "mode"

    def __init__(self):
        super().__init__()
        self._own, self._shown, self._offered = None, "fill", [mode for mode, _, _ in MODES]
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(0)
        self._buttons = {}
        group = QtWidgets.QButtonGroup(self)
        for mode, label, tip in MODES:
            button = self._buttons[mode] = _segment(label, "mode_" + mode, tip)
            button.clicked.connect(guarded(lambda *_, mode=mode: self._choose(mode)))
            group.addButton(button)
        self._auto = _segment("Auto", "mode_auto", "Chooses the mode by what is selected, the strength, and where the canvas is empty")
        self._auto.clicked.connect(guarded(lambda *_: self._choose(None if self._auto.isChecked() else self._shown)))
        self._auto.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Expanding)
        self._auto.setFixedWidth(self.fontMetrics().horizontalAdvance("Auto") + 10)
        self._lay_out()
        self._show()

    def decide(self, survey, strength, model):
        """The mode, given what there is."""
        offered = [mode for mode, _, _ in MODES if model is None or mode in (model.get("modes") or ())]
        if offered and offered != self._offered:
            self._offered = offered
            self._lay_out()
        wanted = self._own or suggested(survey, strength)
        self._shown = wanted if wanted in self._offered else "fill" if "fill" in self._offered else self._offered[0]
        self._show()
        return self._shown

    def label(self, scene):
        """What the big button says."""
        if scene.mode == "generate" and scene.strength < 1 and scene.reads_prompts:
            return "Refine"
        return next(label for mode, label, _ in MODES if mode == scene.mode)

    def members(self, scene):
        """The mode."""
        return {"mode": scene.mode}

    def remembered(self):
        """The mode, if the painter chose it."""
        return {"mode": self._own}

    def recall(self, held):
        """The same."""
        self._own = held.get("mode") if held.get("mode") in self._buttons else None

    def _choose(self, mode):
        self._own = mode
        self.changed.emit()

    def _show(self):
        self._buttons[self._shown].setChecked(True)
        self._auto.setChecked(self._own is None)

    def _lay_out(self):
        for mode, button in self._buttons.items():
            self._grid.removeWidget(button)
            button.setVisible(mode in self._offered)
        self._grid.removeWidget(self._auto)
        rows = -(-len(self._offered) // COLUMNS)
        for at, mode in enumerate(self._offered):
            self._grid.addWidget(self._buttons[mode], at // COLUMNS, at % COLUMNS)
        for at in range(COLUMNS):  # as wide as their words need
            widths = [self.fontMetrics().horizontalAdvance(self._buttons[mode].text()) for mode in self._offered[at::COLUMNS]]
            self._grid.setColumnStretch(at, max(widths, default=0))
        self._grid.addWidget(self._auto, 0, COLUMNS, rows, 1)


def _segment(label, name, tip):
    button = QtWidgets.QPushButton(label)
    button.setObjectName("underpaint_" + name)
    button.setCheckable(True)
    button.setStyleSheet(SEGMENT)
    button.setToolTip(tip)
    button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
    return button
