"""The words: what should be there."""

from .qt import QtCore
from .section import Section
from .widgets import Words, column


class Prompt(Section):
    """The words, for models that read any."""

    STYLE = ("prompt",)

    submitted = QtCore.pyqtSignal()
    """Ctrl+Return."""

    def __init__(self):
        super().__init__()
        self._words = Words("What should be there?", 3)
        self._words.setObjectName("underpaint_prompt")
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

    def style(self):
        """The words."""
        return {"prompt": self._text()}

    def put_style(self, settings):
        """The words, if the style has any: most leave them to the picture."""
        if "prompt" in settings:
            self._words.setPlainText(settings["prompt"])

    def _text(self):
        return self._words.toPlainText().strip()


def _hint(scene):
    if not scene.reads_prompts:
        return "This model continues the surroundings; it needs no words."
    if scene.model is None and scene.mode in ("fill", "remove"):
        return "What should be there? Without words the surroundings are continued."
    return "What should be there?"
