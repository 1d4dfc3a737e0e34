"""Live painting: the picture is watched while the painter paints, and what the model makes of it follows.

A round looks at the part that is painted from, tile by tile, sends the tiles that changed, and asks. The daemon lets the
newest request take the place of one that still waits, so whatever the painter does there is one running and one waiting.
Krita tells nobody that a picture changed: a round begins when the pen was lifted and Krita is done with the stroke, and
now and then besides. While a stroke is under way nothing is sent, unless it lasts and the last result has become old.
"""

import collections

from .document import Sorry, Target, layer_name
from .fill import asking_for_context
from .job import within
from .layers import in_front
from .mirror import Mirrors
from .moment import Pen, calm
from .qt import QtCore, QtGui, guarded
from .story import Story
from .underpaint_client import Disconnected, ProtocolError, Refused

LOOK_MS = 400
"""How often it is looked while nothing happens, if looking is quick."""
SHARE = 10
"""Looking takes at most this part of the time then."""
SETTLE_MS = 10
"""How often it is asked whether Krita is done with a stroke."""
DOWN_MS = 100
"""The same while the pen is down: Krita cannot be done."""
OLD_MS = 1500
"""A stroke that lasts longer, and longer than the last result is old, is followed by one before it ends."""
KEY = "live"
GONE = ("cancelled", "superseded")
OURS = ("mode", "seed", "denoise_strength", "batch", "passes")
"""Members that live painting settles itself."""

Result = collections.namedtuple("Result", "target patch picture small name")
Result.__doc__ = """What was painted: the `Patch`, the same as a QImage on the patch's pixels, a small copy, and what its layer would
be called."""
SMALL = 512
"""Longest side of the small copy."""


class Watching(QtCore.QObject):
    """Watches the document in front while it is on."""

    painted = QtCore.pyqtSignal(object)
    """A `Result`."""
    said = QtCore.pyqtSignal(str)
    """Why nothing can be painted now, as a sentence; empty once something can."""

    lonely = QtCore.pyqtSignal()
    """There is no daemon to ask. Told once, until there is one."""

    broken = QtCore.pyqtSignal()
    """Something went wrong that nobody expected, and would again: it should be switched off."""

    def __init__(self, connection, members, parent=None):
        """`connection()`: the one there is, or None; `members()`: those of `generate`, as sections give them, with `seed`,
        `denoise_strength`, and the `mode` for where something is selected; or it raises `Sorry`."""
        super().__init__(parent)
        self._connection, self._members = connection, members
        self._on = self._told_lonely = False
        self.paused = False
        """While set, nothing is looked at; the daemon keeps its copies."""
        self._round = self._held = self._sent = None
        self._contexts = {}
        self._asked = self._answered = 0
        self._sentence = ""
        self._age = QtCore.QElapsedTimer()
        self.pen = Pen(self)
        self.pen.pressed.connect(guarded(lambda: self._pressed()))
        self.pen.lifted.connect(guarded(lambda: self.look()))
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(guarded(lambda: self._begin()))

    @property
    def on(self):
        """Whether it is."""
        return self._on

    def turn(self, on):
        """On or off. Off: nothing is read, nothing is sent, and the daemon forgets its copies."""
        if on == self._on:
            return
        self._on = on
        if on:
            self._sent, self._told_lonely = None, False
            self._age.start()
            self.look()
        else:
            self._timer.stop()
            self._stop_round()
            self.pen.watch(False)
            self._forget()
            self._answered = self._asked  # what is still under way comes too late
            self._tell("")

    def lost(self):
        """The connection ended, and the daemon's copies with it."""
        self._stop_round()
        self._held = None
        self.look()

    def look(self):
        """Something may be another now."""
        if self._on and self._round is None:
            self._timer.start(0)

    def _pressed(self):
        self._age.start()
        if self._on:
            self._stop_round()
            self._timer.start(DOWN_MS)

    def _stop_round(self):
        if self._round is not None:
            self._round.stop()
            self._round = None

    def _young(self):
        """Whether the last request, the last result or the last moment in which the picture was calm is not long ago."""
        return self._age.elapsed() < OLD_MS

    def _forget(self):
        held, self._held = self._held, None
        if held is not None:
            held.free()

    def _tell(self, sentence):
        if sentence != self._sentence:
            self._sentence = sentence
            self.said.emit(sentence)

    # A round

    def _begin(self):
        if not self._on or self._round is not None:
            return
        self.pen.watch(True)
        document = in_front()
        if self._connection() is None and not self._told_lonely:
            self._told_lonely = True
            self.lonely.emit()
        if self.paused or self._connection() is None or document is None:
            self._timer.start(LOOK_MS)
            return
        self._told_lonely = False
        busy = self.pen.down() or not calm(document)
        if busy and self._young():
            self._timer.start(DOWN_MS if self.pen.down() else SETTLE_MS)
            return
        if not busy:
            self._age.start()
        self._round = Story(self._story(), self._over)
        self._round.start()

    def _over(self, _value, error):
        self._round = None
        spent = self._held.spent if self._held is not None else 0
        self._timer.start(max(LOOK_MS, int(spent * 1000 * SHARE)))
        if isinstance(error, (Sorry, Refused)):
            self._tell(str(error))
        elif error is not None and not isinstance(error, (Disconnected, ProtocolError)):
            self.broken.emit()
            raise error

    def _story(self):
        connection, target, members = self._connection(), Target.active(), self._members()
        if self._held is None or self._held.connection is not connection or self._held.target.document != target.document:
            self._forget()
            self._held, self._contexts = Mirrors(connection), {}
        held = self._held
        held.begin(target)
        held.context = yield from self._context(connection, target, members)
        params = {"mode": _mode(target, members), "canvas": (yield from held.canvas(held.context))}
        if target.selection is not None:
            params["mask"] = yield from held.mask()
        for name, value in members.items():
            if name != "mode":
                params[name] = (yield from value(held)) if callable(value) else value
        held.end()
        if held.changed or params != self._sent:
            self._sent, held.changed = params, False
            self._ask(connection, target, params)

    def _context(self, connection, target, members):
        """The part of the canvas that is worth sending: asked once for each selection."""
        if target.selection is None:
            return (0, 0) + target.extent
        asked = asking_for_context(_mode(target, members), target, target.selection, members)
        key = repr(asked)
        if key not in self._contexts:
            def arm(resume):
                connection.call("fill/context", asked, resume)
            answer = yield arm
            self._contexts = {key: within(answer.get("rect"), target.extent)}
        return self._contexts[key]

    # What becomes of it

    def _ask(self, connection, target, params):
        self._asked += 1
        number, words = self._asked, params.get("prompt", "")

        @guarded
        def came(result, error):
            self._came(number, connection, target, words, result, error)
        connection.call("generate", dict(params, live={"key": KEY}, label="Live"), came)
        self._age.start()
        self._tell("")

    def _came(self, number, connection, target, words, result, error):
        if error is None:
            patches = connection.patches(result)  # takes the bytes in any case
            if self._on and number > self._answered and patches:
                self._answered = number
                self._age.start()
                self.painted.emit(_result(target, patches[0], words))
        elif isinstance(error, Refused) and error.kind not in GONE and self._on and number > self._answered:
            self._answered = number
            self._tell(str(error))


def _mode(target, members):
    return "generate" if target.selection is None else members["mode"]


def _result(target, patch, words):
    _x, _y, width, height = patch.rect
    patch = patch._replace(pixels=bytes(patch.pixels))
    picture = QtGui.QImage(patch.pixels, width, height, width * 4, QtGui.QImage.Format.Format_ARGB32)
    picture.pixels = patch.pixels  # Qt does not copy them, so they must stay as long as it does
    small = picture
    for side, how in ((2 * SMALL, "FastTransformation"), (SMALL, "SmoothTransformation")):
        if max(small.width(), small.height()) > side:
            how = getattr(QtCore.Qt.TransformationMode, how)
            small = small.scaled(side, side, QtCore.Qt.AspectRatioMode.KeepAspectRatio, how)
    return Result(target, patch, picture, small.copy(), layer_name(words, "live", patch.seed))
