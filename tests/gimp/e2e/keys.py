"""What scenarios on a screen are made of: windows, real keys, pictures of the screen."""

import os
import subprocess
import time

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gimp, Gio, Gtk  # noqa: E402

import images  # noqa: E402
from images import HOLE, WAIT_S, ask, lives, picture, select, tiny, wait  # noqa: E402

KEYS = {"fill": "F7", "generate": "F5", "filter": "F9", "remove": "F10", "expand": "F12", "history": "F3", "upscale": "F4"}
"""As run.py writes them into GIMP's shortcutsrc."""
LARGE = (512, 384)
CALM_S, CALM_LOOKS = 0.4, 4
"""A window that looks the same for so long, so many times, has done what was asked of it: buttons look pressed for 250 ms."""


def xdo(*words):
    """What xdotool says."""
    return subprocess.run(["xdotool", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().split()


def windows(name):
    """Windows in sight whose title contains `name`."""
    return xdo("search", "--onlyvisible", "--name", name)


def window(name, moving=False):
    """Waits for such a window, brings it to the front, and waits until it is drawn: GTK ignores keys before. `moving`: it
    shows something that goes on, so that it is never still."""
    found = wait(lambda: windows(name), "a window “%s”" % name)[-1]
    xdo("windowactivate", "--sync", found)
    wait(lambda: xdo("getactivewindow") == [found], "the focus of “%s”" % name)
    if moving:
        wait(lambda: drawn(look(found)), "a window that is drawn")
    else:
        still(found)
    return found


def drawn(looks):
    """Whether there is more to be seen than an empty window."""
    return looks is not None and len(set(looks)) > 8


def still(which):
    """Waits until a window shows something, and the same for a moment: it has drawn itself and what was asked of it."""
    looks = []

    def same():
        time.sleep(CALM_S / CALM_LOOKS)
        looks.append(look(which))
        last = looks[-CALM_LOOKS:]
        return len(last) == CALM_LOOKS and len(set(last)) == 1 and drawn(last[0])
    wait(same, "a window that is drawn")


def press_for(which, key, condition=None):
    """Presses a key and waits until the window shows that it was taken, or something is so. GTK lets a button that is
    pressed by its letter look pressed for a while and hears nothing meanwhile."""
    before = look(which)
    press(key)
    wait(condition or (lambda: look(which) != before), "the effect of %s" % key)
    still(which)


def menu(which, button, down):
    """Opens a menu by its button's key, and chooses the entry so far below the first that can be chosen."""
    before = set(popups())
    press(button)
    opened = wait(lambda: set(popups()) - before, "a menu")
    still(which)
    press("Home", *["Down"] * down, "Return")
    wait(lambda: not opened & set(popups()), "the end of the menu")
    still(which)


def popups():
    """All windows in sight, menus too."""
    return xdo("search", "--onlyvisible", "--class", ".")


def look(which):
    """What is to be seen where the window is, as bytes; None if there is no such window."""
    at = dict(word.split("=") for word in xdo("getwindowgeometry", "--shell", which) if "=" in word)
    root = Gdk.get_default_root_window()
    if "WIDTH" not in at:
        return None
    left, top = max(0, int(at["X"])), max(0, int(at["Y"]))
    width, height = min(int(at["WIDTH"]), root.get_width() - left), min(int(at["HEIGHT"]), root.get_height() - top)
    return Gdk.pixbuf_get_from_window(root, left, top, width, height).get_pixels()


def press(*keys):
    """Keys for the window in front."""
    for key in keys:
        xdo("key", "--clearmodifiers", key)
        time.sleep(0.15)


def write(text):
    """Types."""
    xdo("type", "--delay", "8", text)
    time.sleep(0.2)


def screenshot(name):
    """All of the screen, for people."""
    root = Gdk.get_default_root_window()
    seen_there = Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height())
    seen_there.savev(os.path.join(os.environ["UNDERPAINT_E2E"], "results", "gimp-%s.png" % name), "png", [], [])


def failed(name):
    """What is to be seen when a scenario fails; and no dialog of ours is in the way of the next one."""
    screenshot("failed-" + name)
    for _ in range(2):
        press("Escape")


def photograph():
    """The raccoon."""
    file = Gio.File.new_for_path(os.path.join(os.environ["UNDERPAINT_E2E"], "e2e", "raccoon.jpg"))
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)


def show(image):
    """Opens a view of the image and brings GIMP to the front."""
    Gimp.Display.new(image)
    for layer in image.get_layers():
        image.set_selected_layers([layer])
    front()
    return image


def front():
    """GIMP's own window, which has nothing of ours in its title."""
    time.sleep(0.3)
    xdo("windowactivate", "--sync", wait(lambda: windows(" – GIMP"), "GIMP's window")[-1])
    time.sleep(0.3)


def dialog(name, title="Underpaint: "):
    """Opens a procedure's dialog by its key; to be told by its title where there are other windows of ours."""
    front()
    press(KEYS[name])
    return window(title)


def layers(image, count):
    """Waits until the image has so many layers; returns the topmost."""
    wait(lambda: len(image.get_layers()) == count, "a picture of %d layers" % count, 3 * WAIT_S)
    return image.get_layers()[0]


def copied():
    """The text on the clipboard; its owner must be there still."""
    return Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text()


def idle():
    """Waits until nothing is under way and nothing of ours is on the screen, nor running: each run is a program of its own, with
    a window that nobody sees. GIMP crashes now and then if an image goes before the run on it is over."""
    wait(lambda: not ask("status")["queue"], "an idle daemon")
    wait(lambda: not windows("Underpaint: "), "a screen without our windows")
    wait(lambda: not xdo("search", "--classname", "underpaint"), "the end of our programs")


def slow_styles():
    """Styles whose jobs last long enough for something to happen meanwhile; the slower one is never waited for. What dialogs held
    before is forgotten."""
    forget()
    if not lives():
        images.made("fill", holed(picture()))
    for style in ask("styles/list"):
        ask("styles/remove", name=style["name"])
    for name, steps in [("Slow", 100), ("Slower", 900)]:
        ask("styles/put", name=name, settings={"model": tiny(), "steps": steps, "prompt": "a slow cat"})


def holed(image):
    """The same image with something selected."""
    select(image, *HOLE)
    return image


SETTINGS = os.path.join(os.environ["UNDERPAINT_E2E_PLUGIN"], "..", "..", "plug-in-settings")


def remembered():
    """The files in which GIMP keeps what our dialogs held."""
    return [name for name in os.listdir(SETTINGS) if "underpaint" in name] if os.path.isdir(SETTINGS) else []


def forget():
    """GIMP does not remember what dialogs held."""
    for name in remembered():
        os.unlink(os.path.join(SETTINGS, name))
