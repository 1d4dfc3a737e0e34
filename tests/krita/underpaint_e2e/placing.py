"""The stories of where a result goes: whatever became of its layer, of the canvas and of what the painter does meanwhile."""

from krita import Krita
from PyQt5 import QtCore

from underpaint import placing as adapter_placing
from underpaint.moment import calm

from .bench import (
    Docker, activated, bounds, check, document, layers, nothing_is_kept, on_a_layer, seen, select, settled, undone, woven,
)
from .filtering import Section
from .painting_live import Brush, Patience
from .returning import LONG
from .scenarios import HOLE, SIZE, filled, spotted, tiled


def grouped(target):
    """Puts a group with a layer into the document, that layer the active one; returns the group."""
    group = target.createGroupLayer("group")
    target.rootNode().addChildNode(group, None)
    inner = target.createNode("inner", "paintlayer")
    inner.setPixelData(QtCore.QByteArray(woven(64, 64)), 10, 10, 64, 64)
    group.addChildNode(inner, None)
    yield from activated(target, inner)
    return group


GONE = [("deleted", lambda target: Krita.instance().action("remove_layer").trigger()), ("flattened", lambda target: target.flatten())]
"""What becomes of the group, and how."""


def group_gone():
    """The group with the active layer goes while the job runs: the result lies on top of what there is, and is seen."""
    docker = Docker()
    docker.show()
    docker.ask("fill", prompt="a cat", model=docker.tiny(), seed="7")
    docker.part("steps").setValue(LONG)
    for how, make in GONE:
        target = spotted()
        group = yield from grouped(target)
        select(target, *HOLE)
        docker.press()
        yield lambda: "step" in docker.words()
        yield from activated(target, group)
        make(target)
        yield lambda: len(layers(target.rootNode())) == 1
        check(docker.busy(), "the fill was too quick for this test: %s", docker.words())
        yield docker.idle
        found = layers(target.rootNode())
        check(len(found) == 2 and found[-1].name() == "a cat (7)", "%s: the layers are %s, and the docker says: %s", how,
              [node.name() for node in found], docker.words())
        yield from settled()
        middle = (HOLE[0] + HOLE[2] // 2, HOLE[1] + HOLE[3] // 2, 1, 1)
        check(seen(target, *middle) == pixels(found[-1], middle), "%s: the result is not seen", how)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return ", ".join(how for how, _ in GONE)


MARGIN = 64


def asked_to_expand(docker, **margins):
    """Sets what is to be painted: beyond the picture, by so many pixels."""
    docker.ask("expand", prompt="a photo of a cat", model=docker.tiny(), seed="3")
    docker.part("steps").setValue(4)
    for side in ("left", "top", "right", "bottom"):
        docker.part("expand_" + side).setValue(margins.get(side, 0))


def forgotten(docker):
    """Leaves nothing behind for the scenario that follows."""
    asked_to_expand(docker)
    docker.part("batch").setValue(1)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")


def size(target):
    """The canvas's."""
    return target.width(), target.height()


def pixels(layer, rect):
    """What a layer holds there."""
    return bytes(layer.pixelData(*rect))


def expands_again_after_undo():
    """A picture of a batch is placed, the layer and the larger canvas are undone, and another is chosen: the canvas grows again,
    and both are shown and lie where they belong. What comes after that finds the room there."""
    docker = Docker()
    docker.arrange()
    target = spotted()
    asked_to_expand(docker, left=MARGIN, top=MARGIN)
    docker.part("batch").setValue(2)
    docker.press()
    yield docker.idle
    choice, glass = docker.part("choice"), docker.widget._results._glass
    check(choice.count() == 2, "there are %d pictures to choose from: %s", choice.count(), docker.words())
    whole = (0, 0, SIZE[0] + MARGIN, SIZE[1] + MARGIN)

    def chosen(at, count):
        choice.itemClicked.emit(choice.item(at))
        yield lambda: len(layers(target.rootNode())) == count + 1
        yield from settled()
        check(size(target) == whole[2:], "the canvas is %s", size(target))
        return pixels(layers(target.rootNode())[count], whole)

    def hovered():
        choice.itemEntered.emit(choice.item(0))
        shown = glass._rect.getRect()
        choice.hovered.emit(-1)
        return shown
    check(hovered() == (-MARGIN, -MARGIN) + whole[2:], "before, it is shown at %s", hovered())
    first = yield from chosen(0, 1)
    check(hovered() == whole, "on the larger canvas, it is shown at %s", hovered())
    yield from undone()
    yield from undone()
    check(size(target) == SIZE and len(layers(target.rootNode())) == 1, "undo leaves a canvas of %s", size(target))
    check(hovered() == (-MARGIN, -MARGIN) + whole[2:], "after undo, it is shown at %s", hovered())
    second = yield from chosen(1, 1)
    again = yield from chosen(0, 2)
    check(again == first and second != first, "the same picture lies elsewhere")
    check(max(first[3::4][:MARGIN]) == 255 and max(second[3::4][:MARGIN]) == 255, "the corner is empty")
    check(seen(target, MARGIN + 200, MARGIN + 150, 50, 50) == cut(woven(*SIZE), (200, 150, 50, 50)), "the picture itself moved elsewhere")
    docker.part("choice_close").click()
    forgotten(docker)
    return docker.words()


def cut(data, rect):
    """A part of a picture as large as the canvas."""
    x, y, width, height = rect
    return b"".join(data[(row * SIZE[0] + x) * 4:(row * SIZE[0] + x + width) * 4] for row in range(y, y + height))


def queued_behind_an_expand():
    """A fill, and another side to expand, wait while the canvas is enlarged: both lie where they would have without."""
    docker = Docker()
    target = spotted()
    yield on_a_layer(target)
    select(target, *HOLE)
    docker.ask("fill", prompt="a photo of a cat", model=docker.tiny(), seed="5")
    docker.part("steps").setValue(4)
    docker.press()
    yield from filled(docker, target, 1)
    alone = layers(target.rootNode())[1]
    box = bounds(alone)
    expected = pixels(alone, box)
    yield from undone()
    yield from activated(target, layers(target.rootNode())[0])

    asked_to_expand(docker, left=MARGIN)
    docker.press()
    docker.ask("fill", prompt="a photo of a cat", seed="5")
    docker.press()
    asked_to_expand(docker, top=32, right=16)
    docker.press()
    check(docker.busy(), "they are done at once")
    yield docker.idle
    yield from settled()
    whole = (SIZE[0] + MARGIN + 16, SIZE[1] + 32)
    check(size(target) == whole, "the canvas is %s, and the docker says: %s", size(target), docker.words())
    found = layers(target.rootNode())
    check([layer.name()[-4:] for layer in found[1:]] == [" (3)", " (5)", " (3)"], "the layers are %s", [layer.name() for layer in found])
    _, left, fill, top = found
    moved = (box[0] + MARGIN, box[1] + 32) + box[2:]
    check(bounds(fill) == moved and pixels(fill, moved) == expected, "the fill lies at %s instead of %s", bounds(fill), moved)
    check(bounds(left)[:2] == (0, 32), "what is new to the left lies at %s", bounds(left))
    check(bounds(top)[:2] == (MARGIN, 0) and sum(bounds(top)[::2]) == whole[0], "what is new above lies at %s", bounds(top))
    check("resized" not in docker.words(), "the docker says: %s", docker.words())
    forgotten(docker)
    return "%s became %s" % (SIZE, whole)


def resized_by_the_painter():
    """The painter gives the canvas another size meanwhile: a fill is placed with a word of it, though others are behind it;
    what was to enlarge the canvas is not placed, with another."""
    docker = Docker()
    target = spotted()
    select(target, *HOLE)
    docker.ask("fill", prompt="a photo of a cat", model=docker.tiny(), seed="5")
    docker.part("steps").setValue(LONG)
    docker.press()
    asked_to_expand(docker, left=MARGIN)
    docker.press()
    yield lambda: all(job.id is not None for job in docker.widget._jobs)
    target.resizeImage(0, 0, SIZE[0] - 10, SIZE[1] - 10)
    target.waitForDone()
    check(len(layers(target.rootNode())) == 1, "the fill was too quick for this test: %s", docker.words())
    yield lambda: len(layers(target.rootNode())) == 2
    yield lambda: not docker.part("failure").isHidden() or docker.idle()
    first = docker.part("failure").text()
    check("resized" in first, "of the fill was said: %s; the docker says: %s", first, docker.words())
    yield docker.idle
    check("not placed" in docker.words() and len(layers(target.rootNode())) == 2, "the docker says: %s", docker.words())
    sentence = docker.words()
    yield from nothing_is_kept(docker)
    forgotten(docker)
    return "%s %s" % (first, sentence)


def painting_on():
    """Strokes while the picture is to be read and when the result comes: Krita does not freeze, none is cut, and the next one is
    painted on the same layer. A tool that stays busy is not waited for."""
    docker, patience = Docker(), Patience()
    docker.show()
    target = tiled(1024, 1024)
    lines = target.createNode("lines", "paintlayer")
    target.rootNode().addChildNode(lines, None)
    yield from activated(target, lines)
    select(target, 700, 700, 100, 100)
    brush, limit = Brush(), adapter_placing.PATIENCE_MS
    yield from settled()
    docker.ask(seed="7")

    def drawn(y, enough):
        brush.down(100, y)
        count = since = 0
        while since < 30:
            count += 1
            since += enough()
            brush.move(100 + count % 400, y)
            yield 20

    def jobs():
        return list(docker.widget._jobs)
    try:
        docker.press()
        target.setSelection(None)
        yield from drawn(200, lambda: True)
        check([job.id for job in jobs()] == [None], "the picture was read before the stroke's end")
        brush.up(800, 200)
        yield lambda: all(job.id is not None for job in jobs())
        yield from drawn(300, lambda: any(job.seed is not None for job in jobs()))  # it is here
        check(docker.busy() and len(layers(target.rootNode())) == 2, "the result did not wait for the stroke's end")
        brush.move(800, 300)
        brush.up(800, 300)
        yield lambda: len(layers(target.rootNode())) == 3
        yield docker.idle
        yield from settled()
        check(target.activeNode() == lines, "%s is the active layer", target.activeNode().name())
        after = bounds(lines)
        check(after[0] < 120 and after[0] + after[2] > 780, "the stroke covers %s", after)
        yield from brush.stroke(300, 500, 600, 500)
        yield from settled()
        check(bounds(lines)[3] > after[3] + 150, "the next stroke is not on the layer: %s", bounds(lines))
        yield from undone()
        yield from undone()
        check(bounds(lines) == after and len(layers(target.rootNode())) == 2, "undo leaves %s", bounds(lines))

        adapter_placing.PATIENCE_MS = 50
        select(target, 700, 700, 100, 100)
        Krita.instance().action("KisToolTransform").trigger()
        yield lambda: not calm(target)
        docker.press()
        yield docker.idle
        check(len(layers(target.rootNode())) == 3, "the docker says: %s", docker.words())
    finally:
        brush.up()
        Krita.instance().action("KritaShape/KisToolBrush").trigger()
        adapter_placing.PATIENCE_MS = limit
        patience.stop()
    return docker.words()


def filters_a_blended_layer():
    """A layer that multiplies, half transparent: its filtered copy is blended alike, and the docker says what to hide. Hidden,
    the picture is that of the filtered layer; one undo step."""
    docker = Docker()
    docker.show()
    section = Section(docker)
    target = document(woven(*SIZE), *SIZE)
    shade = target.createNode("shade", "paintlayer")
    shade.setPixelData(QtCore.QByteArray(b"\xff\xff\xff\xff" * (SIZE[0] * SIZE[1] // 2) + b"\x80\x80\x80\xff" * (SIZE[0] * SIZE[1] // 2)), 0, 0, *SIZE)
    target.rootNode().addChildNode(shade, None)
    shade.setBlendingMode("multiply")
    shade.setOpacity(128)
    shade.setInheritAlpha(True)
    target.refreshProjection()
    yield from activated(target, shade)
    section.begin("film-grain")
    section.slide(0, "strength", 0)  # the layer as it is
    yield lambda: docker.part("apply").text() == "Apply to layer"
    before = seen(target)
    docker.part("apply").click()
    yield docker.idle
    yield from settled()
    copy = layers(target.rootNode())[2]
    held = copy.blendingMode(), copy.opacity(), copy.inheritAlpha()
    check(held == ("multiply", 128, True), "the copy is blended as %s", held)
    sentence = docker.words()
    check(sentence.startswith("Done") and "“shade”" in sentence and "hide" in sentence, "the docker says: %s", sentence)
    shade.setVisible(False)
    target.refreshProjection()
    off = max(abs(a - b) for a, b in zip(seen(target), before))
    check(off <= 2, "the copy alone makes another picture, by up to %d", off)
    shade.setVisible(True)
    target.refreshProjection()
    yield from undone()
    check(len(layers(target.rootNode())) == 2 and seen(target) == before, "one undo does not bring the picture back")
    section.end()
    return sentence


ALL = [
    group_gone, expands_again_after_undo, queued_behind_an_expand, resized_by_the_painter, painting_on, filters_a_blended_layer,
]
