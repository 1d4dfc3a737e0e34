"""The shared Python client against the real daemon: a fill from raw pixels, cancel, attach, errors, sudden ends.

    UNDERPAINT_BIN=target/debug/underpaint python3 -m unittest discover tests/python
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "adapters/python"))

import underpaint_client as up  # noqa: E402

DAEMON = pathlib.Path(os.environ.get("UNDERPAINT_BIN") or ROOT / "target/debug/underpaint")
IS_HERE = os.access(str(DAEMON), os.X_OK)
START_S = 30


def picture(width, height, hole=None):
    """A grid of soft waves as packed rgba8; `hole` (x, y, w, h) is filled with pure magenta."""
    wave = [96 + 12 * min(step, 16 - step) for step in range(16)]
    rows = bytearray()
    for y in range(height):
        for x in range(width):
            rows += bytes((wave[x % 16], wave[y % 16], (wave[x % 16] + wave[y % 16]) // 2, 255))
    if hole:
        x, y, wide, high = hole
        for row in range(y, y + high):
            rows[(row * width + x) * 4:(row * width + x + wide) * 4] = bytes((255, 0, 255, 255)) * wide
    return bytes(rows)


def mask(width, height, box, edge=0):
    """255 inside `box`, falling to 0 over `edge` pixels around it."""
    x, y, wide, high = box
    rows = bytearray()
    for row in range(height):
        for column in range(width):
            away = max(x - column, column - (x + wide - 1), y - row, row - (y + high - 1), 0)
            rows.append(255 if away == 0 else max(0, 255 - 255 * away // (edge + 1)))
    return bytes(rows)


def tiled(width, height):
    """A large picture, quickly made."""
    tile = picture(16, 16)
    rows = [tile[y * 64:y * 64 + 64] * (width // 16) for y in range(16)]
    return b"".join(rows[y % 16] for y in range(height))


def boxed(width, height, box):
    """A large hard mask, quickly made."""
    x, y, wide, high = box
    inside = bytes(x) + b"\xff" * wide + bytes(width - x - wide)
    return bytes(width) * y + inside * high + bytes(width) * (height - y - high)


class Daemon:
    """A daemon with a home of its own."""

    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="upp-")  # short: a socket's path has at most 107 bytes
        self.environment = dict(os.environ, UNDERPAINT_HOME=self.home.name)
        self.environment.pop("UNDERPAINT_SOCKET", None)
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(DAEMON), "serve"], env=self.environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
                return
            except up.NotRunning:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def connect(self, **options):
        return up.Client.connect(os.path.join(self.home.name, "run", "daemon.sock"), **options)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(START_S)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.home.cleanup()


class WithDaemon(unittest.TestCase):
    WIDTH, HEIGHT, HOLE = 160, 120, (60, 40, 32, 30)
    LARGE = (1600, 1200)
    LARGE_HOLE = (320, 240, 960, 720)

    @classmethod
    def setUpClass(cls):
        if not IS_HERE:
            if os.environ.get("UNDERPAINT_CI"):
                raise AssertionError("there is no daemon at %s" % DAEMON)
            raise unittest.SkipTest("there is no daemon at %s; build it with `cargo build -p underpaint`" % DAEMON)
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.close)

    def fill(self, client, edge=0, **params):
        params.setdefault("seed", 7)
        return client.fill(picture(self.WIDTH, self.HEIGHT, self.HOLE), (self.WIDTH, self.HEIGHT),
                           mask(self.WIDTH, self.HEIGHT, self.HOLE, edge), **params)

    def large_fill(self, client, **params):
        return client.fill(tiled(*self.LARGE), self.LARGE, boxed(*self.LARGE, self.LARGE_HOLE), **params)


class Fills(WithDaemon):
    def test_a_fill_comes_back_as_a_patch_that_only_touches_the_mask(self):
        for mode in ("fill", "remove"):
            with self.subTest(mode), self.daemon.connect() as client:
                job = self.fill(client, mode=mode)
                (patch,) = job.wait()
                self.assertEqual(job.state, "done")
                self.assertEqual((patch.px, patch.seed), ("rgba8", 7))
                x, y, width, height = patch.rect
                self.assertTrue(0 <= x and 0 <= y and x + width <= self.WIDTH and y + height <= self.HEIGHT, patch.rect)
                self.assertLess(width * height, self.WIDTH * self.HEIGHT)
                pixels = bytes(patch.pixels)
                for at in range(0, len(pixels), 4):
                    red, green, blue, alpha = pixels[at:at + 4]
                    if alpha == 0:
                        self.assertEqual((red, green, blue), (0, 0, 0))
                hole_x, hole_y, wide, high = self.HOLE
                for row in range(hole_y, hole_y + high):
                    for column in range(hole_x, hole_x + wide):
                        at = ((row - y) * width + column - x) * 4
                        red, green, blue, alpha = pixels[at:at + 4]
                        self.assertEqual(alpha, 255, (column, row))
                        self.assertFalse(red > 220 and green < 60 and blue > 220, "(%d, %d) is still magenta" % (column, row))

    def test_the_same_seed_makes_the_same_picture(self):
        with self.daemon.connect() as client:
            first, second = ([(p.rect, bytes(p.pixels)) for p in self.fill(client, seed=11).wait()] for _ in range(2))
        self.assertEqual(first, second)

    def test_a_soft_mask_gives_a_soft_patch(self):
        with self.daemon.connect() as client:
            (patch,) = self.fill(client, edge=12).wait()
        self.assertGreater(len(set(bytes(patch.pixels)[3::4])), 8)

    def test_the_order_of_the_bytes_is_the_canvas_own(self):
        with self.daemon.connect() as client:
            (rgba,) = self.fill(client).wait()
            swapped = bytearray(picture(self.WIDTH, self.HEIGHT, self.HOLE))
            swapped[0::4], swapped[2::4] = swapped[2::4], swapped[0::4]
            (bgra,) = client.fill(bytes(swapped), (self.WIDTH, self.HEIGHT), mask(self.WIDTH, self.HEIGHT, self.HOLE),
                                  px="bgra8", seed=7).wait()
        back = bytearray(bgra.pixels)
        back[0::4], back[2::4] = back[2::4], back[0::4]
        self.assertEqual((bgra.px, bgra.rect, bytes(back)), ("bgra8", rgba.rect, bytes(rgba.pixels)))

    def test_context_lies_within_the_canvas_and_around_the_mask(self):
        x, y, width, height = self.HOLE
        asked = {"mode": "fill", "extent": [4000, 3000], "mask_bounds": {"x": x, "y": y, "w": width, "h": height}}
        with self.daemon.connect() as client:
            rect = client.call("fill/context", asked)["rect"]
        self.assertTrue(0 <= rect["x"] <= x and 0 <= rect["y"] <= y, rect)
        self.assertTrue(x + width <= rect["x"] + rect["w"] <= 4000 and y + height <= rect["y"] + rect["h"] <= 3000, rect)

    def test_progress_is_told_and_never_goes_back(self):
        told = []
        with self.daemon.connect() as client:
            self.large_fill(client).wait(on_progress=told.append)
        self.assertTrue(told)
        for before, after in zip(told, told[1:]):
            if before["stage"] == after["stage"]:
                self.assertLessEqual(before["step"], after["step"])
        self.assertTrue(all(0 <= event["step"] <= event["steps"] for event in told))

    def test_a_bad_request_is_a_sentence_and_the_connection_lives(self):
        rows = [("steps", {"steps": 0}), ("denoise_strength", {"denoise_strength": 1.5}), ("seed", {"seed": -1}),
                ("model", {"model": "../../etc/passwd"}), ("filters", {"filters": [{"name": "no-such-filter"}]})]
        with self.daemon.connect() as client:
            for name, params in rows:
                with self.subTest(name), self.assertRaises(up.Refused) as caught:
                    self.fill(client, **params).wait()
                self.assertGreater(len(str(caught.exception)), 10)
                self.assertIn(caught.exception.kind, ("invalid_params", "no_such_model"))
            self.assertEqual(client.call("ping"), {})


class Filterings(WithDaemon):
    GRAIN = {"name": "film-grain", "params": {"strength": 1}}

    def apply(self, client, **params):
        width, height = self.WIDTH, self.HEIGHT
        pixels = client.put(picture(width, height))
        soft = client.put(mask(width, height, self.HOLE, 9))
        if params.pop("masked", True):
            params["mask"] = up.image(soft, width, height, "g8")
        params.setdefault("filters", [self.GRAIN])
        return client.submit("filter/apply", dict(
            params, image=up.image(pixels, width, height, "rgba8"), rect={"x": 1000, "y": 500, "w": width, "h": height}))

    def test_a_clipped_result_is_the_whole_one_as_transparent_as_the_mask(self):
        with self.daemon.connect() as client:
            (whole,), (clipped,) = self.apply(client).wait(), self.apply(client, clip=True).wait()
        x, y, wide, high = self.HOLE
        self.assertEqual(whole.rect, (1000, 500, self.WIDTH, self.HEIGHT))
        self.assertEqual(clipped.rect, (1000 + x - 9, 500 + y - 9, wide + 18, high + 18))
        selected = mask(self.WIDTH, self.HEIGHT, self.HOLE, 9)
        for row in range(high + 18):
            for column in range(wide + 18):
                at, there = (row * (wide + 18) + column) * 4, (row + y - 9) * self.WIDTH + column + x - 9
                pixel = bytes(clipped.pixels[at:at + 4])
                self.assertEqual(pixel[3], selected[there])
                if pixel[3]:
                    self.assertEqual(pixel[:3], bytes(whole.pixels[there * 4:there * 4 + 3]))

    def test_where_nothing_is_selected_there_is_no_patch(self):
        with self.daemon.connect() as client:
            empty = up.image(client.put(bytes(self.WIDTH * self.HEIGHT)), self.WIDTH, self.HEIGHT, "g8")
            self.assertEqual(self.apply(client, masked=False, mask=empty, clip=True).wait(), [])

    def test_what_does_not_go_together_is_refused(self):
        with self.daemon.connect() as client:
            words, broken = client.put(b"words"), client.put(b"\xff")
            for params, kind, field in [
                    ({"masked": False, "clip": True}, "invalid_params", "clip"),
                    ({"filters": [dict(self.GRAIN, texts={"strength": words})]}, "invalid_params", "filters"),
                    ({"filters": [dict(self.GRAIN, texts={"nothing": words})]}, "invalid_params", "filters"),
                    ({"filters": [dict(self.GRAIN, texts={"strength": broken})]}, "invalid_params", "filters[0].texts.strength"),
                    ({"filters": [dict(self.GRAIN, texts={"strength": "c99"})]}, "no_such_blob", "filters[0].texts.strength")]:
                with self.subTest(params), self.assertRaises(up.Refused) as refused:
                    self.apply(client, **params).wait()
                self.assertEqual((refused.exception.kind, refused.exception.field), (kind, field))


class Endings(WithDaemon):
    def test_cancel_ends_the_job_and_frees_the_device(self):
        with self.daemon.connect() as client:
            job = self.large_fill(client)
            self.assertEqual(job.wait_until("running"), "running")
            job.cancel()
            with self.assertRaises(up.Refused) as caught:
                job.wait()
            self.assertEqual(caught.exception.kind, "cancelled")
            self.assertEqual(len(self.fill(client).wait()), 1)

    def test_a_kept_job_outlives_its_connection(self):
        with self.daemon.connect() as client:
            job = self.large_fill(client, keep=True, seed=3)
            job.wait_until("running")
            number = job.id
        with self.daemon.connect() as client:
            attached = client.attach(number)
            (patch,) = attached.wait()
            self.assertEqual(patch.seed, 3)
            self.assertEqual(client.attach(number).wait()[0].rect, patch.rect)
            client.call("job/forget", {"job": number})
            with self.assertRaises(up.Refused) as caught:
                client.attach(number).wait()
            self.assertEqual(caught.exception.kind, "no_such_job")

    def test_the_job_of_a_client_that_vanishes_is_cancelled(self):
        gone = self.daemon.connect()
        job = self.large_fill(gone)
        job.wait_until("running")
        number = job.id
        gone.close()
        with self.daemon.connect() as client:
            self.assertEqual(len(self.fill(client).wait()), 1)
            with self.assertRaises(up.Refused) as caught:
                client.attach(number).wait()
            self.assertEqual(caught.exception.kind, "no_such_job")

    def test_a_daemon_that_is_killed_is_noticed_and_can_be_started_again(self):
        client = self.daemon.connect()
        job = self.large_fill(client)
        job.wait_until("running")
        self.daemon.stop(signal.SIGKILL)
        with self.assertRaises(up.Disconnected):
            job.wait()
        client.close()
        with self.assertRaises(up.NotRunning):
            self.daemon.connect()
        self.daemon.start()
        with self.daemon.connect() as client:
            self.assertEqual(len(self.fill(client).wait()), 1)


if __name__ == "__main__":
    unittest.main()
