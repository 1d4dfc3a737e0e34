"""Regions: words bound to layers, a list in the dialogs that paint. Where a layer is opaque, its words say what is seen.

An entry is {"layer", "prompt"}, as `arguments.parse_regions` has them. The prompt of the whole picture follows each region's own;
what regions leave is the whole prompt's alone.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402

from arguments import parse_regions, regions_text  # noqa: E402
from entries import Entries  # noqa: E402
from widgets import choice  # noqa: E402

WORDS_HEIGHT = 40


class Regions(Entries):
    """The regions, the topmost layer's first in the menu that adds one."""

    MOST = 16

    def __init__(self, config, layers):
        """`layers`: the image's, as `layers.Layers`."""
        super().__init__(config, "regions", "Add region…")
        self.adder.set_tooltip_text("Binds words to a layer: what should be seen where it is opaque")
        self._layers = layers
        self._views = []
        layers.changed.append(self._learn)
        self._learn()
        self._follow()

    def read(self, text):
        """A line of text, or JSON."""
        return parse_regions(text)

    def write(self, entries):
        """The same."""
        return regions_text(entries)

    def row(self, entry):
        """Which layer, and below it the words."""
        def bound(layer):
            entry["layer"] = layer
            self.tell()

        def written(words):
            entry["prompt"] = words.get_property("text")
            self.tell()
        which = choice(self._layers.choices(entry["layer"]), entry["layer"], bound)
        which.set_tooltip_text("Where this layer is opaque, the words hold; where it is half transparent, by half")
        view = Gtk.TextView(wrap_mode=Gtk.WrapMode.WORD_CHAR, accepts_tab=False, left_margin=4, right_margin=4, top_margin=3,
                            tooltip_text="What should be seen there")
        view.get_buffer().set_text(entry["prompt"])
        view.get_buffer().connect("changed", written)
        self._views.append((entry, view))
        words = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, min_content_height=WORDS_HEIGHT, margin_start=12)
        words.add(view)
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        for widget in (self.head(entry, which), words):
            column.pack_start(widget, False, False, 0)
        return column

    def show_entries(self):
        """No view of before is written into any more."""
        self._views = []
        super().show_entries()

    def begun(self, entry):
        """Lets the painter write."""
        next(view for other, view in self._views if other is entry).grab_focus()

    def _learn(self):
        """The layers are others."""
        for item in self._menu.get_children():
            item.destroy()
        for _, layer, depth in self._layers.listed:
            tip = "The layer you are on" if layer == self._layers.active else None
            self.offer("  " * depth + layer, tip, lambda layer=layer: {"layer": layer, "prompt": ""})
        self.show_entries()
