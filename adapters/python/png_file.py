"""PNG files read and written with the standard library, for `fill_png.py`: what stands for an editor there.

Decision: 8 bits in grey or colour, with or without alpha; no palette, no interlacing, no colour profile. Whoever wants
more takes a library; this one is here so that the smallest adapter runs wherever Python does.
"""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""By PNG's colour type: grey, RGB, and both with alpha."""
SOURCES = {1: (0, 0, 0), 2: (0, 0, 0, 1), 3: (0, 1, 2), 4: (0, 1, 2, 3)}
"""Which of so many channels make red, green, blue, and alpha if there is one."""


def read(path):
    """(width, height, whether it has alpha, packed rows of rgba8). `ValueError` if it is another kind of file."""
    with open(path, "rb") as file:
        data = file.read()
    head, packed, at = None, [], len(SIGNATURE)
    while data.startswith(SIGNATURE) and at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR" and size == 13:
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed.append(body)
        at += 12 + size
    width, height, depth, color, _, _, interlaced = head or (0, 0, 0, 0, 0, 0, 0)
    if depth != 8 or color not in CHANNELS or interlaced:
        raise ValueError("%s is not a PNG of 8 bits in grey or colour, without a palette and not interlaced" % path)
    try:
        filtered = zlib.decompress(b"".join(packed))
    except zlib.error:
        filtered = b""
    channels = CHANNELS[color]
    if len(filtered) != height * (width * channels + 1):
        raise ValueError("%s is damaged" % path)
    rows = _unfiltered(filtered, width * channels, channels)
    rgba = bytearray(b"\xff" * (width * height * 4))
    for to, source in enumerate(SOURCES[channels]):
        rgba[to::4] = rows[source::channels]
    return width, height, channels in (2, 4), rgba


def write(path, width, height, alpha, rgba):
    """Writes what `read` gives; without alpha as RGB."""
    channels = 4 if alpha else 3
    rows = bytearray(width * height * channels)
    for to in range(channels):
        rows[to::channels] = rgba[to::4]
    stride = width * channels
    raw = b"".join(b"\0" + rows[at:at + stride] for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(SIGNATURE)
        for kind, body in [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]:
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def _unfiltered(filtered, stride, channels):
    """Undoes PNG's five filters (PNG specification, 9.2), row by row."""
    rows, above = bytearray(), bytearray(stride)
    for at in range(0, len(filtered), stride + 1):
        kind, row = filtered[at], bytearray(filtered[at + 1:at + 1 + stride])
        for x in range(stride if kind else 0):
            left, corner = (row[x - channels], above[x - channels]) if x >= channels else (0, 0)
            row[x] = row[x] + _predicted(kind, left, above[x], corner) & 255
        rows += row
        above = row
    return rows


def _predicted(kind, left, up, corner):
    if kind == 4:  # Paeth: the neighbour nearest to left + up - corner
        guess = left + up - corner
        return min((left, up, corner), key=lambda neighbour: abs(guess - neighbour))
    return (0, left, up, (left + up) // 2)[kind]
