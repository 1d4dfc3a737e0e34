"""The window that shows a picture as it becomes: the part of the canvas that was sent with the newest preview laid over
it, a line, a bar and Cancel. Imported only when somebody is looking."""

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, GimpUi, GLib, Gtk  # noqa: E402

from monitor import Monitor  # noqa: E402
from pixbufs import checkered, pixbuf  # noqa: E402
from underpaint_client import packed_pixels  # noqa: E402

PATIENCE_MS = 600
"""What is done sooner is not worth a window."""


class WindowMonitor(Monitor):
    """Progress with a window."""

    previews = True

    def __init__(self, title, still_there):
        super().__init__(title, still_there)
        GimpUi.init("underpaint")  # the painter's theme
        self._base = self._rect = None
        self._window = Gtk.Window(title=title + " – at work", resizable=False, border_width=12)
        self._window.set_role("underpaint-progress")
        self._window.set_focus_on_map(False)
        GimpUi.window_set_transient(self._window)
        self._picture = Gtk.Image()
        self._line = Gtk.Label(xalign=0, width_chars=44, max_width_chars=44, ellipsize=3)
        self._bar = Gtk.ProgressBar()
        cancel = Gtk.Button.new_with_mnemonic("_Cancel")
        cancel.set_halign(Gtk.Align.END)
        cancel.connect("clicked", lambda _: self.cancel())
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=8)
        for part in (self._picture, self._line, self._bar, cancel):
            column.pack_start(part, False, False, 0)
        self._window.add(column)
        self._window.connect("delete-event", lambda *_: (self.cancel(), True)[1])
        self._window.connect("key-press-event", self._key)
        self._showing = GLib.timeout_add(PATIENCE_MS, self._appear)

    def say(self, text, fraction=None):
        super().say(text, fraction)
        self._line.set_text(text + "…")
        if fraction is None:
            self._bar.pulse()
        else:
            self._bar.set_fraction(fraction)

    def show_canvas(self, pixels, width, height, rect):
        self._base = checkered(pixels, width, height)
        self._rect = rect
        self._picture.set_from_pixbuf(self._base)

    def show(self, described, tail, rect):
        if described.get("px") != "rgba8" or self._base is None or rect is None:
            return
        width, height = described["w"], described["h"]
        patch = pixbuf(packed_pixels(described, tail), width, height)
        becoming = self._base.copy()
        scale = becoming.get_width() / self._rect[2]
        x, y = (rect["x"] - self._rect[0]) * scale, (rect["y"] - self._rect[1]) * scale
        left, top = max(0, int(x)), max(0, int(y))
        right = min(becoming.get_width(), round(x + rect["w"] * scale))
        bottom = min(becoming.get_height(), round(y + rect["h"] * scale))
        if right > left and bottom > top:
            patch.composite(becoming, left, top, right - left, bottom - top, x, y, rect["w"] * scale / width,
                            rect["h"] * scale / height, GdkPixbuf.InterpType.BILINEAR, 255)
        self._picture.set_from_pixbuf(becoming)

    def close(self):
        if self._showing:
            GLib.source_remove(self._showing)
            self._showing = 0
        self._window.destroy()
        super().close()

    def _appear(self):
        self._showing = 0
        self._window.show_all()
        return GLib.SOURCE_REMOVE

    def _key(self, _window, event):
        if event.keyval == Gdk.KEY_Escape:
            self.cancel()
            return True
        return False
