"""What the painter asked for, from the wish to the new layer, each as one story that the event loop steps.

`Fill._story` and `Filtering._story` below are read from top to bottom. Nothing here blocks, and nothing here decides
about pixels.
"""

import collections
import itertools

from .document import Sorry, Target, layer_name
from .qt import QtCore, QtGui, guarded
from .story import Story, next_turn
from .underpaint_client import Disconnected, ProtocolError, Refused, image, packed_pixels

PREVIEW = {"max_side": 384, "every_ms": 200}
PX = "bgra8"
"""Krita's own byte order; results come back in it."""
ASKED_FOR_CONTEXT = ("prompt", "denoise_strength", "model")
"""Members of `generate` on which it depends how much of the canvas is worth sending."""
LONG_TEXT = 4096
"""Parameters of more bytes travel as blobs: a whole message has 64 KiB."""

Wish = collections.namedtuple("Wish", "mode members")
Wish.__doc__ = """A fill. `members` are those of `generate`, what is left to the daemon absent; a value that is a function takes
the job and returns a generator, which sends what is needed and returns the value (see `section.Section.members`)."""

Progress = collections.namedtuple("Progress", "text step steps preview")
Progress.__doc__ = "`text` for people; `step` of `steps` (0 of 0: unknown); `preview` a QImage or None (no new one)."

STAGES = {"load": "Loading the model", "infill": "Painting", "encode": "Reading the picture", "denoise": "Painting",
          "decode": "Developing", "upscale": "Enlarging", "filter": "Finishing"}

DONE, CANCELLED, FAILED = "done", "cancelled", "failed"

_tokens = itertools.count(1)


class Sending:
    """What the members of a request are sent by: something with `target`, `context` (the part of the canvas that is read),
    `send_layer`, `send_alpha` and `send_text`. Sections use it, see `section.Section.members`."""

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

    WHAT = "picture"
    """What is cancelled when the document is closed."""
    AT_WORK = "Painting"

    progress = QtCore.pyqtSignal(object)
    ended = QtCore.pyqtSignal(str, str)
    """DONE, CANCELLED or FAILED, and a sentence. Sent once."""

    def __init__(self, connection, parent=None):
        super().__init__(parent)
        self._connection = connection
        self.target = Target.active()
        """The document and the layer it was started on."""
        self.context = (0, 0) + self.target.extent
        """The part of the canvas that it reads."""
        self._token = "krita-%d" % next(_tokens)
        self._telling = None
        self._request = None
        self._reason = None
        self._blobs = []
        self.seed = None
        """The seed that was used, once known."""

    def start(self):
        """Begins; `progress` and `ended` follow."""
        self._connection.notice.connect(self._heard)
        self._telling = Story(self._whole_story(), self._told)
        self._tell("Reading the picture")
        self._telling.start()

    def cancel(self, reason="Cancelled. The picture is unchanged."):
        """Gives up. A job the daemon has is over when the daemon says so, within one step."""
        self._reason = self._reason or reason
        if self._request is not None:
            self._connection.cancel(self._request)
            self._tell("Cancelling")
        elif self._telling is not None:
            self._end(CANCELLED, self._reason)

    def document_may_be_gone(self):
        """To be called when Krita closed some document."""
        if self._telling is not None and not self.target.is_open():
            self.cancel("The picture was closed, so its %s was cancelled." % self.WHAT)

    def _whole_story(self):
        try:
            return (yield from self._story())
        finally:
            self._free()

    def _free(self):
        blobs, self._blobs = self._blobs, []
        for blob in blobs:
            self._connection.notify("blob/free", {"blob": blob})

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
        blob = yield from self.send(self.target.read_layer(node, rect, self._connection.chunk_bytes), rect, 4)
        return _image(blob, rect, PX)

    def send_alpha(self, node, rect):
        """Uploads how opaque what a layer shows of `rect` is; returns the image, or None if there is nothing."""
        strips = []
        for strip in self.target.read_layer(node, rect, self._connection.chunk_bytes):
            strips.append(strip[3::4])
            yield next_turn
        if not any(strip.count(0) < len(strip) for strip in strips):
            return None
        return _image((yield from self.send(strips, rect, 1)), rect, "g8")

    def send_text(self, data):
        """Uploads a text's bytes; returns the blob's name."""
        return (yield from self.send(pieces(data, self._connection.chunk_bytes), (0, 0, len(data), 1), 1))

    def _call(self, method, params, cancellable=False):
        def arm(resume):
            def answered(result, error):
                self._request = None
                if self._reason is None:
                    resume(result, error)
                else:
                    self._end(CANCELLED, self._reason)
            request = self._connection.call(method, params, answered)
            self._request = request if cancellable else None
        return arm

    def _place(self, result, name):
        """Puts every patch on a layer of its own; `name(seed)` is the layer's. Returns how it went, as a sentence."""
        self._free()
        patches = self._connection.patches(result)
        if not patches:
            return "Underpaint found nothing to change there."
        for patch in patches:
            self._tell("Placing the layer")
            for _ in self.target.insert(patch, name(patch.seed)):
                yield next_turn
        return self._farewell(result, patches)

    def _farewell(self, result, patches):
        seconds = (result.get("timing_ms") or {}).get("total", 0) / 1000
        words = "Done in %.1f s, as a new layer." % seconds if len(patches) == 1 else "Done in %.1f s, as %d new layers." % (
            seconds, len(patches))
        if self.target.was_resized():
            words += " The canvas was resized meanwhile: look whether the layer lies where you want it."
        return words

    # How it ends

    def _told(self, sentence, error):
        if error is None:
            self._end(DONE, sentence)
        elif isinstance(error, Sorry):
            self._end(FAILED, str(error))
        elif isinstance(error, Refused):
            self._end(FAILED, " ".join(filter(None, [str(error), error.hint])))
        elif isinstance(error, Disconnected):
            self._end(FAILED, "Underpaint stopped while it was at work. The picture is unchanged; try again, it is started anew.")
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
        self._tell(text, step, steps, _picture(described, tail) if described else None)

    def _tell(self, text, step=0, steps=0, preview=None):
        self.progress.emit(Progress(text, step, steps, preview))


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


class Fill(Job):
    """Paints into the selection, or the whole canvas."""

    def __init__(self, connection, wish, parent=None):
        super().__init__(connection, parent)
        self._wish = wish
        self.WHAT = wish.mode
        if wish.mode != "generate" and self.target.selection is None:
            raise Sorry("Nothing is selected. Select the part of the picture to %s first." % wish.mode)

    def _story(self):
        wish, target, connection = self._wish, self.target, self._connection
        members, prompt = dict(wish.members), wish.members.get("prompt", "")
        if target.selection is not None:
            asked = {"mode": wish.mode, "extent": list(target.extent), "mask_bounds": json_rect(target.selection)}
            asked.update((name, members[name]) for name in ASKED_FOR_CONTEXT if name in members)
            answer = yield self._call("fill/context", asked)
            self.context = within(answer.get("rect"), target.extent)

        canvas = self.context
        pixels = yield from self.send(target.read(canvas, connection.chunk_bytes), canvas, 4)
        params = {
            "mode": wish.mode, "progress": self._token, "preview": PREVIEW, "label": layer_name(prompt, wish.mode, None),
            "canvas": {"extent": list(target.extent), "rect": json_rect(canvas), "image": _image(pixels, canvas, PX)}}
        if target.selection is not None:
            mask = yield from self.send(target.read_mask(connection.chunk_bytes), target.selection, 1)
            params["mask"] = {"rect": json_rect(target.selection), "image": _image(mask, target.selection, "g8")}
        for name, value in members.items():
            params[name] = (yield from value(self)) if callable(value) else value
        result = yield self._call("generate", params, cancellable=True)
        self.seed = result.get("seed")
        return (yield from self._place(result, lambda seed: layer_name(prompt, wish.mode, seed)))


class Filtering(Job):
    """Runs a chain over the active layer, or what is selected of it, as a new layer above."""

    WHAT = "filtering"
    AT_WORK = "Filtering"

    def __init__(self, connection, chain, wants, parent=None):
        """`chain`: see `filters.Chain.running`; `wants(role)`: which inputs it asks for."""
        super().__init__(connection, parent)
        if not chain:
            raise Sorry("There is no filter that is switched on. Add one first.")
        self._chain, self._title = chain, " + ".join(step["title"] for step in chain)
        self._layer = self.target.layer()
        self._rect = self.target.filtered_part(self._layer)
        self._before = self.target.beneath(self._layer) if wants("before") else None

    def _story(self):
        target, rect = self.target, self._rect
        params = {"rect": json_rect(rect), "label": self._title, "progress": self._token}
        params["image"] = yield from self.send_layer(self._layer, rect)
        if target.selection is not None:
            mask = yield from self.send(target.read_mask(self._connection.chunk_bytes, rect), rect, 1)
            params.update(mask=_image(mask, rect, "g8"), clip=True)
        if self._before is not None:
            params["before"] = yield from self.send_layer(self._before, rect)
        params["filters"] = yield from self.filters(self._chain)
        result = yield self._call("filter/apply", params, cancellable=True)
        return (yield from self._place(result, lambda _seed: layer_name(self._title, "filter", None)))


def json_rect(rect):
    return dict(zip("xywh", rect))


def _image(blob, rect, px):
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
