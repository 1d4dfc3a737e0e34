#!/usr/bin/env python3
"""Packs the Photoshop plug-in: a .ccx is a plain zip with the manifest at its top.

    adapters/photoshop/pack.py underpaint.ccx

It takes dist/main.js as it is in git, so neither Node nor a network is needed; `npm run build` makes that file anew, and
a test says whether it is up to date.
"""

import pathlib
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
FILES = ["manifest.json", "index.html", "style.css", "dist/main.js"]


def files():
    """(name inside the package, file) of everything the plug-in consists of."""
    icons = sorted("icons/" + path.name for path in (HERE / "icons").glob("*.png"))
    return [(name, HERE / name) for name in FILES + icons]


def pack(target):
    """Writes the package; the same files give the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(str(target), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    pack(pathlib.Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
