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
    """arguments.py, with what it needs of GIMP replaced: scenarios in a real GIMP are tests/gimp's."""

    @classmethod
    def setUpClass(cls):
        class Sorry(Exception):
            pass
        stubs = {"job": mock.MagicMock(), "picture": types.SimpleNamespace(Sorry=Sorry),
                 "sentences": types.SimpleNamespace(any_of=", ".join)}
        plugin = ROOT / "adapters/gimp/underpaint"
        beside = [str(plugin), str(ROOT / "adapters/python")]
        with mock.patch.dict(sys.modules, stubs), mock.patch.object(sys, "path", beside + sys.path):
            spec = importlib.util.spec_from_file_location("gimp_arguments", str(plugin / "arguments.py"))
            cls.arguments = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(cls.arguments)
        cls.Sorry = Sorry

    def test_filters_are_a_name_or_json(self):
        rows = [
            ("", []), ("  ", []), (" film-grain ", [{"name": "film-grain", "params": {}}]),
            ('{"name": "lut"}', [{"name": "lut"}]),
            ('[{"name": "a", "params": {"x": 1}}, {"name": "b"}]', [{"name": "a", "params": {"x": 1}}, {"name": "b"}]),
        ]
        for text, chain in rows:
            with self.subTest(text):
                self.assertEqual(self.arguments.parse_chain(text), chain)
        for text in ("[", "[1]", "[[]]", "{}", '[{"name": 7}]', '{"name": "a", "params": []}', '{"name": "a", "images": {"stamp": "12"}}', "[" * 100000):
            with self.subTest(text[:20]), self.assertRaises(self.Sorry):
                self.arguments.parse_chain(text)

    def test_a_style_becomes_arguments_and_leaves_the_words(self):
        found = self.arguments.arguments_of({"model": "m", "steps": 8, "denoise_strength": 0.6, "filters": [{"name": "a"}]})
        self.assertEqual((found["model"], found["steps"], found["strength"], found["guidance"]), ("m", 8, 60, 0))
        self.assertEqual(self.arguments.parse_chain(found["filters"]), [{"name": "a"}])
        self.assertNotIn("prompt", found)
        self.assertEqual(self.arguments.arguments_of({"prompt": "x"})["prompt"], "x")

    def test_arguments_at_their_defaults_are_left_to_the_daemon(self):
        usual = {"prompt": "", "negative-prompt": " ", "model": "", "strength": 100, "steps": 0, "guidance": 0, "seed": -1, "batch": 1, "loras": ""}
        self.assertEqual(self.arguments._members(usual.get), {})
        given = dict(usual, prompt="a\ncat ", strength=40, seed=float(1 << 52), batch=3, guidance=4.5)
        self.assertEqual(self.arguments._members(given.get), {
            "prompt": "a\ncat", "denoise_strength": 0.4, "seed": 1 << 52, "batch": 3, "guidance_scale": 4.5})
        with self.assertRaises(self.Sorry):
            self.arguments._members(dict(usual, prompt="é" * 10000).get)

    def test_lists_are_written_as_on_the_command_line(self):
        rows = [
            ("", []), (" ; ", []), ("ink", [{"name": "ink"}]), ("ink , weight = .7", [{"name": "ink", "weight": 0.7}]),
            ("a/ink, v2,weight=-0.5,text-weight=0; b\\;c", [{"name": "a/ink, v2", "weight": -0.5, "text_weight": 0}, {"name": "b;c"}]),
        ]
        for text, loras in rows:
            with self.subTest(text):
                self.assertEqual(self.arguments.parse_loras(text), loras)
                self.assertEqual(self.arguments.parse_loras(self.arguments.loras_text(loras)), loras)
        self.assertEqual(self.arguments.parse_controls("canny, layer=Sketch, rough, weight=1,preprocess=canny;depth,start=0.2"), [
            {"model": "canny", "layer": "Sketch, rough", "weight": 1, "preprocess": "canny"}, {"model": "depth", "start": 0.2}])
        for text in (",weight=1", "weight=1", "ink,weight=much", "ink,weight=", "ink,strength=1", "ink,weight=1,weight=2", "model=ink"):
            with self.subTest(text), self.assertRaises(self.Sorry):
                self.arguments.parse_loras(text)
        for text in ("canny,layer=Sketch,strength=1", "layer=Sketch"):
            with self.subTest(text), self.assertRaises(self.Sorry):
                self.arguments.parse_controls(text)

    def test_regions_are_a_layer_and_its_words_or_json(self):
        parse, text_of = self.arguments.parse_regions, self.arguments.regions_text
        self.assertEqual(parse("Sky,prompt=a storm; Meadow, prompt = grass, flowers"),
                         [{"layer": "Sky", "prompt": "a storm"}, {"layer": "Meadow", "prompt": "grass, flowers"}])
        for regions in ([], [{"layer": "Sky", "prompt": "rain; wind"}], [{"layer": "a,prompt=b", "prompt": "c"}, {"layer": "[", "prompt": ""}],
                        [{"layer": " ", "prompt": "prompt=x"}], [{"layer": "Ö\\", "prompt": "\"\n"}]):
            with self.subTest(regions):
                self.assertEqual(parse(text_of(regions)), [dict(one, prompt=one["prompt"].strip()) for one in regions])
        for text in (",prompt=a", "[", "[1]", "[{}]", '[{"layer": "", "prompt": "a"}]', '[{"layer": "a", "prompt": 1}]', "[" * 100000):
            with self.subTest(text[:20]), self.assertRaises(self.Sorry):
                parse(text)

    def test_what_the_dialog_shows_in_grey_is_not_asked_for(self):
        given = {"prompt": "", "negative-prompt": "", "model": "m", "style": "", "strength": 100, "steps": 0, "guidance": 0, "seed": -1,
                 "batch": 1, "loras": "ink", "controls": "canny", "regions": "Sky,prompt=a storm", "filters": None}
        action = types.SimpleNamespace(kind="fill", mode="fill")
        config = types.SimpleNamespace(get_property=given.get)
        for samplers, seen, there in [([], True, False), (["euler"], True, True), ([], False, True)]:
            offers = {"models": [{"id": "m", "samplers": samplers}, {"id": "other", "samplers": []}]}
            self.arguments.asked(action, config, seen, offers.get)
            mode, settings, chain, _, controls, regions = self.arguments.Wish.call_args.args
            self.assertEqual((mode, "loras" in settings, bool(controls), chain), ("fill", there, there, []))
            self.assertEqual(regions, [{"layer": "Sky", "prompt": "a storm"}] if there else [])

    def test_a_style_keeps_what_is_shown_and_what_is_not(self):
        shown = {"prompt": "a cat", "negative-prompt": "", "model": "m", "strength": 40, "steps": 9, "guidance": 0, "seed": 7, "batch": 2,
                 "loras": "ink,weight=0.5", "filters": '[{"name": "stamp", "params": {"x": 1}, "images": {"stamp": 12}}]'}
        rest = {"model": "m", "steps": 9, "loras": [{"name": "ink", "weight": 0.5}], "filters": [{"name": "stamp", "params": {"x": 1}}]}
        self.assertEqual(self.arguments.settings_of(shown.get, {}), rest)
        chosen = {"prompt": "a dog", "denoise_strength": 0.9, "sampler": "euler", "negative_prompt": "dogs", "steps": 3}
        self.assertEqual(self.arguments.settings_of(shown.get, chosen), dict(rest, prompt="a cat", denoise_strength=0.4, sampler="euler"))
        again = self.arguments.arguments_of(rest)
        self.assertEqual((again["loras"], again["steps"], again["strength"]), ("ink,weight=0.5", 9, 100))


if __name__ == "__main__":
    unittest.main()
