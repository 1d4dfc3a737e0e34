"""What Underpaint offers inside GIMP: names, words and arguments; and how arguments become the members of a request.

Decision: a style gives what the arguments leave open. Called from a script, an argument at its default is left open;
after a dialog nothing that the dialog showed is, because it showed the style's values already.
"""

import collections
import json

from gi.repository import Gimp, GObject

from daemon import connect
from job import Wish
from picture import Sorry

MENU = "<Image>/Filters/Generate/Underpaint"
RW = GObject.ParamFlags.READWRITE
SEED_MAX = float((1 << 53) - 1)
"""The largest whole number that a JSON number and a GIMP double hold exactly."""

MAX_TEXT = 16 * 1024
"""Bytes of one text: all of a request but the pixels has to fit a message of 64 KiB."""

Action = collections.namedtuple("Action", "kind mode label blurb help arguments")
Action.__doc__ = "`kind`: fill, filter or upscale; `mode`: the protocol's, of a fill; `arguments`: their names, in order."

PAINTING = ("prompt", "strength", "negative-prompt", "style", "model", "steps", "guidance", "seed", "batch", "filters")
MARGINS = ("left", "right", "top", "bottom")

ALL = collections.OrderedDict([
    ("underpaint-fill", Action(
        "fill", "fill", "Fill Selection", "repaint the selection so that it belongs to its surroundings",
        "With a prompt a diffusion model paints what it says; without one the surroundings are continued. The result is a "
        "new layer above the active one, as soft-edged as the selection.", PAINTING)),
    ("underpaint-remove", Action(
        "fill", "remove", "Remove Selected", "make what is selected disappear",
        "What is selected is replaced by what could be behind it, as a new layer above the active one.", PAINTING)),
    ("underpaint-add", Action(
        "fill", "add", "Add to Selection", "paint something new inside the selection",
        "What the prompt says is painted into the selection, as a new layer above the active one.", PAINTING)),
    ("underpaint-background", Action(
        "fill", "background", "Replace Background", "keep what is selected and paint a new background around it",
        "All that is not selected is painted anew, as a new layer above the active one.", PAINTING)),
    ("underpaint-expand", Action(
        "fill", "expand", "Expand Canvas", "enlarge the canvas and continue the picture there",
        "The canvas grows by the pixels given for each side, and the strips are painted as a new layer.", MARGINS + PAINTING)),
    ("underpaint-generate", Action(
        "fill", "generate", "Generate", "paint the whole canvas, or all of the selection, from the prompt",
        "A new layer is painted from the prompt; with a strength below 100 it follows what is there.", PAINTING)),
    ("underpaint-filter", Action(
        "filter", None, "Filter", "run installed filters over the active layer or the selection",
        "The result is a new layer above the active one. The argument “filters” is the name of a filter, or JSON: a list of "
        '{"name": "film-grain", "params": {"strength": 0.5}}.', ("filters",))),
    ("underpaint-upscale", Action(
        "upscale", None, "Enlarge", "enlarge all that is seen by an upscaler, as a new image",
        "The new image has one layer. Without a scale the upscaler's own is taken.", ("upscaler", "scale"))),
])


def create(plug_in, name, run):
    """The `Gimp.Procedure` of that name."""
    action = ALL[name]
    made = Gimp.ImageProcedure.new(plug_in, name, Gimp.PDBProcType.PLUGIN, run, None)
    made.set_image_types("*")  # for an indexed image the procedure says what to do; a grey menu entry would not
    mask = Gimp.ProcedureSensitivityMask
    made.set_sensitivity_mask(mask.DRAWABLE | mask.DRAWABLES | mask.NO_DRAWABLES)
    made.set_documentation("Underpaint: " + action.blurb, action.help, None)  # the search for actions (/) looks here
    made.set_attribution("The Underpaint authors", "The Underpaint authors", "2026")
    made.set_menu_label(action.label + "…")
    made.add_menu_path(MENU)
    for argument in action.arguments:
        ARGUMENTS[argument](made)
    if action.kind == "upscale":
        made.add_image_return_value("new-image", "New image", "The enlarged picture", True, RW)
    else:
        made.add_layer_return_value("layer", "Layer", "The new layer; the topmost, if there are several", True, RW)
    return made


def _string(name, label, blurb):
    return lambda made: made.add_string_argument(name, label, blurb, "", RW)


def _int(name, label, blurb, least, most, usual):
    return lambda made: made.add_int_argument(name, label, blurb, least, most, usual, RW)


def _double(name, label, blurb, least, most, usual):
    return lambda made: made.add_double_argument(name, label, blurb, least, most, usual, RW)


# Mnemonics that the dialog's own buttons leave free: Help h, Reset r, Cancel c, OK o, Load l, Save s.
ARGUMENTS = {
    "prompt": _string("prompt", "_Prompt", "What should be there"),
    "negative-prompt": _string("negative-prompt", "_Avoid", "What should not be there"),
    "style": _string("style", "St_yle", "A style's name: settings kept under a name, for every editor"),
    "model": _string("model", "_Model", "A model's id; empty: the one that suits the mode and the words"),
    "strength": _double("strength", "Stren_gth", "How much is repainted, in per cent: 100 replaces what is there", 1, 100, 100),
    "steps": _int("steps", "S_teps", "Steps of the sampler; 0: the model's own", 0, 1000, 0),
    "guidance": _double("guidance", "G_uidance", "How strictly the prompt is followed; 0: the model's own", 0, 100, 0),
    "seed": _double("seed", "See_d", "The number that makes a picture again; -1: another each time", -1, SEED_MAX, -1),
    "batch": _int("batch", "_Variants", "How many pictures, each on a layer of its own", 1, 16, 1),
    "filters": _string("filters", "_Filters", "A filter's name, or a JSON list of {“name”, “params”}, in the order they run"),
    "left": _int("left", "L_eft", "Pixels to add on the left", 0, 8192, 0),
    "right": _int("right", "R_ight", "Pixels to add on the right", 0, 8192, 0),
    "top": _int("top", "To_p", "Pixels to add at the top", 0, 8192, 0),
    "bottom": _int("bottom", "_Bottom", "Pixels to add at the bottom", 0, 8192, 0),
    "upscaler": _string("upscaler", "_Model", "An upscaler's id; empty: the first there is"),
    "scale": _double("scale", "Scal_e", "How many times as large; 0: as the upscaler does", 0, 16, 0),
}

DEFAULTS = {"strength": 100, "steps": 0, "guidance": 0}

MEMBERS = [
    ("prompt", "prompt", str.strip), ("negative-prompt", "negative_prompt", str.strip), ("model", "model", str.strip),
    ("strength", "denoise_strength", lambda percent: round(percent / 100, 4)), ("steps", "steps", int),
    ("guidance", "guidance_scale", float),
]
"""(argument, member of `generate`, how to turn one into the other)."""


class Asked:
    """What a procedure was called with, in the protocol's words."""

    def __init__(self, settings=None, chain=None, schemas=None, wish=None):
        self.settings, self.chain, self.schemas, self.wish = settings, chain, schemas, wish


def asked(action, config, seen, monitor):
    """Reads the arguments; asks the daemon for what they name. `Sorry` for what cannot be."""
    value = config.get_property
    if action.kind == "upscale":
        return Asked(settings=_upscale(value, monitor))
    chain = parse_chain(value("filters"))
    if action.kind == "filter":
        schemas = {entry["name"]: entry for entry in lists(monitor, "filters")["filters"]}
        return Asked(chain=chain, schemas=schemas)
    settings = style_settings(value("style"), lists(monitor, "styles")["styles"]) if value("style") else {}
    styled = settings.pop("filters", None) or []
    if seen:
        for _, member, _ in MEMBERS:
            settings.pop(member, None)
    elif not chain:
        chain = styled
    settings.update(_members(value))
    margins = tuple(value(side) for side in MARGINS) if action.mode == "expand" else None
    return Asked(wish=Wish(action.mode, settings, chain, margins))


def _members(value):
    found = {}
    for argument, member, turn in MEMBERS:
        given = turn(value(argument))
        if isinstance(given, str) and len(given.encode("utf-8")) > MAX_TEXT:
            raise Sorry("The %s is too long; at most %d bytes can be sent." % (argument.replace("-", " "), MAX_TEXT))
        if value(argument) != DEFAULTS.get(argument) and given != "":
            found[member] = given
    if value("seed") >= 0:
        found["seed"] = int(value("seed"))
    if value("batch") > 1:
        found["batch"] = value("batch")
    return found


def arguments_of(settings):
    """A style's settings as arguments; those it does not name at their defaults, but for the prompt, which stays."""
    found = {"model": "", "negative-prompt": "", "strength": 100, "steps": 0, "guidance": 0, "filters": ""}
    for argument, member, _ in MEMBERS:
        if settings.get(member) is not None:
            found[argument] = settings[member]
    if "denoise_strength" in settings:
        found["strength"] = settings["denoise_strength"] * 100
    if settings.get("filters"):
        found["filters"] = json.dumps(settings["filters"], ensure_ascii=False)
    return found


def style_settings(name, styles):
    """A copy of the style's settings. `Sorry` if there is no such style."""
    for style in styles:
        if style["name"] == name:
            return dict(style.get("settings") or {})
    raise Sorry("There is no style “%s”. Those there are: %s." % (name, ", ".join(style["name"] for style in styles) or "none"))


def _upscale(value, monitor):
    model = value("upscaler").strip()
    if not model:
        found = [entry["id"] for entry in lists(monitor, "models")["models"] if entry.get("kind") == "upscaler"]
        if not found:
            raise Sorry("There is no upscaler on this computer. Put one (4x-UltraSharp, RealESRGAN …) into a folder that "
                        "“underpaint models add-folder” names.")
        model = found[0]
    return {"model": model, "scale": value("scale")} if value("scale") else {"model": model}


def lists(monitor, *names):
    """What the daemon has to offer, by name (`models`, `styles`, `filters`): dicts that have a name or an id."""
    def ask():
        with connect(False, starting) as client:
            return {name: client.call(name + "/list") for name in names}
    starting = monitor.later(lambda: monitor.say("Starting Underpaint"))
    found = monitor.apart(ask)
    return {name: [entry for entry in found[name] if isinstance(entry, dict) and (entry.get("name") or entry.get("id"))]
            for name in names}


def parse_chain(text):
    """The steps that the argument `filters` names. `Sorry` if it cannot be read."""
    text = text.strip()
    if not text.startswith(("[", "{")):
        return [{"name": text, "params": {}}] if text else []
    try:
        steps = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Sorry("The argument “filters” is no JSON (%s). Write a filter's name, or a list such as "
                    '[{"name": "film-grain", "params": {"strength": 0.5}}].' % error) from None
    steps = [steps] if isinstance(steps, dict) else steps
    if not all(_is_step(step) for step in steps):
        raise Sorry('Each step of “filters” has a "name" and may have "params", as in {"name": "film-grain", "params": {}}, and '
                    '"images", as in {"stamp": 12} with the number of a layer.')
    return steps


def _is_step(step):
    if not isinstance(step, dict) or not isinstance(step.get("name"), str):
        return False
    params, images = step.get("params", {}), step.get("images", {})
    return isinstance(params, dict) and isinstance(images, dict) and all(type(layer) is int for layer in images.values())
