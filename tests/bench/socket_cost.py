#!/usr/bin/env python3
"""What the socket costs an adapter: standard library only, as inside an editor.

    python3 tests/bench/socket_cost.py target/debug/underpaint [rounds]

Prints, as minimum and median of the rounds: daemon start to first answer; a 4096x4096 rgba8 picture (64 MiB) to the
daemon, and there and back; from cancelling a running fill to its answer, and from killing its client to the next
one's start. All wall clock: on a loaded machine trust the minimum.
"""

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SIZE = 64 << 20
CHUNK = 4 << 20


class Client:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.call(0, "hello", protocol={"min": 1, "max": 1}, client={"name": "bench"})

    def send(self, header, tail=b""):
        h = json.dumps({"jsonrpc": "2.0", **header}).encode()
        self.s.sendall(struct.pack("<II", 4 + len(h) + len(tail), len(h)) + h)
        if len(tail):
            self.s.sendall(tail)

    def exactly(self, view):
        while len(view):
            n = self.s.recv_into(view)
            if n == 0:
                raise EOFError
            view = view[n:]

    def recv(self, into=None):
        """One message; a blob's chunk lands at its place in `into`, anything else in fresh bytes."""
        prefix = bytearray(8)
        self.exactly(memoryview(prefix))
        total, hlen = struct.unpack("<II", prefix)
        header = bytearray(hlen)
        self.exactly(memoryview(header))
        header = json.loads(header)
        tail = total - 4 - hlen
        if into is not None and header.get("method") == "blob/put":
            self.exactly(memoryview(into)[self.at : self.at + tail])
            self.at += tail
        elif tail:
            self.exactly(memoryview(bytearray(tail)))
        return header

    def answer(self, id, into=None):
        while True:
            header = self.recv(into)
            if header.get("id") == id and "method" not in header:
                return header

    def call(self, id, method, **params):
        self.send({"id": id, "method": method, "params": params})
        return self.answer(id)

    def put(self, name, data):
        view = memoryview(data)
        count = max(1, -(-len(data) // CHUNK))
        for i in range(count):
            params = {"blob": name, "size": len(data), "chunk": i, "last": i + 1 == count}
            self.send({"method": "blob/put", "params": params}, view[i * CHUNK : (i + 1) * CHUNK])

    def get(self, id, name, into):
        self.at = 0
        self.send({"id": id, "method": "blob/get", "params": {"blob": name}})
        return self.answer(id, into)

    def fill(self, id, w, h, side):
        """Submits a fill that takes long; returns once it runs."""
        pixels = bytearray(os.urandom(w * h * 4))
        mask = bytearray(w * h)
        for y in range((h - side) // 2, (h + side) // 2):
            mask[y * w + (w - side) // 2 : y * w + (w + side) // 2] = b"\xff" * side
        self.put("c2", pixels + mask)
        rect = {"x": 0, "y": 0, "w": w, "h": h}
        image = {"blob": "c2", "w": w, "h": h}
        self.send({"id": id, "method": "generate", "params": {
            "mode": "fill", "model": "exemplar", "seed": 1,
            "canvas": {"extent": [w, h], "rect": rect, "image": {**image, "px": "rgba8"}},
            "mask": {"rect": rect, "image": {**image, "offset": w * h * 4, "px": "g8"}},
        }})
        self.until_running(id)

    def until_running(self, id):
        while True:
            m = self.recv()
            if m.get("method") == "job/state" and m["params"].get("id") == id and m["params"]["state"] == "running":
                return


def start(binary, home):
    """A daemon that has answered hello, and how long that took in seconds."""
    begin = time.perf_counter()
    env = {**os.environ, "UNDERPAINT_HOME": home}
    daemon = subprocess.Popen([binary, "serve"], env=env, stdout=subprocess.DEVNULL)
    path = os.path.join(home, "run", "endpoint.json")
    while not os.path.exists(path):
        time.sleep(0.0005)
    client = Client(json.load(open(path))["socket"])
    return daemon, client, time.perf_counter() - begin


def row(name, seconds):
    ms = sorted(1000 * s for s in seconds)
    print(f"{name:58} {ms[0]:8.1f} {statistics.median(ms):8.1f} ms")


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    print(f"{'':58} {'min':>8} {'median':>8}")
    starts = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as home:
            daemon, client, seconds = start(binary, home)
            starts.append(seconds)
            client.call("end", "shutdown")
            daemon.wait()
    row("daemon start to first answer (hello)", starts)

    with tempfile.TemporaryDirectory() as home:
        daemon, client, _ = start(binary, home)
        data, back = bytearray(os.urandom(SIZE)), bytearray(SIZE)
        up, both = [], []
        for i in range(rounds):
            begin = time.perf_counter()
            client.put("c1", data)
            client.call(f"ping-{i}", "ping")
            up.append(time.perf_counter() - begin)
            client.get(f"get-{i}", "c1", back)
            both.append(time.perf_counter() - begin)
        assert back == data
        row("64 MiB to the daemon", up)
        row("64 MiB to the daemon and back", both)

        cancels, losses = [], []
        for i in range(rounds):
            client.fill(f"fill-{i}", 1600, 1200, 800)
            begin = time.perf_counter()
            client.send({"method": "cancel", "params": {"id": f"fill-{i}"}})
            assert client.answer(f"fill-{i}")["error"]["code"] == -32800
            cancels.append(time.perf_counter() - begin)
            other = Client(client.s.getpeername())
            other.fill("busy", 1600, 1200, 800)
            rect = {"x": 0, "y": 0, "w": 64, "h": 64}
            client.put("c3", bytearray(64 * 64 * 4) + b"\xff" * 64 * 32 + bytearray(64 * 32))
            image = {"blob": "c3", "w": 64, "h": 64}
            client.send({"id": f"next-{i}", "method": "generate", "params": {
                "mode": "fill", "model": "exemplar", "canvas": {"extent": [64, 64], "rect": rect, "image": {**image, "px": "rgba8"}},
                "mask": {"rect": rect, "image": {**image, "offset": 64 * 64 * 4, "px": "g8"}}}})
            begin = time.perf_counter()
            other.s.close()
            client.until_running(f"next-{i}")
            losses.append(time.perf_counter() - begin)
            client.answer(f"next-{i}")
        row("cancel of a running 2 MP fill to its answer", cancels)
        row("its client gone to the next client's job running", losses)
        client.call("end", "shutdown")
        daemon.wait()


if __name__ == "__main__":
    main()
