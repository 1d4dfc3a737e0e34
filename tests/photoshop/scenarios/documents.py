"""What a fill does to a document: place, depth, colour, layers, history."""

import base64

from stage import wait_for

from . import BOX, PICTURE, SOFT, another_editor, ask, box, filled, long_job, painting, scenario, slowly


@scenario
def fill_with_a_soft_edge(ps, daemon):
    ps.open(daemon).document(w=640, h=480, select=BOX, soft=12)
    ps.ready()
    ps.until("130 × 120")
    ps.go()
    # Both in one look: the job may be done before a second one.
    seen = ps.page.wait_for_function("document.querySelector('.job') && { scopes: mock.trouble.scopes }").json_value()
    assert seen["scopes"] == 0, "Photoshop is locked while the picture is painted"
    assert ps.until("Done").endswith("as a new layer.")
    assert ps.page.evaluate("mock.trouble.scopes") == 1
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
            # A colour that is read and written in the document's own profile would come back right, too.
            assert set(ps.page.evaluate("mock.trouble.profiles")) == {"sRGB IEC61966-2.1"}
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
    ps.until("80 × 90")
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
    slowly(ps, 15)
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
    wait_for("the daemon to give the job up", lambda: ask(daemon, "job/list", {}) == [])


NOT_PLACED = "The canvas was resized meanwhile, so the result was not placed. It is in the history."


def wait_together(ps, jobs):
    """Waits until the jobs wait, and has the page remember what is said from then on."""
    ps.wait("[...document.querySelectorAll('#jobs .job')].filter(job => job.textContent.includes('Waiting')).length === %d" % jobs)
    ps.page.evaluate("""() => {
        window.said = [];
        const status = document.querySelector('#status');
        new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    }""")


def all_said(ps):
    """What was said when they were over, two of which may have taken as long as each other."""
    ps.page.wait_for_selector(".job", state="detached")
    said = ps.page.evaluate("said")
    return [words for before, words in zip([""] + said, said) if words and words != before]


@scenario
def the_canvas_is_enlarged_while_others_wait(ps, daemon):
    """By an Expand of the panel's own: a fill that was asked for before lands where the picture is now, and a second Expand
    is not placed."""
    ps.open(daemon).document(w=192, h=128, select=[60, 40, 120, 90])
    ps.ready()
    slowly(ps, 3, "more of it")
    with another_editor(daemon) as krita:
        other = long_job(krita)
        ps.mode("expand")
        ps.page.fill("#margin-left input", "64")
        ps.page.fill("#margin-bottom input", "32")
        ps.go()
        ps.go()
        ps.mode("fill")
        ps.page.select_option("#model select", label="Automatic")
        ps.page.fill("#prompt textarea", "")
        ps.go()
        wait_together(ps, 3)
        other.cancel()
        said = all_said(ps)
    assert said[1] == NOT_PLACED and said[0].endswith("as a new layer.") and said[2].endswith("as a new layer."), said
    look = ps.mock("look", PICTURE)
    assert look["extent"] == [256, 160] and look["history"] == ["Open", "Expand", "Fill"], look
    assert look["layers"][0]["box"] == box([124, 40, 184, 90]), look


@scenario
def the_canvas_is_resized_by_the_painter(ps, daemon):
    """Nobody knows where the picture is now: a layer is placed and the painter told to look, an enlargement is not."""
    ps.open(daemon).document(w=192, h=128, select=[60, 40, 120, 90])
    ps.ready()
    with another_editor(daemon) as krita:
        other = long_job(krita)
        ps.go()
        ps.mode("expand")
        slowly(ps, 3, "more of it")
        ps.page.fill("#margin-left input", "64")
        ps.go()
        wait_together(ps, 2)
        ps.mock("resize", PICTURE, 160, 120)
        other.cancel()
        said = all_said(ps)
    assert said[0].endswith("as a new layer. The canvas was resized meanwhile: look whether the layer lies where you want it.") and said[1] == NOT_PLACED, said
    look = ps.mock("look", PICTURE)
    assert look["extent"] == [160, 120] and look["layers"][0]["box"] == box([60, 40, 120, 90]) and len(look["layers"]) == 2, look


def at_the_first_message(ps, doing):
    """Has the page do something at the first message after the press."""
    ps.page.evaluate("""doing => {
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (data) {
            WebSocket.prototype.send = send;
            mock[doing[0]](...doing.slice(1));
            return this.send(data);
        };
    }""", doing)


@scenario
def what_was_selected_at_the_press_counts(ps, daemon):
    """What is selected by then, or how large the canvas is, is another thing while the rest is still being read."""
    away = ["select", PICTURE, None]
    for press in ("#mode-fill", "#mode-background", "#apply"):
        ps.open(daemon).document(w=400, h=300, select=BOX)
        ps.ready()
        if press == "#apply":
            ps.page.click("#filters-fold")
            ps.page.select_option("#add-filter select", label="Halftone")
        else:
            ps.page.click(press)
            slowly(ps, 2)
        at_the_first_message(ps, away)
        ps.page.click(press if press == "#apply" else "#go")
        ps.until("as a new layer.")
        kept = ps.mock("changed", PICTURE, box([240, 190, 290, 230]))["inside"] == 0
        assert kept == (press == "#mode-background"), press
    ps.open(daemon).document(w=400, h=300, select=BOX)
    ps.ready()
    for doing in (away, ["select", PICTURE, box([10, 10, 40, 40])]):
        ps.select(PICTURE, BOX)
        # In the same breath: before anything could be read.
        ps.page.evaluate("doing => { document.querySelector('#go').click(); mock[doing[0]](...doing.slice(1)) }", doing)
        ps.until("The selection was changed before it was read. The picture is unchanged; press Fill again.")
    for width in (390, 410):
        ps.select(PICTURE, BOX)
        at_the_first_message(ps, ["resize", PICTURE, width, 300])
        ps.go()
        ps.until("The canvas was resized while the picture was read. The picture is unchanged; press Fill again.")
    assert len(ps.layers()) == 1


@scenario
def a_gap_inside_a_layer(ps, daemon):
    """Photoshop gives no pixels of a transparent place inside a layer's bounds, and says so with an error: it reads as empty."""
    rows = bytearray(10 * 1600 * 4)
    rows[:40] = rows[-40:] = b"\x20\x40\x60\xff" * 10
    ps.open(daemon).document(w=600, h=1600, covers=box([0, 0, 8, 8]), select=[100, 700, 200, 800])
    ps.mock("layer", PICTURE, {"name": "signature", "box": box([500, 0, 510, 1600]), "pixels": base64.b64encode(rows).decode(), "visible": True})
    ps.mock("choose", PICTURE, "signature")
    ps.ready()
    ps.mode("generate")
    slowly(ps, 2)
    ps.go()
    ps.until("as a new layer.")
    assert ps.mock("layerPixel", PICTURE, 0, 150, 750)[3] == 255
    ps.mock("choose", PICTURE, "signature")
    ps.select(PICTURE, [490, 700, 520, 800])
    ps.page.click("#filters-fold")
    ps.page.select_option("#add-filter select", label="Halftone")
    ps.page.click("#apply")
    ps.until("as a new layer.")
    assert ps.mock("look", PICTURE)["history"] == ["Open", "Generate", "Apply filters"]
