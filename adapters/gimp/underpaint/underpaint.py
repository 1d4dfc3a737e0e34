#!/usr/bin/env python3
"""Underpaint in GIMP: Filters > Generate > Underpaint, and the same procedures for scripts.

Decision: one procedure for each thing a painter does (`underpaint-fill`, `underpaint-remove` …), not one with a mode,
because GIMP remembers settings, gives shortcuts and repeats by procedure. All take the same arguments in the same order.

    procedures.py  what there is, with names, words and arguments     dialog.py    the dialog before
    arguments.py   from arguments to the members of a request         styles.py    its row that chooses and keeps styles
    job.py         from the wish to the new layers                    entries.py   its lists: filters, steering, regions
    picture.py     GIMP's images: pixels, selection, layers           layers.py    the layers that they offer
    daemon.py      finds and starts the daemon                        preview.py   what filters do, in the dialog
    monitor.py     progress, and waiting for the daemon               showing.py   what is made of control layers, in the dialog
    window.py      progress with a window and a preview               history.py   the dialog of what was painted before
    reuse.py       the settings of what was painted before, as a style
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
from arguments import arguments_of_past, asked, values_of  # noqa: E402
from daemon import lists  # noqa: E402
from job import NOTHING_SELECTED, Enlarging, Fill, Filtering, Placing, check_selection  # noqa: E402
from monitor import Cancelled, Monitor  # noqa: E402
from picture import Sorry, Target  # noqa: E402
from reuse import MARK  # noqa: E402
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


def run(procedure, run_mode, image, drawables, config, past):
    """Called by GIMP, in a process that ends afterwards. `past`: what the dialog is to show, an entry of the history; None for
    what GIMP remembers."""
    action = procedures.ALL[procedure.get_name()]
    seen = run_mode != Gimp.RunMode.NONINTERACTIVE

    def aim():
        return Target(image, drawables)
    try:
        target = aim()
        check_selection(action.mode, target)
        if run_mode == Gimp.RunMode.INTERACTIVE and action.kind == "history":
            placed, used = _remembered(config, action)
            if used:
                return _reused(procedure, values_of(config)("entry"), image, drawables)
            if not placed:
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        elif run_mode == Gimp.RunMode.INTERACTIVE:
            for argument, value in arguments_of_past(past).items() if past else ():
                config.set_property(argument, value)
            if not _asked(procedure, config, action, aim):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        target = aim()  # dialogs stop nobody from working on
        return _done(procedure, _act(action, target, config, seen))
    except Cancelled:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    except Exception as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence(error)))


def _windows():
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi
    GimpUi.init("underpaint")


def _asked(procedure, config, action, aim):
    """Shows the dialog, with what the daemon has to offer in it; False if the painter thought better of it. `aim()` gives the
    image as it is now."""
    _windows()
    import dialog
    monitor = Monitor("Underpaint: starting", aim().is_open)
    try:
        offers = lists(monitor, "models", "styles", "filters", "loras", "controls", style=_style(config))
    finally:
        monitor.close()
    return dialog.ask(procedure, config, action, offers, aim)


def _style(config):
    return values_of(config)("style") if config.find_property("style") else ""


# The history

def _remembered(config, action):
    """Shows the history; see `history.ask`."""
    _windows()
    import history
    return history.ask(config, action)


def _reused(procedure, entry, image, drawables):
    """Opens the dialog that painted an entry, with its settings, and does what it says; where its mode needs a selection and there
    is none, that of the whole picture. A run of that procedure in this process, so that GIMP remembers what its dialog held."""
    target = Target(image, drawables)
    monitor = Monitor("Underpaint: fetching the settings", target.is_open)
    try:
        past = lists(monitor, "styles", style=MARK + entry)["styles"][-1:]
    finally:
        monitor.close()
    if not past or past[0]["name"] != MARK + entry:
        raise Sorry("This picture is not in the history any more.")
    mode = past[0]["mode"]
    name = procedures.named("generate" if mode in NOTHING_SELECTED and target.selection is None else mode)
    made = procedures.create(procedure.get_plug_in(), name, run, past[0])
    config = made.create_config()
    config.set_property("run-mode", Gimp.RunMode.INTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    values = made.run(config)
    status = values.index(0)
    if status == Gimp.PDBStatusType.SUCCESS and mode != "upscale":
        return _done(procedure, values.index(1))
    why = GLib.Error(values.index(1)) if status == Gimp.PDBStatusType.EXECUTION_ERROR else None
    return procedure.new_return_values(status, why)


def _act(action, target, config, seen):
    """Runs the job; returns the topmost new layer, or the new image."""
    monitor = _monitor(action, target, seen)
    try:
        if action.kind == "history":
            return Placing(target, monitor, values_of(config)("entry")).run()[-1]
        request = asked(action, config, seen, lambda name: lists(monitor, name, style=_style(config))[name])
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
