"""Filters, styles, history and what the panel keeps."""

from . import PICTURE, another_editor, ask, box, filled, long_job, painting, scenario, slowly


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
def a_table_longer_than_a_message(ps, daemon):
    """Texts of filters travel beside the request, over a layer and over what is painted, and are written down once."""
    table = "LUT_3D_SIZE 17\n" + "".join(
        "%.6f %.6f %.6f\n" % tuple(1 - step / 16 for step in (r, g, b)) for b in range(17) for g in range(17) for r in range(17))
    assert len(table) > 65536
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    ps.page.click("#filters-fold")
    ps.page.select_option("#add-filter select", label="LUT")
    # Pasted: Chromium takes minutes to type so much.
    ps.page.evaluate("""table => {
        const field = document.querySelector('.step sp-textarea');
        field.value = table;
        field.dispatchEvent(new Event('input'));
    }""", table)
    ps.page.click("#apply")
    ps.until("Done")
    before = ps.mock("pixel", PICTURE, 30, 100)
    ps.mock("choose", PICTURE, "Background")
    was, now = ([ps.mock("layerPixel", PICTURE, at, x, 100)[:3] for x in range(70, 150)] for at in (1, 0))
    assert all(abs(255 - one - other) <= 1 for pair in zip(was, now) for one, other in zip(*pair)), (was, now)
    assert ps.mock("pixel", PICTURE, 30, 100) == before
    ps.go()
    ps.wait("mock.look('picture.psd').history.length === 3")
    ps.page.evaluate("""() => {
        window.written = 0;
        const { setItem } = Storage.prototype;
        Storage.prototype.setItem = function (name, text) { written += text.length; return setItem.call(this, name, text); };
    }""")
    ps.page.fill("#prompt textarea", "a stone")
    assert 0 < ps.page.evaluate("written") < 100, ps.page.evaluate("written")
    ps.open(daemon, forget=False).ready()
    assert ps.page.input_value(".step sp-textarea textarea") == table


@scenario
def words_longer_than_a_message(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    ps.page.fill("#prompt textarea", "a stone " * 9000)
    ps.go()
    assert "at most 49152 can be sent. Shorten the prompts" in ps.until("All texts together have 72")
    assert ps.page.evaluate("mock.trouble.read") == 0 and len(ps.layers()) == 1


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
    # Another one is saved here, with what the panel does not show, and the words for this picture left out.
    ps.page.fill("#steps input", "4")
    ps.page.click("#style-save")
    ps.page.fill("#style-name input", "Slower study")
    ps.page.press("#style-name input", "Enter")
    ps.until("was saved")
    kept = {style["name"]: style["settings"] for style in ask(daemon, "styles/list", {})}
    assert kept["Slower study"] == dict(settings, steps=4), kept
    ps.wait("document.querySelector('#style').selectedIndex === 2")
    ps.page.click("#style-remove")
    ps.until("was deleted")
    ask(daemon, "styles/remove", {"name": "Quick study"})
    assert ask(daemon, "styles/list", {}) == []


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
def a_model_that_is_gone_stays_chosen(ps, daemon):
    """What the list shows is what is asked for."""
    ps.open(daemon).ready()
    ps.page.evaluate("localStorage.setItem('underpaint.settings.model', JSON.stringify('gone.safetensors'))")
    ps.open(daemon, forget=False).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    chosen = "document.querySelector('#model').shadowRoot.querySelector('select').selectedOptions[0].label"
    ps.wait(chosen + " === 'gone.safetensors – not on this machine'")
    ps.go()
    ps.until("gone.safetensors")
    ps.page.select_option("#model select", label="Automatic")
    ps.go()
    ps.until("Done")


@scenario
def the_menu_commands(ps, daemon):
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    slowly(ps)
    ps.page.evaluate("mock.entry.command('run')")
    painting(ps)
    ps.page.evaluate("mock.entry.command('cancel')")
    ps.until("Cancelled")


@scenario
def history_of_every_editor(ps, daemon):
    with another_editor(daemon) as krita:
        krita.call("history/clear")
        krita.fill(bytes(range(256)) * 4 * 48, (64, 192), bytes(64 * 96) + b"\xff" * (64 * 32) + bytes(64 * 64), prompt="a krita stone", model="tiny-sd", steps=2, seed=5).wait()
        ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
        ps.ready().go()
        ps.until("Done")
        ps.page.click("#history-fold")
        ps.wait("document.querySelectorAll('.entry').length === 2")
        ps.page.click(".entry >> nth=1")
        assert ps.page.inner_text("#entry-words") == "a krita stone (5)"
        ps.shot("history")
        ps.page.click("#entry-seed")
        assert ps.page.input_value("#seed input") == "5"
        ps.page.click("#entry-apply")
        ps.until("Done")
        look = ps.mock("look", PICTURE)
        assert look["history"] == ["Open", "Fill", "Place from history"] and look["layers"][0]["name"] == "a krita stone (5)", look
        ps.page.click("#entry-remove")
        ps.wait("document.querySelectorAll('.entry').length === 1")
        # What another editor clears is gone here, too.
        krita.call("history/clear")
        ps.wait("document.querySelectorAll('.entry').length === 0")


@scenario
def history_of_a_larger_picture(ps, daemon):
    """What was painted beyond this canvas is moved into it."""
    with another_editor(daemon) as krita:
        krita.call("history/clear")
        mask = b"".join(b"\xff" if 440 <= x < 480 and 320 <= y < 360 else b"\0" for y in range(384) for x in range(512))
        [patch] = krita.fill(bytes([90, 120, 60, 255]) * (512 * 384), (512, 384), mask, mode="fill", prompt="a stone", model="tiny-sd", steps=2, seed=5).wait()
        x, y, width, height = patch.rect
        assert x > 160 and y > 160, patch.rect
        ps.open(daemon).document(w=160, h=160)
        ps.ready()
        ps.page.click("#history-fold")
        ps.wait("document.querySelectorAll('.entry').length === 1")
        ps.page.click(".entry")
        ps.page.click("#entry-apply")
        ps.until("Done")
        held = ps.mock("look", PICTURE)["layers"][0]["box"]
        assert held["left"] >= 160 - width and held["top"] >= 160 - height and held["right"] <= 160 and held["bottom"] <= 160, (held, patch.rect)
        krita.call("history/clear")


@scenario
def other_editors_wait_in_the_same_queue(ps, daemon):
    with another_editor(daemon) as krita:
        ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
        ps.ready()
        job = long_job(krita, label="a castle")
        ps.wait("document.querySelector('#queue').textContent.includes('for Krita: a castle')")
        ps.go()
        ps.wait("document.querySelector('.job').textContent.includes('Waiting for its turn')")
        job.cancel()
        ps.until("Done")
        ps.page.wait_for_selector(".job", state="detached")


@scenario
def narrow_and_wide(ps, daemon):
    """The panel at its narrowest and wider, with all that can be open: nothing is cut off at the side."""
    ps.open(daemon).document(w=256, h=192, select=[60, 50, 160, 140])
    ps.ready()
    for heading in ("#loras-fold", "#controls-fold", "#regions-fold", "#filters-fold", "#more-fold"):
        ps.page.click(heading)
    ps.wait("document.querySelectorAll('#loras-adder sp-menu-item').length === 3")
    ps.mock("layer", PICTURE, {"name": "a layer whose name is longer than any panel is wide, as layers' names are", "box": box([0, 0, 99, 99]), "colour": [9, 9, 9, 255]})
    ps.mock("choose", PICTURE, "a layer whose name is longer than any panel is wide, as layers' names are")
    ps.page.select_option("#loras-adder select", label="tiny kohya")
    ps.page.click("#controls-adder")
    ps.page.click("#regions-adder")
    ps.page.fill("#regions-list textarea", "an old tree, its roots in the water")
    ps.page.select_option("#add-filter select", label="Levels")
    ps.page.fill("#prompt textarea", "an old door between two trees, evening light")
    for width in (240, 300, 400):
        ps.page.set_viewport_size({"width": width, "height": 1500})
        reach = ps.page.evaluate("Math.max(...[...document.querySelectorAll('#panel *')].map(part => part.getBoundingClientRect().right))")
        assert reach <= width, (width, reach)
        beyond = "step => [...step.querySelectorAll('*')].some(part => part.getBoundingClientRect().right > step.getBoundingClientRect().right)"
        assert not ps.page.evaluate("[...document.querySelectorAll('.step')].some(%s)" % beyond), width
        ps.shot("wide-%d" % width, width, 1500)
