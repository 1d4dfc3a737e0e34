"""What scenarios are made of: pictures, selections, what is seen, calls of procedures, the daemon's process."""

import os
import signal
import threading
import time

from gi.repository import Gegl, Gimp

from underpaint_client import Client, NotRunning, find_endpoint

SIZE = (200, 150)
HOLE = (60, 40, 70, 50)
SPOT = (85, 55, 20, 16)
SOFT = 6
U8 = "R'G'B'A u8"
WAIT_S = 60


def check(condition, message, *arguments):
    """Fails the scenario."""
    if not condition:
        raise AssertionError(message % arguments if arguments else message)


def wait(condition, what, seconds=WAIT_S):
    """Waits until `condition()` gives something, and returns it."""
    until = time.time() + seconds
    while time.time() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.03)
    raise TimeoutError("%s did not happen in %d s" % (what, seconds))


# Pictures

def woven(width, height, alpha=True):
    """Pixels of a pattern that a fill can continue."""
    row = b"".join(bytes(((x * 7) % 200 + 30, (x // 9 * 40) % 220, 90)) + b"\xff" * alpha for x in range(width))
    other = b"".join(bytes(((x * 3) % 180 + 40, 120, (x // 5 * 30) % 250)) + b"\xff" * alpha for x in range(width))
    return b"".join(row if y // 6 % 2 else other for y in range(height))


def picture(size=SIZE, gray=False, precision=Gimp.Precision.U8_NON_LINEAR, alpha=True, profile=None):
    """A new image with one layer: the pattern with a spot in it, which a fill of `HOLE` takes away."""
    base = Gimp.ImageBaseType.GRAY if gray else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(size[0], size[1], base, precision)
    if profile is not None:
        image.set_color_profile(profile)
    kinds = {(False, True): Gimp.ImageType.RGBA_IMAGE, (False, False): Gimp.ImageType.RGB_IMAGE,
             (True, True): Gimp.ImageType.GRAYA_IMAGE, (True, False): Gimp.ImageType.GRAY_IMAGE}
    layer = Gimp.Layer.new(image, "base", size[0], size[1], kinds[gray, alpha], 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, *size), U8, woven(*size))
    layer.get_buffer().set(Gegl.Rectangle.new(*SPOT), U8, bytes((250, 250, 40, 255)) * SPOT[2] * SPOT[3])
    layer.update(0, 0, *size)
    return image


def select(image, x, y, width, height, feather=0):
    """Selects an ellipse."""
    image.select_ellipse(Gimp.ChannelOps.REPLACE, x, y, width, height)
    if feather:
        Gimp.Selection.feather(image, feather)


def seen(image, babl=U8):
    """All that is seen, as bytes."""
    layer = Gimp.Layer.new_from_visible(image, image, "seen")
    pixels = layer.get_buffer().get(Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height()), 1.0, babl, Gegl.AbyssPolicy.NONE)
    layer.delete()
    return pixels


def shown(layer, babl=U8, size=None):
    """The pixels of one layer, on the canvas."""
    _, x, y = layer.get_offsets()
    width, height = size or (layer.get_image().get_width(), layer.get_image().get_height())
    return layer.get_buffer().get(Gegl.Rectangle.new(-x, -y, width, height), 1.0, babl, Gegl.AbyssPolicy.NONE)


def selected(image):
    """The selection as g8."""
    rect = Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height())
    return image.get_selection().get_buffer().get(rect, 1.0, "Y u8", Gegl.AbyssPolicy.NONE)


def rect_of(layer):
    """(x, y, w, h) on the canvas."""
    _, x, y = layer.get_offsets()
    return x, y, layer.get_width(), layer.get_height()


def untouched(before, image, layer):
    """Fails if a pixel changed where the layer is transparent, or if none did where it is not."""
    alpha, after = shown(layer)[3::4], seen(image)
    changed = [at for at in range(len(alpha)) if not alpha[at] and before[at * 4:at * 4 + 4] != after[at * 4:at * 4 + 4]]
    check(not changed, "%d pixels changed where the layer is transparent", len(changed))
    check(after != before, "nothing was painted")
    return alpha


def tidy():
    """No images are left, and no jobs."""
    for number in range(1, DISPLAYS):
        if Gimp.Display.id_is_valid(number):
            Gimp.Display.get_by_id(number).delete()
    for image in Gimp.get_images():
        if image.is_valid():
            image.delete()


DISPLAYS = 500
"""More than one run opens: GIMP counts them, and lists them to nobody."""


# Procedures

def call(name, image, drawables=None, **arguments):
    """Runs a procedure as a script would. Returns (the status' name, what it gave back or said)."""
    procedure = Gimp.get_pdb().lookup_procedure("underpaint-" + name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    for argument, value in arguments.items():
        config.set_property(argument.replace("_", "-"), value)
    config.set_core_object_array("drawables", image.get_selected_layers() if drawables is None else drawables)
    values = procedure.run(config)
    status = values.index(0).value_nick
    return status, values.index(1) if status == "success" else Gimp.get_pdb().get_last_error()


def made(name, image, drawables=None, **arguments):
    """The same; fails unless it succeeded. Returns the new layer."""
    status, value = call(name, image, drawables, **arguments)
    check(status == "success", "%s ended with %s: %s", name, status, value)
    return value


def sentence(name, image, drawables=None, **arguments):
    """The same; fails unless it was refused. Returns what the painter is told."""
    layers = len(image.get_layers())
    status, value = call(name, image, drawables, **arguments)
    check(status == "execution-error" and value, "%s ended with %s: %s", name, status, value)
    check(len(image.get_layers()) == layers, "a layer was added")
    check(value[0].isupper() and value.endswith(".") and "Traceback" not in value, "this is no sentence: %s", value)
    return value


# The daemon

def pid():
    """The daemon's process, as it published it; None if it did not."""
    endpoint = find_endpoint()
    return endpoint.pid if endpoint else None


def lives():
    """Whether a daemon answers."""
    try:
        ask("ping")
        return True
    except NotRunning:
        return False


def ask(method, **params):
    """The daemon's answer."""
    with Client.connect() as client:
        return client.call(method, params)


def at_work(steps=3, of=None):
    """Whether a job has taken some steps; `of` so many, because loading and reading have steps, too."""
    try:
        return any(job.get("step", 0) >= steps and of in (None, job.get("steps")) for job in ask("status")["queue"])
    except NotRunning:
        return False


def kill(which=signal.SIGKILL):
    """Ends the daemon."""
    os.kill(pid(), which)


def meanwhile(*acts):
    """A thread that does one thing after the other, which must not touch GIMP. `join` it; it holds its failure."""
    def run():
        try:
            for act in acts:
                act()
        except BaseException as error:
            thread.failure = error
    thread = threading.Thread(target=run, daemon=True)
    thread.failure = None
    thread.start()
    return thread


def joined(thread):
    """Waits for it, and fails if it did."""
    thread.join(WAIT_S)
    if thread.failure is not None:
        raise thread.failure


def settings_file():
    """What tells the plug-in where the program is."""
    return os.path.join(os.environ["UNDERPAINT_E2E_PLUGIN"], "installed.json")


def tiny():
    """The id of the tiny random diffusion model."""
    return next(model["id"] for model in ask("models/list") if "tiny" in model["id"])

