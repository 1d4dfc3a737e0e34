"""What Underpaint offers inside GIMP: names, words and arguments."""

import collections

from gi.repository import Gimp, GObject

from arguments import MARGINS, SEED_MAX

MENU = "<Image>/Filters/Generate/Underpaint"
RW = GObject.ParamFlags.READWRITE

Action = collections.namedtuple("Action", "kind mode label blurb help arguments")
Action.__doc__ = "`kind`: fill, filter, upscale or history; `mode`: the protocol's, of a fill; `arguments`: their names, in order."

PAINTING = ("prompt", "strength", "negative-prompt", "style", "model", "steps", "guidance", "seed", "batch", "filters",
            "loras", "controls", "regions")

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
    ("underpaint-history", Action(
        "history", None, "From the History", "place what was painted before, in any editor, as a layer again",
        "The pictures of the entry become new layers above the active one, where they were; in a canvas of another size, as near "
        "as they fit. Without an entry the newest is taken.", ("entry",))),
])


def create(plug_in, name, run, data=None):
    """The `Gimp.Procedure` of that name, which calls `run` with `data`."""
    action = ALL[name]
    made = Gimp.ImageProcedure.new(plug_in, name, Gimp.PDBProcType.PLUGIN, run, data)
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


def named(mode):
    """The name of the procedure that paints in a mode of the protocol, or enlarges; a mode that is not known is generated."""
    found = "underpaint-%s" % mode
    return found if found in ALL and ALL[found].kind in ("fill", "upscale") else "underpaint-generate"


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
    "style": _string("style", "St_yle", "A style's name: settings kept under a name, for every editor; “history:ENTRY” are those of an "
                     "entry of the history"),
    "model": _string("model", "_Model", "A model's id; empty: the one that suits the mode and the words"),
    "strength": _double("strength", "Stren_gth", "How much is repainted, in per cent: 100 replaces what is there", 1, 100, 100),
    "steps": _int("steps", "S_teps", "Steps of the sampler; 0: the model's own", 0, 1000, 0),
    "guidance": _double("guidance", "G_uidance", "How strictly the prompt is followed; 0: the model's own", 0, 100, 0),
    "seed": _double("seed", "See_d", "The number that makes a picture again; -1: another each time", -1, float(SEED_MAX), -1),
    "batch": _int("batch", "_Variants", "How many pictures, each on a layer of its own", 1, 16, 1),
    "filters": _string("filters", "_Filters", "A filter's name, or a JSON list of {“name”, “params”}, in the order they run"),
    "left": _int("left", "L_eft", "Pixels to add on the left", 0, 8192, 0),
    "right": _int("right", "R_ight", "Pixels to add on the right", 0, 8192, 0),
    "top": _int("top", "To_p", "Pixels to add at the top", 0, 8192, 0),
    "bottom": _int("bottom", "_Bottom", "Pixels to add at the bottom", 0, 8192, 0),
    "upscaler": _string("upscaler", "_Model", "An upscaler's id; empty: the first there is"),
    "loras": _string("loras", "LoRAs", "What changes the model's weights: “ink,weight=0.8; film-look”"),
    "controls": _string("controls", "Control layers", "What steers: “canny-sd15,layer=Sketch,preprocess=canny,weight=0.8”; "
                        "without a layer the picture itself does"),
    "regions": _string("regions", "Regions", "Words bound to layers, what should be seen where they are opaque: “Sky,prompt=a storm; "
                       "Meadow,prompt=grass, flowers”"),
    "entry": _string("entry", "_Entry", "An entry of the history, as “underpaint history list” names it; empty: the newest"),
    "scale": _double("scale", "Scal_e", "How many times as large; 0: as the upscaler does", 0, 16, 0),
}
