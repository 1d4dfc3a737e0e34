"""How long a painter waits: a selection of one megapixel in a picture of 24, and what the time goes into.

The whole is a procedure's call, from its start as a process to the layer; the parts are measured by running the same code
here, without that process.
"""

import time

from gi.repository import Gegl, Gimp

import job as jobs
import monitor
import picture as pictures
from images import U8, call, check, tiny, woven
from job import Wish

SIZE = (6000, 4000)


def large():
    """24 megapixels of the pattern, an ellipse of one megapixel selected."""
    image = Gimp.Image.new(*SIZE, Gimp.ImageBaseType.RGB)
    layer = Gimp.Layer.new(image, "base", *SIZE, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.get_buffer().set(Gegl.Rectangle.new(0, 0, *SIZE), U8, woven(*SIZE))
    layer.update(0, 0, *SIZE)
    side = int((1e6 * 4 / 3.14159) ** 0.5)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 2400, 1400, side, side)
    Gimp.Selection.feather(image, 20)
    return image


class Parts:
    """Milliseconds by part."""

    def __init__(self):
        self.ms = {}

    def timed(self, owner, method, part):
        """From now on calls of this method are counted to the part."""
        real = getattr(owner, method)

        def counted(*arguments, **named):
            began = time.perf_counter()
            try:
                return real(*arguments, **named)
            finally:
                self.ms[part] = self.ms.get(part, 0) + 1000 * (time.perf_counter() - began)
        setattr(owner, method, counted)
        return real


def from_click_to_layer():
    """Twice with each model: the first call loads it."""
    image = large()
    notes = []
    for name, settings in [("exemplar", {"model": "exemplar"}), ("tiny-sd", {"model": tiny_id(), "steps": 4, "prompt": "a cat"})]:
        for _ in range(2):
            began = time.perf_counter()
            status, value = call("fill", image, **settings)
            whole = 1000 * (time.perf_counter() - began)
            check(status == "success", "%s", value)
            image.remove_layer(value)
        notes.append("%s: whole %.0f ms; %s" % (name, whole, parts(image, settings)))
    return "\n        ".join(notes)


def tiny_id():
    """Starts the daemon, too."""
    small = Gimp.Image.new(64, 64, Gimp.ImageBaseType.RGB)
    call("generate", small, [], model="starter", steps=1, prompt="x")
    small.delete()
    return tiny()


def parts(image, settings):
    """The same request in this process, taken apart."""
    found = Parts()
    kept = [(owner, method, found.timed(owner, method, part)) for owner, method, part in [
        (jobs, "connect", "connect"), (pictures.Target, "visible", "merge"), (pictures.Snapshot, "read", "read"),
        (pictures.Target, "mask", "read selection"), (jobs.Job, "_put", "send"), (jobs.Job, "_do", "job"), (pictures.Target, "insert", "insert")]]
    try:
        target = pictures.Target(image, image.get_layers()[:1])
        fill = jobs.Fill(target, monitor.Monitor("bench", target.is_open), Wish("fill", dict(settings), [], None))
        began = time.perf_counter()
        (layer,) = fill.run()
        whole = 1000 * (time.perf_counter() - began)
    finally:
        for owner, method, real in kept:
            setattr(owner, method, real)
    size = (layer.get_width(), layer.get_height())
    image.remove_layer(layer)
    daemon_ms = fill.timing_ms
    found.ms["of it in the daemon"] = daemon_ms.get("total", 0)
    found.ms["receive"] = found.ms["job"] - daemon_ms.get("total", 0)
    told = ", ".join("%s %.0f" % pair for pair in found.ms.items())
    return "in one process %.0f ms: %s; the daemon's account %s; layer %dx%d" % (
        whole, told, daemon_ms, *size)


ALL = [from_click_to_layer]
