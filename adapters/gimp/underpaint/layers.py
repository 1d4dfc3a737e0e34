"""The image's layers as dialogs offer them, and who is to know when there are others."""


class Layers:
    """(id, name, depth) of each from the top, `listed`; those in groups lie deeper than 0."""

    def __init__(self, aim):
        """`aim()` gives the image as a `Target`."""
        self._aim = aim
        self.changed = []
        """What to call when there are others."""
        target = aim()
        self.listed, self.active = target.layers(), target.active

    def look(self):
        """There may be others now."""
        self.listed = self._aim().layers()
        for changed in self.changed:
            changed()

    def choices(self, chosen, none=None):
        """(name, label) of each, for a list in which `chosen` is the one that is taken; `none` is what none is called."""
        found = [(layer, "  " * depth + layer) for _, layer, depth in self.listed]
        if none is not None:
            found.insert(0, ("", none))
        if chosen not in dict(found):
            found.append((chosen, "%s – not in this picture" % chosen))
        return found
