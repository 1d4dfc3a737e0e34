"""What steers a picture: LoRAs, control layers, regions, and what is kept of them with a document.

What the panel paints is compared with what another client of the same daemon gets for the same request, so that a layer
that was read wrong, or put in the wrong place, shows.
"""

import base64

from stage import wait_for

from . import PICTURE, another_editor, ask, box, scenario, underpaint_client

W, H = 256, 192
EDGES = [32, 24, 224, 168]
PROMPT, SEED, STEPS = "a stone", 5, 2
SOME = 3000
"""Pixels that differ at least where something steers, of 27648."""


def opened(ps, daemon, fold=None, **made):
    """A picture with a selection, the tiny model and fixed words, with one section unfolded."""
    ps.open(daemon).document(**dict({"w": W, "h": H, "select": EDGES}, **made))
    told(ps.ready(), fold)


def told(ps, fold=None):
    ps.page.select_option("#model select", label="tiny-sd")
    ps.page.fill("#prompt textarea", PROMPT)
    ps.page.click("#more-fold")
    ps.page.fill("#steps input", str(STEPS))
    ps.page.fill("#seed input", str(SEED))
    ps.page.click("#more-fold")
    if fold:
        ps.page.click("#%s-fold" % fold)
    ps.wait("[...document.querySelectorAll('#loras-adder sp-menu-item')].length === 3")


def paint(ps, name=PICTURE, extent=(W, H)):
    """Fills, takes the layer away again, and gives its pixels: RGBA bytes as large as the document."""
    before = len(ps.layers(name))
    ps.go()
    ps.until("Done")
    titles = [layer["name"] for layer in ps.layers(name)]
    assert len(titles) == before + 1, titles
    at = next(i for i, title in enumerate(titles) if title.endswith("(%d)" % SEED))
    layer = ps.mock("layerBytes", name, at)
    ps.mock("undo", name)
    ps.mock("choose", name, "Background")
    edges = layer["box"]
    return spread(base64.b64decode(layer["bytes"]), edges["left"], edges["top"], edges["right"] - edges["left"], extent)


def spread(pixels, left, top, width, extent=(W, H)):
    """RGBA pixels put where they belong in an empty picture; what is transparent has no colour."""
    whole = bytearray(extent[0] * extent[1] * 4)
    for at in range(0, len(pixels), 4):
        if pixels[at + 3]:
            x, y = left + at // 4 % width, top + at // 4 // width
            whole[(y * extent[0] + x) * 4:(y * extent[0] + x) * 4 + 4] = pixels[at:at + 4]
    return bytes(whole)


def asked(ps, daemon, members=lambda krita: {}, name=PICTURE, extent=(W, H), edges=EDGES, **settings):
    """What another client gets for the same fill. `members(client)` gives what steers it."""
    pixels = base64.b64decode(ps.mock("composite", name))
    left, top, right, bottom = edges
    mask = b"".join(b"\xff" if left <= x < right and top <= y < bottom else b"\0" for y in range(extent[1]) for x in range(extent[0]))
    with another_editor(daemon) as krita:
        settings = dict({"mode": "fill", "model": "tiny-sd", "prompt": PROMPT, "seed": SEED, "steps": STEPS}, **settings)
        [patch] = krita.fill(pixels, extent, mask, **settings, **members(krita)).wait()
    x, y, width, _ = patch.rect
    return spread(bytes(patch.pixels), x, y, width, extent)


def differ(one, other):
    return sum(one[at:at + 4] != other[at:at + 4] for at in range(0, len(one), 4))


def sent(krita, pixels, edges, px):
    """A placed image, as controls and regions have it."""
    left, top, right, bottom = edges
    image = underpaint_client.image(krita.put(pixels), right - left, bottom - top, px)
    return {"rect": {"x": left, "y": top, "w": right - left, "h": bottom - top}, "image": image}


STRIPED = [20, 10, 240, 180]


def stripes(edges=STRIPED):
    """White lines on what is transparent, in a box smaller than the picture."""
    left, top, right, bottom = edges
    return b"".join(b"\xff\xff\xff\xff" if (x + y) % 40 < 6 else bytes(4) for y in range(top, bottom) for x in range(left, right))


def entry(section, at=0):
    return "#%s-list > .step >> nth=%d >> " % (section, at)


def choose(ps, section, row, label, at=0):
    """Chooses in the list of one line of an entry: 0 is the first line."""
    ps.page.locator("#%s-list > .step" % section).nth(at).locator(".row").nth(row).locator("select").select_option(label=label)


@scenario
def a_lora_changes_the_picture(ps, daemon):
    opened(ps, daemon, "loras")
    offered = ps.page.locator("#loras-adder sp-menu-item")
    titles = offered.all_text_contents()
    assert titles[2] == "for-another, made for Stable Diffusion XL" and offered.nth(2).get_attribute("disabled") is not None, titles
    plain = paint(ps)
    assert plain == asked(ps, daemon)
    ps.page.select_option("#loras-adder select", label="tiny kohya")
    assert ps.page.inner_text("#loras-fold").endswith("LoRAs (1)")
    name = ps.page.get_attribute(entry("loras") + ".title", "title").split("\n")[0]
    assert name == "kohya", name
    ps.shot("loras", 300)
    with_it = paint(ps)
    assert with_it == asked(ps, daemon, loras=[{"name": "kohya", "weight": 1}])
    assert differ(plain, with_it) > SOME, differ(plain, with_it)
    ps.page.fill(entry("loras") + ".number input", "-0.75")
    other_way = paint(ps)
    assert other_way == asked(ps, daemon, loras=[{"name": "kohya", "weight": -0.75}]) and differ(with_it, other_way) > SOME
    # The slider shows what was typed, and types what it is moved to.
    slider = entry("loras") + "input[type=range]"
    assert ps.page.input_value(slider) == "25"
    ps.page.fill(slider, "50")
    assert ps.page.input_value(entry("loras") + ".number input") == "0.5"
    ps.page.select_option("#loras-adder select", label="loha")
    both = paint(ps)
    assert both == asked(ps, daemon, loras=[{"name": "kohya", "weight": 0.5}, {"name": "loha", "weight": 1}])
    assert differ(both, other_way) > SOME
    for at in (0, 1):
        ps.page.click(entry("loras", at) + "sp-checkbox input")
    assert ps.page.inner_text("#loras-fold").endswith("LoRAs")
    assert paint(ps) == plain
    # Trigger words go into the prompt, once.
    for _ in range(2):
        ps.page.click(entry("loras") + ".link")
    assert ps.page.input_value("#prompt textarea") == PROMPT + ", tny style"


@scenario
def what_steers_is_told_before_pixels_are_read(ps, daemon):
    """It decides which model paints, and so how much of the canvas is worth sending."""
    opened(ps, daemon, "loras")
    ps.page.evaluate("""() => {
        window.told = [];
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (data) {
            const bytes = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
            const text = String.fromCharCode(...bytes.subarray(0, 4096));
            if (text.includes('"fill/context"')) window.told.push(text.includes('"steered":true'));
            return send.call(this, data);
        };
    }""")
    paint(ps)
    ps.page.select_option("#loras-adder select", label="tiny kohya")
    paint(ps)
    ps.page.click(entry("loras") + "sp-checkbox input")
    paint(ps)
    ps.page.click("#controls-fold")
    ps.page.click("#controls-adder")
    choose(ps, "controls", 1, "lines")
    paint(ps)
    assert ps.page.evaluate("told") == [False, True, False, True], ps.page.evaluate("told")


@scenario
def loras_are_kept_and_go_with_styles(ps, daemon):
    opened(ps, daemon, "loras")
    ps.page.select_option("#loras-adder select", label="tiny kohya")
    ps.page.fill(entry("loras") + ".number input", "0.4")
    ps.page.click("#style-save")
    ps.page.fill("#style-name input", "Inky")
    ps.page.click("#style-keep")
    ps.until("was saved")
    wait_for("the style", lambda: [style["settings"]["loras"] for style in ask(daemon, "styles/list", {})] == [[{"name": "kohya", "weight": 0.4}]])
    # One that is not here stays, says so, and the daemon's sentence names it.
    settings = {"model": "tiny-sd", "steps": STEPS, "loras": [{"name": "loha", "weight": 0.5, "text_weight": 0}, {"name": "gone"}]}
    ask(daemon, "styles/put", {"name": "Lost", "settings": settings})
    ps.wait("[...document.querySelectorAll('#style sp-menu-item')].some(item => item.textContent === 'Lost')")
    ps.page.select_option("#style select", label="Lost")
    assert ps.page.locator("#loras-list .title").all_text_contents() == ["loha", "gone – not on this machine"]
    ps.shot("loras-lost", 300)
    ps.go()
    ps.until("gone")
    assert len(ps.layers()) == 1
    ps.page.click(entry("loras", 1) + ".tool")
    assert paint(ps) == asked(ps, daemon, loras=settings["loras"][:1])
    # What was chosen is there after a restart.
    ps.open(daemon, forget=False).ready()
    ps.wait("document.querySelector('#loras-list .title')?.textContent === 'loha'")
    assert ps.page.input_value(entry("loras") + ".number input") == "0.5"
    ps.page.select_option("#style select", label="Inky")
    assert ps.page.get_attribute(entry("loras") + ".title", "title").startswith("kohya")
    for style in ("Inky", "Lost"):
        ask(daemon, "styles/remove", {"name": style})


@scenario
def control_layers_steer(ps, daemon):
    """A layer as it is, the picture's own edges, depth, a share of the steps, a reference; as any client has it."""
    opened(ps, daemon, "controls")
    ps.mock("layer", PICTURE, {"name": "stripes", "box": box(STRIPED), "pixels": base64.b64encode(stripes()).decode(), "glow": 9})
    ps.mock("choose", PICTURE, "stripes")
    plain = asked(ps, daemon)
    ps.page.click("#controls-adder")
    assert ps.page.locator("#controls-list select").first.evaluate("list => list.selectedOptions[0].label") == "stripes"
    assert ps.page.locator("#controls-list .row").nth(1).locator("sp-menu-item").all_text_contents() == [
        "lines", "sketch", "reference", "union-xl, made for Stable Diffusion XL"]
    ps.shot("controls", 300)
    # Photoshop trims what it returns to what the layer holds, in which the first and last lines are no rectangle.
    held = ps.mock("look", PICTURE)["layers"][0]["box"]
    assert held == box(STRIPED), held
    made, whole = {"plain": plain}, stripes()
    [other] = [control for control in ask(daemon, "controls/list", {}) if control["kind"] == "depth" and control["name"] == "other-depth"]
    for model, shown, share, from_layer in [
            ("lines", "As it is", "100", True), ("lines", "Canny: thin edges", "100", False), ("lines", "Depth: the nearer the lighter", "100", True),
            ("lines", "Depth by other-depth", "100", True), ("sketch", "As it is", "50", True), ("reference", None, "100", True)]:
        choose(ps, "controls", 0, "stripes" if from_layer else "The picture itself")
        choose(ps, "controls", 1, model)
        if shown:
            choose(ps, "controls", 2, shown)
        ps.page.fill(entry("controls") + ".number >> nth=2 >> input", share)
        ps.page.fill(entry("controls") + ".number >> nth=0 >> input", "1.5" if model == "sketch" else "1")

        def members(krita):
            control = {"model": model, "weight": 1.5 if model == "sketch" else 1, "start": 0, "end": float(share) / 100}
            if from_layer:
                control["image"] = sent(krita, whole, STRIPED, "rgba8")
            if shown and shown != "As it is":
                control["preprocess"] = "canny" if "Canny" in shown else "depth"
                if "other" in shown:
                    control["preprocessor"] = other["id"]
            return {"controls": [control]}
        made[model + str(shown)] = paint(ps)
        assert made[model + str(shown)] == asked(ps, daemon, members), (model, shown)
        assert differ(made[model + str(shown)], plain) > SOME, (model, shown, differ(made[model + str(shown)], plain))
    assert len(set(made.values())) == len(made), "two of them make the same"
    ps.page.click(entry("controls") + "sp-checkbox input")
    assert paint(ps) == plain


@scenario
def control_layers_in_16_and_32_bits(ps, daemon):
    """Layers are sent in the document's own depth: what is steered is steered alike."""
    for depth in (16, 32):
        opened(ps, daemon, "controls", depth=depth)
        ps.mock("layer", PICTURE, {"name": "stripes", "box": box(STRIPED), "pixels": base64.b64encode(stripes()).decode()})
        pixels = {}
        for steered in (False, True):
            if steered:
                ps.mock("choose", PICTURE, "stripes")
                ps.page.click("#controls-adder")
            ps.go()
            ps.until("Done")
            pixels[steered] = [ps.mock("layerPixel", PICTURE, [layer["name"] for layer in ps.layers()].index("%s (%d)" % (PROMPT, SEED)), x, 96) for x in range(60, 200, 3)]
            ps.mock("undo", PICTURE)
        assert sum(one != other for one, other in zip(pixels[False], pixels[True])) > 20, pixels


@scenario
def control_layers_that_cannot_be_read(ps, daemon):
    opened(ps, daemon, "controls")
    ps.mock("layer", PICTURE, {"name": "a title", "box": box(STRIPED), "colour": [9, 9, 9, 255], "kind": "text"})
    ps.mock("layer", PICTURE, {"name": "curves", "box": box(STRIPED), "kind": "curves"})
    ps.mock("layer", PICTURE, {"name": "in the corner", "box": box([0, 0, 20, 20]), "colour": [9, 9, 9, 255]})
    ps.mock("layer", PICTURE, {"name": "gone", "box": box(STRIPED), "colour": [9, 9, 9, 255]})
    ps.mock("choose", PICTURE, "curves")
    ps.page.click("#controls-adder")
    choices = ps.page.locator("#controls-list sp-dropdown").first.locator("sp-menu-item").all_text_contents()
    assert choices == ["The picture itself", "gone", "in the corner", "a title", "Background"], choices
    assert ps.page.locator("#controls-list select").first.evaluate("list => list.selectedIndex") == 0
    before = ps.mock("look", PICTURE)["history"]
    choose(ps, "controls", 0, "a title")
    ps.go()
    ps.until("Rasterize")
    # A picture, the mask around which does not reach the layer: a larger one would be sent if there were no selection.
    ps.document("large.psd", w=1600, h=1200, select=[1300, 900, 1400, 1000])
    ps.wait("document.querySelectorAll('#controls-list > .step').length === 0")
    ps.mock("layer", "large.psd", {"name": "in the corner", "box": box([0, 0, 20, 20]), "colour": [9, 9, 9, 255]})
    ps.mock("choose", "large.psd", "in the corner")
    ps.page.click("#controls-adder")
    ps.go()
    ps.until("“in the corner” is empty where the picture is painted")
    ps.mock("activate", PICTURE)
    ps.wait("document.querySelectorAll('#controls-list > .step').length === 1")
    choose(ps, "controls", 0, "gone")
    ps.mock("rename", PICTURE, "gone", "leaving")
    ps.wait("document.querySelector('#controls-list sp-menu-item:nth-child(2)').textContent === 'leaving'")
    ps.mock("delete", PICTURE, "leaving")
    ps.wait("document.querySelector('#controls-list').textContent.includes('– not in this picture')")
    ps.go()
    ps.until("is not in this picture any more")
    choose(ps, "controls", 0, "The picture itself")
    ps.page.fill(entry("controls") + ".number >> nth=1 >> input", "60")
    ps.page.fill(entry("controls") + ".number >> nth=2 >> input", "40")
    ps.go()
    ps.until("never")
    ps.page.fill(entry("controls") + ".number >> nth=2 >> input", "all")
    ps.go()
    ps.until("not a number from 0 to 100")
    assert ps.mock("look", PICTURE)["history"] == before + ["Delete Layer"]


LEFT, RIGHT = [0, 0, W // 2, H], [W // 2, 0, W, H]


def region(krita, prompt, edges, alpha=255):
    size = (edges[2] - edges[0]) * (edges[3] - edges[1])
    return {"prompt": prompt, "mask": sent(krita, bytes([alpha]) * size, edges, "g8")}


@scenario
def regions_are_bound_to_layers(ps, daemon):
    opened(ps, daemon, "regions")
    ps.mock("layer", PICTURE, {"name": "left half", "box": box(LEFT), "colour": [32, 64, 96, 255]})
    ps.mock("layer", PICTURE, {"name": "right half", "box": box(RIGHT), "colour": [96, 64, 32, 255]})
    ps.mock("layer", PICTURE, {"name": "half there", "box": box(RIGHT), "colour": [96, 64, 32, 128]})
    ps.mock("layer", PICTURE, {"name": "empty", "box": box(LEFT)})
    plain = asked(ps, daemon)
    for at, (name, words) in enumerate([("left half", "an old tree"), ("right half", "deep water"), ("empty", "nowhere")]):
        ps.mock("choose", PICTURE, name)
        ps.page.click("#regions-adder")
        ps.page.fill(entry("regions", at) + "textarea", words)
    ps.mock("choose", PICTURE, "Background")
    assert ps.page.inner_text("#regions-fold").endswith("Regions (3)")
    ps.shot("regions", 300, 900)
    both = paint(ps)
    assert both == asked(ps, daemon, lambda krita: {"regions": [region(krita, "an old tree", LEFT), region(krita, "deep water", RIGHT)]})
    ps.page.click(entry("regions", 1) + "sp-checkbox input")
    one = paint(ps)
    assert one == asked(ps, daemon, lambda krita: {"regions": [region(krita, "an old tree", LEFT)]})
    assert differ(plain, both) > SOME and differ(plain, one) > SOME and differ(one, both) > SOME // 3, (differ(plain, both), differ(plain, one), differ(one, both))
    # By half where the layer is there by half.
    ps.page.click(entry("regions", 0) + "sp-checkbox input")
    ps.page.click(entry("regions", 1) + "sp-checkbox input")
    choose(ps, "regions", 0, "half there", 1)
    half = paint(ps)
    assert half == asked(ps, daemon, lambda krita: {"regions": [region(krita, "deep water", RIGHT, 128)]})
    assert half not in (plain, both)
    # Without words, and without a layer.
    ps.page.fill(entry("regions", 1) + "textarea", " ")
    assert paint(ps) == plain
    ps.page.fill(entry("regions", 1) + "textarea", "deep water")
    choose(ps, "regions", 0, "Choose a layer", 1)
    ps.go()
    ps.until("The region “deep water” has no layer")


@scenario
def what_steers_a_part_of_a_large_picture(ps, daemon):
    """Of the picture and its layers only the part is sent that the fill looks at: it is painted as if all had been."""
    extent, edges, striped, region_edges = (1100, 800), [700, 420, 790, 500], [300, 100, 1100, 760], [740, 0, 1100, 800]
    opened(ps, daemon, "controls", w=extent[0], h=extent[1], select=edges)
    whole = stripes(striped)
    ps.mock("layer", PICTURE, {"name": "stripes", "box": box(striped), "pixels": base64.b64encode(whole).decode()})
    ps.mock("layer", PICTURE, {"name": "wall", "box": box(region_edges), "colour": [96, 64, 32, 255]})
    ps.mock("choose", PICTURE, "stripes")
    ps.page.click("#controls-adder")
    ps.page.click("#regions-fold")
    ps.mock("choose", PICTURE, "wall")
    ps.page.click("#regions-adder")
    ps.page.fill(entry("regions") + "textarea", "an old wall")
    before = ps.page.evaluate("mock.trouble.read")
    found = paint(ps, extent=extent)
    read = ps.page.evaluate("mock.trouble.read") - before
    assert read < extent[0] * extent[1], "%d pixels were read" % read

    def members(krita):
        control = {"model": "lines", "image": sent(krita, whole, striped, "rgba8")}
        return {"controls": [control], "regions": [region(krita, "an old wall", region_edges)]}
    assert found == asked(ps, daemon, members, extent=extent, edges=edges)
    assert found != asked(ps, daemon, extent=extent, edges=edges)


@scenario
def what_belongs_to_a_document(ps, daemon):
    """Control layers and regions come back with the file, in whichever order documents are opened; another has its own."""
    sky = {"name": "sky", "box": box([0, 0, W, 80]), "colour": [90, 120, 200, 255], "id": 7}

    def shown():
        return [ps.page.locator("#%s-list > .step" % section).count() for section in ("controls", "regions")]

    opened(ps, daemon, "regions", name="unsaved.psd")
    ps.mock("layer", "unsaved.psd", sky)
    ps.mock("choose", "unsaved.psd", "sky")
    ps.page.click("#controls-fold")
    ps.page.click("#controls-adder")
    ps.page.fill(entry("controls") + ".number >> nth=0 >> input", "0.8")
    ps.page.click("#regions-adder")
    ps.page.fill(entry("regions") + "textarea", "clouds")
    ps.document("other.psd", w=W, h=H, file="/home/painter/other.psd")
    ps.wait("document.querySelectorAll('#regions-list > .step').length === 0")
    assert shown() == [0, 0]
    ps.mock("activate", "unsaved.psd")
    ps.wait("document.querySelectorAll('#regions-list > .step').length === 1")
    assert shown() == [1, 1]
    assert ps.page.evaluate("localStorage.getItem('underpaint.documents')") is None, "a document without a file is kept under some name"
    ps.mock("saveAs", "unsaved.psd", "/home/painter/sea.psd")
    ps.wait("(localStorage.getItem('underpaint.documents') ?? '').includes('/home/painter/sea.psd')")

    # After a restart documents have other numbers, and layers those of the file.
    ps.open(daemon, forget=False).ready()
    ps.document("other.psd", w=W, h=H, file="/home/painter/other.psd")
    ps.document("sea.psd", w=W, h=H, select=EDGES, file="/home/painter/sea.psd")
    ps.mock("layer", "sea.psd", dict(sky, name="sky above"))
    ps.wait("document.querySelectorAll('#regions-list > .step').length === 1")
    assert shown() == [1, 1] and ps.page.input_value(entry("regions") + "textarea") == "clouds"
    chosen = "list => list.selectedOptions[0].label"
    for section in ("controls", "regions"):
        ps.wait("[...document.querySelectorAll('#%s-list sp-menu-item')].some(item => item.textContent === 'sky above')" % section)
        assert ps.page.locator("#%s-list select" % section).first.evaluate(chosen) == "sky above"
    assert ps.page.input_value(entry("controls") + ".number >> nth=0 >> input") == "0.8"
    ps.shot("kept", 300, 1200)
    told(ps)
    expected = asked(ps, daemon, lambda krita: {
        "controls": [{"model": "lines", "weight": 0.8, "image": sent(krita, bytes([90, 120, 200, 255]) * (W * 80), [0, 0, W, 80], "rgba8")}],
        "regions": [region(krita, "clouds", [0, 0, W, 80])]}, "sea.psd")
    assert paint(ps, "sea.psd") == expected
    # Where the file has other layers now, it is said.
    ps.mock("close", "sea.psd")
    ps.wait("document.querySelectorAll('#regions-list > .step').length === 0")
    ps.document("flat.psd", w=W, h=H, file="/home/painter/sea.psd")
    ps.wait("document.querySelector('#regions-list').textContent.includes('sky above – not in this picture')")
    for section in ("controls", "regions"):
        ps.page.click(entry(section) + ".tool")
    ps.wait("!localStorage.getItem('underpaint.documents').includes('sea.psd')")
    # What another version or an accident left there does no harm.
    for broken in ("[", "{}", "[[1, 2], [\"/home/painter/sea.psd\", {\"controls\": [7, {\"weight\": 99, \"layer\": \"x\"}], \"regions\": {}}]]"):
        ps.page.evaluate("text => localStorage.setItem('underpaint.documents', text)", broken)
        ps.open(daemon, forget=False).ready()
        ps.document("sea.psd", w=W, h=H, file="/home/painter/sea.psd")
        ps.until("Select the part")
    ps.wait("document.querySelectorAll('#controls-list > .step').length === 1")


@scenario
def sections_say_why_they_are_empty(ps, daemon):
    """A model that reads no words, no document, and a daemon without LoRAs and control models: a line each."""
    def sentences():
        return [ps.page.inner_text("#%s-note" % name) if ps.page.is_visible("#%s-note" % name) else "" for name in ("loras", "controls", "regions")]

    def adders():
        return [ps.page.is_visible("#%s-adder" % name) for name in ("loras", "controls", "regions")]

    ps.open(daemon).ready()
    for name in ("loras", "controls", "regions"):
        ps.page.click("#%s-fold" % name)
    ps.wait("document.querySelectorAll('#loras-adder sp-menu-item').length === 3")
    ps.wait("document.querySelector('#controls-note').textContent.startsWith('Open')")
    assert sentences() == ["", "Open a picture to begin.", "Open a picture to begin."] and adders() == [True, False, False]
    ps.document(w=W, h=H, select=EDGES)
    ps.wait("document.querySelector('#regions-note').hidden")
    assert sentences() == [""] * 3 and adders() == [True] * 3, sentences()
    continues = next(model["name"] for model in ask(daemon, "models/list", {}) if model["kind"] == "painter" and not model["samplers"])
    ps.page.select_option("#model select", label=continues)
    assert all(sentences()) and adders() == [False] * 3, sentences()
    ps.shot("steering-nothing", 300)
    # What steers is not sent to a model that looks at nothing but the picture.
    ps.page.select_option("#model select", label="tiny-sd")
    ps.page.select_option("#loras-adder select", label="tiny kohya")
    ps.page.click("#controls-adder")
    ps.page.click("#regions-adder")
    ps.page.fill(entry("regions") + "textarea", "clouds")
    ps.page.select_option("#model select", label=continues)
    ps.go()
    ps.until("Done")
    # What is put into the models folder, or taken from it, is here a moment after the daemon has found out.
    ps.page.select_option("#model select", label="tiny-sd")
    for name in ("loras", "controls", "regions"):
        ps.page.click(entry(name) + ".tool")
    moved = daemon.home / "aside"
    moved.mkdir()
    for name in ("loras", "controls"):
        (daemon.home / "models" / name).rename(moved / name)
    try:
        wait_for("the daemon to miss them", lambda: not ask(daemon, "loras/list", {}))
        ps.wait("document.querySelector('#loras-note').textContent.includes('No LoRAs here yet')")
        ps.wait("document.querySelector('#controls-note').textContent.includes('No control models here yet')")
        assert adders() == [False, False, True]
        ps.shot("steering-empty", 300)
    finally:
        for name in ("loras", "controls"):
            (moved / name).rename(daemon.home / "models" / name)
        moved.rmdir()
    wait_for("the daemon to find them", lambda: ask(daemon, "loras/list", {}))
    ps.wait("document.querySelectorAll('#loras-adder sp-menu-item').length === 3")
    ps.wait("document.querySelector('#loras-note').hidden && document.querySelector('#controls-note').hidden")
    assert sentences() == [""] * 3 and adders() == [True] * 3


@scenario
def what_steers_when_the_canvas_grows(ps, daemon):
    """Where the canvas is enlarged, layers and regions lie further in."""
    opened(ps, daemon, "controls")
    ps.select(PICTURE, None)
    edges = [40, 30, 140, 110]
    ps.mock("layer", PICTURE, {"name": "stripes", "box": box(edges), "pixels": base64.b64encode(stripes(edges)).decode()})
    ps.mock("choose", PICTURE, "stripes")
    ps.page.click("#controls-adder")
    ps.page.click("#regions-fold")
    ps.page.click("#regions-adder")
    ps.page.fill(entry("regions") + "textarea", "an old tree")
    pixels = base64.b64decode(ps.mock("composite", PICTURE))
    ps.mode("expand")
    ps.page.fill("#margin-left input", "64")
    ps.page.fill("#margin-top input", "32")
    ps.mock("choose", PICTURE, "Background")
    ps.go()
    ps.until("Done")
    titles = [layer["name"] for layer in ps.layers()]
    layer = ps.mock("layerBytes", PICTURE, titles.index("%s (%d)" % (PROMPT, SEED)))
    extent, seen = (W + 64, H + 32), layer["box"]
    found = spread(base64.b64decode(layer["bytes"]), seen["left"], seen["top"], seen["right"] - seen["left"], extent)

    canvas = spread(pixels, 64, 32, W, extent)
    mask = bytes(255 - canvas[at + 3] for at in range(0, len(canvas), 4))
    there, opaque = [104, 62, 204, 142], stripes(edges)
    with another_editor(daemon) as krita:
        control = {"model": "lines", "weight": 1, "image": sent(krita, opaque, there, "rgba8")}
        held = {"prompt": "an old tree", "mask": sent(krita, opaque[3::4], there, "g8")}
        [patch] = krita.fill(canvas, extent, mask, mode="expand", model="tiny-sd", prompt=PROMPT, seed=SEED, steps=STEPS, controls=[control], regions=[held]).wait()
    x, y, width, _ = patch.rect
    assert found == spread(bytes(patch.pixels), x, y, width, extent)
