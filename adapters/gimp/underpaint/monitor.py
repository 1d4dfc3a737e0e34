"""How a running procedure is seen, and how it waits: GIMP's progress bar, and the window with the preview.

GIMP shows a plug-in's progress in the status bar of the image window, with a button that ends the plug-in's process;
the daemon notices and cancels the job. It lets no plug-in draw on its canvas, so the picture as it becomes is shown in a
small window of the plug-in's own, made only when there is somebody to look and something to wait for.
"""

import threading

from gi.repository import Gimp, GLib

from picture import Sorry

WATCH_MS = 500
"""How often to look whether the image still is there."""


class Cancelled(Exception):
    """The painter does not want it any more."""


class Waiting:
    """Waits for the daemon, and tells nobody. `previews` says whether pictures of what goes on are wanted."""

    previews = False

    def __init__(self, still_there):
        """`still_there()`: whether the image is open; a job whose image is gone is given up."""
        self._still_there = still_there
        self._ended = None

    def say(self, text, fraction=None):
        """A line about what is going on, and how much of it is done (0..1; None: unknown)."""

    def warn(self, sentence):
        """Something the painter is to look at when it is over."""

    def show_canvas(self, pixels, width, height, rect):
        """The part of the canvas that is sent, as rgba8 of `width` x `height`; `rect` says where it lies."""

    def show(self, described, tail, rect):
        """A preview, as the protocol describes it."""

    def close(self):
        """It is over."""

    def later(self, function):
        """`function`, to be called from another thread: it runs in the main one, soon."""
        def call(*arguments):
            GLib.idle_add(lambda: (function(*arguments), GLib.SOURCE_REMOVE)[1], priority=GLib.PRIORITY_DEFAULT)
        return call

    def newest(self, function, kind):
        """The same for what comes often: of calls of the same `kind(argument)` that are waiting only the newest counts,
        and windows are drawn before."""
        waiting, lock = {}, threading.Lock()

        def run():
            with lock:
                found = list(waiting.values())
                waiting.clear()
            for argument in found:
                function(argument)
            return GLib.SOURCE_REMOVE

        def call(argument):
            with lock:
                first = not waiting
                waiting.pop(kind(argument), None)
                waiting[kind(argument)] = argument
            if first:
                GLib.idle_add(run)
        return call

    def cancel(self):
        """Ends the `apart` that is waiting with `Cancelled`."""
        self._end(Cancelled())

    def apart(self, work):
        """What `work()` returns or raises. It runs in a thread while this one serves windows; it must not touch GIMP.
        On `Cancelled`, or `Sorry` because the image was closed, the thread is left to itself: the process ends soon."""
        loop, outcome = GLib.MainLoop(), []

        def run():
            try:
                outcome.append((work(), None))
            except BaseException as error:  # told to whoever waits
                outcome.append((None, error))
            GLib.idle_add(loop.quit, priority=GLib.PRIORITY_DEFAULT)

        def watch():
            if not self._still_there():
                self._end(Sorry("The picture was closed, so the job was cancelled."))
            return GLib.SOURCE_CONTINUE

        self._ended = None
        self._loop = loop
        watching = GLib.timeout_add(WATCH_MS, watch)
        threading.Thread(target=run, daemon=True).start()
        try:
            loop.run()
        finally:
            GLib.source_remove(watching)
        if self._ended is not None:
            raise self._ended
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def _end(self, why):
        self._ended = why
        self._loop.quit()


class Monitor(Waiting):
    """Progress in GIMP's status bar, without a window."""

    def __init__(self, title, still_there):
        super().__init__(still_there)
        Gimp.progress_init(title)

    def say(self, text, fraction=None):
        Gimp.progress_set_text(text + "…")
        if fraction is None:
            Gimp.progress_pulse()
        else:
            Gimp.progress_update(fraction)

    def warn(self, sentence):
        Gimp.message(sentence)

    def close(self):
        Gimp.progress_end()
