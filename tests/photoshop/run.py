#!/usr/bin/env python3
"""The Photoshop adapter's tests: types, bundle, wire, and the panel in a real Chromium against the real daemon.

    tests/photoshop/run.py [--daemon PATH] [--only NAME]... [--list]

Photoshop cannot be had on a machine for tests; tests/photoshop/mock stands in, typed by Photoshop's own typings. Exit
codes: 0 all passed, 1 something failed, 77 skipped (a tool is missing; the reason is printed).
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import scenarios
import stage
from stage import ADAPTER, HERE, ROOT

SKIPPED = 77


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--daemon", default=os.environ.get("UNDERPAINT_BIN") or str(ROOT / "target/debug/underpaint"))
    arguments.add_argument("--only", action="append", default=[], metavar="NAME", help="play only this scenario")
    arguments.add_argument("--list", action="store_true", help="name the scenarios")
    chosen = arguments.parse_args()
    if chosen.list:
        print("\n".join(name for name, _ in scenarios.ALL))
        return 0
    missing = what_is_missing()
    if missing:
        print("skipped: the Photoshop adapter's tests, because " + missing)
        return SKIPPED
    daemon = pathlib.Path(chosen.daemon).absolute()
    if not os.access(str(daemon), os.X_OK):
        print("error: there is no daemon at %s; build it, or name it with --daemon" % daemon)
        return 1
    # A short path: a socket's may have 107 bytes.
    work = pathlib.Path(tempfile.mkdtemp(prefix="upp-"))
    try:
        passed = chosen.only or without_a_browser(work)
        return 0 if play(work, daemon, chosen.only) and passed else 1
    finally:
        shutil.rmtree(str(work), ignore_errors=True)


def what_is_missing():
    """Why the tests cannot run here, or an empty string. Fetches the pinned typings and compilers where it can."""
    for program, package in [("node", "nodejs"), ("npm", "npm")]:
        if shutil.which(program) is None:
            return "%s is not installed (Debian package %s)" % (program, package)
    if chromium() is None:
        return "Chromium is not installed (Debian package chromium)"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "Playwright is not installed (pip install playwright)"
    if not (ADAPTER / "node_modules/typescript").is_dir():
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=str(ADAPTER)).returncode:
            return "`npm ci` in adapters/photoshop failed"
    return ""


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def without_a_browser(work):
    """Types, whether dist/ is what src/ makes, and the unit tests."""
    tsc = str(ADAPTER / "node_modules/.bin/tsc")
    bundle, units = work / "main.js", work / "units.mjs"
    checks = [
        ("the adapter's types", [tsc, "-p", str(ADAPTER)]),
        ("the mock's types", [tsc, "-p", str(HERE)]),
        ("the bundle can be built", ["node", str(ADAPTER / "build.mjs"), str(bundle)]),
        ("the unit tests can be built", ["node", str(HERE / "build.mjs"), "units.mjs", str(units), "node"]),
        ("the unit tests", ["node", "--test", "--test-reporter=spec", str(units)]),
    ]
    passed = True
    for name, command in checks:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, UNDERPAINT_ROOT=str(ROOT)))
        passed &= say(name, done.returncode == 0, done.stdout.decode(errors="replace"))
    if bundle.exists():
        same = bundle.read_bytes() == (ADAPTER / "dist/main.js").read_bytes()
        passed &= say("dist/main.js is what src/ makes", same, "run `npm run build` in adapters/photoshop, and commit what it makes")
    return passed


def play(work, program, only):
    """The scenarios, one after the other, each on a fresh panel."""
    from playwright.sync_api import sync_playwright
    mock = work / "mock.js"
    subprocess.run(["node", str(HERE / "build.mjs"), "mock/main.ts", str(mock), "browser"], check=True)
    chosen = [(name, scenario) for name, scenario in scenarios.ALL if not only or name in only]
    passed = bool(chosen)
    daemon = stage.Daemon(program, work / "up")
    daemon.start()
    try:
        with sync_playwright() as playwright:
            photoshop = stage.Photoshop(playwright, chromium(), work, mock, daemon.ports)
            for name, scenario in chosen:
                began, trouble = time.monotonic(), ""
                try:
                    scenario(photoshop, daemon)
                    photoshop.nothing_wrong()
                except Exception:
                    trouble = traceback.format_exc()
                    photoshop.shot("failed-" + name)
                passed &= say("%s (%.1f s)" % (name, time.monotonic() - began), not trouble, trouble)
            photoshop.close()
    finally:
        daemon.kill()
    return passed


def say(name, good, trouble):
    print(("ok     " if good else "FAILED ") + name, flush=True)
    if not good:
        print(trouble, flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
