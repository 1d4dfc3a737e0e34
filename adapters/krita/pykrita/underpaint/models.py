"""The list of models that paint."""

from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import column

AUTOMATIC = "Automatic"
"""Stands for no model: the daemon takes the one that suits the mode and the words."""
AUTOMATIC_TIP = "Without words the picture itself is continued; with words a model of your own paints, or Starter"


class Models(Section):
    """The model that paints."""

    NAME = "model"
    LISTS = ("models/list",)
    STYLE = ("model",)

    def __init__(self):
        super().__init__()
        self._models, self._wanted = [], ""
        self._box = QtWidgets.QComboBox()
        self._box.setObjectName("underpaint_model")
        self._box.setToolTip("The model that paints")
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.currentIndexChanged.connect(guarded(lambda *_: self.changed.emit()))
        column(self).addWidget(self._box)

    def chosen(self):
        """The entry of `models/list`; None for Automatic."""
        model = self._box.currentData()
        return next((facts for facts in self._models if facts.get("id") == model), None)

    def offer(self, method, answer):
        """The daemon's models. What was chosen stays so, if it still is there."""
        wanted = self._box.currentData() if self._box.count() else self._wanted
        models = [facts for facts in answer if isinstance(facts, dict) and facts.get("id")]
        self._models = [facts for facts in models if facts.get("kind", "painter") == "painter"]
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem(AUTOMATIC, "")
        self._box.setItemData(0, AUTOMATIC_TIP, QtCore.Qt.ItemDataRole.ToolTipRole)
        for facts in self._models:
            self._box.addItem(facts.get("name") or facts["id"], facts["id"])
            if facts.get("state") == "unusable":
                index = self._box.count() - 1
                self._box.model().item(index).setEnabled(False)
                self._box.setItemData(index, facts.get("reason", ""), QtCore.Qt.ItemDataRole.ToolTipRole)
        self._box.setCurrentIndex(max(0, self._box.findData(wanted)))
        self._box.blockSignals(False)
        self.changed.emit()

    def members(self, scene):
        """The model, unless it is left to the daemon."""
        return {"model": self._box.currentData()} if self._box.currentData() else {}

    def style(self):
        """The model."""
        return {"model": self._box.currentData() or ""}

    def put_style(self, settings):
        """The style's model, if it is here."""
        model = settings.get("model") or ""
        if self._box.findData(model) >= 0:
            self._box.setCurrentIndex(self._box.findData(model))
        else:
            self.said.emit("The model “%s” is not here, so another paints." % model)

    def remembered(self):
        """The model."""
        return {"model": self._box.currentData() or ""}

    def recall(self, held):
        """The model, as soon as the daemon offers it."""
        self._wanted = held.get("model") or ""
