"""Lists of things that steer a picture, each switched on and off and removed by itself: what the sections of LoRAs, control
layers and regions have in common. Nothing here knows what an entry holds."""

from .layers import in_front, keep_note, note
from .qt import QtCore, QtWidgets, guarded
from .section import Section
from .widgets import Fold, column, row, tool


class Entry(QtWidgets.QFrame):
    """One thing of the list: a first line with the switch and the cross, and what a subclass puts below it."""

    changed = QtCore.pyqtSignal()
    """The painter changed what it holds."""
    removed = QtCore.pyqtSignal()

    def __init__(self, icon, lead, on=True):
        """`icon(name)` gives a QIcon of Krita's; `lead` is the widget that takes the first line's room."""
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self._icon, self._lead = icon, lead
        self.lines = column(self, 3)
        """For what goes below the first line."""
        self.lines.setContentsMargins(2, 1, 2, 2)
        head = QtWidgets.QWidget()
        self.head = row(head, 2)
        """The first line: switch, lead, cross."""
        self._switch = tool(icon("visible"), "●", "Switch it off or on", self._toggle)
        self._switch.setObjectName("underpaint_entry_switch")
        remove = tool(icon("edit-delete"), "×", "Remove", self.removed.emit)
        remove.setObjectName("underpaint_entry_remove")
        self.head.addWidget(self._switch)
        self.head.addWidget(lead, 1)
        self.head.addWidget(remove)
        self.lines.addWidget(head)
        self.on = on

    def value(self):
        """What it holds, as it is saved: a dict with `on`."""
        raise NotImplementedError

    def show_on(self):
        """Shows whether it is on. To be called once all is built."""
        icon = self._icon("visible" if self.on else "novisible")
        if icon.isNull():
            self._switch.setText("●" if self.on else "○")
        else:
            self._switch.setIcon(icon)
        for at in range(1, self.lines.count()):
            self.lines.itemAt(at).widget().setEnabled(self.on)
        self._lead.setEnabled(self.on)

    @guarded
    def _touched(self, *_):
        self.changed.emit()

    def _toggle(self):
        self.on = not self.on
        self.show_on()
        self.changed.emit()


class Entries(Section):
    """A heading that folds away the entries, a line that says why there can be none, and the button that adds one.

    A subclass gives `make` and, where adding is not always possible, `offered`."""

    added = QtCore.pyqtSignal(object)
    """The painter added an entry; its widget."""

    TITLE = ""
    ADD = ""
    """What the button says."""
    MOST = 16
    """How many the daemon takes."""

    def __init__(self, icon):
        """`icon(name)` gives a QIcon of Krita's."""
        super().__init__()
        self.icon = icon
        self._entries, self._seen = [], None
        folded, self._holder = QtWidgets.QWidget(), QtWidgets.QWidget()
        self._column = column(self._holder, 4)
        self._note = QtWidgets.QLabel()
        self._note.setWordWrap(True)
        self._note.setEnabled(False)
        self.adder = QtWidgets.QPushButton(self.ADD)
        lines = column(folded, 4)
        for widget in (self._holder, self._note, self.adder):
            lines.addWidget(widget)
        self._fold = Fold(self.TITLE, folded)
        lines = column(self, 4)
        lines.addWidget(self._fold)
        lines.addWidget(folded)
        for name, widget in (("", self._fold), ("_note", self._note), ("_add", self.adder)):
            widget.setObjectName("underpaint_%s%s" % (self.NAME, name))
        self._holder.hide()
        self.say("")

    def make(self, held):
        """An `Entry` of what was saved."""
        raise NotImplementedError

    def offered(self):
        """Whether one can be added at all."""
        return True

    def say(self, sentence):
        """Shows one line, or none."""
        self._note.setText(sentence)
        self._note.setVisible(bool(sentence))
        self._show_state()

    def entries(self):
        """The widgets, from the top."""
        return list(self._entries)

    def values(self):
        """All entries, as they are saved."""
        return [entry.value() for entry in self._entries]

    def running(self):
        """Those that are switched on."""
        return [entry.value() for entry in self._entries if entry.on]

    def set_values(self, values):
        """Replaces the list, untold. What is no entry is left out."""
        for entry in list(self._entries):
            self._drop(entry)
        for held in values if isinstance(values, list) else ():
            if isinstance(held, dict) and len(self._entries) < self.MOST:
                self._append(held)
        self._show_state()

    def add(self, held):
        """A new entry at the end, as if the painter had added it; its widget."""
        entry = self._append(held)
        self._tell()
        self.added.emit(entry)
        return entry

    def remembered(self):
        """Whether this is open."""
        return {"open": self._fold.isChecked()}

    def recall(self, held):
        """The same."""
        self._fold.setChecked(bool(held.get("open")))

    def _is_new(self, *what):
        """Whether this is something else than the last time: `suit` is called whenever a slider moves."""
        seen, self._seen = self._seen, what
        return what != seen

    def _append(self, held):
        entry = self.make(held)
        entry.changed.connect(guarded(lambda: self._tell()))
        entry.removed.connect(guarded(lambda: (self._drop(entry), self._tell())))
        entry.show_on()
        self._entries.append(entry)
        self._column.addWidget(entry)
        self._holder.show()
        return entry

    def _drop(self, entry):
        self._entries.remove(entry)
        self._column.removeWidget(entry)
        entry.hide()
        entry.deleteLater()
        self._holder.setVisible(bool(self._entries))

    def _tell(self):
        self._show_state()
        self.changed.emit()

    def _show_state(self):
        self.adder.setVisible(self.offered())
        self.adder.setEnabled(len(self._entries) < self.MOST)
        on = sum(entry.on for entry in self._entries)
        self._fold.setText("%s (%d)" % (self.TITLE, on) if on else self.TITLE)


class Bound(Entries):
    """Entries that belong to a document: kept in it, they come back when it is opened again."""

    def __init__(self, icon):
        super().__init__(icon)
        self._document = None

    def look(self):
        """Another document may be in front."""
        document = in_front()
        if document != self._document:
            self._document = document
            self.set_values(note(document).get(self.NAME) if document is not None else [])
            self.changed.emit()
        self.adder.setEnabled(document is not None and len(self._entries) < self.MOST)

    def _tell(self):
        if self._document is not None:
            keep_note(self._document, dict(note(self._document), **{self.NAME: self.values()}))
        super()._tell()


def number(least, most, value, tip):
    """A spin box for a weight."""
    made = QtWidgets.QDoubleSpinBox()
    made.setRange(least, most)
    made.setSingleStep(0.05)
    made.setDecimals(2)
    made.setValue(value)
    made.setToolTip(tip)
    made.setFixedWidth(68)
    return made


def real(value, least, most, default):
    """`value` if it is a number in the range, else the default: what was saved may be anything."""
    sane = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    return value if sane else default


FAMILIES = {"sd15": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "Stable Diffusion XL",
            "sdxl_refiner": "Stable Diffusion XL's refiner"}
"""What painters call the families of models; others are called as the daemon does."""


def families(scene, models):
    """The families of the models that may paint: the chosen one's, or where the choice is the daemon's those of all it
    may take. `models`: the answer to `models/list`."""
    may = [scene.model] if scene.model else [facts for facts in models if isinstance(facts, dict)]
    return {facts.get("family") for facts in may if facts.get("samplers")}


def misfit(family, suitable):
    """Why something made for `family` cannot be used where models of the `suitable` families may paint, as words; empty
    if it can. What is of no known family may suit any."""
    if not family or family == "unknown" or family in suitable:
        return ""
    return "made for %s" % FAMILIES.get(family, family)
