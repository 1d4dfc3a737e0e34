"""The dialog of what was painted before, in any editor and before a restart, as the daemon keeps it.

Decision: a dialog of its own and not GIMP's kind for procedures, because there is nothing in it to reset, save or load.
"""

import time

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, GimpUi, GLib, Gtk, Pango  # noqa: E402

from aside import Aside  # noqa: E402
from pixbufs import checkered  # noqa: E402
from sentences import sentence  # noqa: E402
from underpaint_client import packed_pixels  # noqa: E402
from widgets import SPACING, dim  # noqa: E402

PAGE = 24
SIDE = 128
SIZE = (640, 560)
MODES = {"generate": "Generated", "fill": "Filled", "expand": "Expanded", "add": "Added", "remove": "Removed",
         "background": "New background", "upscale": "Enlarged"}
EMPTY = "What is painted is kept here. There is nothing yet."
SWITCHED_OFF = "The history is switched off in Underpaint's config.json, so nothing is kept."


USE = 1
"""The dialog's answer, if settings are wanted."""


def ask(config, action):
    """Shows the dialog. Returns whether to go on, with the entry's name in `config`, and whether its settings are wanted instead
    of its pictures."""
    dialog = GimpUi.Dialog(title="Underpaint: " + action.label, role="underpaint-history")
    GimpUi.window_set_transient(dialog)
    dialog.set_default_size(*SIZE)
    dialog.add_button("_Cancel", Gtk.ResponseType.CANCEL)
    use = dialog.add_button("_Use Settings…", USE)
    use.set_tooltip_text("Opens the dialog that painted it, with its words, model, seed and settings")
    place = dialog.add_button("_Place", Gtk.ResponseType.OK)
    dialog.set_default_response(Gtk.ResponseType.OK)

    def chosen(entry):
        for button in (use, place):
            button.set_sensitive(entry is not None)
    shelf = Shelf(chosen, lambda: dialog.response(Gtk.ResponseType.OK))
    shelf.show_all()
    dialog.get_content_area().pack_start(shelf, True, True, 0)
    dialog.connect("map", lambda _: shelf.focus.grab_focus())
    try:
        answer = dialog.run()
        if answer not in (Gtk.ResponseType.OK, USE) or shelf.chosen() is None:
            return False, False
        config.set_property("entry", shelf.chosen()["entry"])
        return True, answer == USE
    finally:
        shelf.close()
        dialog.destroy()


class Shelf(Gtk.Box):
    """Thumbnails, the newest first; what is known of the chosen one, and what can be done with it."""

    def __init__(self, chosen, place):
        """`chosen(entry)` is called with the entry that is chosen, None for none; `place()` when the painter wants it."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING, border_width=12)
        self._told = chosen
        self._aside = Aside()
        self._entries, self._more, self._fetching, self._keep = [], False, False, True
        self._pictures = Gtk.ListStore(GdkPixbuf.Pixbuf, str, str)
        self._view = self.focus = Gtk.IconView(
            model=self._pictures, tooltip_column=2, item_width=SIDE, item_padding=4, row_spacing=2, column_spacing=2,
            selection_mode=Gtk.SelectionMode.BROWSE, activate_on_single_click=False)
        # Cells of its own: those that IconView makes for a text column are as wide as two pictures.
        cells = [(Gtk.CellRendererPixbuf(), "pixbuf"), (Gtk.CellRendererText(ellipsize=Pango.EllipsizeMode.END, xalign=0.5), "text")]
        for at, (cell, attribute) in enumerate(cells):
            self._view.pack_start(cell, False)
            self._view.add_attribute(cell, attribute, at)
        self._view.connect("selection-changed", self._selected)
        self._view.connect("item-activated", lambda *_: place())
        scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, hscrollbar_policy=Gtk.PolicyType.NEVER)
        scrolled.add(self._view)
        for event in ("value-changed", "changed"):
            scrolled.get_vadjustment().connect(event, self._scrolled)
        self._line = dim("Fetching the history…")
        self._line.set_selectable(True)
        self._line.set_lines(3)
        buttons = Gtk.Box(spacing=SPACING)
        self._words = _button("Copy _Words", "What was asked for, for the prompt of another picture", lambda: self._copy(self.chosen()["prompt"]))
        self._seed = _button("Copy _Seed", "The number that makes the same picture again", lambda: self._copy(str(seeds(self.chosen())[0])))
        self._remove = _button("_Remove", "Forget it, in every editor", self._remove_pressed)
        self._clear = _button("C_lear…", "Forget everything in the history", self._clear_pressed)
        for button in (self._words, self._seed, self._remove):
            buttons.pack_start(button, False, False, 0)
        buttons.pack_end(self._clear, False, False, 0)
        self.pack_start(scrolled, True, True, 0)
        self.pack_start(self._line, False, False, 0)
        self.pack_start(buttons, False, False, 0)
        self._selected()
        self._fetch(None)

    def chosen(self):
        """The chosen entry, as `history/list` tells it; None if there is none."""
        paths = self._view.get_selected_items()
        return self._entries[paths[0].get_indices()[0]] if paths else None

    def close(self):
        """Nothing more is asked; what was copied stays, where somebody looks after it."""
        _clipboard().store()
        self._aside.close()

    # What there is

    def _fetch(self, before, select=0):
        """Asks for the newest, or those older than `before`; then the one at `select` is chosen."""
        def work(client):
            answer = client.call("history/list", {"limit": PAGE} if before is None else {"limit": PAGE, "before": before})
            entries, blobs = answer.get("entries") or [], {}
            for entry in entries:
                blob = entry["thumbnail"]["blob"]
                if blob not in blobs:
                    blobs[blob] = client.conversation.take(blob)
            return answer, [packed_pixels(entry["thumbnail"], blobs[entry["thumbnail"]["blob"]]) for entry in entries]

        def came(result, error):
            self._fetching = False
            if error is not None:
                self._line.set_text(sentence(error))
                return
            answer, pixels = result
            if before is None:
                self._entries = []
                self._pictures.clear()
            self._more, self._keep = bool(answer.get("more")), answer.get("keep", True)
            for entry, data in zip(answer["entries"], pixels):
                self._entries.append(entry)
                self._pictures.append([_thumbnail(entry["thumbnail"], data), _title(entry), GLib.markup_escape_text(told(entry))])
            if before is None and self._entries:
                path = Gtk.TreePath.new_from_indices([min(select, len(self._entries) - 1)])
                self._view.select_path(path)
                self._view.set_cursor(path, None, False)
            self._selected()
        self._fetching = True
        self._aside.ask(work, came)

    def _scrolled(self, bar):
        if self._more and not self._fetching and bar.get_value() + bar.get_page_size() > bar.get_upper() - SIDE:
            self._fetch(self._entries[-1]["entry"])

    def _selected(self, *_):
        entry = self.chosen()
        self._told(entry)
        self._clear.set_label("C_lear…")
        self._clear.set_sensitive(bool(self._entries))
        self._remove.set_sensitive(entry is not None)
        self._words.set_sensitive(bool(entry and entry.get("prompt")))
        self._seed.set_sensitive(bool(entry and seeds(entry)))
        if entry is not None:
            self._line.set_text(told(entry))
        elif not self._fetching:
            self._line.set_text(EMPTY if self._keep else SWITCHED_OFF)

    # What can be done

    @staticmethod
    def _copy(text):
        _clipboard().set_text(text, -1)

    def _remove_pressed(self):
        at = self._entries.index(self.chosen())
        self._tell("history/remove", {"entry": self.chosen()["entry"]}, at)

    def _clear_pressed(self):
        """The first press asks, in the button itself."""
        if self._clear.get_label() == "C_lear…":
            self._clear.set_label("C_lear All?")
        else:
            self._tell("history/clear", {}, 0)

    def _tell(self, method, params, select):
        def came(_result, error):
            if error is not None:
                self._line.set_text(sentence(error))
            else:
                self._fetch(None, select)
        self._aside.call(method, params, came)


def seeds(entry):
    """The seeds of its pictures."""
    found = [patch.get("seed") for patch in entry.get("patches") or [] if patch.get("seed") is not None]
    return found or [seed for seed in [entry.get("seed")] if seed is not None]


def told(entry):
    """What is known of an entry, in lines."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(entry.get("made_ms") or 0) / 1000))
    mode = MODES.get(entry.get("mode"), entry.get("mode"))
    found = ", ".join(map(str, seeds(entry)))
    lines = [entry.get("prompt") or entry.get("label") or mode, "%s with %s, %s" % (mode, entry.get("model"), when),
             "%s %s" % ("Seed" if len(seeds(entry)) < 2 else "Seeds", found) if found else ""]
    return "\n".join(filter(None, lines))


def _title(entry):
    return " ".join((entry.get("prompt") or MODES.get(entry.get("mode")) or entry.get("label") or "").split())


def _thumbnail(described, pixels):
    width, height = described["w"], described["h"]
    whole = checkered(pixels, width, height)
    scale = min(1.0, SIDE / max(width, height))
    if scale == 1.0:
        return whole
    return whole.scale_simple(max(1, int(width * scale)), max(1, int(height * scale)), GdkPixbuf.InterpType.BILINEAR)


def _clipboard():
    return Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)


def _button(text, tip, act):
    button = Gtk.Button(label=text, use_underline=True, tooltip_text=tip)
    button.connect("clicked", lambda _: act())
    return button
