"""What becomes of pictures: shown where they will be while they are made or hovered over, chosen from, placed, placed again."""

from .canvas import Glass
from .document import Sorry, Target, layer_name
from .job import PX, Pictures
from .placing import placed, remark
from .qt import QtCore, QtWidgets, guarded
from .story import Story

REUSED = ("prompt", "negative_prompt", "model", "steps", "guidance_scale", "guidance_rescale", "image_guidance_scale",
          "denoise_strength", "sampler", "scheduler", "clip_skip", "loras")
"""What of a picture's receipt is put back into the docker."""
WITHOUT = {"negative_prompt": "", "loras": []}
"""What a receipt does not name if the picture was made without."""


class Results(QtCore.QObject):
    """Between the daemon's pictures and the places where they are seen."""

    reuse = QtCore.pyqtSignal(object)
    """Settings, as a style has them, that the docker is to show."""

    def __init__(self, daemon, status, choice, history, more, window, parent=None):
        """`window()`: the QMainWindow whose canvases are meant."""
        super().__init__(parent)
        self._daemon, self._status, self._choice, self._history, self._more = daemon, status, choice, history, more
        self._glass = Glass(window, self)
        self._hovering = False
        self._pinned = None
        self._placing = []
        choice.chosen.connect(guarded(self._chosen))
        choice.hovered.connect(guarded(self._over_choice))
        history.hovered.connect(guarded(self._over_history))
        history.apply.connect(guarded(self._again))
        history.use_seed.connect(guarded(self._use_seed))
        history.use_settings.connect(guarded(self._use_settings))

    # While it is made

    def begin(self):
        """Nothing of the picture to come is known yet."""
        if not self._hovering:
            self._rest()

    def end(self):
        """Nothing is being made any more."""
        self.begin()

    def show_preview(self, target, picture, rect):
        """The picture as it is now: on the canvas where it will be, in the docker where that cannot be."""
        if not self._hovering:
            self._show_at(target, picture, rect)

    def offer(self, pictures):
        """Several were made."""
        self._choice.show_pictures(pictures)

    # Until it is taken away

    def pin(self, target, picture, rect):
        """Shows a picture that stays, beneath what else there is to show; a picture of None: no more."""
        pinned, self._pinned = self._pinned, (target, picture, rect) if picture is not None else None
        if pinned != self._pinned and not self._hovering:
            self._rest()

    @property
    def pinned(self):
        """Whether there is one."""
        return self._pinned is not None

    def _rest(self):
        if self._pinned is not None:
            self._show_at(*self._pinned)
        else:
            self._clear()

    # While the pointer is over it

    def hover_nothing(self):
        """The docker was hidden."""
        self._hover(None, None, None)

    def _over_choice(self, pictures, shown):
        self._hover(pictures and pictures.target, *(shown or (None, None)))

    def _over_history(self, entry, picture):
        target, rect = None, None
        if entry is not None:
            target, rect = _in_front(), _rect(entry)
            if target is not None and (entry.get("extent") != list(target.extent) or rect is None):
                target = None
        self._hover(target, picture, rect)

    def _hover(self, target, picture, rect):
        self._hovering = picture is not None
        if picture is None:
            self._rest()
        else:
            self._show_at(target, picture, rect)

    def _show_at(self, target, picture, rect):
        if target is not None and rect is not None and target.is_open():
            self._glass.show(target.document, target.here(rect), picture)
        else:
            self._glass.clear()
        self._status.picture.show_picture(None if self._glass.shown else picture)

    def _clear(self):
        self._glass.clear()
        self._status.picture.show_picture(None)

    # Placing

    def _chosen(self, pictures, patches):
        self._place(pictures.target, patches, pictures.name)
        if len(patches) == len(pictures.patches):
            self._choice.close_it()

    def _again(self, entry):
        connection = self._daemon.connection
        if connection is None:
            self._status.say("Underpaint keeps the history, and it is not running.", trouble=True)
            return

        @guarded
        def came(result, error):
            if error is not None:
                self._status.say(str(error), trouble=True)
                return
            patches = connection.patches(result)
            try:
                target = Target.active()
            except Sorry as sorry:
                self._status.say(str(sorry), trouble=True)
                return
            if entry.get("extent") != list(target.extent):
                patches = [patch._replace(rect=_within(patch.rect, target.extent)) for patch in patches]
            words, mode = entry.get("prompt") or "", entry.get("mode") or "picture"
            pictures = Pictures(target, patches, lambda seed: layer_name(words, mode, seed))
            if len(patches) > 1:
                self.offer(pictures)
            else:
                self._place(target, patches, pictures.name)
        connection.call("history/get", {"entry": entry["entry"], "px": PX}, came)

    def _place(self, target, patches, name):
        def steps():
            for patch in patches:
                yield from placed(target, patch, name(patch.seed))

        def done(_value, error):
            self._placing.remove(story)
            if isinstance(error, Sorry):
                self._status.say(str(error), trouble=True)
            elif error is not None:
                raise error
            else:
                sentence = "Placed as a new layer." if len(patches) == 1 else "Placed as %d new layers." % len(patches)
                self._status.say(sentence + remark(target))
        self._hover(None, None, None)
        story = Story(steps(), done)
        self._placing.append(story)
        story.start()

    # Used again

    def _use_seed(self, entry):
        seed = next((patch["seed"] for patch in entry.get("patches") or () if patch.get("seed") is not None), entry.get("seed"))
        self._more.use_seed(seed)
        QtWidgets.QApplication.clipboard().setText(str(seed))
        self._status.say("The next picture begins with seed %s." % seed)

    def _use_settings(self, entry):
        connection = self._daemon.connection
        if connection is None:
            return

        @guarded
        def came(result, error):
            if error is not None:
                self._status.say(str(error), trouble=True)
                return
            connection.patches(result)  # takes the bytes
            used = dict(result.get("used") or {}, **{
                name: entry[name] for name in ("prompt", "negative_prompt", "model") if entry.get(name)})
            self._status.say("Prompt, model and settings are those of the picture.")
            self.reuse.emit(dict(WITHOUT, **{name: used[name] for name in REUSED if used.get(name) is not None}))
        connection.call("history/get", {"entry": entry["entry"], "px": PX}, came)


def _in_front():
    try:
        return Target.in_front()
    except Sorry:  # a selection beyond the canvas
        return None


def _within(rect, extent):
    """The rect moved into a canvas of another size than it was made for, as far as it fits."""
    x, y = (max(0, min(at, whole - side)) for at, side, whole in zip(rect, rect[2:], extent))
    return (x, y) + tuple(rect[2:])


def _rect(entry):
    patches = entry.get("patches") or [{}]
    rect = patches[0].get("rect")
    return tuple(rect[side] for side in "xywh") if rect else None
