"""Underpaint's protocol, version 1, for programs written in Python: frames, blobs and a blocking client.

One file, standard library only, Python 3.8 syntax, because it is copied next to the plug-ins of editors that bring
their own Python. Decision: the conversation (`Conversation`) never touches a socket. It turns calls into buffers to
write and received bytes into events, so the same code runs under Krita's event loop, under GIMP's blocking reads and
in tests. `Client` is that conversation on a blocking Unix socket or pipe. The contract is host/wire/PROTOCOL.md.

What is absent: nothing here starts the daemon, converts colours, resamples or decides what to send.

    with Client.connect() as client:
        job = client.fill(pixels, (width, height), mask, mode="fill", prompt="a mossy stone")
        for patch in job.wait(on_progress=print):
            print(patch.rect, patch.seed, len(patch.pixels))
"""

import collections
import errno
import json
import os
import socket
import struct
import sys
import threading
import time

__all__ = [
    "Answer", "Client", "Conversation", "Decoder", "Disconnected", "Endpoint", "Frame", "Job", "NotRunning", "Notice",
    "Patch", "ProtocolError", "Refused", "find_endpoint", "image", "pack", "packed_pixels",
]

PROTOCOL = {"min": 1, "max": 1}
MAX_HEADER_BYTES = 64 * 1024
MAX_FRAME_BYTES = 8 * 1024 * 1024 + 64 * 1024
HELLO_FRAME_BYTES = 64 * 1024
"""The longest frame until `hello` is answered."""
MAX_DEPTH = 32
MAX_BLOB_BYTES = 1 << 30
"""The most this side accepts for one blob: the daemon's answer is never larger than the canvas sent."""

BYTES_PER_PIXEL = {"rgba8": 4, "bgra8": 4, "rgba16": 8, "rgbaf32": 16, "g8": 1, "g16": 2, "gf32": 4}

Frame = collections.namedtuple("Frame", "header tail")
Frame.__doc__ = "One message: `header` is the JSON object, `tail` the binary part (bytes-like, often empty)."

Answer = collections.namedtuple("Answer", "id result error")
Answer.__doc__ = "The daemon's reply to request `id`: either `result`, or `error` as a `Refused` and `result` None."

Notice = collections.namedtuple("Notice", "method params tail")
Notice.__doc__ = "An event that nobody asked for by id: `progress`, `job/state`, `models/changed`, `server/closing` …"

Patch = collections.namedtuple("Patch", "rect pixels px seed")
Patch.__doc__ = """A result. `rect` is (x, y, w, h) in canvas pixels, `pixels` packed rows of straight-alpha `px`
(the order of the canvas that was sent), `seed` the number that makes it again."""

Endpoint = collections.namedtuple("Endpoint", "socket pid instance token_file")
Endpoint.__doc__ = "Where a daemon says it listens. Only `socket` is always known; `token_file` may be None."


class ProtocolError(Exception):
    """The other side broke the frame rules; the connection cannot be used any more."""


class Disconnected(Exception):
    """The connection ended before the answer came."""


class NotRunning(Exception):
    """No daemon answers at the place where one would be."""


class Refused(Exception):
    """The daemon's answer is an error, or would be. `str()` is one sentence for the painter; programs look at `kind`."""

    def __init__(self, error):
        error = error if isinstance(error, dict) else {}
        data = error.get("data") if isinstance(error.get("data"), dict) else {}
        super().__init__(str(error.get("message", "Underpaint answered with an error it did not explain.")))
        self.code = error.get("code")
        self.kind = str(data.get("kind", "internal"))
        self.retryable = data.get("retryable") is True
        self.hint = data.get("hint")
        self.field = data.get("field")
        self.data = data


def _too_large(measure, size, most, way_out=""):
    told = measure % (size / 1e6, most / 1e6)
    return Refused({"message": "This is too large to be sent at once (%s): work on a smaller part of it%s." % (told, way_out),
                    "data": {"kind": "too_large"}})


# Frames

def pack(header, tail=b""):
    """The first buffer of a frame: both prefixes and the JSON. The caller writes `tail` after it, uncopied."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    if not 2 <= len(text) <= MAX_HEADER_BYTES:
        raise ProtocolError("a message of %d bytes is too long; at most %d are allowed" % (len(text), MAX_HEADER_BYTES))
    return struct.pack("<II", 4 + len(text) + memoryview(tail).nbytes, len(text)) + text


class Decoder:
    """Frames out of a stream of bytes that arrive in pieces of any size.

    Fill `space()` and report with `filled(n)` (no copy), or hand over bytes with `feed`. `place(header, size)` may
    return a writable buffer of exactly `size` bytes for a frame's tail, so that a picture is received where it stays.
    """

    _PREFIX, _HEADER, _TAIL = range(3)

    def __init__(self, place=None, max_frame_bytes=MAX_FRAME_BYTES):
        self._place = place or (lambda header, size: None)
        self.max_frame_bytes = max_frame_bytes
        self._header = None
        self._tail_bytes = 0
        self._expect(self._PREFIX, bytearray(8))

    def _expect(self, state, buffer):
        self._state, self._buffer, self._have = state, buffer, 0

    @property
    def between_frames(self):
        """Whether no frame is begun."""
        return self._state == self._PREFIX and self._have == 0

    def space(self):
        """The writable rest of the buffer being filled; never empty."""
        return memoryview(self._buffer)[self._have:]

    def filled(self, count):
        """`count` bytes of `space()` now hold received bytes. Returns a `Frame` when that completed one, else None.

        Raises `ProtocolError`: a length out of bounds (before anything is allocated), or a header that is no object.
        """
        self._have += count
        if self._have < len(self._buffer):
            return None
        if self._state == self._PREFIX:
            total, header_bytes = struct.unpack("<II", self._buffer)
            if not 6 <= total <= self.max_frame_bytes:
                raise ProtocolError("a frame of %d bytes; 6 to %d are allowed" % (total, self.max_frame_bytes))
            if not 2 <= header_bytes <= min(MAX_HEADER_BYTES, total - 4):
                raise ProtocolError("a header of %d bytes in a frame of %d" % (header_bytes, total))
            self._tail_bytes = total - 4 - header_bytes
            self._expect(self._HEADER, bytearray(header_bytes))
            return None
        if self._state == self._HEADER:
            self._header = _parse_header(self._buffer)
            if self._tail_bytes:
                into = self._place(self._header, self._tail_bytes)
                self._expect(self._TAIL, bytearray(self._tail_bytes) if into is None else into)
                return None
            return self._finish(b"")
        return self._finish(self._buffer)

    def _finish(self, tail):
        frame = Frame(self._header, tail)
        self._expect(self._PREFIX, bytearray(8))
        return frame

    def feed(self, data):
        """Takes `data` (bytes-like) and yields the frames it completes."""
        data = memoryview(data).cast("B")
        while len(data):
            space = self.space()
            count = min(len(space), len(data))
            space[:count] = data[:count]
            data = data[count:]
            frame = self.filled(count)
            if frame is not None:
                yield frame


def _parse_header(raw):
    header = _parse_json(raw)
    if not isinstance(header, dict):
        raise ProtocolError("a header that is not a JSON object")
    return header


def _parse_json(raw):
    """One JSON value out of UTF-8 bytes, read strictly. `ProtocolError` for anything else."""
    def unique(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    def number(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError("%s is no number" % text)
        return value

    def refuse(text):
        raise ValueError("%s is not JSON" % text)

    try:
        value = json.loads(bytes(raw).decode("utf-8"), object_pairs_hook=unique, parse_float=number, parse_constant=refuse)
        _check_depth_and_text(value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a message that is not JSON: %s" % error) from None
    return value


def _check_depth_and_text(value, levels):
    if isinstance(value, str):
        value.encode("utf-8")  # raises on a lone surrogate, which a reply could not carry
    elif isinstance(value, (dict, list)):
        if levels == 0:
            raise ValueError("it is nested more than %d deep" % MAX_DEPTH)
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth_and_text(part, levels - 1)


# Images inside blobs

def image(blob, width, height, px, offset=0):
    """The wire's description of packed straight-alpha sRGB pixels that lie in `blob` from byte `offset`."""
    described = {"blob": blob, "w": width, "h": height, "px": px}
    if offset:
        described["offset"] = offset
    return described


def packed_pixels(described, data):
    """The pixels of an image description as packed rows: a view into `data` where its rows already are packed.

    Raises `ProtocolError` if the description does not fit `data`.
    """
    try:
        width, height, px = described["w"], described["h"], described["px"]
        row = width * BYTES_PER_PIXEL[px]
        stride, offset = described.get("stride", row), described.get("offset", 0)
        sane = min(width, height) >= 1 and stride >= row and offset >= 0
        end = offset + stride * (height - 1) + row
    except (KeyError, TypeError):
        raise ProtocolError("an image without size or pixel format: %r" % (described,)) from None
    view = memoryview(data).cast("B")
    if not sane or end > len(view):
        raise ProtocolError("an image of %sx%s does not fit its %d bytes" % (width, height, len(view)))
    if stride == row:
        return view[offset:end]
    return memoryview(b"".join(view[offset + y * stride:offset + y * stride + row] for y in range(height)))


# The conversation

class Conversation:
    """Everything said on one connection. It owns request ids, the blobs received and the buffers to write.

    Write what `outgoing` holds, in order; give received bytes to `receive` (or use `decoder` directly and pass its
    frames to `event`). Blobs the daemon puts are kept until `take`n.
    """

    def __init__(self, client_name, client_version="0.1.0", token=None, preview=True):
        self.outgoing = collections.deque()
        self.decoder = Decoder(self._place, HELLO_FRAME_BYTES)
        self.server = None
        """The answer to `hello`, None until it came: protocol, server, instance, caps, limits."""
        self._next_id = 1
        self._blob_count, self._held = 0, {}
        self._begun, self._complete = {}, {}
        hello = {"protocol": PROTOCOL, "client": {"name": client_name, "version": client_version},
                 "caps": ["preview"] if preview else []}
        if token:
            hello["token"] = token
        self._write({"jsonrpc": "2.0", "id": 0, "method": "hello", "params": hello})

    def _write(self, header, tail=b""):
        self.outgoing.append(pack(header, tail))
        if len(tail):
            self.outgoing.append(tail)

    def _limit(self, name, usual):
        return (self.server or {}).get("limits", {}).get(name, usual)

    @property
    def chunk_bytes(self):
        """The longest tail the daemon takes in one frame."""
        return max(1, min(int(self._limit("max_chunk_bytes", 1 << 20)), MAX_FRAME_BYTES - MAX_HEADER_BYTES - 8))

    def request(self, method, params=None, tail=b""):
        """Asks; returns the id under which the `Answer` will come."""
        number, self._next_id = self._next_id, self._next_id + 1
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}, tail)
        return number

    def notify(self, method, params=None, tail=b""):
        """Tells; nothing comes back."""
        self._write({"jsonrpc": "2.0", "method": method, "params": params or {}}, tail)

    def cancel(self, request_id):
        """Gives a job up. Its request is still answered, with kind `cancelled` or with the result if it was done."""
        self.notify("cancel", {"id": request_id})

    def check_room(self, *images):
        """`Refused` (kind `too_large`) unless the daemon takes images of these (width, height, px), all of them beside what
        it holds of ours. To be asked before they are read: the daemon itself answers when they have travelled."""
        largest, most = max((width * height for width, height, _ in images), default=0), self._limit("max_pixels", float("inf"))
        if largest > most:
            raise _too_large("%.1f megapixels, at most %.1f", largest, most)
        size = sum(width * height * BYTES_PER_PIXEL[px] for width, height, px in images)
        self._check_bytes(size, deep=any(px not in ("rgba8", "bgra8", "g8") for _, _, px in images))

    def _check_bytes(self, size, deep=False):
        whole, most = sum(self._held.values()) + size, self._limit("max_blob_bytes", float("inf"))
        if whole > most:
            raise _too_large("%.1f MB, at most %.1f", whole, most, ", or in 8 bits" if deep else "")

    def upload(self, size):
        """Begins a blob of `size` bytes; the returned `Upload` takes its pieces in order. `Refused` (kind `too_large`) if the
        daemon would not take it beside what it holds of ours."""
        self._check_bytes(size)
        self._blob_count += 1
        blob = "c%d" % self._blob_count
        self._held[blob] = size
        return Upload(self, blob, size)

    def put(self, data):
        """Queues all of `data` as a blob, uncopied, and returns its name."""
        data = memoryview(data).cast("B")
        upload = self.upload(len(data))
        for start in range(0, len(data), self.chunk_bytes):
            upload.write(data[start:start + self.chunk_bytes])
        return upload.blob

    def free(self, blob):
        """A blob of ours is no longer needed; running jobs keep what they hold."""
        self._held.pop(blob, None)
        self.notify("blob/free", {"blob": blob})

    def take(self, blob):
        """The bytes of a complete blob the daemon put; the conversation forgets it. `ProtocolError` if it never came."""
        try:
            return self._complete.pop(blob)
        except KeyError:
            raise ProtocolError("the daemon speaks of a blob %r that it never sent" % (blob,)) from None

    def receive(self, data):
        """Takes received bytes and returns the events they complete, in order: `Answer`s and `Notice`s."""
        events = (self.event(frame) for frame in self.decoder.feed(data))
        return [event for event in events if event is not None]

    def event(self, frame):
        """What one received frame means to the caller: an `Answer`, a `Notice`, or None (a piece of a blob)."""
        header, tail = frame
        if header.get("method") == "blob/put":
            self._received_piece(header.get("params"), tail)
            return None
        if isinstance(header.get("method"), str):
            params = header.get("params")
            return Notice(header["method"], params if isinstance(params, dict) else {}, tail)
        if "error" in header:
            return Answer(header.get("id"), None, Refused(header["error"]))
        if "result" not in header and header.get("tail") != "result":
            raise ProtocolError("a message that is neither an answer nor an event")
        result = header["result"] if "result" in header else _parse_json(tail)
        if header.get("id") == 0:
            self.server = result if isinstance(result, dict) else {}
            self.decoder.max_frame_bytes = MAX_FRAME_BYTES
        return Answer(header.get("id"), result, None)

    def _place(self, header, size):
        """A piece of a blob is received straight into the blob; every other tail into a buffer of its own."""
        if header.get("method") != "blob/put":
            return None
        params = header.get("params") if isinstance(header.get("params"), dict) else {}
        blob, whole, chunk = params.get("blob"), params.get("size"), params.get("chunk")
        if not isinstance(blob, str) or type(whole) is not int or not 0 < whole <= MAX_BLOB_BYTES:
            raise ProtocolError("a blob without name or of impossible size: %r" % (params,))
        if chunk == 0:
            self._begun[blob] = _Begun(bytearray(whole))
        begun = self._begun.get(blob)
        if begun is None or begun.chunks != chunk or len(begun.data) != whole or begun.have + size > whole:
            raise ProtocolError("a piece of blob %r that does not continue it" % blob)
        begun.chunks += 1
        begun.have += size
        return memoryview(begun.data)[begun.have - size:begun.have]

    def _received_piece(self, params, tail):
        if not len(tail):
            raise ProtocolError("an empty piece of a blob")
        if params.get("last"):
            begun = self._begun.pop(params["blob"])
            if begun.have != len(begun.data):
                raise ProtocolError("blob %r ended early" % params["blob"])
            self._complete[params["blob"]] = begun.data

    def patches(self, result):
        """The `Patch`es of a finished job's result; takes their blobs."""
        taken = {}
        found = []
        try:
            for patch in result["patches"]:
                rect, described = patch["rect"], patch["image"]
                blob = described["blob"]
                if blob not in taken:
                    taken[blob] = self.take(blob)
                box = (rect["x"], rect["y"], rect["w"], rect["h"])
                if (described["w"], described["h"]) != box[2:]:
                    raise ProtocolError("a patch whose picture is not as large as its rect")
                found.append(Patch(box, packed_pixels(described, taken[blob]), described["px"], patch.get("seed")))
        except (KeyError, TypeError) as error:
            raise ProtocolError("a result that cannot be read: %r" % error) from None
        return found


class _Begun:
    """A blob that is arriving: its whole buffer, bytes and pieces so far."""

    def __init__(self, data):
        self.data, self.have, self.chunks = data, 0, 0


class Upload:
    """A blob of ours on its way. Pieces must be at most `Conversation.chunk_bytes` long and add up to `size`."""

    def __init__(self, conversation, blob, size):
        self.blob, self.size = blob, size
        self._conversation, self._sent, self._chunk = conversation, 0, 0

    def write(self, piece):
        """Queues the next bytes. The last piece is recognised by the sum."""
        self._sent += memoryview(piece).nbytes
        if self._sent > self.size:
            raise ValueError("blob %s: %d bytes given, %d announced" % (self.blob, self._sent, self.size))
        params = {"blob": self.blob, "size": self.size, "chunk": self._chunk, "last": self._sent == self.size}
        self._conversation.notify("blob/put", params, piece)
        self._chunk += 1


# Where the daemon is

def home():
    """The folder the daemon keeps its files in, as the daemon itself computes it."""
    moved = os.environ.get("UNDERPAINT_HOME")
    if moved:
        return moved
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
        return os.path.join(local, "underpaint")
    # From `~`, not from XDG variables: inside a Flatpak those point elsewhere.
    return os.path.join(os.path.expanduser("~"), ".local", "state", "underpaint")


def find_endpoint():
    """Where a daemon listens, from `UNDERPAINT_SOCKET` or its `endpoint.json`. None if none has left word.

    An endpoint found is no proof of life: a killed daemon leaves the file behind.
    """
    override = os.environ.get("UNDERPAINT_SOCKET")
    if override:
        return Endpoint(override, None, None, None)
    try:
        with open(os.path.join(home(), "run", "endpoint.json"), encoding="utf-8") as file:
            found = json.load(file)
        return Endpoint(found["socket"], found.get("pid"), found.get("instance"), found.get("token_file"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


# The blocking client

PIPES = "\\\\.\\pipe\\"
"""What the path of a Windows named pipe begins with."""
PIPE_BUSY = 231
"""Windows' ERROR_PIPE_BUSY: every instance of the pipe is taken for a moment."""
PIPE_PIECE_BYTES = 1 << 20
PIPE_WAIT_S = (0.0005, 0.02)
"""How long to wait before a pipe is asked again: the first time, and at most."""


class Pipe:
    """A Windows named pipe with the methods of a socket that `Client` uses. CPython has no AF_UNIX there.

    It is a synchronous handle, on which a read that waits holds up every write and even `close`. So nothing waits inside
    a read: the pipe is asked first whether something has come.
    """

    def __init__(self, file, arrived):
        """`file`: the pipe, opened unbuffered; `arrived()`: how many bytes can be read, `OSError` at the end."""
        self._file, self._arrived = file, arrived
        self._over = False

    @classmethod
    def connect(cls, path, timeout_s, opener=open):
        """Opens the pipe; tries for `timeout_s` while it is busy. `OSError` if it is not there."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                file = opener(path, "r+b", buffering=0)
                return cls(file, _arrived(file))
            except OSError as error:
                # The C library, through which `open` goes, tells EINVAL for what it has no number for.
                busy = getattr(error, "winerror", None) == PIPE_BUSY or error.errno == errno.EINVAL
                if not busy or time.monotonic() > until:
                    raise
            time.sleep(PIPE_WAIT_S[1])

    def sendall(self, data):
        """Writes all of bytes-like `data`."""
        view = memoryview(data).cast("B")
        while len(view):
            view = view[self._file.write(view[:PIPE_PIECE_BYTES]):]

    def recv_into(self, buffer):
        """Waits for bytes; returns how many came. `ConnectionError` at the end, also if another thread makes it."""
        wait = PIPE_WAIT_S[0]
        try:
            while not self._over:
                if self._arrived():
                    return self._file.readinto(buffer)
                time.sleep(wait)
                wait = min(2 * wait, PIPE_WAIT_S[1])
        except (OSError, ValueError) as error:  # the other end is gone, or this one is closed
            raise ConnectionError(str(error)) from None
        raise ConnectionError("the pipe was closed")

    def settimeout(self, _timeout_s):
        """A pipe knows no time limits. A daemon that takes a connection answers `hello` or ends."""

    def shutdown(self, _how):
        """Lets a thread that waits in `recv_into` go."""
        self._over = True

    def close(self):
        """Gives the handle back."""
        self._over = True
        self._file.close()


def _arrived(file):
    """A function that tells how many bytes wait in the pipe; for Windows alone."""
    import _winapi
    import msvcrt
    handle = msvcrt.get_osfhandle(file.fileno())
    return lambda: _winapi.PeekNamedPipe(handle, 0)[0]


def _reach(path, timeout_s):
    """A blocking connection to whoever listens at `path`. `OSError` if nobody does."""
    if path.startswith(PIPES):
        return Pipe.connect(path, timeout_s)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


class Client:
    """A conversation on a blocking Unix socket (on Windows, a named pipe), for scripts, tests and editors whose plug-ins
    have their own process.

    One thread reads: whoever calls `call` or `Job.wait`. Another one may cancel a job or close the client meanwhile.
    Closing gives up its jobs, unless they were started with `keep=True`.
    """

    def __init__(self, sock, name="python", version="0.1.0", preview=False):
        self._sock = sock
        self.conversation = Conversation(name, version, preview=preview)
        self._answers, self._jobs = {}, {}
        self._writing = threading.RLock()  # what one thread queues and writes, no other comes between
        self.server = self._wait_for(0)

    @classmethod
    def connect(cls, path=None, name="python", version="0.1.0", preview=False, timeout_s=5.0):
        """Connects to the daemon at `path`, or to the one `find_endpoint` knows. `NotRunning` if nobody answers."""
        if path is None:
            endpoint = find_endpoint()
            if endpoint is None:
                raise NotRunning("Underpaint is not running; start it with `underpaint serve`.")
            path = endpoint.socket
        try:
            sock = _reach(path, timeout_s)
        except OSError as error:
            raise NotRunning("Underpaint does not answer at %s (%s)." % (path, error)) from None
        try:
            client = cls(sock, name, version, preview)
            sock.settimeout(None)
            return client
        except OSError as error:
            sock.close()
            raise NotRunning("Underpaint does not answer at %s (%s)." % (path, error)) from None
        except BaseException:
            sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection, for a thread that waits in it as well."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # closing alone would leave the daemon waiting until that thread is done
        except OSError:
            pass  # the other side was first
        self._sock.close()

    def call(self, method, params=None, tail=b""):
        """Asks and waits. Returns the result; raises `Refused`, `Disconnected` or `ProtocolError`."""
        with self._writing:
            request = self.conversation.request(method, params, tail)
        return self._wait_for(request)

    def put(self, data):
        """Sends bytes-like `data` as a blob; returns its name."""
        with self._writing:
            blob = self.conversation.put(data)
            self._flush()
        return blob

    def submit(self, method, params):
        """Starts a job (`generate`, `filter/apply`, `job/attach`) and returns it without waiting."""
        with self._writing:
            token = "t%d" % self.conversation._next_id
            params = dict(params, progress=token)
            job = Job(self, self.conversation.request(method, params), token)
            self._jobs[job.request_id] = job
            self._flush()
        return job

    def fill(self, pixels, extent, mask=None, px="rgba8", **params):
        """Starts a fill of a whole picture held in memory.

        `pixels`: packed rows of straight-alpha sRGB `px`, `extent` = (width, height); `mask`: packed g8 of the same
        size, 0 keeps, 255 repaints, None for a picture without a mask. `params`: the members of `generate`.
        """
        width, height = extent
        whole = {"x": 0, "y": 0, "w": width, "h": height}
        params.setdefault("mode", "fill" if mask is not None else "generate")
        blobs = [self.put(pixels)]
        params["canvas"] = {"extent": [width, height], "rect": whole, "image": image(blobs[0], width, height, px)}
        if mask is not None:
            blobs.append(self.put(mask))
            params["mask"] = {"rect": whole, "image": image(blobs[1], width, height, "g8")}
        job = self.submit("generate", params)
        for blob in blobs:
            self.conversation.free(blob)
        return job

    def attach(self, job):
        """A job of another connection, submitted with `keep=True`, to wait for here. `job` is its daemon-wide id."""
        return self.submit("job/attach", {"job": job})

    def _flush(self):
        outgoing = self.conversation.outgoing
        try:
            with self._writing:
                while outgoing:
                    self._sock.sendall(outgoing[0])
                    outgoing.popleft()
        except OSError as error:
            raise Disconnected("the connection to Underpaint broke: %s" % error) from None

    def _wait_for(self, request_id):
        while request_id not in self._answers:
            self._turn()
        answer = self._answers.pop(request_id)
        if answer.error is not None:
            raise answer.error
        return answer.result

    def _turn(self):
        """Writes what is queued, then waits for one event and files it."""
        self._flush()
        decoder = self.conversation.decoder
        frame = None
        while frame is None:
            try:
                count = self._sock.recv_into(decoder.space())
            except ConnectionError:
                count = 0
            if count == 0:
                raise Disconnected("Underpaint closed the connection.")
            frame = decoder.filled(count)
        event = self.conversation.event(frame)
        if isinstance(event, Answer):
            if event.id is None:
                raise event.error or ProtocolError("an answer to nothing")
            self._answers[event.id] = event
        elif isinstance(event, Notice):
            for job in self._jobs.values():
                job._heard(event)


class Job:
    """A job on its way. `id` is the daemon-wide job id once the daemon named it, else None; `state` the last told."""

    def __init__(self, client, request_id, token):
        self._client, self._token = client, token
        self.request_id, self.id, self.state = request_id, None, None
        self.on_progress = None
        self.on_notice = None
        """Called with every `Notice` about this job, its tail included: states, progress, previews."""
        self.result = None

    def _heard(self, notice):
        params = notice.params
        if notice.method == "job/state" and (params.get("id") == self.request_id or params.get("job") == self.id):
            self.id, self.state = params.get("job"), params.get("state")
        elif notice.method == "progress" and params.get("progress") == self._token:
            if self.on_progress:
                self.on_progress(params)
        else:
            return
        if self.on_notice:
            self.on_notice(notice)

    def wait_until(self, *states):
        """Blocks until the daemon told one of `states`, or a final one. Returns the state."""
        while self.state not in states + ("done", "failed", "cancelled"):
            self._client._turn()
        return self.state

    def cancel(self):
        """Gives the job up; `wait` then raises `Refused` of kind `cancelled`, or returns if it was done already."""
        with self._client._writing:
            self._client.conversation.cancel(self.request_id)
            self._client._flush()

    def wait(self, on_progress=None):
        """Blocks until the job ends; returns its `Patch`es. `on_progress` gets every progress event's members."""
        self.on_progress = on_progress
        try:
            self.result = self._client._wait_for(self.request_id)
        finally:
            self._client._jobs.pop(self.request_id, None)
        return self._client.conversation.patches(self.result)
