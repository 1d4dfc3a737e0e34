"""What was asked of the daemon and has not come back: a small file beside Krita's settings, so that a Krita that was closed,
or crashed, finds its pictures again. Entries are `job.Job.record`s."""

import json
import os

from krita import Krita

from .qt import later

KEPT = 64
"""Entries at most: the daemon's own limit of jobs."""

taken = set()
"""Ids of the jobs that some docker of this Krita has in hand."""

on_release = []
"""Functions of dockers that are called when another one let go of jobs."""


def _path():
    return os.path.join(Krita.instance().getAppDataLocation(), "underpaint-jobs.json")


def entries():
    """All there are, the oldest first."""
    try:
        with open(_path(), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return []
    fits = isinstance(found, list)
    return [entry for entry in found if isinstance(entry, dict) and {"job", "words", "mode", "margins", "document"} <= set(entry)] if fits else []


def note(entry):
    """A job that the daemon has accepted."""
    taken.add(entry["job"])
    _write([old for old in entries() if old["job"] != entry["job"]] + [entry])


def release(jobs):
    """A docker goes away, and these jobs of its are for another to take up."""
    taken.difference_update(jobs)
    for look in on_release:
        later(look)


def strike(job):
    """It came back, or never will."""
    taken.discard(job)
    held = entries()
    left = [entry for entry in held if entry["job"] != job]
    if left != held:
        _write(left)


def _write(found):
    try:
        with open(_path() + ".new", "w", encoding="utf-8") as file:
            json.dump(found[-KEPT:], file)
        os.replace(_path() + ".new", _path())
    except OSError:
        pass  # then a job of this session is not found by the next: the history has its picture
