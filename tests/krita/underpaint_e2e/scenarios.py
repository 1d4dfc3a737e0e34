"""The stories. Each is a generator: it yields milliseconds, or a predicate to wait for, and returns a note."""

import os
import signal

from krita import Krita
from PyQt5 import QtWidgets

from underpaint import document as adapter_document
from underpaint import placing as adapter_placing

from .bench import (
    SRGB, Docker, Heartbeat, activated, bounds, check, daemon_lives, daemon_pid, document, kill_daemon, layers, no_dialog,
    photograph, screenshot, seen, select, settled, undone, woven,
)

SIZE = (320, 240)
SPOT = (130, 90, 60, 50)
HOLE = (120, 80, 80, 70)
"""The selection: the red spot and a little around it."""
PAUSE = "longest pause of the event loop %.0f ms, of which it computed %.0f ms"
PAUSE_MS = 250
"""The longest that this thread may compute without the event loop coming round. On the wall's clock the aim is the same, but
only what does not depend on the machine's other work is asserted."""
SOFT = 8
"""Feather of the soft selection, in pixels."""


def spotted(space=("RGBA", "U8", SRGB)):
    """A woven picture with a red spot to get rid of."""
    return document(woven(*SIZE, spot=SPOT), *SIZE, space=space)


def filled(docker, target, count):
    """Waits for a fill to end well and the document to have `count` layers more than its base."""
    yield docker.idle
    check(docker.words().startswith("Done"), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 1 + count, "%d layers", len(layers(target.rootNode())))
    check(no_dialog(), "a dialog came up")
    yield from settled()


def reddish(pixels):
    """How many pixels are nearly pure red."""
    return sum(1 for b, g, r in zip(pixels[0::4], pixels[1::4], pixels[2::4]) if r > 200 and g < 60 and b < 60)


def grown(box, by):
    """A rect grown on all sides and cut to the canvas."""
    x, y, width, height = box
    left, top = max(0, x - by), max(0, y - by)
    return left, top, min(SIZE[0], x + width + by) - left, min(SIZE[1], y + height + by) - top


def contains(outer, inner):
    """Whether one rect lies within another."""
    return (outer[0] <= inner[0] and outer[1] <= inner[1] and outer[0] + outer[2] >= inner[0] + inner[2]
            and outer[1] + outer[3] >= inner[1] + inner[3])


def starts_with_the_docker():
    """The docker is shown, nobody listens: it starts the daemon by itself and learns what it offers."""
    docker = Docker()
    docker.show()
    yield lambda: docker.part("model").count() > 0
    check(daemon_lives(), "there are models, but no daemon")
    models = [docker.part("model").itemText(index) for index in range(docker.part("model").count())]
    check(models[0] == "Automatic" and "Starter" in models, "the models are %s", models)
    check(docker.part("model").currentIndex() == 0, "%s is chosen by itself", docker.part("model").currentText())
    check(docker.part("prompt").isEnabled(), "without a chosen model no words can be written")
    check(not docker.part("mode_generate").isHidden(), "Generate is not offered although Starter is here")
    return "models %s" % models


def no_program():
    """The daemon is gone and the program is not where the setting says: a sentence, nothing else happens."""
    docker = Docker()
    kill_daemon()
    yield lambda: "stopped" in docker.words()
    yield lambda: not daemon_lives()
    docker.part("program").setText("/nowhere/underpaint")
    target = spotted()
    select(target, *HOLE)
    docker.press()
    yield docker.idle
    check("/nowhere/underpaint" in docker.words() and no_dialog(), "the docker says: %s", docker.words())
    check(not daemon_lives(), "a daemon runs although none could be found")
    check(len(layers(target.rootNode())) == 1, "a layer appeared from nowhere")
    docker.part("program").setText("")
    return docker.words()


def starts_the_daemon():
    """Nobody listens: pressing the button starts the program and the fill goes through."""
    check(not daemon_lives(), "a daemon runs before the test")
    docker = Docker()
    target = spotted()
    select(target, *HOLE)
    docker.ask()
    docker.press()
    yield from filled(docker, target, 1)
    check(daemon_lives(), "the fill worked, but there is no daemon")
    return docker.words()


def fills_a_soft_selection():
    """The main job: a new layer with soft alpha above the active one; nothing else changes; one undo step; redo."""
    docker = Docker()
    target = spotted()
    select(target, *HOLE, feather=SOFT)
    before, base = seen(target), layers(target.rootNode())[0]
    base_before = bytes(base.pixelData(0, 0, *SIZE))
    check(reddish(before) == SPOT[2] * SPOT[3], "%d red pixels", reddish(before))
    docker.ask(seed="7")
    heart = Heartbeat()
    docker.press()
    check(docker.label() == "Queue" and docker.busy(), "the button says %s", docker.label())
    yield docker.idle
    gap = heart.stop()
    yield from filled(docker, target, 1)
    yield from settled()

    layer = layers(target.rootNode())[1]
    check(layer.name().endswith("(7)"), "the layer is called %s", layer.name())
    yield lambda: target.activeNode() == layer
    softness = 3 * SOFT + 40
    check(contains(grown(HOLE, softness), bounds(layer)), "the layer covers %s", bounds(layer))
    after = seen(target)
    alpha = bytes(layer.pixelData(0, 0, *SIZE))[3::4]
    levels = set(alpha)
    check(0 in levels and max(levels) == 255 and len(levels) > 10, "alpha has %d levels", len(levels))
    changed = [at for at in range(len(alpha)) if before[at * 4:at * 4 + 4] != after[at * 4:at * 4 + 4]]
    check(changed, "nothing changed")
    check(all(alpha[at] for at in changed), "a pixel changed where the layer is transparent")
    check(bytes(base.pixelData(0, 0, *SIZE)) == base_before, "the layer below was written to")
    check(reddish(after) == 0, "%d pixels of the spot are still red", reddish(after))
    inside, around = spread(after, SPOT), spread(before, (20, 20, 80, 50))
    check(0.5 < inside / around < 1.5, "texture inside %.1f, in the picture %.1f", inside, around)

    yield from undone()
    yield lambda: len(layers(target.rootNode())) == 1
    check(seen(target) == before, "undo does not bring back the picture as it was")
    yield from undone("edit_redo")
    yield lambda: len(layers(target.rootNode())) == 2
    check(seen(target) == after, "redo does not bring back the fill")
    return "alpha levels %d, layer %s, %s" % (len(levels), bounds(layer), PAUSE % gap)


def spread(pixels, box):
    """The mean absolute step from pixel to pixel of green along the rows of a box: how much texture there is."""
    x, y, width, height = box
    total = 0
    for row in range(y, y + height):
        at = (row * SIZE[0] + x) * 4 + 1
        line = pixels[at:at + width * 4:4]
        total += sum(abs(a - b) for a, b in zip(line, line[1:]))
    return total / (height * (width - 1))


def nothing_selected():
    """No selection: a sentence, no layer."""
    docker = Docker()
    target = spotted()
    for mode in ("fill", "remove"):
        docker.ask(mode)
        docker.press()
        yield docker.idle
        check("Nothing is selected" in docker.words(), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 1 and no_dialog(), "something happened to the document")
    return docker.words()


def no_document():
    """No picture open: a sentence."""
    docker = Docker()
    docker.press()
    yield docker.idle
    check("picture first" in docker.words() and no_dialog(), "the docker says: %s", docker.words())
    return docker.words()


def selection_beyond_the_canvas():
    """Partly outside: the part inside is filled. Wholly outside: a sentence."""
    docker = Docker()
    target = spotted()
    select(target, -40, -30, 100, 80)
    docker.ask("remove")
    docker.press()
    yield from filled(docker, target, 1)
    box = bounds(layers(target.rootNode())[1])
    check(contains((0, 0) + SIZE, box), "the layer reaches out of the canvas: %s", box)
    check(box[0] == 0 and box[1] == 0, "the corner is not covered: %s", box)
    select(target, SIZE[0] + 20, 10, 50, 50)
    docker.press()
    yield docker.idle
    check("outside the picture" in docker.words(), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 2, "a layer was added")
    return docker.words()


def mask_active():
    """A transparency mask is active, in a layer in a group: the result goes above that layer, into the group."""
    docker = Docker()
    target = spotted()
    group = target.createGroupLayer("group")
    target.rootNode().addChildNode(group, None)
    inner = target.createNode("inner", "paintlayer")
    inner.setPixelData(adapter_document.QtCore.QByteArray(woven(64, 64)), 10, 10, 64, 64)
    group.addChildNode(inner, None)
    mask = target.createNode("mask", "transparencymask")
    inner.addChildNode(mask, None)
    yield from activated(target, mask)
    select(target, *HOLE)
    docker.ask()
    docker.press()
    yield docker.idle
    check(docker.words().startswith("Done"), "the docker says: %s", docker.words())
    inside = [node.type() for node in group.childNodes()]
    check(inside == ["paintlayer", "paintlayer"], "the group holds %s", inside)
    check(group.childNodes()[0].name() == "inner", "the result is below the active layer")
    return "group holds %s" % [node.name() for node in group.childNodes()]


def anchor_deleted():
    """The active layer is deleted while the job runs: the result goes on top."""
    docker = Docker()
    target = spotted()
    extra = target.createNode("extra", "paintlayer")
    target.rootNode().addChildNode(extra, None)
    yield from activated(target, extra)
    select(target, *HOLE)
    docker.ask()
    docker.press()
    extra.remove()
    yield from filled(docker, target, 1)
    names = [node.name() for node in layers(target.rootNode())]
    check(names[0] == "base", "the layers are %s", names)
    return "layers %s" % names


def two_documents():
    """The result goes to the document the job was started on, whatever is in front when it comes."""
    docker = Docker()
    first = spotted()
    select(first, *HOLE)
    docker.ask()
    docker.press()
    second = document(woven(200, 150), 200, 150)
    check(Krita.instance().activeDocument() == second, "the second document did not come to the front")
    yield from filled(docker, first, 1)
    check(len(layers(second.rootNode())) == 1, "the layer went to the wrong document")
    return ""


def closed_meanwhile():
    """The document is closed while the job runs: a sentence, and the docker is ready for the next."""
    docker = Docker()
    target = large()
    yield from settled()  # a view that is still being built must not be closed by a script: Krita crashes
    docker.ask()
    docker.press()
    yield lambda: "Painting" in docker.words() or docker.idle()
    check(docker.busy(), "the fill was too quick for this test: %s", docker.words())
    target.setModified(False)
    target.close()
    yield docker.idle
    check("closed" in docker.words() and no_dialog(), "the docker says: %s", docker.words())
    sentence = docker.words()
    yield lambda: Krita.instance().activeDocument() is None
    yield from settled()  # Krita takes the old view apart; it crashes when a script opens another meanwhile
    again = spotted()
    select(again, *HOLE)
    docker.press()
    yield from filled(docker, again, 1)
    return sentence


def tiled(width, height):
    """A woven picture of any size, quickly made."""
    tile = woven(256, 128)
    rows = [(tile[y * 1024:y * 1024 + 1024] * (width // 256 + 1))[:width * 4] for y in range(128)]
    return document(b"".join(rows[y % 128] for y in range(height)), width, height)


def large():
    """A picture and a selection so large that the fill takes much longer than it takes to notice that it began."""
    target = tiled(3200, 2400)
    select(target, 300, 200, 2600, 2000)
    return target


def stays_responsive():
    """While 64 MiB of pixels and 12 MiB of selection are read and sent, the event loop comes round all the time."""
    docker = Docker()
    target = tiled(4096, 4096)
    select(target, 300, 300, 3500, 3500)
    yield from settled()
    heart = Heartbeat()
    yield 1000
    idle = heart.stop()
    docker.ask()
    heart = Heartbeat()
    docker.press()
    yield lambda: "Painting" in docker.words() or docker.idle()
    gap = heart.stop()
    check(gap[1] < PAUSE_MS, PAUSE, *gap)
    docker.cancel()
    yield docker.idle
    check(docker.words().startswith("Cancelled"), "the docker says: %s", docker.words())
    return PAUSE % gap + "; %.0f ms while nothing was done" % idle[0]


def cancelled():
    """Cancel ends the job soon, leaves the picture alone, and the next fill works."""
    docker = Docker()
    target = large()
    docker.ask()
    docker.press()
    yield lambda: "Painting" in docker.words() or docker.idle()
    check(docker.busy(), "the fill was too quick for this test: %s", docker.words())
    docker.cancel()
    yield docker.idle
    check(docker.words().startswith("Cancelled"), "the docker says: %s", docker.words())
    check(len(layers(target.rootNode())) == 1, "a layer was added")
    small = spotted()
    select(small, *HOLE)
    docker.press()
    yield from filled(docker, small, 1)
    return ""


def daemon_killed():
    """kill -9 during a job: a sentence, the docker is ready, and the next fill starts a new daemon."""
    docker = Docker()
    target = large()
    docker.ask()
    docker.press()
    yield lambda: "Painting" in docker.words() or docker.idle()
    check(docker.busy(), "the fill was too quick for this test: %s", docker.words())
    return (yield from goes_on_without_daemon(docker, target))


def goes_on_without_daemon(docker, target):
    """Kills it. Waits for the job to end without a layer on its target, then for another fill. Returns the sentence that tells of
    the first."""
    old = daemon_pid()
    kill_daemon()
    yield docker.idle
    sentence = docker.words()
    check("stopped" in sentence and no_dialog(), "the docker says: %s", sentence)
    check(len(layers(target.rootNode())) == 1, "a layer was added")
    small = spotted()
    select(small, *HOLE)
    docker.press()
    yield from filled(docker, small, 1)
    check(daemon_lives() and daemon_pid() != old, "no new daemon was started")
    return sentence


def daemon_restarted():
    """A daemon that ends while nothing is under way: a sentence; when somebody starts one, the docker finds it."""
    docker = Docker()
    docker.show()  # one that nobody sees does not look
    old = daemon_pid()
    kill_daemon(signal.SIGTERM)
    yield lambda: "stopped" in docker.words()
    yield lambda: not daemon_lives()
    from underpaint.daemon import find_program, start_program
    check(start_program(find_program(), os.devnull), "the daemon could not be started")
    yield lambda: docker.words() == ""
    check(daemon_pid() != old, "it is the same daemon")
    target = spotted()
    select(target, *HOLE)
    docker.press()
    yield from filled(docker, target, 1)
    return ""


def paints_with_a_diffusion_model():
    """A (tiny, random) diffusion model of the painter's own: the whole canvas from a prompt, then a selection, with
    steps and previews to be seen."""
    docker = Docker()
    docker.arrange()
    tiny = docker.tiny()
    docker.ask("fill", model="exemplar")
    check(docker.part("prompt").isEnabled() is False, "the built-in fill seems to read prompts")
    target = spotted()
    docker.ask("fill", model=tiny)
    docker.ask("generate", prompt="a photo of a cat", seed="5")
    check(docker.part("prompt").isEnabled(), "the prompt cannot be written to")
    yield from previewed(docker, "krita-preview.png")
    docker.part("steps").setValue(20)
    docker.press()
    yield from filled(docker, target, 1)
    whole = layers(target.rootNode())[1]
    check(whole.name() == "a photo of a cat (5)", "the layer is called %s", whole.name())
    check(bounds(whole) == (0, 0) + SIZE, "the layer covers %s", bounds(whole))

    before = seen(target)
    select(target, *HOLE, feather=SOFT)
    docker.ask("fill", prompt="a photo of a cat", seed="6")
    yield from previewed(docker)
    docker.part("steps").setValue(20)
    docker.press()
    yield from filled(docker, target, 2)
    patch = layers(target.rootNode())[2]
    alpha, after = bytes(patch.pixelData(0, 0, *SIZE))[3::4], seen(target)
    untouched(before, after, alpha)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return "layers %s" % [node.name() for node in layers(target.rootNode())]


def paints_with_the_starter():
    """The model that comes along: the whole canvas from words, then a selection, then the same with less strength."""
    docker = Docker()
    docker.ask("fill", model="starter")
    check(docker.part("model").currentText() == "Starter", "it is called %s", docker.part("model").currentText())
    own = docker.part("steps").specialValueText()
    check(any(letter.isdigit() for letter in own), "its number of steps is not told: %s", own)
    target = document(bytes(SIZE[0] * SIZE[1] * 4), *SIZE)
    docker.ask("generate", prompt="the sea at dusk, oil painting", seed="5")
    yield from previewed(docker)
    docker.press()
    yield from filled(docker, target, 1)
    whole = layers(target.rootNode())[1]
    check(bounds(whole) == (0, 0) + SIZE, "the layer covers %s", bounds(whole))
    pixels = bytes(whole.pixelData(0, 0, *SIZE))
    check(min(pixels[3::4]) == 255, "the picture has holes")
    check(len(set(zip(pixels[0::4], pixels[1::4], pixels[2::4]))) > 500, "hardly anything is painted")

    before = seen(target)
    yield from activated(target, whole)  # Krita does that itself, but a moment later; what is painted comes above the active layer
    select(target, *HOLE, feather=SOFT)
    docker.ask("fill", prompt="storm clouds", seed="6")
    docker.part("steps").setValue(6)  # what is asked of the fills holds after any number
    docker.press()
    yield from filled(docker, target, 2)
    strong = bytes(layers(target.rootNode())[2].pixelData(0, 0, *SIZE))
    untouched(before, seen(target), strong[3::4])
    check(max(strong[3::4]) == 255 and before != seen(target), "nothing was painted")

    layers(target.rootNode())[2].remove()
    target.refreshProjection()
    target.waitForDone()
    yield from activated(target, whole)
    docker.part("strength").setValue(40)
    docker.press()
    yield from filled(docker, target, 2)
    weak = bytes(layers(target.rootNode())[2].pixelData(0, 0, *SIZE))
    untouched(before, seen(target), weak[3::4])
    check(weak != strong, "the strength makes no difference")
    docker.part("strength").setValue(100)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return own


def untouched(before, after, alpha):
    """Fails if a pixel changed where the layer is transparent."""
    changed = [at for at in range(len(alpha)) if not alpha[at] and before[at * 4:at * 4 + 4] != after[at * 4:at * 4 + 4]]
    check(not changed, "%d pixels changed where the layer is transparent", len(changed))


def previewed(docker, name=None):
    """Asks for what takes long, until the docker shows the picture as it becomes, with the step it is at. Then it is cancelled.
    `name`: what a picture of it is called."""
    said = []

    def shown():
        on_canvas = docker.window.findChild(QtWidgets.QWidget, "underpaint_on_canvas")
        return not docker.part("preview").isHidden() or on_canvas is not None and on_canvas.isVisible()

    def preview_or_end():
        said.append(docker.words())
        return shown() or docker.idle()
    docker.paint_for_long()
    docker.press()
    yield preview_or_end
    check(shown(), "no preview was shown; the docker said %s", sorted(set(said)))
    if name is not None:
        yield from screenshot(name)
    docker.cancel()
    yield docker.idle
    check(docker.words().startswith("Cancelled"), "the docker says: %s", docker.words())
    docker.paint_for_long(False)


# Colour model, depth, profile, and how far a pixel may be, on average and at most, from what Krita shows of the same picture
# when it brings it into such a document itself. Of ink and grey nothing more can be said: there and back is not the identity
# (with Krita's perceptual intent mid grey comes back darker, and in 5.3 twice as much as before).
SPACES = [
    ("RGBA", "U16", SRGB, 0.5, 2),
    ("RGBA", "F16", "sRGB-elle-V2-g10.icc", 0.5, 2),
    ("RGBA", "F32", "sRGB-elle-V2-g10.icc", 0.5, 2),
    ("CMYKA", "U8", "Chemical proof", 0.5, 2),
    ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc", 0.5, 2),
    ("LABA", "U16", "Lab identity built-in", 0.5, 3),
]


def every_colour_model():
    """The result looks, in each kind of document, as the daemon meant it; one undo step each."""
    docker = Docker()
    notes = []
    for *space, mean_limit, furthest_limit in SPACES:
        space = tuple(space)
        target = spotted(space)
        check((target.colorModel(), target.colorDepth()) == space[:2], "Krita made %s %s of %s", target.colorModel(),
              target.colorDepth(), space)
        select(target, *HOLE, feather=SOFT)
        before = seen(target)
        patches = Spy()
        docker.ask()
        docker.press()
        yield docker.idle
        patches.stop()
        yield from filled(docker, target, 1)
        layer = layers(target.rootNode())[1]
        check((layer.colorModel(), layer.colorDepth()) == space[:2], "the layer is %s %s", layer.colorModel(), layer.colorDepth())
        mean, furthest = distance(patches.patch, target)
        check(mean <= mean_limit and furthest <= furthest_limit, "%s: pixels are %.2f, at most %d, away from what the "
              "daemon sent", space, mean, furthest)
        after = seen(target)
        x, y, width, height = bounds(layer)
        outside = [at for at in range(0, len(before), 4) if not (
            x <= at // 4 % SIZE[0] < x + width and y <= at // 4 // SIZE[0] < y + height)]
        check(all(before[at:at + 4] == after[at:at + 4] for at in outside), "%s: a pixel changed outside the layer", space)
        yield from undone()
        yield lambda: len(layers(target.rootNode())) == 1
        check(seen(target) == before, "%s: undo does not bring back the picture", space)
        notes.append("%s/%s %.2f, %d" % (space[0], space[1], mean, furthest))
    return "mean and furthest difference: " + "; ".join(notes)


class Spy:
    """Notes the patch that the adapter places."""

    def __init__(self):
        self.patch = None
        self._real = adapter_placing.new_layer

        def new_layer(target, patch, name):
            self.patch = patch
            return self._real(target, patch, name)
        adapter_placing.new_layer = new_layer

    def stop(self):
        """Takes the spy out again."""
        adapter_placing.new_layer = self._real


def distance(patch, target):
    """(mean, largest) difference, over the channels, of the patch's opaque pixels from what Krita shows where it brings the
    patch's picture into such a document itself."""
    x, y, width, height = patch.rect
    meant = bytes(patch.pixels)
    own = Krita.instance().createDocument(width, height, "own", "RGBA", "U8", SRGB, 72.0)
    own.setBatchmode(True)
    own.rootNode().childNodes()[0].setPixelData(adapter_document.QtCore.QByteArray(meant), 0, 0, width, height)
    own.setColorSpace(target.colorModel(), target.colorDepth(), target.colorProfile())
    own.refreshProjection()
    shown, wanted = seen(target, x, y, width, height), seen(own)
    own.setModified(False)
    own.close()
    opaque = [at for at in range(0, len(meant), 4) if meant[at + 3] == 255]
    found = [abs(shown[at + c] - wanted[at + c]) for at in opaque for c in range(3)]
    return sum(found) / len(found), max(found)


def picture_for_the_readme():
    """A photograph, a selection, and the docker as a painter sees it, before and after."""
    docker = Docker()
    docker.arrange(tall=True)
    target, marked = photograph("raccoon")
    yield from settled()
    target.setSelection(marked)
    docker.ask("remove")
    yield from screenshot("krita-before.png")
    docker.press()
    yield from filled(docker, target, 1)
    target.setSelection(None)
    yield from screenshot("krita.png")
    return docker.words()


picture_for_the_readme.once = paints_with_the_starter.once = True

ALL = [
    starts_with_the_docker, no_program, starts_the_daemon, fills_a_soft_selection, nothing_selected, no_document,
    selection_beyond_the_canvas, mask_active, anchor_deleted, two_documents, closed_meanwhile, stays_responsive, cancelled,
    daemon_killed, daemon_restarted, paints_with_a_diffusion_model, paints_with_the_starter, every_colour_model, picture_for_the_readme,
]
