"""Scenarios on a screen: what is kept and chosen from in dialogs, the history, styles, LoRAs and control layers."""

import time

from gi.repository import Gimp

from images import SOFT, WAIT_S, ask, check, made, picture, rect_of, seen, select, shown, tiny, untouched, wait
from keys import (LARGE, copied, dialog, forget, front, holed, idle, layers, menu, press, press_for, screenshot, show, slow_styles,
                  still, window, windows, write, xdo)
from kept import ODD, entry_of


AGAIN_S = 5
"""How long to wait before a key is pressed again."""


def kept_seeds():
    """The seeds of the history, the newest first."""
    return [entry["seed"] for entry in ask("history/list")["entries"]]


def chosen(opened, seed):
    """Waits until the picture of this seed is the chosen one in the history's dialog, by copying its seed. Before the daemon
    has answered the button is grey."""
    until = time.time() + WAIT_S
    while copied() != str(seed) and time.time() < until:
        press("alt+s")
        try:
            wait(lambda: copied() == str(seed), "seed %d on the clipboard" % seed, AGAIN_S)
        except TimeoutError:
            pass
    check(copied() == str(seed), "%s is on the clipboard instead of seed %d", copied(), seed)
    still(opened)


def history_dialog():
    """The newest is chosen, arrows choose another; seed and words are copied, it is placed, undone, removed; all are cleared."""
    slow_styles()
    ask("history/clear")
    image = picture(LARGE)
    select(image, 60, 40, 150, 100, feather=SOFT)
    wanted = {}
    for seed, words in [(61, "a cat on a wall"), (62, ""), (63, "a dog")]:
        layer = made("fill", image, model=tiny(), steps=2, seed=seed, prompt=words)
        wanted[seed] = shown(layer), rect_of(layer), layer.get_name()
        image.remove_layer(layer)
        entry_of(seed)
    show(image)
    before = seen(image)
    opened = dialog("history")
    chosen(opened, 63)
    screenshot("history")
    press_for(opened, "alt+w", lambda: copied() == "a dog")
    press("Right")
    chosen(opened, 62)
    press("End")
    chosen(opened, 61)
    press_for(opened, "alt+w", lambda: copied() == "a cat on a wall")
    press("alt+p")
    layer = layers(image, 2)
    idle()
    wait(lambda: rect_of(layer) == wanted[61][1], "the layer's place")
    check((shown(layer), layer.get_name()) == wanted[61][::2], "the layer came back as something else: %s", layer.get_name())
    untouched(before, image, layer)
    front()
    press("ctrl+z")
    layers(image, 1)
    check(seen(image) == before, "undo does not bring back the picture")

    opened = dialog("history")
    chosen(opened, 63)
    press_for(opened, "alt+r", lambda: kept_seeds() == [62, 61])
    chosen(opened, 62)
    press("End")
    chosen(opened, 61)
    press("Return")
    layer = layers(image, 2)
    idle()
    check(layer.get_name() == wanted[61][2], "the layer is called %s", layer.get_name())

    opened = dialog("history")
    chosen(opened, 62)
    press_for(opened, "alt+l")
    check(kept_seeds() == [62, 61], "it was not asked before all was forgotten")
    press_for(opened, "alt+l", lambda: not kept_seeds())
    screenshot("history-empty")
    press("alt+p", "Return")
    check(len(image.get_layers()) == 2, "something was placed")
    press("Escape")
    idle()


def kept_style(name):
    """The settings of a style; None if there is none of that name."""
    return next((style["settings"] for style in ask("styles/list") if style["name"] == name), None)


def styles_dialog():
    """What the dialog shows is saved under a name, chosen again, deleted; what it set stays in sight."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    ask("styles/put", name="Rich", settings={"model": tiny(), "steps": 2, "prompt": "a cat", "sampler": "euler", "negative_prompt": "dogs",
                                             "loras": [{"name": "kohya", "weight": 0.5}], "filters": [{"name": "vignette", "params": {}}]})
    rich = kept_style("Rich")
    opened = dialog("fill")
    press("alt+y", "Home", "Down")  # Rich, before Slow and Slower
    press("alt+p", "ctrl+a")
    write("a fast cat")
    press("alt+y", "Tab", "space")
    write("Mine")
    press("Return")
    wait(lambda: kept_style("Mine"), "the saved style")
    still(opened)
    screenshot("style-saved")
    saved = kept_style("Mine")
    check(saved == dict(rich, prompt="a fast cat"), "it was saved as %s", saved)
    press("alt+y", "Tab", "space", "Escape")  # the name is left, not the dialog
    press("alt+y", "Tab", "Tab", "space")
    wait(lambda: kept_style("Mine") is None, "the deletion")
    still(opened)
    screenshot("style-deleted")
    press("alt+y", "Tab", "space")
    write("Shown")
    press("Return")
    wait(lambda: kept_style("Shown"), "the style saved again")
    check(kept_style("Shown") == {name: value for name, value in rich.items() if name not in ("prompt", "sampler")},
          "it was saved as %s", kept_style("Shown"))
    press("alt+p", "ctrl+Return")
    layer = layers(image, 2)
    idle()
    check(layer.get_name().startswith("a fast cat ("), "the layer is called %s", layer.get_name())


def steering_dialog():
    """A LoRA and a control layer are added from the menus, counted in their headings, used and remembered."""
    slow_styles()
    ask("styles/put", name="Quick", settings={"model": tiny(), "steps": 4, "prompt": "a cat"})
    image = picture(LARGE)
    select(image, 40, 30, 300, 220)
    sketch = Gimp.Layer.new(image, "Sketch", *LARGE, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(sketch, None, 0)
    sketch.set_visible(False)
    show(image)
    image.set_selected_layers([sketch])
    before = seen(image)
    dialog("fill")
    press("alt+y", "Home", "Down", "alt+p", "ctrl+Return")  # a dialog that comes back with nothing in its lists has them folded
    image.remove_layer(layers(image, 3))
    idle()
    opened = dialog("fill")
    press("alt+m")  # where no cursor blinks
    still(opened)
    press_for(opened, "alt+a")  # unfolds, and the button that adds has the focus
    menu(opened, "space", 1)  # loha, kohya; one that does not fit is not counted
    press_for(opened, "alt+n")
    menu(opened, "space", 0)  # lines, with the active layer
    screenshot("steering")
    press("alt+p", "ctrl+Return")
    layer = layers(image, 3)
    idle()
    untouched(before, image, layer)
    seed = int(layer.get_name().rsplit("(", 1)[1].rstrip(")"))
    used = ask("history/get", entry=entry_of(seed)["entry"])["used"]
    check([lora["name"] for lora in used["loras"]] == ["kohya"], "it used %s", used["loras"])
    check([control["model"] for control in used["controls"]] == ["lines"], "it used %s", used["controls"])
    check(used["controls"][0]["rect"] == {"x": 0, "y": 0, "w": LARGE[0], "h": LARGE[1]}, "it used %s", used["controls"])
    opened = dialog("fill")  # with both unfolded, because there is something in them
    press("alt+m")
    still(opened)
    screenshot("steering-remembered")
    press("Escape")
    idle()


def enlarge_dialog():
    """Enlarging opens a window with the new image; the old one stays as it is. The history does it again."""
    forget()
    image = show(picture((60, 40)))
    before = seen(image)
    dialog("upscale")
    press("ctrl+Return")
    larger = wait(lambda: next((found for found in Gimp.get_images() if found.get_width() == 120), None), "the enlarged image")
    idle()
    check(seen(image) == before and len(image.get_layers()) == 1, "the old image is another")
    check(rect_of(larger.get_layers()[0]) == (0, 0, 120, 80), "the layer lies at %s", rect_of(larger.get_layers()[0]))
    wait(lambda: "120x80" in title(), "its window")
    screenshot("enlarged")
    wait(lambda: ask("history/list", limit=1)["entries"][0]["mode"] == "upscale", "the enlarged picture's entry")
    show(image)
    opened = dialog("history")
    chosen(opened, 0)
    press("alt+u")
    window("Underpaint: Enlarge")
    press("ctrl+Return")
    wait(lambda: [found.get_width() for found in Gimp.get_images()].count(120) == 2, "the image enlarged again")
    idle()
    check(not windows("GIMP Message"), "GIMP complains")


def title():
    """What stands above GIMP's window."""
    found = windows(" – GIMP")  # none for a moment, while the title is another
    return " ".join(xdo("getwindowname", found[-1])) if found else ""


def settings_from_the_history():
    """The dialog opens with all that an entry was painted with, also what it does not show, and paints it again; GIMP remembers it;
    it is kept as a style; without a selection the whole picture's dialog opens."""
    slow_styles()
    ask("history/clear")
    image = picture(LARGE)
    select(image, 60, 40, 150, 100, feather=SOFT)
    ask("styles/put", name="Odd", settings=dict(ODD, model=tiny()))
    first = made("fill", image, style="Odd", seed=91, batch=2)
    wanted = [(shown(layer), layer.get_name()) for layer in image.get_layers()[:2]]
    check(first.get_name() == wanted[0][1], "the layers are out of order")
    for layer in image.get_layers()[:2]:
        image.remove_layer(layer)
    entry_of(91)
    ask("styles/remove", name="Odd")
    show(image)
    before = seen(image)
    opened = dialog("history")
    chosen(opened, 91)
    press("alt+u")
    opened = window("Underpaint: Fill Selection")
    screenshot("settings-from-the-history")
    press("alt+p", "ctrl+Return")
    layers(image, 3)
    idle()
    check([(shown(layer), layer.get_name()) for layer in image.get_layers()[:2]] == wanted, "it was painted otherwise")
    front()
    press("ctrl+z")
    layers(image, 1)
    check(seen(image) == before, "undo does not bring back the picture")
    opened = dialog("fill")  # GIMP remembers it
    press("alt+y", "Tab", "space")
    write("Kept")
    press("Return")
    wait(lambda: kept_style("Kept"), "the saved style")
    saved = dict(kept_style("Kept"))
    check("prompt" not in saved and saved["sampler"] == "euler" and saved["steps"] == 5 and saved["feather_px"] == 9, "it was saved as %s", saved)
    press("alt+p", "ctrl+Return")
    layers(image, 3)
    idle()
    check([(shown(layer), layer.get_name()) for layer in image.get_layers()[:2]] == wanted, "it was not remembered")
    Gimp.Selection.none(image)
    opened = dialog("history")
    chosen(opened, 91)
    press("alt+u")
    window("Underpaint: Generate")
    press("Escape")
    idle()
    check(len(image.get_layers()) == 3, "something was painted")


ALL = [settings_from_the_history, history_dialog, styles_dialog, steering_dialog, enlarge_dialog]
