"""A story is a generator that the event loop steps: it yields what it waits for, and is told what came of it.

What is yielded is a function that takes `resume(value, error)` and calls it once, now or later. `value` becomes the
value of the `yield`, `error` is raised there. So work with many turns reads from top to bottom and never blocks.
"""

from .qt import guarded, later


class Story:
    """One generator on its way. `ended(value, error)` is called once, unless it is stopped before."""

    def __init__(self, steps, ended):
        self._steps, self._ended = steps, ended

    def start(self):
        """Begins in the next turn of the event loop."""
        later(self._step)

    def stop(self):
        """Gives up: the generator's `finally` blocks run, nothing else does, and whatever it waited for is ignored."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    @guarded
    def _step(self, value=None, error=None):
        if self._steps is None:
            return
        try:
            wait = self._steps.send(value) if error is None else self._steps.throw(error)
            wait(self._step)
        except StopIteration as done:
            self._end(done.value, None)
        except Exception as error:
            self.stop()
            self._end(None, error)

    def _end(self, value, error):
        self._steps = None
        self._ended(value, error)


def next_turn(resume):
    """To be yielded: goes on in the next turn of the event loop."""
    later(resume)


def pause(ms):
    """To be yielded: goes on after a while."""
    return lambda resume: later(resume, ms)
