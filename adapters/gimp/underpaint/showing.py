"""What is made of a control layer on its way to the model: shown in the dialog, and kept as a layer to draw on.

Decision: nothing is guessed here about what the model will see. The daemon is told what the dialog would ask for now and
answers with the picture that would steer it, at the size at which it would. While it looks, the dialog stays alive: each
look runs in a loop inside the dialog's, and whatever is pressed meanwhile ends it.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, Gtk  # noqa: E402

from job import Fill  # noqa: E402
from monitor import Cancelled, Waiting  # noqa: E402
from pixbufs import pixbuf  # noqa: E402
from sentences import sentence  # noqa: E402
from widgets import dim  # noqa: E402

ROOM = (256, 168)
"""Width and height that there is in a dialog."""


class Preprocessed(Fill):
    """Makes what the model would be shown of a control layer. `run` returns the patch, and the part of the image it shows;
    with `keep` the patch is as large as that part, for a layer."""

    AT_WORK = "Looking at the layer"

    def __init__(self, target, monitor, wish, control, title, keep):
        """`wish`: the fill that it would steer."""
        super().__init__(target, monitor, wish)
        self._control, self._title, self._keep = control, title, keep

    def _story(self):
        control, wish = self._control, self._wish
        layer, place = control.get("layer"), self._place()
        params = {name: control[name] for name in ("preprocess", "preprocessor") if control.get(name)}
        params["generate"] = dict(wish.settings, mode=wish.mode, **self._where(place, pixels=not layer))
        if layer:
            params.update(self._layer_shown(layer, place))
        params.update(label=self._title, resize=self._keep, px=self._target.px if self._keep else "rgba8")
        (patch,) = self._do("control/preprocess", params)
        rect = tuple(self.used["rect"][side] for side in "xywh")
        return patch, place.on_image(rect)


class Showing(Gtk.Box):
    """The picture, and a line that says what it is or what is in its way. It shows one entry of a list, or none."""

    def __init__(self, aim, wish):
        """`aim()` gives the image as a `Target`, `wish()` the fill that the dialog would ask for now."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=4, no_show_all=True)
        self._aim, self._wish = aim, wish
        self.entry, self.turned = None, lambda: None
        """What is shown or on its way; `turned()` is called when it is another one, or none."""
        self._next = self._monitor = None
        self._picture, self._line = Gtk.Image(halign=Gtk.Align.START), dim()
        for widget in (self._picture, self._line):
            self.pack_start(widget, False, False, 0)

    def show_entry(self, entry, control, title):
        """Shows what is made of the layer of `control`, which has the members of `generate`'s but `layer`."""
        def look(monitor):
            patch, rect = Preprocessed(self._aim(), monitor, self._wish(), control, title, False).run()
            self._show(_fitted(pixbuf(patch.pixels, *patch.rect[2:]), rect), "%s, as the model will see it." % title)
        self._turn(entry)
        self._begin(look)

    def keep(self, control, title, kept):
        """Makes a hidden layer of it, and calls `kept(its name, what a ControlNet Union is to be told of it)`."""
        def look(monitor):
            target = self._aim()
            job = Preprocessed(target, monitor, self._wish(), control, title, True)
            patch, rect = job.run()
            (layer,) = target.insert([patch._replace(rect=rect)], lambda _seed: title, visible=False)
            kept(layer.get_name(), job.used.get("kind"))
            self._show(None, "“%s” is a layer now, and steers as it is. It is hidden: what is visible is part of the picture."
                       % layer.get_name())
        self._turn(None)
        self._begin(look)

    def hide_entry(self):
        """Nothing is to be seen any more; what is on its way is given up."""
        self._turn(None)
        self._show(None, "")
        self._begin(None)

    def _turn(self, entry):
        self.entry = entry
        self.turned()

    def _begin(self, look):
        """Looks, now or as soon as what is under way has ended."""
        self._next = look
        if self._monitor is not None:
            self._monitor.cancel()
            return
        while self._next is not None:
            look, self._next = self._next, None
            self._monitor = _Told(self._say)
            try:
                look(self._monitor)
            except Cancelled:
                pass
            except Exception as error:
                if self._next is None:
                    self._turn(None)
                    self._show(None, sentence(error))
            finally:
                self._monitor.close()
                self._monitor = None

    def _say(self, words):
        self._line.set_text(words)
        self._line.show()
        self.show()

    def _show(self, seen, words):
        was_seen = self._picture.get_visible()
        self._picture.set_from_pixbuf(seen)
        self._picture.set_visible(seen is not None)
        self._say(words)
        self.set_visible(bool(words))
        if was_seen and seen is None and isinstance(self.get_toplevel(), Gtk.Window):
            self.get_toplevel().resize(self.get_toplevel().get_size()[0], 1)  # as small as it may be; it grew for the picture


class _Told(Waiting):
    """Says in the dialog what goes on; when it is over, no more, though notices may still be on their way."""

    def __init__(self, say):
        super().__init__(lambda: True)
        self._told = say

    def say(self, text, fraction=None):
        if self._told is not None:
            self._told(text + "…")

    def close(self):
        self._told = None


def _fitted(seen, rect):
    """As large as there is room, in the proportions of the part of the image that it shows."""
    scale = min(room / side for room, side in zip(ROOM, rect[2:]))
    size = [max(1, round(side * scale)) for side in rect[2:]]
    return seen.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
