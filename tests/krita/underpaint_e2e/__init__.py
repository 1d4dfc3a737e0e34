"""Test-only plug-in: plays the scenarios of `scenarios.py` and its like inside a real Krita and writes what came of them.

The scenarios are generators that yield either milliseconds or a predicate to wait for, stepped by timers. Events are
never pumped: Krita postpones its layer notifications while event loops are nested, and then the test would see a Krita
that no painter sees.
"""

import faulthandler
import json
import os
import sys
import time
import traceback

from krita import Extension, Krita
from PyQt5 import QtCore

RESULTS = os.environ.get("UNDERPAINT_E2E_RESULTS")
WAIT_S = 300.0
"""What does not happen in so long is not going to, on the slowest machine."""
TURN_MS = 10
"""How often it is looked for what is waited for."""
driver = None


def passed(ms):
    """The predicate of a time: it is over, and the event loop came round as often as it does in that time on a machine with
    nothing else to do. Where everything is slow, it is so many turns that count."""
    until, left = time.monotonic() + ms / 1000, [ms // TURN_MS]

    def over():
        left[0] -= 1
        return left[0] < 0 and time.monotonic() >= until
    return over


class Driver:
    """Plays generators one after the other."""

    def __init__(self, scenarios):
        self._scenarios = iter(scenarios)
        self._next()

    def _next(self):
        self._scenario = next(self._scenarios, None)
        if self._scenario is None:
            write("status", "finished")
            quit_krita()
            return
        write("status", "playing " + self._scenario.__name__)
        self._play(self._scenario(), self._ended)

    def _play(self, steps, ended):
        self._began, self._condition, self._until = time.time(), None, 0
        self._steps, self._then = steps, ended
        self._step()

    def _step(self):
        try:
            if self._condition is not None:
                if not self._condition():
                    if time.time() > self._until:
                        self._steps.throw(TimeoutError("what the scenario waits for did not happen in %d s" % WAIT_S))
                    QtCore.QTimer.singleShot(TURN_MS, self._step)
                    return
                self._condition = None
            wait = next(self._steps)
            self._condition, self._until = wait if callable(wait) else passed(wait), time.time() + WAIT_S
            QtCore.QTimer.singleShot(0, self._step)
        except StopIteration as end:
            self._then(True, note=end.value or "")
        except BaseException:
            self._then(False, error=traceback.format_exc())

    def _ended(self, ok, note="", error=""):
        self._note(self._scenario.__name__, ok, note, error)
        if getattr(self._scenario, "ends_krita", False):
            QtCore.QTimer.singleShot(0, self._next)  # with its documents open, as a painter leaves
            return
        self._play(tidied(), self._tidied)

    def _tidied(self, ok, note="", error=""):
        if not ok:
            self._note("tidied", ok, note, error)
        self._next()

    def _note(self, name, ok, note, error):
        line = {"name": name, "ok": ok, "seconds": time.time() - self._began, "note": note, "error": error}
        with open(os.path.join(RESULTS, "results.jsonl"), "a") as file:
            file.write(json.dumps(line) + "\n")


def tidied():
    """Cancels and closes what a scenario left, which it may have given up in the middle. Krita crashes when a script closes a
    document whose view is still being built, or opens one while another's is taken apart."""
    from .bench import Docker, settled
    docker = Docker()
    docker.widget._jobs.cancel_all()
    yield docker.idle
    docker.paint_for_long(False)
    yield from settled()
    for document in Krita.instance().documents():
        document.waitForDone()
        document.setModified(False)
        document.close()
    yield lambda: not Krita.instance().documents() and Krita.instance().activeDocument() is None
    yield from settled()


def write(name, text):
    """A file in the results folder, replaced whole."""
    with open(os.path.join(RESULTS, name), "w") as file:
        file.write(text)


def quit_krita():
    """Leaves Krita the way a painter does; ending the application by force crashes it."""
    for document in Krita.instance().documents():
        document.setModified(False)
    Krita.instance().action("file_quit").trigger()


def play():
    """Begins. Krita's own handler for exceptions is a modal dialog nobody would close."""
    def fatal(kind, value, trace):
        write("status", "".join(traceback.format_exception(kind, value, trace)))
        quit_krita()
    sys.excepthook = fatal
    faulthandler.enable(open(os.path.join(RESULTS, "crash"), "w"))
    from . import control_pictures, feel, filtering, painting_live, placing, returning, scenarios, seeing, steering, working
    Krita.instance().setBatchmode(True)
    only = [name for name in os.environ.get("UNDERPAINT_E2E_ONLY", "").split(",") if name]
    global driver  # Qt holds only the function it is to call, not the object behind it
    # Others are played only when they are asked for by name.
    every = (scenarios.ALL + working.ALL + placing.ALL + returning.ALL + filtering.ALL + seeing.ALL + steering.ALL + control_pictures.ALL
             + painting_live.ALL + returning.LAST)
    named = {scenario.__name__: scenario for scenario in every + feel.ALL + returning.NEXT}
    if os.environ.get("UNDERPAINT_E2E_AGAIN"):  # what does not depend on which Krita it is was played by the first
        every = [scenario for scenario in every if not getattr(scenario, "once", False)]
    driver = Driver([named[name] for name in only if name in named] if only else every)


class Begin(Extension):
    """Waits until the first window stands, then plays once."""

    begun = False

    def setup(self):
        """Called by Krita before any window exists."""

    def createActions(self, window):
        """Called by Krita for each window."""
        if not Begin.begun and RESULTS:
            Begin.begun = True
            self._turns = 50
            self._look()

    def _look(self):
        """Plays when the window stands and has done what it had to do after that."""
        window = Krita.instance().activeWindow()
        if window is not None and window.qwindow().isVisible():
            self._turns -= 1
        QtCore.QTimer.singleShot(30, self._look if self._turns else play)


Krita.instance().addExtension(Begin(Krita.instance()))
