"""One fill, from the painter's wish to the new layer, as one generator that the event loop steps.

`_fill` below is the whole story, read from top to bottom. It yields what it waits for: a function that takes
`resume(value, error)` and calls it once. Nothing here blocks, and nothing here decides about pixels.
"""

import collections
import itertools

from .document import Sorry, Target, layer_name
from .qt import QtCore, QtGui, guarded, later
from .underpaint_client import Disconnected, ProtocolError, Refused, image, packed_pixels

PREVIEW = {"max_side": 384, "every_ms": 200}
PX = "bgra8"
"""Krita's own byte order; results come back in it."""

Wish = collections.namedtuple(
    "Wish", "mode prompt negative_prompt denoise_strength model steps guidance_scale seed filters")
Wish.__doc__ = """What the painter asked for. `None` and empty members are left to the daemon; `seed` is an int or None,
`filters` a list of {"name", "params"}."""

Progress = collections.namedtuple("Progress", "text step steps preview")
Progress.__doc__ = "`text` for people; `step` of `steps` (0 of 0: unknown); `preview` a QImage or None (no new one)."

STAGES = {"load": "Loading the model", "infill": "Painting", "encode": "Reading the picture", "denoise": "Painting",
          "decode": "Developing", "upscale": "Enlarging", "filter": "Finishing"}

DONE, CANCELLED, FAILED = "done", "cancelled", "failed"

_tokens = itertools.count(1)


class Job(QtCore.QObject):
    """One fill under way. Make it, connect the signals, `start` it. `Sorry` from the constructor: it makes no sense."""

    progress = QtCore.pyqtSignal(object)
    ended = QtCore.pyqtSignal(str, str)
    """DONE, CANCELLED or FAILED, and a sentence. Sent once."""

    def __init__(self, connection, wish, parent=None):
        super().__init__(parent)
        self._connection = connection
        self._wish = wish
        self._target = Target.active()
        if wish.mode != "generate" and self._target.selection is None:
            raise Sorry("Nothing is selected. Select the part of the picture to %s first." % wish.mode)
        self._token = "krita-%d" % next(_tokens)
        self._steps = None
        self._request = None
        self._reason = None
        self.seed = None
        """The seed that was used, once known."""

    def start(self):
        """Begins; `progress` and `ended` follow."""
        self._connection.notice.connect(self._heard)
        self._steps = self._fill()
        self._tell("Reading the picture")
        later(self._step)

    def cancel(self, reason="Cancelled. The picture is unchanged."):
        """Gives up. A job the daemon has is over when the daemon says so, within one step."""
        self._reason = self._reason or reason
        if self._request is not None:
            self._connection.cancel(self._request)
            self._tell("Cancelling")
        elif self._steps is not None:
            self._end(CANCELLED, self._reason)

    def document_may_be_gone(self):
        """To be called when Krita closed some document."""
        if self._steps is not None and not self._target.is_open():
            self.cancel("The picture was closed, so its %s was cancelled." % self._wish.mode)

    # The story

    def _fill(self):
        wish, target, connection = self._wish, self._target, self._connection
        canvas = (0, 0) + target.extent
        if target.selection is not None:
            asked = {"mode": wish.mode, "extent": list(target.extent), "mask_bounds": _json_rect(target.selection),
                     "prompt": wish.prompt, "denoise_strength": wish.denoise_strength, "model": wish.model}
            answer = yield self._call("fill/context", _without_none(asked))
            canvas = _within(answer.get("rect"), target.extent)

        blobs = []
        try:
            pixels = yield from self._send(target.read(canvas, connection.chunk_bytes), canvas, 4, blobs)
            params = dict(
                wish._asdict(), progress=self._token, preview=PREVIEW, label=layer_name(wish.prompt, wish.mode, None),
                canvas={"extent": list(target.extent), "rect": _json_rect(canvas), "image": _image(pixels, canvas, PX)})
            if target.selection is not None:
                mask = yield from self._send(target.read_mask(connection.chunk_bytes), target.selection, 1, blobs)
                params["mask"] = {"rect": _json_rect(target.selection), "image": _image(mask, target.selection, "g8")}
            if wish.seed is not None and wish.seed >= 1 << 53:
                params["seed"] = str(wish.seed)  # JSON numbers are exact only below
            result = yield self._call("generate", _without_none(params), cancellable=True)
        finally:
            for blob in blobs:
                connection.notify("blob/free", {"blob": blob})

        self.seed = result.get("seed")
        patches = connection.patches(result)
        if not patches:
            return "Underpaint found nothing to change there."
        for patch in patches:
            self._tell("Placing the layer")
            for _ in target.insert(patch, layer_name(wish.prompt, wish.mode, patch.seed)):
                yield _next_turn
        return self._farewell(result, patches)

    def _send(self, strips, rect, bytes_per_pixel, blobs):
        """Uploads strips as they are read; returns the blob's name and notes it in `blobs`."""
        upload = self._connection.upload(rect[2] * rect[3] * bytes_per_pixel)
        blobs.append(upload.blob)
        for strip in strips:
            upload.write(strip)
            yield self._connection.when_drained
        return upload.blob

    def _farewell(self, result, patches):
        seconds = (result.get("timing_ms") or {}).get("total", 0) / 1000
        words = "Done in %.1f s, as a new layer." % seconds if len(patches) == 1 else "Done in %.1f s, as %d new layers." % (
            seconds, len(patches))
        if self._target.was_resized():
            words += " The canvas was resized meanwhile: look whether the layer lies where you want it."
        return words

    # Stepping it

    def _call(self, method, params, cancellable=False):
        def arm(resume):
            request = self._connection.call(method, params, resume)
            self._request = request if cancellable else None
        return arm

    @guarded
    def _resume(self, value=None, error=None):
        self._request = None
        self._step(value, error)

    @guarded
    def _step(self, value=None, error=None):
        if self._steps is None:
            return
        try:
            if self._reason is not None:
                self._end(CANCELLED, self._reason)
            elif error is not None:
                self._steps.throw(error)
            else:
                wait = self._steps.send(value)
                wait(self._resume)
        except StopIteration as done:
            self._end(DONE, done.value)
        except Sorry as error:
            self._end(FAILED, str(error))
        except Refused as error:
            self._end(FAILED, " ".join(filter(None, [str(error), error.hint])))
        except Disconnected:
            self._end(FAILED, "Underpaint stopped while it was at work. The picture is unchanged; try again, it is started anew.")
        except ProtocolError as error:
            self._end(FAILED, "Underpaint's answer cannot be used (%s). Are it and this plug-in of the same version?" % error)
        except Exception as error:
            self._end(FAILED, "Something went wrong inside the Underpaint plug-in (%s: %s)." % (type(error).__name__, error))
            raise

    def _end(self, outcome, sentence):
        steps, self._steps = self._steps, None
        if steps is None:
            return
        self._request = None
        steps.close()
        self._connection.notice.disconnect(self._heard)
        self.ended.emit(outcome, sentence)
        self.deleteLater()

    # What the daemon tells meanwhile

    @guarded
    def _heard(self, notice):
        params = notice.params
        if notice.method == "job/state" and params.get("id") == self._request and self._request is not None:
            if params.get("state") == "queued" and params.get("position"):
                self._tell("Waiting, %s before this one" % _pictures(params["position"]))
            elif params.get("state") == "running":
                self._tell("Painting")
        elif notice.method == "progress" and params.get("progress") == self._token and self._reason is None:
            self._progressed(params, notice.tail)

    def _progressed(self, params, tail):
        step, steps = int(params.get("step") or 0), int(params.get("steps") or 0)
        text = STAGES.get(params.get("stage"), "Painting")
        if steps > 1:
            text += ", step %d of %d" % (step, steps)
        if params.get("eta_ms"):
            text += ", %s left" % _duration(params["eta_ms"])
        described = params.get("preview")
        self._tell(text, step, steps, _picture(described, tail) if described else None)

    def _tell(self, text, step=0, steps=0, preview=None):
        self.progress.emit(Progress(text, step, steps, preview))


def _next_turn(resume):
    later(resume)


def _without_none(params):
    return {key: value for key, value in params.items() if value is not None}


def _json_rect(rect):
    return dict(zip("xywh", rect))


def _image(blob, rect, px):
    return image(blob, rect[2], rect[3], px)


def _within(rect, extent):
    """The daemon's rect as (x, y, w, h); `ProtocolError` unless it lies within the canvas."""
    try:
        x, y, width, height = (int(rect[side]) for side in "xywh")
    except (KeyError, TypeError, ValueError):
        raise ProtocolError("a context that is no rect: %r" % (rect,)) from None
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > extent[0] or y + height > extent[1]:
        raise ProtocolError("a context outside the picture: %r" % (rect,))
    return x, y, width, height


def _picture(described, tail):
    """A preview as a QImage that owns its pixels; None if it is of a kind we cannot show."""
    formats = {"rgba8": QtGui.QImage.Format.Format_RGBA8888, "bgra8": QtGui.QImage.Format.Format_ARGB32}
    if described.get("px") not in formats:
        return None
    pixels = bytes(packed_pixels(described, tail))
    width, height = described["w"], described["h"]
    return QtGui.QImage(pixels, width, height, width * 4, formats[described["px"]]).copy()


def _pictures(count):
    return "one picture" if count == 1 else "%d pictures" % count


def _duration(ms):
    seconds = max(1, round(ms / 1000))
    return "%d s" % seconds if seconds < 90 else "%d min" % round(seconds / 60)
