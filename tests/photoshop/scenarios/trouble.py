"""Cancelling, waiting and breaking; pairing and permissions."""

import json

from . import PICTURE, SOFT, another_editor, before_it_is_heard, filled, long_job, painting, scenario, slowly


@scenario
def cancel_a_running_job(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    ps.page.wait_for_selector("#picture[src]")
    ps.shot("painting")
    ps.page.click(".job .tool")
    ps.until("Cancelled. The picture is unchanged.")
    assert ps.mock("look", PICTURE)["history"] == ["Open"]
    ps.page.wait_for_selector("#preview", state="hidden")


@scenario
def cancelled_as_the_result_comes(ps, daemon):
    """In the very moment before the panel hears that it is done: it is cancelled all the same, and the next one is painted."""
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.page.evaluate("window.cancelling = true")
    before_it_is_heard(ps, """(header) => {
        if (cancelling && header.includes('"timing_ms"')) {
            cancelling = false;
            document.querySelector('.job .tool').click();
        }
    }""")
    ps.go()
    ps.until("Cancelled. The picture is unchanged.")
    assert ps.page.evaluate("cancelling") is False, "it was cancelled by something else"
    assert ps.mock("look", PICTURE)["history"] == ["Open"]
    ps.go()
    ps.until("as a new layer.")


@scenario
def escape_while_the_layer_is_placed(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.page.evaluate("mock.trouble.cancelNext = true")
    ps.go()
    ps.until("Cancelled")
    look = ps.mock("look", PICTURE)
    assert len(look["layers"]) == 1 and look["history"] == ["Open"], look


@scenario
def photoshop_is_busy_and_the_result_waits(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.page.evaluate("mock.trouble.busy = true")
    ps.go()
    ps.until("busy with a dialog")
    assert ps.page.inner_text("#go") == "Place layer"
    ps.shot("busy")
    ps.go()
    ps.until("busy with a dialog")
    ps.page.evaluate("mock.trouble.busy = false")
    ps.wait("document.querySelector('#go').textContent === 'Place layer'")
    ps.go()
    ps.until("Done")
    filled(ps, edges=[100, 80, 180, 160])
    assert ps.page.inner_text("#go") == "Fill"
    # A result that nobody wants any more is let go; Escape, which closes dialogs, does not do that.
    ps.page.evaluate("mock.trouble.busy = true")
    ps.go()
    ps.until("busy with a dialog")
    ps.page.press("#prompt textarea", "Escape")
    assert ps.page.inner_text("#go") == "Place layer"
    ps.page.click(".job .tool")
    ps.until("Cancelled")
    assert ps.page.locator(".job").count() == 0 and ps.page.inner_text("#go") == "Fill"
    assert len(ps.layers()) == 2


@scenario
def a_queue_of_three(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    with another_editor(daemon) as krita:
        # While another editor's picture is painted all three wait, however fast the machine is.
        other = long_job(krita)
        slowly(ps, 3, "first")
        ps.go()
        for words in ("second", "third"):
            ps.page.fill("#prompt textarea", words)
            ps.go()
        ps.wait("[...document.querySelectorAll('#jobs .job')].filter(job => job.textContent.includes('Waiting')).length === 3")
        ps.shot("queue")
        ps.page.click("#jobs .job:has-text('second') .tool")
        ps.wait("document.querySelectorAll('#jobs .job').length === 2")
        other.cancel()
        ps.wait("mock.look('picture.psd').layers.length === 3")
        ps.page.wait_for_selector(".job", state="detached")
    assert [layer["name"].split(" ")[0] for layer in ps.layers()] == ["third", "first", "Background"], ps.layers()


@scenario
def a_lost_connection_is_found_again(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps, 200)
    ps.go()
    painting(ps)
    ps.mock("cut")
    ps.until("Done")
    filled(ps, edges=[60, 50, 160, 140], spill=SOFT)


@scenario
def the_daemon_is_killed_and_comes_back(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    daemon.kill()
    ps.page.wait_for_selector("#light.absent")
    assert "waiting for Underpaint" in ps.page.inner_text(".job")
    daemon.start()
    ps.until("started anew")
    ps.ready()
    ps.page.fill("#steps input", "3")
    ps.go()
    ps.until("Done")
    filled(ps, edges=[60, 50, 160, 140], spill=SOFT)


@scenario
def no_daemon(ps, daemon):
    daemon.stop()
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.until("Underpaint is not running. Start it with")
    ps.go()
    ps.until("not running")
    ps.shot("absent")
    daemon.start()
    ps.ready().go()
    ps.until("Done")


@scenario
def pairing_with_a_code(ps, daemon):
    ps.open(daemon, full_access=False).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.until("waits to be paired")
    ps.shot("pairing")
    ps.page.fill("#code input", "12")
    ps.page.click("#pair")
    ps.until("six digits")
    showing, code = daemon.pair()
    # A mistyped digit mostly leads to where nobody is; else the daemon says that it is wrong.
    for wrong, words in [(int(code) + 1, "Nobody answers where this code leads"), (int(code) + 3, "The code is wrong")]:
        ps.page.fill("#code input", "%06d" % (wrong if wrong < 1000000 else wrong - 6))
        ps.page.click("#pair")
        ps.until(words)
    assert ps.page.is_visible("#pairing")
    ps.page.fill("#code input", code)
    ps.page.press("#code input", "Enter")
    ps.ready()
    assert ps.page.is_hidden("#pairing") and showing.wait() == 0
    ps.go()
    ps.until("Done")
    # The token is kept: after a lost connection nobody is asked again.
    before = ps.page.evaluate("mock.host.opened")
    ps.mock("cut")
    ps.wait("mock.host.opened > %d" % before)
    ps.ready()
    assert ps.page.is_hidden("#pairing")


@scenario
def a_daemon_without_a_port(ps, daemon):
    """Other programs have all three: the daemon publishes none, and the panel says so instead of guessing."""
    hidden = daemon.published
    daemon.published = lambda endpoint: {name: value for name, value in endpoint.items() if name != "ws_port"}
    try:
        ps.open(daemon, domains=[])
        ps.until("listens on no port")
    finally:
        daemon.published = hidden


@scenario
def the_network_is_denied(ps, daemon):
    ps.open(daemon, domains=[])
    ps.until("not running")
    assert len(ps.page.evaluate("mock.host.denied")) >= 3


@scenario
def what_was_sent_is_freed_while_the_job_waits(ps, daemon):
    """The daemon holds at most one picture for the panel, however many wait: what it holds for a connection is limited."""
    ps.open(daemon).document(w=1024, h=768)
    ps.ready()
    ps.mode("generate")
    slowly(ps, 2)
    ps.page.evaluate("""() => {
        window.held = new Map();
        window.most = 0;
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (data) {
            const bytes = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
            const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
            const { method, params } = JSON.parse(String.fromCharCode(...bytes.subarray(8, 8 + length)));
            if (method === 'blob/put') held.set(params.blob, params.size);
            if (method === 'blob/free') held.delete(params.blob);
            most = Math.max(most, [...held.values()].reduce((sum, size) => sum + size, 0));
            return send.call(this, data);
        };
    }""")
    with another_editor(daemon) as krita:
        other = long_job(krita)
        ps.page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('#go').click()")
        ps.wait("[...document.querySelectorAll('#jobs .job')].filter(job => job.textContent.includes('Waiting')).length === 3")
        assert ps.page.evaluate("[held.size, most]") == [0, 1024 * 768 * 4], ps.page.evaluate("[held.size, most]")
        ps.page.evaluate("for (const cross of document.querySelectorAll('#jobs .job .tool')) cross.click()")
        ps.page.wait_for_selector("#jobs .job", state="detached")
        other.cancel()


@scenario
def a_picture_larger_than_the_daemon_holds(ps, daemon):
    """It is said before anything is sent. The daemon on the stage says that it holds less than it does."""
    ps.open(daemon)
    ps.ready()
    before_it_is_heard(ps, """(header, bytes) => {
        const at = header.indexOf('536870912');
        if (at >= 0) bytes.set([...'   400000'].map(digit => digit.charCodeAt(0)), at);
    }""")
    ps.mode("generate")
    slowly(ps, 2)
    for depth, advice in [(16, "or choose Image > Mode > 8 Bits/Channel."), (8, None)]:
        ps.document("%d.psd" % depth, w=256, h=256, depth=depth)
        ps.go()
        ps.until("The picture is too large to be sent whole; select a part of it, " + advice if advice else "as a new layer.")
    assert ps.mock("look", "16.psd")["history"] == ["Open"]


@scenario
def photoshop_does_not_answer_the_panel(ps, daemon):
    """Nothing that goes wrong while the panel looks around costs the connection, a job, or the search for a daemon."""
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    opened = ps.page.evaluate("mock.trouble.mute = true, mock.host.opened")
    before = ps.page.inner_text(".job .tell")
    ps.wait("document.querySelector('.job .tell').textContent !== %s" % json.dumps(before))
    assert ps.page.evaluate("mock.host.opened") == opened
    ps.mock("cut")
    ps.wait("mock.host.opened > %d && document.querySelector('#light').className === 'ready'" % opened)
    ps.page.evaluate("mock.trouble.mute = false")
    painting(ps)
    ps.page.click(".job .tool")
    ps.until("Cancelled")
