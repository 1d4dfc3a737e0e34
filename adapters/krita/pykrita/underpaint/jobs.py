"""The jobs of a docker: several at a time, and those whose connection was lost, which are taken up again.

Decision: a job is given up for lost only when the daemon that had it is known to be gone, because another one answers or
nobody does. A docker that finds the same daemon again attaches to the job and places what comes of it; a job whose picture
is not open waits until it is opened.
"""

from . import ledger
from .document import Sorry
from .fill import Resumed
from .job import ADRIFT, FAILED, STOPPED
from .qt import QtCore, guarded, later

RESTARTED = "Underpaint was started anew while it was at work. What it had finished is in the history; ask for the rest again."


class Jobs(QtCore.QObject):
    """Begins jobs as soon as the daemon is there, and looks after them until they end."""

    changed = QtCore.pyqtSignal()
    """There are more, fewer, or others."""
    told = QtCore.pyqtSignal(object, object)
    """A job and its `Progress`."""
    offered = QtCore.pyqtSignal(object)
    """`job.Pictures` to choose from."""
    ended = QtCore.pyqtSignal(object, str, str)
    """A job (None: of an earlier session), how, and a sentence."""
    said = QtCore.pyqtSignal(str, bool)
    """A sentence, and whether it is trouble."""

    def __init__(self, daemon, parent=None):
        super().__init__(parent)
        self._daemon = daemon
        self._wanted, self._jobs, self._adrift = [], [], []
        self._told_of = set()
        """Jobs of earlier sessions that the painter was told about."""
        daemon.lost.connect(guarded(lambda *_: self._lost()))
        daemon.absent.connect(guarded(lambda: self._absent()))

    def __iter__(self):
        return iter(self._jobs)

    @property
    def busy(self):
        """Whether anything is under way or about to be."""
        return bool(self._wanted or self._jobs or self._adrift)

    @property
    def waiting(self):
        """How many of ours are behind the one that is told about."""
        return max(0, len(self._jobs) + len(self._wanted) - 1)

    @property
    def current(self):
        """The job that is worth telling about: the one the daemon is at, else the oldest. None if there is none."""
        return next((job for job in self._jobs if job.running), self._jobs[0] if self._jobs else None)

    def find(self, job_id):
        """The job of that id; None if it is not ours."""
        return next((job for job in self._jobs if job.id == job_id), None)

    def want(self, make):
        """Begins the job that `make()` makes, as soon as the daemon is there."""
        self._wanted.append(make)
        if self._daemon.connection is not None:
            self._begin_wanted()
        self.changed.emit()
        self._daemon.wake()

    def cancel(self):
        """Ends the one that is told about."""
        if self.current is not None:
            self.current.cancel()
        elif self.busy:
            self._wanted = []
            self._forget_adrift()
            self.said.emit("Cancelled.", False)
            self.changed.emit()

    def cancel_all(self):
        """Ends all of ours, those that wait first, so that none of them begins meanwhile."""
        self._wanted = []
        self._forget_adrift()
        for job in sorted(self._jobs, key=lambda job: job.running):
            job.cancel()
        self.changed.emit()

    def leave(self):
        """Lets go of all of them; the daemon goes on, and another docker or the next session takes them up."""
        jobs, self._jobs, self._wanted = self._jobs, [], []
        adrift, self._adrift = self._adrift, []
        for job in jobs:
            job.leave()
        ledger.release([job.id for job in jobs] + [record["job"] for record, _target in adrift])

    def documents_may_be_gone(self):
        """To be called when Krita closed some document."""
        for job in list(self._jobs):
            job.document_may_be_gone()

    def look_for_documents(self):
        """To be called when a document may have been opened: what was painted for it may wait."""
        if self._daemon.instance is not None:
            self._take_up()

    # Beginning

    def _begin_wanted(self):
        wanted, self._wanted = self._wanted, []
        for make in wanted:
            try:
                self._begin(make())
            except Sorry as error:
                self.said.emit(str(error), True)

    def connected(self):
        """There is a daemon: what waited for it begins, and what was lost is taken up again."""
        self._begin_wanted()
        adrift, self._adrift = self._adrift, []
        for record, target in adrift:
            if record["instance"] == self._daemon.instance:
                self._begin(Resumed(self._daemon.connection, record, target, self))
            else:
                self._given_up(record, RESTARTED)
        self._take_up()
        self.changed.emit()

    def _take_up(self):
        """Attaches to what an earlier session asked for, where its picture is open."""
        lost, closed = [], []
        for record in ledger.entries():
            if record["job"] in ledger.taken:
                continue
            if record.get("instance") != self._daemon.instance:
                lost.append(record)
                continue
            # Before anything else: while Krita looks at its documents it may tell of another one, and then we are here again.
            ledger.taken.add(record["job"])
            try:
                job = Resumed(self._daemon.connection, record, parent=self)
            except Sorry:
                ledger.taken.discard(record["job"])
                closed.append(record)
                continue
            self._begin(job)
        for record in lost:
            ledger.strike(record["job"])
        if lost:
            self.said.emit(RESTARTED, True)
        new = [record for record in closed if record["job"] not in self._told_of]
        self._told_of.update(record["job"] for record in new)
        if new:
            name = new[0]["document"].get("file") or ""
            which = "“%s”" % name.replace("\\", "/").rsplit("/", 1)[-1] if name else "a picture that was never saved"
            self.said.emit("Something was painted for %s%s. Open it, and it is placed there." % (
                which, " and others" if len(new) > 1 else ""), False)

    def _begin(self, job):
        self._jobs.append(job)
        job.progress.connect(guarded(lambda progress: self.told.emit(job, progress)))
        job.accepted.connect(guarded(lambda: self._accepted(job)))
        job.offered.connect(self.offered)
        job.ended.connect(guarded(lambda outcome, sentence: self._ended(job, outcome, sentence)))
        job.start()
        self.changed.emit()

    def _accepted(self, job):
        if job.KEPT:
            ledger.note(job.record())
        self.changed.emit()

    # Ending

    def _ended(self, job, outcome, sentence):
        self._jobs.remove(job)
        if outcome == ADRIFT:
            self._adrift.append((job.record(), job.target))
            later(self._daemon.look)
        else:
            if job.id is not None:
                ledger.strike(job.id)
            self.ended.emit(job, outcome, sentence)
        self.changed.emit()

    def _lost(self):
        """No daemon could be found or started."""
        self._wanted = []
        self.changed.emit()

    def _absent(self):
        adrift, self._adrift = self._adrift, []
        for record, _target in adrift:
            self._given_up(record, STOPPED)
        if adrift:
            self.changed.emit()

    def _given_up(self, record, sentence):
        ledger.strike(record["job"])
        self.ended.emit(None, FAILED, sentence)

    def _forget_adrift(self):
        for record, _target in self._adrift:
            ledger.strike(record["job"])
        self._adrift = []
