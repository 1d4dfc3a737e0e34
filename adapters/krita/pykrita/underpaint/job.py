"""A job as a story that the event loop steps: what every kind has in common. The kinds are in `fill.py` and `apply.py`.

Nothing here blocks, and nothing here decides about pixels. Jobs are submitted to be kept (but for pictures to look at): if the
connection is lost, the daemon goes on, and the job can be taken up again by its id (`jobs.py`).
"""

import collections
import itertools

from .document import Sorry, layer_name
from .placing import Painter, placed, remark
from .qt import QtCore, QtGui, guarded
from .story import Story, next_turn
from .underpaint_client import Disconnected, ProtocolError, Refused, image, packed_pixels

PREVIEW = {"max_side": 384, "every_ms": 200}
PX = "bgra8"
"""Krita's own byte order; results come back in it."""
LONG_TEXT = 4096
"""Parameters of more bytes travel as blobs: a whole message has 64 KiB."""

Progress = collections.namedtuple("Progress", "text step steps preview rect")
Progress.__doc__ = """`text` for people; `step` of `steps` (0 of 0: unknown); `preview` a QImage or None (no new one), `rect` where it will
be in the picture."""

Pictures = collections.namedtuple("Pictures", "target patches name")
Pictures.__doc__ = "What a batch painted, to choose from: `name(seed)` is the layer's."

STAGES = {"load": "Loading the model", "infill": "Painting", "encode": "Reading the picture", "denoise": "Painting",
          "decode": "Developing", "upscale": "Enlarging", "filter": "Finishing"}

DONE, CANCELLED, FAILED, ADRIFT = "done", "cancelled", "failed", "adrift"
"""How a job ends here. ADRIFT: the connection was lost, and the daemon may still be at it."""
STOPPED = "Underpaint stopped while it was at work. The picture is unchanged; try again, it is started anew."
UNCHANGED = "Cancelled. The picture is unchanged."
ENLARGED = "Cancelled. The canvas was enlarged already; one undo takes that back."

FORMATS = {"rgba8": QtGui.QImage.Format.Format_RGBA8888, "bgra8": QtGui.QImage.Format.Format_ARGB32}
"""Pixel layouts that Qt shows as they are."""

_tokens = itertools.count(1)


class Sending:
    """What the members of a request are sent by: something with `target`, `context` (the part of the canvas that is read),
    `send_layer`, `send_alpha` and `send_text`. Sections use it, see `section.Section.members`."""

    def part(self, node, whole=False):
        """The part of the canvas to send of a layer: where it has pixels in what is read, or `whole`: anywhere. None if it
        has none there."""
        return self.target.part(node, (0, 0) + self.target.extent if whole else self.context)

    def filters(self, chain):
        """A chain as the protocol has it, the layers it needs uploaded."""
        found = []
        for step in chain:
            images = {}
            for name, layer in step["images"].items():
                node = self.target.find(layer)
                images[name] = yield from self.send_layer(node, self.target.covered(node))
            texts = {}
            for name, data in long_texts(step).items():
                texts[name] = yield from self.send_text(data)
            found.append(filter_call(step, images, texts))
        return found


class Job(QtCore.QObject, Sending):
    """Something under way. Make it, connect the signals, `start` it. `Sorry` from the constructor: it makes no sense."""

    AT_WORK = "Painting"
    KEPT = True
    """Whether the daemon goes on without us, and what comes of it is fetched later."""

    progress = QtCore.pyqtSignal(object)
    accepted = QtCore.pyqtSignal()
    """The daemon has it: `id` is known."""
    offered = QtCore.pyqtSignal(object)
    """`Pictures` to choose from, instead of a layer."""
    ended = QtCore.pyqtSignal(str, str)
    """DONE, CANCELLED, FAILED or ADRIFT, and a sentence. Sent once."""

    def __init__(self, connection, target, words, mode, parent=None):
        """`target`: the document and the layer it is for; `words` and `mode` give the layer its name."""
        super().__init__(parent)
        self._connection = connection
        self.target, self.words, self.mode = target, words, mode
        self.context = (0, 0) + target.extent
        """The part of `target.extent` that it reads."""
        self.painter = Painter(target, self)
        """Who is not to be disturbed."""
        self._token = "krita-%d" % next(_tokens)
        self._telling = None
        self._request = None
        self._reason = None
        self._blobs = []
        self.id = None
        """The daemon's name for it, once known."""
        self.running = False
        """Whether the daemon is at it, and not at another."""
        self.seed = None
        """The seed that was used, once known."""

    @property
    def label(self):
        """What the queue calls it."""
        return layer_name(self.words, self.mode, None)

    def name(self, seed):
        """What its layer is called."""
        return layer_name(self.words, self.mode, seed)

    def record(self):
        """What a later session needs to take it up again, for JSON."""
        return {"job": self.id, "instance": (self._connection.server or {}).get("instance"), "words": self.words, "mode": self.mode,
                "margins": list(self.target.margins), "document": self.target.trace()}

    def start(self):
        """Begins; `progress` and `ended` follow."""
        self._connection.notice.connect(self._heard)
        self._telling = Story(self._whole_story(), self._told)
        self._tell("Reading the picture")
        self._telling.start()

    def cancel(self, reason=""):
        """Gives up; `reason` is a sentence, if it is not the painter's wish. A job the daemon has is over when the daemon says so,
        within one step."""
        self._reason = self._reason or reason or (ENLARGED if self.target.enlarged else UNCHANGED)
        if self._request is not None:
            if self.id is not None:
                self._connection.call("job/cancel", {"job": self.id})
            else:
                self._connection.cancel(self._request)
            self._tell("Cancelling")
        elif self._telling is not None:
            self._forget()
            self._end(CANCELLED, self._reason)

    def leave(self):
        """Ends it here without a word; the daemon goes on."""
        telling, self._telling = self._telling, None
        if telling is not None:
            self._connection.silence(self._heard)
            telling.stop()

    def document_may_be_gone(self):
        """To be called when Krita closed some document."""
        if self._telling is not None and not self.target.is_open():
            self.cancel("The picture was closed, so its %s was cancelled." % self.mode)

    def _whole_story(self):
        try:
            return (yield from self._story())
        finally:
            self._free()

    def _free(self):
        blobs, self._blobs = self._blobs, []
        for blob in blobs:
            self._connection.free(blob)

    # What stories consist of

    def send(self, strips, rect, bytes_per_pixel):
        """Uploads strips as they are read; returns the blob's name, which is freed when the story ends."""
        upload = self._connection.upload(rect[2] * rect[3] * bytes_per_pixel)
        self._blobs.append(upload.blob)
        for strip in strips:
            upload.write(strip)
            yield self._connection.when_drained
        return upload.blob

    def send_layer(self, node, rect):
        """Uploads what a layer shows of `rect`; returns the image."""
        yield from self.painter.quiet()
        blob = yield from self.send(self.target.read_layer(node, rect, self._connection.chunk_bytes), rect, 4)
        return placed_image(blob, rect, PX)

    def send_alpha(self, node, rect):
        """Uploads how opaque what a layer shows of `rect` is; returns the image, or None if there is nothing."""
        strips = []
        yield from self.painter.quiet()
        for strip in self.target.read_layer(node, rect, self._connection.chunk_bytes):
            strips.append(strip[3::4])
            yield next_turn
        if not any(strip.count(0) < len(strip) for strip in strips):
            return None
        return placed_image((yield from self.send(strips, rect, 1)), rect, "g8")

    def send_text(self, data):
        """Uploads a text's bytes; returns the blob's name."""
        return (yield from self.send(pieces(data, self._connection.chunk_bytes), (0, 0, len(data), 1), 1))

    def _call(self, method, params, cancellable=False):
        def arm(resume):
            def answered(result, error):
                self._request = None
                if self._reason is None:
                    resume(result, error)
                    return
                self._end(CANCELLED, self._reason)
                if error is None and cancellable:  # done before it could be cancelled
                    self._forget()
                    self._connection.patches(result)  # takes the bytes
            request = self._connection.call(method, params, answered)
            if cancellable:
                self._request = request
                self._free()  # the job keeps what it was submitted with
            else:
                self._connection.answer_soon()
        return arm

    def _place(self, result):
        """Puts the picture on a layer of its own, or offers several to choose from. Returns how it went, as a sentence."""
        self.seed = result.get("seed")
        self.running = False
        patches = self._connection.patches(result)
        if not patches:
            sentence = "Underpaint found nothing to change there."
        elif len(patches) > 1:
            self.offered.emit(Pictures(self.target, patches, self.name))
            sentence = "%d pictures are ready. Choose below." % len(patches)
        else:
            self._tell("Placing the layer")
            try:
                yield from placed(self.target, patches[0], self.name(patches[0].seed), self.painter)
            except Sorry:
                self._forget()
                raise
            sentence = "Done in %.1f s, as a new layer." % ((result.get("timing_ms") or {}).get("total", 0) / 1000)
            sentence += remark(self.target)
        self._forget()
        return sentence

    def _forget(self):
        """The daemon need not keep what came of it."""
        if self.id is not None:
            self._connection.call("job/forget", {"job": self.id})

    # How it ends

    def _told(self, sentence, error):
        if error is None:
            self._end(DONE, sentence)
        elif isinstance(error, Sorry):
            self._end(FAILED, str(error))
        elif isinstance(error, Refused):
            self._end(FAILED, " ".join(filter(None, [str(error), error.hint])))
        elif isinstance(error, Disconnected):
            self._end(ADRIFT if self.id is not None and self.KEPT else FAILED, STOPPED)
        elif isinstance(error, ProtocolError):
            self._end(FAILED, "Underpaint's answer cannot be used (%s). Are it and this plug-in of the same version?" % error)
        else:
            self._end(FAILED, "Something went wrong inside the Underpaint plug-in (%s: %s)." % (type(error).__name__, error))
            raise error

    def _end(self, outcome, sentence):
        telling, self._telling = self._telling, None
        if telling is None:
            return
        self._request = None
        telling.stop()
        self._connection.silence(self._heard)
        self.ended.emit(outcome, sentence)
        self.deleteLater()

    # What the daemon tells meanwhile

    @guarded
    def _heard(self, notice):
        params = notice.params
        if notice.method == "job/state" and params.get("id") == self._request and self._request is not None:
            if self.id is None:
                self.id = params.get("job")
                self.accepted.emit()
            self.running = params.get("state") == "running"
            if params.get("state") == "queued" and params.get("position"):
                self._tell("Waiting, %s before this one" % _pictures(params["position"]))
            elif self.running:
                self._tell(self.AT_WORK)
        elif notice.method == "progress" and params.get("progress") == self._token and self._reason is None:
            self._progressed(params, notice.tail)

    def _progressed(self, params, tail):
        step, steps = int(params.get("step") or 0), int(params.get("steps") or 0)
        text = STAGES.get(params.get("stage"), self.AT_WORK)
        if steps > 1:
            text += ", step %d of %d" % (step, steps)
        if params.get("eta_ms"):
            text += ", %s left" % _duration(params["eta_ms"])
        described = params.get("preview")
        rect = params.get("preview_rect")
        self._tell(text, step, steps, _picture(described, tail) if described else None,
                   tuple(rect[side] for side in "xywh") if rect else None)

    def _tell(self, text, step=0, steps=0, preview=None, rect=None):
        self.progress.emit(Progress(text, step, steps, preview, rect))


def long_texts(step):
    """The texts among a step's parameters that do not fit a message, as bytes."""
    encoded = {name: value.encode("utf-8") for name, value in step["params"].items() if isinstance(value, str)}
    return {name: data for name, data in encoded.items() if len(data) > LONG_TEXT}


def pieces(data, size):
    """`data` in pieces of at most `size` bytes."""
    return (data[start:start + size] for start in range(0, len(data), size))


def filter_call(step, images, texts):
    """A step as the protocol has it: `images` by the filter's inputs, `texts` the blobs of its long parameters."""
    params = {name: value for name, value in step["params"].items() if name not in texts}
    call = {"name": step["name"], "params": params, "images": images, "texts": texts}
    return {key: value for key, value in call.items() if value or key == "params"}


def json_rect(rect):
    """A rect (x, y, w, h) as the protocol has it."""
    return dict(zip("xywh", rect))


def placed_image(blob, rect, px):
    """An image of the protocol as large as `rect`, packed in a blob."""
    return image(blob, rect[2], rect[3], px)


def within(rect, extent):
    """The daemon's rect as (x, y, w, h); `ProtocolError` unless it lies within the canvas."""
    try:
        x, y, width, height = (int(rect[side]) for side in "xywh")
    except (KeyError, TypeError, ValueError):
        raise ProtocolError("a context that is no rect: %r" % (rect,)) from None
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > extent[0] or y + height > extent[1]:
        raise ProtocolError("a context outside the picture: %r" % (rect,))
    return x, y, width, height


def _picture(described, tail):
    """A preview; None if it is of a kind we cannot show."""
    return picture(described, packed_pixels(described, tail)) if described.get("px") in FORMATS else None


def picture(described, pixels):
    """An image of the protocol, packed, as a QImage that owns its pixels."""
    width, height = described["w"], described["h"]
    return QtGui.QImage(bytes(pixels), width, height, width * 4, FORMATS[described["px"]]).copy()


def _pictures(count):
    return "one picture" if count == 1 else "%d pictures" % count


def _duration(ms):
    seconds = max(1, round(ms / 1000))
    return "%d s" % seconds if seconds < 90 else "%d min" % round(seconds / 60)
