"""How it feels (`run.py --only feels_quick`): from the click to the first preview and to the layer, for a selection of a megapixel
in a picture of 24, and where the time goes, by the wall's clock and by what Krita's own thread computed, repainting included.
`compute` is what the daemon does from taking the job up until it is done, but for planning it: the stages (the model, the filters),
what it does with pixels between them (`compose`: scaled for the model, matched, blended, cut to the mask), and turning the bytes that
were sent into numbers and back. What is left if the stages alone are called so is told, too.
Nothing is asserted of either: what else the machine does counts."""

import os
import time

from krita import Krita

from underpaint import document as adapter_document
from underpaint import job as adapter_job
from underpaint import placing as adapter_placing

from .bench import RESULTS, Docker, Heartbeat, check, layers, screenshot, select, settled, undone
from .scenarios import PAUSE, filled, tiled

CANVAS = (6000, 4000)
CHOSEN = (2400, 1500, 1000, 1000)
FEW = 4
MODELS = [("a diffusion model of 512 pixels that takes no time", "tiny-512", FEW), ("built-in fill", "exemplar", FEW)]
"""What a line is called, the model, and in how many steps it paints; 0: as many as it takes when nobody says a number."""
MODELS += [(name, name, 0) for name in os.environ.get("UNDERPAINT_E2E_MODELS", "").split(",") if name]
"""Models that were named to `run.py`."""
TIMES = ("first", "again")
"""The first fill by a model waits for it to be read, and for memory that neither program has asked for before; most fills are not
the first."""


def now():
    """The wall's clock, and what this thread has computed, in seconds."""
    return time.perf_counter(), time.thread_time()


def say(text):
    """Says this at once: what takes minutes may be ended by whoever waits, who then knows how far it came."""
    with open(os.path.join(RESULTS, "said"), "a") as file:
        file.write(text + "\n")


def how(result):
    """Where a model computed and what it was asked for: that explains most of a time."""
    used, engine = result["used"], result["receipt"].get("engine")
    if not engine:
        return "on the processor"
    passes = ["%dx%d in %d steps" % (*one["context"]["extent"], one["steps"] - one["start_step"])
              for one in [used, used.get("second_pass")] if one]
    return "on %s in %s, %s" % (engine["device"], engine["dtype"], ", then ".join(passes))


class Clock:
    """Notes when what happens in the fill `title`, by standing in for functions of the adapter, and says what stage it is at."""

    def __init__(self, title):
        self.at, self.spent, self.timing, self.how = {}, {}, {}, ""
        self._title, self._stage = title, None
        self._real = []
        for name in ("read", "read_marked"):
            self._replace(adapter_document.Target, name, self._timed)
        for name in ("new_layer", "_add"):
            self._replace(adapter_placing, name, self._timed)
        self._replace(adapter_job.Job, "_place", self._placing)
        self._replace(adapter_job.Job, "_call", self._calling)
        self._replace(adapter_job.Job, "_heard", self._hearing)
        self._replace(adapter_job.Job, "_tell", self._telling)

    def _replace(self, owner, name, make):
        real = getattr(owner, name)
        self._real.append((owner, name, real))
        setattr(owner, name, make(name, real))

    def stop(self):
        """Puts the functions back."""
        for owner, name, real in self._real:
            setattr(owner, name, real)

    def mark(self, name):
        """Now, if it did not happen before."""
        self.at.setdefault(name, now())

    def _timed(self, name, real):
        def timed(*args, **kwargs):
            steps = real(*args, **kwargs)
            while True:
                began = now()
                try:
                    step = next(steps)
                except StopIteration as done:
                    if name == "_add":
                        self.mark("placed")
                    return done.value
                finally:
                    spent = self.spent.get(name, (0, 0))
                    self.spent[name] = tuple(before + new - old for before, new, old in zip(spent, now(), began))
                yield step
        return timed

    def _calling(self, _name, real):
        def calling(job, method, params, cancellable=False):
            self.mark("asked" if method == "generate" else "began")
            return real(job, method, params, cancellable)
        return calling

    def _hearing(self, _name, real):
        def hearing(job, notice):
            if notice.method == "job/state" and notice.params.get("state") == "done":
                self.mark("done")
            real(job, notice)
        return hearing

    def _placing(self, _name, real):
        def placing(job, result):
            self.mark("answered")
            self.timing, self.how = result["timing_ms"], how(result)
            return (yield from real(job, result))
        return placing

    def _telling(self, _name, real):
        def telling(job, text, step=0, steps=0, preview=None, rect=None):
            if job.id is not None:
                self.mark("accepted")
            if job.running:
                self.mark("running")
            if preview is not None:
                self.mark("preview")
            stage = text.split(",")[0], "left" in text
            if stage != self._stage:
                self._stage = stage
                say("%s, after %.1f s: %s" % (self._title, now()[0] - self.at["click"][0], text))
            real(job, text, step, steps, preview, rect)
        return telling


def bare(target):
    """How long Krita takes to add a layer with nothing on it, in seconds, the median of five: no adapter is quicker."""
    spent = []
    for _ in range(5):
        node = target.createNode("empty", "paintlayer")
        yield from settled()
        began = time.perf_counter()
        target.rootNode().addChildNode(node, None)
        spent.append(time.perf_counter() - began)
        yield from undone()
    return sorted(spent)[2]


def feels_quick():
    """The table of where the time goes."""
    docker = Docker()
    docker.arrange()
    target = tiled(*CANVAS)
    select(target, *CHOSEN)
    yield 2500
    table = ["Krita adds an empty layer in %.0f ms" % (1000 * (yield from bare(target)))]
    fills = [(title + ", " + time, model, steps) for title, model, steps in MODELS for time in TIMES]
    for title, model, steps in fills:
        docker.ask("fill", prompt="a cat", model=model, seed="5")
        docker.part("steps").setValue(steps)
        yield 500
        count = len(layers(target.rootNode()))
        clock, heart = Clock(title), Heartbeat()
        clock.mark("click")
        docker.press()
        clock.mark("pressed")
        yield docker.idle
        gap = heart.stop()
        clock.stop()
        yield from filled(docker, target, count)
        check("placed" in clock.at, "no answer was seen: %s", sorted(clock.at))
        at = clock.at
        took = lambda start, end: [new - old for new, old in zip(at[end], at[start])]
        timing = dict(clock.timing)
        timing.pop("queued", None)
        total, plan, compose = (timing.pop(name, 0) / 1000 for name in ("total", "plan", "compose"))
        stages = sum(timing.values()) / 1000
        read = [sum(spent) for spent in zip(clock.spent["read"], clock.spent["read_marked"])]
        at_work, all_ = took("running", "done"), took("click", "placed")
        compute = at_work[0] - plan
        parts = [
            ("press", took("click", "pressed")), ("read", read),
            ("send", [whole - part for whole, part in zip(took("pressed", "asked"), read)]),
            ("accept", took("asked", "accepted")), ("begin", took("accepted", "running")),
            ("plan", [plan, 0]), ("compute", [compute, at_work[1]]),
            ("of it reading the model", [timing.get("load", 0) / 1000, 0]), ("stages", [stages, 0]), ("compose", [compose, 0]),
            ("bytes to numbers and back", [at_work[0] - total, 0]),
            ("receive", took("done", "answered")), ("insert", took("answered", "placed")), ("of it Krita's own", clock.spent["_add"]),
            ("to the first preview", took("click", "preview") if "preview" in at else all_), ("to the layer", all_),
            ("all but compute", [all_[0] - compute, all_[1] - at_work[1]]),
            ("all but stages", [all_[0] - stages, all_[1]])]
        told = ["%s %.0f/%.0f ms" % (name, *(1000 * each for each in spent)) for name, spent in parts]
        table.append("%s, %s: %s; %s" % (title, clock.how, ", ".join(told), PAUSE % gap))
        yield from screenshot("krita-feel.png")
        yield from undone()
    docker.part("steps").setValue(0)
    docker.ask("fill", model="")
    target.setModified(False)
    return " | ".join(table)


ALL = [feels_quick]
