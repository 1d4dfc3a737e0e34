"""What a painter does in Photoshop, and what must have become of the picture. Each scenario starts on a fresh panel.

This file holds what all of them use; `ALL` is filled by the others, in their order.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "adapters" / "python"))

import underpaint_client  # noqa: E402

BOX = [200, 150, 330, 270]
PICTURE = "picture.psd"

ALL = []


def scenario(play):
    ALL.append((play.__name__, play))
    return play


def box(edges):
    return dict(zip(("left", "top", "right", "bottom"), edges))


SOFT = 32
"""As far as a diffusion model's patch may reach beyond the selection, fading out; the exemplar's never does."""


def filled(ps, name=PICTURE, edges=BOX, states=2, history="Fill", spill=0):
    """What holds after every fill: one new layer inside the selection, one history state, nothing else touched."""
    edges = [edges[0] - spill, edges[1] - spill, edges[2] + spill, edges[3] + spill]
    look = ps.mock("look", name)
    assert look["history"][-1] == history and len(look["history"]) == states, look["history"]
    layer = look["layers"][0]["box"]
    assert layer["left"] >= edges[0] and layer["top"] >= edges[1] and layer["right"] <= edges[2] and layer["bottom"] <= edges[3], layer
    changed = ps.mock("changed", name, box(edges))
    assert changed["outside"] == 0 and changed["inside"] > 0, changed
    return look


def slowly(ps, steps=1000, prompt="a slow stone"):
    """Makes the next job take long: the tiny model, and many steps."""
    ps.page.select_option("#model select", label="tiny-sd")
    ps.page.fill("#prompt textarea", prompt)
    if ps.page.is_hidden("#more"):
        ps.page.click("#more-fold")
    ps.page.fill("#steps input", str(steps))


def painting(ps):
    """Waits until the job is in its steps."""
    ps.wait("!!document.querySelector('.job')?.textContent.includes('step')")


def another_editor(daemon):
    """A connection that says it is Krita's, by the local socket."""
    return underpaint_client.Client.connect(daemon.endpoint()["socket"], name="krita")


def long_job(krita, **members):
    """A job of another editor's that is under way and would take hours: it has to be cancelled."""
    job = krita.submit("generate", dict(members, mode="generate", model="tiny-sd", prompt="x", extent=[512, 512], steps=1000, batch=8))
    job.wait_until("running")
    return job


def before_it_is_heard(ps, look):
    """Connects the panel anew. Of each message that comes then, `look`, a JavaScript function, is told how it begins, as text, and its
    bytes, which it may change, before the panel hears it."""
    ps.page.evaluate("""() => {
        const look = %s;
        Object.defineProperty(WebSocket.prototype, 'onmessage', {
            set(heard) {
                this.addEventListener('message', ({ data }) => {
                    const bytes = new Uint8Array(data);
                    look(String.fromCharCode(...bytes.subarray(0, 4096)), bytes);
                    heard({ data });
                });
            },
        });
    }""" % look)
    before = ps.page.evaluate("mock.host.opened")
    ps.mock("cut")
    ps.wait("mock.host.opened > %d" % before)
    ps.ready()


def ask(daemon, method, params):
    """One request of another editor's."""
    with another_editor(daemon) as krita:
        return krita.call(method, params)


from . import documents, modes, steering, showing, trouble, strangers, panel  # noqa: E402,F401
