"""The row of modes: what is to happen."""

from .qt import QtWidgets, guarded
from .section import Section

MODES = [
    ("fill", "Fill", "Repaint the selection so that it belongs to its surroundings"),
    ("remove", "Remove", "Make what is selected disappear"),
    ("add", "Add", "Paint something new inside the selection"),
    ("generate", "Generate", "Paint the whole canvas, or all of the selection, from the prompt"),
]
SEGMENT = ("QPushButton { padding: 5px 0; border: 1px solid palette(dark); background: palette(button); }"
           "QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }")
"""The look of the modes: one bar, the chosen part in the theme's own accent."""


class Modes(Section):
    """One button for each mode that the model has."""

    NAME = "mode"

    def __init__(self):
        super().__init__()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self._buttons = {}
        group = QtWidgets.QButtonGroup(self)
        for mode, label, tip in MODES:
            button = QtWidgets.QPushButton(label)
            button.setObjectName("underpaint_mode_" + mode)
            button.setCheckable(True)
            button.setStyleSheet(SEGMENT)
            button.setToolTip(tip)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            button.clicked.connect(guarded(lambda *_: self.changed.emit()))
            group.addButton(button)
            row.addWidget(button)
            self._buttons[mode] = button
        self._buttons["fill"].setChecked(True)

    def mode(self):
        """The chosen one."""
        return next((mode for mode, button in self._buttons.items() if button.isChecked()), "fill")

    def label(self):
        """What the big button says."""
        return next(label for mode, label, _ in MODES if mode == self.mode())

    def suit(self, scene):
        """Offers what the model can."""
        offered = set(scene.model.get("modes") or ()) if scene.model else set(self._buttons)
        for mode, button in self._buttons.items():
            button.setVisible(mode in offered)
        if scene.model is not None and self.mode() not in offered:
            self._buttons[next((mode for mode, _, _ in MODES if mode in offered), "fill")].setChecked(True)
            self.changed.emit()

    def members(self, scene):
        """The mode."""
        return {"mode": scene.mode}

    def remembered(self):
        """The mode."""
        return {"mode": self.mode()}

    def recall(self, held):
        """The mode."""
        self._buttons.get(held.get("mode"), self._buttons["fill"]).setChecked(True)
