"""The queue: what waits for the device, this editor's jobs and others', and how to change its order.

Shown only where there is something to know: while one job of ours is alone, progress and the button beside it say all.
"""

from .qt import QtCore, QtWidgets
from .section import Section
from .widgets import Elided, Fold, column, row, tool

EDITORS = {"krita": "Krita", "gimp": "GIMP", "photoshop": "Photoshop", "python": "a script"}
"""How a client that says its name is called."""


class Queue(Section):
    """A line for each job that runs or waits, in the order they come."""

    NAME = "queue"
    LISTS = ("job/list",)

    cancel = QtCore.pyqtSignal(str)
    """The job of this id is to end."""
    cancel_all = QtCore.pyqtSignal()
    move = QtCore.pyqtSignal(str, int)
    """The job of this id is to be the so-manieth of ours that wait."""

    def __init__(self, icon):
        """`icon(name)` gives a QIcon of Krita's."""
        super().__init__()
        self._icon, self._labels, self._jobs = icon, {}, []
        self._folded = QtWidgets.QWidget()
        self._lines = column(self._folded, 1)
        self._fold = Fold("Queue", self._folded, True)
        self._fold.setObjectName("underpaint_queue")
        self._all = tool(icon("edit-delete"), "×", "Cancel all of this Krita's", self.cancel_all.emit)
        self._all.setObjectName("underpaint_cancel_all")
        head = QtWidgets.QWidget()
        line = row(head, 2)
        line.addWidget(self._fold)
        line.addStretch(1)
        line.addWidget(self._all)
        lines = column(self, 2)
        lines.addWidget(head)
        lines.addWidget(self._folded)
        self.hide()

    def know(self, labels):
        """What our own jobs are called, by their ids."""
        self._labels = labels

    def offer(self, method, answer):
        """The daemon's queue."""
        self._jobs = [job for job in answer if isinstance(job, dict) and job.get("state") in ("queued", "running")]
        self._rebuild()

    def lost(self):
        """The connection ended."""
        self._jobs = []
        self._rebuild()

    def remembered(self):
        """Whether it is open."""
        return {"open": self._fold.isChecked()}

    def recall(self, held):
        """The same."""
        self._fold.setChecked(held.get("open", True))

    def _rebuild(self):
        while self._lines.count():
            line = self._lines.takeAt(0).widget()
            line.hide()
            line.deleteLater()
        ours = [job["job"] for job in self._jobs if self._is_ours(job)]
        movable = [job["job"] for job in self._jobs if job.get("mine") and job["state"] == "queued"]
        for job in self._jobs:
            self._lines.addWidget(self._line(job, job["job"] in ours, movable))
        self._fold.setText("Queue (%d)" % len(self._jobs))
        self._all.setVisible(bool(ours))
        self.setVisible(len(self._jobs) > 1 or len(ours) < len(self._jobs))

    def _is_ours(self, job):
        return job.get("mine") or job["job"] in self._labels

    def _line(self, job, ours, movable):
        made = QtWidgets.QWidget()
        made.setObjectName("underpaint_queued")
        line = row(made, 0)
        line.setContentsMargins(8, 0, 0, 0)
        label = Elided(("▸ " if job["state"] == "running" else "") + self._words(job, ours))
        label.setToolTip(label.text())
        label.setEnabled(ours)
        label.setMinimumHeight(22)
        line.addWidget(label, 1)
        if job["job"] in movable and len(movable) > 1:
            at = movable.index(job["job"])
            for by, name, letter, tip in ((-1, "arrow-up", "↑", "Earlier"), (1, "arrow-down", "↓", "Later")):
                button = tool(self._icon(name), letter, tip, lambda by=by: self.move.emit(job["job"], at + by))
                button.setObjectName("underpaint_queued_" + tip.lower())
                button.setEnabled(0 <= at + by < len(movable))
                line.addWidget(button)
        if ours:
            button = tool(self._icon("dialog-cancel"), "×", "Cancel", lambda: self.cancel.emit(job["job"]))
            button.setObjectName("underpaint_queued_cancel")
            line.addWidget(button)
        return made

    def _words(self, job, ours):
        if ours:
            return self._labels.get(job["job"]) or job.get("label") or "A picture"
        client = job.get("client") or ""
        return "A picture of %s" % EDITORS.get(client, client) if client else "A picture of another program"
