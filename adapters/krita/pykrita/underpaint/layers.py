"""The layers of the document in front, for sections to choose from, and what is kept with a document."""

import json

from krita import Krita

from .qt import QtCore

NOTE = "underpaint"
"""What our annotation is called."""


def in_front():
    """The document the painter is looking at; None if none is open."""
    return Krita.instance().activeDocument()


def layers_in_front():
    """(id, name) of the layers of the document in front, from the top, those in groups indented; none if no picture is
    open."""
    document = in_front()
    return list(_under(document.rootNode(), 0)) if document is not None else []


def _under(parent, depth):
    for node in reversed(parent.childNodes()):
        if node.type().endswith("layer"):
            yield node.uniqueId().toString(), "  " * depth + node.name()
            yield from _under(node, depth + 1)


def active_layer():
    """The id of the layer the painter is on, or of what its mask belongs to; empty if there is none."""
    document = in_front()
    node = document.activeNode() if document is not None else None
    while node is not None and not node.type().endswith("layer"):
        node = node.parentNode()
    return node.uniqueId().toString() if node is not None and node.parentNode() is not None else ""


def note(document):
    """What `keep_note` left in a document, in this session or before it was saved; an empty dict if nothing."""
    try:
        held = json.loads(bytes(document.annotation(NOTE)).decode("utf-8"))
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def keep_note(document, held):
    """Keeps a dict with the document: it is saved into a .kra and comes back with it. No undo step."""
    data = QtCore.QByteArray(json.dumps(held).encode("utf-8"))
    document.setAnnotation(NOTE, "Underpaint: regions and control layers", data)
    document.setModified(True)
