"""What a painter does in Photoshop, and what must have become of the picture. Each scenario starts on a fresh panel."""

import json
import socket
import struct

BOX = [200, 150, 330, 270]
PICTURE = "picture.psd"

ALL = []


def scenario(play):
    ALL.append((play.__name__, play))
    return play


def box(edges):
    return dict(zip(("left", "top", "right", "bottom"), edges))


SOFT = 32
"""As far as a diffusion model's patch may reach beyond the selection, fading out; the exemplar's never does."""


def filled(ps, name=PICTURE, edges=BOX, states=2, history="Fill", spill=0):
    """What holds after every fill: one new layer inside the selection, one history state, nothing else touched."""
    edges = [edges[0] - spill, edges[1] - spill, edges[2] + spill, edges[3] + spill]
    look = ps.mock("look", name)
    assert look["history"][-1] == history and len(look["history"]) == states, look["history"]
    layer = look["layers"][0]["box"]
    assert layer["left"] >= edges[0] and layer["top"] >= edges[1] and layer["right"] <= edges[2] and layer["bottom"] <= edges[3], layer
    changed = ps.mock("changed", name, box(edges))
    assert changed["outside"] == 0 and changed["inside"] > 0, changed
    return look


def slowly(ps, steps=1000, prompt="a slow stone"):
    """Makes the next job take long: the tiny model, and many steps."""
    ps.page.select_option("#model select", label="tiny-sd")
    ps.page.fill("#prompt textarea", prompt)
    if ps.page.is_hidden("#more"):
        ps.page.click("#more-fold")
    ps.page.fill("#steps input", str(steps))


def painting(ps):
    """Waits until the job is in its steps."""
    ps.wait("!!document.querySelector('.job')?.textContent.includes('step')")


# What a fill does to a document

@scenario
def fill_with_a_soft_edge(ps, daemon):
    ps.open(daemon).document(w=640, h=480, select=BOX, soft=12)
    ps.ready()
    assert "130 × 120" in ps.said()
    ps.go()
    assert ps.until("Done").endswith("as a new layer.")
    look = filled(ps)
    assert look["layers"][0]["name"].startswith("Fill ("), look
    soft = [ps.mock("layerPixel", PICTURE, 0, 200 + x, 210) for x in range(14)]
    alphas = [pixel[3] if pixel else 0 for pixel in soft]
    assert alphas == sorted(alphas) and 0 < alphas[4] < 255 and alphas[13] == 255, alphas
    ps.mock("undo", PICTURE)
    assert len(ps.layers()) == 1
    ps.mock("redo", PICTURE)
    assert len(ps.layers()) == 2


def fill_in_depth(ps, daemon, full, **made):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 200, 180], soft=6, **made)
    ps.ready().go()
    ps.until("Done")
    filled(ps, edges=[100, 80, 200, 180])
    # Where nothing is selected by half, the new layer is opaque in the document's own range.
    inside = ps.mock("layerPixel", PICTURE, 0, 150, 130)
    assert inside[3] == full and all(0 <= value <= full for value in inside), inside
    return inside


@scenario
def fill_in_16_bits(ps, daemon):
    fill_in_depth(ps, daemon, 32768, depth=16)
    values = {value for x in range(40) for value in ps.mock("layerPixel", PICTURE, 0, 120 + x, 130)[:3]}
    # 8 bits of precision would leave only multiples of a 255th.
    assert any(abs(value * 255 / 32768 - round(value * 255 / 32768)) > 0.01 for value in values), values


@scenario
def fill_in_32_bits(ps, daemon):
    fill_in_depth(ps, daemon, 1, depth=32)


def flat(ps, daemon, colour, depth=8, **made):
    """Fills inside one colour: whatever depth and profile, the patch must be of that colour."""
    import base64
    pixels = base64.b64encode(bytes(list(colour) + [255]) * (200 * 160)).decode()
    ps.open(daemon).document(w=200, h=160, select=[60, 50, 130, 110], depth=depth, pixels=pixels, **made)
    ps.ready().go()
    ps.until("Done")
    before, after = (ps.mock("pixel", PICTURE, 10, 10), ps.mock("layerPixel", PICTURE, 0, 95, 80))
    return before, after


@scenario
def colours_are_right_in_every_depth_and_profile(ps, daemon):
    for depth, tolerance in ((8, 1), (16, 3), (32, 1e-4)):
        for profile in ("sRGB IEC61966-2.1", "Test RGB Gamma 1.8"):
            before, after = flat(ps, daemon, (100, 150, 200), depth, profile=profile)
            # Photoshop's own conversions round on the way in 8 and 16 bits.
            apart = max(abs(a - b) for a, b in zip(before, after))
            allowed = tolerance if depth == 32 or profile.startswith("sRGB") else tolerance * 2
            assert apart <= allowed, (depth, profile, before, after)


@scenario
def a_picture_that_covers_a_part_of_the_canvas(ps, daemon):
    """Photoshop returns the covered part only: it must be put where it belongs."""
    ps.open(daemon).document(w=500, h=400, covers=box([120, 90, 400, 330]), select=[200, 150, 280, 220])
    ps.ready().go()
    ps.until("Done")
    filled(ps, edges=[200, 150, 280, 220])
    # The fill continues the picture's own pattern, whose red grows from left to right: it was not read displaced.
    reds = [ps.mock("layerPixel", PICTURE, 0, x, 185)[0] for x in (205, 275)]
    assert reds[1] > reds[0], reds


@scenario
def a_selection_beyond_the_canvas(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[-50, -40, 80, 90])
    ps.ready()
    assert "80 × 90" in ps.said()
    ps.go()
    ps.until("Done")
    filled(ps, edges=[0, 0, 80, 90])


@scenario
def the_layer_goes_above_the_active_one_in_its_group(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.mock("group", PICTURE)
    ps.ready().go()
    ps.until("Done")
    look = ps.mock("look", PICTURE)
    group = look["layers"][0]
    assert group["name"] == "Group" and group["children"][0].startswith("Fill (") and group["children"][1] == "Background", look


@scenario
def two_documents(ps, daemon):
    ps.open(daemon).document("first.psd", w=400, h=300, select=[100, 80, 180, 160])
    ps.document("second.psd", w=300, h=300)
    ps.mock("activate", "first.psd")
    ps.ready()
    slowly(ps, 60)
    ps.go()
    ps.page.wait_for_selector(".job")
    ps.mock("activate", "second.psd")
    ps.until("Done")
    filled(ps, "first.psd", [100, 80, 180, 160], spill=SOFT)
    look = ps.mock("look", "second.psd")
    assert len(look["layers"]) == 1 and look["history"] == ["Open"] and look["front"] == "second.psd", look


@scenario
def a_document_closed_meanwhile(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    ps.mock("close", PICTURE)
    assert "was closed" in ps.until("closed")
    ps.page.wait_for_selector(".job", state="detached")
    assert "unfinished" not in daemon.command("status")


# Modes

@scenario
def generate_the_whole_canvas(ps, daemon):
    ps.open(daemon).document(w=256, h=192)
    ps.ready()
    ps.mode("generate")
    assert "whole canvas" in ps.said()
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
    ps.wait("mock.look('picture.psd').layers.length === 3")
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


# Cancelling, waiting, breaking

@scenario
def cancel_a_running_job(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    ps.page.wait_for_selector("#picture[src]")
    ps.shot("painting")
    ps.page.click(".job .tool")
    ps.until("Cancelled. The picture is unchanged.")
    assert ps.mock("look", PICTURE)["history"] == ["Open"]
    ps.page.wait_for_selector("#preview", state="hidden")


@scenario
def escape_while_the_layer_is_placed(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.page.evaluate("mock.trouble.cancelNext = true")
    ps.go()
    ps.until("Cancelled")
    look = ps.mock("look", PICTURE)
    assert len(look["layers"]) == 1 and look["history"] == ["Open"], look


@scenario
def photoshop_is_busy_and_the_result_waits(ps, daemon):
    ps.open(daemon).document(w=400, h=300, select=[100, 80, 180, 160])
    ps.ready()
    ps.page.evaluate("mock.trouble.busy = true")
    ps.go()
    ps.until("busy with a dialog")
    assert ps.page.inner_text("#go") == "Place layer"
    ps.shot("busy")
    ps.go()
    ps.until("busy with a dialog")
    ps.page.evaluate("mock.trouble.busy = false")
    ps.wait("document.querySelector('#go').textContent === 'Place layer'")
    ps.go()
    ps.until("Done")
    filled(ps, edges=[100, 80, 180, 160])
    assert ps.page.inner_text("#go") == "Fill"


@scenario
def a_queue_of_three(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps, 120, "first")
    ps.go()
    for words in ("second", "third"):
        ps.page.fill("#prompt textarea", words)
        ps.page.fill("#steps input", "3")
        ps.go()
    ps.wait("document.querySelectorAll('.job').length === 3")
    ps.wait("document.querySelectorAll('.job')[2].textContent.includes('Waiting')")
    ps.shot("queue")
    ps.page.click(".job:nth-child(2) .tool")
    ps.wait("mock.look('picture.psd').layers.length === 3")
    ps.page.wait_for_selector(".job", state="detached")
    assert [layer["name"].split(" ")[0] for layer in ps.layers()] == ["third", "first", "Background"], ps.layers()


@scenario
def a_lost_connection_is_found_again(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps, 150)
    ps.go()
    painting(ps)
    ps.mock("cut")
    ps.until("Done")
    filled(ps, edges=[60, 50, 160, 140], spill=SOFT)


@scenario
def the_daemon_is_killed_and_comes_back(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps)
    ps.go()
    painting(ps)
    daemon.kill()
    ps.page.wait_for_selector("#light.absent")
    assert "waiting for Underpaint" in ps.page.inner_text(".job")
    daemon.start()
    ps.until("started anew")
    ps.ready()
    ps.page.fill("#steps input", "3")
    ps.go()
    ps.until("Done")
    filled(ps, edges=[60, 50, 160, 140], spill=SOFT)


@scenario
def no_daemon(ps, daemon):
    daemon.stop()
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.until("Underpaint is not running. Start it with")
    ps.go()
    ps.until("not running")
    ps.shot("absent")
    daemon.start()
    ps.ready().go()
    ps.until("Done")


# Pairing and permissions

@scenario
def pairing_with_a_code(ps, daemon):
    ps.open(daemon, full_access=False).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.until("waits to be paired")
    ps.shot("pairing")
    ps.page.fill("#code input", "12")
    ps.page.click("#pair")
    ps.until("six digits")
    code = json.loads(daemon.command("--json", "pair"))["code"]
    wrong = "%06d" % ((int(code) + 1) % 1000000)
    ps.page.fill("#code input", wrong)
    ps.page.click("#pair")
    ps.wait("!/six digits|Pairing…/.test(document.querySelector('#status').textContent)")
    assert ps.page.is_visible("#pairing") and len(ps.said()) > 15, ps.said()
    ps.page.fill("#code input", code)
    ps.page.press("#code input", "Enter")
    ps.ready()
    assert ps.page.is_hidden("#pairing")
    ps.go()
    ps.until("Done")
    # The token is kept: after a lost connection nobody is asked again.
    ps.mock("cut")
    ps.page.wait_for_selector("#light:not(.ready)")
    ps.ready()


@scenario
def the_network_is_denied(ps, daemon):
    ps.open(daemon, domains=[])
    ps.until("not running")
    assert len(ps.page.evaluate("mock.host.denied")) >= 3


# Filters, styles, history, settings

@scenario
def filters_over_the_active_layer(ps, daemon):
    ps.open(daemon).document(w=300, h=200, select=[60, 50, 160, 140], soft=10)
    ps.ready()
    ps.page.click("#filters-fold")
    ps.page.click("#apply")
    ps.until("Add one first")
    ps.page.select_option("#add-filter select", label="Levels")
    ps.page.select_option("#add-filter select", label="Film grain")
    assert ps.page.locator(".step").count() == 2
    ps.page.locator(".step").nth(1).locator("sp-slider input").first.fill("60")
    ps.shot("filters")
    ps.page.click("#apply")
    ps.until("Done")
    look = ps.mock("look", PICTURE)
    assert look["history"] == ["Open", "Apply filters"] and look["layers"][0]["name"] == "Levels + Film grain", look
    filled(ps, edges=[60, 50, 160, 140], history="Apply filters")
    alpha = ps.mock("layerPixel", PICTURE, 0, 64, 90)
    assert alpha and 0 < alpha[3] < 255, alpha


@scenario
def filters_over_what_is_painted(ps, daemon):
    seen = []
    for with_filter in (False, True):
        ps.open(daemon).document(w=300, h=200, select=[60, 50, 160, 140])
        ps.ready()
        if with_filter:
            ps.page.click("#filters-fold")
            ps.page.select_option("#add-filter select", label="Halftone")
        ps.go()
        ps.until("Done")
        seen.append([ps.mock("layerPixel", PICTURE, 0, 80 + x, 90) for x in range(40)])
    assert seen[0] != seen[1]


@scenario
def styles_are_the_daemons(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    settings = {"model": "tiny-sd", "steps": 3, "guidance_scale": 2.5, "negative_prompt": "fog", "sampler": "euler", "filters": [{"name": "film-grain", "params": {"strength": 0.5}}]}
    ask(daemon, "styles/put", {"name": "Quick study", "settings": settings})
    ps.wait("[...document.querySelectorAll('#style sp-menu-item')].some(item => item.textContent === 'Quick study')")
    ps.page.select_option("#style select", label="Quick study")
    ps.page.click("#more-fold")
    assert [ps.page.input_value(field) for field in ("#steps input", "#guidance input", "#negative textarea")] == ["3", "2.5", "fog"]
    assert ps.page.locator(".step").count() == 1
    ps.page.fill("#prompt textarea", "a stone")
    ps.go()
    ps.until("Done")
    ps.shot("more", height=900)
    ask(daemon, "styles/remove", {"name": "Quick study"})


@scenario
def what_was_chosen_is_kept(ps, daemon):
    ps.open(daemon).ready()
    ps.mode("generate")
    ps.page.fill("#prompt textarea", "a blue door")
    ps.page.select_option("#model select", label="tiny-sd")
    ps.page.fill("#strength input", "64")
    ps.open(daemon, forget=False).ready()
    assert ps.page.input_value("#prompt textarea") == "a blue door"
    assert ps.page.inner_text("#strength-value") == "64 %"
    assert "chosen" in ps.page.get_attribute("#mode-generate", "class")
    assert ps.page.evaluate("document.querySelector('#model').shadowRoot.querySelector('select').selectedOptions[0].text") == "tiny-sd"


@scenario
def the_menu_commands(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps)
    ps.page.evaluate("mock.entry.command('run')")
    painting(ps)
    ps.page.evaluate("mock.entry.command('cancel')")
    ps.until("Cancelled")


def ask(daemon, method, params):
    """One request on the daemon's local socket: another editor's doing."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(daemon.endpoint()["socket"])
        stream = link.makefile("rwb")
        answers = []
        hello = {"protocol": {"min": 1, "max": 1}, "client": {"name": "krita", "version": "1"}}
        for number, (name, members) in enumerate([("hello", hello), (method, params)]):
            header = json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": members}).encode()
            stream.write(struct.pack("<II", 4 + len(header), len(header)) + header)
            stream.flush()
            total, size = struct.unpack("<II", stream.read(8))
            answers.append(json.loads(stream.read(total - 4)[:size]))
        assert "result" in answers[1], answers[1]
        return answers[1]["result"]
