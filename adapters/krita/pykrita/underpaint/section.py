"""What the docker's sections have in common. A section is a widget in a file of its own that shows one matter: the words, the
model, the filters. It is put into the docker by a line in `docker.SECTIONS`, and says by these few methods what it needs:

- `LISTS`: which of the daemon's lists it offers; `offer` brings each when connected and whenever it changed;
- `members`: what it adds to the request when the button is pressed;
- `STYLE`: which members of a style it shows; `put_style` sets them;
- `remembered`, `recall`: what stays from one session to the next;
- `suit`: what else is chosen, by which a section shows, hides or changes itself;
- `look`: the painter may have selected something else, or gone to another picture.

Sections do not know each other. What one of them says reaches the others through the docker, as a `Scene`.
"""

import collections

from .qt import QtCore, QtWidgets

Scene = collections.namedtuple("Scene", "mode model reads_prompts strength selected busy")
Scene.__doc__ = """What is chosen now. `mode` as the protocol has it; `model` the entry of `models/list`, None for whatever the
daemon takes; `reads_prompts` whether words, strength and steps mean something to it; `strength` 0..1; `selected` whether
something is selected; `busy` whether a job is under way."""


class Section(QtWidgets.QWidget):
    """The base of all sections."""

    NAME = ""
    """Under which its settings are remembered; empty: it has none."""
    LISTS = ()
    """Methods without parameters whose answers it wants, `models/list` for one."""
    STYLE = ()
    """The members of a style that it shows."""

    changed = QtCore.pyqtSignal()
    """What it would add to a request is another thing now, or it needs to be looked at anew."""
    said = QtCore.pyqtSignal(str)
    """A sentence for the painter: something went wrong."""

    def offer(self, method, answer):
        """The answer to one of `LISTS`. A daemon that does not know the method gives none."""

    def suit(self, scene):
        """Something else was chosen somewhere."""

    def look(self):
        """Another picture may be in front, or something else selected. Called often: it must be quick."""

    def members(self, scene):
        """Members of `generate`, as they are at this moment. A value that needs pixels sent is a function of the `job.Job`
        that returns a generator; it runs as a part of the job's story (see `story.py`), uploads by `job.send_layer` and
        the like (see `job.Sending`; live painting has its own), and returns the member's value. `document.Sorry`: it cannot be asked for like that."""
        return {}

    def style(self):
        """Members for a style; those that are empty are left out."""
        return {}

    def put_style(self, settings):
        """Shows a style's settings. What a style does not hold goes back to the default."""

    def remembered(self):
        """What to keep until the next session, as a dict for JSON. Little: it goes into Krita's settings."""
        return {}

    def recall(self, held):
        """Gives back what `remembered` gave; members may be missing."""

    def about_to_close(self):
        """Krita ends: the time to write what is too much for `remembered`."""
