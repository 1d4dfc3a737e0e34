"""The docker: what the painter sees and touches. It holds no pixels and knows no protocol.

From top to bottom: what to do, the words, how much, which model, which style, the filters, the one big button that
becomes Cancel, progress with the live preview, and one line that says what is going on. Everything else is folded away
under More. No dialog but for choosing a colour or a file, and none that stops Krita.
"""

import json
import os

from krita import DockWidget, Krita

from .daemon import Daemon
from .document import Sorry, Target, selected
from .filters import Chain, Missing, keep, kept
from .job import FAILED, Fill, Filtering, Wish
from .preview import Preview
from .qt import QtCore, QtGui, QtWidgets, guarded, later, on_trouble
from .styles import Styles
from .underpaint_client import ProtocolError
from .widgets import Fold, Picture, Scroll, Words, column, row

DOCKER_ID = "underpaint_docker"
SETTINGS = "underpaint"

MODES = [
    ("fill", "Fill", "Repaint the selection so that it belongs to its surroundings"),
    ("remove", "Remove", "Make what is selected disappear"),
    ("add", "Add", "Paint something new inside the selection"),
    ("generate", "Generate", "Paint the whole canvas, or all of the selection, from the prompt"),
]
AUTOMATIC = "Automatic"
"""Stands for no model: the daemon takes the one that suits the mode and the words."""
AUTOMATIC_TIP = "Without words the picture itself is continued; with words a model of your own paints, or Starter"
SEED_LIMIT = 1 << 64
GLANCE_MS = 700
"""How often the docker looks whether something is selected: Krita tells no plug-in."""
SHOWN_SETTINGS = ("model", "prompt", "negative_prompt", "denoise_strength", "steps", "guidance_scale", "filters")
"""Members of a style that the docker has controls for. The others go along with each fill as they are."""
ASKED_ANEW = ("prompt", "denoise_strength")
"""Those that a style saved here has only if the style that was chosen had them: they are another for each picture."""
SEGMENT = ("QPushButton { padding: 5px 0; border: 1px solid palette(dark); background: palette(button); }"
           "QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }")
"""The look of the modes: one bar, the chosen part in the theme's own accent."""


class UnderpaintDocker(DockWidget):
    """Krita makes one for each of its windows."""

    def __init__(self):
        super().__init__()
        self.setWindowTitle("Underpaint")
        self._job = None
        self._wanted = None
        """What is to begin as soon as the daemon is there: a function that makes the job."""
        self._unshown = {}
        """The chosen style's settings that the docker has no controls for."""
        self._asked = []
        """Which of `ASKED_ANEW` the chosen style has."""
        self._preview_words = ""
        self._models = []
        self._last_seed = None
        self._daemon = Daemon(lambda: self._program.text().strip(), self)
        self._build()
        self._name()
        self._live = Preview(lambda: self._daemon.connection, self._running, self)
        self._live.shown.connect(self._previewed)
        self._live.said.connect(self._preview_said)
        self._glances = QtCore.QTimer(self)
        self._glances.setInterval(GLANCE_MS)
        self._glances.timeout.connect(guarded(lambda: self._glance()))
        self._load_settings()
        self._daemon.ready.connect(self._connected)
        self._daemon.starting.connect(guarded(lambda: self._say("Starting Underpaint…")))
        self._daemon.lost.connect(self._lost)
        self._daemon.notice.connect(self._noticed)
        self.visibilityChanged.connect(self._visible)
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.imageClosed.connect(self._some_image_closed)
        notifier.applicationClosing.connect(self._save_settings)
        on_trouble.append(self._trouble)
        self._show_state()

    def _name(self):
        """Names for style sheets and for tests that look for a widget as a painter would."""
        for name in ("prompt", "strength", "model", "go", "bar", "words", "preview", "more", "negative", "steps",
                     "guidance", "seed", "filters", "program", "apply", "with_fills", "show_preview"):
            getattr(self, "_" + name).setObjectName("underpaint_" + name)
        for mode, button in self._modes.items():
            button.setObjectName("underpaint_mode_" + mode)

    def canvasChanged(self, canvas):
        """Called by Krita when another document comes to the front. A job keeps the document it was started on."""
        self._look()

    @guarded
    def _look(self):
        self._glance()
        self._live.look()

    # What the painter sees

    def _build(self):
        """Settings scroll when the docker is low; the button, the preview and the sentence always are in sight."""
        self._prompt = Words("What should be there?", 3)
        self._prompt.submitted.connect(guarded(self.start))
        self._model = QtWidgets.QComboBox()
        self._model.setToolTip("The model that paints")
        self._model.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._model.currentIndexChanged.connect(self._model_chosen)
        settings = QtWidgets.QWidget()
        lines = column(settings)
        lines.addLayout(self._build_modes())
        self._styles = Styles(Krita.instance().icon)
        self._styles.chosen.connect(self._style_chosen)
        self._styles.save.connect(self._save_style)
        self._styles.remove.connect(self._remove_style)
        rows = (self._prompt, self._build_strength(), self._model, self._styles, self._build_filters(), self._build_more())
        for widget in rows:
            lines.addWidget(widget)
        self._preview = Picture()
        self._bar = QtWidgets.QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        self._go = QtWidgets.QPushButton()
        self._go.setMinimumHeight(34)
        font = self._go.font()
        font.setBold(True)
        self._go.setFont(font)
        self._go.setToolTip("Ctrl+Return in the prompt does the same")
        self._go.clicked.connect(self._go_or_stop)
        self._words = QtWidgets.QLabel()
        self._words.setWordWrap(True)
        self._words.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
        body = QtWidgets.QWidget(self)
        lines = column(body)
        lines.setContentsMargins(6, 6, 6, 6)
        self._scroll = Scroll(settings)
        for widget in (self._scroll, self._preview, self._bar, self._go, self._words):
            lines.addWidget(widget)
        lines.addStretch(1)
        self.setWidget(body)

    def _build_modes(self):
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(0)
        self._modes = {}
        group = QtWidgets.QButtonGroup(self)
        for mode, label, tip in MODES:
            button = QtWidgets.QPushButton(label)
            button.setCheckable(True)
            button.setStyleSheet(SEGMENT)
            button.setToolTip(tip)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            button.clicked.connect(self._mode_chosen)
            group.addButton(button)
            row.addWidget(button)
            self._modes[mode] = button
        return row

    def _build_strength(self):
        self._strength_row = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(self._strength_row)
        row.setContentsMargins(0, 0, 0, 0)
        self._strength = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        number = QtWidgets.QSpinBox()
        for widget in (self._strength, number):
            widget.setRange(1, 100)
            widget.setValue(100)
            widget.setToolTip("100 % paints anew; less keeps more of what is there")
        number.setSuffix(" %")
        self._strength.valueChanged.connect(number.setValue)
        number.valueChanged.connect(self._strength.setValue)
        row.addWidget(QtWidgets.QLabel("Strength"))
        row.addWidget(self._strength, 1)
        row.addWidget(number)
        return self._strength_row

    def _build_filters(self):
        holder, folded, buttons, switches = (QtWidgets.QWidget() for _ in range(4))
        self._chain = Chain(Krita.instance().icon, _layers)
        self._chain.changed.connect(self._chain_changed)
        self._chain.said.connect(self._trouble)
        self._apply = QtWidgets.QPushButton("Apply to layer")
        self._apply.setToolTip("Runs the filters over the active layer, or what is selected of it, as a new layer above")
        self._apply.clicked.connect(self._apply_pressed)
        line = row(buttons)
        for button in (self._chain.adder, self._apply):
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            line.addWidget(button)
        self._show_preview = QtWidgets.QCheckBox("Preview")
        self._show_preview.setToolTip("Shows below what becomes of the selection, or of what is in sight")
        self._show_preview.toggled.connect(guarded(lambda *_: self._turn_preview()))
        self._with_fills = QtWidgets.QCheckBox("With fills")
        self._with_fills.setToolTip("Runs the filters over what is painted, too")
        line = row(switches, 12)
        line.addWidget(self._show_preview)
        line.addWidget(self._with_fills)
        line.addStretch(1)
        lines = column(folded, 4)
        for widget in (self._chain, buttons, switches):
            lines.addWidget(widget)
        self._filters = Fold("Filters", folded)
        self._filters.toggled.connect(guarded(lambda *_: self._turn_preview()))
        self._chain.added.connect(guarded(lambda step: later(lambda: self._scroll.ensureWidgetVisible(step))))
        lines = column(holder, 4)
        lines.addWidget(self._filters)
        lines.addWidget(folded)
        return holder

    def _build_more(self):
        holder = QtWidgets.QWidget()
        lines = column(holder)
        folded = QtWidgets.QWidget()
        self._more = Fold("More", folded)
        lines.addWidget(self._more)
        self._form = form = QtWidgets.QFormLayout(folded)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._negative = Words("What should not be there", 2)
        form.addRow("Avoid", self._negative)
        self._steps = QtWidgets.QSpinBox()
        self._steps.setRange(0, 1000)
        form.addRow("Steps", self._steps)
        self._guidance = QtWidgets.QDoubleSpinBox()
        self._guidance.setRange(0, 100)
        self._guidance.setDecimals(1)
        self._guidance.setSingleStep(0.5)
        self._guidance.setToolTip("How closely the picture follows the prompt")
        form.addRow("Guidance", self._guidance)
        form.addRow("Seed", self._build_seed())
        self._program = QtWidgets.QLineEdit()
        self._program.setPlaceholderText("found by itself")
        self._program.setToolTip("Path of the program “underpaint”, if it is not found by itself")
        form.addRow("Program", self._program)
        lines.addWidget(folded)
        return holder

    def _build_seed(self):
        holder = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        self._seed = QtWidgets.QLineEdit()
        self._seed.setPlaceholderText("random")
        self._seed.setToolTip("The same seed and settings make the same picture again")
        self._seed.setValidator(QtGui.QRegularExpressionValidator(QtCore.QRegularExpression("[0-9]{0,20}"), self._seed))
        self._again = QtWidgets.QToolButton()
        self._again.setText("Last")
        self._again.setToolTip("Use the seed of the last picture again")
        self._again.setEnabled(False)
        self._again.clicked.connect(guarded(lambda *_: self._seed.setText(str(self._last_seed))))
        row.addWidget(self._seed, 1)
        row.addWidget(self._again)
        return holder

    # One sentence, and what can be pressed

    def _say(self, sentence, trouble=False):
        self._words.setText(sentence)
        self._words.setStyleSheet("color: #d9705f" if trouble else "")
        self._words.setVisible(bool(sentence))

    def _trouble(self, sentence):
        self._say(sentence, trouble=True)

    def _show_state(self):
        busy = self._job is not None or self._wanted is not None
        label = next((label for mode, label, _ in MODES if mode == self._mode()), "Fill")
        self._go.setText("Cancel" if busy else label)
        self._go.setEnabled(True)
        self._bar.setVisible(busy)
        self._apply.setEnabled(not busy)
        self._turn_preview()
        if busy:
            self._bar.setRange(0, 0)
        elif not self._live.on:
            self._preview.show_picture(None)
        reads_prompts = self._reads_prompts()
        self._prompt.setEnabled(reads_prompts)
        self._prompt.setPlaceholderText(self._hint(reads_prompts))
        self._strength_row.setVisible(reads_prompts)
        for widget in (self._negative, self._steps, self._guidance):
            widget.setVisible(reads_prompts)
            self._form.labelForField(widget).setVisible(reads_prompts)

    def _hint(self, reads_prompts):
        if not reads_prompts:
            return "This model continues the surroundings; it needs no words."
        if self._chosen_model() is None and self._mode() in ("fill", "remove"):
            return "What should be there? Without words the surroundings are continued."
        return "What should be there?"

    # Models

    def _chosen_model(self):
        model = self._model.currentData()
        return next((facts for facts in self._models if facts.get("id") == model), None)

    def _reads_prompts(self):
        """A model without samplers does not denoise: words, strength and steps mean nothing to it. Without a chosen
        model there is always one that does."""
        facts = self._chosen_model()
        return facts is None or bool(facts.get("samplers"))

    def _mode(self):
        return next((mode for mode, button in self._modes.items() if button.isChecked()), "fill")

    @guarded
    def _mode_chosen(self, *_):
        self._show_state()

    @guarded
    def _model_chosen(self, *_):
        facts = self._chosen_model()
        offered = set(facts.get("modes") or ()) if facts else set(self._modes)
        for mode, button in self._modes.items():
            button.setVisible(mode in offered)
        if facts is not None and self._mode() not in offered:
            self._modes[next((mode for mode, _, _ in MODES if mode in offered), "fill")].setChecked(True)
        defaults = (facts or {}).get("defaults") or {}
        self._steps.setSpecialValueText(_models_own(defaults.get("steps")))
        self._guidance.setSpecialValueText(_models_own(defaults.get("guidance_scale")))
        self._show_state()

    def _ask_for_lists(self):
        self._daemon.connection.call("models/list", {}, self._models_came)
        self._daemon.connection.call("filters/list", {}, self._filters_came)
        self._daemon.connection.call("styles/list", {}, self._styles_came)

    @guarded
    def _models_came(self, models, error):
        if error is not None:
            return
        wanted = self._model.currentData() if self._model.count() else _setting("model")
        models = [facts for facts in models if isinstance(facts, dict) and facts.get("id")]
        self._models = [facts for facts in models if facts.get("kind", "painter") == "painter"]
        self._model.blockSignals(True)
        self._model.clear()
        self._model.addItem(AUTOMATIC, "")
        self._model.setItemData(0, AUTOMATIC_TIP, QtCore.Qt.ItemDataRole.ToolTipRole)
        for facts in self._models:
            self._model.addItem(facts.get("name") or facts["id"], facts["id"])
            if facts.get("state") == "unusable":
                index = self._model.count() - 1
                self._model.model().item(index).setEnabled(False)
                self._model.setItemData(index, facts.get("reason", ""), QtCore.Qt.ItemDataRole.ToolTipRole)
        self._model.setCurrentIndex(max(0, self._model.findData(wanted)))
        self._model.blockSignals(False)
        self._model_chosen()

    @guarded
    def _filters_came(self, filters, error):
        if error is None:
            self._chain.offer([entry for entry in filters if isinstance(entry, dict) and entry.get("name")])

    # Filters

    def _running(self):
        """The steps that run, and which inputs they ask for. `Sorry` if one of them cannot."""
        try:
            return self._chain.running(), self._chain.wants
        except Missing as error:
            raise Sorry(str(error)) from None

    @guarded
    def _chain_changed(self):
        count = len(self._chain.steps())
        self._filters.setText("Filters (%d)" % count if count else "Filters")
        self._turn_preview()
        self._live.changed()

    def _turn_preview(self):
        open_ = self.isVisible() and self._filters.isChecked()
        idle = self._job is None and self._wanted is None
        self._live.turn(open_ and idle and self._show_preview.isChecked() and bool(self._chain.steps()))
        if open_ and not self._glances.isActive():
            self._glance()
            self._glances.start()
        elif not open_:
            self._glances.stop()

    def _glance(self):
        self._apply.setText("Apply to selection" if selected() else "Apply to layer")

    @guarded
    def _previewed(self, after, before):
        if self._job is None:
            self._preview.show_picture(after, before)

    @guarded
    def _preview_said(self, sentence):
        if sentence:
            self._say(sentence, trouble=True)
        elif self._preview_words and self._words.text() == self._preview_words:
            self._say("")
        self._preview_words = sentence

    @guarded
    def _apply_pressed(self, *_):
        self._want(lambda: Filtering(self._daemon.connection, *self._running(), self))

    # Styles

    @guarded
    def _styles_came(self, styles, error):
        if error is None:
            self._styles.offer([style for style in styles if isinstance(style, dict) and style.get("name")])

    @guarded
    def _style_chosen(self, settings):
        self._say("")
        if settings is None:
            self._unshown, self._asked = {}, []
            return
        model = settings.get("model") or ""
        if self._model.findData(model) >= 0:
            self._model.setCurrentIndex(self._model.findData(model))
        else:
            self._say("The style's model “%s” is not here, so another paints." % model, trouble=True)
        if "prompt" in settings:
            self._prompt.setPlainText(settings["prompt"])
        if "denoise_strength" in settings:
            self._strength.setValue(round(settings["denoise_strength"] * 100))
        self._negative.setPlainText(settings.get("negative_prompt") or "")
        self._steps.setValue(settings.get("steps") or 0)
        self._guidance.setValue(settings.get("guidance_scale") or 0)
        self._chain.set_steps(settings.get("filters") or [])
        self._unshown = {name: value for name, value in settings.items() if name not in SHOWN_SETTINGS}
        self._asked = [name for name in ASKED_ANEW if name in settings]

    def _style(self):
        """What the docker shows, as members of `generate`."""
        shown = {
            "model": self._model.currentData(), "negative_prompt": self._negative.toPlainText().strip(),
            "steps": self._steps.value(), "guidance_scale": self._guidance.value(),
            "filters": [{"name": step["name"], "params": step["params"]} for step in self._chain.steps() if step["on"]]}
        asked = {"prompt": self._prompt.toPlainText().strip(), "denoise_strength": self._strength.value() / 100}
        shown.update((name, asked[name]) for name in self._asked)
        return dict(self._unshown, **{name: value for name, value in shown.items() if value})

    @guarded
    def _save_style(self, name):
        self._tell_styles("styles/put", {"name": name, "settings": self._style()}, "“%s” was saved." % name)
        self._styles.point_to(name)

    @guarded
    def _remove_style(self, name):
        self._styles.point_to("")
        self._tell_styles("styles/remove", {"name": name}, "“%s” was deleted; what it set is still shown." % name)

    def _tell_styles(self, method, params, sentence):
        if self._daemon.connection is None:
            self._say("Underpaint keeps the styles, and it is not running.", trouble=True)
            return

        @guarded
        def answered(_result, error):
            self._say(str(error) if error is not None else sentence, trouble=error is not None)
            if self._daemon.connection is not None:
                self._daemon.connection.call("styles/list", {}, self._styles_came)
        try:
            self._daemon.connection.call(method, params, answered)
        except ProtocolError:
            self._say("This is too much for a style: a filter in the chain holds a long text.", trouble=True)

    # The daemon

    @guarded
    def _visible(self, visible):
        self._daemon.watch(visible)
        self._turn_preview()
        if visible and self._daemon.connection is None:
            self._daemon.wake()

    @guarded
    def _connected(self):
        if self._daemon.connection.server is not None:
            self._daemon.connection.call("subscribe", {"topics": ["models", "filters", "styles"]})
            self._ask_for_lists()
            self._live.look()
        if self._wanted is not None:
            self._begin()
        elif self._job is None:
            self._say("")

    @guarded
    def _lost(self, sentence):
        self._live.lost()
        if self._wanted is not None or self._job is None:
            self._wanted = None
            self._say(sentence, trouble=True)
            self._show_state()

    @guarded
    def _noticed(self, notice):
        if notice.method in ("models/changed", "filters/changed", "styles/changed"):
            self._ask_for_lists()

    # Fills and filterings

    def start(self):
        """Fills with what the docker shows, as if the button was pressed; nothing if something is under way."""
        self._want(lambda: Fill(self._daemon.connection, self._wish(), self))

    def _want(self, make):
        """Begins the job that `make()` makes, as soon as the daemon is there."""
        if self._job is None and self._wanted is None:
            self._wanted = make
            self._say("")
            self._show_state()
            self._daemon.wake()

    @guarded
    def _go_or_stop(self, *_):
        if self._job is not None:
            self._go.setEnabled(False)
            self._job.cancel()
        elif self._wanted is not None:
            self._wanted = None
            self._say("Cancelled.")
            self._show_state()
        else:
            self.start()

    def _begin(self):
        make, self._wanted = self._wanted, None
        try:
            self._job = make()
        except Sorry as error:
            self._say(str(error), trouble=True)
            self._show_state()
            return
        if isinstance(self._job, Fill):
            self._preview.show_picture(None)
        self._job.progress.connect(self._progressed)
        self._job.ended.connect(self._ended)
        self._show_state()
        self._job.start()

    def _wish(self):
        own = self._reads_prompts()
        seed = self._seed.text().strip()
        if seed and int(seed) >= SEED_LIMIT:
            raise Sorry("The seed is too large; it must be below %d." % SEED_LIMIT)
        settings = {name: value for name, value in self._style().items() if name not in ASKED_ANEW + ("filters",)}
        return Wish(
            mode=self._mode(), prompt=self._prompt.toPlainText().strip() if own else "",
            denoise_strength=self._strength.value() / 100 if own else None, seed=int(seed) if seed else None,
            settings=settings if own else {name: value for name, value in settings.items() if name == "model"},
            chain=self._running()[0] if self._with_fills.isChecked() else [])

    @guarded
    def _progressed(self, progress):
        self._say(progress.text + "…")
        self._bar.setRange(0, progress.steps)
        self._bar.setValue(progress.step)
        if progress.preview is not None:
            self._preview.show_picture(progress.preview)

    @guarded
    def _ended(self, outcome, sentence):
        if self._job is not None and self._job.seed is not None:
            self._last_seed = self._job.seed
            self._again.setEnabled(True)
        self._job = None
        self._say(sentence, trouble=outcome == FAILED)
        self._show_state()

    @guarded
    def _some_image_closed(self, *_):
        later(lambda: self._job is not None and self._job.document_may_be_gone())

    # What is remembered between sessions: how, not what

    def _load_settings(self):
        self._strength.setValue(int(_setting("strength", "100")))
        self._program.setText(_setting("program"))
        self._modes.get(_setting("mode", "fill"), self._modes["fill"]).setChecked(True)
        self._more.setChecked(_setting("more") == "true")
        self._filters.setChecked(_setting("filters_open") == "true")
        self._show_preview.setChecked(_setting("show_preview", "true") == "true")
        self._with_fills.setChecked(_setting("with_fills", "true") == "true")
        self._chain.set_steps(kept(_chain_file()))
        self._styles.point_to(_setting("style"))
        try:
            self._unshown = dict(json.loads(_setting("unshown", "{}")))
        except (TypeError, ValueError):
            self._unshown = {}
        self._model_chosen()

    @guarded
    def _save_settings(self, *_):
        for name, value in [
                ("strength", str(self._strength.value())), ("program", self._program.text().strip()),
                ("mode", self._mode()), ("more", _truth(self._more)),
                ("model", self._model.currentData() or ""), ("style", self._styles.name()),
                ("unshown", json.dumps(self._unshown)), ("filters_open", _truth(self._filters)),
                ("show_preview", _truth(self._show_preview)), ("with_fills", _truth(self._with_fills))]:
            Krita.instance().writeSetting(SETTINGS, name, value)
        keep(_chain_file(), self._chain.steps())


def _chain_file():
    """Where the chain is kept between sessions: a table of colours in it may be a megabyte, too much for Krita's settings."""
    return os.path.join(Krita.instance().getAppDataLocation(), "underpaint-filters.json")


def _setting(name, default=""):
    return Krita.instance().readSetting(SETTINGS, name, default) or default


def _truth(button):
    return "true" if button.isChecked() else "false"


def _layers():
    """The layers of the picture in front, for a filter's inputs."""
    try:
        return Target.active().layers()
    except Sorry:
        return []


def _models_own(value):
    return "model's own" if value is None else "model's own (%g)" % value
