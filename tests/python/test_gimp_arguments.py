"""What the GIMP plug-in reads of its arguments, without a GIMP.

    python3 -m unittest discover tests/python
"""

import importlib.util
import pathlib
import sys
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]


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
            spec = importlib.util.spec_from_file_location("gimp_procedures", str(ROOT / "adapters/gimp/underpaint/procedures.py"))
            cls.procedures = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(cls.procedures)
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
