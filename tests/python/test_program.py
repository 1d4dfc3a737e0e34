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

    def libraries(self, value, own="/usr/bin/krita", **environment):
        """What is handed on of this list of folders by a process that runs `own`."""
        with mock.patch.dict(os.environ, dict(environment, LD_LIBRARY_PATH=value), clear=True), \
                mock.patch.object(program, "_own_program", lambda: own):
            return program._environment().get("LD_LIBRARY_PATH")

    @unittest.skipIf(sys.platform == "win32", "Windows has no such list")
    def test_libraries_of_a_card_are_handed_on_and_the_editors_own_are_not(self):
        driver = "/usr/local/nvidia/lib64"
        for value, where, expected in [
                (driver, {}, driver),
                (driver + ":/opt/cuda/lib64", {}, driver + ":/opt/cuda/lib64"),
                ("/tmp/.mount_x/usr/lib:/tmp/.mount_x/lib:" + driver, {"APPDIR": "/tmp/.mount_x"}, driver),
                ("/tmp/.mount_x/usr/lib", {"APPDIR": "/tmp/.mount_x"}, None),
                ("/tmp/.mount_xy/lib", {"APPDIR": "/tmp/.mount_x"}, "/tmp/.mount_xy/lib"),
                ("/snap/krita/1/lib:/var/lib/snapd/lib/gl", {"SNAP": "/snap/krita/1"}, "/var/lib/snapd/lib/gl"),
                ("/home/ada/krita/usr/lib:" + driver, {"own": "/home/ada/krita/usr/bin/krita"}, driver),
                ("/home/ada/krita/lib:" + driver, {"own": "/home/ada/krita/bin/krita"}, driver),
                ("/usr/lib/x86_64-linux-gnu", {}, "/usr/lib/x86_64-linux-gnu"),
                (":lib:" + driver, {"own": ""}, driver),
                ("", {}, None)]:
            with self.subTest(value, **where):
                self.assertEqual(self.libraries(value, **where), expected)

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
