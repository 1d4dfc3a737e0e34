"""The docker: its sections put together. It holds no pixels and knows no protocol.

From top to bottom: the sections, which scroll when the docker is low; the live preview, progress, the one big button, and
one line that says what is going on. No dialog but for choosing a colour or a file, and none that stops Krita.

A further section is a class in a file of its own (see `section.py`) and a line in `_sections` below. Who chooses a style
chooses for all sections; what a style holds that none of them shows goes along with each request as it is.
"""

import json

from krita import DockWidget, Krita

from .amount import Amount
from .controls import Controls
from .daemon import Daemon
from .document import Sorry, selected
from .filtering import Filters
from .job import FAILED, Fill, Filtering, Wish
from .layers import active_layer, layers_in_front
from .live import Live
from .loras import Loras
from .models import Models
from .modes import Modes
from .more import More
from .prompt import Prompt
from .qt import QtCore, QtWidgets, guarded, later, on_trouble
from .regions import Regions
from .section import Scene
from .styles import Styles
from .underpaint_client import ProtocolError
from .widgets import Picture, Scroll, column

DOCKER_ID = "underpaint_docker"
SETTINGS = "underpaint"
TOPICS = {"models/list": "models", "loras/list": "models", "controls/list": "models", "filters/list": "filters",
          "styles/list": "styles"}
"""The topic whose `changed` event says that a list is another one."""
GLANCE_MS = 700
"""How often the docker looks whether something is selected: Krita tells no plug-in."""
ASKED_ANEW = ("prompt", "denoise_strength")
"""Members that a style saved here has only if the style that was chosen had them: they are another for each picture."""


class UnderpaintDocker(DockWidget):
    """Krita makes one for each of its windows."""

    def __init__(self):
        super().__init__()
        self.setWindowTitle("Underpaint")
        self._job = None
        self._wanted = None
        """What is to begin as soon as the daemon is there: a function that makes the job."""
        self._unshown = {}
        """The chosen style's settings that no section shows."""
        self._asked = []
        """Which of `ASKED_ANEW` the chosen style has."""
        self._preview_words = ""
        self._daemon = Daemon(lambda: self._more.program(), self)
        self._sections = self._make_sections()
        self._build()
        self._glances = QtCore.QTimer(self)
        self._glances.setInterval(GLANCE_MS)
        self._glances.timeout.connect(guarded(lambda: self._glance()))
        self._load_settings()
        for section in self._sections:
            section.changed.connect(guarded(lambda: self._suit()))
            section.said.connect(self._trouble)
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
        self._say("")
        self._show_state()

    def canvasChanged(self, canvas):
        """Called by Krita when another document comes to the front. A job keeps the document it was started on."""
        self._look()

    @guarded
    def _look(self):
        self._glance()
        self._filters.picture_changed()

    # What the painter sees

    def _make_sections(self):
        """From top to bottom, as they stand in the docker."""
        self._modes = Modes()
        self._prompt = Prompt()
        self._amount = Amount()
        self._models = Models()
        self._styles = Styles(Krita.instance().icon)
        self._filters = Filters(lambda: self._daemon.connection)
        icon = Krita.instance().icon
        steering = [Loras(icon), Controls(icon, layers_in_front), Regions(icon, layers_in_front, active_layer)]
        self._live = Live(icon, lambda: self._daemon.connection, lambda: self._members(self._scene()))
        self._more = More()
        self._prompt.submitted.connect(guarded(self.start))
        self._styles.chosen.connect(self._style_chosen)
        self._styles.save.connect(self._save_style)
        self._styles.remove.connect(self._remove_style)
        self._filters.apply.connect(self._apply_pressed)
        steering[0].words.connect(guarded(self._prompt.insert))
        for section in steering + [self._filters]:
            section.added.connect(guarded(lambda part: later(lambda: self._scroll.ensureWidgetVisible(part))))
        self._filters.previewed.connect(self._previewed)
        self._filters.preview_said.connect(self._preview_said)
        return [self._modes, self._prompt, self._amount, self._models, self._styles, *steering, self._live,
                self._filters, self._more]

    def _build(self):
        """Settings scroll when the docker is low; the button, the preview and the sentence always are in sight."""
        settings = QtWidgets.QWidget()
        lines = column(settings)
        for section in self._sections:
            lines.addWidget(section)
        self._preview = Picture()
        self._preview.setObjectName("underpaint_preview")
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("underpaint_bar")
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        self._go = QtWidgets.QPushButton()
        self._go.setObjectName("underpaint_go")
        self._go.setMinimumHeight(34)
        font = self._go.font()
        font.setBold(True)
        self._go.setFont(font)
        self._go.setToolTip("Ctrl+Return in the prompt does the same")
        self._go.clicked.connect(self._go_or_stop)
        self._words = QtWidgets.QLabel()
        self._words.setObjectName("underpaint_words")
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

    # One sentence, and what can be pressed

    def _say(self, sentence, trouble=False):
        self._words.setText(sentence)
        self._words.setStyleSheet("color: #d9705f" if trouble else "")
        self._words.setVisible(bool(sentence))

    @guarded
    def _trouble(self, sentence):
        self._say(sentence, trouble=True)

    def _busy(self):
        return self._job is not None or self._wanted is not None

    def _scene(self):
        model = self._models.chosen()
        return Scene(
            mode=self._modes.mode(), model=model, reads_prompts=model is None or bool(model.get("samplers")),
            strength=self._amount.strength(), selected=selected(), busy=self._busy())

    def _suit(self):
        """Something was chosen somewhere: everybody may look different now."""
        scene = self._scene()
        for section in self._sections:
            section.suit(scene)
        self._go.setText("Cancel" if scene.busy else self._modes.label())

    def _show_state(self):
        busy = self._busy()
        self._go.setEnabled(True)
        self._bar.setVisible(busy)
        self._suit()
        if busy:
            self._bar.setRange(0, 0)
        elif not self._filters.live:
            self._preview.show_picture(None)

    def _glance(self):
        for section in self._sections:
            section.look()

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

    # Styles

    @guarded
    def _style_chosen(self, settings):
        self._say("")
        if settings is None:
            self._unshown, self._asked = {}, []
            return
        for section in self._sections:
            section.put_style(settings)
        shown = {name for section in self._sections for name in section.STYLE}
        self._unshown = {name: value for name, value in settings.items() if name not in shown}
        self._asked = [name for name in ASKED_ANEW if name in settings]

    @guarded
    def _save_style(self, name):
        shown = {}
        for section in self._sections:
            shown.update((member, value) for member, value in section.style().items() if value)
        settings = {member: value for member, value in shown.items() if member not in ASKED_ANEW or member in self._asked}
        self._tell_styles("styles/put", {"name": name, "settings": dict(self._unshown, **settings)}, "“%s” was saved." % name)
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
            self._ask_for_lists("styles")
        try:
            self._daemon.connection.call(method, params, answered)
        except ProtocolError:
            self._say("This is too much for a style: a filter in the chain holds a long text.", trouble=True)

    # The daemon

    @guarded
    def _visible(self, visible):
        self._daemon.watch(visible)
        self._filters.turn()
        if visible:
            self._glance()
            self._glances.start()
            if self._daemon.connection is None:
                self._daemon.wake()
        else:
            self._glances.stop()

    @guarded
    def _connected(self):
        if self._daemon.connection.server is not None:
            self._daemon.connection.call("subscribe", {"topics": sorted(set(TOPICS.values()))})
            self._ask_for_lists()
            self._filters.picture_changed()
        if self._wanted is not None:
            self._begin()
        elif self._job is None:
            self._say("")

    def _ask_for_lists(self, topic=None):
        """Brings the sections the lists they want: all, or those of a topic."""
        connection = self._daemon.connection
        wanted = {method for section in self._sections for method in section.LISTS}
        for method in sorted(wanted):
            if connection is not None and topic in (None, TOPICS.get(method)):
                connection.call(method, {}, guarded(lambda answer, error, method=method: self._offer(method, answer, error)))

    def _offer(self, method, answer, error):
        if error is None:
            for section in self._sections:
                if method in section.LISTS:
                    section.offer(method, answer)

    @guarded
    def _lost(self, sentence):
        self._filters.lost()
        if self._wanted is not None or self._job is None:
            self._wanted = None
            self._say(sentence, trouble=True)
            self._show_state()

    @guarded
    def _noticed(self, notice):
        topic, _, what = notice.method.partition("/")
        if what == "changed" and topic in TOPICS.values():
            self._ask_for_lists(topic)

    # Fills and filterings

    def start(self):
        """Fills with what the docker shows, as if the button was pressed; nothing if something is under way."""
        self._want(lambda: Fill(self._daemon.connection, self._wish(), self))

    @guarded
    def _apply_pressed(self):
        self._want(lambda: Filtering(self._daemon.connection, *self._filters.running(), self))

    def _want(self, make):
        """Begins the job that `make()` makes, as soon as the daemon is there."""
        if not self._busy():
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

    def _members(self, scene):
        members = dict(self._unshown) if scene.reads_prompts else {}
        for section in self._sections:
            members.update(section.members(scene))
        return members

    def _wish(self):
        members = self._members(self._scene())
        return Wish(members.pop("mode"), members)

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
            self._more.painted(self._job.seed)
        self._job = None
        self._say(sentence, trouble=outcome == FAILED)
        self._show_state()

    @guarded
    def _some_image_closed(self, *_):
        later(lambda: self._job is not None and self._job.document_may_be_gone())

    # What is remembered between sessions: how, not what

    def _load_settings(self):
        for section in self._sections:
            if section.NAME:
                section.recall(_setting(section.NAME))
        self._unshown = _setting("unshown")

    @guarded
    def _save_settings(self, *_):
        for section in self._sections:
            if section.NAME:
                _set(section.NAME, section.remembered())
            section.about_to_close()
        _set("unshown", self._unshown)


def _setting(name):
    """A dict from Krita's settings; empty if there is none, or something else stands there."""
    try:
        held = json.loads(Krita.instance().readSetting(SETTINGS, name, "{}") or "{}")
    except ValueError:
        held = {}
    return held if isinstance(held, dict) else {}


def _set(name, held):
    Krita.instance().writeSetting(SETTINGS, name, json.dumps(held))
