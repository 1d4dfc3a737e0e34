"""The words: what should be there. Alt+Up and Alt+Down go through the prompts of old, Ctrl+Up and Ctrl+Down weigh a word."""

import json
import os

from krita import Krita

from .qt import QtCore, QtGui, QtWidgets, guarded
from .section import Section
from .weights import reweighted_units
from .widgets import Words, column

KEPT = 50
"""How many prompts are remembered."""
SHOWN = 20
"""How many the menu offers."""
SHOWN_LENGTH = 60
TIP = "Alt+Up: earlier prompts\nCtrl+Up, Ctrl+Down: what is selected, or the word at the cursor, weighs more or less\nCtrl+Return: paint"


class Prompt(Section):
    """The words, for models that read any."""

    NAME = "prompt"
    STYLE = ("prompt",)

    submitted = QtCore.pyqtSignal()
    """Ctrl+Return."""

    def __init__(self):
        super().__init__()
        self._words = _Prompt()
        self._words.setObjectName("underpaint_prompt")
        self._words.setToolTip(TIP)
        self._words.submitted.connect(self.submitted)
        column(self).addWidget(self._words)

    def insert(self, words):
        """Puts words at the end, after a comma, unless they are there already."""
        text = self._text().rstrip(",")
        if words.lower() not in text.lower():
            self._words.setPlainText(", ".join(filter(None, [text, words])))

    def suit(self, scene):
        """Says what words are for."""
        self._words.setEnabled(scene.reads_prompts)
        self._words.setPlaceholderText(_hint(scene))

    def members(self, scene):
        """The words."""
        return {"prompt": self._text()} if scene.reads_prompts else {}

    def used(self, prompt):
        """Something is painted from these words: they are worth remembering."""
        if prompt:
            self._words.remember(prompt)
            _write(self._words.history)

    def style(self):
        """The words."""
        return {"prompt": self._text()}

    def put_style(self, settings):
        """The words, if the style has any: most leave them to the picture."""
        if "prompt" in settings:
            self._words.setPlainText(settings["prompt"])

    def recall(self, held):
        """The prompts of old."""
        self._words.history = _written()

    def _text(self):
        return self._words.toPlainText().strip()


def _hint(scene):
    if not scene.reads_prompts:
        return "This model continues the surroundings; it needs no words."
    if scene.mode == "background":
        return "What should be behind it?"
    if scene.model is None and scene.mode in ("fill", "remove"):
        return "What should be there? Without words the surroundings are continued."
    return "What should be there?"


class _Prompt(Words):
    """The field, with a button for the prompts of old in its corner."""

    def __init__(self):
        super().__init__("What should be there?", 3)
        self.history = []
        """The newest first."""
        self._at, self._draft = -1, ""
        self._menu = QtWidgets.QMenu(self)
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(guarded(self._fill_menu))
        self._button = QtWidgets.QToolButton(self)
        self._button.setObjectName("underpaint_prompt_history")
        self._button.setArrowType(QtCore.Qt.ArrowType.DownArrow)
        self._button.setAutoRaise(True)
        self._button.setFixedSize(18, 18)
        self._button.setCursor(QtCore.Qt.CursorShape.ArrowCursor)
        self._button.setToolTip("Earlier prompts")
        self._button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self._button.clicked.connect(guarded(lambda *_: self._menu.popup(self._button.mapToGlobal(QtCore.QPoint(0, 18)))))
        self.setViewportMargins(0, 0, 18, 0)

    def remember(self, prompt):
        """Puts a prompt in front of the others."""
        self.history = ([prompt] + [old for old in self.history if old != prompt])[:KEPT]
        self._at = -1

    def resizeEvent(self, event):
        """Qt's report of a new size."""
        super().resizeEvent(event)
        self._button.move(self.width() - 18 - self.frameWidth(), self.frameWidth())

    @guarded
    def keyPressEvent(self, event):
        """Qt's call for a key."""
        steps = {QtCore.Qt.Key.Key_Up: 1, QtCore.Qt.Key.Key_Down: -1}.get(event.key())
        modifiers = event.modifiers() & ~QtCore.Qt.KeyboardModifier.KeypadModifier
        if steps and modifiers == QtCore.Qt.KeyboardModifier.AltModifier:
            self._go(steps)
        elif steps and modifiers == QtCore.Qt.KeyboardModifier.ControlModifier:
            self._weigh(steps)
        else:
            super().keyPressEvent(event)

    def event(self, event):
        """Qt's question whether a key is a shortcut of Krita's: not these."""
        arrows = (QtCore.Qt.Key.Key_Up, QtCore.Qt.Key.Key_Down)
        wanted = (QtCore.Qt.KeyboardModifier.AltModifier, QtCore.Qt.KeyboardModifier.ControlModifier)
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and event.key() in arrows and event.modifiers() in wanted:
            event.accept()
            return True
        return super().event(event)

    def _go(self, by):
        at = max(-1, min(len(self.history) - 1, self._at + by))
        if self._at < 0:
            self._draft = self.toPlainText()
        if at != self._at:
            self._at = at
            self._replace(self.history[at] if at >= 0 else self._draft)

    def _weigh(self, steps):
        cursor = self.textCursor()
        found = reweighted_units(self.toPlainText(), cursor.selectionStart(), cursor.selectionEnd(), steps)
        if found is not None:
            text, start, end = found
            self._replace(text)
            cursor = self.textCursor()
            cursor.setPosition(start)
            cursor.setPosition(end, QtGui.QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(cursor)

    def _replace(self, text):
        """As typing would: Ctrl+Z brings the old text back."""
        cursor = self.textCursor()
        cursor.select(QtGui.QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.setTextCursor(cursor)

    def _fill_menu(self):
        self._menu.clear()
        for prompt in self.history[:SHOWN]:
            line = " ".join(prompt.split())
            action = self._menu.addAction(line if len(line) <= SHOWN_LENGTH else line[:SHOWN_LENGTH - 1] + "…")
            action.setToolTip(prompt)
            action.triggered.connect(guarded(lambda *_, prompt=prompt: self._replace(prompt)))
        if not self.history:
            self._menu.addAction("What you paint from is remembered here").setEnabled(False)


def _path():
    return os.path.join(Krita.instance().getAppDataLocation(), "underpaint-prompts.json")


def _written():
    try:
        with open(_path(), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return []
    return [prompt for prompt in found if isinstance(prompt, str)][:KEPT] if isinstance(found, list) else []


def _write(prompts):
    try:
        with open(_path() + ".new", "w", encoding="utf-8") as file:
            json.dump(prompts, file)
        os.replace(_path() + ".new", _path())
    except OSError:
        pass  # then the next session begins without them
