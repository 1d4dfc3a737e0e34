#!/usr/bin/env python3
"""How long a painter waits for the first picture from words, with the starter model and nothing else.

    python3 tests/bench/first_picture.py target/debug/underpaint [rounds]

Each round starts a daemon in a home where the starter is already unpacked and times, from asking to the picture in the
client's hands: the first picture (the model is read then), one more of the same size, and one of twice the side; then
`underpaint generate` as a process of its own, in that home and in an empty one. Prints minimum and median in seconds of
wall clock as a table: on a loaded machine trust the minimum.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from socket_cost import start

ROWS = {
    "first": "running daemon, first picture, {0}x{0}",
    "next": "running daemon, model in memory, {0}x{0}",
    "large": "running daemon, model in memory, {1}x{1}",
    "command": "`underpaint generate`, {0}x{0}",
    "fresh": "`underpaint generate` in an empty home, {0}x{0}",
}


def painted(client, id, side):
    """Seconds from asking to having the picture."""
    begin = time.perf_counter()
    client.send({"id": id, "method": "generate", "params": {"prompt": "the sea at dusk", "seed": 1, "extent": [side, side]}})
    result = client.answer(id)["result"]
    assert result["used"]["model"] == "starter" and result["patches"], result
    return time.perf_counter() - begin


def command(binary, home):
    """Seconds of a whole process."""
    begin = time.perf_counter()
    subprocess.run([binary, "generate", "--prompt", "the sea at dusk", "--seed", "1", "--json", "-o", os.path.join(home, "out.png")],
                   env={**os.environ, "UNDERPAINT_HOME": home}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds = {name: [] for name in ROWS}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(rounds):
            daemon, client, _ = start(binary, home)
            models = client.call("models", "models/list")["result"]
            side = next(m for m in models if m["id"] == "starter")["native_extent"][0]
            for name, size in [("first", side), ("next", side), ("large", 2 * side)]:
                seconds[name].append(painted(client, name, size))
            client.call("end", "shutdown")
            daemon.wait()
            seconds["command"].append(command(binary, home))
            with tempfile.TemporaryDirectory() as empty:
                seconds["fresh"].append(command(binary, empty))
    print("| the starter's own steps, s | min | median |\n|---|---|---|")
    for name, text in ROWS.items():
        print(f"| {text.format(side, 2 * side)} | {min(seconds[name]):.2f} | {statistics.median(seconds[name]):.2f} |")


if __name__ == "__main__":
    main()
