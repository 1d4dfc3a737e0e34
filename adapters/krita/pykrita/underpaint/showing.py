"""What is made of a control layer on its way to the model: shown over the canvas, and kept as a layer to draw on.

Decision: nothing is guessed here about what the model will see. The daemon is told what a fill would be asked now (`fill.py`)
and answers with the picture that would steer it, at the size at which it would.
"""

from .controls import layer_shown
from .document import Target
from .fill import Fill
from .job import DONE, PX, picture, within
from .placing import placed
from .qt import QtCore, guarded


class Preprocessed(Fill):
    """Makes what the model would be shown of a control layer: to be seen, as `seen`, or `keep`: as a hidden layer, `kept`."""

    AT_WORK = "Looking at the layer"
    KEPT = False

    def __init__(self, connection, target, wish, entry, keep, parent=None):
        """`wish`: the fill that it would steer."""
        super().__init__(connection, target, wish, parent)
        self._control, self._title, self._keep = entry.value(), entry.title(), keep
        self.seen = None
        """A QImage, and the rect of `target.extent` that it shows."""
        self.kept = None
        """The id of the layer, and what a ControlNet Union is to be told of it."""

    @property
    def label(self):
        """What the queue calls it."""
        return self._title

    def _story(self):
        target, control, wish = self.target, self._control, self._wish
        yield from self._find_context(dict(wish.members, controls=True))
        painted = {name: value for name, value in wish.members.items() if not callable(value)}
        painted.update((yield from self._where(pixels=not control["layer"])), mode=wish.mode)
        params = {"preprocess": control["preprocess"], "generate": painted, "px": PX, "label": self.label,
                  "progress": self._token}
        if control["layer"]:
            params.update((yield from layer_shown(self, control["layer"])))
        if self._keep:
            params["resize"] = True
        result = yield self._call("control/preprocess", params, cancellable=True)
        self.running = False
        used, patch = result.get("used") or {}, self._connection.patches(result)[0]
        if not self._keep:
            self.seen = picture(result["patches"][0]["image"], patch.pixels), within(used.get("rect"), target.extent)
            return "%s, as the model will see it." % self._title
        self._tell("Placing the layer")
        self.kept = (yield from placed(target, patch, self._title, self.painter, aside=True)), used.get("kind")
        return "“%s” is a layer now, and steers as it is. It is hidden: what is visible is part of the picture." % self._title


class Showing(QtCore.QObject):
    """Between the section's buttons and what is seen of it. At most one is shown at a time."""

    def __init__(self, daemon, jobs, controls, results, want, wish, parent=None):
        """`want(prepare)` begins a job and says whether it could; `wish()` is the fill that would be asked now."""
        super().__init__(parent)
        self._daemon, self._jobs, self._controls, self._results = daemon, jobs, controls, results
        self._want, self._wish = want, wish
        self._entry = self._source = self._job = self._keeping = None
        controls.show.connect(guarded(self._pressed))
        controls.keep.connect(guarded(self._keep))
        controls.changed.connect(guarded(lambda: self._changed()))
        jobs.changed.connect(guarded(lambda: self._settle()))
        daemon.ready.connect(guarded(lambda: controls.can_show(daemon.offers("preprocess"))))

    def hide(self):
        """Nothing is shown any more."""
        entry, job = self._entry, self._job
        self._entry = self._source = self._job = None
        if entry is not None and entry in self._controls.entries():
            entry.show_seen(False)
        if job is not None:
            job.cancel()
        self._results.pin(None, None, None)

    def _pressed(self, entry):
        again = entry is self._entry
        self.hide()
        if again:
            return
        self._entry, self._source = entry, _source(entry)
        entry.show_seen(True)

        def begun(job):
            if self._entry is entry:
                self._job = job

        def ended(job, _outcome):
            if job is self._job:
                self._job = None
                if job.seen is None:
                    self.hide()
                else:
                    self._results.pin(job.target, *job.seen)
        if not self._begin(entry, False, begun, ended):
            self.hide()

    def _keep(self, entry):
        if self._keeping is not None:
            return
        self._keeping = entry

        def ended(job, outcome):
            self._keeping = None
            if outcome == DONE and entry in self._controls.entries():
                entry.take(*job.kept)
        if not self._begin(entry, True, lambda _job: None, ended):
            self._keeping = None

    def _begin(self, entry, keep, begun, ended):
        def prepare():
            target, wish = Target.active(), self._wish()
            target.aim(wish.mode, wish.margins)

            def make():
                job = Preprocessed(self._daemon.connection, target, wish, entry, keep, self._jobs)
                job.ended.connect(guarded(lambda outcome, _sentence: ended(job, outcome)))
                begun(job)
                return job
            return make
        return self._want(prepare)

    def _changed(self):
        """Whether the layer or what is made of it is another one."""
        if self._entry is not None and (self._entry not in self._controls.entries() or _source(self._entry) != self._source):
            self.hide()

    def _settle(self):
        """Nothing is under way: what has not come by now does not come."""
        if not self._jobs.busy:
            self._keeping = None
            if self._entry is not None and not self._results.pinned:
                self.hide()


def _source(entry):
    """What the picture is made of, and how."""
    held = entry.value()
    return held["layer"], held["preprocess"]
