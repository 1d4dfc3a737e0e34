"""Scenarios on a screen: dialogs, undo, cancelling and several jobs at once, by real keys through a window manager."""

import contextlib
import time

from gi.repository import Gimp

import shelves
import sights
from images import HOLE, SOFT, WAIT_S, ask, at_work, check, made, picture, seen, select, tiny, untouched, wait
from keys import (LARGE, dialog, failed, front, holed, idle, layers, menu, photograph, press, press_for, screenshot, show, slow_styles,
                  still, window, windows, write, xdo)
from underpaint_client import Client


def dialog_undo_and_redo():
    """From the key to the layer through the dialog; one undo takes it away, redo brings it back, bit for bit."""
    image = show(picture(LARGE))
    select(image, 60, 40, 150, 100, feather=SOFT)
    before = seen(image)
    dialog("fill")
    write('a "red" cat')
    screenshot("dialog")
    press("ctrl+Return")
    layer = layers(image, 2)
    idle()
    check(layer.get_name().startswith('a "red" cat ('), "the layer is called %s", layer.get_name())
    untouched(before, image, layer)
    after = seen(image)
    front()
    press("ctrl+z")
    layers(image, 1)
    check(seen(image) == before, "undo does not bring back the picture")
    press("ctrl+y")
    layers(image, 2)
    check(seen(image) == after, "redo does not bring back the layer")
    press("ctrl+z")
    layers(image, 1)
    press("ctrl+z")
    wait(lambda: Gimp.Selection.is_empty(image) or len(image.get_layers()) == 1, "another undo")


def remembers_resets_and_styles():
    """The dialog comes back as it was left; Reset empties it; a style fills it."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    dialog("fill")
    press("ctrl+a", "BackSpace")
    write("a blue cat")
    press("ctrl+Return")
    layers(image, 2)
    idle()
    dialog("fill")
    press("ctrl+Return")
    layer = layers(image, 3)
    check(layer.get_name().startswith("a blue cat"), "it was not remembered: %s", layer.get_name())
    opened = dialog("fill")
    press("alt+m")  # where no cursor blinks
    still(opened)
    press_for(opened, "alt+r")
    screenshot("reset")
    press("Tab")
    press_for(opened, "Return")
    press("alt+p", "ctrl+Return")
    layer = layers(image, 4)
    check(layer.get_name().startswith("Fill ("), "it was not reset: %s", layer.get_name())
    opened = dialog("fill")
    press("alt+y", "Down")
    still(opened)
    screenshot("style")
    press("alt+p", "ctrl+Return")
    layer = layers(image, 5)
    check(layer.get_name().startswith("a slow cat ("), "the style's prompt was not taken: %s", layer.get_name())
    idle()


def slow_job(image, style="Slow"):
    """Begins a job that lasts, and waits until it has come some way."""
    dialog("fill")
    press("alt+y", "Home", "Down", *["Down"] * (style == "Slower"), "alt+p", "ctrl+Return")
    wait(at_work, "a job at work")


def cancelled_in_our_window():
    """The window with the preview: its Cancel ends the job and leaves the picture alone."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    before = seen(image)
    slow_job(image, "Slower")
    window("at work", moving=True)
    wait(lambda: at_work(40, 900), "some steps")
    screenshot("preview")
    press("Escape")
    idle()
    check(len(image.get_layers()) == 1 and seen(image) == before, "a layer was added")


def click_cancel():
    """Presses Cancel in GIMP's status bar."""
    gimp = windows(" – GIMP")[-1]
    size = dict(word.split("=") for word in xdo("getwindowgeometry", "--shell", gimp) if "=" in word)
    xdo("mousemove", "--window", gimp, str(int(size["WIDTH"]) - 280), str(int(size["HEIGHT"]) - 20), "click", "1")


def cancelled_by_gimp():
    """GIMP's own Cancel ends the plug-in's process; the daemon notices and cancels the job."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    slow_job(image, "Slower")
    front()
    screenshot("statusbar")
    began = time.time()
    click_cancel()
    wait(lambda: not ask("status")["queue"], "the end of the job", 10)
    seconds = time.time() - began
    idle()
    check(len(image.get_layers()) == 1, "a layer was added")
    check(not windows("crashed"), "GIMP shows an error")
    dialog("fill")
    press("Escape")
    idle()
    return "the daemon was idle after %.1f s" % seconds


def closed_meanwhile():
    """The image is closed while its job runs: the job ends, and the next one works."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    slow_job(image, "Slower")
    front()
    press("ctrl+w")
    window("Close ")
    screenshot("close")
    press("ctrl+d")
    wait(lambda: not image.is_valid(), "the image's end")
    wait(lambda: not ask("status")["queue"], "the end of the job", 10)
    window("GIMP Message")
    screenshot("closed")
    press("Return")
    again = show(holed(picture(LARGE)))
    dialog("remove")
    press("ctrl+Return")
    layers(again, 2)
    idle()


def queue_of_three():
    """Three jobs begun while the daemon is busy with somebody else's: all three layers come, the newest on top."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    slow_job(image)
    layers(image, 2)
    idle()
    with busy():
        for count in range(3):
            repeated(count)
        wait(lambda: len(windows("at work")) == 3, "three windows")
        screenshot("queue")
        check(len(image.get_layers()) == 2, "a layer came before its turn")
    layers(image, 5)
    idle()
    names = [layer.get_name() for layer in image.get_layers()[:3]]

    def painted():
        return ["a slow cat (%d)" % entry["seed"] for entry in ask("history/list", limit=3)["entries"]]
    wait(lambda: set(painted()) == set(names), "the history of the three")
    check(painted() == names, "they lie as %s and were painted as %s, the newest first", names, painted())


@contextlib.contextmanager
def busy():
    """Meanwhile the daemon is at work on somebody else's job, and what is begun waits."""
    with Client.connect() as other:
        theirs = other.submit("generate", {"model": tiny(), "prompt": "a cat", "steps": 1000, "extent": [512, 512]})
        theirs.wait_until("running")
        yield
        theirs.cancel()


def repeated(waiting):
    """Repeats what was done last, behind as many jobs that wait already."""
    front()
    press("ctrl+f")
    queued(waiting + 1)


def queued(waiting):
    """Waits until so many jobs wait behind the one that keeps the daemon `busy`."""
    wait(lambda: len(ask("status")["queue"]) == waiting + 1, "a queue of %d behind another" % waiting)


def expanded_meanwhile():
    """Begun on the same canvas: an expansion, the same again, which is not placed any more, and a fill, which is, with a word."""
    slow_styles()
    image = show(holed(picture(LARGE)))
    dialog("expand")
    press("alt+e", "ctrl+a")
    write("24")
    press("alt+p", "ctrl+Return")
    layers(image, 2)
    idle()
    with busy():
        for count in range(2):
            repeated(count)
        dialog("fill", "Underpaint: Fill Selection")
        press("ctrl+Return")
        queued(3)
    layers(image, 4)
    screenshot("expanded")
    window("GIMP Message")
    screenshot("expanded-message")
    press("Return")
    idle()
    check(image.get_width() == LARGE[0] + 2 * 24, "the canvas is %d wide", image.get_width())
    names = [layer.get_name().split(" (")[0] for layer in image.get_layers()]
    check(names == ["Fill", "Expand", "Expand", "base"], "the layers are %s", names)


def two_images():
    """The job keeps its image, whatever is in front when the result comes."""
    slow_styles()
    first = show(holed(picture(LARGE)))
    slow_job(first)
    second = show(holed(picture(LARGE)))
    before = seen(second)
    layers(first, 2)
    check(len(second.get_layers()) == 1 and seen(second) == before, "the wrong image was painted")
    idle()


def filter_dialog():
    """Filters are added in the dialog, which shows what they do; the layer becomes what they say."""
    image = show(picture(LARGE))
    before = seen(image)
    opened = dialog("filter")
    for _ in range(2):
        menu(opened, "alt+f", 4)  # the fifth from the top: film grain
    screenshot("filter")
    press("ctrl+Return")
    layer = layers(image, 2)
    idle()
    check(layer.get_name() == "Film grain + Film grain", "the layer is called %s", layer.get_name())
    untouched(before, image, layer)
    front()
    press("ctrl+z")
    layers(image, 1)
    check(seen(image) == before, "undo does not bring back the picture")


def pictures_for_the_readme():
    """A picture as it is painted, the filter dialog over a photograph, and the history."""
    image = Gimp.Image.new(768, 512, Gimp.ImageBaseType.RGB)
    image.insert_layer(Gimp.Layer.new(image, "Background", 768, 512, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL), None, 0)
    image.get_layers()[0].fill(Gimp.FillType.WHITE)
    show(image)
    gimp = windows(" – GIMP")[-1]
    xdo("windowmove", gimp, "0", "0", "windowsize", gimp, "1240", "800")
    xdo("mousemove", "1390", "990")
    time.sleep(1)
    dialog("generate")
    write("the sea at sunset, oil painting")
    press("alt+m", "Home", "Down")
    xdo("windowmove", windows("Underpaint: ")[-1], "30", "180")
    time.sleep(0.5)
    screenshot("readme-dialog")
    press("ctrl+Return")
    xdo("windowmove", window("at work", moving=True), "800", "330")
    wait(lambda: at_work(7, 10), "some steps", 3 * WAIT_S)
    time.sleep(0.5)
    screenshot("readme")
    layers(image, 2)
    idle()
    screenshot("readme-done")
    for words, seed in [("snowy mountains, oil painting", 3), ("a forest in autumn", 5), ("a lighthouse in a storm", 8), ("dunes, evening light", 13)]:
        image.remove_layer(made("generate", image, prompt=words, seed=seed, model="starter"))
    show(photograph())
    menu(dialog("filter"), "alt+f", 4)
    xdo("windowmove", windows("Underpaint: ")[-1], "700", "60", "mousemove", "1390", "990")
    time.sleep(3)
    screenshot("readme-filter")
    press("Escape")
    idle()
    opened = dialog("history")
    xdo("windowmove", opened, "560", "60", "mousemove", "1390", "990")
    time.sleep(3)
    screenshot("readme-history")
    press("Escape")
    idle()


EXTRA = [pictures_for_the_readme]
"""Played only by name."""
ALL = [
    dialog_undo_and_redo, remembers_resets_and_styles, cancelled_in_our_window, cancelled_by_gimp, closed_meanwhile, queue_of_three,
    expanded_meanwhile, two_images, filter_dialog, *shelves.ALL, *sights.ALL,
]
