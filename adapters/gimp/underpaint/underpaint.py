#!/usr/bin/env python3
"""Underpaint in GIMP: Filters > Generate > Underpaint, and the same procedures for scripts.

Decision: one procedure for each thing a painter does (`underpaint-fill`, `underpaint-remove` …), not one with a mode,
because GIMP remembers settings, gives shortcuts and repeats by procedure. All take the same arguments in the same order.

    procedures.py  what there is, with names, words and arguments     dialog.py   the dialog before
    job.py         from the wish to the new layers                    filters.py  its controls for filters
    picture.py     GIMP's images: pixels, selection, layers           monitor.py  progress, and waiting for the daemon
    daemon.py      finds and starts the daemon                        window.py   progress with a window and a preview
    pixbufs.py     pixels as GTK shows them                           preview.py  what filters do, in the dialog
    underpaint_client.py, underpaint_program.py  the protocol; the program on this computer (kept in adapters/python)
"""

import sys
import traceback

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib, GObject  # noqa: E402

import procedures  # noqa: E402
from job import Enlarging, Fill, Filtering, check_selection  # noqa: E402
from monitor import Cancelled, Monitor  # noqa: E402
from picture import Sorry, Target  # noqa: E402
from underpaint_client import Disconnected, NotRunning, ProtocolError, Refused  # noqa: E402


class Underpaint(Gimp.PlugIn):
    """What GIMP asks a plug-in for."""

    def do_set_i18n(self, _name):
        """All words are English."""
        return False

    def do_query_procedures(self):
        """The names; read once, when the plug-in is new."""
        return list(procedures.ALL)

    def do_create_procedure(self, name):
        """Words, menu and arguments of one of them."""
        return procedures.create(self, name, run)


def run(procedure, run_mode, image, drawables, config, _data):
    """Called by GIMP, in a process that ends afterwards."""
    action = procedures.ALL[procedure.get_name()]
    seen = run_mode != Gimp.RunMode.NONINTERACTIVE
    try:
        target = Target(image, drawables)
        check_selection(action.mode, target)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            if not _asked(procedure, config, action, target):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
            target = Target(image, drawables)  # the dialog stops nobody from working on
        return _done(procedure, _act(action, target, config, seen))
    except Cancelled:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    except (Sorry, NotRunning) as error:
        sentence = str(error)
    except Refused as error:
        sentence = " ".join(filter(None, [str(error), error.hint]))
    except Disconnected:
        sentence = "Underpaint stopped while it was at work, twice. The picture is unchanged."
    except ProtocolError as error:
        sentence = "Underpaint's answer cannot be used (%s). Are it and this plug-in of the same version?" % error
    except Exception as error:
        traceback.print_exc()
        sentence = "Something went wrong inside the Underpaint plug-in (%s: %s)." % (type(error).__name__, error)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence))


def _asked(procedure, config, action, target):
    """Shows the dialog, with what the daemon has to offer in it; False if the painter thought better of it."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi
    GimpUi.init("underpaint")
    import dialog
    monitor = Monitor("Underpaint: starting", target.is_open)
    try:
        lists = procedures.lists(monitor, "models", "styles", "filters")
    finally:
        monitor.close()
    from preview import Preview
    lists["layers"] = target.layers()
    return dialog.ask(procedure, config, action, lists, lambda bound: Preview(bound, target))


def _act(action, target, config, seen):
    """Runs the job; returns the topmost new layer, or the new image."""
    monitor = _monitor(action, target, seen)
    try:
        asked = procedures.asked(action, config, seen, monitor)
        if action.kind == "filter":
            return Filtering(target, monitor, asked.chain, asked.schemas).run()[-1]
        if action.kind == "upscale":
            patch = Enlarging(target, monitor, asked.settings).run()
            return target.new_image(patch, "Enlarged", seen)
        return Fill(target, monitor, asked.wish).run()[-1]
    finally:
        monitor.close()


def _monitor(action, target, seen):
    title = "Underpaint: %s" % action.label
    if not seen:
        return Monitor(title, target.is_open)
    import window
    return window.WindowMonitor(title, target.is_open)


def _done(procedure, made):
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, GObject.Value(type(made), made))
    return values


Gimp.main(Underpaint.__gtype__, sys.argv)
