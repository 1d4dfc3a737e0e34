"""The modes, several pictures at once, and what makes no sense."""

import base64

from . import PICTURE, box, filled, scenario, slowly


@scenario
def generate_the_whole_canvas(ps, daemon):
    ps.open(daemon).document(w=256, h=192)
    ps.ready()
    ps.mode("generate")
    ps.until("whole canvas")
    slowly(ps, 8, "a green hill")
    ps.page.press("#prompt textarea", "Control+Enter")
    ps.until("Done")
    look = ps.mock("look", PICTURE)
    assert look["layers"][0]["box"] == box([0, 0, 256, 192]) and look["layers"][0]["name"].startswith("a green hill ("), look


@scenario
def remove_and_add(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.mode("remove")
    assert ps.page.is_hidden("#strength-row")
    ps.go()
    ps.until("Done")
    filled(ps, edges=[100, 80, 180, 160], history="Remove")
    ps.mode("add")
    slowly(ps, 4, "a door")
    ps.page.fill("#strength input", "70")
    assert ps.page.inner_text("#strength-value") == "70 %"
    ps.go()
    ps.wait("mock.look('picture.psd').history.length === 3")
    assert ps.mock("look", PICTURE)["history"] == ["Open", "Remove", "Add"]


@scenario
def a_new_background_keeps_what_is_selected(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 40, 200, 150])
    ps.ready()
    ps.mode("background")
    slowly(ps, 4, "a sea")
    ps.go()
    ps.until("Done")
    # The middle of what is selected is untouched, the corners are not.
    assert ps.mock("changed", PICTURE, box([100, 80, 160, 110]))["inside"] == 0
    assert ps.mock("changed", PICTURE, box([0, 0, 30, 30]))["inside"] > 800
    ps.select(PICTURE, None)
    ps.go()
    assert "what is to stay" in ps.until("Nothing is selected")


@scenario
def expand_into_what_is_empty(ps, daemon):
    ps.open(daemon).document(w=320, h=192, covers=box([0, 0, 256, 192]))
    ps.ready()
    ps.mode("expand")
    slowly(ps, 4, "more of it")
    ps.go()
    ps.until("Done")
    assert ps.mock("layerPixel", PICTURE, 0, 300, 100)[3] == 255
    assert ps.mock("changed", PICTURE, box([120, 0, 320, 192]))["outside"] == 0
    # A picture without an empty part is told so.
    ps.document("full.psd", w=100, h=100)
    ps.go()
    ps.until("Nothing in this picture is empty")


@scenario
def expand_enlarges_the_canvas(ps, daemon):
    ps.open(daemon).document(w=192, h=128)
    ps.ready()
    ps.mode("expand")
    slowly(ps, 4, "more of it")
    ps.page.fill("#margin-left input", "sixty")
    ps.go()
    ps.until("Type a whole number")
    ps.page.fill("#margin-left input", "64")
    ps.page.fill("#margin-bottom input", "40")
    ps.until("The canvas is enlarged")
    ps.shot("expand")
    before = [ps.mock("pixel", PICTURE, x, 5) for x in (150, 190)]
    ps.go()
    ps.until("Done")
    look = ps.mock("look", PICTURE)
    assert look["extent"] == [256, 168] and look["history"] == ["Open", "Expand"], look
    # What was there has moved along, and is untouched beyond the overlap; what is new is painted.
    assert [ps.mock("pixel", PICTURE, x + 64, 5) for x in (150, 190)] == before
    assert [ps.mock("layerPixel", PICTURE, 0, x, y)[3] for x, y in ((2, 20), (2, 165), (250, 165))] == [255] * 3
    ps.mock("undo", PICTURE)
    look = ps.mock("look", PICTURE)
    assert look["extent"] == [192, 128] and look["layers"][0]["box"] == box([0, 0, 192, 128]), look


@scenario
def expand_leaves_holes_inside_the_picture(ps, daemon):
    """With pixels to enlarge by, what is empty around the picture is painted, also of the old canvas, and nothing inside it."""
    pixels = bytearray(bytes([90, 120, 60, 255]) * (320 * 128))
    for y in range(40, 90):
        pixels[(y * 320 + 140) * 4:(y * 320 + 180) * 4] = bytes(40 * 4)
    ps.open(daemon).document(w=352, h=128, covers=box([0, 0, 320, 128]), pixels=base64.b64encode(pixels).decode())
    ps.ready()
    ps.mode("expand")
    slowly(ps, 2, "more of it")
    ps.page.fill("#margin-left input", "64")
    ps.go()
    ps.until("as a new layer.")
    alphas = [pixel[3] if pixel else 0 for pixel in (ps.mock("layerPixel", PICTURE, 0, x, 64) for x in (5, 64 + 160, 410))]
    assert alphas == [255, 0, 255], alphas


@scenario
def several_pictures_are_one_history_state(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps, 3, "a stone")
    ps.page.fill("#batch input", "3")
    ps.page.fill("#seed input", "41")
    ps.go()
    ps.until("as 3 new layers")
    look = ps.mock("look", PICTURE)
    assert len(look["layers"]) == 4 and look["history"] == ["Open", "Fill"], look
    assert sorted(layer["name"] for layer in look["layers"][:3]) == ["a stone (41)", "a stone (42)", "a stone (43)"], look
    ps.mock("undo", PICTURE)
    assert len(ps.layers()) == 1


@scenario
def what_makes_no_sense_is_said(ps, daemon):
    ps.open(daemon).ready()
    ps.go()
    ps.until("No picture is open")
    ps.document(w=300, h=200)
    ps.go()
    ps.until("Nothing is selected")
    ps.document("indexed.psd", w=300, h=200, select=[10, 10, 90, 90], mode="indexedColorMode")
    ps.go()
    ps.until("Image > Mode > RGB")
    ps.mock("activate", PICTURE)
    ps.select(PICTURE, [10, 10, 90, 90])
    slowly(ps, "many")
    ps.go()
    ps.until("not a number from 1 to 1000")
    ps.page.fill("#steps input", "4")
    ps.page.fill("#seed input", "-3")
    ps.go()
    ps.until("no whole number")
    # All of the picture is selected, so that there is nothing to continue: the daemon's sentence.
    ps.page.fill("#seed input", "")
    ps.page.fill("#prompt textarea", "")
    ps.page.select_option("#model select", label="Automatic")
    ps.select(PICTURE, [0, 0, 300, 200])
    ps.go()
    ps.page.wait_for_selector(".job", state="detached")
    assert len(ps.said()) > 20 and "Photoshop did not" not in ps.said(), ps.said()
    assert ps.mock("look", PICTURE)["history"] == ["Open"]
