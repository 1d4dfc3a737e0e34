"""From one colour space to another, by Krita itself: no colour arithmetic happens here."""

from krita import Krita

SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")


class Conversion:
    """From one colour space to another, done by Krita in a document nobody sees.

    Converting a node leaves an undo step in the document that made it, so the real one must not be asked.
    """

    def __init__(self, source, target):
        self._target = target
        self._scratch = None
        if source != target:
            self._scratch = Krita.instance().createDocument(1, 1, "scratch", *source, 72.0)

    def convert(self, pixels, width, height):
        """Bytes of `width * height` pixels in the other space; `pixels` itself where nothing is to be done."""
        if self._scratch is None:
            return pixels
        node = self._scratch.createNode("piece", "paintlayer")
        node.setPixelData(pixels, 0, 0, width, height)
        node.setColorSpace(*self._target)
        return node.pixelData(0, 0, width, height)

    def close(self):
        """Gives the scratch document back."""
        if self._scratch is not None:
            self._scratch.setModified(False)
            self._scratch.close()
            self._scratch = None


def space(of):
    """Colour model, depth and profile of a document or a layer."""
    return of.colorModel(), of.colorDepth(), of.colorProfile()
