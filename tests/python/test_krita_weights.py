"""Weights in a prompt, as the Krita adapter raises and lowers them where the cursor is.

    python3 -m unittest discover tests/python
"""

import importlib.util
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name):
    """A module of the adapter that needs neither Krita nor Qt. By its path: the others beside it have names of Python's own."""
    path = ROOT / "adapters/krita/pykrita/underpaint" / (name + ".py")
    spec = importlib.util.spec_from_file_location("underpaint_" + name, str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def marked(text):
    """The text without its marks `|`, and where these were, counted as Qt does."""
    *before, last = text.split("|")
    found, at = [], 0
    for part in before:
        at += len(part.encode("utf-16-le")) // 2
        found.append(at)
    return ("".join(before) + last, *found)


class Weighing(unittest.TestCase):
    def test_what_is_selected_or_at_the_cursor_stays_so_with_characters_that_qt_counts_twice(self):
        for given, steps, expected in [
                ("a |red| cat", 1, "a (|red|:1.1) cat"),
                ("🐱🐱 |red| cat", 1, "🐱🐱 (|red|:1.1) cat"),
                ("|🐱 cat|", 1, "(|🐱 cat|:1.1)"),
                ("🐱 cat|", -1, "🐱 (|cat|:0.9)"),
                ("🐱 (re|d:1.1) 🐱", -1, "🐱 |red| 🐱"),
                ("(|🐱|:1.2) 🐱", 1, "(|🐱|:1.3) 🐱")]:
            with self.subTest(given):
                text, *marks = marked(given)
                self.assertEqual(load("weights").reweighted_units(text, marks[0], marks[-1], steps), marked(expected))


if __name__ == "__main__":
    unittest.main()
