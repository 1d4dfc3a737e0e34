#!/usr/bin/env python3
"""Underpaint in GIMP: Filters > Generate > Underpaint, and the same procedures for scripts.

Decision: one procedure for each thing a painter does (`underpaint-fill`, `underpaint-remove` …), not one with a mode,
because GIMP remembers settings, gives shortcuts and repeats by procedure. All take the same arguments in the same order.

    procedures.py  what there is, with names, words and arguments     dialog.py    the dialog before
    arguments.py   from arguments to the members of a request         styles.py    its row that chooses and keeps styles
    job.py         from the wish to the new layers                    entries.py   its lists: filters.py, steering.py
    picture.py     GIMP's images: pixels, selection, layers           layers.py    the layers that they offer
    daemon.py      finds and starts the daemon                        preview.py   what filters do, in the dialog
    monitor.py     progress, and waiting for the daemon               showing.py   what is made of control layers, in the dialog
    window.py      progress with a window and a preview               history.py   the dialog of what was painted before
    sentences.py   what went wrong, as a painter is told              aside.py     asking the daemon while a dialog is open
    widgets.py     parts of dialogs                                   pixbufs.py   pixels as GTK shows them
    underpaint_client.py, underpaint_program.py  the protocol; the program on this computer (kept in adapters/python)
"""

import sys

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib, GObject  # noqa: E402

import procedures  # noqa: E402
from arguments import asked, values_of  # noqa: E402
from daemon import lists  # noqa: E402
from job import Enlarging, Fill, Filtering, Placing, check_selection  # noqa: E402
from monitor import Cancelled, Monitor  # noqa: E402
from picture import Target  # noqa: E402
from sentences import sentence  # noqa: E402


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
            if not _asked(procedure, config, action, lambda: Target(image, drawables)):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
            target = Target(image, drawables)  # the dialog stops nobody from working on
        return _done(procedure, _act(action, target, config, seen))
    except Cancelled:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    except Exception as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence(error)))


def _asked(procedure, config, action, aim):
    """Shows the dialog, with what the daemon has to offer in it; False if the painter thought better of it. `aim()` gives the
    image as it is now."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi
    GimpUi.init("underpaint")
    if action.kind == "history":
        import history
        return history.ask(config, action)
    import dialog
    monitor = Monitor("Underpaint: starting", aim().is_open)
    try:
        offers = lists(monitor, "models", "styles", "filters", "loras", "controls")
    finally:
        monitor.close()
    return dialog.ask(procedure, config, action, offers, aim)


def _act(action, target, config, seen):
    """Runs the job; returns the topmost new layer, or the new image."""
    monitor = _monitor(action, target, seen)
    try:
        if action.kind == "history":
            return Placing(target, monitor, values_of(config)("entry")).run()[-1]
        request = asked(action, config, seen, lambda name: lists(monitor, name)[name])
        if action.kind == "filter":
            return Filtering(target, monitor, request.chain, request.schemas).run()[-1]
        if action.kind == "upscale":
            patch = Enlarging(target, monitor, request.settings).run()
            return target.new_image(patch, "Enlarged", seen)
        return Fill(target, monitor, request.wish).run()[-1]
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
