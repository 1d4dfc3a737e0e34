"""Where the Python adapters look for the program `underpaint`, and how they start it, on every system."""

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

import underpaint_program as program  # noqa: E402


class Finding(unittest.TestCase):
    def find(self, there, setting="", system="linux", path=posixpath, **environment):
        """What is found if only the paths `there` can be run."""
        with mock.patch.object(sys, "platform", system), mock.patch.object(os, "path", path), \
                mock.patch.dict(os.environ, environment, clear=True), \
                mock.patch.object(program, "_runnable", there.__contains__), \
                mock.patch.object(program, "_installed_by", lambda beside: "/installed"), \
                mock.patch.object(program.shutil, "which", lambda name: "/bin/" + name):
            return program.find_program(setting)

    def test_the_nearest_wins(self):
        everywhere = ["/setting", "/variable", "/installed", "/bin/underpaint", "/home/ada/.local/bin/underpaint",
                      "/home/ada/.cargo/bin/underpaint"]
        self.assertEqual(self.find(everywhere, setting="/setting", HOME="/home/ada"), "/setting")
        for at in range(1, len(everywhere)):
            self.assertEqual(self.find(everywhere[at:], HOME="/home/ada", UNDERPAINT_BIN="/variable"), everywhere[at])
        self.assertIsNone(self.find([], HOME="/home/ada"))

    def test_a_setting_that_leads_nowhere_is_not_replaced(self):
        self.assertIsNone(self.find(["/installed"], setting="/gone", HOME="/home/ada"))

    def test_a_program_of_windows_has_its_ending(self):
        path = r"C:\Users\Ada\.cargo\bin\underpaint.exe"
        self.assertEqual(self.find([path], system="win32", path=ntpath, USERPROFILE=r"C:\Users\Ada"), path)

    def test_what_installed_the_plug_in_is_remembered(self):
        with tempfile.TemporaryDirectory() as folder:
            beside = os.path.join(folder, "underpaint.py")
            self.assertIsNone(program._installed_by(beside))
            for text, expected in [(json.dumps({"program": "/p"}), "/p"), ("{", None), ("[]", None), ("{}", None)]:
                pathlib.Path(folder, "installed.json").write_text(text)
                self.assertEqual(program._installed_by(beside), expected)


class Starting(unittest.TestCase):
    def test_it_is_on_its_own_and_inherits_nothing_of_the_editor(self):
        for system, apart in [("linux", {"start_new_session": True}), ("darwin", {"start_new_session": True}),
                              ("win32", {"creationflags": 0x08000208})]:
            with self.subTest(system), mock.patch.object(sys, "platform", system), mock.patch.object(program.subprocess, "Popen") as started, \
                    mock.patch.dict(os.environ, {"PYTHONHOME": "/editor", "UNDERPAINT_HOME": "/up"}):
                self.assertTrue(program.start_program("/p", os.devnull))
                (words,), how = started.call_args
                self.assertEqual(words, ["/p", "serve"])
                self.assertNotIn("PYTHONHOME", how["env"])
                self.assertEqual(how["env"]["UNDERPAINT_HOME"], "/up")
                self.assertEqual({name: how.get(name) for name in apart}, apart)

    def test_what_cannot_be_started_is_said(self):
        self.assertFalse(program.start_program("/nowhere/underpaint", os.devnull))

    def test_its_last_words_are_its_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report")
            self.assertEqual(program.complaint(str(report)), "")
            report.write_text("warning: x\nerror: The folder is not yours.\n\n")
            self.assertEqual(program.complaint(str(report)), "The folder is not yours")


if __name__ == "__main__":
    unittest.main()
