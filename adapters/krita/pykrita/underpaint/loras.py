"""LoRAs: what changes the model's weights for a picture, with how much of each.

An entry is {"name", "weight", "on"} and, if a style brought it, "text_weight". Decision: a LoRA that is not on this
machine stays in the list and says so, because a style may have been made where it was.
"""

from .entries import Entries, Entry, families, misfit, number, real
from .qt import QtCore, QtWidgets, guarded
from .widgets import Elided, calm

WEIGHT = 10
"""The daemon takes weights from minus to plus this."""


class Loras(Entries):
    """The LoRAs from top to bottom, and the menu that adds one."""

    NAME = "loras"
    LISTS = ("loras/list", "models/list")
    STYLE = ("loras",)
    TITLE = "LoRAs"
    ADD = "Add a LoRA"

    words = QtCore.pyqtSignal(str)
    """The painter wants these words in the prompt: what calls a LoRA up."""

    def __init__(self, icon):
        self._known, self._models, self._families, self._reads = {}, [], set(), True
        super().__init__(icon)
        self._menu = QtWidgets.QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.adder.setMenu(self._menu)

    def offer(self, method, answer):
        """What there is."""
        if method == "models/list":
            self._models = answer
        else:
            self._known = {lora["id"]: lora for lora in answer if isinstance(lora, dict) and lora.get("id")}
        self.changed.emit()  # `suit` follows

    def suit(self, scene):
        """Which of them fit what paints."""
        self._families, self._reads = families(scene, self._models), scene.reads_prompts
        if not self._is_new(self._families, self._reads, self._known):
            return
        for entry in self.entries():
            entry.learn(self._known.get(entry.name), self._families)
        self._fill_menu()
        if not self._reads:
            self.say("This model takes no LoRAs.")
        else:
            self.say("" if self._known else "No LoRAs here yet: put .safetensors files into a models folder.")

    def offered(self):
        """Whether one can be added at all."""
        return bool(self._known) and self._reads

    def make(self, held):
        """An entry of what was saved."""
        entry = _Lora(self.icon, held)
        entry.learn(self._known.get(entry.name), self._families)
        entry.words.connect(self.words)
        return entry

    def members(self, scene):
        """Those that are on."""
        return {"loras": _called(self.running())} if scene.reads_prompts and self.running() else {}

    def style(self):
        """The same."""
        return {"loras": _called(self.running())}

    def put_style(self, settings):
        """The style's."""
        self.set_values(settings.get("loras"))
        self.changed.emit()

    def remembered(self):
        """All of them."""
        return dict(super().remembered(), entries=self.values())

    def recall(self, held):
        """The same."""
        super().recall(held)
        self.set_values(held.get("entries"))

    def set_values(self, values):
        """Replaces the list, untold."""
        named = [held for held in values or () if isinstance(held, dict) and isinstance(held.get("name"), str)]
        super().set_values(named)

    def _fill_menu(self):
        self._menu.clear()
        fitting = {name: misfit(lora.get("family"), self._families) for name, lora in self._known.items()}
        for name, lora in sorted(self._known.items(), key=lambda item: (bool(fitting[item[0]]), _title(item[1]).lower())):
            action = self._menu.addAction(", ".join(filter(None, [_title(lora), fitting[name]])))
            action.setData(name)
            action.setEnabled(not fitting[name])
            action.setToolTip(_described(lora))
            action.triggered.connect(guarded(lambda *_, name=name: self.add({"name": name})))


def _called(loras):
    """As `generate` has them."""
    return [{key: value for key, value in lora.items() if key != "on"} for lora in loras]


def _title(lora):
    return str(lora.get("title") or lora.get("name") or lora["id"])


def _described(lora):
    lines = [str(lora["id"]), "Trigger words: %s" % lora["trigger"] if lora.get("trigger") else ""]
    tags = [str(tag) for tag in lora.get("tags") or ()][:8]
    return "\n".join(filter(None, lines + ["Trained on: %s" % ", ".join(tags) if tags else ""]))


class _Lora(Entry):
    words = QtCore.pyqtSignal(str)

    def __init__(self, icon, held):
        self.name = held["name"]
        self._title = Elided(self.name)
        super().__init__(icon, self._title, held.get("on") is not False)
        self._text_weight = held.get("text_weight") if held.get("text_weight") != held.get("weight", 1) else None
        self._weight = number(-WEIGHT, WEIGHT, real(held.get("weight"), -WEIGHT, WEIGHT, 1),
                              "1 as it was trained, 0 nothing, less than 0 the opposite")
        self._weight.setObjectName("underpaint_lora_weight")
        calm(self._weight)
        self._weight.valueChanged.connect(self._touched)
        self.head.insertWidget(2, self._weight)
        self._said = ""
        self._trigger = QtWidgets.QPushButton()
        self._trigger.setObjectName("underpaint_lora_trigger")
        self._trigger.setFlat(True)
        self._trigger.setStyleSheet("text-align: left; padding: 2px 4px")
        self._trigger.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self._trigger.clicked.connect(guarded(lambda *_: self.words.emit(self._said)))
        self.lines.addWidget(self._trigger)

    def learn(self, lora, suitable):
        """What is known of it now; None: it is not here."""
        self._said = str((lora or {}).get("trigger") or "")
        why = "not on this machine" if lora is None else misfit(lora.get("family"), suitable)
        self._title.setText((_title(lora) if lora else self.name) + (" – " + why if why else ""))
        self._title.setToolTip("\n".join(filter(None, [_described(lora) if lora else self.name, why])))
        self._trigger.setText("+ " + self._said)
        self._trigger.setToolTip("Trigger words: a click puts them into the prompt")
        self._trigger.setVisible(bool(self._said))

    def value(self):
        """What it holds, as it is saved."""
        held = {"name": self.name, "weight": round(self._weight.value(), 2), "on": self.on}
        return held if self._text_weight is None else dict(held, text_weight=self._text_weight)
