"""Scenarios on a screen: what is kept and chosen from in dialogs, the history, styles, LoRAs and control layers."""

from gi.repository import Gimp

from images import HOLE, SOFT, ask, check, made, picture, rect_of, seen, select, shown, tiny, untouched, wait
from keys import LARGE, copied, dialog, front, holed, idle, layers, press, screenshot, show, slow_styles, still, write
from kept import entry_of


def kept_seeds():
    """The seeds of the history, the newest first."""
    return [entry["seed"] for entry in ask("history/list")["entries"]]


def press_until(key, condition, what):
    """Presses a key again and again until something is so: before the daemon has answered its button is grey."""
    wait(lambda: condition() or press(key) or condition(), what)


def chosen(seed):
    """Waits until the picture of this seed is the chosen one in the history's dialog, by copying its seed."""
    press_until("alt+s", lambda: copied() == str(seed), "the choice of %d" % seed)


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
    chosen(63)
    still(opened)
    screenshot("history")
    press_until("alt+w", lambda: copied() == "a dog", "the words on the clipboard")
    press("Right")
    chosen(62)
    press("End")
    chosen(61)
    press("alt+w")
    wait(lambda: copied() == "a cat on a wall", "the words on the clipboard")
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

    dialog("history")
    chosen(63)
    press("alt+r")
    wait(lambda: kept_seeds() == [62, 61], "the removal")
    chosen(62)
    press("End")
    chosen(61)
    press("Return")
    layer = layers(image, 2)
    idle()
    check(layer.get_name() == wanted[61][2], "the layer is called %s", layer.get_name())

    opened = dialog("history")
    chosen(62)
    press("alt+l")
    still(opened)
    check(kept_seeds() == [62, 61], "it was not asked before all was forgotten")
    press("alt+l")
    wait(lambda: not kept_seeds(), "an empty history")
    still(opened)
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
    press_until("alt+y", lambda: True, "the list")
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


ALL = [history_dialog, styles_dialog]
