"""What is made of a control layer is seen before it steers, and kept as a layer to draw on."""

import base64

from . import PICTURE, another_editor, box, long_job, scenario, underpaint_client
from .steering import EDGES, H, PROMPT, SEED, SOME, STEPS, STRIPED, W, asked, choose, differ, entry, opened, paint, sent, stripes

SEE, KEEP, SEEN = ".see", ".keep", ".seen img"
ROWS = {"layer": 0, "model": 1, "shown": 2}


def pick(ps, row, label):
    choose(ps, "controls", ROWS[row], label)


def with_stripes(ps, daemon, **made):
    """A control layer of stripes, of which edges are made."""
    opened(ps, daemon, "controls", **made)
    ps.mock("layer", PICTURE, {"name": "stripes", "box": box(STRIPED), "pixels": base64.b64encode(stripes()).decode()})
    ps.mock("choose", PICTURE, "stripes")
    ps.page.click("#controls-adder")
    pick(ps, "model", "lines")
    assert ps.page.locator(SEE).count() == 0, "it is offered to show what nothing is made of"
    pick(ps, "shown", "Canny: thin edges")
    ps.mock("choose", PICTURE, "Background")


def seen(ps):
    """Presses the button and waits for what it shows: its size and pixels."""
    ps.page.click(SEE)
    ps.page.wait_for_selector(SEEN)
    ps.wait("document.querySelector('.seen img').complete && document.querySelectorAll('#jobs .job').length === 0")
    assert "as the model will see it" in ps.said() and ps.page.inner_text(SEE) == "Hide", ps.said()
    found = ps.page.evaluate("""() => {
        const image = document.querySelector('.seen img');
        const canvas = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight });
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        let text = '';
        for (const byte of data) text += String.fromCharCode(byte);
        return { size: [canvas.width, canvas.height], bytes: btoa(text) };
    }""")
    return found["size"], base64.b64decode(found["bytes"])


def told(ps, daemon, preprocess, from_layer=True):
    """What another client is told of the same: size and pixels."""
    pixels, whole = base64.b64decode(ps.mock("composite", PICTURE)), {"x": 0, "y": 0, "w": W, "h": H}
    left, top, right, bottom = EDGES
    mask = b"".join(b"\xff" if left <= x < right and top <= y < bottom else b"\0" for y in range(H) for x in range(W))
    with another_editor(daemon) as krita:
        painted = {
            "mode": "fill", "model": "tiny-sd", "prompt": PROMPT, "seed": SEED, "steps": STEPS,
            "canvas": {"extent": [W, H], "rect": whole, "image": underpaint_client.image(krita.put(pixels), W, H, "rgba8")},
            "mask": {"rect": whole, "image": underpaint_client.image(krita.put(mask), W, H, "g8")},
        }
        shown = sent(krita, stripes(), STRIPED, "rgba8") if from_layer else {}
        [patch] = krita.submit("control/preprocess", {"preprocess": preprocess, "generate": painted, "px": "rgba8", **shown}).wait()
    return list(patch.rect[2:]), bytes(patch.pixels)


@scenario
def what_a_control_layer_makes_is_seen_first(ps, daemon):
    """In the panel, as another client is shown it; gone when it is of something else; and the picture is left alone."""
    with_stripes(ps, daemon)
    before = ps.mock("look", PICTURE)
    edges = seen(ps)
    assert edges == told(ps, daemon, "canny")
    assert {edges[1][at:at + 4] for at in range(0, len(edges[1]), 4)} == {b"\0\0\0\xff", b"\xff\xff\xff\xff"}
    ps.shot("control-shown", 300, 860)
    ps.shot("control-shown-narrow", 240, 860)
    # How much it counts makes no other picture of it.
    ps.page.fill(entry("controls") + ".number >> nth=0 >> input", "0.5")
    assert ps.page.is_visible(SEEN)
    ps.page.click(SEE)
    assert ps.page.locator(SEEN).count() == 0 and ps.page.inner_text(SEE) == "Show"
    made = [edges]
    for shown, preprocess, from_layer in [("Depth: the nearer the lighter", "depth", True), ("Soft edges", "soft_edge", True), ("Soft edges", "soft_edge", False)]:
        pick(ps, "layer", "stripes" if from_layer else "The picture itself")
        pick(ps, "shown", shown)
        assert ps.page.locator(SEEN).count() == 0, "what was made before, or of another layer, stays"
        made.append(seen(ps))
        assert made[-1] == told(ps, daemon, preprocess, from_layer), (shown, from_layer)
    assert len({pixels for _, pixels in made}) == len(made), "two of them are the same"
    pick(ps, "model", "reference")
    assert ps.page.locator(SEE).count() == 0, "nothing is made of a reference"
    # A second picture comes to the front, and the first one back: nothing is shown by itself.
    pick(ps, "model", "lines")
    ps.document("other.psd", w=W, h=H, select=EDGES)
    ps.wait("document.querySelectorAll('#controls-list > .step').length === 0")
    ps.mock("activate", PICTURE)
    ps.wait("document.querySelectorAll('#controls-list > .step').length === 1")
    assert ps.page.locator(SEEN).count() == 0
    # Where it cannot be read the sentence says so.
    pick(ps, "layer", "stripes")
    ps.mock("delete", PICTURE, "stripes")
    ps.page.click(SEE)
    ps.until("is not in this picture any more")
    ps.wait("document.querySelector('.see').textContent === 'Show'")
    after = ps.mock("look", PICTURE)
    assert after["history"] == before["history"] + ["Delete Layer"], after["history"]


@scenario
def what_nobody_wants_to_see_any_more(ps, daemon):
    """The button is pressed again before the picture has come, or the job is cancelled in the queue."""
    with_stripes(ps, daemon)
    with another_editor(daemon) as krita:
        other = long_job(krita)
        for away in (SEE, "#jobs .job .tool"):
            ps.page.click(SEE)
            ps.wait("document.querySelector('.see').textContent === 'Hide' && document.querySelector('#jobs .job')?.textContent.includes('Waiting')")
            ps.page.click(away)
            ps.wait("document.querySelector('.see').textContent === 'Show' && document.querySelectorAll('#jobs .job').length === 0")
            ps.until("Cancelled")
        # What is made of it is another thing meanwhile.
        ps.page.click(SEE)
        ps.wait("!!document.querySelector('#jobs .job')?.textContent.includes('Waiting')")
        pick(ps, "shown", "Soft edges")
        ps.wait("document.querySelectorAll('#jobs .job').length === 0")
        assert ps.page.inner_text(SEE) == "Show"
        other.cancel()
    size, _ = seen(ps)
    assert min(size) > 0 and ps.mock("look", PICTURE)["history"][-1] != "Keep as layer"


@scenario
def what_a_control_layer_makes_is_kept_as_a_layer(ps, daemon):
    """One history state, a hidden layer, and it steers as it is; after a dialog, too, and in every depth."""
    with_stripes(ps, daemon)
    before, composite = ps.mock("look", PICTURE), ps.mock("composite", PICTURE)
    ps.page.evaluate("mock.trouble.busy = true")
    ps.page.click(KEEP)
    ps.until("busy with a dialog")
    assert len(ps.layers()) == 2 and ps.page.inner_text(SEE) == "Show"
    ps.page.evaluate("mock.trouble.busy = false")
    ps.go()
    ps.until("“Canny of stripes” is a layer now")
    after = ps.mock("look", PICTURE)
    assert after["history"] == before["history"] + ["Keep as layer"], after["history"]
    kept = next(layer for layer in after["layers"] if layer["name"] == "Canny of stripes")
    assert not kept["visible"] and ps.mock("composite", PICTURE) == composite
    first, shown = (ps.page.locator("#controls-list select").nth(at).evaluate("list => list.selectedOptions[0].label") for at in (0, 2))
    assert (first, shown) == ("Canny of stripes", "As it is") and ps.page.locator(SEE).count() == 0, (first, shown)
    ps.shot("control-kept", 300)

    at = [layer["name"] for layer in after["layers"]].index("Canny of stripes")
    held = ps.mock("layerBytes", PICTURE, at)
    edges = [held["box"][side] for side in ("left", "top", "right", "bottom")]
    pixels = base64.b64decode(held["bytes"])
    assert edges[0] <= EDGES[0] and edges[1] <= EDGES[1] and edges[2] >= EDGES[2] and edges[3] >= EDGES[3], edges
    made = paint(ps)
    assert made == asked(ps, daemon, lambda krita: {"controls": [{"model": "lines", "image": sent(krita, pixels, edges, "rgba8")}]})
    assert differ(made, asked(ps, daemon)) > SOME
    ps.mock("undo", PICTURE)
    assert [layer["name"] for layer in ps.layers()] == ["stripes", "Background"] and ps.mock("composite", PICTURE) == composite

    for depth in (16, 32):
        with_stripes(ps, daemon, depth=depth)
        ps.page.click(KEEP)
        ps.until("is a layer now")
        names = [layer["name"] for layer in ps.layers()]
        values = [ps.mock("layerPixel", PICTURE, names.index("Canny of stripes"), x, 96) for x in range(40, 200)]
        most = {16: 32768, 32: 1}[depth]
        assert all(red == green == blue and alpha == most for red, green, blue, alpha in values), values
        assert min(values)[0] == 0 and max(values)[0] > 0.95 * most, values
