"""Fills, from the wish to the new layer, each as one story: read `_story` from top to bottom."""

import collections

from .document import Sorry, Target
from .job import PREVIEW, PX, Job, json_rect, placed_image, within

ASKED_FOR_CONTEXT = ("prompt", "denoise_strength", "model")
"""Members of `generate` on which it depends how much of the canvas is worth sending."""

Wish = collections.namedtuple("Wish", "mode members margins")
Wish.__doc__ = """A fill. `members` are those of `generate`, what is left to the daemon absent; a value that is a function takes
the job and returns a generator, which sends what is needed and returns the value (see `section.Section.members`). `margins`
(left, above, right, below): by how much the canvas is to be enlarged."""


class Fill(Job):
    """Paints into the selection, around it, beyond the picture or all over the canvas."""

    def __init__(self, connection, target, wish, parent=None):
        """`target` has been aimed (`Target.aim`)."""
        super().__init__(connection, target, wish.members.get("prompt", ""), wish.mode, parent)
        self._wish = wish

    def _story(self):
        wish, target, connection = self._wish, self.target, self._connection
        members = dict(wish.members)
        if target.marked is not None:
            asked = {"mode": wish.mode, "extent": list(target.extent), "mask_bounds": json_rect(target.marked)}
            asked.update((name, members[name]) for name in ASKED_FOR_CONTEXT if name in members)
            answer = yield self._call("fill/context", asked)
            self.context = within(answer.get("rect"), target.extent)

        canvas = self.context
        pixels = yield from self.send(target.read(canvas, connection.chunk_bytes), canvas, 4)
        params = {
            "mode": wish.mode, "progress": self._token, "preview": PREVIEW, "label": self.label, "keep": True,
            "canvas": {"extent": list(target.extent), "rect": json_rect(canvas), "image": placed_image(pixels, canvas, PX)}}
        if target.marked is not None:
            mask = yield from self.send(target.read_marked(connection.chunk_bytes), target.marked, 1)
            params["mask"] = {"rect": json_rect(target.marked), "image": placed_image(mask, target.marked, "g8")}
        for name, value in members.items():
            params[name] = (yield from value(self)) if callable(value) else value
        result = yield self._call("generate", params, cancellable=True)
        return (yield from self._place(result))


class Resumed(Job):
    """A job of an earlier session, or of a connection that was lost, taken up again. `Sorry`: its picture is not open."""

    def __init__(self, connection, record, target=None, parent=None):
        """`record`: see `Job.record`; `target`: if this session knows it still."""
        if target is None:
            target = Target.found(record["document"])
            if target is None:
                raise Sorry("Open its picture, and it is placed.")
            target.resume(record["margins"], record["document"]["size"])
        super().__init__(connection, target, record["words"], record["mode"], parent)
        self.id = record["job"]

    def _story(self):
        asked = {"job": self.id, "progress": self._token, "preview": PREVIEW}
        result = yield self._call("job/attach", asked, cancellable=True)
        return (yield from self._place(result))
