#!/usr/bin/env python3
"""Drives the real GIMP 3 against the real daemon and says what passed.

    tests/gimp/run.py [--daemon PATH] [--suite trixie|forky] [--root FOLDER] [--only NAME]... [--part PART] [--keep]

Debian 12 has no GIMP 3, so it runs inside a root of a newer Debian (GIMP 3.0 in trixie, 3.2 in forky) that
tests/editors/root.sh builds once, in the folder UNDERPAINT_ROOTS or target/roots. GIMP plays tests/gimp/e2e: scripts.py
without a screen, screens.py under Xvfb with a window manager and real keys. It exits 0 whatever happened, so only the file
that the scenarios write is believed. Exit codes: 0 all passed, 1 something failed, 77 skipped (the reason is printed).
"""

import argparse
import json
import os
import pathlib
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

PACKAGES = ["gimp", "gir1.2-gimp-3.0", "python3-gi", "xdotool", "openbox"]
VERSIONS = {"trixie": "3.0", "forky": "3.2"}
KEYS = {"fill": "F7", "generate": "F5", "filter": "F9", "remove": "F10", "expand": "F12", "history": "F3", "upscale": "F4"}
LIMIT_S = 900
UNWRAPPED = """#!/bin/sh
# GTK of 2026 loads icons in a sandbox (glycin), which cannot be made inside a root without /proc: run the loader as it is.
while [ $# -gt 0 ]; do
  case "$1" in /usr/libexec/glycin-loaders/*) exec "$@" ;; esac
  shift
done
exit 1
"""
SKIPPED = 77


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--daemon", default=os.environ.get("UNDERPAINT_BIN") or str(ROOT / "target/debug/underpaint"))
    arguments.add_argument("--suite", choices=sorted(VERSIONS), default="trixie", help="which Debian, and so which GIMP")
    arguments.add_argument("--root", type=pathlib.Path, help="where its root is, or is to be built")
    arguments.add_argument("--only", action="append", default=[], metavar="NAME", help="play only this scenario")
    arguments.add_argument("--part", choices=["scripts", "screens", "bench"],
                           help="only those without a screen, those on one, or the measurements")
    arguments.add_argument("--keep", action="store_true", help="keep the temporary folder for a look")
    chosen = arguments.parse_args()

    daemon = pathlib.Path(chosen.daemon).absolute()
    if not os.access(str(daemon), os.X_OK):
        print("error: there is no daemon at %s; build it, or name it with --daemon" % daemon)
        return 1
    if chosen.part in (None, "screens") and shutil.which("Xvfb") is None:
        print("skipped: Xvfb is not installed (Debian package xvfb)")
        return SKIPPED
    root = chosen.root or pathlib.Path(os.environ.get("UNDERPAINT_ROOTS") or ROOT / "target/roots") / chosen.suite
    built = subprocess.run([str(ROOT / "tests/editors/root.sh"), chosen.suite, str(root), *PACKAGES])
    if built.returncode:
        return built.returncode
    with Stage(root.absolute(), daemon, chosen) as stage:
        if chosen.part != "screens":
            stage.play(chosen.part or "scripts")
        if chosen.part in (None, "screens"):
            with Screen() as display:
                stage.play("screens", display)
        return 0 if stage.report() else 1


class Stage:
    """A folder inside the root with everything of one run: the home with the plug-in, the daemon's, the scenarios."""

    def __init__(self, root, daemon, chosen):
        self._root, self._chosen = root, chosen
        self._version = VERSIONS[chosen.suite]
        self._work = pathlib.Path(tempfile.mkdtemp(prefix="upg-", dir=str(root / "tmp")))
        self._inside = "/" + self._work.relative_to(root).as_posix()
        plug_ins = self._work / "home/.config/GIMP" / self._version / "plug-ins"
        for folder in (plug_ins, self._work / "results", self._work / "up/models"):
            folder.mkdir(parents=True)
        shutil.copy(str(daemon), str(self._work / "underpaint"))
        install = [str(daemon), "adapter", "install", "gimp", "--to", str(plug_ins), "--tree", str(ROOT)]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        (plug_ins / "underpaint/installed.json").write_text(json.dumps({"program": self._inside + "/underpaint"}))
        said = subprocess.run(["chroot", str(root), "gimp-console-" + self._version, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # A version that it knows already: or it would welcome us with a window.
        settings = '(config-version "%s")\n(show-welcome-dialog no)\n(check-updates no)\n' % said.stdout.decode().split()[-1]
        (plug_ins.parent / "gimprc").write_text(settings)
        actions = "".join('(action "underpaint-%s" "%s")\n' % (name, key) for name, key in KEYS.items())
        (plug_ins.parent / "shortcutsrc").write_text("(file-version 1)\n" + actions)
        shutil.copytree(str(HERE / "e2e"), str(self._work / "e2e"), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(str(ROOT / "tests/reference/golden/tiny-sd"), str(self._work / "up/models/tiny-sd"))
        tiny_models.put_steering_into(self._work / "up/models")
        given, wanted = tiny_models.upscaler(self._work / "up/models/tiny-upscaler.safetensors", "compact-2x")
        (self._work / "e2e/enlarged.json").write_text(json.dumps({"given": given, "wanted": wanted}))
        for picture in (ROOT / "host/daemon/assets/demo").glob("raccoon*"):
            shutil.copy(str(picture), str(self._work / "e2e"))
        (self._work / "bin").mkdir()
        (self._work / "bin/bwrap").write_text(UNWRAPPED)
        (self._work / "bin/bwrap").chmod(0o755)
        self._said = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop_daemon()
        if self._chosen.keep:
            print("kept: %s" % self._work)
        else:
            shutil.rmtree(str(self._work), ignore_errors=True)

    def _environment(self, module, display):
        plug_in = "%s/home/.config/GIMP/%s/plug-ins/underpaint" % (self._inside, self._version)
        found = {
            "HOME": self._inside + "/home", "PATH": self._inside + "/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp", "NO_AT_BRIDGE": "1",
            "GSETTINGS_BACKEND": "memory", "UNDERPAINT_HOME": self._inside + "/up", "UNDERPAINT_E2E": self._inside,
            "UNDERPAINT_E2E_PLUGIN": plug_in, "UNDERPAINT_E2E_MODULE": module, "UNDERPAINT_E2E_ONLY": ",".join(self._chosen.only)}
        return dict(found, DISPLAY=display) if display else found

    def play(self, module, display=None):
        """Lets GIMP play a module's scenarios, but not for ever."""
        environment = self._environment(module, display)
        inside = ["chroot", str(self._root), "/usr/bin/env", "-i", *("%s=%s" % pair for pair in environment.items())]
        manager = subprocess.Popen([*inside, "openbox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if display else None
        program = ["gimp-" + self._version, "--new-instance"] if display else ["gimp-console-" + self._version, "-i"]
        script = "exec(open('%s/e2e/play.py').read())" % self._inside
        began = time.monotonic()
        try:
            ended = subprocess.run([*inside, *program, "-d", "-f", "-s", "--batch-interpreter=python-fu-eval", "-b", script, "--quit"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S)
            self._said[module] = "%s\nGIMP ended with %d" % (ended.stdout.decode(errors="replace"), ended.returncode)
        except subprocess.TimeoutExpired as late:
            self._said[module] = (late.stdout or b"").decode(errors="replace") + "\nGIMP was ended after %d s" % LIMIT_S
        finally:
            if manager is not None:
                manager.terminate()
                manager.wait()
        print("GIMP %s played %s in %.0f s" % (self._version, module, time.monotonic() - began))

    def report(self):
        """Prints one line for each scenario; returns whether all passed and GIMP got to the end of them."""
        results = self._work / "results"
        lines = []
        if (results / "results.jsonl").exists():
            lines = [json.loads(line) for line in (results / "results.jsonl").read_text().splitlines()]
        for line in lines:
            print("%-7s %-30s %6.1f s  %s" % ("ok" if line["ok"] else "FAILED", line["name"], line["seconds"], line["note"]))
            if not line["ok"]:
                print("        " + line["error"].rstrip().replace("\n", "\n        "))
        OUTPUT.mkdir(parents=True, exist_ok=True)
        for picture in sorted(results.glob("*.png")):
            shutil.copy(str(picture), str(OUTPUT))
            print("picture: tests/output/%s" % picture.name)
        unfinished = [module for module in self._said if not (results / module).exists()]
        for module in unfinished:
            print("error: GIMP did not get to the end of %s; the end of what it said:" % module)
            print(self._said[module][-3000:])
        return bool(lines) and not unfinished and all(line["ok"] for line in lines)

    def _stop_daemon(self):
        """Ends the daemon that the plug-in started, by the process id it published."""
        try:
            os.kill(json.loads((self._work / "up/run/endpoint.json").read_text())["pid"], signal.SIGTERM)
        except (OSError, ValueError, KeyError):
            pass  # it ended by itself


class Screen:
    """A virtual screen on a free display number. Inside a root it is reached by its abstract socket, so nothing is mounted."""

    def __enter__(self):
        read, write = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise SystemExit("error: Xvfb did not start")
        return ":" + number

    def __exit__(self, *_):
        self._server.terminate()
        self._server.wait()


if __name__ == "__main__":
    sys.exit(main())
