#!/usr/bin/env python3
"""Drives the real Krita under Xvfb against the real daemon and says what passed.

    tests/krita/run.py [--daemon PATH] [--root DIR] [--canvas opengl|software] [--only NAME]... [--model FOLDER]...
                       [--filter FILE]... [--tree] [--keep]

Krita runs with a home of its own, in which `underpaint adapter install krita` has put the adapter, and a test-only
plug-in (underpaint_e2e) that plays the scenarios. Krita exits 0 whatever happened, so only the file the plug-in writes
is believed. Exit codes: 0 all passed, 1 something failed, 77 skipped (a tool is missing; the reason is printed).
With --root the Krita of another system's root folder is driven (a chroot, which needs root), a second one, which is spared what no
Krita changes; the folders stay this system's, and so does the screen, unless only that system has Xvfb. What lies over the canvas is played on both kinds of canvas that Krita
has; everything else on the one that --canvas names: without a graphics card OpenGL takes as much of the processor as all else.
How it feels is measured by `--only feels_quick`, and with models of a real size, each once cold and once more, by `--model`.
The first run on a machine takes half a minute longer: Krita builds its resource cache, which is kept in
tests/output for the next run.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUTPUT = ROOT / "tests" / "output"
sys.path.insert(0, str(ROOT / "tests" / "editors"))

import tiny_models  # noqa: E402

START_LIMIT_S = 600
STILL_LIMIT_S = 900
"""How long Krita may take until the first scenario, and until the next one: the slowest machine is quicker."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Krita's embedded Python takes its modules from the first python3 on PATH, which must be the system's."""
SKIPPED = 77
CANVASES = {"opengl": "auto", "software": "none"}
"""The kinds of canvas, as Krita's settings call what draws them."""
AGAIN = {"leaves_a_job_behind": "finds_what_was_left", "previews_lie_where_layers_will": "previews_lie_where_layers_will"}
"""Scenarios after which another is played in a second session with the same home, and the other canvas."""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--daemon", default=os.environ.get("UNDERPAINT_BIN") or str(ROOT / "target/debug/underpaint"))
    arguments.add_argument("--root", type=pathlib.Path, metavar="DIR", help="drive the Krita of the system in this folder")
    arguments.add_argument("--canvas", choices=CANVASES, default="software", help="what draws the canvas")
    arguments.add_argument("--only", action="append", default=[], metavar="NAME", help="play only this scenario")
    arguments.add_argument("--model", action="append", default=[], type=pathlib.Path, metavar="FOLDER",
                           help="let feels_quick measure this model, too")
    arguments.add_argument("--filter", action="append", default=[], metavar="FILE", help="install this filter, too")
    arguments.add_argument("--tree", action="store_true", help="take the adapter from the tree, not from the daemon")
    arguments.add_argument("--keep", action="store_true", help="keep the temporary home for a look")
    chosen = arguments.parse_args()

    place = Place(chosen.root.absolute() if chosen.root else None)
    missing = what_is_missing(place)
    if missing:
        print("skipped: " + missing)
        return SKIPPED
    daemon = pathlib.Path(chosen.daemon).absolute()
    if not os.access(str(daemon), os.X_OK):
        print("error: there is no daemon at %s; build it, or name it with --daemon" % daemon)
        return 1

    # A short path: a socket's may have 107 bytes.
    work = pathlib.Path(tempfile.mkdtemp(prefix="upk-"))
    try:
        (work / "up/filters").mkdir(parents=True)
        for path in chosen.filter:
            shutil.copy(path, str(work / "up/filters"))
        passed = play(work, place, daemon, chosen)
        if not chosen.only and place.root is None:
            passed = without_krita(daemon) and passed
        return 0 if passed else 1
    finally:
        stop_daemon(work)
        if chosen.keep:
            print("kept: %s" % work)
        else:
            shutil.rmtree(str(work), ignore_errors=True)


class Place:
    """Where Krita is: in this system, or in another one's root folder."""

    def __init__(self, root):
        self.root = root

    def command(self, *words):
        """The command that runs these words there. The temporary folder is the same inside and outside, and with it the screen's
        socket and everything of a run; the mounts end with the command."""
        if self.root is None:
            return list(words)
        mounts = 'mount --rbind /tmp "$0/tmp" && mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", mounts, str(self.root)] + list(words)

    def screen(self, *words):
        """The command for Xvfb with these words: this system's, or that one's if only it has one."""
        return ["Xvfb", *words] if self.root is None or shutil.which("Xvfb") else self.command("Xvfb", *words)

    def has(self, program):
        """Whether the program is there."""
        return shutil.which(program, path=SYSTEM_PATH if self.root is None else str(self.root / "usr/bin")) is not None

    def python(self):
        """The python3 whose modules that Krita takes."""
        return "/usr/bin/python3" if self.root else shutil.which("python3", path=SYSTEM_PATH) or sys.executable


def what_is_missing(place):
    """Why the scenarios cannot be played here, or an empty string."""
    if place.root is not None and not hasattr(os, "geteuid") or place.root and os.geteuid():
        return "--root needs the rights to change the root folder"
    if not place.has("krita"):
        return "krita is not installed%s (Debian package krita)" % (" in %s" % place.root if place.root else "")
    if shutil.which("Xvfb") is None and not place.has("Xvfb"):
        return "Xvfb is not installed (Debian package xvfb)"
    if subprocess.run(place.command(place.python(), "-c", "import PyQt5.QtNetwork"), stderr=subprocess.DEVNULL).returncode:
        return "Krita has no Python plug-ins without PyQt5 (Debian package python3-pyqt5)"
    return ""


def play(work, place, daemon, chosen):
    only, environment = chosen.only, prepare_home(work)
    data = work / "home/.local/share/krita"
    version = krita_version(place, environment)
    if version is None:
        print("error: no virtual screen could be used")
        return False
    seed = OUTPUT / ("krita-seed-" + version)
    ours = shutil.ignore_patterns("underpaint*", "pykrita")  # what the adapter kept in an earlier run is none of this one's
    if seed.is_dir():
        shutil.copytree(str(seed), str(data), dirs_exist_ok=True, ignore=ours)
    install_plugins(work, daemon, environment, data / "pykrita", chosen.tree, place)
    print("Krita %s" % version, flush=True)
    if "feels_quick" in only:
        full_size_model(work / "up/models")
    if place.root is not None:
        environment["UNDERPAINT_E2E_AGAIN"] = "1"
    for folder in chosen.model:
        shutil.copytree(str(folder), str(work / "up/models" / folder.name), copy_function=linked)
    environment["UNDERPAINT_E2E_MODELS"] = ",".join(folder.name for folder in chosen.model)
    again = [second for first, second in AGAIN.items() if not only or first in only]
    passed = play_on(chosen.canvas, work, place, environment, only)
    if again:
        other = next(canvas for canvas in CANVASES if canvas != chosen.canvas)
        passed = play_on(other, work, place, environment, again) and passed
    if passed and not seed.is_dir() and not only:
        shutil.copytree(str(data), str(seed), ignore=ours)
    return passed


def play_on(canvas, work, place, environment, only):
    """A session of Krita with this kind of canvas; returns whether all has passed."""
    (work / "home/.config/kritadisplayrc").write_text("OpenGLRenderer=%s\n" % CANVASES[canvas])
    played = run_krita(work, place, environment, only)
    print("canvas: %s" % (renderer(work) if canvas == "opengl" else canvas))
    return played and report(work)


def renderer(work):
    """What OpenGL there is, as Krita noted it when it started."""
    noted = work / "home/.local/share/krita-sysinfo.log"
    lines = noted.read_text(errors="replace").splitlines() if noted.exists() else []
    return next((line.split(":", 1)[1].strip(' "') for line in lines if line.strip().startswith("Renderer:")), "nothing it knew of")


def linked(source, target):
    """A large file in a second place: as a hard link where that is possible."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy(source, target)


def full_size_model(models):
    """A model that believes to have learned from pictures of 512 pixels, as those of painters have, and computes as little as the
    tiny one: what is measured with it is everything else."""
    shutil.copytree(str(ROOT / "tests/reference/golden/tiny-sd"), str(models / "tiny-512"))
    path = models / "tiny-512/unet/config.json"
    path.write_text(json.dumps(dict(json.loads(path.read_text()), sample_size=64)))


def without_krita(daemon):
    """The adapter under PyQt6, which no Krita here is built with; nothing is lost where PyQt6 is not installed."""
    sys.stdout.flush()
    return subprocess.run([sys.executable, str(HERE / "offscreen.py"), "--daemon", str(daemon)]).returncode in (0, SKIPPED)


def run_krita(work, place, environment, only):
    """Lets Krita play these scenarios (none: all). False if there never was a screen: another one may come or go at the same
    moment, so that is tried again."""
    results = work / "results"
    shutil.rmtree(str(results), ignore_errors=True)
    results.mkdir()
    for _ in range(3):
        with Display(place, environment):
            run_once(work, place, dict(environment, UNDERPAINT_E2E_ONLY=",".join(only)))
        if (results / "status").exists() or b"could not connect to display" not in (work / "krita.err").read_bytes():
            return True
    print("error: no virtual screen could be used")
    return False


def run_once(work, place, environment):
    """Lets Krita play as long as it gets on, and not at all if the plug-ins do not load."""
    began, status, said = time.time(), work / "results/status", 0
    with open(str(work / "krita.err"), "wb") as errors:
        command = place.command("krita", "--nosplash")
        krita = subprocess.Popen(command, env=environment, stdout=errors, stderr=errors, cwd=str(work))
        while krita.poll() is None:
            said = repeat(work / "results/said", said)
            playing = status.exists()
            waited = time.time() - max(began, status.stat().st_mtime if playing else began)
            if waited > (STILL_LIMIT_S if playing else START_LIMIT_S):
                print("error: Krita was ended: nothing came of it in %d s" % waited)
                krita.kill()
            try:
                krita.wait(1)
            except subprocess.TimeoutExpired:
                continue
    repeat(work / "results/said", said)
    if krita.returncode and status.exists():
        print("note: Krita's exit status is %d" % krita.returncode)
        crash = work / "results/crash"
        print(crash.read_text(errors="replace")[:3000] if crash.exists() else "", end="")
        print((work / "krita.err").read_text(errors="replace")[-1000:])


def repeat(path, said):
    """Prints the lines of a file that scenarios write to while they play, but for the first `said`. Returns how many there are."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    print("".join(whole[said:]), end="", flush=True)
    return len(whole)


def prepare_home(work):
    """Folders and the environment for a Krita that finds nothing of ours and leaves nothing behind."""
    config, data, run = work / "home/.config", work / "home/.local/share", work / "run"
    for folder in (config, data / "krita", run):
        folder.mkdir(parents=True)
    run.chmod(0o700)
    shutil.copytree(str(ROOT / "tests/reference/golden/tiny-sd"), str(work / "up/models/tiny-sd"))
    tiny_models.put_steering_into(work / "up/models")
    shutil.copytree(str(ROOT / "host/daemon/assets/demo"), str(work / "pictures"))
    environment = dict(os.environ)
    for name in ("WAYLAND_DISPLAY", "UNDERPAINT_SOCKET", "DBUS_SESSION_BUS_ADDRESS", "PYTHONHOME", "PYTHONPATH", "UNDERPAINT_BIN"):
        environment.pop(name, None)
    environment.update(
        PATH=SYSTEM_PATH,
        HOME=str(work / "home"), XDG_CONFIG_HOME=str(config), XDG_DATA_HOME=str(data), XDG_RUNTIME_DIR=str(run),
        QT_QPA_PLATFORM="xcb", QT_XCB_NO_MITSHM="1", LIBGL_ALWAYS_SOFTWARE="1", LC_ALL="C.UTF-8",
        UNDERPAINT_HOME=str(work / "up"),
        UNDERPAINT_E2E_PICTURES=str(work / "pictures"), UNDERPAINT_E2E_RESULTS=str(work / "results"))
    return environment


def install_plugins(work, daemon, environment, pykrita, from_tree, place):
    """The adapter as the daemon installs it, which also tells it where the daemon is; and the driver beside it."""
    if pykrita.exists():
        shutil.rmtree(str(pykrita))
    tree = ["--tree", str(ROOT)]
    install = [str(daemon), "adapter", "install", "krita"] + (tree if from_tree else [])
    subprocess.run(install, env=environment, check=True, stdout=subprocess.DEVNULL)
    if not from_tree and packed(daemon) != packed(daemon, *tree):
        raise SystemExit("error: %s installs another adapter than this tree's; build it, or use --tree" % daemon)
    if place.root is not None:  # where both systems see it
        shutil.copy(str(daemon), str(work / "underpaint"))
        (pykrita / "underpaint/installed.json").write_text(json.dumps({"program": str(work / "underpaint")}))
    settings = pathlib.Path(environment["XDG_CONFIG_HOME"]) / "kritarc"
    settings.write_text(settings.read_text().replace("[python]\n", "[python]\nenable_underpaint_e2e=true\n", 1))
    shutil.copy(str(HERE / "underpaint_e2e.desktop"), str(pykrita))
    shutil.copytree(str(HERE / "underpaint_e2e"), str(pykrita / "underpaint_e2e"), ignore=shutil.ignore_patterns("__pycache__"))


def packed(daemon, *tree):
    """The adapter in one file, as the daemon was built with it or as the tree has it."""
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "krita.zip"
        subprocess.run([str(daemon), "adapter", "pack", "krita", "-o", str(target), *tree], check=True, stdout=subprocess.DEVNULL)
        return target.read_bytes()


def krita_version(place, environment):
    """For the name of the resource cache; needs a display, None if there is none."""
    for _ in range(3):
        with Display(place, environment):
            command = place.command("krita", "--version")
            said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if said.returncode == 0:
            return said.stdout.decode().split()[-1]
    return None


def report(work):
    """Prints one line for each scenario; returns whether all there are have passed and Krita got to the end."""
    results = work / "results"
    lines = []
    if (results / "results.jsonl").exists():
        lines = [json.loads(line) for line in (results / "results.jsonl").read_text().splitlines()]
    for line in lines:
        print("%-7s %-28s %6.1f s  %s" % ("ok" if line["ok"] else "FAILED", line["name"], line["seconds"], line["note"]))
        if not line["ok"]:
            print("        " + line["error"].rstrip().replace("\n", "\n        "))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for picture in sorted(results.glob("*.png")):
        shutil.copy(str(picture), str(OUTPUT))
        print("picture: tests/output/%s" % picture.name)
    status = results / "status"
    finished = status.exists() and status.read_text().strip() == "finished"
    if not finished:
        print("error: Krita did not get to the end of the scenarios; the end of what it said:")
        print((work / "krita.err").read_text(errors="replace")[-3000:])
    return finished and bool(lines) and all(line["ok"] for line in lines)


def stop_daemon(work):
    """Ends the daemon that the adapter started, by the process id it published."""
    try:
        pid = json.loads((work / "up/run/endpoint.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError, KeyError):
        pass  # it ended by itself


class Display:
    """A virtual screen; sets DISPLAY in the environment given. Its number is one that no program takes by itself: those that look
    for the first free one from 0 on take away each other's sockets when one ends as the other begins."""

    def __init__(self, place, environment):
        self._place, self._environment = place, environment

    def __enter__(self):
        for _ in range(20):
            read, write = os.pipe()
            number = ":%d" % random.randrange(1000, 50000)
            command = self._place.screen(number, "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-noreset", "-nolisten", "tcp")
            self._server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
            os.close(write)
            with os.fdopen(read) as pipe:
                stands = pipe.readline().strip()
            if stands:
                self._environment["DISPLAY"] = number
                return
            self._server.wait()  # the number was taken
        raise SystemExit("error: Xvfb did not start")

    def __exit__(self, *_):
        self._server.terminate()
        self._server.wait()


if __name__ == "__main__":
    sys.exit(main())
