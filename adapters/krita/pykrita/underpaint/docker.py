"""The docker: its sections put together. It holds no pixels and knows no protocol.

From top to bottom: the sections, which scroll when the docker is low; what goes on (`status.py`); the pictures of a batch to
choose from, the queue and the history, where there are any. No dialog but for choosing a colour or a file, and none that
stops Krita.

A further section is a class in a file of its own (see `section.py`) and a line in `_make_sections` below. Who chooses a style
chooses for all sections; what a style holds that none of them shows goes along with each request as it is.
"""

import json

from krita import DockWidget, Krita

from . import ledger
from .amount import Amount
from .apply import Filtering
from .choice import Choice
from .controls import Controls
from .daemon import Daemon
from .document import Sorry, Target, survey
from .expand import Margins
from .fill import Fill, Wish
from .filtering import Filters
from .history import History
from .job import DONE, FAILED
from .jobs import Jobs
from .layers import active_layer, layers_in_front
from .live import Live
from .loras import Loras
from .models import Models
from .modes import Modes
from .more import More
from .prompt import Prompt
from .qt import QtCore, QtWidgets, guarded, later, on_trouble
from .queue import Queue
from .regions import Regions
from .results import Results
from .section import Scene
from .showing import Showing
from .status import Status
from .styles import Styles
from .underpaint_client import ProtocolError
from .widgets import Scroll, column

DOCKER_ID = "underpaint_docker"
SETTINGS = "underpaint"
TOPICS = {"models/list": "models", "loras/list": "models", "controls/list": "models", "filters/list": "filters",
          "styles/list": "styles", "job/list": "queue"}
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
        self._unshown = {}
        """The chosen style's settings that no section shows."""
        self._asked = []
        """Which of `ASKED_ANEW` the chosen style has."""
        self._filter_words = ""
        self._daemon = Daemon(lambda: self._more.program(), self)
        self._jobs = Jobs(self._daemon, self)
        self._survey = survey()
        self._sections = self._make_sections()
        self._build()
        self._results = Results(self._daemon, self._status, self._choice, self._history, self._more, self.parentWidget, self)
        self._showing = Showing(self._daemon, self._jobs, self._controls, self._results, self._want, self._wish, self)
        self._glances = QtCore.QTimer(self)
        self._glances.setInterval(GLANCE_MS)
        self._glances.timeout.connect(guarded(lambda: self._glance()))
        self._load_settings()
        for section in self._sections:
            section.changed.connect(guarded(lambda: self._suit()))
            section.said.connect(self._trouble)
        self._connect()
        self._listen()
        self._suit()

    def _listen(self):
        """To what concerns all dockers, as long as this one is there. When it is not, its jobs are for another."""
        jobs, daemon = self._jobs, self._daemon
        heard = [(on_trouble, self._trouble), (ledger.on_release, jobs.look_for_documents)]
        for listeners, listener in heard:
            listeners.append(listener)

        def gone(*_):  # without `self`: Qt has taken all of the docker apart by now
            for listeners, listener in heard:
                listeners.remove(listener)
            if daemon.connection is not None:
                daemon.connection.abandon()
            jobs.leave()
        self.destroyed.connect(guarded(gone))

    def _connect(self):
        self._daemon.ready.connect(self._connected)
        self._daemon.starting.connect(guarded(lambda: self._status.say("Starting Underpaint…")))
        self._daemon.lost.connect(self._lost)
        self._daemon.notice.connect(self._noticed)
        self._jobs.changed.connect(guarded(self._jobs_changed))
        self._jobs.told.connect(guarded(self._told))
        self._jobs.offered.connect(guarded(self._results.offer))
        self._jobs.ended.connect(guarded(self._ended))
        self._jobs.said.connect(guarded(self._status.say))
        self._status.go.connect(guarded(lambda: self.start()))
        self._status.cancel.connect(guarded(self._jobs.cancel))
        self._queue.cancel.connect(guarded(self._cancel))
        self._queue.cancel_all.connect(guarded(self._jobs.cancel_all))
        self._queue.move.connect(guarded(lambda job, to: self._call("job/move", {"job": job, "position": to})))
        self._results.reuse.connect(guarded(self._reuse))
        self.visibilityChanged.connect(self._visible)
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.imageClosed.connect(guarded(lambda *_: later(self._jobs.documents_may_be_gone)))
        notifier.applicationClosing.connect(self._closing)

    def canvasChanged(self, canvas):
        """Called by Krita when another document comes to the front. A job keeps the document it was started on."""
        self._look()

    @guarded
    def _look(self):
        self._glance()
        self._filters.picture_changed()
        self._jobs.look_for_documents()

    # What the painter sees

    def _make_sections(self):
        """From top to bottom, as they stand in the docker; the last two below the button."""
        icon = Krita.instance().icon
        self._modes = Modes()
        self._margins = Margins()
        self._prompt = Prompt()
        self._amount = Amount()
        self._models = Models()
        self._styles = Styles(icon)
        self._filters = Filters(lambda: self._daemon.connection)
        self._controls = Controls(icon, layers_in_front, active_layer)
        steering = [Loras(icon), self._controls, Regions(icon, layers_in_front, active_layer)]
        self._live = Live(lambda: self._daemon.connection, lambda: self._members(self._scene()), self.parentWidget)
        self._more = More()
        self._queue = Queue(icon)
        self._history = History(icon, lambda: self._daemon.connection)
        self._prompt.submitted.connect(guarded(self.start))
        self._styles.chosen.connect(self._style_chosen)
        self._styles.save.connect(self._save_style)
        self._styles.remove.connect(self._remove_style)
        self._filters.apply.connect(self._apply_pressed)
        steering[0].words.connect(guarded(self._prompt.insert))
        for section in steering + [self._filters]:
            section.added.connect(guarded(lambda part: later(lambda: self._scroll.ensureWidgetVisible(part))))
        self._live.lonely.connect(guarded(self._daemon.wake))
        self._filters.previewed.connect(self._previewed)
        self._filters.preview_said.connect(self._preview_said)
        return [self._modes, self._margins, self._prompt, self._amount, self._models, self._styles, *steering, self._live,
                self._filters, self._more, self._queue, self._history]

    def _build(self):
        """Settings scroll when the docker is low; the button and the sentence always are in sight."""
        settings = QtWidgets.QWidget()
        lines = column(settings)
        for section in self._sections[:-2]:
            lines.addWidget(section)
        self._status = Status()
        self._choice = Choice(Krita.instance().icon)
        body = QtWidgets.QWidget(self)
        lines = column(body)
        lines.setContentsMargins(6, 6, 6, 6)
        self._scroll = Scroll(settings)
        for widget in (self._scroll, self._status, self._choice, self._queue, self._history):
            lines.addWidget(widget)
        lines.addStretch(1)
        self.setWidget(body)

    @guarded
    def _trouble(self, sentence):
        self._status.say(sentence, trouble=True)

    def _scene(self):
        model, strength = self._models.chosen(), self._amount.strength()
        return Scene(
            mode=self._modes.decide(self._survey, strength, model), model=model, strength=strength,
            reads_prompts=model is None or bool(model.get("samplers")), selected=self._survey.selected, busy=self._jobs.busy)

    def _suit(self):
        """Something was chosen somewhere: everybody may look different now."""
        scene = self._scene()
        for section in self._sections:
            section.suit(scene)
        self._status.show_state(scene.busy, self._modes.label(scene))

    def _glance(self):
        found = survey()
        if found != self._survey:
            self._survey = found
            self._suit()
        for section in self._sections:
            section.look()

    @guarded
    def _previewed(self, after, before):
        if not self._jobs.busy:
            self._status.picture.show_picture(after, before)

    @guarded
    def _preview_said(self, sentence):
        if sentence:
            self._trouble(sentence)
        elif self._filter_words and self._status.words() == self._filter_words:
            self._status.say("")
        self._filter_words = sentence

    # Styles

    @guarded
    def _style_chosen(self, settings):
        self._status.say("")
        if settings is None:
            self._unshown, self._asked = {}, []
            return
        for section in self._sections:
            section.put_style(settings)
        self._unshown = self._unseen(settings)
        self._asked = [name for name in ASKED_ANEW if name in settings]

    def _unseen(self, settings):
        shown = {name for section in self._sections for name in section.STYLE}
        return {name: value for name, value in settings.items() if name not in shown}

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
            self._status.say("Underpaint keeps the styles, and it is not running.", trouble=True)
            return

        @guarded
        def answered(_result, error):
            self._status.say(str(error) if error is not None else sentence, trouble=error is not None)
            self._ask_for_lists("styles")
        try:
            self._daemon.connection.call(method, params, answered)
        except ProtocolError:
            self._status.say("This is too much for a style: a filter in the chain holds a long text.", trouble=True)

    # The daemon

    @guarded
    def _visible(self, visible):
        self._daemon.watch(visible)
        self._filters.turn()
        self._history.refresh()
        if visible:
            self._glance()
            self._glances.start()
            if self._daemon.connection is None:
                self._daemon.wake()
        else:
            self._glances.stop()
            self._showing.hide()  # nobody could take it away
            self._results.hover_nothing()

    @guarded
    def _connected(self):
        keeps = self._daemon.offers("history")
        self._call("subscribe", {"topics": sorted(set(TOPICS.values()) | ({"history"} if keeps else set()))})
        self._ask_for_lists()
        self._history.connected(keeps)
        self._filters.picture_changed()
        self._status.say("")
        self._jobs.connected()

    def _call(self, method, params, then=None):
        if self._daemon.connection is not None:
            self._daemon.connection.call(method, params, then)

    def _ask_for_lists(self, topic=None):
        """Brings the sections the lists they want: all, or those of a topic."""
        for method in sorted({method for section in self._sections for method in section.LISTS}):
            if topic in (None, TOPICS.get(method)):
                self._call(method, {}, guarded(lambda answer, error, method=method: self._offer(method, answer, error)))

    def _offer(self, method, answer, error):
        if error is None:
            for section in self._sections:
                if method in section.LISTS:
                    section.offer(method, answer)

    @guarded
    def _lost(self, sentence):
        self._filters.lost()
        self._live.lost()
        self._queue.lost()
        self._history.connected(False)
        if not list(self._jobs):
            self._trouble(sentence)

    @guarded
    def _noticed(self, notice):
        topic, _, what = notice.method.partition("/")
        if what == "changed" and topic in TOPICS.values():
            self._ask_for_lists(topic)
        elif notice.method == "history/changed":
            self._history.refresh()

    # Fills and filterings

    def start(self):
        """Fills with what the docker shows, as if the button was pressed; after what is under way."""
        def fill():
            target, wish = Target.active(), self._wish()
            target.aim(wish.mode, wish.margins)
            self._prompt.used(wish.members.get("prompt"))
            return lambda: Fill(self._daemon.connection, target, wish, self._jobs)
        self._showing.hide()
        self._want(fill)

    @guarded
    def _apply_pressed(self):
        def filtering():
            target, chain, wants = Target.active(), *self._filters.running()
            return lambda: Filtering(self._daemon.connection, target, chain, wants, self._jobs)
        self._showing.hide()
        self._want(filtering)

    def _want(self, prepare):
        """`prepare()` takes down what is asked for, as it is now, and returns what makes the job of it. Whether it could."""
        self._survey = survey()
        self._status.fail("")
        try:
            make = prepare()
        except Sorry as error:
            self._status.say(str(error), trouble=True)
            return False
        if not self._jobs.busy:
            self._status.say("")
            self._results.begin()
        self._jobs.want(make)
        return True

    def _members(self, scene):
        members = dict(self._unshown) if scene.reads_prompts else {}
        for section in self._sections:
            members.update(section.members(scene))
        return members

    def _wish(self):
        scene = self._scene()
        members = self._members(scene)
        return Wish(members.pop("mode"), members, self._margins.margins(scene))

    def _cancel(self, job_id):
        job = self._jobs.find(job_id)
        if job is not None:
            job.cancel()
        else:
            self._call("job/cancel", {"job": job_id})

    def _jobs_changed(self):
        self._queue.know({job.id: job.label for job in self._jobs if job.id is not None})
        self._suit()
        if not self._jobs.busy:
            self._results.end()

    def _told(self, job, progress):
        if job is not self._jobs.current:
            return
        waiting = self._jobs.waiting
        self._status.say(progress.text + "…" + (" %d more after it." % waiting if waiting else ""))
        self._status.show_step(progress.step, progress.steps)
        if progress.preview is not None:
            self._results.show_preview(job.target, progress.preview, progress.rect)

    def _ended(self, job, outcome, sentence):
        if job is not None and job.seed is not None:
            self._more.painted(job.seed)
        if self._jobs.busy:
            self._results.begin()
            if outcome == FAILED or outcome == DONE and job.target.was_resized():
                self._status.fail(sentence)
        else:
            self._status.say(sentence, trouble=outcome == FAILED)

    def _reuse(self, settings):
        """What a picture of the history was made with. What its model takes by itself is left to whatever model paints."""
        for section in self._sections:
            if set(section.STYLE) & set(settings):
                section.put_style(settings)
        own = (self._models.chosen() or {}).get("defaults") or {}
        self._unshown = {name: value for name, value in self._unseen(settings).items() if value != own.get(name)}
        self._asked = []
        self._styles.point_to("")

    # What is remembered between sessions: how, not what

    def _load_settings(self):
        for section in self._sections:
            if section.NAME:
                section.recall(_setting(section.NAME))
        self._unshown = _setting("unshown")

    @guarded
    def _closing(self, *_):
        """Krita closes its documents and takes its windows apart: what is under way goes on without us and is kept."""
        try:
            self._save_settings()
        finally:
            self._jobs.leave()
            self._daemon.leave()

    def _save_settings(self):
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
