"""Qt's Python modules, PyQt5 or PyQt6, whichever this Krita is built with, and the guard for slots.

Krita 5.3 and later say which in a module `pykrita`; older ones are Qt 5. Importing the wrong one to see whether it
works is no way to find out: Krita's own import hook raises.
"""

import functools
import sys
import traceback

try:
    import pykrita
    QT_MAJOR = pykrita.qt_major_version()
except (ImportError, AttributeError):
    QT_MAJOR = 5

if QT_MAJOR >= 6:
    from PyQt6 import QtCore, QtGui, QtNetwork, QtWidgets
else:
    from PyQt5 import QtCore, QtGui, QtNetwork, QtWidgets

__all__ = ["QtCore", "QtGui", "QtNetwork", "QtWidgets", "QT_MAJOR", "guarded", "later", "on_trouble"]

on_trouble = []
"""Functions that are told, in one sentence, of an exception nobody expected."""
_telling = []
"""Not empty while they are told: what goes wrong then is not told again."""


def guarded(slot):
    """Wraps a slot so that a mistake of ours becomes a sentence in the docker: an exception that leaves a slot would
    reach Krita's excepthook, which is a modal dialog."""

    @functools.wraps(slot)
    def call(*args, **kwargs):
        try:
            return slot(*args, **kwargs)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            if not _telling:
                _telling.append(error)
                for tell in list(on_trouble):
                    tell("Something went wrong inside the Underpaint plug-in (%s: %s)." % (type(error).__name__, error))
                _telling.clear()
            return None

    return call


def later(function, after_ms=0):
    """Runs `function` from the event loop, guarded. Never pumps events: Krita postpones layer notifications meanwhile."""
    QtCore.QTimer.singleShot(after_ms, guarded(function))
