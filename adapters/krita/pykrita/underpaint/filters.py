"""A chain of filters as widgets: what `filters/list` says of a filter becomes its controls.

Nothing here knows the protocol, Krita's documents or any filter by name. A step of the chain is
{"name", "params", "images", "on"}: `params` by the parameters' names as JSON values, `images` the ids of the layers
chosen for the filter's inputs, `on` whether it runs. Decision: a step whose filter is not installed (any more) keeps
what it holds and says so, because a style may have been made where the filter was, or it may come back.
"""

import json
import os

from .filter_controls import CONTROLS, Layer
from .qt import QtCore, QtWidgets, guarded
from .widgets import Elided, Fold, column, row, tool


class Missing(Exception):
    """The chain cannot run; `str()` is a sentence for the painter."""


class Chain(QtWidgets.QWidget):
    """The steps from top to bottom, and the menu that adds one."""

    changed = QtCore.pyqtSignal()
    """What would run is another chain now."""
    added = QtCore.pyqtSignal(object)
    """The painter added a step; its widget."""
    said = QtCore.pyqtSignal(str)
    """A sentence for the painter: a file that could not be loaded."""

    def __init__(self, icon, layers):
        """`icon(name)` gives a QIcon of Krita's; `layers()` the (id, name) of the layers an input may be."""
        super().__init__()
        self._icon, self._layers = icon, layers
        self._schemas = {}
        self._steps = []
        self._column = column(self, 4)
        self._menu = QtWidgets.QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.adder = QtWidgets.QPushButton("Add a filter")
        """The button with the menu, for whoever lays things out to place."""
        self.adder.setObjectName("underpaint_add_filter")
        self.adder.setMenu(self._menu)
        self._fill_menu()

    def offer(self, schemas):
        """What can be added: entries of `filters/list`. Steps of filters that changed get new controls and keep their
        values where these are still possible."""
        self._schemas = {schema["name"]: schema for schema in schemas}
        self._fill_menu()
        for step in self._steps:
            step.learn(self._schemas.get(step.name))
        self.changed.emit()

    def add(self, name):
        """A new step at the end, with the filter's defaults."""
        self._append({"name": name})
        self.changed.emit()
        self.added.emit(self._steps[-1])

    def steps(self):
        """All steps, as they would be saved."""
        return [step.value() for step in self._steps]

    def set_steps(self, steps):
        """Replaces the chain. What is no step is left out."""
        for step in list(self._steps):
            self._drop(step)
        for step in steps:
            if isinstance(step, dict) and isinstance(step.get("name"), str):
                self._append(step)
        self.changed.emit()

    def running(self):
        """The steps that are switched on, each with its filter's `title`. `Missing` if one of them cannot run."""
        on = [step for step in self._steps if step.on]
        for step in on:
            lack = step.lack()
            if lack:
                raise Missing(lack)
        return [dict(step.value(), title=step.title()) for step in on]

    def wants(self, role):
        """Whether a filter that is switched on has an input of this role."""
        return any(step.on and step.wants(role) for step in self._steps)

    def _fill_menu(self):
        self._menu.clear()
        for schema in sorted(self._schemas.values(), key=lambda schema: schema.get("title") or schema["name"]):
            action = self._menu.addAction(schema.get("title") or schema["name"])
            action.setData(schema["name"])
            action.setToolTip(schema.get("description", ""))
            action.triggered.connect(guarded(lambda *_, name=schema["name"]: self.add(name)))
        self.adder.setEnabled(bool(self._schemas))

    def _append(self, held):
        step = _Step(held, self._schemas.get(held["name"]), self._icon, self._layers)
        step.changed.connect(self.changed)
        step.said.connect(self.said)
        step.moved.connect(guarded(lambda by, step=step: self._move(step, by)))
        step.removed.connect(guarded(lambda step=step: (self._drop(step), self.changed.emit())))
        self._steps.append(step)
        self._column.insertWidget(len(self._steps) - 1, step)
        self._order()

    def _move(self, step, by):
        at = self._steps.index(step)
        to = at + by
        if 0 <= to < len(self._steps):
            self._steps.insert(to, self._steps.pop(at))
            self._column.removeWidget(step)
            self._column.insertWidget(to, step)
            self._order()
            self.changed.emit()

    def _drop(self, step):
        self._steps.remove(step)
        self._column.removeWidget(step)
        step.hide()
        step.deleteLater()
        self._order()

    def _order(self):
        for at, step in enumerate(self._steps):
            step.placed(at == 0, at == len(self._steps) - 1)


class _Step(QtWidgets.QFrame):
    """One filter of the chain: its heading, and its controls, which fold away."""

    changed = QtCore.pyqtSignal()
    said = QtCore.pyqtSignal(str)
    moved = QtCore.pyqtSignal(int)
    removed = QtCore.pyqtSignal()

    def __init__(self, held, schema, icon, layers):
        super().__init__()
        self.name = held["name"]
        self.setObjectName("underpaint_step_" + self.name)
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self._icon, self._layers = icon, layers
        self._schema, self._controls, self._inputs = None, {}, {}
        self._held = {"params": dict(held.get("params") or {}), "images": dict(held.get("images") or {})}
        """Values that no control holds: those of a filter that is not there."""
        self._body = QtWidgets.QWidget()
        all_ = column(self, 2)
        all_.setContentsMargins(2, 1, 2, 2)
        head = QtWidgets.QWidget()
        all_.addWidget(head)
        all_.addWidget(self._body)
        self._fold = Fold("", self._body, True)
        self._fold.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonIconOnly)
        self._fold.setFixedSize(20, 22)
        self._title = Elided("")
        self._title.double_clicked.connect(self._fold.toggle)
        self._switch = tool(icon("visible"), "●", "Switch this step off or on", self._toggle)
        self._up = tool(icon("arrow-up"), "↑", "Earlier", lambda: self.moved.emit(-1))
        self._down = tool(icon("arrow-down"), "↓", "Later", lambda: self.moved.emit(1))
        self._reset = tool(icon("reload-preset"), "↺", "Back to the defaults", self.reset)
        remove = tool(icon("edit-delete"), "×", "Remove", self.removed.emit)
        line = row(head, 0)
        line.addWidget(self._fold)
        line.addWidget(self._title, 1)
        buttons = {"switch": self._switch, "up": self._up, "down": self._down, "reset": self._reset, "remove": remove}
        for part, button in buttons.items():
            button.setObjectName("underpaint_step_" + part)
            line.addWidget(button)
        self.on = held.get("on") is not False
        self._show_on()
        self.learn(schema)

    def learn(self, schema):
        """What is known of the filter now; None: it is not installed."""
        if schema is not None and schema == self._schema:
            return
        self._held = {"params": self._params(), "images": self._images()}
        self._schema = schema
        self._title.setText((schema or {}).get("title") or self.name)
        self._title.setToolTip((schema or {}).get("description", "") or self.name)
        self._controls, self._inputs = {}, {}
        body = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(body)
        grid.setContentsMargins(4, 0, 2, 2)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 4)
        if schema is None:
            note = QtWidgets.QLabel("Not installed. What was set is kept for when it comes back.")
            note.setWordWrap(True)
            note.setEnabled(False)
            grid.addWidget(note, 0, 0, 1, 2)
        else:
            self._build_controls(grid, schema)
        self._reset.setEnabled(bool(self._controls or self._inputs))
        self._fold.setEnabled(grid.count() > 0)
        self.layout().replaceWidget(self._body, body)
        self._body.deleteLater()
        self._body = body
        self._fold.hold(body)

    def _build_controls(self, grid, schema):
        group = ""
        for param in schema.get("params") or ():
            if param.get("type") not in CONTROLS:
                continue  # of a later version of the contract: the daemon takes its default
            if param.get("group") and param["group"] != group:
                heading = QtWidgets.QLabel(param["group"])
                font = heading.font()
                font.setBold(True)
                heading.setFont(font)
                heading.setObjectName("underpaint_group")
                grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            group = param.get("group") or ""
            control = CONTROLS[param["type"]](param)
            self._controls[param["name"]] = control
            control.said.connect(self.said)
            self._place(grid, param, control, self._held["params"].get(param["name"]))
        for given in schema.get("inputs") or ():
            if given.get("role") == "image":
                control = Layer(given, self._layers)
                self._inputs[given["name"]] = control
                self._place(grid, given, control, self._held["images"].get(given["name"]))

    def _place(self, grid, described, control, value):
        if value is None or not control.put(value):
            control.reset()
        control.changed.connect(self.changed)
        label = Elided(described.get("label") or described["name"])
        label.double_clicked.connect(guarded(lambda: (control.reset(), self.changed.emit())))
        words = [described.get("help", ""), "A double click on the name sets it back to its default."]
        label.setToolTip("\n".join([label.text()] + [line for line in words if line]))
        control.setToolTip(described.get("help", ""))
        control.setObjectName("underpaint_param_" + described["name"])
        at = grid.rowCount()
        if control.TALL:
            grid.addWidget(label, at, 0, 1, 2)
            grid.addWidget(control, at + 1, 0, 1, 2)
        else:
            grid.addWidget(label, at, 0)
            grid.addWidget(control, at, 1)

    def reset(self):
        """All controls back to the filter's defaults."""
        for control in list(self._controls.values()) + list(self._inputs.values()):
            control.reset()
        self.changed.emit()

    def value(self):
        """The step, as it would be saved."""
        return {"name": self.name, "params": self._params(), "images": self._images(), "on": self.on}

    def title(self):
        """What a painter calls the filter."""
        return self._title.text()

    def _params(self):
        if self._schema is None:
            return dict(self._held["params"])
        return {name: control.value() for name, control in self._controls.items()}

    def _images(self):
        found = {name: control.value() for name, control in self._inputs.items()} if self._schema else self._held["images"]
        return {name: layer for name, layer in found.items() if layer}

    def lack(self):
        """Why it cannot run, as a sentence; empty if it can."""
        if self._schema is None:
            return "The filter “%s” of the chain is not installed. Switch it off, remove it, or install it." % self.name
        images = self._images()
        for given in self._schema.get("inputs") or ():
            if given.get("role") == "image" and given.get("required") and not images.get(given["name"]):
                label = given.get("label") or given["name"]
                return "%s needs a picture: choose a layer for “%s”." % (self.title(), label)
        return ""

    def wants(self, role):
        """Whether the filter has an input of this role."""
        return any(given.get("role") == role for given in (self._schema or {}).get("inputs") or ())

    def placed(self, first, last):
        """Where it stands in the chain."""
        self._up.setEnabled(not first)
        self._down.setEnabled(not last)

    def _toggle(self):
        self.on = not self.on
        self._show_on()
        self.changed.emit()

    def _show_on(self):
        icon = self._icon("visible" if self.on else "novisible")
        if icon.isNull():
            self._switch.setText("●" if self.on else "○")
        else:
            self._switch.setIcon(icon)
        self._title.setEnabled(self.on)


def keep(path, steps):
    """Writes the chain to a file. Layers belong to a document and are left out. `OSError` if it cannot be written."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump([{key: value for key, value in step.items() if key != "images"} for step in steps], file)
    os.replace(path + ".new", path)


def kept(path):
    """The steps that `keep` wrote; none if there is no such file, or it holds something else."""
    try:
        with open(path, encoding="utf-8") as file:
            steps = json.load(file)
    except (OSError, ValueError):
        return []
    return steps if isinstance(steps, list) else []
