"""Plays scenarios inside a real GIMP and writes what came of each; `exec`ed by GIMP's batch interpreter.

GIMP exits 0 whatever happened, so only what is written here is believed.
"""

import importlib
import json
import os
import sys
import time
import traceback

HERE = os.environ["UNDERPAINT_E2E"]
RESULTS = os.path.join(HERE, "results")
sys.path[:0] = [os.path.join(HERE, "e2e"), os.environ["UNDERPAINT_E2E_PLUGIN"]]


def play(module):
    """Plays a module's `ALL`, or those of it that were asked for."""
    from images import tidy
    only = [name for name in os.environ["UNDERPAINT_E2E_ONLY"].split(",") if name]
    scenarios = importlib.import_module(module)
    played = [scenario for scenario in scenarios.ALL + getattr(scenarios, "EXTRA", []) if scenario.__name__ in only]
    for scenario in played if only else scenarios.ALL:
        began, line = time.time(), {"name": scenario.__name__, "ok": True, "note": "", "error": ""}
        try:
            line["note"] = scenario() or ""
        except BaseException:
            line.update(ok=False, error=traceback.format_exc())
            getattr(scenarios, "failed", lambda _name: None)(scenario.__name__)
        tidy()
        line["seconds"] = time.time() - began
        with open(os.path.join(RESULTS, "results.jsonl"), "a") as file:
            file.write(json.dumps(line) + "\n")
    with open(os.path.join(RESULTS, module), "w") as file:
        file.write("finished")


play(os.environ["UNDERPAINT_E2E_MODULE"])
