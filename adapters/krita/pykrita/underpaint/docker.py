"""The docker: what the painter sees and touches. It holds no pixels and knows no protocol.

From top to bottom: what to do, the words, how much, which model, the one big button that becomes Cancel, progress with
the live preview, and one line that says what is going on. Everything else is folded away under More. Never a dialog.
"""

from krita import DockWidget, Krita

from .daemon import Daemon
from .document import Sorry
from .job import FAILED, Job, Wish
from .qt import QtCore, QtGui, QtWidgets, guarded, later, on_trouble

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
SEGMENT = ("QPushButton { padding: 5px 0; border: 1px solid palette(dark); background: palette(button); }"
           "QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }")
"""The look of the modes: one bar, the chosen part in the theme's own accent."""


class UnderpaintDocker(DockWidget):
    """Krita makes one for each of its windows."""

    def __init__(self):
        super().__init__()
        self.setWindowTitle("Underpaint")
        self._job = None
        self._wanted = False
        self._models = []
        self._last_seed = None
        self._daemon = Daemon(lambda: self._program.text().strip(), self)
        self._build()
        self._name()
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
                     "guidance", "seed", "filter", "program"):
            getattr(self, "_" + name).setObjectName("underpaint_" + name)
        for mode, button in self._modes.items():
            button.setObjectName("underpaint_mode_" + mode)

    def canvasChanged(self, canvas):
        """Called by Krita when another document comes to the front. A job keeps the document it was started on."""

    # What the painter sees

    def _build(self):
        """Settings scroll when the docker is low; the button, the preview and the sentence always are in sight."""
        self._prompt = _Words("What should be there?", 3)
        self._prompt.submitted.connect(guarded(self.start))
        self._model = QtWidgets.QComboBox()
        self._model.setToolTip("The model that paints")
        self._model.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._model.currentIndexChanged.connect(self._model_chosen)
        settings = QtWidgets.QWidget()
        column = _column(settings)
        column.addLayout(self._build_modes())
        column.addWidget(self._prompt)
        column.addWidget(self._build_strength())
        column.addWidget(self._model)
        column.addWidget(self._build_more())
        self._preview = _Preview()
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
        column = _column(body)
        column.setContentsMargins(6, 6, 6, 6)
        for widget in (_Scroll(settings), self._preview, self._bar, self._go, self._words):
            column.addWidget(widget)
        column.addStretch(1)
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

    def _build_more(self):
        holder = QtWidgets.QWidget()
        column = _column(holder)
        self._more = QtWidgets.QToolButton()
        self._more.setText("More")
        self._more.setCheckable(True)
        self._more.setAutoRaise(True)
        self._more.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.toggled.connect(self._unfold)
        column.addWidget(self._more)
        self._folded = QtWidgets.QWidget()
        self._form = form = QtWidgets.QFormLayout(self._folded)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._negative = _Words("What should not be there", 2)
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
        self._filter = QtWidgets.QComboBox()
        form.addRow("Filter", self._filter)
        self._program = QtWidgets.QLineEdit()
        self._program.setPlaceholderText("found by itself")
        self._program.setToolTip("Path of the program “underpaint”, if it is not found by itself")
        form.addRow("Program", self._program)
        column.addWidget(self._folded)
        self._unfold(False)
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

    @guarded
    def _unfold(self, open_):
        self._folded.setVisible(open_)
        self._more.setArrowType(QtCore.Qt.ArrowType.DownArrow if open_ else QtCore.Qt.ArrowType.RightArrow)

    # One sentence, and what can be pressed

    def _say(self, sentence, trouble=False):
        self._words.setText(sentence)
        self._words.setStyleSheet("color: #d9705f" if trouble else "")
        self._words.setVisible(bool(sentence))

    def _trouble(self, sentence):
        self._say(sentence, trouble=True)

    def _show_state(self):
        busy = self._job is not None or self._wanted
        label = next((label for mode, label, _ in MODES if mode == self._mode()), "Fill")
        self._go.setText("Cancel" if busy else label)
        self._go.setEnabled(True)
        self._bar.setVisible(busy)
        if busy:
            self._bar.setRange(0, 0)
        else:
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
        if error is not None:
            return
        wanted = self._filter.currentData() if self._filter.count() else _setting("filter")
        self._filter.clear()
        self._filter.addItem("none", "")
        for entry in filters:
            self._filter.addItem(entry.get("title") or entry["name"], entry["name"])
            self._filter.setItemData(self._filter.count() - 1, entry.get("description", ""), QtCore.Qt.ItemDataRole.ToolTipRole)
        self._filter.setCurrentIndex(max(0, self._filter.findData(wanted)))

    # The daemon

    @guarded
    def _visible(self, visible):
        self._daemon.watch(visible)
        if visible and self._daemon.connection is None:
            self._daemon.wake()

    @guarded
    def _connected(self):
        if self._daemon.connection.server is not None:
            self._daemon.connection.call("subscribe", {"topics": ["models", "filters"]})
            self._ask_for_lists()
        if self._wanted:
            self._begin()
        elif self._job is None:
            self._say("")

    @guarded
    def _lost(self, sentence):
        if self._wanted or self._job is None:
            self._wanted = False
            self._say(sentence, trouble=True)
            self._show_state()

    @guarded
    def _noticed(self, notice):
        if notice.method in ("models/changed", "filters/changed"):
            self._ask_for_lists()

    # A fill

    def start(self):
        """Fills with what the docker shows, as if the button was pressed; nothing if one is under way."""
        if self._job is None and not self._wanted:
            self._go_or_stop()

    @guarded
    def _go_or_stop(self, *_):
        if self._job is not None:
            self._go.setEnabled(False)
            self._job.cancel()
        elif self._wanted:
            self._wanted = False
            self._say("Cancelled.")
            self._show_state()
        else:
            self._wanted = True
            self._say("")
            self._show_state()
            self._daemon.wake()

    def _begin(self):
        self._wanted = False
        try:
            self._job = Job(self._daemon.connection, self._wish(), self)
        except Sorry as error:
            self._say(str(error), trouble=True)
            self._show_state()
            return
        self._job.progress.connect(self._progressed)
        self._job.ended.connect(self._ended)
        self._show_state()
        self._job.start()

    def _wish(self):
        own = self._reads_prompts()
        seed = self._seed.text().strip()
        if seed and int(seed) >= SEED_LIMIT:
            raise Sorry("The seed is too large; it must be below %d." % SEED_LIMIT)
        filter_name = self._filter.currentData()
        return Wish(
            mode=self._mode(), model=self._model.currentData() or None,
            prompt=self._prompt.toPlainText().strip() if own else "",
            negative_prompt=self._negative.toPlainText().strip() if own else "",
            denoise_strength=self._strength.value() / 100 if own else None,
            steps=(self._steps.value() or None) if own else None,
            guidance_scale=(self._guidance.value() or None) if own else None,
            seed=int(seed) if seed else None,
            filters=[{"name": filter_name, "params": {}}] if filter_name else [])

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
        self._filter.addItem("none", "")
        self._model_chosen()

    @guarded
    def _save_settings(self, *_):
        for name, value in [
                ("strength", str(self._strength.value())), ("program", self._program.text().strip()),
                ("mode", self._mode()), ("more", "true" if self._more.isChecked() else "false"),
                ("model", self._model.currentData() or ""), ("filter", self._filter.currentData() or "")]:
            Krita.instance().writeSetting(SETTINGS, name, value)


def _setting(name, default=""):
    return Krita.instance().readSetting(SETTINGS, name, default) or default


def _models_own(value):
    return "model's own" if value is None else "model's own (%g)" % value


def _column(widget):
    """A column without margins of its own."""
    column = QtWidgets.QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(6)
    return column


class _Scroll(QtWidgets.QScrollArea):
    """As high as its content where there is room, scrolling where there is not."""

    def __init__(self, content):
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Maximum)
        self.setMinimumHeight(48)
        self.setWidget(content)

    def sizeHint(self):
        """Qt's question."""
        return self.widget().sizeHint()

    def eventFilter(self, watched, event):
        """Qt's report of what happens to the content: its size counts for ours."""
        if event.type() == QtCore.QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class _Words(QtWidgets.QPlainTextEdit):
    """A few lines of text that Tab leaves and Ctrl+Return submits."""

    submitted = QtCore.pyqtSignal()

    def __init__(self, placeholder, lines):
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setTabChangesFocus(True)
        margins = 2 * (self.frameWidth() + int(self.document().documentMargin()))
        self.setFixedHeight(self.fontMetrics().lineSpacing() * lines + margins)

    def keyPressEvent(self, event):
        """Qt's call for a key."""
        returns = (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter)
        if event.key() in returns and event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            self.submitted.emit()
        else:
            super().keyPressEvent(event)


class _Preview(QtWidgets.QWidget):
    """The picture as it becomes, as wide as the docker; hidden while there is none."""

    MAX_HEIGHT = 320

    def __init__(self):
        super().__init__()
        self._picture = None
        self.setVisible(False)

    def show_picture(self, picture):
        """Shows a QImage, or hides on None."""
        self._picture = picture
        self.setVisible(picture is not None)
        if picture is not None:
            height = picture.height() * self.parentWidget().width() // max(1, picture.width())
            self.setFixedHeight(max(16, min(self.MAX_HEIGHT, height)))
        self.update()

    def paintEvent(self, _event):
        """Qt's call to draw."""
        if self._picture is None:
            return
        size = self._picture.size().scaled(self.size(), QtCore.Qt.AspectRatioMode.KeepAspectRatio)
        box = QtCore.QRect(QtCore.QPoint((self.width() - size.width()) // 2, 0), size)
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(box, self._picture)
        painter.end()
