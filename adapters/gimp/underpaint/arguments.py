"""How a procedure's arguments become the members of a request, and how they are written as texts.

Decision: a style gives what the arguments leave open. Called from a script, an argument at its default is left open;
after a dialog nothing that the dialog showed is, because it showed the style's values already. GIMP's arguments are
numbers and texts; what a picture has several of is one text, written as on the command line and parted by semicolons:
`ink,weight=0.8; film-look`. Filters, whose parameters are of every kind, may be JSON.
"""

import json
import re

from job import Wish
from picture import Sorry
from reuse import is_past
from sentences import any_of

SEED_MAX = (1 << 53) - 1
"""The largest whole number that a JSON number and a GIMP double hold exactly."""

MAX_TEXT = 16 * 1024
"""Bytes of one text: all of a request but the pixels has to fit a message of 64 KiB."""

MARGINS = ("left", "right", "top", "bottom")
DEFAULTS = {"strength": 100, "steps": 0, "guidance": 0}
ASKED_ANEW = ("prompt", "denoise_strength")
"""Members that a style saved here has only if the style that was chosen had them: they are another for each picture."""

LORA = {"weight": float, "text-weight": float}
CONTROL = {"layer": str, "weight": float, "preprocess": str, "preprocessor": str, "kind": str, "encoder": str, "start": float,
           "end": float}
"""What is said of a LoRA, and of a control layer, behind its name."""
RIGHT_REGIONS = "Right would be a layer's name and what should be seen there: “Sky,prompt=a storm; Meadow,prompt=grass, flowers”."


class Asked:
    """What a procedure was called with, in the protocol's words."""

    def __init__(self, settings=None, chain=None, schemas=None, wish=None):
        self.settings, self.chain, self.schemas, self.wish = settings, chain, schemas, wish


def asked(action, config, seen, offers):
    """Reads the arguments. `offers(name)` tells what the daemon lists under `name/list`; `Sorry` for what cannot be."""
    value = values_of(config)
    if action.kind == "upscale":
        return Asked(settings=_upscale(value, offers))
    chain = parse_chain(value("filters"))
    if action.kind == "filter":
        return Asked(chain=chain, schemas={entry["name"]: entry for entry in offers("filters")})
    settings = style_settings(value("style"), offers("styles")) if value("style") else {}
    styled = settings.pop("filters", None) or []
    if seen:
        for _, member, _ in MEMBERS:
            settings.pop(member, None)
    elif not chain:
        chain = styled
    settings.update(_members(value))
    controls, regions = parse_controls(value("controls")), _said(parse_regions(value("regions")), seen)
    if seen and (controls or regions or settings.get("loras")) and not _denoises(settings.get("model"), offers):
        controls = regions = []  # the dialog showed them in grey
        settings.pop("loras", None)
    margins = tuple(value(side) for side in MARGINS) if action.mode == "expand" else None
    return Asked(wish=Wish(action.mode, settings, chain, margins, controls, regions))


def _said(regions, seen):
    """Those that have words; in a dialog others are only begun."""
    for region in regions:
        if not region["prompt"] and not seen:
            raise Sorry("The region “%(layer)s” has no words. Say what should be seen there: “%(layer)s,prompt=…”." % region)
    if len("".join(region["prompt"] for region in regions).encode("utf-8")) > MAX_TEXT:
        raise Sorry("The words of the regions are too long; at most %d bytes can be sent." % MAX_TEXT)
    return [region for region in regions if region["prompt"]]


def _denoises(model, offers):
    """Whether a model takes LoRAs and control layers. One that is not there, or left to the daemon, may."""
    return all(facts.get("samplers") for facts in offers("models") if facts["id"] == model)


def values_of(config):
    """The arguments by name. GIMP hands some empty texts as none at all."""
    def value(name):
        found = config.get_property(name)
        return "" if found is None else found
    return value


def _members(value):
    found = {}
    for argument, member, turn in MEMBERS:
        given = turn(value(argument))
        if isinstance(given, str) and len(given.encode("utf-8")) > MAX_TEXT:
            raise Sorry("The %s is too long; at most %d bytes can be sent." % (argument.replace("-", " "), MAX_TEXT))
        if value(argument) != DEFAULTS.get(argument) and given not in ("", []):
            found[member] = given
    if value("seed") >= 0:
        found["seed"] = int(value("seed"))
    if value("batch") > 1:
        found["batch"] = value("batch")
    return found


def _upscale(value, offers):
    model = value("upscaler").strip()
    if not model:
        found = [entry["id"] for entry in offers("models") if entry.get("kind") == "upscaler"]
        if not found:
            raise Sorry("There is no upscaler on this computer. Put one (4x-UltraSharp, RealESRGAN …) into a folder that "
                        "“underpaint models add-folder” names.")
        model = found[0]
    return {"model": model, "scale": value("scale")} if value("scale") else {"model": model}


# Styles

def arguments_of(settings):
    """A style's settings as arguments; those it does not name at their defaults, but for the prompt, which stays."""
    found = {"model": "", "negative-prompt": "", "strength": 100, "steps": 0, "guidance": 0, "loras": "", "filters": ""}
    for argument, member, _ in MEMBERS:
        if settings.get(member) is not None:
            found[argument] = settings[member]
    if "denoise_strength" in settings:
        found["strength"] = settings["denoise_strength"] * 100
    if settings.get("loras"):
        found["loras"] = loras_text(settings["loras"])
    if settings.get("filters"):
        found["filters"] = json.dumps(settings["filters"], ensure_ascii=False)
    return found


def settings_of(value, chosen):
    """What a style holds that is saved now: what the dialog shows, and what it does not show of `chosen`, the settings of
    the style that is chosen. `value(argument)` gives what is shown."""
    found = {member: given for member, given in chosen.items() if member not in [shown for _, shown, _ in MEMBERS] + ["filters"]}
    for member, given in _members(value).items():
        if member not in ("seed", "batch") and (member not in ASKED_ANEW or member in chosen):
            found[member] = given
    # Layers are of one picture, so none go along.
    chain = [{"name": step["name"], "params": step.get("params") or {}} for step in parse_chain(value("filters"))]
    return dict(found, filters=chain) if chain else found


def arguments_of_past(style):
    """The arguments of a procedure that paint an entry of the history again (`reuse.past`), as its dialog is to show them."""
    if style["mode"] == "upscale":
        return {"upscaler": style["settings"].get("model", ""), "scale": style["scale"] or 0}
    seed = style["seed"] if 0 <= style["seed"] <= SEED_MAX else -1
    shown = dict({"prompt": "", "controls": "", "regions": ""}, **arguments_of(style["settings"]))
    return dict(shown, style=style["name"], seed=seed, batch=max(1, style["count"]))


def style_settings(name, styles):
    """A copy of the style's settings. `Sorry` if there is no such style."""
    for style in styles:
        if style["name"] == name:
            return dict(style.get("settings") or {})
    if is_past(name):
        raise Sorry("What was painted as “%s” is not in the history any more." % name)
    raise Sorry("There is no style “%s”. %s" % (name, any_of(style["name"] for style in styles)))


# Texts

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


def parse_list(text, argument, keys):
    """(name, {key: value}) of each thing that a text such as `ink,weight=0.8; film-look` names; `keys` gives the keys
    there are and what reads their values. Names may have commas; a semicolon is written as `\\;`. `Sorry` if it cannot be
    read."""
    found = []
    for part in _parts(text):
        name, *said = re.split(r",\s*(?=(?:%s)\s*=)" % "|".join(keys), part)
        pairs = [option.split("=", 1) for option in said]
        options = {}
        for key, given in ((key.strip(), given.strip()) for key, given in pairs):
            if key in options:
                raise Sorry("The argument “%s” has “%s”, which sets %s twice." % (argument, part, key))
            options[key] = _read(given, keys[key], part, argument, key)
        odd = re.search(r",\s*([\w-]+)\s*=", "".join([name] + [str(given) for given in options.values()]))
        if odd or not name or "=" in name.split(",")[0]:
            what = "sets %s" % odd.group(1) if odd else "begins with no name"
            raise Sorry("The argument “%s” has “%s”, which %s. Right would be a name, and behind commas any of: %s; more of them "
                        "follow a semicolon." % (argument, part, what, ", ".join(key + "=" for key in keys)))
        found.append((name.strip(), options))
    return found


def _parts(text):
    """What semicolons part, but `\\;` do not."""
    parts = (part.replace("\\;", ";").strip() for part in re.split(r"(?<!\\);", text))
    return [part for part in parts if part]


def _read(given, kind, part, argument, key):
    try:
        return kind(given)
    except ValueError:
        raise Sorry("The argument “%s” has “%s”: %s is %s, and a number is needed." % (argument, part, key, given or "empty")) from None


def list_text(entries):
    """The text that `parse_list` reads as these (name, {key: value})."""
    def said(value):
        return ("%g" % value if isinstance(value, float) else str(value))
    parts = (",".join([name] + ["%s=%s" % (key, said(value)) for key, value in options.items()]) for name, options in entries)
    return "; ".join(part.replace(";", "\\;") for part in parts)


def parse_loras(text):
    """The argument `loras` as `generate` has them."""
    return [dict({key.replace("-", "_"): value for key, value in options.items()}, name=name)
            for name, options in parse_list(text, "loras", LORA)]


def loras_text(loras):
    """The other way round, of those that have a name."""
    return list_text((lora["name"], {key: float(lora[key.replace("-", "_")]) for key in LORA
                                     if isinstance(lora.get(key.replace("-", "_")), (int, float))})
                     for lora in loras if isinstance(lora, dict) and isinstance(lora.get("name"), str))


def parse_controls(text):
    """The argument `controls` as `generate` has them, but with `layer`, a name or a number, in the place of the image."""
    return [dict(options, model=name) for name, options in parse_list(text, "controls", CONTROL)]


def parse_regions(text):
    """The argument `regions`, `Sky,prompt=a storm; Meadow,prompt=grass, flowers`, or JSON for words that would not fit such a line:
    {"layer", "prompt"} of each. Behind `prompt=` all is words, up to the semicolon."""
    if not text.strip().startswith("["):
        found = [[side.strip() for side in re.split(r"(?:^|,)\s*prompt\s*=", part, maxsplit=1)] for part in _parts(text)]
        regions = [{"layer": layer, "prompt": "".join(words)} for layer, *words in found]
    else:
        try:
            regions = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Sorry("The argument “regions” is no JSON (%s). %s" % (error, RIGHT_REGIONS)) from None
    if not all(isinstance(region, dict) and isinstance(region.get("prompt"), str) and isinstance(region.get("layer"), str)
               and region["layer"] for region in regions):
        raise Sorry("The argument “regions” has one without a layer, or without words. %s" % RIGHT_REGIONS)
    return [{"layer": region["layer"], "prompt": region["prompt"].strip()} for region in regions]


def regions_text(regions):
    """The text that `parse_regions` reads as these."""
    told = [{"layer": region["layer"], "prompt": region["prompt"].strip()} for region in regions]
    line = "; ".join(("%(layer)s,prompt=%(prompt)s" % region).replace(";", "\\;") for region in told)
    return line if _reads_as(line, told) else json.dumps(told, ensure_ascii=False)


def _reads_as(line, regions):
    try:
        return parse_regions(line) == regions
    except Sorry:
        return False


MEMBERS = [
    ("prompt", "prompt", str.strip), ("negative-prompt", "negative_prompt", str.strip), ("model", "model", str.strip),
    ("strength", "denoise_strength", lambda percent: round(percent / 100, 4)), ("steps", "steps", int),
    ("guidance", "guidance_scale", float), ("loras", "loras", parse_loras),
]
"""(argument, member of `generate`, how to turn one into the other)."""
