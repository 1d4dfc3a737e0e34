#!/usr/bin/env python3
"""Puts the Krita plug-in together: its own files and the shared client, which is kept once in adapters/python.

    adapters/krita/pack.py underpaint-krita.zip         for Tools > Scripts > Import Python Plugin from File…
    adapters/krita/pack.py --into ~/.local/share/krita/pykrita [--program target/debug/underpaint]

The second form is for working on the plug-in; `--program` names the daemon to start when none runs.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = HERE.parent / "python" / "underpaint_client.py"
KINDS = {".py", ".desktop", ".html"}


def files():
    """(path inside `pykrita`, file) of everything the plug-in consists of, sorted."""
    own = [(path.relative_to(HERE / "pykrita").as_posix(), path) for path in (HERE / "pykrita").rglob("*") if path.suffix in KINDS]
    return sorted(own + [("underpaint/underpaint_client.py", CLIENT)])


def zip_to(target):
    """Writes the zip; the same files give the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(str(target), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def copy_to(pykrita, program=None):
    """Lays the plug-in out in Krita's plug-in folder, replacing an older one."""
    shutil.rmtree(str(pykrita / "underpaint"), ignore_errors=True)
    for name, path in files():
        (pykrita / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(path), str(pykrita / name))
    if program is not None:
        (pykrita / "underpaint" / "installed.json").write_text(json.dumps({"program": os.path.abspath(str(program))}) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("zip", nargs="?", type=pathlib.Path)
    arguments.add_argument("--into", type=pathlib.Path, metavar="PYKRITA")
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
