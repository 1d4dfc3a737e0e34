"""The stories of a docker at work: modes chosen by what is selected, a larger canvas, another background, a batch to choose
from, the queue, words remembered and weighed."""

import re

from PyQt5 import QtCore, QtGui, QtWidgets

from underpaint import job as adapter_job
from underpaint import ledger
from underpaint import placing as adapter_placing
from underpaint.connection import Connection
from underpaint.document import Target
from underpaint.docker import UnderpaintDocker
from underpaint.placing import placed
from underpaint.story import Story, next_turn
from underpaint.underpaint_client import Patch, find_endpoint

from .bench import (
    Docker, check, document, layers, no_dialog, nothing_is_kept, photograph, screenshot, seen, select, settled, undone, woven,
)
from .scenarios import HOLE, SIZE, SOFT, filled, previewed, spotted, untouched

KEPT = 220
"""How wide the picture is on a canvas that is empty beside it."""


def half_empty():
    """A canvas whose right third is transparent. Its layer is another than the one Krita makes with a document: that one is white
    wherever nothing was painted."""
    target = document(woven(*SIZE), *SIZE)
    old = layers(target.rootNode())[0]
    layer = target.createNode("part", "paintlayer")
    layer.setPixelData(QtCore.QByteArray(woven(KEPT, SIZE[1])), 0, 0, KEPT, SIZE[1])
    target.rootNode().addChildNode(layer, None)
    old.remove()
    target.refreshProjection()
    target.waitForDone()
    return target


def modes_follow_the_selection():
    """Nothing selected, less strength, a selection, an empty margin, a selection that reaches into it; then a mode that the
    painter chose, which stays."""
    docker = Docker()
    docker.show()
    docker.ask("fill", model="")
    docker.part("mode_auto").click()
    seen_labels = []

    def says(label):
        seen_labels.append(label)
        return lambda: docker.label() == label
    target = spotted()
    yield says("Generate")
    docker.part("strength").setValue(50)
    yield says("Refine")
    select(target, *HOLE)
    yield says("Fill")
    docker.part("strength").setValue(100)
    target.setSelection(None)
    yield says("Generate")
    second = half_empty()
    yield says("Expand")
    select(second, 20, 20, 50, 50)
    yield says("Fill")
    select(second, KEPT - 20, 20, 50, 50)
    yield says("Expand")
    docker.part("mode_remove").click()
    check(docker.label() == "Remove" and not docker.part("mode_auto").isChecked(), "the button says %s", docker.label())
    second.setSelection(None)
    yield 1000
    check(docker.label() == "Remove", "a mode that was chosen did not stay: %s", docker.label())
    docker.ask("remove", model="exemplar")
    offered = [mode for mode in ("generate", "fill", "expand", "add", "remove", "background") if not docker.part("mode_" + mode).isHidden()]
    check(offered == ["fill", "remove"], "the built-in fill is said to have %s", offered)
    docker.ask("fill", model="")
    docker.part("mode_auto").click()
    yield says("Expand")
    docker.ask("fill")
    return ", ".join(seen_labels)


def undo_steps(target, before, most=4):
    """How often undo is pressed until the picture is what it was."""
    for count in range(1, most + 1):
        yield from undone()
        if (target.width(), target.height()) == SIZE and seen(target) == before and len(layers(target.rootNode())) == 1:
            return count
    check(False, "%d times undo do not bring back the picture", most)


def expands_the_canvas():
    """The canvas grows to the right and above; the picture stays as it was where the layer is transparent."""
    docker = Docker()
    docker.arrange()
    target = spotted()
    before = seen(target)
    docker.ask("expand", prompt="a photo of a cat", model=docker.tiny(), seed="3")
    docker.part("expand_right").setValue(128)
    docker.part("expand_top").setValue(64)
    yield from previewed(docker, "krita-expand.png")
    docker.part("steps").setValue(20)
    docker.press()
    yield from filled(docker, target, 1)
    check((target.width(), target.height()) == (SIZE[0] + 128, SIZE[1] + 64), "the canvas is %d x %d", target.width(), target.height())
    layer = layers(target.rootNode())[1]
    alpha = bytes(layer.pixelData(0, 0, target.width(), target.height()))[3::4]
    check(min(alpha[:target.width() * 50]) == 255, "the new strip above is not filled")
    check(alpha[(64 + 200) * target.width() + 20] == 0, "the old picture is painted over far from the strips")
    old, inside = seen(target, 0, 64, *SIZE), b"".join(alpha[(64 + y) * target.width():(64 + y) * target.width() + SIZE[0]] for y in range(SIZE[1]))
    untouched(before, old, inside)
    steps = yield from undo_steps(target, before)
    check(steps == 2, "%d steps undo it", steps)

    docker.part("expand_right").setValue(0)
    docker.part("expand_top").setValue(0)
    docker.press()
    yield docker.idle
    check("canvas is full" in docker.words(), "the docker says: %s", docker.words())
    target = half_empty()
    yield from settled()
    before = seen(target)
    docker.press()
    yield from filled(docker, target, 1)
    alpha = bytes(layers(target.rootNode())[1].pixelData(0, 0, *SIZE))[3::4]
    untouched(before, seen(target), alpha)
    check(all(alpha[y * SIZE[0] + KEPT + 5] == 255 and alpha[y * SIZE[0] + 20] == 0 for y in range(SIZE[1])), "the empty part was not filled")
    steps = yield from undo_steps(target, before)
    check(steps == 1, "%d steps undo it", steps)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return "two undo steps with a larger canvas, one on an empty one"


def paints_a_background():
    """What is selected stays, softly; the rest is painted."""
    docker = Docker()
    target = spotted()
    docker.ask("background", prompt="a forest", model=docker.tiny())
    docker.press()
    check("what is to stay" in docker.words(), "the docker says: %s", docker.words())
    select(target, 60, 40, 200, 160, feather=SOFT)
    before = seen(target)
    docker.press()
    yield from filled(docker, target, 1)
    alpha = bytes(layers(target.rootNode())[1].pixelData(0, 0, *SIZE))[3::4]
    middle = SIZE[1] // 2 * SIZE[0] + SIZE[0] // 2
    check(alpha[middle] == 0 and alpha[0] == 255, "alpha is %d in what stays, %d in the corner", alpha[middle], alpha[0])
    untouched(before, seen(target), alpha)
    steps = yield from undo_steps(target, before)
    docker.ask("fill", model="")
    return "%d undo step" % steps


def chooses_from_a_batch():
    """Three pictures: none becomes a layer by itself; hovering shows one on the canvas, a click places it, All the rest."""
    docker = Docker()
    docker.arrange()
    target = spotted()
    select(target, *HOLE, feather=SOFT)
    docker.ask("fill", prompt="a photo of a cat", model=docker.tiny(), seed="11")
    docker.part("batch").setValue(3)
    docker.part("steps").setValue(20)
    docker.press()
    yield docker.idle
    check("3 pictures" in docker.words() and len(layers(target.rootNode())) == 1, "the docker says: %s", docker.words())
    choice = docker.part("choice")
    check(choice.isVisible() and choice.count() == 3, "there are %d pictures to choose from", choice.count())
    yield from settled()
    glass = docker.widget._results._glass
    choice.itemEntered.emit(choice.item(1))
    check(glass.shown, "hovering shows nothing on the canvas")
    yield from screenshot("krita-batch.png")
    choice.hovered.emit(-1)
    check(not glass.shown, "the picture stays on the canvas")
    choice.itemClicked.emit(choice.item(1))
    yield lambda: len(layers(target.rootNode())) == 2
    check(layers(target.rootNode())[1].name().endswith("(12)"), "the layer is called %s", layers(target.rootNode())[1].name())
    check(choice.isVisible(), "the others are gone")
    docker.part("choice_all").click()
    yield lambda: len(layers(target.rootNode())) == 5
    check(not choice.isVisible(), "the choice stays")
    names = [layer.name()[-4:] for layer in layers(target.rootNode())[1:]]
    check(names == ["(12)", "(11)", "(12)", "(13)"], "from below the layers are %s", names)
    docker.part("batch").setValue(1)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return docker.words()


def chooses_from_one_batch_after_the_other():
    """A batch that comes while another is chosen from waits until that is closed, and the docker says so."""
    docker = Docker()
    docker.show()
    target = spotted()
    select(target, *HOLE)
    docker.part("batch").setValue(2)
    docker.part("steps").setValue(1)
    for seed in ("11", "21"):
        docker.ask("fill", prompt="a cat", model=docker.tiny(), seed=seed)
        docker.press()
    yield docker.idle
    choice, title = docker.part("choice"), docker.widget._choice._title
    check((choice.count(), title.text()) == (2, "Choose from 2, 2 more after these"), "it says %s", title.text())
    choice.itemClicked.emit(choice.item(0))
    yield lambda: len(layers(target.rootNode())) == 2
    docker.part("choice_close").click()
    check((choice.count(), title.text()) == (2, "Choose from 2"), "it says %s of %d", title.text(), choice.count())
    docker.part("choice_all").click()
    yield lambda: len(layers(target.rootNode())) == 4
    check(not choice.isVisible(), "the choice stays")
    names = [layer.name() for layer in layers(target.rootNode())[1:]]
    check(names == ["a cat (11)", "a cat (21)", "a cat (22)"], "from below the layers are %s", names)
    docker.part("batch").setValue(1)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return ", ".join(names)


def cancelled_too_late():
    """Cancel while the picture is done already: nothing of it is kept anywhere. Cancel while it is placed on a larger canvas: the
    docker says what one undo takes back."""
    docker = Docker()
    docker.show()
    target = spotted()
    yield lambda: docker.part("model").findData("tiny-sd") >= 0
    connection = docker.widget._daemon.connection
    call, add = connection.call, adapter_placing._add

    def call_too_late(method, params=None, then=None):
        return None if method == "job/cancel" else call(method, params, then)
    select(target, *HOLE)
    docker.ask("fill", prompt="a cat", model="tiny-sd", seed="3")
    docker.part("steps").setValue(400)
    connection.call = call_too_late
    docker.press()
    yield lambda: "step" in docker.words()
    docker.cancel()
    yield docker.idle
    connection.call = call
    check(docker.words() == adapter_job.UNCHANGED, "the docker says: %s", docker.words())
    check(not connection._conversation._complete, "%d blobs are kept here", len(connection._conversation._complete))
    yield from nothing_is_kept(docker)

    placing = []

    def add_later(*given):
        placing.append(True)
        while placing:
            yield next_turn
        yield from add(*given)
    docker.ask("expand", prompt="a cat", model="tiny-sd", seed="3")
    docker.part("expand_left").setValue(64)
    docker.part("steps").setValue(1)
    adapter_placing._add = add_later
    try:
        docker.press()
        yield lambda: placing
        docker.cancel()
        yield docker.idle
    finally:
        adapter_placing._add = add
        placing.clear()
    sentence = docker.words()
    check(sentence == adapter_job.ENLARGED and target.width() == SIZE[0] + 64, "%d pixels are %s", target.width(), sentence)
    yield from undone()
    check(target.width() == SIZE[0] and len(layers(target.rootNode())) == 1, "one undo leaves %d pixels", target.width())
    docker.part("expand_left").setValue(0)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return sentence


def lines(docker):
    """The lines of the queue, with what they say."""
    column = docker.widget._queue._lines
    found = [column.itemAt(at).widget() for at in range(column.count())]
    return [(line.findChild(QtWidgets.QLabel).text(), line) for line in found]


def queue_of_three():
    """Three of ours and one of another editor: listed with labels only for ours, put in another order, one cancelled in the
    middle, the rest all at once; what was painted before goes where it belongs."""
    docker = Docker()
    docker.arrange()
    target = spotted()
    select(target, *HOLE)
    docker.paint_for_long()
    model = docker.tiny()
    for seed, words in enumerate(("first", "second", "third")):
        docker.ask("fill", prompt=words, model=model, seed=str(seed))
        docker.press()
        check(docker.label() == "Queue", "the button says %s", docker.label())
    yield lambda: "step" in docker.words()
    other = Connection(find_endpoint().socket, "gimp", "1")
    answers = []
    other.ready.connect(lambda: other.call("generate", {"extent": [64, 64], "model": model, "prompt": "secret", "label": "secret",
                                                        "steps": 4}, lambda *answer: answers.append(answer)))
    other.open()
    yield lambda: len(lines(docker)) == 4
    yield lambda: sum(words.startswith("▸ ") for words, _ in lines(docker)) == 1
    said = [words for words, _ in lines(docker)]
    check(said[0] == "▸ first" and not any("secret" in words for words in said), "the queue is %s", said)
    check(any(words.startswith("A picture of") for words in said), "the other editor's job is not told: %s", said)
    yield lambda: "more after it" in docker.words()
    yield from screenshot("krita-queue.png")

    def button(words, part):
        line = next((line for said, line in lines(docker) if said == words), None)
        check(line is not None, "the queue is %s, and the docker says: %s", [said for said, _ in lines(docker)], docker.words())
        return line.findChild(QtWidgets.QToolButton, "underpaint_queued_" + part)
    button("third", "earlier").click()
    yield lambda: [words for words, _ in lines(docker) if words in ("second", "third")] == ["third", "second"]
    button("second", "cancel").click()
    yield lambda: "second" not in [words for words, _ in lines(docker)]
    button("▸ first", "cancel").click()
    yield lambda: any(words == "▸ third" for words, _ in lines(docker)) or docker.idle()
    check(docker.busy() and len(layers(target.rootNode())) == 1, "the docker says: %s", docker.words())
    docker.paint_for_long(False)
    docker.part("steps").setValue(1)
    docker.ask("fill", prompt="last", model=model, seed="9")
    docker.press()
    yield lambda: len(docker.widget._jobs._jobs) == 2 and docker.widget._jobs._jobs[1].id is not None
    docker.cancel()  # what is under way; what waits goes on
    yield docker.idle
    check([layer.name() for layer in layers(target.rootNode())[1:]] == ["last (9)"], "the layers are %s",
          [layer.name() for layer in layers(target.rootNode())])
    yield lambda: target.activeNode() == layers(target.rootNode())[1]
    for words in ("lower", "upper"):  # both from that layer
        docker.ask("fill", prompt=words, model=model, seed="7")
        docker.press()
    yield docker.idle
    names = [layer.name() for layer in layers(target.rootNode())[1:]]
    check(names == ["last (9)", "lower (7)", "upper (7)"], "from below the layers are %s", names)
    docker.paint_for_long()
    for words in ("one", "two"):
        docker.ask("fill", prompt=words, model=model)
        docker.press()
    yield lambda: all(job.id is not None for job in docker.widget._jobs) and len(lines(docker)) >= 2
    docker.part("cancel_all").click()
    yield docker.idle
    check(len(layers(target.rootNode())) == 4 and no_dialog(), "a cancelled job became a layer")
    other.close()
    docker.paint_for_long(False)
    docker.ask("fill", model="")
    yield lambda: not lines(docker)
    check(ledger.entries() == [], "the ledger still holds %s", ledger.entries())
    return ", ".join(said)


def what_was_asked_for_later_lies_on_top():
    """Whichever result comes first, and though it comes while Krita is still busy with the other."""
    target = spotted()
    yield from settled()
    earlier, later, latest = (Target.active() for _ in range(3))
    ended = []
    for one, name in [(later, "later"), (latest, "latest"), (earlier, "earlier"), (later, "later, too")]:
        patch = Patch((0, 0, *SIZE), bytes(SIZE[0] * SIZE[1] * 4), "bgra8", 1)
        Story(placed(one, patch, name), lambda *came: ended.append(came)).start()
    yield lambda: len(ended) == 4
    names = [layer.name() for layer in layers(target.rootNode())[1:]]
    check(names == ["earlier", "later", "later, too", "latest"], "from below the layers are %s", names)
    return ", ".join(names)


def picture_of_a_queue():
    """For the README: a photograph with what is being painted over it, and what waits."""
    docker = Docker()
    docker.arrange(tall=True)
    target, marked = photograph("raccoon")
    yield from settled()
    target.setSelection(marked)
    docker.part("steps").setValue(30)
    for words in ("a cushion of moss and small flowers", "a pile of autumn leaves", "a snow drift"):
        docker.ask("fill", prompt=words, model="starter", seed="")
        docker.press()
    glass = docker.widget._results._glass
    yield lambda: glass.shown and len(lines(docker)) == 3 or docker.idle()
    check(glass.shown, "no preview was shown: %s", docker.words())

    def well_under_way():
        step = re.search(r"step (\d+)", docker.words())
        return step and int(step[1]) >= 6
    yield lambda: well_under_way() or docker.idle()
    yield from screenshot("krita-working.png")
    count = len(layers(target.rootNode()))  # where the screen is slow, one may be done by now
    docker.part("cancel_all").click()
    yield docker.idle
    check(len(layers(target.rootNode())) == count, "what was cancelled became a layer")
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return ""


def key(widget, which, modifier):
    """A key as Krita's window system brings it."""
    for kind in (QtCore.QEvent.ShortcutOverride, QtCore.QEvent.KeyPress):
        event = QtGui.QKeyEvent(kind, which, modifier)
        QtWidgets.QApplication.sendEvent(widget, event)
        check(kind != QtCore.QEvent.ShortcutOverride or event.isAccepted(), "Krita would take the key")


def words_are_remembered_and_weighed():
    """Alt+Up and Down through the prompts of old, which another docker knows, too; Ctrl+Up and Down weigh the word at the cursor."""
    docker = Docker()
    target = spotted()
    select(target, *HOLE)
    prompt = docker.part("prompt")
    for words in ("a red cat", "a blue dog"):
        docker.ask("fill", prompt=words, model=docker.tiny())
        docker.part("steps").setValue(1)
        docker.press()
        yield docker.idle
    prompt.setPlainText("a draft")
    alt, control = QtCore.Qt.AltModifier, QtCore.Qt.ControlModifier
    up, down = QtCore.Qt.Key_Up, QtCore.Qt.Key_Down
    shown = []
    for which in (up, up, down, down, down):
        key(prompt, which, alt)
        shown.append(prompt.toPlainText())
    check(shown == ["a blue dog", "a red cat", "a blue dog", "a draft", "a draft"], "Alt+Up and Alt+Down show %s", shown)
    prompt.setPlainText("a red cat")
    cursor = prompt.textCursor()
    cursor.setPosition(4)
    prompt.setTextCursor(cursor)
    key(prompt, up, control)
    check(prompt.toPlainText() == "a (red:1.1) cat", "Ctrl+Up makes %s", prompt.toPlainText())
    key(prompt, up, control)
    key(prompt, down, control)
    key(prompt, down, control)
    check(prompt.toPlainText() == "a red cat", "there and back makes %s", prompt.toPlainText())
    prompt.undo()
    check(prompt.toPlainText() == "a (red:1.1) cat", "undo makes %s", prompt.toPlainText())
    prompt.setPlainText("🐱 cat")  # a character that Qt counts twice
    prompt.selectAll()
    key(prompt, up, control)
    weighed = prompt.toPlainText(), prompt.textCursor().selectedText()
    check(weighed == ("(🐱 cat:1.1)", "🐱 cat"), "Ctrl+Up makes %s, and selects %s", *weighed)
    again = UnderpaintDocker()
    remembered = again.findChild(QtWidgets.QPlainTextEdit, "underpaint_prompt").history
    again.deleteLater()
    check(remembered[:2] == ["a blue dog", "a red cat"], "another session knows %s", remembered)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return ""


def too_large_to_be_sent():
    """A daemon that takes no more than one small job's pictures at once gets one after the other; if it takes less, a sentence."""
    docker = Docker()
    target = spotted()
    select(target, *HOLE)
    docker.ask("remove")
    docker.press()
    yield from filled(docker, target, 1)
    limits = docker.widget._daemon.connection.server["limits"]
    usual = limits["max_blob_bytes"]
    try:
        limits["max_blob_bytes"] = SIZE[0] * SIZE[1] * 5
        docker.press()
        yield from filled(docker, target, 2)
        limits["max_blob_bytes"] = HOLE[2] * HOLE[3]
        docker.press()
        yield docker.idle
        check("too large to be sent at once" in docker.words(), "the docker says: %s", docker.words())
        check(len(layers(target.rootNode())) == 3 and no_dialog(), "a layer was added")
    finally:
        limits["max_blob_bytes"] = usual
    return docker.words()


picture_of_a_queue.once = True

ALL = [
    modes_follow_the_selection, expands_the_canvas, paints_a_background, chooses_from_a_batch,
    chooses_from_one_batch_after_the_other, cancelled_too_late, queue_of_three,
    what_was_asked_for_later_lies_on_top, too_large_to_be_sent, picture_of_a_queue,
    words_are_remembered_and_weighed,
]
