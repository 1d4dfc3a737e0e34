"""How much: the strength, and how many pictures."""

from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import row

BATCH = 16
"""The most pictures of one request."""


class Amount(Section):
    """How much of what is there is repainted, and how many pictures are made to choose from."""

    NAME = "amount"
    STYLE = ("denoise_strength",)

    def __init__(self):
        super().__init__()
        line = row(self)
        self._strength = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._strength.setObjectName("underpaint_strength")
        number = QtWidgets.QSpinBox()
        for widget in (self._strength, number):
            widget.setRange(1, 100)
            widget.setValue(100)
            widget.setToolTip("100 % paints anew; less keeps more of what is there")
        number.setSuffix(" %")
        self._strength.valueChanged.connect(number.setValue)
        number.valueChanged.connect(self._strength.setValue)
        self._strength.valueChanged.connect(guarded(lambda *_: self.changed.emit()))
        self._batch = QtWidgets.QSpinBox()
        self._batch.setObjectName("underpaint_batch")
        self._batch.setRange(1, BATCH)
        self._batch.setPrefix("× ")
        self._batch.setToolTip("How many pictures are made. Of several you choose which become layers")
        line.addWidget(QtWidgets.QLabel("Strength"))
        line.addWidget(self._strength, 1)
        line.addWidget(number)
        line.addWidget(self._batch)

    def strength(self):
        """0..1."""
        return self._strength.value() / 100

    def suit(self, scene):
        """Only what denoises has a strength."""
        self.setVisible(scene.reads_prompts)

    def members(self, scene):
        """Both."""
        if not scene.reads_prompts:
            return {}
        found = {"denoise_strength": self.strength()}
        return dict(found, batch=self._batch.value()) if self._batch.value() > 1 else found

    def style(self):
        """The strength."""
        return {"denoise_strength": self.strength()}

    def put_style(self, settings):
        """The strength, if the style has one: most leave it to the picture."""
        if "denoise_strength" in settings:
            self._strength.setValue(round(settings["denoise_strength"] * 100))

    def remembered(self):
        """Both."""
        return {"strength": self._strength.value(), "batch": self._batch.value()}

    def recall(self, held):
        """Both."""
        self._strength.setValue(int(held.get("strength", 100)))
        self._batch.setValue(int(held.get("batch", 1)))
