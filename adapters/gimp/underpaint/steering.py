"""LoRAs, which change the model's weights, and control layers, which it follows: lists in the dialogs that paint.

An entry is [name, options], as `arguments.parse_list` has them. What is not on this computer stays in the list and says
so, because a style may have been made where it was.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk, Pango  # noqa: E402

from arguments import CONTROL, LORA, list_text, parse_list, values_of  # noqa: E402
from entries import Entries  # noqa: E402
from widgets import choice  # noqa: E402

WEIGHT = 10
"""The daemon takes weights from minus to plus this."""

PICTURE = "The picture itself"
PREPROCESS = [("", "as it is"), ("canny", "Canny edges"), ("soft_edge", "soft edges"), ("scribble", "scribble"), ("tile", "tile"),
              ("blur", "blur"), ("depth", "depth")]
KINDS = [("", "what is made of it"), ("pose", "a pose"), ("depth", "depth"), ("soft_edge", "soft edges, scribbles"), ("line", "lines"),
         ("normal", "normals"), ("segmentation", "segmentation"), ("tile", "tile"), ("repaint", "repaint")]
STEERS = {"controlnet": "ControlNet", "controlnet_union": "ControlNet Union", "t2i_adapter": "T2I-Adapter",
          "ip_adapter": "IP-Adapter: a reference image"}
"""Kinds of `controls/list` that steer by themselves."""


class Steering(Entries):
    """What the two lists have in common: names of files that fit some models."""

    ARGUMENT, KEYS, ADDING = "", {}, ""

    def __init__(self, config, known, models):
        """`known`: what the daemon lists; `models`: those that may paint."""
        super().__init__(config, self.ARGUMENT, self.ADDING)
        self._known, self._models = {thing["id"]: thing for thing in known}, models
        self._items = [(self.offer(title(thing), self.describe(thing), lambda thing=thing: self.begin(thing)), thing)
                       for thing in sorted(known, key=lambda thing: title(thing).lower())]
        config.connect("notify::model", self._suit)
        self._suit()
        self._follow()

    def begin(self, thing):
        """The entry of what was chosen from the menu."""
        return [thing["id"], {}]

    def describe(self, thing):
        """What the menu says of it when asked."""
        return thing["id"]

    def read(self, text):
        """As `arguments` has it."""
        return [[name, options] for name, options in parse_list(text, self.ARGUMENT, self.KEYS)]

    def write(self, entries):
        """The same."""
        return list_text(entries)

    def misfit(self, name):
        """Why it cannot be used with the model that is chosen, as words; empty if it can."""
        if name not in self._known:
            return "not on this computer"
        chosen, family = values_of(self._config)("model"), self._known[name].get("family")
        suitable = {facts.get("family") for facts in self._models if facts.get("samplers") and chosen in ("", facts["id"])}
        return "" if not family or family == "unknown" or family in suitable else "made for %s" % family

    def weight(self, options):
        """How much it counts."""
        adjustment = Gtk.Adjustment(value=options.get("weight", 1), lower=-WEIGHT, upper=WEIGHT, step_increment=0.05, page_increment=0.5)
        spin = Gtk.SpinButton(adjustment=adjustment, digits=2, width_chars=5)
        spin.set_tooltip_text("How much it counts: 1 as it was trained, 0 nothing")

        def changed(_adjustment):
            options["weight"] = round(adjustment.get_value(), 2)
            self.tell()
        adjustment.connect("value-changed", changed)
        return spin

    def option(self, options, key, entries):
        """One of several values of an option; the first stands for none."""
        def chosen(value):
            options.pop(key, None)
            if value:
                options[key] = value
            self.tell()
        return choice(entries, options.get(key, ""), chosen)

    def _suit(self, *_):
        for item, thing in self._items:
            why = self.misfit(thing["id"])
            item.set_label(", ".join(filter(None, [title(thing), why])))
            item.set_sensitive(not why)
        self.show_entries()


class Loras(Steering):
    """LoRAs with their weights, and the words that call them up."""

    ARGUMENT, KEYS, ADDING = "loras", LORA, "Add LoRA…"
    MOST = 16

    def describe(self, thing):
        """Its file, and what it was trained on."""
        tags = ", ".join(str(tag) for tag in (thing.get("tags") or [])[:8])
        return "\n".join(filter(None, [thing["id"], "Trained on: %s" % tags if tags else ""]))

    def row(self, entry):
        """A line; below it what calls it up, to be put into the prompt."""
        name, options = entry
        thing = self._known.get(name)
        said = ", ".join(filter(None, [title(thing) if thing else name, self.misfit(name)]))
        head = self.head(entry, Gtk.Label(label=said, xalign=0, hexpand=True, ellipsize=Pango.EllipsizeMode.END, tooltip_text=said))
        head.pack_end(self.weight(options), False, False, 0)
        trigger = str((thing or {}).get("trigger") or "")
        if not trigger:
            return head
        words = Gtk.Button(label="+ " + trigger, relief=Gtk.ReliefStyle.NONE, halign=Gtk.Align.START,
                           tooltip_text="What calls it up: a click puts it into the prompt")
        words.get_child().set_ellipsize(Pango.EllipsizeMode.END)
        words.connect("clicked", lambda _: self._say(trigger))
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        for widget in (head, words):
            column.pack_start(widget, False, False, 0)
        return column

    def _say(self, words):
        before = values_of(self._config)("prompt").rstrip().rstrip(",")
        self._config.set_property("prompt", ", ".join(filter(None, [before, words])))


class Controls(Steering):
    """Control layers: a layer, what is made of it, and the model that reads it."""

    ARGUMENT, KEYS, ADDING = "controls", CONTROL, "Add control layer…"
    MOST = 8

    def __init__(self, config, known, models, layers, showing=None):
        """`layers`: the image's, as `layers.Layers`; `showing` shows what is made of one, if the daemon can."""
        self._layers, self._showing, self._toggles = layers, showing, []
        self._helpers = {control.get("kind") for control in known}
        super().__init__(config, [control for control in known if control.get("kind") in STEERS], models)
        layers.changed.append(self.show_entries)
        if showing is not None:
            self.below = showing
            showing.turned = self._mark

    def begin(self, thing):
        """The active layer steers."""
        return [thing["id"], {"layer": self._layers.active} if self._layers.active else {}]

    def describe(self, thing):
        """What kind of model it is."""
        return "%s\n%s" % (STEERS[thing["kind"]], thing["id"])

    def misfit(self, name):
        """An IP-Adapter is of no use without the encoder that looks for it."""
        kind = self._known.get(name, {}).get("kind")
        lacks = kind == "ip_adapter" and "image_encoder" not in self._helpers
        return super().misfit(name) or ("without its image encoder" if lacks else "")

    def row(self, entry):
        """Which layer, and below it what is made of it and by which model it is read."""
        name, options = entry
        kind = self._known.get(name, {}).get("kind")
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        which = self.option(options, "layer", self._layers.choices(options.get("layer", ""), PICTURE))
        which.set_tooltip_text("The layer that steers")
        column.pack_start(self.head(entry, which), False, False, 0)
        line = Gtk.Box(spacing=4, margin_start=12)
        column.pack_start(line, False, False, 0)
        known = [(control, title(thing)) for control, thing in self._known.items() if not self.misfit(control)]
        if name not in dict(known):
            known.append((name, "%s – %s" % (title(self._known[name]) if name in self._known else name, self.misfit(name))))

        def taken(model):
            entry[0] = model
            self.show_entries()
            self.tell()
        model = choice(known, name, taken)
        model.set_tooltip_text(STEERS.get(kind, "The model that reads it"))
        line.pack_start(model, True, True, 0)
        if kind != "ip_adapter":
            made = self.option(options, "preprocess", [(value, label) for value, label in PREPROCESS
                                                       if value != "depth" or "depth" in self._helpers])
            made.set_tooltip_text("What is made of the layer before the model sees it")
            line.pack_start(made, False, False, 0)
        line.pack_start(self.weight(options), False, False, 0)
        if kind == "controlnet_union":
            told = self.option(options, "kind", KINDS)
            told.set_tooltip_text("What the layer shows: this model knows several kinds")
            told.set_margin_start(12)
            column.pack_start(told, False, False, 0)
        if kind != "ip_adapter" and self._showing is not None:
            column.pack_start(self._sight(entry, made), False, False, 0)
        return column

    # What is made of the layer, to be seen first

    def show_entries(self):
        """Which of them is shown stays as it was."""
        self._toggles = []
        super().show_entries()
        if self._showing is not None and self._showing.entry is not None:
            self._follow_shown()

    def tell(self):
        """What is shown becomes what is made now."""
        super().tell()
        if self._showing is not None and self._showing.entry is not None:
            self._follow_shown()

    def _sight(self, entry, made):
        """The buttons that show it and keep it; only there if something is made."""
        line = Gtk.Box(spacing=4, margin_start=12, no_show_all=True)
        show = Gtk.ToggleButton(label="Show", tooltip_text="Shows what the model will see, until it is pressed again")
        keep = Gtk.Button(label="Keep as layer", tooltip_text="Puts what the model will see on a layer of its own, hidden, to be drawn on. "
                                                              "It steers from then on")
        for button in (show, keep):
            line.pack_start(button, False, False, 0)
            button.show()

        def pressed(_button):
            if show.get_active() and self._showing.entry is not entry:
                self._look(entry)
            elif not show.get_active() and self._showing.entry is entry:
                self._showing.hide_entry()
        show.set_active(self._showing.entry is entry)
        show.connect("toggled", pressed)
        keep.connect("clicked", lambda _: self._keep(entry))
        self._toggles.append((entry, show))
        made.connect("changed", lambda _: (line.set_visible(self._source(entry) is not None), self.fit()))
        line.set_visible(self._source(entry) is not None)
        return line

    def _look(self, entry):
        self._seen = self._source(entry)
        self._showing.show_entry(entry, entry[1], self._title(entry))

    def _keep(self, entry):
        options = entry[1]

        def kept(layer, kind):
            options["layer"] = layer
            for name in ("preprocess", "preprocessor"):
                options.pop(name, None)
            if kind and self._known.get(entry[0], {}).get("kind") == "controlnet_union":
                options.setdefault("kind", kind)
            self.tell()
            self._layers.look()
        self._showing.keep(options, self._title(entry), kept)

    def _title(self, entry):
        options = entry[1]
        made = dict(PREPROCESS).get(options["preprocess"], options["preprocess"])
        return "%s of %s" % (made[0].upper() + made[1:], options.get("layer") or "the picture")

    def _follow_shown(self):
        entry = self._showing.entry
        source = self._source(entry) if any(entry is other for other in self._entries) else None
        if source is None:
            self._showing.hide_entry()
        elif source != self._seen:
            self._look(entry)

    def _source(self, entry):
        """What the picture is made of, how, and for which model; None if nothing is made."""
        name, options = entry
        if "preprocess" not in options or self._known.get(name, {}).get("kind") == "ip_adapter":
            return None
        return [values_of(self._config)("model")] + [options.get(key) for key in ("layer", "preprocess", "preprocessor")]

    def _mark(self):
        for entry, button in self._toggles:
            button.set_active(self._showing.entry is entry)


def title(thing):
    """What it is called."""
    found = str(thing.get("title") or thing.get("name") or thing["id"])
    return found[:-len(".safetensors")] if found.endswith(".safetensors") else found
