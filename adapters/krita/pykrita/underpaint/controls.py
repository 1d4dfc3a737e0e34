"""Control layers: pictures that steer, each bound to a layer of the document, and the model that makes it count.

What is made of a layer on the way to the model is shown and kept by `showing.py`.

An entry is {"layer", "model", "preprocess", "kind", "weight", "start", "end", "on"}: `layer` is a layer's id, empty for
the picture itself; `preprocess` and `kind` are empty where nothing is to be done or told. Which image encoder an
IP-Adapter looks through is the daemon's to choose.
"""

from .document import Sorry
from .entries import Bound, Entry, families, misfit, number, real
from .job import json_rect
from .modes import SEGMENT
from .qt import QtCore, QtWidgets, guarded
from .widgets import Box, LayerBox, calm, row

PICTURE = "The picture itself"
PREPROCESS = [
    ("", "As it is", "The layer shows what the model wants to see: edges, a pose, a depth map…"),
    ("canny", "Canny", "Thin sharp edges are drawn from it"),
    ("soft_edge", "Soft edges", "Edges as light as they are steep"),
    ("scribble", "Scribble", "Broad strokes along the lines of a drawing"),
    ("tile", "Tile", "Colours without detail"),
    ("blur", "Blur", "Colours out of focus"),
    ("depth", "Depth", "The nearer the lighter, as a depth estimator sees it"),
]
KINDS = [
    ("", "Told by what is made of it"), ("pose", "A pose"), ("depth", "Depth"), ("soft_edge", "Soft edges, scribbles"),
    ("line", "Lines"), ("normal", "Normals"), ("segmentation", "Segmentation"), ("tile", "Tile"), ("repaint", "Repaint"),
]
STEERS = ("controlnet", "controlnet_union", "t2i_adapter", "ip_adapter")
"""Kinds of `controls/list` that steer by themselves."""
TITLES = {"controlnet": "ControlNet", "controlnet_union": "ControlNet Union", "t2i_adapter": "T2I-Adapter",
          "ip_adapter": "IP-Adapter: a reference image"}
ENDING = ".safetensors"
WEIGHT = 10


class Controls(Bound):
    """The control layers of the document in front."""

    NAME = "controls"
    LISTS = ("controls/list", "models/list")
    TITLE = "Control layers"
    ADD = "Add a control layer"
    MOST = 8

    show = QtCore.pyqtSignal(object)
    """What is made of an entry's layer is to be seen, or no more; the entry."""
    keep = QtCore.pyqtSignal(object)
    """It is to become a layer."""

    def __init__(self, icon, layers, active):
        """`layers()` gives the (id, name) of the document's layers, `active()` the id of the one the painter is on."""
        self.layers = layers
        self._known, self._models, self._families, self._reads = [], [], set(), True
        self._can_show = False
        super().__init__(icon)
        self.adder.setToolTip("The layer you are on steers the picture")
        self.adder.clicked.connect(guarded(lambda *_: self.add({"layer": active(), "model": self._first()})))

    def offer(self, method, answer):
        """What there is."""
        if method == "models/list":
            self._models = answer
        else:
            self._known = [control for control in answer if isinstance(control, dict) and control.get("id")]
        self.changed.emit()  # `suit` follows

    def can_show(self, can):
        """Whether the daemon can show what is made of a layer."""
        self._can_show = can
        for entry in self.entries():
            entry.learn()

    def shows(self):
        """Whether that can be seen now."""
        return self._can_show and self._reads

    def suit(self, scene):
        """Which of them fit what paints."""
        self._families, self._reads = families(scene, self._models), scene.reads_prompts
        if self._is_new(self._families, self._reads, self._known):
            for entry in self.entries():
                entry.learn()
            self.say(self._lack())

    def _lack(self):
        """Why none can be added, as a sentence; empty if one can."""
        models = self.models()
        if not self._reads:
            return "This model cannot be steered."
        if not models:
            return "No control models here yet: put ControlNets, T2I-Adapters or IP-Adapters into a models folder."
        if self.offered():
            return ""
        if len(models) == 1:
            return "No control model fits: %s is %s." % (models[0][1], models[0][3])
        return "None of the %d control models here fits this model." % len(models)

    def models(self):
        """(id, name, kind, why not) of those that steer, first those that can be used."""
        encoders = any(control.get("kind") == "image_encoder" for control in self._known)
        found = []
        for control in self._known:
            if control.get("kind") in STEERS:
                why = misfit(control.get("family"), self._families)
                if control["kind"] == "ip_adapter" and not encoders:
                    why = why or "without its image encoder"
                name = str(control.get("name") or control["id"])
                found.append((control["id"], name[:-len(ENDING)] if name.endswith(ENDING) else name, control["kind"], why))
        return sorted(found, key=lambda model: (bool(model[3]), STEERS.index(model[2]), model[1].lower()))

    def sees_depth(self):
        """Whether there is a depth estimator."""
        return any(control.get("kind") == "depth" for control in self._known)

    def offered(self):
        """Whether one can be added at all."""
        return self._reads and any(not why for *_, why in self.models())

    def make(self, held):
        """An entry of what was saved."""
        return _Control(self, held)

    def members(self, scene):
        """Those that are on, with what their layers show."""
        running = self.running()
        if not scene.reads_prompts or not running:
            return {}
        kinds = {model: kind for model, _, kind, _ in self.models()}
        return {"controls": lambda job: _sent(job, running, kinds)}

    def _first(self):
        return next((model for model, *_, why in self.models() if not why), "")


def _sent(job, controls, kinds):
    """The member of `generate`. `Sorry` if a layer is not there, or shows nothing where the picture is painted."""
    found = []
    for control in controls:
        if not control["model"]:
            raise Sorry("A control layer has no model. Choose one, or switch it off.")
        call = {name: control[name] for name in ("model", "weight", "start", "end")}
        call.update((name, control[name]) for name in ("preprocess", "kind") if control[name])
        if control["layer"]:
            whole = kinds.get(control["model"]) == "ip_adapter"  # a reference is shown whole, wherever it lies
            call["image"] = yield from layer_shown(job, control["layer"], whole)
        found.append(call)
    return found


def layer_shown(job, layer, whole=False):
    """What a layer shows of the part that is painted, or `whole`, as `{rect, image}`. `Sorry` if it is not there, or shows
    nothing."""
    node = job.target.find(layer)
    rect = job.part(node, whole)
    if rect is None:
        raise Sorry("“%s” is empty where the picture is painted, so it cannot steer." % node.name())
    return {"rect": json_rect(rect), "image": (yield from job.send_layer(node, rect))}


class _Control(Entry):
    def __init__(self, owner, held):
        self._owner = owner
        self._layer = LayerBox(owner.layers, PICTURE)
        self._layer.setObjectName("underpaint_control_layer")
        self._layer.setToolTip("The layer that steers")
        super().__init__(owner.icon, self._layer, held.get("on") is not False)
        self._model, self._preprocess, self._kind = Box(), Box(), Box()
        self._model.setObjectName("underpaint_control_model")
        self._preprocess.setObjectName("underpaint_control_preprocess")
        self._kind.setObjectName("underpaint_control_kind")
        self._kind.setToolTip("What the layer shows, for a model that knows several kinds")
        for name, title, tip in PREPROCESS:
            self._preprocess.addItem(title, name)
            self._preprocess.setItemData(self._preprocess.count() - 1, tip, QtCore.Qt.ItemDataRole.ToolTipRole)
        self._preprocess.setToolTip("What is made of the layer before the model sees it")
        for name, title in KINDS:
            self._kind.addItem(title, name)
        self._weight = number(-WEIGHT, WEIGHT, real(held.get("weight"), -WEIGHT, WEIGHT, 1), "How much it counts; 1 as trained")
        self._start, self._end = (QtWidgets.QSpinBox() for _ in range(2))
        for spin, name, default, tip in [(self._start, "start", 0, "From which part of the steps on"),
                                         (self._end, "end", 1, "Up to which part of the steps")]:
            spin.setRange(0, 100)
            spin.setSuffix(" %")
            spin.setValue(round(real(held.get(name), 0, 1, default) * 100))
            spin.setToolTip(tip)
            spin.setFixedWidth(60)
        made, part, self._sight = (QtWidgets.QWidget() for _ in range(3))
        line = row(made, 4)
        line.addWidget(self._model, 3)
        line.addWidget(self._preprocess, 2)
        line = row(part, 4)
        line.addStretch(1)
        for widget in (QtWidgets.QLabel("Steps from"), self._start, QtWidgets.QLabel("to"), self._end):
            line.addWidget(widget)
        self._show, keep = QtWidgets.QPushButton("Show"), QtWidgets.QPushButton("Keep as layer")
        self._show.setCheckable(True)
        self._show.setStyleSheet(SEGMENT)
        self._show.setToolTip("Shows over the canvas what the model will see, until it is pressed again")
        self._show.clicked.connect(guarded(lambda *_: owner.show.emit(self)))
        keep.setToolTip("Puts what the model will see on a layer of its own, hidden, to be drawn on. It steers from then on")
        keep.clicked.connect(guarded(lambda *_: owner.keep.emit(self)))
        line = row(self._sight, 4)
        for button, name in ((self._show, "show"), (keep, "keep")):
            button.setObjectName("underpaint_control_" + name)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            line.addWidget(button, 1)
        self.head.insertWidget(2, self._weight)
        for widget in (made, self._kind, self._sight, part):
            self.lines.addWidget(widget)
        for spin, name in [(self._weight, "weight"), (self._start, "start"), (self._end, "end")]:
            spin.setObjectName("underpaint_control_" + name)
            calm(spin)
            spin.valueChanged.connect(self._touched)
        self._layer.show_layer(str(held.get("layer") or ""))
        self._wanted = str(held.get("model") or "")
        self.learn()
        for chosen, name in [(self._preprocess, "preprocess"), (self._kind, "kind")]:
            chosen.setCurrentIndex(max(0, chosen.findData(held.get(name) or "")))
        for chosen in (self._layer, self._model, self._preprocess, self._kind):
            chosen.currentIndexChanged.connect(self._chosen)
        self._start.valueChanged.connect(guarded(lambda value: self._end.setValue(max(value, self._end.value()))))
        self._end.valueChanged.connect(guarded(lambda value: self._start.setValue(min(value, self._start.value()))))

    def learn(self):
        """What there is to choose from is something else now."""
        chosen = self._model.currentData() or self._wanted
        self._model.blockSignals(True)
        self._model.clear()
        for model, name, kind, why in self._owner.models():
            self._model.addItem(name, model)
            at = self._model.count() - 1
            self._model.model().item(at).setEnabled(not why)
            self._model.setItemData(at, TITLES[kind] + (", " + why if why else ""), QtCore.Qt.ItemDataRole.ToolTipRole)
        if chosen and self._model.findData(chosen) < 0:
            self._model.addItem("%s – not on this machine" % chosen, chosen)
        self._model.setCurrentIndex(max(0, self._model.findData(chosen)))
        self._model.blockSignals(False)
        depth = self._preprocess.findData("depth")
        self._preprocess.model().item(depth).setEnabled(self._owner.sees_depth())
        self._show_parts()

    @guarded
    def _chosen(self, *_):
        self._show_parts()
        self.changed.emit()

    def _show_parts(self):
        kind = next((kind for model, _, kind, _ in self._owner.models() if model == self._model.currentData()), "")
        self._tells, self._makes = kind == "controlnet_union", kind != "ip_adapter"
        self._kind.setVisible(self._tells)
        self._preprocess.setVisible(self._makes)
        self._sight.setVisible(self._owner.shows() and self._makes and bool(self._preprocess.currentData()))
        self._model.setToolTip(TITLES.get(kind, "The model that is steered by"))

    def title(self):
        """What is made, and of what, as words."""
        layer = self._layer.currentText().strip() if self._layer.layer() else "the picture"
        return "%s of %s" % (self._preprocess.currentText(), layer)

    def show_seen(self, seen):
        """Whether it is seen over the canvas."""
        self._show.setChecked(seen)

    def take(self, layer, kind):
        """That layer steers from now on, as it is; `kind` is what it shows."""
        if self._tells and not self._kind.currentData():
            self._kind.setCurrentIndex(max(0, self._kind.findData(kind)))
        self._layer.show_layer(layer)
        self._preprocess.setCurrentIndex(0)

    def value(self):
        """What it holds, as it is saved."""
        return {"layer": self._layer.layer(), "model": self._model.currentData() or "",
                "preprocess": self._preprocess.currentData() if self._makes else "",
                "kind": self._kind.currentData() if self._tells else "", "weight": round(self._weight.value(), 2),
                "start": self._start.value() / 100, "end": self._end.value() / 100, "on": self.on}
