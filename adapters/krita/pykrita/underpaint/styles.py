"""The row that chooses a style: a named set of settings that the daemon keeps, for every editor alike.

Nothing here knows what settings mean. Saving asks for the name in the place of the list, so that no dialog is needed;
deleting leaves what the docker shows as it is, so that saving it again brings the style back.
"""

from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import row, tool

NO_STYLE = "No style"
NAME_LENGTH = 64


class Styles(Section):
    """The list, and the buttons that save and delete."""

    NAME = "style"
    LISTS = ("styles/list",)

    chosen = QtCore.pyqtSignal(object)
    """The painter chose a style: its settings, a dict; None for no style."""
    save = QtCore.pyqtSignal(str)
    """What the docker shows is to be kept under this name."""
    remove = QtCore.pyqtSignal(str)
    """The style of this name is to be forgotten."""

    def __init__(self, icon):
        """`icon(name)` gives a QIcon of Krita's."""
        super().__init__()
        self._settings, self._wanted = {}, ""
        self._box = QtWidgets.QComboBox()
        self._box.setObjectName("underpaint_style")
        self._box.setToolTip("Model, steps, guidance and filters under one name")
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.addItem(NO_STYLE, "")
        self._box.activated.connect(self._activated)
        self._name = _Name()
        self._name.setObjectName("underpaint_style_name")
        self._name.setPlaceholderText("Name of the style, then Return")
        self._name.setMaxLength(NAME_LENGTH)
        self._name.returnPressed.connect(self._named)
        self._name.left.connect(self._ask_no_more)
        self._save = tool(icon("document-save"), "+", "Save model, steps, guidance and filters as a style", self._ask)
        self._save.setObjectName("underpaint_style_save")
        self._remove = tool(icon("edit-delete"), "×", "Delete the style", lambda: self.remove.emit(self.name()))
        self._remove.setObjectName("underpaint_style_remove")
        line = row(self, 2)
        line.addWidget(self._box, 1)
        line.addWidget(self._name, 1)
        line.addWidget(self._save)
        line.addWidget(self._remove)
        self._name.hide()
        self._show()

    def name(self):
        """The chosen style's, or an empty string."""
        return self._box.currentData() or ""

    def offer(self, method, answer):
        """The daemon's list. What was chosen stays so, if it is still there; nothing else in the docker changes."""
        styles = [style for style in answer if isinstance(style, dict) and style.get("name")]
        self._settings = {style["name"]: style.get("settings") or {} for style in styles}
        wanted = self._wanted or self.name()
        self._box.clear()
        self._box.addItem(NO_STYLE, "")
        for name in sorted(self._settings, key=str.lower):
            self._box.addItem(name, name)
            self._box.setItemData(self._box.count() - 1, _described(self._settings[name]), QtCore.Qt.ItemDataRole.ToolTipRole)
        self.point_to(wanted)

    def point_to(self, name):
        """Shows this name as chosen, as soon as there is such a style; its settings are not told."""
        at = self._box.findData(name)
        self._wanted = name if at < 0 else ""
        self._box.setCurrentIndex(max(0, at))
        self._show()

    def remembered(self):
        """Which one is chosen; what it set is every section's own."""
        return {"name": self.name()}

    def recall(self, held):
        """The chosen one, as soon as the daemon offers it."""
        self.point_to(held.get("name") or "")

    @guarded
    def _activated(self, _index):
        self._wanted = ""
        self._show()
        self.chosen.emit(self._settings.get(self.name(), {}) if self.name() else None)

    def _ask(self):
        if not self._name.isHidden():
            self._named()
            return
        self._box.hide()
        self._name.show()
        self._name.setText(self.name())
        self._name.selectAll()
        self._name.setFocus()

    @guarded
    def _named(self):
        name = " ".join(self._name.text().split())
        self._ask_no_more()
        if name:
            self.save.emit(name)

    @guarded
    def _ask_no_more(self):
        self._name.hide()
        self._box.show()

    def _show(self):
        self._remove.setEnabled(bool(self.name()))


def _described(settings):
    """What a style sets, a line for each member; lists of things by their names."""
    def short(value):
        names = [entry.get("name") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else None
        return ", ".join(map(str, names)) if names else str(value)
    return "\n".join("%s: %s" % (name.replace("_", " "), short(value)) for name, value in settings.items())


class _Name(QtWidgets.QLineEdit):
    """A line that Escape leaves, and so does a click elsewhere."""

    left = QtCore.pyqtSignal()

    def keyPressEvent(self, event):
        """Qt's call for a key."""
        if event.key() == QtCore.Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event):
        """Qt's call when the keyboard goes elsewhere."""
        super().focusOutEvent(event)
        if event.reason() == QtCore.Qt.FocusReason.MouseFocusReason:
            self.left.emit()
