#!/usr/bin/env python3
"""Where time goes from the click to the layer: 1 megapixel selected in a document of 24, on the mock, against a daemon.

    tests/photoshop/bench.py [--daemon PATH] [--depth 8|16|32]

`read` and `insert` are the mock's own work and say little about Photoshop; `plan`, `send` and `receive` are the adapter's
and the daemon's. The last line tells how long the panel's event loop stood still at most.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import run
import stage


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--daemon", default=str(stage.ROOT / "target/debug/underpaint"))
    arguments.add_argument("--depth", type=int, default=8, choices=(8, 16, 32))
    chosen = arguments.parse_args()
    missing = run.what_is_missing()
    if missing:
        print("skipped: " + missing)
        return run.SKIPPED
    from playwright.sync_api import sync_playwright
    work = pathlib.Path(tempfile.mkdtemp(prefix="upp-"))
    mock = work / "mock.js"
    subprocess.run(["node", str(stage.HERE / "build.mjs"), "mock/main.ts", str(mock), "browser"], check=True)
    daemon = stage.Daemon(pathlib.Path(chosen.daemon).absolute(), work / "up")
    daemon.start()
    try:
        with sync_playwright() as playwright:
            photoshop = stage.Photoshop(playwright, run.chromium(), work, mock, daemon.ports)
            photoshop.open(daemon).document(w=6000, h=4000, depth=chosen.depth, select=[2000, 1200, 3000, 2200], soft=20)
            photoshop.ready()
            for attempt in ("first", "second"):
                photoshop.mock("longestGap")
                photoshop.go()
                photoshop.until("Done")
                times = dict(re.findall(r"([a-z][a-z ]*) (\d+) ms", photoshop.page.get_attribute("#status", "title")))
                times["receive"] = int(times.pop("compute and receive")) - int(times["compute"])
                print("%s: %s" % (attempt, ", ".join("%s %s ms" % (part.strip(), ms) for part, ms in times.items())))
                print("longest pause of the event loop: %d ms" % photoshop.mock("longestGap"))
            photoshop.close()
    finally:
        daemon.kill()
        shutil.rmtree(str(work), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
