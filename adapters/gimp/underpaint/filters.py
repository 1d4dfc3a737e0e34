"""A chain of filters as widgets: what `filters/list` says of a filter becomes its controls.

The chain is the config's property `filters`, as JSON; nothing is kept here, and nothing here knows a filter by name. A
step whose filter is not installed (any more) keeps what it holds and says so: a style may have been made where it was.
"""

import json

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

from arguments import parse_chain  # noqa: E402
from entries import Entries  # noqa: E402
from widgets import bold  # noqa: E402

SEED_MAX = (1 << 32) - 1
SHOWN_TEXT = 4096
"""Longer texts (tables of colours, mostly) are told, not shown."""


class Chain(Entries):
    """The steps in their order."""

    def __init__(self, config, schemas, layers, adding="Add filter…"):
        """`layers`: the image's, as `layers.Layers`."""
        super().__init__(config, "filters", adding)
        self._layers = layers
        layers.changed.append(self.show_entries)
        self._schemas = {schema["name"]: schema for schema in schemas}
        for schema in sorted(self._schemas.values(), key=_title):
            self.offer(_title(schema), schema.get("description"), lambda name=schema["name"]: {"name": name, "params": {}})
        self._follow()

    def read(self, text):
        """JSON, or a filter's name."""
        return [dict(step, params=dict(step.get("params") or {})) for step in parse_chain(text)]

    def write(self, entries):
        """As JSON."""
        return json.dumps(entries, ensure_ascii=False)

    def row(self, step):
        """Its name, and a control for each of its parameters and pictures."""
        schema = self._schemas.get(step["name"])
        title = Gtk.Label(label=_title(schema) if schema else "%s (not installed)" % step["name"], xalign=0, hexpand=True)
        title.set_attributes(bold())
        head = self.head(step, title, ordered=True)
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        column.pack_start(head, False, False, 0)
        if schema is None:
            return column
        title.set_tooltip_text(schema.get("description"))
        grid = Gtk.Grid(row_spacing=4, column_spacing=6, margin_start=12)
        group, at = None, 0
        for param in schema.get("params") or []:
            if param.get("group") and param["group"] != group:
                heading = Gtk.Label(label=param["group"], xalign=0)
                heading.get_style_context().add_class("dim-label")
                grid.attach(heading, 0, at, 2, 1)
                at += 1
            group = param.get("group")
            self._line(grid, at, param, self._control(step, param))
            at += 1
        for wanted in schema.get("inputs") or []:
            if wanted.get("role") == "image":
                self._line(grid, at, wanted, self._input(step, wanted))
                at += 1
        column.pack_start(grid, False, False, 0)
        return column

    @staticmethod
    def _line(grid, at, described, control):
        unit = described.get("unit")
        words = described.get("label") or described["name"]
        label = Gtk.Label(label="%s (%s)" % (words, unit) if unit else words, xalign=0)
        for widget in (label, control):
            widget.set_tooltip_text(described.get("help"))
        grid.attach(label, 0, at, 1, 1)
        grid.attach(control, 1, at, 1, 1)

    def _control(self, step, param):
        name, kind = param["name"], param.get("type")

        def keep(value):
            step["params"][name] = value
            self.tell()
        value = step["params"].get(name, param.get("default"))
        make = {"float": _number, "int": _number, "bool": _switch, "choice": _choice, "color": _color, "seed": _seed}
        return make.get(kind, _text)(param, value, keep)

    def _input(self, step, wanted):
        box = Gtk.ComboBoxText(hexpand=True)
        box.append("", "None")
        for layer, name, depth in self._layers.listed:
            box.append(str(layer), "  " * depth + name)
        box.set_active_id(str((step.get("images") or {}).get(wanted["name"], "")))
        if box.get_active() < 0:
            box.set_active(0)

        def chosen(_box):
            images = {name: layer for name, layer in (step.get("images") or {}).items() if name != wanted["name"]}
            if box.get_active_id():
                images[wanted["name"]] = int(box.get_active_id())
            step["images"] = images
            self.tell()
        box.connect("changed", chosen)
        return box


# One control for each type: (what filters/list says of the parameter, its value, keep(new value)) -> widget

def _number(param, value, keep):
    whole = param.get("type") == "int"
    least, most = param.get("min", 0), param.get("max", 100)
    step = param.get("step") or (1 if whole else (most - least) / 100)
    adjustment = Gtk.Adjustment(value=value, lower=least, upper=most, step_increment=step, page_increment=step * 10)
    adjustment.connect("value-changed", lambda _: keep(int(adjustment.get_value()) if whole else round(adjustment.get_value(), 6)))
    digits = 0 if whole else next((digits for digits in range(5) if round(step, digits) == step), 4)
    row = Gtk.Box(spacing=6, hexpand=True)
    row.pack_start(Gtk.Scale(adjustment=adjustment, draw_value=False, hexpand=True), True, True, 0)
    row.pack_start(Gtk.SpinButton(adjustment=adjustment, digits=digits, width_chars=6), False, False, 0)
    return row


def _switch(_param, value, keep):
    button = Gtk.CheckButton(active=bool(value))
    button.connect("toggled", lambda _: keep(button.get_active()))
    return button


def _choice(param, value, keep):
    box = Gtk.ComboBoxText(hexpand=True)
    for choice in param.get("choices") or []:
        box.append(choice["name"], choice.get("label") or choice["name"])
    box.set_active_id(value)
    box.connect("changed", lambda _: keep(box.get_active_id()))
    return box


def _color(_param, value, keep):
    color = Gdk.RGBA()
    color.parse(str(value)[:7])
    if len(str(value)) == 9:
        color.alpha = int(value[7:], 16) / 255
    button = Gtk.ColorButton(rgba=color, use_alpha=True, halign=Gtk.Align.START)

    def chosen(_button):
        found = button.get_rgba()
        keep("#%02x%02x%02x%02x" % tuple(round(part * 255) for part in (found.red, found.green, found.blue, found.alpha)))
    button.connect("color-set", chosen)
    return button


def _seed(_param, value, keep):
    adjustment = Gtk.Adjustment(value=value or 0, lower=0, upper=SEED_MAX, step_increment=1, page_increment=10)
    adjustment.connect("value-changed", lambda _: keep(int(adjustment.get_value())))
    return Gtk.SpinButton(adjustment=adjustment, digits=0, hexpand=True)


def _text(param, value, keep):
    value = value or ""
    row = Gtk.Box(spacing=6, hexpand=True)
    if len(value) > SHOWN_TEXT:
        line = Gtk.Label(label="%d characters" % len(value), xalign=0, hexpand=True)
    else:
        line = Gtk.Entry(text=value, hexpand=True, max_length=param.get("max_bytes", 0) if not param.get("multiline") else 0)
        line.connect("changed", lambda _: keep(line.get_text()))
    row.pack_start(line, True, True, 0)
    if param.get("multiline"):
        load = Gtk.FileChooserButton(title=param.get("label") or param["name"])

        def loaded(_button):
            try:
                with open(load.get_filename(), encoding="utf-8") as file:
                    keep(file.read(param.get("max_bytes") or SHOWN_TEXT))
            except (OSError, UnicodeDecodeError, TypeError) as error:
                load.set_tooltip_text("This file cannot be read as text: %s" % error)
        load.connect("file-set", loaded)
        row.pack_start(load, False, False, 0)
    return row


def _title(schema):
    return schema.get("title") or schema["name"]
