"""Pixels as GTK shows them."""

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf, GLib  # noqa: E402

CHECK = 8
DARK, LIGHT = 0xFF999999, 0xFFBBBBBB


def pixbuf(pixels, width, height):
    """Packed rgba8 as a pixbuf."""
    return GdkPixbuf.Pixbuf.new_from_bytes(GLib.Bytes.new(bytes(pixels)), GdkPixbuf.Colorspace.RGB, True, 8, width, height, width * 4)


def checkered(pixels, width, height):
    """The same over a checkerboard."""
    seen = pixbuf(pixels, width, height)
    return seen.composite_color_simple(width, height, GdkPixbuf.InterpType.NEAREST, 255, CHECK, DARK, LIGHT)
