"""What the chain makes of the visible part of the canvas, shown in the docker while sliders move.

Krita lets no plug-in draw on its canvas, so the docker shows a small picture. Decision: Qt reduces what is in sight by a
whole factor before it is sent, and `scale` tells the filters. The docker is some 300 pixels wide: sending more would
only make every move of a slider slower. Where the selection or the visible part is small the factor is 1, and the
preview is what Apply makes, pixel for pixel.

The picture travels once and stays with the daemon; then only parameters do. `live` lets the newest parameters take the
place of those that still wait. Krita tells nobody that a picture has changed, so it is read again now and then, no
oftener than costs a twentieth of the time, only while the picture is `calm`, and sent only if it is another one.
"""

import time

from .canvas import visible_part
from .document import Sorry, Target, common, packed
from .job import PX, filter_call, long_texts, pieces
from .layers import in_front
from .moment import calm
from .qt import QtCore, QtGui, guarded, later
from .story import Story, next_turn
from .underpaint_client import Disconnected, ProtocolError, Refused, image

SIDE = 512
"""The longest side of what is sent."""
LOOK_MS = 700
"""How often the picture is read again, if reading is quick."""
BUSY_MS = 100
"""How often it is asked whether a stroke, or whatever else Krita is at, has ended."""
SHARE = 20
"""Reading takes at most this part of the time."""
GONE = ("cancelled", "superseded")
BESIDE = ("image", "mask", "before")
"""Members of `filter/apply`."""


class Preview(QtCore.QObject):
    """At most one picture with the daemon at a time. `look` may be called at any time, however often."""

    shown = QtCore.pyqtSignal(object, object)
    """What it becomes and what it was, QImages; two Nones: nothing to show."""
    said = QtCore.pyqtSignal(str)
    """Why there is no preview, as a sentence; empty once there is one again."""

    def __init__(self, connection, chain, parent=None):
        """`connection()`: the one there is, or None; `chain()`: (steps, wants) of what runs now, or raises what says
        why not."""
        super().__init__(parent)
        self._connection, self._chain = connection, chain
        self._on = False
        self._held = None
        self._reading = None
        self._asked = self._answered = 0
        self._waiting = False
        self._sentence = ""
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(guarded(lambda: self._read()))

    @property
    def on(self):
        """Whether it is on."""
        return self._on

    def turn(self, on):
        """On or off."""
        if on != self._on:
            self._on = on
            if on:
                self._read()
            else:
                self._stop()

    def look(self):
        """The picture may be another one now."""
        if self._on and self._reading is None:
            self._timer.start(0)

    def changed(self):
        """The chain did: what is shown is made anew from the picture that the daemon has."""
        if self._on and not self._waiting:
            self._waiting = True
            later(self._ask)

    def lost(self):
        """The connection ended, and the daemon's copy with it. `look` when there is another."""
        self._stop()

    def _stop(self):
        self._timer.stop()
        if self._reading is not None:
            self._reading.stop()
            self._reading = None
        self._forget()
        self._show(None)

    def _forget(self):
        held, self._held = self._held, None
        if held is not None:
            held.free()

    def _tell(self, sentence):
        if sentence != self._sentence:
            self._sentence = sentence
            self.said.emit(sentence)

    def _show(self, after, before=None):
        self._asked += 1  # an answer that is still under way comes too late
        self._answered = self._asked
        self.shown.emit(after, before)

    # The picture

    def _read(self):
        if not self._on or self._reading is not None:
            return
        if self._connection() is None:
            self._timer.start(LOOK_MS)
            return
        document = in_front()
        if document is not None and not calm(document):
            self._timer.start(BUSY_MS)
            return
        self._spent = 0.0
        self._reading = Story(self._reading_story(), self._read_so_far)
        self._reading.start()

    def _read_so_far(self, _value, error):
        self._reading = None
        if self._on:
            self._timer.start(max(LOOK_MS, int(self._spent * 1000 * SHARE)))
        if isinstance(error, Sorry):
            self._forget()
            self._show(None)
            self._tell(str(error))
        elif error is not None and not isinstance(error, (Disconnected, ProtocolError, Refused)):
            raise error

    def _reading_story(self):
        connection = self._connection()
        steps, wants = self._chain()
        target = Target.in_front()
        if not steps or target is None:
            self._forget()
            self._show(None)
            return
        rect, sources = _sources(target, steps, wants)
        key = []
        for name, node, part in sources:
            pieces = target.fingerprint(node, part) if node is not None else target.mask_fingerprint(part)
            key.append((name, node and node.uniqueId().toString(), part, (yield from self._paced(pieces))))
        if self._held is not None and self._held.key == key or not calm(target.document):
            return
        held = _Held(connection, key, _factor(rect))
        try:
            for name, node, part in sources:
                factor = _factor(part)
                pieces = target.reduced(node, part, factor) if node is not None else target.reduced_mask(part, factor)
                picture = yield from self._paced(pieces)
                if name == "image":
                    held.picture = picture
                (held.images if name in BESIDE else held.layers)[name] = yield from self._send(held, picture)
        except BaseException:  # stopped half-way, too
            held.free()
            raise
        self._forget()
        self._held = held
        self.changed()

    def _paced(self, pieces):
        """Goes through the pieces, one in each turn of the event loop, and notes the time they take."""
        while True:
            began = time.perf_counter()
            try:
                next(pieces)
            except StopIteration as done:
                return done.value
            finally:
                self._spent += time.perf_counter() - began
            yield next_turn

    def _send(self, held, picture):
        blob = held.send(packed(picture))  # at most a megabyte
        yield held.connection.when_drained
        return image(blob, picture.width(), picture.height(), "g8" if picture.depth() == 8 else PX)

    # What becomes of it

    @guarded
    def _ask(self):
        self._waiting = False
        held, connection = self._held, self._connection()
        if not self._on or held is None or connection is not held.connection:
            return
        try:
            steps, _wants = self._chain()
        except Sorry as error:
            self._show(None)
            self._tell(str(error))
            return
        chosen = [layer for step in steps for layer in step["images"].values()]
        if not steps or any(layer not in held.layers for layer in chosen):
            self._read()
            return
        filters = [filter_call(step, {name: held.layers[layer] for name, layer in step["images"].items()}, {
            name: held.text(data) for name, data in long_texts(step).items()}) for step in steps]
        params = dict(held.images, filters=filters, scale=1 / held.factor, live={"key": "preview"}, label="Preview")
        if "mask" in held.images:
            params["clip"] = True
        self._asked += 1
        number = self._asked
        connection.call("filter/apply", params, guarded(lambda result, error: self._came(number, held, result, error)))

    def _came(self, number, held, result, error):
        if error is None:
            patches = held.connection.patches(result)  # takes the bytes in any case
            if number > self._answered and held is self._held and patches:
                self._answered = number
                self.shown.emit(_over(held.picture, patches[0], held), held.picture)
                self._tell("")
        elif isinstance(error, Refused) and error.kind not in GONE and number > self._answered:
            self._answered = number
            self.shown.emit(None, None)
            self._tell(str(error))


class _Held:
    """The pictures the daemon has for us."""

    def __init__(self, connection, key, factor):
        self.connection, self.key, self.factor = connection, key, factor
        self.picture = None
        self.blobs, self.images, self.layers, self._texts = [], {}, {}, {}

    def text(self, data):
        """The blob of a long text, sent when it is first needed."""
        if data not in self._texts:
            self._texts[data] = self.send(data)
        return self._texts[data]

    def send(self, data):
        """Queues `data` as a blob, which is freed with the pictures."""
        upload = self.connection.upload(len(data))
        self.blobs.append(upload.blob)
        for piece in pieces(data, self.connection.chunk_bytes):
            upload.write(piece)
        return upload.blob

    def free(self):
        """The daemon may forget them."""
        blobs, self.blobs = self.blobs, []
        for blob in blobs:
            self.connection.free(blob)


def _sources(target, steps, wants):
    """The part that is shown, and what is to be sent for it: (name, layer, part of the layer), the selection without a
    layer, layers that were chosen for inputs under their ids. `Sorry` if there is nothing to show."""
    layer = target.layer()
    rect = common(target.covered(layer), target.selection or visible_part(target.extent))
    if rect is None:
        raise Sorry("The layer is empty where you look. Scroll to it, or choose another layer, for a preview.")
    found = [("image", layer, rect)]
    if target.selection is not None:
        found.append(("mask", None, rect))
    below = target.beneath(layer) if wants("before") else None
    if below is not None:
        found.append(("before", below, rect))
    for chosen in sorted({chosen for step in steps for chosen in step["images"].values()}):
        node = target.find(chosen)
        found.append((chosen, node, target.covered(node)))
    return rect, found


def _factor(rect):
    """How many times smaller a part is sent."""
    return max(1, -(-max(rect[2:]) // SIDE))


def _over(before, patch, held):
    """The patch as it will lie over what was there."""
    _x, _y, width, height = patch.rect
    after = QtGui.QImage(bytes(patch.pixels), width, height, width * 4, QtGui.QImage.Format.Format_ARGB32).copy()
    if "mask" not in held.images:
        return after
    both = before.copy()
    painter = QtGui.QPainter(both)
    painter.drawImage(patch.rect[0], patch.rect[1], after)
    painter.end()
    return both
