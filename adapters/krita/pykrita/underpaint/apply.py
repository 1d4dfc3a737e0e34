"""Filters over a layer, as a job."""

from .document import Sorry
from .job import Job, json_rect, placed_image
from .placing import look


class Filtering(Job):
    """Runs a chain over the active layer, or what is selected of it, as a new layer above."""

    AT_WORK = "Filtering"

    def __init__(self, connection, target, chain, wants, parent=None):
        """`chain`: see `filters.Chain.running`; `wants(role)`: which inputs it asks for."""
        if not chain:
            raise Sorry("There is no filter that is switched on. Add one first.")
        super().__init__(connection, target, " + ".join(step["title"] for step in chain), "filter", parent)
        self._chain = chain
        self._layer = target.layer()
        self._rect = target.filtered_part(self._layer)
        target.look = look(self._layer)
        self._before = target.beneath(self._layer) if wants("before") else None

    def name(self, seed):
        """Filters have no seed worth telling."""
        return self.label

    def _story(self):
        target, rect = self.target, self._rect
        params = {"rect": json_rect(rect), "label": self.label, "progress": self._token, "keep": True}
        params["image"] = yield from self.send_layer(self._layer, rect)
        if target.selection is not None:
            mask = yield from self.send(target.read_mask(self._connection.chunk_bytes, rect), rect, 1)
            params.update(mask=placed_image(mask, rect, "g8"), clip=True)
        if self._before is not None:
            params["before"] = yield from self.send_layer(self._before, rect)
        params["filters"] = yield from self.filters(self._chain)
        result = yield self._call("filter/apply", params, cancellable=True)
        return (yield from self._place(result))
