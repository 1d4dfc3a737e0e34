"""Underpaint in Krita: fill a selection or filter a layer, from the daemon on this computer, as a new layer.

A thin adapter: it reads pixels and a selection, sends them, shows progress and places a layer. Every decision about
crop, resolution, masks and colour is taken by the daemon. Who does what:

    document.py    a document as jobs need it: what is read, and where it lies by now
    placing.py     where a result goes, as a new layer
    conversion.py  its colours, by Krita itself
    layers.py      its layers as sections need them, and what is kept in it
    moment.py      what it shows while it is painted, and whether the pen is down
    canvas.py      where pixels are on the screen, and pictures shown there
    connection.py  the protocol over QLocalSocket on the GUI thread
    daemon.py      finds, starts and finds again the one daemon
    story.py       generators that the event loop steps
    job.py         what jobs have in common, as such a story
    fill.py        fills, and jobs taken up again
    apply.py       filters over a layer
    jobs.py        all jobs of a docker, and those whose connection was lost
    ledger.py      what was asked for and has not come back, across sessions
    docker.py      what the painter sees, put together of sections
    section.py     what sections have in common, and how to add one
    modes.py       the sections, from top to bottom: what is to happen
    expand.py      by how much the canvas grows
    prompt.py      the words
    weights.py     weights in the words
    amount.py      how much, how many
    models.py      which model
    styles.py      a named set of all these
    loras.py       LoRAs
    controls.py    pictures that steer, bound to layers
    showing.py     what is made of a control layer, over the canvas and as a layer
    regions.py     texts bound to layers
    live.py        live painting
    filtering.py   the filters
    more.py        what is folded away
    queue.py       what waits for the device
    history.py     what was painted
    status.py      what goes on: the button, progress, one sentence
    choice.py      the pictures of a batch
    results.py     pictures shown where they will be, chosen, placed
    entries.py     the lists of `loras.py`, `controls.py` and `regions.py`
    watching.py    what `live.py` switches on: rounds of looking, sending and asking
    mirror.py      the daemon's copies of pictures, kept up to date tile by tile
    filters.py     the chain of filters that `filtering.py` shows
    filter_controls.py  controls made from a filter's schema
    preview.py     what the filters make of what is in sight, while sliders move
    widgets.py     small widgets that those share
    qt.py          PyQt5 or PyQt6, whichever this Krita brings

`underpaint_client.py` (framing, blobs) and `underpaint_program.py` (where the program is), shared with the other adapters, are put next
to these files on installation.
"""

from krita import DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from .docker import DOCKER_ID, UnderpaintDocker
from .qt import QtWidgets, guarded


class UnderpaintExtension(Extension):
    """Puts the fill into Tools > Scripts, where a shortcut can be given to it."""

    def __init__(self, parent):
        super().__init__(parent)

    def setup(self):
        """Called by Krita once, before any window exists. Nothing to do."""

    def createActions(self, window):
        """Called by Krita for each window."""
        action = window.createAction("underpaint_fill", "Underpaint: Fill Selection", "tools/scripts")
        action.triggered.connect(guarded(lambda *_: self._fill(window)))

    @staticmethod
    def _fill(window):
        docker = window.qwindow().findChild(QtWidgets.QDockWidget, DOCKER_ID)
        if docker is not None:
            docker.setVisible(True)
            docker.raise_()
            docker.start()


Krita.instance().addExtension(UnderpaintExtension(Krita.instance()))
Krita.instance().addDockWidgetFactory(
    DockWidgetFactory(DOCKER_ID, DockWidgetFactoryBase.DockRight, UnderpaintDocker))
