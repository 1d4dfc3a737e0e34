"""The stories of what comes back: jobs whose connection is lost, whose daemon, docker or Krita ends, and the history."""

import os
import signal

from krita import Krita
from PyQt5 import QtCore, QtWidgets, sip

from underpaint import ledger
from underpaint import loras as adapter_loras
from underpaint import placing as adapter_placing
from underpaint.docker import UnderpaintDocker
from underpaint.story import next_turn

from .bench import (
    Docker, bounds, check, daemon_lives, document, kill_daemon, layers, no_dialog, screenshot, select, settled, woven,
)
from .scenarios import HOLE, SIZE, SOFT, filled, goes_on_without_daemon, large, spotted

LONG = 400
"""Steps of the tiny model that take some seconds, and yet come to an end."""


def connection_lost():
    """The connection breaks while a job runs, the daemon lives: the docker finds it again and places what comes of the job,
    with a document in front that it is not for."""
    docker = Docker()
    docker.show()
    target = spotted()
    select(target, *HOLE)
    docker.ask("fill", prompt="a cat", model=docker.tiny(), seed="4")
    docker.part("steps").setValue(LONG)
    docker.press()
    yield lambda: "step" in docker.words()
    job = next(iter(docker.widget._jobs)).id
    document(woven(64, 64), 64, 64)
    check(docker.busy(), "the picture was too quick for this test: %s", docker.words())
    lost = docker.widget._daemon.connection
    lost._socket.abort()
    yield lambda: docker.widget._daemon.connection not in (None, lost)
    # It is taken up when the daemon has said which one it is, and by then may be done.
    yield lambda: any(job == taken.id for taken in docker.widget._jobs) or len(layers(target.rootNode())) == 2
    yield from filled(docker, target, 1)
    check(layers(target.rootNode())[1].name() == "a cat (4)", "the layer is called %s", layers(target.rootNode())[1].name())
    check(ledger.entries() == [], "the ledger still holds %s", ledger.entries())
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return docker.words()


def connected(docker):
    """Waits until there is a daemon; returns the connection to it."""
    docker.show()
    yield lambda: docker.widget._daemon.connection is not None
    return docker.widget._daemon.connection


def lost_while_it_is_sent():
    """The daemon is killed while the picture is on its way to it: a sentence, and the next fill starts a new one."""
    docker, target = Docker(), large()
    connection = yield from connected(docker)
    upload = connection.upload

    def upload_to_nobody(size):
        kill_daemon(signal.SIGSTOP)  # which reads no more, so that the picture stays on its way
        return upload(size)
    connection.upload = upload_to_nobody
    docker.ask()
    docker.press()
    yield lambda: connection._drained
    return (yield from goes_on_without_daemon(docker, target))


def lost_while_it_is_placed():
    """The daemon is killed when the picture has come and is about to be placed: it is placed all the same, and the next fill
    starts a new one."""
    docker, target = Docker(), spotted()
    connection = yield from connected(docker)
    add = adapter_placing._add

    def add_alone(*given):
        kill_daemon()
        while not sip.isdeleted(connection):
            yield next_turn
        yield from add(*given)
    select(target, *HOLE)
    docker.ask()
    adapter_placing._add = add_alone
    try:
        docker.press()
        yield from filled(docker, target, 1)
    finally:
        adapter_placing._add = add
    sentence = docker.words()
    check(not daemon_lives() and ledger.entries() == [], "the ledger still holds %s", ledger.entries())
    docker.press()
    yield from filled(docker, target, 2)
    return sentence


def another_docker_takes_over():
    """A docker goes away while its job runs, with its window or with Krita, whose disk is full: another one takes the job up and
    places what comes of it."""
    docker, target = Docker(), spotted()
    yield from connected(docker)
    select(target, *HOLE)
    full = os.path.join(Krita.instance().getAppDataLocation(), "underpaint-filters.json.new")
    os.mkdir(full)  # what cannot be written to
    try:
        for count, goes in enumerate([lambda widget: widget.deleteLater(), lambda widget: widget._closing()]):
            again = Docker()
            again.widget = UnderpaintDocker()
            again.widget.setParent(docker.window, QtCore.Qt.Tool)  # which ends it before Python ends
            again.widget.show()
            yield lambda: again.part("model").findData("tiny-sd") >= 0
            again.ask("fill", prompt="a cat", model="tiny-sd", seed="4")
            again.part("steps").setValue(LONG)
            again.press()
            yield lambda: "step" in again.words()
            job = next(iter(again.widget._jobs)).id
            goes(again.widget)
            yield lambda: any(job == taken.id for taken in docker.widget._jobs)
            yield from filled(docker, target, count + 1)
            check(layers(target.rootNode())[-1].name() == "a cat (4)", "the layer is called %s", layers(target.rootNode())[-1].name())
            check(ledger.entries() == [] and not ledger.taken, "the ledger still holds %s", ledger.entries())
    finally:
        os.rmdir(full)
    again.widget.hide()
    return docker.words()


def history_keeps_what_was_painted():
    """What was painted is listed with thumbnails, shown in its place while hovered over, and becomes the same layer again, after
    the daemon was killed, too; its seed and settings are used again; it is removed, and all of it."""
    docker = Docker()
    docker.arrange()
    if not docker.widget._daemon.offers("history"):
        return "this daemon keeps no history"
    docker.part("history").setChecked(True)
    listed, clear = docker.part("history_list"), docker.part("history_clear")
    answers = []  # what the scenarios before painted is forgotten
    docker.widget._daemon.connection.call("history/clear", {}, lambda *answer: answers.append(answer))
    yield lambda: answers
    docker.widget._history.refresh()
    yield lambda: listed.count() == 0
    docker.part("history").setChecked(False)
    target = spotted()
    select(target, *HOLE, feather=SOFT)
    docker.ask("fill", prompt="a cat in the grass", model=docker.tiny(), seed="21")
    docker.part("steps").setValue(7)
    docker.part("strength").setValue(80)
    docker.press()
    yield from filled(docker, target, 1)
    docker.part("strength").setValue(100)
    first = layers(target.rootNode())[1]
    pixels, box = bytes(first.pixelData(0, 0, *SIZE)), bounds(first)
    docker.ask("fill", prompt="something else", model="starter", seed="1")
    docker.part("history").setChecked(True)
    yield lambda: listed.count() >= 1 and "a cat in the grass" in listed.item(0).toolTip()
    check("21" in listed.item(0).toolTip(), "the entry says %s", listed.item(0).toolTip())
    yield from settled()
    glass = docker.widget._results._glass
    listed.itemEntered.emit(listed.item(0))
    check(glass.shown and not docker.part("preview").isVisible(), "hovering shows nothing on the canvas")
    yield from screenshot("krita-history.png")
    listed.hovered.emit(-1)
    check(not glass.shown, "the picture stays on the canvas")

    def apply():
        listed.setCurrentRow(0)
        count = len(layers(target.rootNode()))
        docker.part("history_apply").click()
        yield lambda: len(layers(target.rootNode())) == count + 1
        again = layers(target.rootNode())[-1]
        check(again.name() == "a cat in the grass (21)" and bounds(again) == box, "the layer %s covers %s", again.name(), bounds(again))
        check(bytes(again.pixelData(0, 0, *SIZE)) == pixels, "it is another picture")
    yield from apply()
    docker.part("history_seed").click()
    check(docker.part("seed").text() == "21" and QtWidgets.QApplication.clipboard().text() == "21", "the seed is %s", docker.part("seed").text())
    docker.part("history_settings").click()
    yield lambda: docker.part("prompt").toPlainText() == "a cat in the grass"
    check(docker.part("model").currentData() == docker.tiny() and docker.part("steps").value() == 7, "%s with %d steps paints",
          docker.part("model").currentText(), docker.part("steps").value())
    check(docker.part("strength").value() == 80, "it is painted with a strength of %d", docker.part("strength").value())
    docker.part("strength").setValue(100)

    kill_daemon()
    yield lambda: "stopped" in docker.words()
    check(not listed.isVisible(), "a history is shown that nobody keeps")
    docker.part("steps").setValue(1)
    docker.press()
    yield docker.idle
    yield lambda: listed.isVisible() and listed.count() >= 2
    row = next(at for at in range(listed.count()) if "grass" in listed.item(at).toolTip() and "21" in listed.item(at).toolTip())
    listed.setCurrentRow(row)
    count = listed.count()
    docker.part("history_remove").click()
    yield lambda: listed.count() == count - 1
    clear.click()
    check(clear.text() == "Clear all?", "the button says %s", clear.text())
    yield 400
    check(listed.count() == count - 1, "one press cleared it")
    if clear.text() == "Clear":  # the list was told anew meanwhile, and asks again
        clear.click()
    clear.click()
    yield lambda: listed.count() == 0 and not listed.isVisible()
    docker.part("history").setChecked(False)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return "%d entries" % count


def makes_a_picture_again():
    """Seed, words and settings of a picture are used again, and nothing that it was made without: it becomes the same. One that
    is gone changes nothing, and the docker says so."""
    docker, target = Docker(), spotted()
    docker.arrange()
    yield from connected(docker)
    yield lambda: docker.part("model").findData("tiny-sd") >= 0
    loras = docker.widget.findChild(adapter_loras.Loras)
    select(target, *HOLE)
    docker.ask("fill", prompt="a cat in the grass", model="tiny-sd", seed="21")
    docker.part("steps").setValue(7)
    docker.widget._unshown = {"sampler": "ddim"}

    def painted():
        docker.press()
        yield from filled(docker, target, 1)
        layer = layers(target.rootNode())[1]
        pixels = bytes(layer.pixelData(0, 0, *SIZE))
        layer.remove()
        target.refreshProjection()
        yield from settled()
        return pixels
    first = yield from painted()

    docker.ask("fill", prompt="mud", model="tiny-sd", seed="1")
    docker.part("negative").setPlainText("grass")
    loras.set_values([{"name": "kohya", "weight": 1}])
    docker.widget._unshown = {"scheduler": "karras", "passes": 2}
    docker.part("style_save").click()
    docker.part("style_name").setText("Muddy")
    docker.part("style_name").returnPressed.emit()
    yield lambda: docker.part("style").currentText() == "Muddy"
    docker.part("history").setChecked(True)
    listed = docker.part("history_list")
    yield lambda: listed.count() >= 1 and "a cat in the grass" in listed.item(0).toolTip()
    listed.setCurrentRow(0)
    docker.part("history_seed").click()
    docker.part("history_settings").click()
    yield lambda: docker.part("prompt").toPlainText() == "a cat in the grass"
    kept = docker.part("negative").toPlainText(), loras.style()["loras"], docker.part("style").currentText()
    check(kept == ("", [], "No style"), "this is left of what was set: %s", kept)
    check(docker.widget._unshown["sampler"] == "ddim", "what is not shown is %s", docker.widget._unshown)
    again = yield from painted()
    check(again == first, "it is another picture, from %s", docker.widget._unshown)

    docker.part("prompt").setPlainText("a dog")
    docker.widget._history.use_settings.emit({"entry": "gone"})
    yield lambda: docker.words() and not docker.words().startswith("Done")
    sentence = docker.words()
    check("are those of the picture" not in sentence and docker.part("prompt").toPlainText() == "a dog", "the docker says: %s", sentence)
    docker.widget._remove_style("Muddy")
    docker.widget._unshown = {}
    docker.part("history").setChecked(False)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return sentence


def restarted_meanwhile():
    """The daemon is killed while two jobs run and wait, and another answers: a sentence, nothing in the ledger, and the docker
    goes on."""
    docker = Docker()
    target = spotted()
    select(target, *HOLE)
    docker.paint_for_long()
    for words in ("one", "two"):
        docker.ask("fill", prompt=words, model=docker.tiny())
        docker.press()
    yield lambda: "step" in docker.words() and all(job.id is not None for job in docker.widget._jobs)
    check(len(ledger.entries()) == 2, "the ledger holds %s", ledger.entries())
    kill_daemon()
    yield docker.idle
    sentence = docker.words()
    check("stopped" in sentence and ledger.entries() == [] and no_dialog(), "the docker says: %s; the ledger holds %s", sentence, ledger.entries())
    docker.paint_for_long(False)
    docker.part("steps").setValue(1)
    docker.press()
    yield from filled(docker, target, 1)
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return sentence


LEFT = os.path.join(os.environ.get("HOME", ""), "left.kra")


def leaves_a_job_behind():
    """Krita ends while a job runs for a saved picture. The next session takes it up: `finds_what_was_left`."""
    docker = Docker()
    target = spotted()
    check(target.saveAs(LEFT), "the picture could not be saved")
    yield from settled()
    select(target, *HOLE)
    docker.ask("fill", prompt="left behind", model=docker.tiny(), seed="8")
    docker.part("steps").setValue(LONG)
    docker.press()
    yield lambda: "step" in docker.words()
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    return "%d in the ledger" % len(ledger.entries())


leaves_a_job_behind.ends_krita = True


def finds_what_was_left():
    """The picture of a job that an earlier session asked for: told of while its picture is closed, placed when it is opened."""
    docker = Docker()
    docker.show()
    yield lambda: "left.kra" in docker.words()
    sentence = docker.words()
    target = Krita.instance().openDocument(LEFT)
    target.setBatchmode(True)
    Krita.instance().activeWindow().addView(target)
    yield lambda: len(layers(target.rootNode())) == 2
    yield docker.idle
    check(layers(target.rootNode())[1].name() == "left behind (8)", "the layer is called %s", layers(target.rootNode())[1].name())
    check(ledger.entries() == [], "the ledger still holds %s", ledger.entries())
    return sentence


ALL = [
    connection_lost, lost_while_it_is_sent, lost_while_it_is_placed, another_docker_takes_over, restarted_meanwhile,
    history_keeps_what_was_painted, makes_a_picture_again,
]
LAST = [leaves_a_job_behind]
"""Krita ends with it."""
NEXT = [finds_what_was_left]
"""For another session with the same home."""
