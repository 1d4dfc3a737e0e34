"""The dialog before a job: GIMP's own kind, so that it remembers, resets, saves and loads settings.

Every control is bound to the procedure's config in both directions; nothing is kept here. What the daemon has to offer
(models, styles, filters, LoRAs, control models) is asked for as the dialog opens; what there is none of has no controls.
"""

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GimpUi, GObject, Gtk  # noqa: E402

from arguments import asked, values_of  # noqa: E402
from entries import folded_list, listed  # noqa: E402
from filters import Chain  # noqa: E402
from layers import Layers  # noqa: E402
from preview import Preview  # noqa: E402
from regions import Regions  # noqa: E402
from showing import Showing  # noqa: E402
from steering import STEERS, Controls, Loras  # noqa: E402
from styles import Styles  # noqa: E402
from widgets import SPACING, dim, folded, labelled, rows, short  # noqa: E402

BOTH = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
WIDTH = 420
AUTOMATIC = "Automatic"
PROMPT_HEIGHT = 72
HINTS = {
    "fill": "Without words the surroundings are continued.",
    "remove": "Without words what could be behind it is painted.",
    "add": "Say what is to appear in the selection.",
    "background": "Say what is to be seen around what you selected.",
    "expand": "Without words the picture goes on as it is.",
    "generate": "Say what is to be seen.",
}


def ask(procedure, config, action, lists, aim):
    """Shows the dialog; returns whether to go on, with the answers in `config`.

    `lists`: `models`, `styles`, `filters`, `loras`, `controls` as the daemon lists them, and `caps`, what it can. `aim()` gives
    the image as a `Target`, as it is then.
    """
    dialog = GimpUi.ProcedureDialog.new(procedure, config, "Underpaint: " + action.label)
    dialog.set_ok_label(action.label.split()[0])
    dialog.set_default_size(WIDTH, -1)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING, border_width=12)
    build = {"fill": _painting, "filter": _filtering, "upscale": _enlarging}[action.kind]
    first = build(column, dialog, config, action, lists, aim)
    column.show_all()
    dialog.get_content_area().pack_start(column, True, True, 0)
    dialog.connect("key-press-event", _key)
    if first is not None:
        dialog.connect("map", lambda _: first.grab_focus())
    try:
        return dialog.run()
    finally:
        dialog.destroy()


def _key(dialog, event):
    """Ctrl+Return is the big button, wherever the focus is: in a text Return alone begins a line."""
    if event.keyval in (Gdk.KEY_Return, Gdk.KEY_KP_Enter) and event.state & Gdk.ModifierType.CONTROL_MASK:
        button = dialog.get_widget_for_response(Gtk.ResponseType.OK)
        if button is not None and button.get_sensitive():
            dialog.response(Gtk.ResponseType.OK)
        return True
    return False


def _painting(column, dialog, config, action, lists, aim):
    models = [model for model in lists["models"] if model.get("kind", "painter") == "painter"
              and action.mode in (model.get("modes") or ()) and model.get("state") != "unusable"]
    value = values_of(config)
    hint = dim(HINTS[action.mode])
    words = _words(config, "prompt")
    labelled(column, "_Prompt", words)
    column.pack_start(hint, False, False, 0)
    if action.mode == "expand":
        column.pack_start(_margins(config), False, False, 0)

    grid = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
    column.pack_start(grid, False, False, 0)
    style = Styles(config, lists["styles"])
    model = _choice(config, "model", [("", AUTOMATIC)] + [(facts["id"], facts.get("name") or facts["id"]) for facts in models])
    strength = _slider(config, "strength", 1, 100, 1)
    rows(grid, [("St_yle", style), ("_Model", model), ("Stren_gth", strength), ("_Variants", _spin(config, "batch"))])

    more = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
    own = {facts["id"]: facts.get("defaults") or {} for facts in models}
    def models_own(name):
        given = own.get(value("model"), {}).get(name)
        return "model's own" if given is None else "model's own (%g)" % given
    steps = _spin(config, "steps", lambda: models_own("steps"))
    guidance = _spin(config, "guidance", lambda: models_own("guidance_scale"), digits=1)
    seed = _spin(config, "seed", lambda: "another each time", least=-1)
    rows(more, [("Avoi_d", _words(config, "negative-prompt")), ("S_teps", steps), ("G_uidance", guidance),
                 ("Seed", seed)])
    column.pack_start(folded("More", more), False, False, 0)
    layers = Layers(aim)
    column.pack_start(folded_list(config, "_Filters", Chain(config, lists["filters"], layers)), False, False, 0)
    steering = []
    if lists["loras"] or config.get_property("loras"):
        steering.append(folded_list(config, "LoR_As", Loras(config, lists["loras"], models)))
    if any(control.get("kind") in STEERS for control in lists["controls"]) or config.get_property("controls"):
        showing = None
        if "preprocess" in lists["caps"]:
            showing = Showing(aim, lambda: asked(action, config, True, lists.__getitem__).wish)
            dialog.connect("response", lambda *_: showing.hide_entry())
        steering.append(folded_list(config, "Co_ntrol layers", Controls(config, lists["controls"], models, layers, showing)))
    steering.append(folded_list(config, "Regi_ons", Regions(config, layers)))
    for fold in steering:
        column.pack_start(fold, False, False, 0)

    denoising = {facts["id"] for facts in models if facts.get("samplers")} | {""}

    def model_chosen(*_):
        reads = value("model") in denoising
        for widget in [words, strength, more] + steering:
            widget.set_sensitive(reads)
        hint.set_text(HINTS[action.mode] if reads else "This model continues the surroundings; it needs no words.")
        steps.update()
        guidance.update()
    config.connect("notify::model", model_chosen)
    model_chosen()
    return words.focus


def _filtering(column, dialog, config, _action, lists, aim):
    chain = Chain(config, lists["filters"], Layers(aim), "Add _filter…")
    column.pack_start(Preview(config, aim()), False, False, 0)
    column.pack_start(listed(chain, 180), True, True, 0)

    def changed(*_):
        dialog.set_response_sensitive(Gtk.ResponseType.OK, bool(config.get_property("filters")))
    config.connect("notify::filters", changed)
    changed()
    return chain.adder


def _enlarging(column, _dialog, config, _action, lists, _aim):
    models = [model for model in lists["models"] if model.get("kind") == "upscaler"]
    grid = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
    choice = [("", "The first there is" if models else "None is installed")]
    rows(grid, [
        ("_Model", _choice(config, "upscaler", choice + [(facts["id"], facts.get("name") or facts["id"]) for facts in models])),
        ("Scal_e", _spin(config, "scale", lambda: "as the upscaler does", digits=2))])
    column.pack_start(grid, False, False, 0)


# Controls bound to the config

def _words(config, name):
    """A text of several lines."""
    view = Gtk.TextView(wrap_mode=Gtk.WrapMode.WORD_CHAR, accepts_tab=False, left_margin=4, right_margin=4, top_margin=3)
    config.bind_property(name, view.get_buffer(), "text", BOTH)
    scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, min_content_height=PROMPT_HEIGHT, hexpand=True)
    scrolled.add(view)
    scrolled.focus = view
    return scrolled


def _choice(config, name, entries):
    """A list of (value, label). A value that is not among them any more becomes the first."""
    if values_of(config)(name) not in [value for value, _ in entries]:
        config.set_property(name, entries[0][0])
    box = Gtk.ComboBoxText(hexpand=True)
    short(box)
    for value, label in entries:
        box.append(value, label)
    config.bind_property(name, box, "active-id", BOTH)
    return box


def _slider(config, name, least, most, step):
    adjustment = Gtk.Adjustment(lower=least, upper=most, step_increment=step, page_increment=step * 10)
    config.bind_property(name, adjustment, "value", BOTH)
    return _slid(adjustment, 0)


def _slid(adjustment, digits):
    """A scale with a spin button on the same number."""
    row = Gtk.Box(spacing=SPACING, hexpand=True)
    row.pack_start(Gtk.Scale(adjustment=adjustment, draw_value=False, hexpand=True), True, True, 0)
    row.pack_start(Gtk.SpinButton(adjustment=adjustment, digits=digits, width_chars=6), False, False, 0)
    return row


def _spin(config, name, absent=None, digits=0, least=None):
    """A number. `absent()` says what its least value stands for."""
    spec = config.find_property(name)
    lowest = spec.minimum if least is None else least
    adjustment = Gtk.Adjustment(lower=lowest, upper=spec.maximum, step_increment=1 if digits < 2 else 0.25, page_increment=10)
    spin = Gtk.SpinButton(adjustment=adjustment, digits=digits, width_chars=18, hexpand=True)
    spin.set_update_policy(Gtk.SpinButtonUpdatePolicy.IF_VALID)  # the words are no number

    def output(_spin):
        if absent is None or adjustment.get_value() != lowest:
            return False
        spin.set_text(absent())
        return True
    spin.connect("output", output)
    config.bind_property(name, adjustment, "value", BOTH)
    spin.update()
    return spin


def _margins(config):
    grid = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
    for at, (name, label) in enumerate([("left", "L_eft"), ("right", "R_ight"), ("top", "To_p"), ("bottom", "_Bottom")]):
        spin = _spin(config, name)
        spin.set_width_chars(5)
        spin.get_adjustment().set_step_increment(16)
        text = Gtk.Label.new_with_mnemonic(label)
        text.set_mnemonic_widget(spin)
        grid.attach(text, at % 2 * 2, at // 2, 1, 1)
        grid.attach(spin, at % 2 * 2 + 1, at // 2, 1, 1)
    return grid
