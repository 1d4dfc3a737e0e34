"""The Windows pipe of the Python client, against the real daemon. No Windows here: its two functions are played over
the daemon's Unix socket, and what is tested is everything that is built upon them.
"""

import errno
import fcntl
import functools
import io
import os
import socket
import struct
import termios
import threading
import unittest
from unittest import mock

import test_daemon
from test_daemon import mask, picture

import underpaint_client as up

NAME = up.PIPES + "underpaint-9f2c41d7a0b35e68"


class Windows:
    """`open` and `PeekNamedPipe` as the client's pipe needs them; the pipe leads to `path`."""

    def __init__(self, path, busy=0):
        self.path, self.busy, self.opened = path, busy, []

    def open(self, name, mode, buffering):
        self.opened.append((name, mode, buffering))
        if self.busy:
            self.busy -= 1
            raise OSError(errno.EINVAL, "Invalid argument")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            raise FileNotFoundError(errno.ENOENT, "No such file or directory") from None
        return io.FileIO(sock.detach(), "r+")

    @staticmethod
    def peek(handle):
        here = struct.unpack("i", fcntl.ioctl(handle, termios.FIONREAD, b"\0" * 4))[0]
        if not here:  # nothing yet, or never again
            sock = socket.socket(fileno=os.dup(handle))
            with sock:
                try:
                    if sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                        raise BrokenPipeError(errno.EPIPE, "The pipe has been ended")
                except BlockingIOError:
                    pass
        return here

    def __enter__(self):
        opened = functools.partial(up.Pipe.connect, opener=self.open)
        self.patches = [mock.patch.object(up.Pipe, "connect", opened),
                        mock.patch.object(up, "_arrived", lambda file: functools.partial(self.peek, file.fileno()))]
        for patch in self.patches:
            patch.start()
        return self

    def __exit__(self, *_):
        for patch in self.patches:
            patch.stop()


class Pipes(test_daemon.WithDaemon):
    def windows(self, **how):
        return Windows(os.path.join(self.daemon.home.name, "run", "daemon.sock"), **how)

    def test_a_picture_goes_there_and_a_patch_comes_back(self):
        with self.windows(busy=3) as windows, up.Client.connect(NAME) as client:
            self.assertEqual(windows.opened, [(NAME, "r+b", 0)] * 4)
            (patch,) = client.fill(tiled_up(self), self.LARGE, boxed_up(self), seed=7).wait()
        with self.daemon.connect() as client:
            (same,) = client.fill(tiled_up(self), self.LARGE, boxed_up(self), seed=7).wait()
        self.assertEqual((patch.rect, bytes(patch.pixels)), (same.rect, bytes(same.pixels)))

    def test_another_thread_can_cancel_while_one_waits(self):
        with self.windows(), up.Client.connect(NAME) as client:
            job = client.fill(tiled_up(self), self.LARGE, boxed_up(self))
            job.wait_until("running")
            other = threading.Thread(target=job.cancel)
            other.start()
            with self.assertRaises(up.Refused) as caught:
                job.wait()
            other.join()
            self.assertEqual(caught.exception.kind, "cancelled")

    def test_closing_lets_a_thread_that_waits_go(self):
        with self.windows():
            client = up.Client.connect(NAME)
            job = client.fill(tiled_up(self), self.LARGE, boxed_up(self))
            job.wait_until("running")
            ended = []

            def wait():
                try:
                    job.wait()
                except (up.Disconnected, ValueError) as error:
                    ended.append(error)

            waiting = threading.Thread(target=wait)
            waiting.start()
            client.close()
            waiting.join()
            self.assertEqual([type(error) for error in ended], [up.Disconnected])

    def test_nobody_there_is_not_running_and_a_daemon_that_ends_is_noticed(self):
        with Windows("/nowhere"), self.assertRaises(up.NotRunning):
            up.Client.connect(NAME)
        with self.windows(busy=10 ** 9), self.assertRaises(up.NotRunning):
            up.Client.connect(NAME, timeout_s=0.05)
        daemon = test_daemon.Daemon()
        self.addCleanup(daemon.close)
        with Windows(os.path.join(daemon.home.name, "run", "daemon.sock")), up.Client.connect(NAME) as client:
            daemon.stop()
            with self.assertRaises(up.Disconnected):
                client.call("ping")
                client.call("ping")

    def test_small_pictures_too(self):
        with self.windows(), up.Client.connect(NAME) as client:
            extent = (self.WIDTH, self.HEIGHT)
            (patch,) = client.fill(picture(*extent, self.HOLE), extent, mask(*extent, self.HOLE), seed=1).wait()
        self.assertEqual(patch.seed, 1)


def tiled_up(case):
    return test_daemon.tiled(*case.LARGE)


def boxed_up(case):
    return test_daemon.boxed(*case.LARGE, case.LARGE_HOLE)


if __name__ == "__main__":
    unittest.main()
