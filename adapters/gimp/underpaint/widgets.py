"""Parts that the dialogs are made of."""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk, Pango  # noqa: E402

SPACING = 6


def short(box):
    """Long names must not widen the dialog."""
    for cell in box.get_cells():
        cell.set_property("ellipsize", Pango.EllipsizeMode.END)


def choice(entries, value, chosen):
    """A list of (value, label); `chosen(value)` when the painter takes another. A value that is not there is the first."""
    box = Gtk.ComboBoxText(hexpand=True)
    short(box)
    for name, label in entries:
        box.append(name, label)
    if not box.set_active_id(value):
        box.set_active(0)
    box.connect("changed", lambda _: chosen(box.get_active_id()))
    return box


def tool(icon, tip, act):
    """A small button with a picture."""
    button = Gtk.Button.new_from_icon_name(icon, Gtk.IconSize.BUTTON)
    button.set_relief(Gtk.ReliefStyle.NONE)
    button.set_tooltip_text(tip)
    button.connect("clicked", lambda _: act())
    return button


def dim(text=""):
    """A line that is read only by those who look for it."""
    line = Gtk.Label(label=text, xalign=0, wrap=True, max_width_chars=50)
    line.get_style_context().add_class("dim-label")
    return line


def bold():
    """What makes a label a heading."""
    attributes = Pango.AttrList()
    attributes.insert(Pango.attr_weight_new(Pango.Weight.BOLD))
    return attributes


def labelled(column, text, widget):
    """A widget below its label."""
    label = Gtk.Label.new_with_mnemonic(text)
    label.set_xalign(0)
    label.set_mnemonic_widget(getattr(widget, "focus", widget))
    column.pack_start(label, False, False, 0)
    column.pack_start(widget, True, True, 0)


def rows(grid, lines):
    """(label, widget) below each other."""
    for at, (text, widget) in enumerate(lines):
        label = Gtk.Label.new_with_mnemonic(text)
        label.set_xalign(0)
        label.set_mnemonic_widget(getattr(widget, "focus", widget))
        grid.attach(label, 0, at, 1, 1)
        grid.attach(widget, 1, at, 1, 1)


def folded(text, widget, unfolded=False):
    """What is seen only when it is wanted."""
    fold = Gtk.Expander(label=text, use_underline=True, expanded=unfolded, resize_toplevel=True)
    widget.set_margin_start(12)
    widget.set_margin_top(SPACING)
    fold.add(widget)
    return fold
