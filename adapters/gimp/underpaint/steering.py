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

    def __init__(self, config, known, models, layers, active):
        """`layers`: (id, name, depth) of the image's, `active`: the name of the one the painter is on."""
        self._layers, self._active = layers, active
        self._helpers = {control.get("kind") for control in known}
        super().__init__(config, [control for control in known if control.get("kind") in STEERS], models)

    def begin(self, thing):
        """The active layer steers."""
        return [thing["id"], {"layer": self._active} if self._active else {}]

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
        layers = [("", PICTURE)] + [(layer, "  " * depth + layer) for _, layer, depth in self._layers]
        if options.get("layer", "") not in dict(layers):
            layers.append((options["layer"], "%s – not in this picture" % options["layer"]))
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        which = self.option(options, "layer", layers)
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
        return column


def title(thing):
    """What it is called."""
    found = str(thing.get("title") or thing.get("name") or thing["id"])
    return found[:-len(".safetensors")] if found.endswith(".safetensors") else found
