"""A Windows named pipe that is spoken on like a socket, for `underpaint_client.Client`.

One file, standard library only, Python 3.8 syntax, copied next to the plug-ins as underpaint_client.py is. Decision: Python
opens a pipe as a file, whose handle does one thing at a time: a read that waits would hold up what another thread
writes, and a cancel with it. So a read looks first whether something has come, and naps while nothing has.
"""

import errno
import time

PREFIX = "\\\\.\\pipe\\"
NAP_S = 0.002
PIECE_BYTES = 1 << 20
BUSY = 231
"""ERROR_PIPE_BUSY: all its instances are taken, and the daemon is about to make the next one."""


class Pipe:
    """The pipe at `path`, connected. `OSError` if there is none, or it stays busy for `timeout_s`."""

    def __init__(self, path, timeout_s):
        import msvcrt

        until = time.monotonic() + timeout_s
        while True:
            try:
                self._file = open(path, "r+b", buffering=0)
                break
            except OSError as error:
                busy = getattr(error, "winerror", None) == BUSY or error.errno == errno.EINVAL
                if not busy or time.monotonic() > until:
                    raise
                time.sleep(NAP_S)
        self._handle = msvcrt.get_osfhandle(self._file.fileno())
        self._timeout_s = timeout_s
        self._over = False

    def settimeout(self, seconds):
        """How long `recv_into` waits; None: for ever."""
        self._timeout_s = seconds

    def sendall(self, data):
        """Writes all of it."""
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self._file.write(rest[:PIECE_BYTES]):]

    def recv_into(self, buffer):
        """Waits for bytes and returns how many came; 0 when the other side has gone, or `shutdown` was called."""
        until = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self._over:
            here = self._waiting()
            if here:
                return self._read(memoryview(buffer)[:here]) if here > 0 else 0
            if until is not None and time.monotonic() > until:
                raise TimeoutError("nothing was heard")
            time.sleep(NAP_S)
        return 0

    def _read(self, space):
        try:
            return self._file.readinto(space)
        except ValueError:  # closed by another thread a moment ago
            return 0

    def _waiting(self):
        """Bytes that can be read at once; -1 when no more will come."""
        import _winapi

        try:
            return _winapi.PeekNamedPipe(self._handle, 0)[0]
        except OSError:
            return -1

    def shutdown(self, _how=None):
        """Lets a thread that waits in `recv_into` go."""
        self._over = True

    def close(self):
        """Ends the connection."""
        self._over = True
        self._file.close()
