"""The stage of the scenarios: a daemon of its own, and the panel in a real Chromium on the mock of Photoshop.

Decision: the panel's page is a Chromium extension's. Its origin is neither http nor https, as a UXP plug-in's is not, so
the daemon's WebSocket lets it in for the same reason; a page from a file or a local server would be refused.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ADAPTER = ROOT / "adapters" / "photoshop"
OUTPUT = ROOT / "tests" / "output"
PAINTER_HOME = "/home/painter/.local/state/underpaint"
PORTS = [17231, 17232, 17233]
"""The ports that the plug-in's files name."""
HANG_S = 240

sys.path.append(str(ROOT / "tests" / "editors"))

import tiny_models  # noqa: E402


def wait_for(what, condition):
    """The first truth that `condition` gives."""
    end = time.monotonic() + HANG_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "gave up waiting for " + what
        time.sleep(0.01)


def free_ports():
    """As many ports that nobody uses, of those that no connection is given by itself."""
    found = []
    while len(found) < len(PORTS):
        port = random.randint(18000, 32000)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Daemon:
    """A daemon in a home of its own, with the tiny model of the reference pictures and models that steer it.

    It has three ports of its own, which the plug-in on the stage knows in the place of the real ones: other daemons on this
    machine are neither met nor disturbed."""

    def __init__(self, program, home):
        self.program, self.home, self.process, self.ports = program, home, None, free_ports()
        home.mkdir(parents=True)
        shutil.copytree(str(ROOT / "tests/reference/golden/tiny-sd"), str(home / "models/tiny-sd"))
        tiny_models.put_steering_into(home / "models")
        estimator = json.loads((tiny_models.GOLDEN / "depth-models.json").read_text())["small"]
        tiny_models.in_folder(home / "models/controls/other-depth", estimator, estimator["config"]["architectures"])

    def start(self):
        """Starts it. Should its ports be taken just then, it is started once more."""
        end = time.monotonic() + HANG_S
        while True:
            with open(str(self.home / "log"), "ab") as log:
                self.process = subprocess.Popen([str(self.program), "serve"], env=self.environment(), stdout=log, stderr=log)
            wait_for("the daemon", lambda: (self.endpoint() or {}).get("pid") == self.process.pid)
            if "ws_port" in self.endpoint():
                return
            self.stop()
            assert time.monotonic() < end, "ports %s are taken by other programs" % self.ports
            time.sleep(1)

    def environment(self):
        """A home and ports of its own."""
        kept = {name: value for name, value in os.environ.items() if name != "UNDERPAINT_SOCKET"}
        return dict(kept, UNDERPAINT_HOME=str(self.home), UNDERPAINT_WS_PORTS=",".join(map(str, self.ports)))

    def endpoint(self):
        try:
            return json.loads((self.home / "run/endpoint.json").read_text())
        except (OSError, ValueError):
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def token(self):
        return (self.home / "run/token").read_text()

    def pair(self):
        """Has the program show a code; returns the process, which waits for it to be typed, and the code."""
        showing = subprocess.Popen([str(self.program), "--json", "pair"], env=self.environment(), stdout=subprocess.PIPE)
        return showing, json.loads(showing.stdout.readline())["code"]

    def read(self, path):
        """A file under the painter's home as the plug-in sees it; None where there is none."""
        if not path.startswith(PAINTER_HOME + "/"):
            return None
        try:
            text = (self.home / path[len(PAINTER_HOME) + 1:]).read_text()
        except OSError:
            return None
        if path.endswith("endpoint.json"):
            return json.dumps(self.published(json.loads(text)))
        return text

    def published(self, endpoint):
        """What the plug-in gets to see of endpoint.json; a scenario may change it."""
        return endpoint


def lay_out(folder, mock, ports):
    """The extension: the plug-in's own files, but for the ports in them, and the mock in front of them."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"manifest_version": 3, "name": "Underpaint on the mock", "version": "1"}))
    shutil.copy(str(ADAPTER / "style.css"), str(folder))
    (folder / "dist").mkdir()
    for name, copy in [("manifest.json", "plugin-manifest.json"), ("dist/main.js", "dist/main.js")]:
        text = (ADAPTER / name).read_text(encoding="utf-8")
        for theirs, ours in zip(PORTS, ports):
            assert str(theirs) in text, name
            text = text.replace(str(theirs), str(ours))
        (folder / copy).write_text(text, encoding="utf-8")
    shutil.copy(str(mock), str(folder / "mock.js"))
    shutil.copy(str(HERE / "mock/host.css"), str(folder))
    page = (ADAPTER / "index.html").read_text()
    before = '<script src="dist/main.js"></script>'
    assert before in page
    (folder / "index.html").write_text(page.replace(before, '<link rel="stylesheet" href="host.css"><script src="mock.js"></script>' + before))
    # Chromium names an unpacked extension after its path.
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return "chrome-extension://%s/index.html" % "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


class Photoshop:
    """The panel in Chromium. One browser; `open` gives a fresh page, which is a fresh start of Photoshop."""

    def __init__(self, playwright, chromium, work, mock, ports):
        self.address = lay_out(work / "extension", mock, ports)
        self.context = playwright.chromium.launch_persistent_context(
            str(work / "profile"), executable_path=chromium, headless=True, viewport={"width": 320, "height": 720},
            ignore_default_args=["--disable-extensions"], args=[
                "--no-sandbox", "--disable-extensions-except=%s" % (work / "extension"), "--load-extension=%s" % (work / "extension")])
        self.page, self.wrong = None, []

    def open(self, daemon, full_access=True, forget=True, domains=None, token=None):
        """Starts Photoshop anew, with the panel shown. `forget`: nothing is left of last time; `domains`: other than the manifest's;
        `token`: what an earlier pairing left."""
        if self.page:
            self.page.evaluate("mock.entry.destroy()")
            self.page.close()
        self.wrong = []
        self.page = page = self.context.new_page()
        page.set_default_timeout(HANG_S * 1000)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        # A port where nobody listens is an error to Chromium's console, and daily bread to the panel.
        page.on("console", lambda said: said.type == "error" and "WebSocket" not in said.text and self.wrong.append(said.text))
        page.expose_function("readHostFile", daemon.read)
        page.goto(self.address)
        if forget:
            page.evaluate("localStorage.clear()")
            page.reload()
        page.evaluate("full => { mock.host.fullAccess = full }", full_access)
        if domains is not None:
            page.evaluate("domains => { mock.host.manifest.requiredPermissions.network.domains = domains }", domains)
        if token is not None:
            page.evaluate("token => void mock.host.secrets.set('underpaint.token', token)", token)
        self.denied = domains is not None
        page.evaluate("mock.start()")
        return self

    def mock(self, call, *arguments):
        """Calls a function of the mock by its name."""
        return self.page.evaluate("([call, a]) => mock[call](...a)", [call, list(arguments)])

    def document(self, name="picture.psd", select=None, soft=0, **made):
        """Opens a document, with a selection [left, top, right, bottom]."""
        self.mock("open", dict(made, name=name))
        if select:
            self.select(name, select, soft)

    def select(self, name, box, soft=0):
        self.mock("select", name, box and dict(zip(("left", "top", "right", "bottom"), box)), soft)

    def layers(self, name="picture.psd"):
        return self.mock("look", name)["layers"]

    def ready(self):
        self.page.wait_for_selector("#light.ready")
        self.wait("document.querySelectorAll('#model sp-menu-item').length > 1")
        return self

    def mode(self, mode):
        self.page.click("#mode-" + mode)

    def go(self):
        self.page.click("#go")

    def said(self):
        return self.page.inner_text("#status")

    def wait(self, truth):
        """Waits until an expression of the page holds. (Playwright's own waiting needs `eval`, which an extension's page forbids.)"""
        end = time.monotonic() + HANG_S
        while not self.page.evaluate(truth):
            assert time.monotonic() < end, "waited for %s; the panel says %r; in the queue: %r" % (truth, self.said(), self.page.inner_text("#queue"))
            self.page.wait_for_timeout(10)

    def until(self, words):
        """Waits until the sentence holds these words; returns it."""
        self.wait("document.querySelector('#status').textContent.includes(%s)" % json.dumps(words))
        return self.said()

    def shot(self, name, width=320, height=720):
        """A screenshot for people to look at."""
        OUTPUT.mkdir(exist_ok=True)
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.screenshot(path=str(OUTPUT / ("photoshop-%s.png" % name)))
        self.page.set_viewport_size({"width": 320, "height": 720})

    def nothing_wrong(self):
        assert not self.wrong, self.wrong
        assert self.page.evaluate("mock.host.violations") == []
        assert self.denied or self.page.evaluate("mock.host.denied") == []
        assert self.page.evaluate("mock.trouble.held") == 0, "image data was not disposed of"

    def close(self):
        self.context.close()
