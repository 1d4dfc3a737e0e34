#!/usr/bin/env python3
"""Runs the Windows daemon and command line under Wine and says what passed.

    tests/wine/run.py [--program PATH] [--native PATH] [--keep]

The program is cross-built (`cargo xtask wine` does that and runs this). Daemon and clients are the same .exe in a Wine
prefix of its own, so what travels between them goes through a named pipe. Wine is no Windows: what it leaves open (access
lists of pipes are not enforced, no other user, no console) is not claimed here.
Exit codes: 0 all passed, 1 something failed, 77 skipped (a tool is missing; the reason is printed).
"""

import argparse
import hmac
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PICTURES = ROOT / "host/daemon/assets/demo"
SKIPPED = 77
HANG_S = 240
"""Only a hang takes so long; Wine on a busy machine is slow to start."""
COMPILER = "x86_64-w64-mingw32-gcc"
PIPE = "\\\\.\\pipe\\underpaint-"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--program", default=str(TARGET / "x86_64-pc-windows-gnu/debug/underpaint.exe"))
    arguments.add_argument("--native", help="this system's underpaint, whose pictures must be the same")
    arguments.add_argument("--keep", action="store_true", help="keep the Wine prefix for a look")
    chosen = arguments.parse_args()
    missing = what_is_missing(pathlib.Path(chosen.program))
    if missing:
        print("skipped: " + missing)
        return SKIPPED
    work = pathlib.Path(tempfile.mkdtemp(prefix="upw-"))
    wine = Wine(work, pathlib.Path(chosen.program).absolute())
    try:
        wine.start()
        return play(Stage(wine, chosen.native and os.path.abspath(chosen.native)))
    finally:
        wine.end()
        if chosen.keep:
            print("kept: %s" % work)
        else:
            shutil.rmtree(str(work), ignore_errors=True)


def what_is_missing(program):
    """Why this cannot be played here, or an empty string."""
    for tool, package in [("wine", "wine and wine64"), ("wineserver", "wine"), (COMPILER, "mingw-w64")]:
        if shutil.which(tool) is None:
            return "the Windows build is not tried, because %s is not installed (Debian package %s)" % (tool, package)
    if not program.is_file():
        return "the Windows build is not tried, because there is no %s (cargo xtask wine builds it)" % program
    return ""


class Wine:
    """A Windows of its own: a prefix in a temporary folder, and the program in it."""

    def __init__(self, work, program):
        self.work, self.program = work, program
        self.prefix = work / "prefix"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("UNDERPAINT", "WINE")) and name != "DISPLAY"}
        # Neither Mono nor Gecko is wanted, and nothing is to appear on a screen.
        self.environment.update(WINEPREFIX=str(self.prefix), WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree,mshtml=;winemenubuilder.exe=")

    def start(self):
        """Makes the prefix, with a server that outlives each command: one that is leaving loses the next command's connection.
        The services that begin with the first command stay as long, and would keep open whatever pipe that one wrote to."""
        self.prefix.mkdir()
        for first in (["wineserver", "-p"], ["wine", "cmd", "/c", "ver"]):
            subprocess.run(first, env=self.environment, cwd=str(self.work), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=HANG_S, check=True)
        library = self.prefix / "drive_c/windows/system32/bcryptprimitives.dll"
        if not library.exists():
            build = [COMPILER, "-shared", "-O1", "-s", "-o", str(library), str(HERE / "bcryptprimitives.c"), "-ladvapi32"]
            subprocess.run(build, check=True)
        (self.home,) = (path for path in (self.prefix / "drive_c/users").iterdir() if path.name != "Public")
        self.data = self.home / "AppData/Local/underpaint"

    def run_wine(self, *arguments):
        return subprocess.run(["wine", *arguments], env=self.environment, cwd=str(self.work), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG_S)

    def run(self, *arguments):
        """The program's end: (exit code, stdout, stderr)."""
        done = self.run_wine(str(self.program), *arguments)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def json(self, *arguments):
        """What it says with `--json`, if it succeeds."""
        code, said, errors = self.run(*arguments, "--json")
        assert code == 0, "%s ended with %d: %s%s" % (arguments[0], code, said, errors)
        assert "warning" not in errors, errors
        return json.loads(said)

    def serve(self):
        """A daemon, and what it says once it listens."""
        with open(str(self.work / "serve.err"), "wb") as errors:
            daemon = subprocess.Popen(["wine", str(self.program), "serve", "--json"], env=self.environment, cwd=str(self.work),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        line = daemon.stdout.readline()
        assert line, "the daemon ended: " + (self.work / "serve.err").read_text(errors="replace")
        return daemon, json.loads(line)

    def endpoint(self):
        """What the daemon published, None if it did not."""
        try:
            return json.loads((self.data / "run/endpoint.json").read_text())
        except OSError:
            return None

    def workers(self):
        """How many processes for filters there are in the prefix."""
        count = 0
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                ours = ("WINEPREFIX=%s" % self.prefix).encode() in (process / "environ").read_bytes().split(b"\0")
                count += ours and b"filter-worker" in (process / "cmdline").read_bytes()
            except OSError:
                pass  # it ended in this moment, or is another user's
        return count

    def end(self):
        """Ends everything in the prefix."""
        subprocess.run(["wineserver", "-k"], env=self.environment, stderr=subprocess.DEVNULL)
        subprocess.run(["wineserver", "-w"], env=self.environment, stderr=subprocess.DEVNULL, timeout=HANG_S)


class Stage:
    """What the scenarios share."""

    def __init__(self, wine, native):
        self.wine, self.native = wine, native
        self.daemon = self.said = None
        for name in ("rocket.jpg", "rocket-mask.png"):
            shutil.copy(str(PICTURES / name), str(wine.work))

    def fill(self, out, *more):
        """A fill in the daemon; its answer."""
        asked = ["fill", "--image", "rocket.jpg", "--mask", "rocket-mask.png", "--seed", "7", "-o", out, *more]
        said = self.wine.json(*asked)
        # Only a daemon has a queue: the command line did not do it by itself.
        assert "queued" in said["timing_ms"], said["timing_ms"]
        return said

    def picture(self, name):
        return (self.wine.work / name).read_bytes()


def serves_on_a_pipe(stage):
    """serve: it listens on a pipe that nobody can guess, and publishes it where adapters look"""
    stage.daemon, stage.said = stage.wine.serve()
    endpoint = stage.wine.endpoint()
    assert endpoint["socket"] == stage.said["socket"] and endpoint["socket"].startswith(PIPE), endpoint
    assert len(endpoint["socket"]) == len(PIPE) + 16, endpoint
    assert len((stage.wine.data / "run" / endpoint["token_file"]).read_text()) == 64


def answers_status(stage):
    """status: a client finds the pipe; memory is told"""
    status = stage.wine.json("status")
    assert status["clients"] == 1 and status["memory"]["total_bytes"] > status["memory"]["used_bytes"] > 0, status


def opens_the_websocket(stage):
    """websocket: both sides prove that they know the token, over the loopback port, which Wine shares with this system"""
    endpoint = stage.wine.endpoint()
    if "ws_port" not in endpoint:
        return "not tried: other daemons have all its ports"
    token = (stage.wine.data / "run" / endpoint["token_file"]).read_text()
    with socket.create_connection(("127.0.0.1", endpoint["ws_port"]), timeout=HANG_S) as sock, sock.makefile("rb") as answer:
        sock.sendall(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" % endpoint["ws_port"])
        assert b" 101 " in answer.readline()
        while answer.readline().strip():
            pass

        def ask(method, **params):
            """One binary message, masked with zeros as a client must mask, and one that comes back."""
            header = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).encode()
            frame = struct.pack("<II", 4 + len(header), len(header)) + header
            sock.sendall(struct.pack(">BBHI", 0x82, 0x80 | 126, len(frame), 0) + frame)
            kind, length = answer.read(2)
            assert kind == 0x82
            length = struct.unpack(">H", answer.read(2))[0] if length == 126 else length
            return json.loads(answer.read(length)[8:])["result"]

        ours = "ab" * 32
        theirs = ask("challenge", nonce=ours)

        def proof(side):
            words = "underpaint %s %d %s %s" % (side, endpoint["ws_port"], ours, theirs["nonce"])
            return hmac.new(token.encode(), words.encode(), "sha256").hexdigest()

        assert theirs["proof"] == proof("server"), theirs
        said = ask("hello", protocol={"min": 1, "max": 1}, client={"name": "wine", "version": "1"}, proof=proof("client"))
    assert said["instance"] == stage.said["instance"], said
    return "port %d" % endpoint["ws_port"]


def fills(stage):
    """fill: through the pipe, the same picture as on this system"""
    stage.fill("filled.png")
    if stage.native:
        home = str(stage.wine.work / "native")
        asked = ["fill", "--image", "rocket.jpg", "--mask", "rocket-mask.png", "--seed", "7", "-o", "native.png"]
        subprocess.run([stage.native, *asked], env=dict(os.environ, UNDERPAINT_HOME=home), cwd=str(stage.wine.work), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=HANG_S)
        same_pixels(stage.wine.work, "filled.png", "native.png")


def filters_in_the_daemon(stage):
    """fill with a filter: compiled and run by a worker process of the daemon's"""
    said = stage.fill("grainy.png", "--filter", "film-grain,strength=1")
    assert said["receipt"]["filters"][0]["name"] == "film-grain", said["receipt"]
    assert stage.wine.workers() == 1, "the worker is not kept for the next filter"
    assert stage.picture("grainy.png") != stage.picture("filled.png")


def filters_by_itself(stage):
    """filter run: the command line's own worker process"""
    stage.wine.json("filter", "run", "film-grain", "filled.png", "-o", "grain.png", "--param", "strength=1", "--seed", "7")
    assert stage.picture("grain.png") != stage.picture("filled.png")


def paints(stage):
    """generate: the small model that comes along"""
    said = stage.wine.json("generate", "--prompt", "the sea at sunset", "--width", "128", "--height", "128", "--steps", "2", "--seed", "1", "-o", "sea.png")
    assert "queued" in said["timing_ms"], said["timing_ms"]


def refuses_a_second(stage):
    """serve again: refused with a sentence, the first goes on"""
    code, _, errors = stage.wine.run("serve")
    assert code == 1 and errors.startswith("error: Underpaint is already running"), (code, errors)
    assert stage.wine.endpoint() == dict(stage.wine.endpoint(), socket=stage.said["socket"], instance=stage.said["instance"])
    stage.wine.json("status")


def survives_being_killed(stage):
    """kill -9 and serve: the left endpoint means "not running", the next daemon has another pipe and fills"""
    stage.daemon.send_signal(signal.SIGKILL)
    stage.daemon.wait(HANG_S)
    leaves_no_worker(stage)
    code, _, errors = stage.wine.run("status")
    assert code == 1 and "not running" in errors, (code, errors)
    before, (stage.daemon, stage.said) = stage.said, stage.wine.serve()
    assert stage.said["socket"] != before["socket"] and stage.said["instance"] != before["instance"]
    stage.fill("again.png")
    assert stage.picture("again.png") == stage.picture("filled.png")


def leaves_no_worker(stage):
    until = time.monotonic() + HANG_S
    while stage.wine.workers():
        assert time.monotonic() < until, "a process for filters outlives its daemon"
        time.sleep(0.05)


def is_killed_while_it_works(stage):
    """kill -9 during a fill: the client says so and leaves no file"""
    asked = ["fill", "--image", "rocket.jpg", "--mask", "rocket-mask.png", "-o", "never.png"]
    client = subprocess.Popen(["wine", str(stage.wine.program), *asked], env=stage.wine.environment, cwd=str(stage.wine.work),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + HANG_S
    while not stage.wine.json("status")["queue"]:
        assert client.poll() is None and time.monotonic() < until, "the fill never was in the queue"
    stage.daemon.send_signal(signal.SIGKILL)
    _, errors = client.communicate(timeout=HANG_S)
    assert client.returncode == 1 and b"lost" in errors, (client.returncode, errors)
    assert not (stage.wine.work / "never.png").exists()
    stage.daemon.wait(HANG_S)
    stage.daemon, stage.said = stage.wine.serve()


def stops(stage):
    """stop: an orderly end that leaves no endpoint"""
    stage.wine.json("stop")
    assert stage.daemon.wait(HANG_S) == 0
    assert stage.wine.endpoint() is None
    leaves_no_worker(stage)


def installs_adapters(stage):
    """adapter install: files lie where Krita and GIMP for Windows look; Photoshop's are packed"""
    roaming, local = stage.wine.home / "AppData/Roaming", stage.wine.home / "AppData/Local"
    stage.wine.json("adapter", "install", "krita")
    stage.wine.json("adapter", "install", "gimp")
    photoshop = stage.wine.json("adapter", "install", "photoshop")
    assert "enable_underpaint=true" in (local / "kritarc").read_text()
    for folder in (roaming / "krita/pykrita/underpaint", roaming / "GIMP/3.0/plug-ins/underpaint"):
        assert (folder / "underpaint_client.py").is_file(), folder
        program = json.loads((folder / "installed.json").read_text())["program"]
        assert program.endswith("\\underpaint.exe"), program
    assert (local / "underpaint/adapters/underpaint-photoshop.ccx").is_file() and "double click" in photoshop["next"], photoshop
    states = {row["editor"]: row["state"] for row in stage.wine.json("adapter", "list")}
    assert states == {"krita": "installed", "gimp": "installed", "photoshop": "not installed"}, states
    for editor in ("krita", "gimp", "photoshop"):
        stage.wine.json("adapter", "install", editor, "--uninstall")
    assert not (roaming / "krita/pykrita/underpaint").exists() and not (roaming / "GIMP/3.0/plug-ins/underpaint").exists()


SCENARIOS = [serves_on_a_pipe, answers_status, opens_the_websocket, fills, filters_in_the_daemon, filters_by_itself, paints,
             refuses_a_second, survives_being_killed, is_killed_while_it_works, stops, installs_adapters]


def play(stage):
    """All of them in their order, one line each; the first that fails ends it, since the others build upon it."""
    for scenario in SCENARIOS:
        began = time.monotonic()
        try:
            note = scenario(stage)
        except Exception:
            print("FAILED  %s\n%s" % (scenario.__doc__, traceback.format_exc()))
            return 1
        print("ok      %5.1f s  %s%s" % (time.monotonic() - began, scenario.__doc__, " (%s)" % note if note else ""))
    return 0


def same_pixels(folder, one, other):
    sys.path.insert(0, str(ROOT / "adapters/python"))
    import png_file

    one, other = (png_file.read(str(folder / name)) for name in (one, other))
    assert one[:3] == other[:3], (one[:3], other[:3])
    furthest = max(abs(a - b) for a, b in zip(one[3], other[3]))
    assert furthest == 0, "pixels differ by up to %d" % furthest


if __name__ == "__main__":
    sys.exit(main())
