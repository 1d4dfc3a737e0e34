"""Copies of pictures that the daemon keeps while they change here, so that only what changed has to travel.

A picture is looked at in tiles of 256 by 256 pixels. Whether one is another than before is told by a checksum of its bytes
as Krita holds them; only tiles that are get converted and sent. Reading takes small parts of many turns of the event loop.
"""

import time
import zlib

from .document import common
from .job import Sending, json_rect
from .moment import Opaque, Picture, Selected, Shown
from .story import next_turn
from .underpaint_client import image

TILE = 256
AT_ONCE = 1 << 20
"""Bytes that are sent before it is waited for the daemon to read them."""
TURN_S = 0.012
"""How long one turn of the event loop may be spent on looking."""


def tiles(rect):
    """Cuts a rect (x, y, w, h) into tiles, row by row."""
    left, top, width, height = rect
    for y in range(top, top + height, TILE):
        for x in range(left, left + width, TILE):
            yield x, y, min(TILE, left + width - x), min(TILE, top + height - y)


class Mirror:
    """The daemon's copy of a part of one picture."""

    def __init__(self, connection, rect):
        self._connection, self.rect = connection, rect
        self._blob = None
        self._sums, self._filled = {}, set()

    def look(self, source, pace):
        """Brings the copy up to date, as part of a story. `source`: one of `moment`; `pace` yields when the turn is over.
        Returns whether it is another picture now."""
        changed = {}
        try:
            for tile in tiles(self.rect):
                found = zlib.crc32(source.native(tile))
                if self._sums.get(tile) != found:
                    changed[tile] = (found, source.read(tile))
                yield from pace()
        finally:
            source.close()
        if self._blob is None:
            yield from self._put(changed, source, pace)
            return True
        waiting = 0
        for tile, (found, pixels) in changed.items():
            self._rewrite(tile, pixels, source.BYTES)
            self._note(tile, found, pixels)
            waiting += len(pixels)
            if waiting >= AT_ONCE:
                waiting = 0
                yield self._connection.when_drained
        return bool(changed)

    def _put(self, changed, source, pace):
        """Sends all of it for the first time."""
        left, top, width, height = self.rect
        whole, row = bytearray(width * height * source.BYTES), width * source.BYTES
        for (x, y, wide, high), (_found, pixels) in changed.items():
            part = wide * source.BYTES
            for at in range(high):
                start = (y - top + at) * row + (x - left) * source.BYTES
                whole[start:start + part] = pixels[at * part:at * part + part]
            yield from pace()
        upload = self._connection.upload(len(whole))
        try:
            for start in range(0, len(whole), self._connection.chunk_bytes):
                upload.write(bytes(whole[start:start + self._connection.chunk_bytes]))
                yield self._connection.when_drained
        except GeneratorExit:
            self._connection.free(upload.blob)
            raise
        self._blob = upload.blob
        for tile, (found, pixels) in changed.items():
            self._note(tile, found, pixels)

    def _rewrite(self, tile, pixels, bytes_per_pixel):
        x, y, width, _height = tile
        row = self.rect[2] * bytes_per_pixel
        offset = (y - self.rect[1]) * row + (x - self.rect[0]) * bytes_per_pixel
        self._connection.rewrite(self._blob, offset, row, width * bytes_per_pixel, pixels)

    def _note(self, tile, found, pixels):
        self._sums[tile] = found
        (self._filled.discard if pixels.count(0) == len(pixels) else self._filled.add)(tile)

    @property
    def empty(self):
        """Whether all of it is zero."""
        return not self._filled

    def image(self, px):
        """The copy, as a request names it."""
        return image(self._blob, self.rect[2], self.rect[3], px)

    def free(self):
        """The daemon may forget it."""
        if self._blob is not None:
            self._connection.free(self._blob)
            self._blob = None


class Mirrors(Sending):
    """All copies on one connection of what one request after the other needs of one document."""

    def __init__(self, connection):
        self.connection = connection
        self.target = None
        self.context = None
        self.changed = False
        """Whether a picture is another one; for whoever asks for the next to set back."""
        self._mirrors, self._used, self._texts = {}, set(), {}
        self.spent = 0.0
        """Seconds that this round has spent looking."""

    def begin(self, target):
        """A round begins."""
        self.target, self.spent = target, 0.0
        self._used = set()

    def end(self):
        """A round is over: what it did not need is forgotten."""
        for key in [key for key in self._mirrors if key not in self._used]:
            self._mirrors.pop(key).free()

    def free(self):
        """The daemon may forget everything."""
        self._used = set()
        self.end()
        for blob in self._texts.values():
            self.connection.free(blob)
        self._texts = {}

    def _pace(self):
        now = time.perf_counter()
        if now - self._turn > TURN_S:
            self.spent += now - self._turn
            yield next_turn
            self._turn = time.perf_counter()

    def _look(self, key, rect, source):
        self._turn = time.perf_counter()
        key += (rect,)
        self._used.add(key)
        mirror = self._mirrors.setdefault(key, Mirror(self.connection, rect))
        if (yield from mirror.look(source, self._pace)):
            self.changed = True
        return mirror

    def canvas(self, rect):
        """The member `canvas` of a request, of this part."""
        source = Picture(self.target.document)
        mirror = yield from self._look(("canvas",), rect, source)
        return {"extent": list(self.target.extent), "rect": json_rect(rect), "image": mirror.image(source.PX)}

    def mask(self):
        """The member `mask`, of the selection."""
        source = Selected(self.target.selected)
        mirror = yield from self._look(("mask",), self.target.selection, source)
        return {"rect": json_rect(self.target.selection), "image": mirror.image(source.PX)}

    def part(self, node, whole=False):
        """See `Sending`; in whole tiles where what is around does not matter, so that a layer may grow without being sent
        anew."""
        rect = super().part(node, whole)
        if rect is None or whole:
            return rect
        x, y, width, height = self.context
        left, top = x + (rect[0] - x) // TILE * TILE, y + (rect[1] - y) // TILE * TILE
        right, bottom = (start + -(-(end - start) // TILE) * TILE for start, end in ((x, rect[0] + rect[2]), (y, rect[1] + rect[3])))
        return common(self.context, (left, top, right - left, bottom - top))

    def send_layer(self, node, rect):
        """What a layer shows, as an image."""
        mirror = yield from self._look(("layer", node.uniqueId().toString()), rect, Shown(node))
        return mirror.image(Shown.PX)

    def send_alpha(self, node, rect):
        """How opaque it is, as an image; None if it shows nothing."""
        mirror = yield from self._look(("alpha", node.uniqueId().toString()), rect, Opaque(node))
        return None if mirror.empty else mirror.image(Opaque.PX)

    def send_text(self, data):
        """A text's bytes, as a blob's name."""
        if data not in self._texts:
            upload = self.connection.upload(len(data))
            for start in range(0, len(data), self.connection.chunk_bytes):
                upload.write(data[start:start + self.connection.chunk_bytes])
                yield self.connection.when_drained
            self._texts[data] = upload.blob
        return self._texts[data]
