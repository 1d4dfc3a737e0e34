"""The one daemon, as GIMP sees it: found, started when nobody is there.

A plug-in of GIMP is a process that lives as long as its procedure runs, so there is nothing to keep: each run connects
anew, and a run that ends or is killed takes its connection, and with it its job, away.
"""

import os
import tempfile
import time

from reuse import is_past, past
from underpaint_client import Client, Disconnected, NotRunning, find_endpoint
from underpaint_program import POLL_S, RIVAL_S, START_S, complaint, find_program, start_program

VERSION = "0.1.0"


def connect(preview, starting):
    """A `Client`, connected. Starts the program if nobody answers, and calls `starting()` when it does.

    `NotRunning` with a sentence for the painter if there is no way.
    """
    try:
        return _knock(preview)
    except NotRunning:
        pass
    if os.environ.get("UNDERPAINT_SOCKET"):
        return _knock(preview)  # somebody else sees to that daemon; its absence is what there is to tell
    program = find_program(beside=__file__)
    if program is None:
        raise NotRunning("The program “underpaint” was not found. Run “underpaint adapter install gimp” once, or put the "
                         "program where PATH leads.")
    starting()
    handle, report = tempfile.mkstemp(prefix="underpaint-start-", suffix=".txt")
    os.close(handle)
    try:
        if not start_program(program, report):
            raise NotRunning("%s could not be started. Is it a program for this computer?" % program)
        return _wait(preview, report)
    finally:
        try:
            os.unlink(report)
        except OSError:
            pass  # Windows keeps it while the daemon writes to it; the system's temporary folder is its place


def _wait(preview, report):
    began = time.monotonic()
    while True:
        try:
            return _knock(preview)
        except NotRunning:
            waited, why = time.monotonic() - began, complaint(report)
        if waited > (RIVAL_S if why else START_S):
            raise NotRunning("Underpaint could not start. %s." % why if why else "Underpaint was started but does not answer.")
        time.sleep(POLL_S)


def _knock(preview):
    endpoint = find_endpoint()
    if endpoint is None:
        raise NotRunning("Underpaint is not running.")
    try:
        return Client.connect(endpoint.socket, "gimp", VERSION, preview=preview)
    except Disconnected:
        # A daemon that is just being killed still takes connections, and says nothing.
        raise NotRunning("Underpaint is not running any more.") from None


def lists(monitor, *names, style=""):
    """What the daemon has to offer, by name (`models`, `styles`, `filters` …): dicts that have a name or an id; and `caps`,
    what it can, as it said in `hello`. Among the styles is `style`, if it is an entry of the history (`reuse.py`)."""
    def ask():
        with connect(False, starting) as client:
            found = {name: client.call(name + "/list") for name in names}
            if "styles" in found and is_past(style):
                found["styles"] = [*found["styles"], past(client, style)]
            return found, client.server.get("caps") or []
    starting = monitor.later(lambda: monitor.say("Starting Underpaint"))
    found, caps = monitor.apart(ask)
    offers = {name: [entry for entry in found[name] if isinstance(entry, dict) and (entry.get("name") or entry.get("id"))]
              for name in names}
    return dict(offers, caps=caps)
