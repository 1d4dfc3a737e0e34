"""Fills, from the wish to the new layer, each as one story: read `_story` from top to bottom."""

import collections

from .document import Sorry, Target
from .job import PREVIEW, PX, Job, json_rect, placed_image, within

ASKED_FOR_CONTEXT = ("prompt", "denoise_strength", "model")
"""Members of `generate` on which it depends how much of the canvas is worth sending."""
STEER = ("controls", "regions", "loras")
"""Members of which it matters for that whether there are any."""

Wish = collections.namedtuple("Wish", "mode members margins")
Wish.__doc__ = """A fill. `members` are those of `generate`, what is left to the daemon absent; a value that is a function takes
the job and returns a generator, which sends what is needed and returns the value (see `section.Section.members`). `margins`
(left, above, right, below): by how much the canvas is to be enlarged."""


def asking_for_context(mode, target, rect, members):
    """Parameters of `fill/context`, for what is to be painted in `rect`."""
    asked = {"mode": mode, "extent": list(target.extent), "mask_bounds": json_rect(rect)}
    asked.update((name, members[name]) for name in ASKED_FOR_CONTEXT if name in members)
    return dict(asked, steered=any(name in members for name in STEER))


class Fill(Job):
    """Paints into the selection, around it, beyond the picture or all over the canvas."""

    def __init__(self, connection, target, wish, parent=None):
        """`target` has been aimed (`Target.aim`)."""
        super().__init__(connection, target, wish.members.get("prompt", ""), wish.mode, parent)
        self._wish = wish

    def _story(self):
        wish = self._wish
        yield from self._find_context(wish.members)
        params = {"mode": wish.mode, "progress": self._token, "preview": PREVIEW, "label": self.label, "keep": True}
        params.update((yield from self._where()))
        for name, value in wish.members.items():
            params[name] = (yield from value(self)) if callable(value) else value
        result = yield self._call("generate", params, cancellable=True)
        return (yield from self._place(result))

    def _find_context(self, members):
        """Asks for the part of the canvas that is worth sending."""
        target = self.target
        if target.marked is not None:
            answer = yield self._call("fill/context", asking_for_context(self._wish.mode, target, target.marked, members))
            self.context = within(answer.get("rect"), target.extent)

    def _where(self, pixels=True):
        """The members `canvas`, with its pixels or without, and `mask`, if only a part is to be painted."""
        target, canvas, size = self.target, self.context, self._connection.chunk_bytes
        found = {"canvas": {"extent": list(target.extent), "rect": json_rect(canvas)}}
        if pixels:
            yield from self.painter.quiet()
            blob = yield from self.send(target.read(canvas, size), canvas, 4)
            found["canvas"]["image"] = placed_image(blob, canvas, PX)
        if target.marked is not None:
            mask = yield from self.send(target.read_marked(size), target.marked, 1)
            found["mask"] = {"rect": json_rect(target.marked), "image": placed_image(mask, target.marked, "g8")}
        return found


class Resumed(Job):
    """A job of an earlier session, or of a connection that was lost, taken up again. `Sorry`: its picture is not open."""

    def __init__(self, connection, record, target=None, parent=None):
        """`record`: see `Job.record`; `target`: if this session knows it still."""
        if target is None:
            target = Target.found(record["document"])
            if target is None:
                raise Sorry("Open its picture, and it is placed.")
            target.resume(record["margins"], record["document"])
        super().__init__(connection, target, record["words"], record["mode"], parent)
        self.id = record["job"]

    def _story(self):
        asked = {"job": self.id, "progress": self._token, "preview": PREVIEW}
        result = yield self._call("job/attach", asked, cancellable=True)
        return (yield from self._place(result))
