"""The zips that editors' plug-ins are handed over in, and what the GIMP plug-in reads of its arguments.

    python3 -m unittest discover tests/python
"""

import importlib.util
import pathlib
import stat
import sys
import tempfile
import types
import unittest
import zipfile
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name, path):
    """A module from a file, under a name of its own: both packers are called pack.py."""
    spec = importlib.util.spec_from_file_location(name, str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Packs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_gimps_zip_holds_all_and_its_main_file_can_be_run(self):
        pack = load("gimp_pack", ROOT / "adapters/gimp/pack.py")
        pack.zip_to(self.folder / "a.zip")
        pack.zip_to(self.folder / "b.zip")
        self.assertEqual((self.folder / "a.zip").read_bytes(), (self.folder / "b.zip").read_bytes())
        with zipfile.ZipFile(str(self.folder / "a.zip")) as archive:
            modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        own = {"underpaint/" + path.name for path in (ROOT / "adapters/gimp/underpaint").glob("*.py")}
        shared = {"underpaint/" + path.name for path in (ROOT / "adapters/python").glob("*.py")}
        self.assertEqual(set(modes), own | shared)
        self.assertEqual({name for name, mode in modes.items() if mode & stat.S_IXUSR}, {"underpaint/underpaint.py"})
        self.assertTrue(all(stat.S_ISREG(mode) for mode in modes.values()))

    def test_laid_out_it_replaces_an_older_one_and_names_the_program(self):
        pack = load("gimp_pack", ROOT / "adapters/gimp/pack.py")
        old = self.folder / "underpaint/old.py"
        old.parent.mkdir()
        old.write_text("")
        pack.copy_to(self.folder, self.folder / "bin/underpaint")
        self.assertFalse(old.exists())
        self.assertIn("bin/underpaint", (self.folder / "underpaint/installed.json").read_text())
        self.assertTrue((self.folder / "underpaint/underpaint.py").stat().st_mode & stat.S_IXUSR)


class Arguments(unittest.TestCase):
    """procedures.py, with what it needs of GIMP replaced: scenarios in a real GIMP are tests/gimp's."""

    @classmethod
    def setUpClass(cls):
        class Sorry(Exception):
            pass
        gi = types.ModuleType("gi.repository")
        gi.Gimp, gi.GObject = mock.MagicMock(), mock.MagicMock()
        stubs = {"gi": types.ModuleType("gi"), "gi.repository": gi, "daemon": mock.MagicMock(), "job": mock.MagicMock(),
                 "picture": types.SimpleNamespace(Sorry=Sorry)}
        with mock.patch.dict(sys.modules, stubs):
            cls.procedures = load("gimp_procedures", ROOT / "adapters/gimp/underpaint/procedures.py")
        cls.Sorry = Sorry

    def test_filters_are_a_name_or_json(self):
        rows = [
            ("", []), ("  ", []), (" film-grain ", [{"name": "film-grain", "params": {}}]),
            ('{"name": "lut"}', [{"name": "lut"}]),
            ('[{"name": "a", "params": {"x": 1}}, {"name": "b"}]', [{"name": "a", "params": {"x": 1}}, {"name": "b"}]),
        ]
        for text, chain in rows:
            with self.subTest(text):
                self.assertEqual(self.procedures.parse_chain(text), chain)
        for text in ("[", "[1]", "[[]]", "{}", '[{"name": 7}]', '{"name": "a", "params": []}', '{"name": "a", "images": {"stamp": "12"}}', "[" * 100000):
            with self.subTest(text[:20]), self.assertRaises(self.Sorry):
                self.procedures.parse_chain(text)

    def test_a_style_becomes_arguments_and_leaves_the_words(self):
        found = self.procedures.arguments_of({"model": "m", "steps": 8, "denoise_strength": 0.6, "filters": [{"name": "a"}]})
        self.assertEqual((found["model"], found["steps"], found["strength"], found["guidance"]), ("m", 8, 60, 0))
        self.assertEqual(self.procedures.parse_chain(found["filters"]), [{"name": "a"}])
        self.assertNotIn("prompt", found)
        self.assertEqual(self.procedures.arguments_of({"prompt": "x"})["prompt"], "x")

    def test_arguments_at_their_defaults_are_left_to_the_daemon(self):
        usual = {"prompt": "", "negative-prompt": " ", "model": "", "strength": 100, "steps": 0, "guidance": 0, "seed": -1, "batch": 1}
        self.assertEqual(self.procedures._members(usual.get), {})
        given = dict(usual, prompt="a\ncat ", strength=40, seed=float(1 << 52), batch=3, guidance=4.5)
        self.assertEqual(self.procedures._members(given.get), {
            "prompt": "a\ncat", "denoise_strength": 0.4, "seed": 1 << 52, "batch": 3, "guidance_scale": 4.5})
        with self.assertRaises(self.Sorry):
            self.procedures._members(dict(usual, prompt="é" * 10000).get)


if __name__ == "__main__":
    unittest.main()
