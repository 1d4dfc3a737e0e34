"""A list of things as widgets: each is a row with a cross, and a button with a menu adds one.

The list is one of the config's properties, as text; nothing is kept here, so that GIMP remembers, resets and saves it.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GLib, Gtk  # noqa: E402

from arguments import values_of  # noqa: E402
from picture import Sorry  # noqa: E402
from widgets import SPACING, folded, tool  # noqa: E402


HEIGHT = 112
"""A list scrolls when it is more than twice as high, and is never squeezed to less."""


class Entries(Gtk.Box):
    """The rows from top to bottom. A subclass says how the text is read and written, and what a row is."""

    MOST = None
    """How many the daemon takes; None: any number."""

    below = None
    """A widget that belongs below the rows, where they do not scroll it away."""

    def __init__(self, config, argument, adding):
        """`adding`: what the button says."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
        self._config, self.argument = config, argument
        self._entries, self._text = [], None
        self.fit = lambda: None
        """To be called when the rows have another height; whoever lays things out looks after it."""
        self._rows = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
        self._menu = Gtk.Menu()
        self.adder = Gtk.MenuButton(label=adding, use_underline=True, popup=self._menu, halign=Gtk.Align.START)
        """The button with the menu, for whoever lays things out to place."""
        self.pack_start(self._rows, False, False, 0)
        config.connect("notify::" + argument, self._follow)

    def count(self):
        """How many there are."""
        return len(self._entries)

    def read(self, text):
        """The entries that the text lists, as objects that can be changed; `Sorry` if it cannot be read."""
        raise NotImplementedError

    def write(self, entries):
        """The text that `read` reads as these entries."""
        raise NotImplementedError

    def row(self, entry):
        """A widget for one of them. It calls `tell` when it has changed the entry."""
        raise NotImplementedError

    def offer(self, label, tip, make):
        """One more thing in the menu: `make()` gives the entry. Returns the menu's item."""
        item = Gtk.MenuItem(label=label, tooltip_text=tip)
        item.connect("activate", lambda _: self._add(make()))
        item.show()
        self._menu.append(item)
        return item

    def head(self, entry, lead, ordered=False):
        """The first line of a row: `lead`, what takes the entry out and, if their order counts, what moves it up."""
        line = Gtk.Box(spacing=SPACING)
        line.pack_start(lead, True, True, 0)
        if ordered and entry is not self._entries[0]:
            line.pack_start(tool("go-up-symbolic", "Earlier in the chain", lambda: self._raise(entry)), False, False, 0)
        line.pack_end(tool("list-remove-symbolic", "Take it out", lambda: self._drop(entry)), False, False, 0)
        return line

    def tell(self):
        """An entry was changed."""
        self._text = self.write(self._entries) if self._entries else ""
        self._config.set_property(self.argument, self._text)

    def show_entries(self):
        """Makes the rows anew."""
        for row in self._rows.get_children():
            row.destroy()
        for entry in self._entries:
            self._rows.pack_start(self.row(entry), False, False, 0)
        self._rows.show_all()
        self.adder.set_sensitive(bool(self._menu.get_children()) and len(self._entries) != self.MOST)
        self.fit()

    def _follow(self, *_):
        """The config's list, if it is another one than is shown."""
        text = values_of(self._config)(self.argument)
        if text == self._text:
            return
        self._text = text
        try:
            self._entries = self.read(text)
        except Sorry:
            self._entries = []
        self.show_entries()

    def _change(self, entries):
        self._entries = entries
        self.show_entries()
        self.tell()

    def begun(self, entry):
        """One was added from the menu."""

    def _add(self, entry):
        self._change(self._entries + [entry])
        self.begun(entry)
        row = self._rows.get_children()[-1]

        def placed(*_):
            row.disconnect(waiting)
            GLib.idle_add(self._to_end)
        waiting = row.connect("size-allocate", placed)

    def _to_end(self):
        """What was added scrolls into sight."""
        scrolled = self.get_ancestor(Gtk.ScrolledWindow)
        if scrolled is not None:
            bar = scrolled.get_vadjustment()
            bar.set_value(bar.get_upper() - bar.get_page_size())
        return GLib.SOURCE_REMOVE

    def _drop(self, entry):
        self._change([other for other in self._entries if other is not entry])

    def _raise(self, entry):
        at = next(at for at, other in enumerate(self._entries) if other is entry)
        others = [other for other in self._entries if other is not entry]
        self._change(others[:max(0, at - 1)] + [entry] + others[max(0, at - 1):])


def folded_list(config, heading, entries):
    """Folded away, unless there is something in it; the heading tells how much."""
    fold = folded(heading, listed(entries, 0), entries.count() > 0)

    def head(*_):
        fold.set_label("%s (%d)" % (heading, entries.count()) if entries.count() else heading)
    config.connect("notify::" + entries.argument, head)
    fold.connect("notify::expanded", lambda *_: fold.get_expanded() and entries.adder.grab_focus())
    head()
    return fold


def listed(entries, height):
    """The rows, which scroll, and below them the button that adds one, always in sight."""
    scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, min_content_height=height, max_content_height=max(height, HEIGHT) * 2)
    scrolled.set_propagate_natural_height(True)
    scrolled.add(entries)

    def fit():
        scrolled.set_min_content_height(max(height, min(HEIGHT, entries.get_preferred_height()[1])))
    entries.fit = fit
    fit()
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
    column.pack_start(scrolled, True, True, 0)
    if entries.below is not None:
        column.pack_start(entries.below, False, False, 0)
    column.pack_start(entries.adder, False, False, 0)
    return column
