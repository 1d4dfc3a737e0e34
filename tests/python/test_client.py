"""The shared Python client without a daemon: frames, blobs, images, and who finds whom.

    python3 -m unittest discover tests/python
"""

import ast
import hmac
import json
import ntpath
import os
import pathlib
import posixpath
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "adapters/python"))

import underpaint_client as up  # noqa: E402

SOURCES = [*sorted((ROOT / "adapters/python").glob("*.py")), *sorted((ROOT / "adapters/krita/pykrita").rglob("*.py")),
           *sorted((ROOT / "adapters/gimp/underpaint").glob("*.py"))]


def frame(header, tail=b""):
    return up.pack(header, tail) + bytes(tail)


def welcome(**limits):
    result = {"protocol": 1, "server": {"name": "underpaint"}, "instance": "x", "caps": [], "limits": limits}
    return frame({"jsonrpc": "2.0", "id": 0, "result": result})


def sample_bytes(parts):
    """The bytes of a sample frame, as tests/wire/frames.json spells them."""
    spelled = b""
    for part in parts:
        if "u32" in part:
            spelled += part["u32"].to_bytes(4, "little")
        elif "hex" in part:
            spelled += bytes.fromhex(part["hex"])
        else:
            spelled += (part.get("text") or part["repeat"] * part["times"]).encode("utf-8")
    return spelled


class Samples(unittest.TestCase):
    """The frames that every language's tests read."""

    samples = json.loads((ROOT / "tests/wire/frames.json").read_text(encoding="utf-8"))["frames"]

    def test_proofs_are_made_as_the_protocol_says(self):
        rows = json.loads((ROOT / "tests/wire/proofs.json").read_text(encoding="utf-8"))["proofs"]
        self.assertGreater(len(rows), 3)
        for row in rows:
            for side in ("server", "client"):
                words = "underpaint %s %d %s %s" % (side, row["port"], row["client_nonce"], row["server_nonce"])
                proof = hmac.new(row["token"].encode(), words.encode(), "sha256").hexdigest()
                self.assertEqual(proof, row[side + "_proof"])

    def decode(self, data, piece, max_frame_bytes):
        decoder = up.Decoder(max_frame_bytes=max_frame_bytes)
        return [found for start in range(0, len(data), piece) for found in decoder.feed(data[start:start + piece])]

    def test_every_good_frame_reads_as_it_should_in_pieces_of_any_size(self):
        good = [sample for sample in self.samples if "header" in sample]
        self.assertGreater(len(good), 10)
        for sample in good:
            data = sample_bytes(sample["bytes"])
            for piece in (1, 3, len(data)):
                with self.subTest(sample["name"], piece=piece):
                    (found,) = self.decode(data, piece, sample.get("max_frame_bytes", 65536))
                    self.assertEqual(found.header, sample["header"])
                    self.assertEqual(bytes(found.tail).hex(), sample["tail"])

    def test_every_fatal_frame_is_refused(self):
        fatal = [sample for sample in self.samples if sample.get("fatal")]
        self.assertGreater(len(fatal), 10)
        for sample in fatal:
            with self.subTest(sample["name"]):
                # A length is refused once both lengths are there; some samples hold only the first.
                data = sample_bytes(sample["bytes"]).ljust(8, b"\2")
                with self.assertRaises(up.ProtocolError):
                    self.decode(data, len(data), sample.get("max_frame_bytes", 65536))

    def test_what_we_pack_is_what_the_samples_hold(self):
        packed = 0
        for sample in self.samples:
            text = json.dumps(sample.get("header"), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
            data = sample_bytes(sample["bytes"])
            if "header" in sample and text in data:  # the others were spelled with other white space
                with self.subTest(sample["name"]):
                    self.assertEqual(frame(sample["header"], bytes.fromhex(sample["tail"])), data)
                    packed += 1
        self.assertGreater(packed, 10)


class Conversations(unittest.TestCase):
    def setUp(self):
        self.talk = up.Conversation("test")

    def sent(self):
        """What is to be written, decoded."""
        data = b"".join(bytes(piece) for piece in self.talk.outgoing)
        self.talk.outgoing.clear()
        return list(up.Decoder().feed(data))

    def greet(self, **limits):
        self.sent()
        return self.talk.receive(welcome(**limits))

    def test_hello_comes_first_and_its_answer_is_kept(self):
        (hello,) = self.sent()
        self.assertEqual(hello.header["method"], "hello")
        self.assertEqual(hello.header["params"]["protocol"], {"min": 1, "max": 1})
        (answer,) = self.greet(max_chunk_bytes=5)
        self.assertEqual(answer.id, 0)
        self.assertEqual(self.talk.server["instance"], "x")
        self.assertEqual(self.talk.chunk_bytes, 5)

    def test_frames_are_short_until_hello_is_answered(self):
        with self.assertRaises(up.ProtocolError):
            self.talk.receive(frame({"jsonrpc": "2.0", "method": "progress", "params": {}}, bytes(65536)))
        talk = up.Conversation("test")
        talk.receive(welcome())
        self.assertEqual(len(talk.receive(frame({"jsonrpc": "2.0", "method": "progress", "params": {}}, bytes(65536)))), 1)

    def test_a_blob_goes_out_in_numbered_chunks(self):
        self.greet(max_chunk_bytes=4)
        blob = self.talk.put(b"0123456789")
        chunks = self.sent()
        self.assertEqual([bytes(chunk.tail) for chunk in chunks], [b"0123", b"4567", b"89"])
        self.assertEqual([chunk.header["params"] for chunk in chunks], [
            {"blob": blob, "size": 10, "chunk": number, "last": number == 2} for number in range(3)])

    def test_what_the_daemon_would_not_take_is_refused_before_it_is_read_or_sent(self):
        self.greet(max_blob_bytes=1000, max_pixels=100)
        rows = [
            ("fits exactly", [(10, 10, "rgba16"), (10, 10, "g8"), (10, 10, "g8")], None),
            ("too deep", [(10, 10, "rgba16"), (10, 10, "g8"), (10, 10, "g16")], "a smaller part of it, or in 8 bits."),
            ("too many", [(10, 10, "rgba8")] * 3, "a smaller part of it."),
            ("too many pixels", [(3, 3, "rgba16"), (101, 1, "g8")], "a smaller part of it."),
            ("nothing", [], None),
        ]
        for name, images, way_out in rows:
            with self.subTest(name):
                if way_out is None:
                    self.talk.check_room(*images)
                    continue
                with self.assertRaisesRegex(up.Refused, "too large to be sent at once .*: work on %s$" % way_out) as raised:
                    self.talk.check_room(*images)
                self.assertEqual(raised.exception.kind, "too_large")
        first, second = self.talk.put(bytes(600)), self.talk.put(bytes(400))
        self.assertEqual(len(self.sent()), 2)
        for ask in (lambda: self.talk.put(b"1"), lambda: self.talk.check_room((1, 1, "g8"))):
            self.assertRaises(up.Refused, ask)
        self.assertEqual(self.sent(), [])
        self.talk.free(second)
        self.talk.put(bytes(400))
        up.Conversation("test").check_room((1 << 20, 1 << 20, "rgbaf32"))  # to a daemon that names no limit

    def test_a_blob_comes_in_between_other_messages(self):
        self.greet()
        piece = {"jsonrpc": "2.0", "method": "blob/put", "params": {"blob": "s1", "size": 5, "chunk": 0, "last": False}}
        rest = {"jsonrpc": "2.0", "method": "blob/put", "params": {"blob": "s1", "size": 5, "chunk": 1, "last": True}}
        event = {"jsonrpc": "2.0", "method": "progress", "params": {"step": 1}}
        events = self.talk.receive(frame(piece, b"abc") + frame(event, b"xy") + frame(rest, b"de"))
        self.assertEqual([event.method for event in events], ["progress"])
        self.assertEqual(bytes(events[0].tail), b"xy")
        self.assertEqual(bytes(self.talk.take("s1")), b"abcde")
        with self.assertRaises(up.ProtocolError):
            self.talk.take("s1")

    def test_pieces_that_do_not_fit_are_refused(self):
        rows = [
            ("no name", {"size": 5, "chunk": 0, "last": True}),
            ("no size", {"blob": "s1", "chunk": 0, "last": True}),
            ("size nobody sends", {"blob": "s1", "size": 1 << 40, "chunk": 0, "last": True}),
            ("size is text", {"blob": "s1", "size": "5", "chunk": 0, "last": True}),
            ("begins in the middle", {"blob": "s1", "size": 5, "chunk": 1, "last": True}),
            ("longer than announced", {"blob": "s1", "size": 2, "chunk": 0, "last": True}),
            ("ends early", {"blob": "s1", "size": 9, "chunk": 0, "last": True}),
            ("no parameters", None),
        ]
        for name, params in rows:
            with self.subTest(name):
                talk = up.Conversation("test")
                with self.assertRaises(up.ProtocolError):
                    talk.receive(frame({"jsonrpc": "2.0", "method": "blob/put", "params": params}, b"abc"))

    def test_errors_carry_the_sentence_and_the_kind(self):
        self.greet()
        error = {"code": -32008, "message": "Too little memory.", "data": {
            "kind": "out_of_memory", "retryable": True, "hint": "Close other programs.", "field": "model"}}
        (answer,) = self.talk.receive(frame({"jsonrpc": "2.0", "id": 3, "error": error}))
        self.assertEqual((answer.id, answer.result), (3, None))
        said = answer.error
        self.assertEqual((str(said), said.kind, said.retryable, said.hint, said.field),
                         ("Too little memory.", "out_of_memory", True, "Close other programs.", "model"))

    def test_a_long_result_comes_in_the_tail(self):
        self.greet()
        (answer,) = self.talk.receive(frame({"jsonrpc": "2.0", "id": 8, "tail": "result"}, b'[{"id":"m"}]'))
        self.assertEqual(answer.result, [{"id": "m"}])

    def test_a_result_that_cannot_be_read_is_a_protocol_error(self):
        picture = {"blob": "s1", "w": 2, "h": 1, "px": "rgba8"}
        rect = {"x": 1, "y": 2, "w": 2, "h": 1}
        rows = [
            ("no patches", {}),
            ("no rect", {"patches": [{"image": picture}]}),
            ("blob never sent", {"patches": [{"rect": rect, "image": dict(picture, blob="s9")}]}),
            ("too few bytes", {"patches": [{"rect": dict(rect, w=3), "image": dict(picture, w=3)}]}),
            ("rect and picture differ", {"patches": [{"rect": dict(rect, w=1), "image": picture}]}),
            ("unknown pixels", {"patches": [{"rect": rect, "image": dict(picture, px="cmyk")}]}),
        ]
        params = {"blob": "s1", "size": 8, "chunk": 0, "last": True}
        put = frame({"jsonrpc": "2.0", "method": "blob/put", "params": params}, b"8 bytes!")
        for name, result in rows:
            with self.subTest(name):
                self.talk.receive(put)
                with self.assertRaises(up.ProtocolError):
                    self.talk.patches(result)
        self.talk.receive(put)
        (patch,) = self.talk.patches({"patches": [{"rect": rect, "image": picture, "seed": 7}]})
        self.assertEqual((patch.rect, bytes(patch.pixels), patch.px, patch.seed), ((1, 2, 2, 1), b"8 bytes!", "rgba8", 7))


class Pixels(unittest.TestCase):
    def test_rows_are_packed(self):
        described = {"blob": "s1", "w": 2, "h": 2, "px": "g8", "offset": 1, "stride": 3}
        self.assertEqual(bytes(up.packed_pixels(described, b".ab.cd")), b"abcd")

    def test_what_lies_outside_is_refused(self):
        for change in ({"w": 3}, {"h": 3}, {"offset": 1}, {"offset": -1}, {"stride": 1}, {"w": 0}, {"w": "2"}, {"px": "?"}):
            with self.subTest(change), self.assertRaises(up.ProtocolError):
                up.packed_pixels(dict({"blob": "s1", "w": 2, "h": 2, "px": "g8"}, **change), b"abcd")


class Endpoints(unittest.TestCase):
    def find(self, text=None, **environment):
        with tempfile.TemporaryDirectory() as home:
            environment.setdefault("UNDERPAINT_HOME", home)
            run = pathlib.Path(home) / "run"
            run.mkdir()
            if text is not None:
                (run / "endpoint.json").write_text(text)
            with mock.patch.dict(os.environ, environment):
                if "UNDERPAINT_SOCKET" not in environment:
                    os.environ.pop("UNDERPAINT_SOCKET", None)
                return up.find_endpoint()

    def test_what_a_daemon_published_is_found(self):
        self.assertEqual(self.find('{"socket":"/s","pid":7,"instance":"i"}'), up.Endpoint("/s", 7, "i", None))

    def test_no_word_or_a_damaged_one_is_no_daemon(self):
        for text in (None, "", "{", "[]", "{}", "7"):
            with self.subTest(text):
                self.assertIsNone(self.find(text))

    def test_the_environment_wins(self):
        self.assertEqual(self.find('{"socket":"/s"}', UNDERPAINT_SOCKET="/other").socket, "/other")

    def test_a_pipe_is_found_under_its_whole_name(self):
        found = self.find(r'{"socket":"\\\\.\\pipe\\underpaint-9f2c41d7a0b35e68","token_file":"token"}')
        self.assertEqual(found.socket, "\\\\.\\pipe\\underpaint-9f2c41d7a0b35e68")
        self.assertTrue(found.socket.startswith(up.PIPES))

    def test_every_system_has_its_place_and_no_xdg_variable_moves_it(self):
        ada = r"C:\Users\Ada"
        for system, path, environment, expected in [
                ("linux", posixpath, {"HOME": "/home/ada", "XDG_STATE_HOME": "/x"}, "/home/ada/.local/state/underpaint"),
                ("darwin", posixpath, {"HOME": "/Users/ada"}, "/Users/ada/.local/state/underpaint"),
                ("win32", ntpath, {"LOCALAPPDATA": r"D:\Local", "USERPROFILE": ada}, r"D:\Local\underpaint"),
                ("win32", ntpath, {"USERPROFILE": ada}, ada + r"\AppData\Local\underpaint"),
                ("win32", ntpath, {"USERPROFILE": ada, "UNDERPAINT_HOME": r"E:\up"}, r"E:\up")]:
            with self.subTest(system, **environment), mock.patch.object(sys, "platform", system), \
                    mock.patch.object(os, "path", path), mock.patch.dict(os.environ, environment, clear=True):
                self.assertEqual(up.home(), expected)

    def test_nobody_there_is_said_plainly(self):
        with mock.patch.dict(os.environ, {"UNDERPAINT_SOCKET": "/nowhere/daemon.sock"}):
            with self.assertRaisesRegex(up.NotRunning, "does not answer at /nowhere/daemon.sock"):
                up.Client.connect()


class FakePipe:
    """A pipe's file: takes at most 3 bytes at once and gives what is in `inside`."""

    def __init__(self, inside=b""):
        self.inside, self.written, self.closed = inside, b"", False

    def write(self, data):
        self.written += bytes(data[:3])
        return min(3, len(data))

    def readinto(self, buffer):
        count = min(len(buffer), len(self.inside))
        buffer[:count], self.inside = self.inside[:count], self.inside[count:]
        return count

    def close(self):
        self.closed = True


class Pipes(unittest.TestCase):
    PATH = r"\\.\pipe\underpaint-4f2a"

    def test_a_pipes_path_is_no_sockets(self):
        with mock.patch.object(up.Pipe, "connect", side_effect=FileNotFoundError(2, "no such pipe")) as connect:
            with self.assertRaisesRegex(up.NotRunning, "does not answer"):
                up.Client.connect(self.PATH)
            connect.assert_called_once_with(self.PATH, 5.0)
            with self.assertRaises(up.NotRunning):
                up.Client.connect("/nowhere/pipe/daemon.sock")
            connect.assert_called_once()

    def test_a_busy_pipe_is_tried_again_and_a_missing_one_is_not(self):
        busy, other = OSError(22, "busy"), OSError(13, "busy")
        other.winerror = up.PIPE_BUSY
        file = FakePipe()
        opener = mock.Mock(side_effect=[busy, other, file])
        with mock.patch.object(up, "_arrived", return_value=lambda: 0):
            up.Pipe.connect(self.PATH, 5.0, opener).close()
        self.assertEqual(opener.mock_calls, [mock.call(self.PATH, "r+b", buffering=0)] * 3)
        self.assertTrue(file.closed)
        for error, timeout_s in [(FileNotFoundError(2, "none"), 5.0), (busy, -1.0)]:
            opener = mock.Mock(side_effect=error)
            with self.assertRaises(OSError):
                up.Pipe.connect(self.PATH, timeout_s, opener)
            opener.assert_called_once()

    def test_everything_is_written_and_nothing_waits_inside_a_read(self):
        file, arrived = FakePipe(b"answer"), iter([0, 0, 6])
        pipe = up.Pipe(file, lambda: next(arrived))
        pipe.sendall(memoryview(b"a longer question"))
        self.assertEqual(file.written, b"a longer question")
        buffer = bytearray(4)
        self.assertEqual((pipe.recv_into(memoryview(buffer)), bytes(buffer)), (4, b"answ"))

    def test_the_end_is_a_lost_connection(self):
        def broken():
            raise BrokenPipeError(109, "the pipe has been ended")
        with self.assertRaises(ConnectionError):
            up.Pipe(FakePipe(), broken).recv_into(bytearray(4))
        pipe = up.Pipe(FakePipe(), lambda: 0)
        pipe.shutdown(None)
        with self.assertRaises(ConnectionError):
            pipe.recv_into(bytearray(4))

    def test_a_conversation_goes_over_a_pipe(self):
        file = FakePipe(welcome(max_chunk_bytes=9))
        client = up.Client(up.Pipe(file, lambda: len(file.inside)))
        self.assertEqual(client.server["instance"], "x")
        self.assertIn(b'"method":"hello"', file.written)


class Sources(unittest.TestCase):
    def test_they_are_python_3_8(self):
        """Krita 5.1 on Windows brings Python 3.8."""
        for source in SOURCES:
            with self.subTest(source.name):
                ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 8))

    @unittest.skipUnless(hasattr(sys, "stdlib_module_names"), "needs Python 3.10 for the list of standard modules")
    def test_they_import_nothing_that_an_editor_does_not_bring(self):
        # What Windows' Python alone has is in the list as well. Plug-ins of GIMP import the files beside them by name.
        allowed = {"PyQt5", "PyQt6", "krita", "pykrita", "gi", *(source.stem for source in SOURCES), *sys.stdlib_module_names}
        for source in SOURCES:
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                for name in names:
                    self.assertIn(name.split(".")[0], allowed, source.name)


if __name__ == "__main__":
    unittest.main()
