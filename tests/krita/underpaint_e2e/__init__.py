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
WAIT_S = 90.0
driver = None


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
        self._began, self._condition, self._until = time.time(), None, 0
        self._steps = self._scenario()
        self._step()

    def _step(self):
        try:
            if self._condition is not None:
                if not self._condition():
                    if time.time() > self._until:
                        self._steps.throw(TimeoutError("what the scenario waits for did not happen in %d s" % WAIT_S))
                    QtCore.QTimer.singleShot(10, self._step)
                    return
                self._condition = None
            wait = next(self._steps)
            if callable(wait):
                self._condition, self._until = wait, time.time() + WAIT_S
                wait = 0
            QtCore.QTimer.singleShot(int(wait), self._step)
        except StopIteration as end:
            self._ended(True, note=end.value or "")
        except BaseException:
            self._ended(False, error=traceback.format_exc())

    def _ended(self, ok, note="", error=""):
        line = {"name": self._scenario.__name__, "ok": ok, "seconds": time.time() - self._began, "note": note, "error": error}
        with open(os.path.join(RESULTS, "results.jsonl"), "a") as file:
            file.write(json.dumps(line) + "\n")
        if getattr(self._scenario, "ends_krita", False):
            QtCore.QTimer.singleShot(0, self._next)  # with its documents open, as a painter leaves
            return
        # Krita crashes when a script closes a document whose view is still being built.
        QtCore.QTimer.singleShot(400, self._tidy)

    def _tidy(self):
        for document in Krita.instance().documents():
            document.waitForDone()
            document.setModified(False)
            document.close()
        QtCore.QTimer.singleShot(400, self._next)


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
    from . import control_pictures, feel, filtering, painting_live, returning, scenarios, seeing, steering, working
    Krita.instance().setBatchmode(True)
    only = [name for name in os.environ.get("UNDERPAINT_E2E_ONLY", "").split(",") if name]
    global driver  # Qt holds only the function it is to call, not the object behind it
    # Others are played only when they are asked for by name.
    every = (scenarios.ALL + working.ALL + returning.ALL + filtering.ALL + seeing.ALL + steering.ALL + control_pictures.ALL
             + painting_live.ALL + returning.LAST)
    named = {scenario.__name__: scenario for scenario in every + feel.ALL + returning.NEXT}
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
            QtCore.QTimer.singleShot(1500, play)


Krita.instance().addExtension(Begin(Krita.instance()))
