#!/usr/bin/env python3
"""Puts the GIMP plug-in together: its own files and the shared ones, which are kept once in adapters/python.

    adapters/gimp/pack.py underpaint-gimp.zip           to be unpacked in GIMP's folder plug-ins
    adapters/gimp/pack.py --into ~/.config/GIMP/3.0/plug-ins [--program target/debug/underpaint]

The second form is for working on the plug-in; `--program` names the daemon to start when none runs. GIMP runs a plug-in
only if its main file may be executed, so the zip keeps that.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
SHARED = [HERE.parent / "python" / name for name in ("underpaint_client.py", "underpaint_program.py")]
MAIN = "underpaint/underpaint.py"


def files():
    """(path inside `plug-ins`, file) of everything the plug-in consists of, sorted."""
    own = (HERE / "underpaint").glob("*.py")
    return sorted(("underpaint/" + path.name, path) for path in [*own, *SHARED])


def mode(name):
    """The permissions of one of them."""
    return 0o755 if name == MAIN else 0o644


def zip_to(target):
    """Writes the zip; the same files give the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(str(target), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3  # Unix, wherever it is packed: or the permissions would not count
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode(name)) << 16
            archive.writestr(entry, path.read_bytes())


def copy_to(plug_ins, program=None):
    """Lays the plug-in out in GIMP's folder, replacing an older one."""
    shutil.rmtree(str(plug_ins / "underpaint"), ignore_errors=True)
    for name, path in files():
        (plug_ins / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(path), str(plug_ins / name))
        (plug_ins / name).chmod(mode(name))
    if program is not None:
        (plug_ins / "underpaint" / "installed.json").write_text(json.dumps({"program": os.path.abspath(str(program))}) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("zip", nargs="?", type=pathlib.Path)
    arguments.add_argument("--into", type=pathlib.Path, metavar="PLUG_INS")
    arguments.add_argument("--program", type=pathlib.Path)
    chosen = arguments.parse_args()
    if (chosen.zip is None) == (chosen.into is None):
        arguments.error("name a zip to write, or a folder with --into")
    if chosen.zip is not None:
        zip_to(chosen.zip)
    else:
        copy_to(chosen.into, chosen.program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
