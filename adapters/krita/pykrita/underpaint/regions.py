"""Regions: texts bound to layers. Where a layer is opaque, its text is what should be seen there.

An entry is {"layer", "prompt", "on"}. The prompt of the whole picture follows each region's own; what regions leave is
the whole prompt's alone.
"""

from .entries import Bound, Entry
from .job import json_rect
from .qt import guarded
from .widgets import LayerBox, Words


class Regions(Bound):
    """The regions of the document in front."""

    NAME = "regions"
    TITLE = "Regions"
    ADD = "Bind a text to this layer"

    def __init__(self, icon, layers, active):
        """`layers()` gives the (id, name) of the document's layers, `active()` the id of the one the painter is on."""
        self.layers = layers
        self._reads = True
        super().__init__(icon)
        self.adder.setToolTip("What should be seen where the active layer is opaque")
        self.adder.clicked.connect(guarded(lambda *_: self.add({"layer": active()}).begin()))

    def suit(self, scene):
        """Whether what paints reads words at all."""
        self._reads = scene.reads_prompts
        if self._is_new(self._reads):
            self.say("" if self._reads else "This model reads no words, so it knows no regions.")

    def offered(self):
        """Whether one can be added at all."""
        return self._reads

    def make(self, held):
        """An entry of what was saved."""
        return _Region(self, held)

    def members(self, scene):
        """Those that are on and say something, with the masks of their layers."""
        running = [region for region in self.running() if region["prompt"]]
        return {"regions": lambda job: _sent(job, running)} if scene.reads_prompts and running else {}


def _sent(job, regions):
    """The member of `generate`. A region that is nowhere in what is painted is left out; `Sorry` if its layer is gone."""
    found = []
    for region in regions:
        node = job.target.find(region["layer"])
        rect = job.part(node)
        mask = (yield from job.send_alpha(node, rect)) if rect is not None else None
        if mask is not None:
            found.append({"prompt": region["prompt"], "mask": {"rect": json_rect(rect), "image": mask}})
    return found


class _Region(Entry):
    def __init__(self, owner, held):
        self._layer = LayerBox(owner.layers)
        self._layer.setObjectName("underpaint_region_layer")
        self._layer.setToolTip("Where this layer is opaque, the text holds; where it is half transparent, by half")
        super().__init__(owner.icon, self._layer, held.get("on") is not False)
        self._words = Words("What should be seen there", 2)
        self._words.setObjectName("underpaint_region_prompt")
        self._words.setPlainText(str(held.get("prompt") or ""))
        self.lines.addWidget(self._words)
        self._layer.show_layer(str(held.get("layer") or ""))
        self._layer.currentIndexChanged.connect(self._touched)
        self._words.textChanged.connect(self._touched)

    def begin(self):
        """Lets the painter write."""
        self._words.setFocus()

    def value(self):
        """What it holds, as it is saved."""
        return {"layer": self._layer.layer(), "prompt": self._words.toPlainText().strip(), "on": self.on}
