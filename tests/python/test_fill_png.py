"""The smallest adapter, `adapters/python/fill_png.py`, against the real daemon, and the PNGs it reads."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import test_daemon
from test_daemon import ROOT, mask, picture

sys.path.insert(0, str(ROOT / "adapters/python"))

import png_file  # noqa: E402

ADAPTER = ROOT / "adapters/python/fill_png.py"
PICTURES = ROOT / "tests/pictures"


class Pictures(unittest.TestCase):
    def test_what_is_read_is_what_is_in_the_file(self):
        expected = json.loads((PICTURES / "expected.json").read_text())
        for name in ("rgb8.png", "rgba8.png", "grey8.png", "grey-alpha8.png"):
            with self.subTest(name):
                wide = bytes.fromhex(expected[name]["rgba16"])
                width, height, alpha, rgba = png_file.read(PICTURES / name)
                self.assertEqual((width, height), (expected[name]["w"], expected[name]["h"]))
                self.assertEqual((alpha, bytes(rgba)), (expected[name]["alpha"], wide[0::2]))

    def test_every_filter_of_a_row_is_undone(self):
        # Two rows of two grey pixels, 10 20 / 30 50, the second as each of PNG's filters would store it.
        for kind, stored in [(0, (30, 50)), (1, (30, 20)), (2, (20, 30)), (3, (25, 25)), (4, (20, 20))]:
            with self.subTest(kind):
                self.assertEqual(bytes(png_file._unfiltered(bytes((0, 10, 20, kind) + stored), 2, 1)), bytes((10, 20, 30, 50)))

    def test_what_cannot_be_read_is_refused_with_its_name(self):
        with tempfile.TemporaryDirectory() as folder:
            cut = os.path.join(folder, "cut.png")
            with open(cut, "wb") as file:
                file.write((PICTURES / "rgb8.png").read_bytes()[:80])
            for path in (cut, PICTURES / "rgb16.png", PICTURES / "palette.png", PICTURES / "interlaced.png", PICTURES / "rgb.bmp"):
                with self.subTest(path), self.assertRaisesRegex(ValueError, os.path.basename(path)):
                    png_file.read(path)


class Filling(test_daemon.WithDaemon):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.photo, self.mask, self.out = (os.path.join(folder.name, name) for name in ("photo.png", "mask.png", "out.png"))
        self.rgba = picture(self.WIDTH, self.HEIGHT, self.HOLE)
        self.selected = mask(self.WIDTH, self.HEIGHT, self.HOLE, edge=6)
        png_file.write(self.photo, self.WIDTH, self.HEIGHT, False, self.rgba)
        self.write_mask(self.selected)

    def write_mask(self, grey):
        png_file.write(self.mask, self.WIDTH, self.HEIGHT, False, b"".join(bytes((g, g, g, 255)) for g in grey))

    def run_adapter(self, *options, home=None):
        environment = dict(self.daemon.environment, UNDERPAINT_HOME=home or self.daemon.home.name)
        return subprocess.run([sys.executable, str(ADAPTER), self.photo, self.mask, self.out, *options], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def test_the_hole_is_filled_and_nothing_else_is_touched(self):
        for alpha in (False, True):
            with self.subTest(alpha=alpha):
                png_file.write(self.photo, self.WIDTH, self.HEIGHT, alpha, self.rgba)
                said = self.run_adapter("--seed", "7")
                self.assertEqual((said.returncode, said.stdout), (0, ""), said.stderr)
                self.assertRegex(said.stderr, r"\w+ \d+/\d+")
                width, height, has_alpha, filled = png_file.read(self.out)
                self.assertEqual((width, height, has_alpha), (self.WIDTH, self.HEIGHT, alpha))
                magenta = bytes((255, 0, 255))
                for at, selected in enumerate(self.selected):
                    before, after = self.rgba[at * 4:at * 4 + 4], bytes(filled[at * 4:at * 4 + 4])
                    if selected == 0:
                        self.assertEqual(after, before, at)
                    if before[:3] == magenta:
                        self.assertNotEqual(after[:3], magenta, at)

    def test_the_same_seed_makes_the_same_file(self):
        made = []
        for _ in range(2):
            self.assertEqual(self.run_adapter("--mode", "remove", "--seed", "3").returncode, 0)
            with open(self.out, "rb") as file:
                made.append(file.read())
        self.assertEqual(made[0], made[1])

    def test_what_goes_wrong_is_one_sentence(self):
        with tempfile.TemporaryDirectory() as nobody:
            rows = [("not running", dict(home=nobody), None), ("seed", {"options": ["--seed", "-1"]}, None),
                    ("nothing is selected", {}, bytes(self.WIDTH * self.HEIGHT))]
            for sentence, how, drawn in rows:
                with self.subTest(sentence):
                    if drawn is not None:
                        self.write_mask(drawn)
                    said = self.run_adapter(*how.pop("options", []), **how)
                    self.assertEqual(said.returncode, 1)
                    self.assertRegex(said.stderr, r"\Aerror: .*%s.*\n\Z" % sentence)
                    self.assertFalse(os.path.exists(self.out))

    def test_it_stays_as_short_as_it_is_called(self):
        self.assertLessEqual(len(ADAPTER.read_text().splitlines()), 100)


if __name__ == "__main__":
    unittest.main()
