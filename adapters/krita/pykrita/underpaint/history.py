"""The history: what was painted, in this editor and in others, as the daemon keeps it across restarts of both."""

from .choice import Thumbnails
from .job import FORMATS, picture
from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import Fold, column, row, tool

PAGE = 24
SIDE = 56
MODES = {"generate": "Generated", "fill": "Filled", "expand": "Expanded", "add": "Added", "remove": "Removed",
         "background": "New background"}


class History(Section):
    """Thumbnails, the newest first. Asked for only while it is open."""

    NAME = "history"

    hovered = QtCore.pyqtSignal(object, object)
    """An entry and its thumbnail, to be shown in place; two Nones: no more."""
    apply = QtCore.pyqtSignal(object)
    """The entry is to become a layer again."""
    use_seed = QtCore.pyqtSignal(object)
    use_settings = QtCore.pyqtSignal(object)
    """Prompt, model and settings of the entry are wanted in the docker."""

    def __init__(self, icon, connection):
        """`icon(name)` gives a QIcon of Krita's; `connection()`: the one there is, or None."""
        super().__init__()
        self._connection = connection
        self._entries, self._images, self._more, self._asked = [], [], False, 0
        folded = QtWidgets.QWidget()
        self._list = Thumbnails(SIDE, rows=3)
        self._list.setObjectName("underpaint_history_list")
        self._list.hovered.connect(guarded(self._over))
        self._list.itemSelectionChanged.connect(guarded(self._selected))
        self._list.itemDoubleClicked.connect(guarded(lambda *_: self._with(self.apply)))
        self._list.verticalScrollBar().valueChanged.connect(guarded(self._scrolled))
        self._list.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.ActionsContextMenu)
        buttons = QtWidgets.QWidget()
        line = row(buttons, 2)
        self._apply = QtWidgets.QPushButton("Apply")
        self._apply.setObjectName("underpaint_history_apply")
        self._apply.setToolTip("Place it as a new layer again. A double click does the same")
        self._apply.clicked.connect(guarded(lambda *_: self._with(self.apply)))
        line.addWidget(self._apply, 1)
        self._tools = [
            tool(icon("tool_color_sampler"), "#", "Use its seed for the next picture, and copy it", lambda: self._with(self.use_seed)),
            tool(icon("document-import"), "¶", "Use its prompt, model and settings", lambda: self._with(self.use_settings)),
            tool(icon("edit-delete"), "×", "Remove it from the history", self._remove)]
        for name, button in zip(("seed", "settings", "remove"), self._tools):
            button.setObjectName("underpaint_history_" + name)
            line.addWidget(button)
        self._clear = QtWidgets.QToolButton()
        self._clear.setText("Clear")
        self._clear.setAutoRaise(True)
        self._clear.setObjectName("underpaint_history_clear")
        self._clear.clicked.connect(guarded(lambda *_: self._clear_pressed()))
        line.addWidget(self._clear)
        self._note = QtWidgets.QLabel("What is painted is kept here.")
        self._note.setEnabled(False)
        lines = column(folded, 3)
        for widget in (self._note, self._list, buttons):
            lines.addWidget(widget)
        self._fold = Fold("History", folded)
        self._fold.setObjectName("underpaint_history")
        self._fold.toggled.connect(guarded(lambda *_: self.refresh()))
        lines = column(self, 3)
        lines.addWidget(self._fold)
        lines.addWidget(folded)
        self.hide()
        self._selected()

    def connected(self, there):
        """There is a connection, to a daemon that keeps a history or not."""
        self.setVisible(there)
        self._entries = []
        self.refresh()

    def refresh(self):
        """Asks for the newest, if anybody sees them."""
        self._sure(False)
        if self._connection() is not None and self.isVisible() and self._fold.isChecked():
            self._ask(None)

    def picture(self, entry):
        """The entry's thumbnail."""
        return next((image for found, image in zip(self._entries, self._images) if found is entry), None)

    def remembered(self):
        """Whether it is open."""
        return {"open": self._fold.isChecked()}

    def recall(self, held):
        """The same."""
        self._fold.setChecked(bool(held.get("open")))

    def _ask(self, before):
        self._asked += 1
        number, connection = self._asked, self._connection()
        params = {"limit": PAGE} if before is None else {"limit": PAGE, "before": before}
        connection.call("history/list", params, guarded(lambda answer, error: self._came(number, connection, before, answer, error)))

    def _came(self, number, connection, before, answer, error):
        if error is not None:
            self.said.emit(str(error))
            return
        entries = [entry for entry in answer.get("entries") or () if (entry.get("thumbnail") or {}).get("px") in FORMATS]
        pixels = connection.images([entry["thumbnail"] for entry in entries])
        if number != self._asked:
            return
        images = [picture(entry["thumbnail"], data) for entry, data in zip(entries, pixels)]
        chosen = self._chosen()
        if before is None:
            self._entries, self._images = [], []
            self._list.clear()
        self._more = bool(answer.get("more"))
        for entry, image in zip(entries, images):
            self._entries.append(entry)
            self._images.append(image)
            self._list.put(image, _told(entry))
            if chosen is not None and chosen["entry"] == entry["entry"]:
                self._list.setCurrentRow(len(self._entries) - 1)
        self._list.fit()
        self._selected()

    def _scrolled(self, *_):
        bar = self._list.verticalScrollBar()
        if self._more and self._entries and bar.maximum() > 0 and bar.value() >= bar.maximum() - SIDE:
            self._more = False
            self._ask(self._entries[-1]["entry"])

    def _chosen(self):
        at = self._list.currentRow()
        return self._entries[at] if 0 <= at < len(self._entries) and self._list.selectedItems() else None

    def _with(self, signal):
        entry = self._chosen()
        if entry is not None:
            signal.emit(entry)

    def _selected(self):
        self._sure(False)
        there = self._chosen() is not None
        for button in [self._apply] + self._tools:
            button.setEnabled(there)
        self._clear.setEnabled(bool(self._entries))
        self._list.setVisible(bool(self._entries))
        self._note.setVisible(not self._entries)

    def _over(self, at):
        if 0 <= at < len(self._entries):
            self.hovered.emit(self._entries[at], self._images[at])
        else:
            self.hovered.emit(None, None)

    def _remove(self):
        entry = self._chosen()
        if entry is not None and self._connection() is not None:
            self._over(-1)
            self._connection().call("history/remove", {"entry": entry["entry"]}, self._changed)

    def _clear_pressed(self):
        """The first press asks, in the button itself; a dialog would stop Krita."""
        if self._clear.text() == "Clear":
            self._sure(True)
        elif self._connection() is not None:
            self._over(-1)
            self._connection().call("history/clear", {}, self._changed)

    def _sure(self, asking):
        self._clear.setText("Clear all?" if asking else "Clear")
        self._clear.setToolTip("Press again: everything in the history is forgotten, of every editor" if asking
                               else "Forget everything in the history")

    @guarded
    def _changed(self, _answer, error):
        if error is not None:
            self.said.emit(str(error))
        self.refresh()


def _told(entry):
    """What the tool tip says of an entry."""
    when = QtCore.QDateTime.fromMSecsSinceEpoch(int(entry.get("made_ms") or 0)).toString("yyyy-MM-dd hh:mm")
    seeds = ", ".join(str(patch.get("seed")) for patch in entry.get("patches") or () if patch.get("seed") is not None)
    lines = [entry.get("prompt") or entry.get("label") or MODES.get(entry.get("mode"), ""),
             "%s with %s, %s" % (MODES.get(entry.get("mode"), entry.get("mode")), entry.get("model"), when),
             "Seed %s" % (seeds or entry.get("seed"))]
    return "\n".join(line for line in lines if line)
