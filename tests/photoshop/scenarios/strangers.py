"""Other programs at the ports where the panel looks for the daemon: they learn nothing of use, and are no use to anyone."""

from squatter import Squatter, deaf, forger, garbage, silent

from stage import Daemon, wait_for

from . import filled, scenario

ALONE = [garbage, deaf, silent, forger]


def nothing_given_away(squatter, token):
    """It was met, and heard neither the token nor a proof of it."""
    assert squatter.methods() and set(squatter.methods()) == {"challenge"}, squatter.methods()
    assert all(token.encode() not in data for data in squatter.heard)


def met(ps, heard):
    """The panel is ready, and has asked the stranger before. On a busy machine the stranger may have been too slow to be asked."""
    def once_more():
        before = ps.page.evaluate("mock.host.opened")
        ps.mock("cut")
        ps.wait("mock.host.opened > %d" % before)
        ps.ready()
    ps.ready()
    wait_for("the panel to meet the stranger", lambda: heard or once_more())


@scenario
def a_stranger_at_the_first_port_learns_nothing(ps, daemon):
    daemon.stop()
    with Squatter(daemon.ports[0]) as squatter:
        daemon.start()
        port = daemon.endpoint()["ws_port"]
        assert port != daemon.ports[0]
        for manner in ALONE:
            squatter.heard.clear()
            squatter.manner = manner
            ps.open(daemon, full_access=False, token=daemon.token())
            met(ps, squatter.heard)
            nothing_given_away(squatter, daemon.token())
            ps.nothing_wrong()
        # One that hands everything on to the daemon has its true answer, and still it is another port's.
        squatter.heard.clear()
        squatter.relay_to = port
        ps.open(daemon, full_access=False, token=daemon.token()).document(w=256, h=192, select=[60, 50, 160, 140])
        met(ps, squatter.relayed)
        nothing_given_away(squatter, daemon.token())
        assert all(b'"proof"' in data for data in squatter.relayed), squatter.relayed
        ps.go()
        ps.until("Done")
        filled(ps, edges=[60, 50, 160, 140])
        assert set(squatter.methods()) == {"challenge"}


@scenario
def nobody_but_strangers(ps, daemon):
    token = daemon.token()
    daemon.kill()
    with Squatter(daemon.ports[0]) as squatter:
        for manner, files, words in [
            (garbage, False, "is another program, or another user's"),
            (forger, False, "does not know this panel's token"),
            # What a killed daemon left in its files is no reason to give up: its successor may keep them elsewhere.
            (forger, True, "is another program, or another user's"),
        ]:
            squatter.heard.clear()
            squatter.manner = manner
            ps.open(daemon, full_access=files, token=token)
            assert str(daemon.ports[0]) in ps.until(words)
            assert ps.page.is_visible("#pairing") == (manner is forger)
            nothing_given_away(squatter, token)
            ps.shot("strangers-%s" % ("files" if files else manner.__name__))
        daemon.start()
        ps.ready()
        nothing_given_away(squatter, token)


@scenario
def a_code_is_told_to_the_daemon_alone(ps, daemon):
    daemon.stop()
    with Squatter(daemon.ports[0]) as squatter:
        squatter.manner = forger
        daemon.start()
        ps.open(daemon, full_access=False)
        ps.until("waits to be paired")
        showing, code = daemon.pair()
        ps.page.fill("#code input", code)
        ps.page.click("#pair")
        met(ps, squatter.heard)
        assert showing.wait() == 0
        assert ps.page.evaluate("mock.host.secrets.get('underpaint.token')") == daemon.token()
        nothing_given_away(squatter, daemon.token())
        assert all(code.encode() not in data for data in squatter.heard)


@scenario
def a_daemon_with_its_files_elsewhere(ps, daemon):
    """What one that was killed left behind is in the way of no pairing."""
    daemon.kill()
    other = Daemon(daemon.program, daemon.home.with_name("other"))
    other.ports = daemon.ports
    other.start()
    try:
        ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
        assert str(daemon.ports[0]) in ps.until("keeps its files elsewhere")
        showing, code = other.pair()
        ps.page.fill("#code input", code)
        ps.page.click("#pair")
        ps.ready().go()
        ps.until("Done")
        assert showing.wait() == 0 and ps.page.is_hidden("#pairing")
    finally:
        other.kill()
        daemon.start()
