"""The measures as the tables of the model card: measures.md of what measure.py found. Alone: python table.py MEASURES.json."""
import json
import sys

import mentions

PAINTERS = ("starter", "maker", "nearest", "blurred", "random", "mean")
COLOURS, COMPOSITION = ("palette by colours", "time by colours"), ("band", "accent_side")
SUMMARY = {"everything said": mentions.FIELDS, "colour agreement": COLOURS, "composition agreement": COMPOSITION}


def table(head, rows):
    """Lines of a Markdown table, with an empty one after it."""
    line = lambda cells: "| " + " | ".join(map(str, cells)) + " |"
    return [line(head), "|---" * len(head) + "|", *map(line, rows), ""]


def percent(value):
    return f"{100 * value:.0f} %"


def numbers(row, keys):
    return [f"{row[key]:.2f}" for key in keys]


def captions(c):
    yield f"""{c['captions']} held-out captions: the share of what they say that is seen in the picture. *maker*: the maker's own picture of the
caption; *nearest*: the training picture whose caption shares most words; *blurred*: the maker's own, blurred by 8 px; *random*: another
caption's picture; *mean*: the mean training picture. The judge is a network trained on the maker's pictures; "by colours" is told from
colour statistics alone. Colour agreement is palette and time of day by colours; composition agreement is the horizon's band and the
accent's side.
"""
    shares = lambda row: (percent(row["starter"] / row["maker"]) if row["maker"] else "-", *(percent(row[name]) for name in PAINTERS))
    said = lambda fields: sum(c["agreement"][field]["said"] for field in fields if field in c["agreement"])
    yield from table(("", "said", "starter / maker", *PAINTERS), [
        *((f"**{name}**", said(fields), *shares(c[name])) for name, fields in SUMMARY.items()),
        *((field.replace("_", " "), row["said"], *shares(row)) for field, row in c["agreement"].items())])
    reached = c["everything said"]["starter"] / max(c["everything said"]["maker"], 1e-9)
    yield f"Goal, 90 % of what the maker's own pictures reach: {percent(reached)}, {'met' if reached >= 0.9 else 'MISSED'}.\n"
    distances = {"horizon, mean error (picture = 1)": "horizon error", "features, Fréchet distance to the maker's": "frechet",
                 "features, distance to the caption's own picture": "paired"}
    yield from table(("", *PAINTERS), [(title, *numbers(c[key], PAINTERS)) for title, key in distances.items()])
    yield f"""Other pictures of the maker's have a Fréchet distance of {c['frechet of other maker pictures']:.2f} to the held-out ones; *random* is
the same set in another order. A picture took {c['seconds per picture']:.2f} s.
"""


def diversity(d):
    yield f"Diversity, {d['prompts']} prompts by {d['seeds']} seeds: mean distance of two pictures of one prompt (diversity.jpg).\n"
    yield from table(("", "starter", "maker", "starter / maker"), [
        (key, *numbers({**d, key: d["starter"][key] / d["maker"][key], "starter": d["starter"][key], "maker": d["maker"][key]},
                       ("starter", "maker", key))) for key in ("features", "dE")])


def copies(c):
    yield f"""Copies: dE (root mean square, 32 px) to the nearest of {c['training pictures']} training pictures and their mirror images; the six
nearest pairs are in closest.png. Softness alone brings a picture nearer, as *blurred* shows.
"""
    keys = ("median", "1st percentile", "least")
    yield from table(("", *keys), [*((name, *numbers(row, keys)) for name, row in c["dE to the nearest"].items()),
                                   ("starter / maker", *numbers(c["starter / maker"], keys))])


def words(w):
    low, high = w["std allowed"]
    yield f"Words it does not know: {'all are' if w['ok'] else 'NOT all are'} pictures (words.jpg); std allowed {low:.0f} to {high:.0f}.\n"
    yield from table(("prompt", "mean", "std", "ok"), [
        (name, f"{row['mean']:.0f}", f"{row['std']:.0f}", "yes" if row["ok"] else "NO") for name, row in w["prompts"].items()])


def fill(f):
    yield f"""Fill seams (fill.jpg; *before*: the untouched canvas along the same contour). Gate, a mean jump of at most 1.5 and nothing
changed outside: {'met' if f['ok'] else 'MISSED'}. Noise inside also keeps the jump low: read it together with the boundary's dE.
"""
    keys = ("boundary dE", "boundary dE before", "jump", "jump before")
    yield from table(("prompt", "px", *keys, "changed outside"), [
        *((row["prompt"], row["side"], *numbers(row, keys), row["changed outside"]) for row in f["canvases"]),
        ("**mean**", "", *numbers(f["mean"], keys), f["changed outside"])])


def sheets(s):
    yield f"""Contact sheets of {s['prompts']} prompts (sheet.txt): sheet-256.jpg, {s['seconds per picture at 256']:.2f} s a picture;
sheet-512.jpg, {s['seconds per picture at 512']:.2f} s a picture.
"""


PARTS = (captions, diversity, copies, words, fill, sheets)


def markdown(found):
    """The whole of measures.md."""
    lines = [line for part in PARTS if part.__name__ in found for line in part(found[part.__name__])]
    return "\n".join(["# What the starter paints, measured", "", *lines])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(markdown(json.load(file)))
