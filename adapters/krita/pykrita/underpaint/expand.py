"""By how much `expand` enlarges the canvas."""

from .qt import QtWidgets
from .section import Section

SIDES = ("left", "top", "right", "bottom")
MOST = 8192
STEP = 64


class Margins(Section):
    """A number of pixels for each side; all nought: what is empty of the canvas is painted."""

    NAME = "expand"

    def __init__(self):
        super().__init__()
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        self._sides = []
        for at, side in enumerate(SIDES):
            number = QtWidgets.QSpinBox()
            number.setObjectName("underpaint_expand_" + side)
            number.setRange(0, MOST)
            number.setSingleStep(STEP)
            number.setSuffix(" px")
            number.setToolTip("How much larger the canvas becomes there. Nowhere: what is empty of it is painted")
            grid.addWidget(QtWidgets.QLabel(side.capitalize()), at // 2, at % 2 * 2)
            grid.addWidget(number, at // 2, at % 2 * 2 + 1)
            self._sides.append(number)
        for at in (1, 3):
            grid.setColumnStretch(at, 1)

    def margins(self, scene):
        """(left, above, right, below) in pixels."""
        return tuple(number.value() for number in self._sides) if scene.mode == "expand" else (0, 0, 0, 0)

    def suit(self, scene):
        """Only of use to one mode."""
        self.setVisible(scene.mode == "expand")

    def remembered(self):
        """The numbers."""
        return {side: number.value() for side, number in zip(SIDES, self._sides)}

    def recall(self, held):
        """The numbers."""
        for side, number in zip(SIDES, self._sides):
            number.setValue(int(held.get(side) or 0))
