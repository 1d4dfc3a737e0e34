"""The program `underpaint` on this computer: where it is, and how an editor starts it when nobody answers.

One file, standard library only, Python 3.8 syntax, copied next to the plug-ins as underpaint_client.py is. Decision:
the program is started detached and never stopped from an editor. It serves the other editors too and outlives this one;
`underpaint stop` or its own idle rule ends it.
"""

import json
import os
import shutil
import subprocess
import sys

START_S = 15.0
"""How long a started daemon may take until it answers. It usually takes a tenth of a second."""
RIVAL_S = 2.0
"""How long to go on after it failed to start: another editor may have started one at the same moment."""
POLL_S = 0.1

INHERITED = ("LD_PRELOAD", "PYTHONHOME", "PYTHONPATH", "QT_PLUGIN_PATH", "GI_TYPELIB_PATH", "GDK_PIXBUF_MODULE_FILE",
             "GIO_MODULE_DIR")
"""What packaged editors (AppImages, the installers of Windows and macOS) set for themselves and another program must not
inherit."""
LIBRARIES = "LD_LIBRARY_PATH"
"""They prepend their own folders to this one, in which the painter or the system may have named those of a graphics card's driver: without
these the program would compute on the processor. So only their own are taken out."""


def find_program(setting="", beside=__file__):
    """The path of `underpaint`: what the painter set, what installed the plug-in that `beside` belongs to, PATH, the
    usual folders. None if it is nowhere. A setting that points nowhere is not silently replaced: None too."""
    if setting:
        return setting if _runnable(setting) else None
    name = "underpaint.exe" if sys.platform == "win32" else "underpaint"
    home = os.path.expanduser("~")
    candidates = [
        os.environ.get("UNDERPAINT_BIN"), _installed_by(beside), shutil.which("underpaint"),
        os.path.join(home, ".local", "bin", name), os.path.join(home, ".cargo", "bin", name),
    ]
    return next((path for path in candidates if path and _runnable(path)), None)


def _runnable(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _installed_by(beside):
    """`installed.json` is written by `underpaint adapter install`: {"program": "<the binary that did it>"}."""
    try:
        with open(os.path.join(os.path.dirname(os.path.abspath(beside)), "installed.json"), encoding="utf-8") as file:
            return str(json.load(file)["program"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def start_program(program, report_path):
    """Runs `underpaint serve` on its own, its complaints going to `report_path`. Returns whether it could be run."""
    environment = _environment()
    apart = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": 0x00000008 | 0x00000200 | 0x08000000}  # detached, own group, no console window
    try:
        with open(report_path, "wb") as report:
            subprocess.Popen([program, "serve"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=report,
                             env=environment, cwd=os.path.expanduser("~"), **apart)
        return True
    except OSError:
        return False


def _environment():
    """This process' environment without what its editor was packaged with."""
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED}
    packages = [os.environ.get(name) for name in ("APPDIR", "SNAP")] + [_package_of(_own_program())]
    packages = [os.path.join(os.path.realpath(package), "") for package in packages if package]
    folders = [folder for folder in environment.pop(LIBRARIES, "").split(os.pathsep) if os.path.isabs(folder)]
    others = [folder for folder in folders if not os.path.join(os.path.realpath(folder), "").startswith(tuple(packages))]
    if others:
        environment[LIBRARIES] = os.pathsep.join(others)
    return environment


def _own_program():
    """The path of the program that this process runs, which need not be Python; empty where the system does not tell."""
    try:
        return os.readlink("/proc/self/exe")
    except OSError:
        return ""


def _package_of(program):
    """The folder that `program` was unpacked into with all its libraries; None for one that is installed among all others."""
    folder, last = os.path.split(os.path.dirname(program))
    if last != "bin":
        return None
    if os.path.basename(folder) == "usr":
        folder = os.path.dirname(folder)
    return None if folder in ("", "/", "/usr", "/usr/local") else folder


def complaint(report_path):
    """Why a started daemon ended at once, as it said on its standard error; empty if it did not."""
    try:
        with open(report_path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
    except (OSError, TypeError):
        return ""
    errors = [line[len("error:"):].strip(" .") for line in lines if line.startswith("error:")]
    return errors[-1] if errors else ""
