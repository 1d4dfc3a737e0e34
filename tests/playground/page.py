"""The playground's page in a real Chromium: sliders, several filters, another picture, before and after, saving.

    python3 tests/playground/page.py http://127.0.0.1:PORT/#TOKEN

Exit code 77 where Chromium or Playwright is missing. The screenshot is tests/output/playground.png.
"""

import io
import shutil
import struct
import sys
import zlib
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "output"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def png(width, height, pixel):
    """A small RGB picture."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def size(data):
    return struct.unpack(">II", data[16:24])


def main():
    try:
        from playwright.sync_api import Error, expect, sync_playwright
    except ImportError:
        skip("the playground's page, because Playwright is not installed (pip install playwright)")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        skip("the playground's page, because Chromium is not installed (apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        wrong = []
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(sys.argv[1])
        count = lambda: int(page.get_attribute("body", "data-rendered"))

        def until(selector):
            try:
                page.wait_for_selector(selector, timeout=60000)
            except Error as error:
                raise AssertionError(f"the page says “{page.text_content('#said')}”, and of what went wrong {wrong}") from error

        until("body[data-rendered]")
        assert "#" not in page.url, "the token stays in the address bar"

        def settle(act):
            """Does something that renders, and waits until it has."""
            before = count()
            act()
            until(f"body:not([data-rendered='{before}'])")

        # The list is the daemon's; a filter's controls are its description's.
        names = page.locator("#add option").evaluate_all("options => options.map(o => o.value).filter(Boolean)")
        assert "film-grain" in names, names
        while page.locator("#chain li").count():
            settle(lambda: page.locator("#chain li").first.get_by_title("Remove").click())
        settle(lambda: page.select_option("#add", "film-grain"))
        for name in ("strength", "size", "color", "highlights"):
            assert page.locator(f"#chain input[type=range][name={name}]").count() == 1, name
        shot = page.locator("#after").screenshot()
        settle(lambda: page.locator("input[name=strength]").fill("1"))
        assert page.locator("#after").screenshot() != shot, "the slider changed nothing"
        expect(page.locator("#time")).to_contain_text("Mpix/s")

        # Before and after: the divider follows the pointer and the arrow keys.
        box = page.locator("#after").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + 50)
        assert page.get_attribute("#divider", "aria-valuenow") == "25"
        page.locator("#divider").press("ArrowRight")
        assert page.get_attribute("#divider", "aria-valuenow") == "27"
        page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 50)

        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / "playground.png")

        # Another picture, and the whole of it as a file.
        own = png(300, 200, lambda x, y: (x * 255 // 299, y * 255 // 199, 128))
        file = {"name": "own.png", "mimeType": "image/png", "buffer": own}
        settle(lambda: page.set_input_files("#open", file))
        expect(page.locator("#size")).to_contain_text("300×200")
        with page.expect_download() as download:
            page.click("#save")
        data = Path(download.value.path()).read_bytes()
        assert size(data) == (300, 200) and data != own

        # What is no picture is told in a sentence, and the page goes on.
        page.set_input_files("#open", {"name": "own.txt", "mimeType": "text/plain", "buffer": b"not a picture"})
        expect(page.locator("#said")).to_contain_text("not a picture")
        wrong = [text for text in wrong if "422" not in text]
        assert not wrong, wrong
        browser.close()
    print("the page works")


if __name__ == "__main__":
    main()
