"""What a caption of the maker demands: the grammar of host/maker/src/caption.rs read backwards.

A generated picture can only be held to what its caption says, so every measure asks here first. Decision: the longest known phrase is
taken at every word, and words that mean nothing to a measure are known too. Hence the check, `python mentions.py CAPTIONS.jsonl`: over
real captions no word is left over and nothing is read that the facts deny.
"""
import json
import sys

FIELDS = ("subject", "time", "weather", "palette", "manner", "band", "accent", "accent_side", "light", "material", "bouquet",
          "petals", "ground", "shape", "hue")

GRAMMAR = {
    "subject": {
        "sea": "sea; ocean; seascape; open sea; waves on the sea", "lake": "lake; still lake; lake with reflections; quiet lake; lakeside",
        "hills": "hills; rolling hills; hilly landscape; hill country",
        "mountains": "mountains; mountain range; high peaks; mountain landscape",
        "forest": "forest; woods; woodland; trees in a forest; forest path",
        "field": "field; fields; farmland; wide field; countryside; crops in a field",
        "snow": "snow; snow field; snowy landscape; winter landscape; snow covered plain; winter",
        "desert": "desert; dunes; sand dunes; desert landscape",
        "city": "city; city skyline; skyline; town; city silhouette; buildings", "still life": "still life"},
    "time": {
        "dawn": "at dawn; at sunrise; in the early morning; at daybreak",
        "day": "by day; in daylight; at noon; in the afternoon; on a bright day",
        "sunset": "at sunset; in the evening light; at golden hour; in the evening; with a red sky",
        "dusk": "at dusk; after sunset; at twilight; in the blue hour", "night": "at night; by moonlight; under a night sky; in the dark"},
    "weather": {
        "clear": "clear; calm; under a clear sky; under a cloudless sky; in clear weather",
        "cloudy": "cloudy; under clouds; with clouds; under a cloudy sky; with scattered clouds",
        "overcast": "overcast; dull; under a grey sky; under an overcast sky; in grey light",
        "fog": "foggy; misty; hazy; in fog; in mist; in haze; in the morning mist",
        "storm": "stormy; rainy; dramatic; in a storm; under storm clouds; under dark clouds; in rain; before a storm"},
    "palette": {
        "natural": "natural colours", "warm": "warm palette; warm colours; warm tones; reds and oranges",
        "cool": "cool palette; cool colours; cool tones; blue tones; cold colours",
        "earth": "earth palette; earth colours; earth tones; ochre and umber; browns",
        "pastel": "pastel palette; pastel colours; pastel tones; soft pale colours",
        "vivid": "vivid palette; vivid colours; bright colours; saturated colours; intense colours",
        "muted": "muted palette; muted colours; muted tones; subdued colours; greyed colours"},
    "manner": {
        "oil": "oil painting; oil study; oil sketch; oil on canvas; painterly study",
        "flat": "gouache; flat painting; poster; flat colour study; gouache study",
        "impasto": "impasto; impasto painting; thick paint; palette knife painting",
        "watercolor": "watercolour; watercolour painting; aquarelle; watercolour wash",
        "charcoal": "charcoal drawing; charcoal; charcoal sketch; black and white drawing"},
    "band": {
        "low": "low horizon; big sky; wide sky; horizon low in the picture",
        "middle": "horizon in the middle; centred horizon; horizon halfway",
        "high": "high horizon; little sky; horizon high in the picture"},
    "accent": {
        "tree": "tree; lone tree", "pine": "pine; pine tree; fir tree", "house": "house; cottage; farmhouse",
        "boat": "boat; sailing boat; sailboat; ship", "rocks": "rocks; boulders; cliffs", "tower": "tower; lighthouse; old tower",
        "disc": "moon; full moon; sun; low sun"},
    "accent_side": {side: f"to the {side}; at the {side}; on the {side}" for side in ("left", "right")},
    "light": {side: f"light from the {side}; lit from the {side}" for side in ("left", "right")},
    "material": {
        "wood": "wood; wooden boards; wood grain", "marble": "marble; marble slab; veined marble", "brick": "brick wall; bricks; brickwork",
        "grass": "grass; blades of grass; lawn", "water": "water surface; water from above; ripples in water",
        "cloth": "cloth; folded cloth; fabric; drapery", "rust": "rust; rusty metal; rusted iron", "stone": "stone; stones; rough stone",
        "sand": "sand; rippled sand; sand ripples"},
    "bouquet": {
        "in a vase": "in a vase; a bouquet of; a vase with", "meadow": "meadow; meadow full of; in a meadow",
        "close-up": "close-up of; close up; large"},
    "petals": {"": "flowers; blossoms; wild flowers"},
    "shape": {
        "sphere": "ball; sphere", "cube": "cube; box; block", "cone": "cone", "cylinder": "cylinder; tin", "vase": "vase; jug",
        "apple": "apple", "pear": "pear", "bowl": "bowl"},
    "ground": {"": "wall; background"},
    "hue": {
        "red": "red; crimson", "violet": "violet; purple", "pink": "pink; rose coloured",
        **{hue: hue for hue in ("orange", "yellow", "green", "blue", "white", "grey", "black", "brown")}},
    "": {"": ",; a; an; the; of; some; and; with; study; painting; picture; texture; surface of; on a table; on a desk; before a;"
             "close; near; large; distant; far; small; tiny"},
}
PHRASES = {tuple(phrase.split()): (field, value) for field, values in GRAMMAR.items() for value, phrases in values.items()
           for phrase in phrases.split(";") if phrase.strip()}
LONGEST = max(map(len, PHRASES))


def read(caption):
    """({field: value} that the caption says, [words it does not know])."""
    words = caption.lower().replace("color", "colour").replace("gray", "grey").replace(",", " , ").split()
    said, unknown, hue, at = {}, [], None, 0
    flowers = "flowers" in words or "blossoms" in words
    while at < len(words):
        size = next((n for n in range(LONGEST, 0, -1) if tuple(words[at:at + n]) in PHRASES), 0)
        if size == 0:
            unknown.append(words[at])
            at += 1
            continue
        field, value = PHRASES[tuple(words[at:at + size])]
        at += size
        # A hue belongs to the thing named next.
        if field == "hue":
            hue = value
        elif field == "shape" and hue and "shape" not in said:
            said |= {"subject": "still life", "shape": value, "hue": hue}
        elif field in ("ground", "petals") and hue:
            said[field] = hue
        elif field == "material":
            said |= {"subject": "material", field: value} | ({"ground": hue} if hue else {})
        elif field == "bouquet" and flowers or field and field not in ("shape", "ground", "petals", "bouquet"):
            said.setdefault(field, value)
        if field not in ("", "hue"):
            hue = None
    if flowers:
        said["subject"] = "flowers"
        said.setdefault("bouquet", "close-up")
    return said, unknown


def band(horizon):
    """The word for a horizon's height, as host/maker/src/facts.rs has it."""
    return "low" if horizon > 0.62 else "high" if horizon < 0.42 else "middle"


def flat(facts):
    """The maker's facts as {field: value or None}; `accent` is "none" outdoors without one."""
    accent, solids = facts["accent"] or {}, facts["solids"] or [{}]
    outdoors = facts["horizon"] is not None and facts["bouquet"] is None
    return {
        **{name: facts[name] for name in ("subject", "time", "weather", "palette", "manner", "light", "material", "bouquet",
                                          "petals", "ground", "horizon")},
        "band": None if facts["horizon"] is None else band(facts["horizon"]),
        "accent": accent.get("thing", "none" if outdoors else None), "accent_side": accent.get("side"),
        "shape": solids[0].get("shape"), "hue": solids[0].get("hue")}


def check(lines):
    """Sentences about captions that are read wrongly, and how often each field is said."""
    wrong, count = [], dict.fromkeys(FIELDS, 0)
    for line in lines:
        said, unknown = read(line["caption"])
        facts = flat(line["facts"])
        false = {field: value for field, value in said.items() if facts[field] != value}
        if unknown or false:
            wrong.append(f"{line['caption']}: not known {unknown}, not so {false}")
        for field in said:
            count[field] += 1
    return wrong, count


if __name__ == "__main__":
    lines = [json.loads(line) for path in sys.argv[1:] for line in open(path)]
    wrong, count = check(lines)
    print(*wrong[:20], f"{len(lines)} captions, {len(wrong)} read wrongly; said: {count}", sep="\n")
    sys.exit(bool(wrong))
