"""Another program at a port where the panel looks for the daemon: it agrees on a WebSocket, and remembers what it is told."""

from base64 import b64encode
from hashlib import sha1
import json
import socket
import struct
import threading

UPGRADE = ("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY, CLOSE = 2, 8


def garbage(_):
    return bytes(range(256))


def silent(_):
    return b""


def deaf(_):
    """Closes at the first word."""
    return None


def forger(header):
    """Answers as a daemon would, without the token: makes proofs up, lets everybody in, and hands out tokens."""
    results = {
        "challenge": {"nonce": "ab" * 32, "proof": "cd" * 32},
        "hello": {"protocol": 1, "server": {"name": "underpaint", "version": "1"}, "instance": "i", "caps": [], "limits": {}},
        "pair": {"token": "ef" * 32},
    }
    return framed({"jsonrpc": "2.0", "id": header.get("id"), "result": results.get(header.get("method"), {})})


def framed(header):
    text = json.dumps(header).encode()
    return struct.pack("<II", 4 + len(text), len(text)) + text


class Squatter:
    """Listens at `port` until it is left. `manner` makes an answer's bytes of a header, or hands everything on: `relay_to`."""

    def __init__(self, port):
        self.manner, self.relay_to = garbage, None
        self.heard, self.relayed, self.open = [], [], []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in [self.listener, *self.open]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def methods(self):
        """What it was asked for, as far as it could be read."""
        return [json.loads(data[8:])["method"] for data in list(self.heard)]

    def accept(self):
        while True:
            try:
                stranger, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(stranger)
            threading.Thread(target=self.serve, args=(stranger,), daemon=True).start()

    def serve(self, stranger):
        try:
            with stranger, stranger.makefile("rb") as said:
                agree(stranger, said)
                if self.relay_to:
                    return self.relay(stranger, said)
                for data in messages(said):
                    self.heard.append(data)
                    answer = self.manner(json.loads(data[8:]))
                    if answer is None:
                        return
                    if answer:
                        stranger.sendall(message(answer))
        except OSError:
            pass

    def relay(self, stranger, said):
        with socket.create_connection(("127.0.0.1", self.relay_to)) as daemon, daemon.makefile("rb") as answers:
            self.open.append(daemon)
            daemon.sendall((UPGRADE % self.relay_to).encode())
            assert b" 101 " in head(answers)
            threading.Thread(target=self.back, args=(answers, stranger), daemon=True).start()
            for data in messages(said):
                self.heard.append(data)
                daemon.sendall(message(data, mask=True))

    def back(self, answers, stranger):
        try:
            for data in messages(answers):
                self.relayed.append(data)
                stranger.sendall(message(data))
        except (OSError, ValueError):
            pass


def head(stream):
    lines = []
    for line in iter(stream.readline, b""):
        if not line.strip():
            break
        lines.append(line)
    return b"".join(lines)


def agree(stranger, said):
    lines = head(said).decode().split("\r\n")
    key = next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("sec-websocket-key:")), "")
    accept = b64encode(sha1((key + GUID).encode()).digest()).decode()
    stranger.sendall(("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept).encode())


def messages(stream):
    """The payloads of whole binary messages until the other side closes."""
    while True:
        start = stream.read(2)
        if len(start) < 2 or start[0] & 15 == CLOSE:
            return
        length = start[1] & 127
        if length >= 126:
            length = struct.unpack(">H" if length == 126 else ">Q", stream.read(2 if length == 126 else 8))[0]
        mask = stream.read(4) if start[1] & 128 else bytes(4)
        data = stream.read(length)
        if start[0] & 15 == BINARY:
            yield bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def message(data, mask=False):
    """One binary message; as a client's, masked with zeros."""
    length = len(data)
    marks = 128 if mask else 0
    start = struct.pack(">BB", 0x80 | BINARY, marks | length) if length < 126 else struct.pack(">BBH", 0x80 | BINARY, marks | 126, length)
    assert length < 65536
    return start + (bytes(4) if mask else b"") + data
