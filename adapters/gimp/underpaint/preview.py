"""What a chain of filters makes of the layer, in the filter dialog: reduced, made anew while controls move.

The picture is read and sent once; then only parameters travel. A thread of its own talks to the daemon and always takes
the newest wish, so that sliders stay light. Lengths are reduced with the picture (`scale`), by the daemon.
"""

import threading

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, GLib, Gtk  # noqa: E402

from arguments import parse_chain, values_of  # noqa: E402
from daemon import connect  # noqa: E402
from job import LONG_TEXT  # noqa: E402
from picture import Sorry  # noqa: E402
from pixbufs import checkered, pixbuf  # noqa: E402
from underpaint_client import Disconnected, NotRunning, ProtocolError, Refused, image  # noqa: E402

MAX_SIDE = 384


class Preview(Gtk.Box):
    """The picture, and a line for what goes wrong. Press on it to see it as it was."""

    def __init__(self, config, target):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        self._config, self._target = config, target
        self._line = Gtk.Label(xalign=0, wrap=True, max_width_chars=50)
        self._line.get_style_context().add_class("dim-label")
        self._picture = Gtk.Image()
        self._after = self._before = None
        try:
            self._read()
        except Sorry as why:
            self._line.set_text(str(why))
            self.pack_start(self._line, False, False, 0)
            return
        box = Gtk.EventBox(tooltip_text="Press to see the picture as it was")
        box.add(self._picture)
        box.connect("button-press-event", lambda *_: self._picture.set_from_pixbuf(self._before))
        box.connect("button-release-event", lambda *_: self._picture.set_from_pixbuf(self._after))
        self.pack_start(box, False, False, 0)
        self.pack_start(self._line, False, False, 0)
        self._others = {}
        self._turn = threading.Condition()
        self._wish, self._over = None, False
        config.connect("notify::filters", self._changed)
        self.connect("destroy", self._end)
        threading.Thread(target=self._work, daemon=True).start()
        self._changed()

    def _read(self):
        layer = self._target.layer()
        rect = self._target.shown_part(layer)
        self._scale = min(1.0, MAX_SIDE / max(rect[2:]))
        with self._target.shown(layer) as snapshot:
            self._seen = snapshot.reduced(rect, self._scale)
        self._mask = self._target.reduced_mask(rect, self._scale) if self._target.selection is not None else None
        self._before = self._after = checkered(*self._seen)
        self._picture.set_from_pixbuf(self._before)

    def _changed(self, *_):
        """The newest chain, with the pictures it asks for, for the thread to take."""
        try:
            chain = parse_chain(values_of(self._config)("filters"))
            for step in chain:
                for layer in (step.get("images") or {}).values():
                    self._look_at(layer)
        except Sorry as why:
            self._line.set_text(str(why))
            return
        with self._turn:
            self._wish = chain
            self._turn.notify()

    def _look_at(self, layer):
        if layer not in self._others:
            found = self._target.find(layer)
            with self._target.shown(found) as snapshot:
                self._others[layer] = snapshot.reduced(self._target.covered(found), self._scale)

    def _end(self, *_):
        with self._turn:
            self._over = True
            self._turn.notify()

    # In the thread

    def _work(self):
        try:
            with connect(False, lambda: None) as client:
                seen, self._blobs = _put(client, *self._seen), {}
                params = {"image": seen, "scale": max(0.01, self._scale)}
                if self._mask is not None:
                    params.update(mask=image(client.put(self._mask), seen["w"], seen["h"], "g8"), clip=True)
                while True:
                    with self._turn:
                        self._turn.wait_for(lambda: self._over or self._wish is not None)
                        chain, self._wish = self._wish, None
                    if self._over:
                        return
                    self._show(client, chain, params)
        except (NotRunning, Disconnected, ProtocolError):
            GLib.idle_add(self._told, self._before, "Underpaint stopped; there is no preview.")

    def _show(self, client, chain, params):
        if not chain:
            GLib.idle_add(self._told, self._before, "Add a filter to see what it does.")
            return
        try:
            patches = client.submit("filter/apply", dict(params, filters=[self._step(client, step) for step in chain])).wait()
        except Refused as why:
            GLib.idle_add(self._told, None, str(why))
            return
        after = self._before.copy()
        for patch in patches:
            x, y, width, height = patch.rect
            laid = pixbuf(patch.pixels, width, height)
            width, height = min(width, after.get_width() - x), min(height, after.get_height() - y)
            laid.composite(after, x, y, width, height, x, y, 1, 1, GdkPixbuf.InterpType.NEAREST, 255)
        GLib.idle_add(self._told, after, "")

    def _step(self, client, step):
        call = {"name": step["name"], "params": dict(step.get("params") or {}), "images": {}, "texts": {}}
        for name, layer in (step.get("images") or {}).items():
            if layer not in self._blobs:
                self._blobs[layer] = _put(client, *self._others[layer])
            call["images"][name] = self._blobs[layer]
        for name, value in list(call["params"].items()):
            if isinstance(value, str) and len(value) > LONG_TEXT // 4:
                text = call["params"].pop(name).encode("utf-8")
                if text not in self._blobs:
                    self._blobs[text] = client.put(text)
                call["texts"][name] = self._blobs[text]
        return call

    def _told(self, after, words):
        if after is not None:
            self._after = after
            self._picture.set_from_pixbuf(after)
        self._line.set_text(words)
        return GLib.SOURCE_REMOVE


def _put(client, pixels, width, height):
    return image(client.put(pixels), width, height, "rgba8")
