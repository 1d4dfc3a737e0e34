"""The one daemon, as Krita sees it: found, started when nobody is there, lost and found again.

Decision: the program is started detached and never stopped from here (see `underpaint_program.py`).
"""

import os
import tempfile

from .connection import Connection
from .qt import QtCore, guarded, later
from .underpaint_client import find_endpoint
from .underpaint_program import POLL_S, RIVAL_S, START_S, complaint, find_program, start_program

VERSION = "0.1.0"
LOOK_MS = 1000
"""How often a docker that is visible looks whether somebody started a daemon."""

class Daemon(QtCore.QObject):
    """Keeps at most one connection. `wake` makes one at any price, `look` only if somebody is listening."""

    ready = QtCore.pyqtSignal()
    """Connected; `connection` can be used."""
    starting = QtCore.pyqtSignal()
    """Nobody listened, so the program was started."""
    lost = QtCore.pyqtSignal(str)
    """A connection that was ready ended, or `wake` failed: one sentence for the painter."""
    absent = QtCore.pyqtSignal()
    """Somebody looked, and nobody listens."""
    notice = QtCore.pyqtSignal(object)

    def __init__(self, setting, parent=None):
        """`setting()` gives the path the painter chose for the program, or an empty string."""
        super().__init__(parent)
        self._setting = setting
        self.connection = None
        self._trying = None
        self._determined = False
        self._started = False
        self._report = None
        self._clock = QtCore.QElapsedTimer()
        self._watch = QtCore.QTimer(self)
        self._watch.setInterval(LOOK_MS)
        self._watch.timeout.connect(guarded(lambda *_: self.look()))

    def watch(self, on):
        """While on, looks every second for a daemon that somebody started."""
        if on:
            self._watch.start()
            self.look()
        else:
            self._watch.stop()

    def look(self):
        """Connects if somebody listens and nothing is under way; `absent` if nobody does."""
        if self.connection is None and self._trying is None and not self._determined:
            self._try()

    def leave(self):
        """Ends the connection; nothing is looked for any more."""
        self._watch.stop()
        self._determined = False
        connection, self.connection = self.connection, None
        for ending in (connection, self._trying):
            if ending is not None:
                ending.close()

    @property
    def instance(self):
        """Which daemon this is: another one each time it starts."""
        return ((self.connection and self.connection.server) or {}).get("instance")

    def offers(self, capability):
        """Whether the daemon we are connected to names this capability."""
        return capability in ((self.connection and self.connection.server) or {}).get("caps", ())

    def wake(self):
        """Connects, and starts the program if nobody answers. `ready` or `lost` follows, unless there is a connection."""
        if self.connection is None and not self._determined:
            self._determined, self._started = True, False
            self._clock.start()
            if self._trying is None:
                self._try()

    def _try(self):
        endpoint = find_endpoint()
        if endpoint is None:
            self._failed()
            return
        connection = Connection(endpoint.socket, "krita", VERSION, parent=self)
        self._trying = connection
        connection.notice.connect(self.notice)
        connection.ready.connect(guarded(lambda: self._connected(connection)))
        connection.closed.connect(guarded(lambda why: self._closed(connection, why)))
        connection.open()

    def _connected(self, connection):
        self._trying, self.connection = None, connection
        self._determined = False
        self._forget_report()
        self.ready.emit()

    def _closed(self, connection, why):
        if connection is self._trying:
            self._trying = None
            if connection.refusal and self._determined:
                self._give_up(connection.refusal)
            else:
                self._failed()
        elif connection is self.connection:
            self.connection = None
            if why:
                self.lost.emit("Underpaint stopped running. It is started again with the next picture.")

    def _failed(self):
        """An attempt to connect came to nothing."""
        if not self._determined:
            self.absent.emit()
            return
        if not self._started:
            self._start()
        elif self._clock.elapsed() < 1000 * (RIVAL_S if complaint(self._report) else START_S):
            later(self._again, round(1000 * POLL_S))
        elif complaint(self._report):
            self._give_up("Underpaint could not start. %s." % complaint(self._report))
        else:
            self._give_up("Underpaint was started but does not answer.")

    def _again(self):
        if self._determined and self._trying is None and self.connection is None:
            self._try()

    def _start(self):
        setting = self._setting()
        program = find_program(setting)
        if program is None and setting:
            self._give_up("There is no program at %s, where the setting under More says Underpaint is." % setting)
            return
        if program is None:
            self._give_up("The program “underpaint” was not found. Run “underpaint adapter install krita” once, or choose "
                          "the program under More.")
            return
        handle, self._report = tempfile.mkstemp(prefix="underpaint-start-", suffix=".txt")
        os.close(handle)
        if not start_program(program, self._report):
            self._give_up("%s could not be started. Is it a program for this computer?" % program)
            return
        self._started = True
        self._clock.start()
        self.starting.emit()
        later(self._again, round(1000 * POLL_S))

    def _give_up(self, why):
        self._determined = False
        self._forget_report()
        self.lost.emit(why)

    def _forget_report(self):
        if self._report is not None:
            try:
                os.unlink(self._report)
            except OSError:
                pass  # Windows keeps it while the daemon writes to it; the system's temporary folder is its place
            self._report = None
