"""What is folded away: what to avoid, steps, guidance, seed, and where the program is."""

from .document import Sorry
from .qt import QtCore, QtGui, QtWidgets, guarded
from .section import Section
from .widgets import Fold, Words, column, row

SEED_LIMIT = 1 << 64
EXACT = 1 << 53
"""JSON numbers are exact only below."""


class More(Section):
    """Members of a request that most pictures leave to the model."""

    NAME = "more"
    STYLE = ("negative_prompt", "steps", "guidance_scale")

    def __init__(self):
        super().__init__()
        self._last_seed = None
        lines = column(self)
        folded = QtWidgets.QWidget()
        self._fold = Fold("More", folded)
        lines.addWidget(self._fold)
        self._form = form = QtWidgets.QFormLayout(folded)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._negative = Words("What should not be there", 2)
        form.addRow("Avoid", self._negative)
        self._steps = QtWidgets.QSpinBox()
        self._steps.setRange(0, 1000)
        form.addRow("Steps", self._steps)
        self._guidance = QtWidgets.QDoubleSpinBox()
        self._guidance.setRange(0, 100)
        self._guidance.setDecimals(1)
        self._guidance.setSingleStep(0.5)
        self._guidance.setToolTip("How closely the picture follows the prompt")
        form.addRow("Guidance", self._guidance)
        form.addRow("Seed", self._build_seed())
        self._program = QtWidgets.QLineEdit()
        self._program.setPlaceholderText("found by itself")
        self._program.setToolTip("Path of the program “underpaint”, if it is not found by itself")
        form.addRow("Program", self._program)
        lines.addWidget(folded)
        named = {"more": self._fold, "negative": self._negative, "steps": self._steps, "guidance": self._guidance,
                 "seed": self._seed, "program": self._program}
        for name, widget in named.items():
            widget.setObjectName("underpaint_" + name)

    def _build_seed(self):
        holder = QtWidgets.QWidget()
        line = row(holder)
        self._seed = QtWidgets.QLineEdit()
        self._seed.setPlaceholderText("random")
        self._seed.setToolTip("The same seed and settings make the same picture again")
        self._seed.setValidator(QtGui.QRegularExpressionValidator(QtCore.QRegularExpression("[0-9]{0,20}"), self._seed))
        self._again = QtWidgets.QToolButton()
        self._again.setText("Last")
        self._again.setToolTip("Use the seed of the last picture again")
        self._again.setEnabled(False)
        self._again.clicked.connect(guarded(lambda *_: self.use_seed(self._last_seed)))
        line.addWidget(self._seed, 1)
        line.addWidget(self._again)
        return holder

    def program(self):
        """Where the painter says the program is; empty if he leaves that to us."""
        return self._program.text().strip()

    def painted(self, seed):
        """A picture was made with this seed."""
        self._last_seed = seed
        self._again.setEnabled(True)

    def use_seed(self, seed):
        """The next picture begins with this seed."""
        self._seed.setText(str(seed))

    def suit(self, scene):
        """The model's own values, where it has any."""
        defaults = (scene.model or {}).get("defaults") or {}
        self._steps.setSpecialValueText(_models_own(defaults.get("steps")))
        self._guidance.setSpecialValueText(_models_own(defaults.get("guidance_scale")))
        for widget in (self._negative, self._steps, self._guidance):
            widget.setVisible(scene.reads_prompts)
            self._form.labelForField(widget).setVisible(scene.reads_prompts)

    def members(self, scene):
        """What differs from the model's own."""
        seed = self._seed.text().strip()
        found = {}
        if seed:
            if int(seed) >= SEED_LIMIT:
                raise Sorry("The seed is too large; it must be below %d." % SEED_LIMIT)
            found["seed"] = int(seed) if int(seed) < EXACT else seed
        if scene.reads_prompts:
            found.update((name, value) for name, value in self.style().items() if value)
        return found

    def style(self):
        """All but the seed."""
        return {"negative_prompt": self._negative.toPlainText().strip(), "steps": self._steps.value(),
                "guidance_scale": self._guidance.value()}

    def put_style(self, settings):
        """All but the seed."""
        self._negative.setPlainText(settings.get("negative_prompt") or "")
        self._steps.setValue(settings.get("steps") or 0)
        self._guidance.setValue(settings.get("guidance_scale") or 0)

    def remembered(self):
        """Where the program is, and whether this is open."""
        return {"program": self.program(), "open": self._fold.isChecked()}

    def recall(self, held):
        """The same."""
        self._program.setText(held.get("program") or "")
        self._fold.setChecked(bool(held.get("open")))


def _models_own(value):
    return "model's own" if value is None else "model's own (%g)" % value
