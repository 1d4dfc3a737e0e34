#!/usr/bin/env python3
"""Fills what a mask marks in a PNG, through the running daemon: the smallest whole adapter, explained in NEW_ADAPTER.md.

    fill_png.py PHOTO.png MASK.png OUT.png [--mode remove] [--prompt "a mossy stone"] [--seed 7]

In the mask 0 keeps and 255 repaints; what lies between is a soft edge. Ctrl-C cancels.
"""

import argparse
import sys

import png_file
from underpaint_client import Client, NotRunning, Refused, image


class Picture:
    """What an editor has to offer, here of two files: four functions. The fifth is `tell`."""

    def __init__(self, photo, mask):
        self.width, self.height, self.alpha, self.rgba = png_file.read(photo)
        width, height, _, drawn = png_file.read(mask)
        if (width, height) != (self.width, self.height):
            raise ValueError("%s is %dx%d, the picture %dx%d" % (mask, width, height, self.width, self.height))
        self.selected = drawn[0::4]

    def selection(self):
        """The canvas' extent, and the rect (x, y, w, h) around all that is selected."""
        rows = [y for y in range(self.height) if any(self.selected[y * self.width:(y + 1) * self.width])]
        columns = [x for x in range(self.width) if any(self.selected[x::self.width])]
        if not rows:
            raise ValueError("the mask is black everywhere: nothing is selected")
        return [self.width, self.height], (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)

    def pixels(self, rect):
        """What is seen there: packed rows of rgba8, straight alpha, sRGB."""
        return cropped(self.rgba, self.width, 4, rect)

    def mask(self, rect):
        """How much of each pixel is selected: packed rows of g8."""
        return cropped(self.selected, self.width, 1, rect)

    def place(self, patch):
        """Lays a patch over the picture. An editor makes it a layer and leaves the rest to it; a file has no layers."""
        x, y, wide, _ = patch.rect
        for at in range(len(patch.pixels) // 4):
            *color, over = patch.pixels[at * 4:at * 4 + 4]
            if over:  # else nothing changes
                to = ((y + at // wide) * self.width + x + at % wide) * 4
                under = self.rgba[to + 3] * (255 - over) / 255
                mixed = [(new * over + old * under) / (over + under) for new, old in zip(color, self.rgba[to:to + 3])]
                self.rgba[to:to + 4] = bytes(round(value) for value in [*mixed, over + under])


def cropped(plane, width, size, rect):
    x, y, wide, high = rect
    return b"".join(plane[(row * width + x) * size:(row * width + x + wide) * size] for row in range(y, y + high))


def tell(told):
    """Shows how far the job is."""
    print("%s %d/%d" % (told["stage"], told["step"], told["steps"]), file=sys.stderr)


def fill(client, picture, **wish):
    """The same in every adapter: asks what to send, sends that, waits, places what comes back."""
    extent, bounds = picture.selection()
    box = dict(zip("xywh", bounds))
    part = client.call("fill/context", dict(wish, extent=extent, mask_bounds=box))["rect"]
    seen, mask = client.put(picture.pixels(tuple(part[side] for side in "xywh"))), client.put(picture.mask(bounds))
    wish["canvas"] = {"extent": extent, "rect": part, "image": image(seen, part["w"], part["h"], "rgba8")}
    wish["mask"] = {"rect": box, "image": image(mask, box["w"], box["h"], "g8")}
    job = client.submit("generate", wish)
    try:
        patches = job.wait(on_progress=tell)
    except KeyboardInterrupt:
        job.cancel()
        patches = job.wait()  # `Refused`, unless it had just been done
    for patch in patches:
        picture.place(patch)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("files", nargs=3, metavar=("PHOTO", "MASK", "OUT"))
    arguments.add_argument("--mode", default="fill", choices=["fill", "remove"])
    arguments.add_argument("--prompt", default="")
    arguments.add_argument("--seed", type=int)
    chosen = arguments.parse_args()
    try:
        picture = Picture(*chosen.files[:2])
        seed = {} if chosen.seed is None else {"seed": chosen.seed}
        with Client.connect(name="fill-png") as client:
            fill(client, picture, mode=chosen.mode, prompt=chosen.prompt, **seed)
        png_file.write(chosen.files[2], picture.width, picture.height, picture.alpha, picture.rgba)
    except (ValueError, OSError, NotRunning, Refused) as error:
        sys.exit("error: %s" % str(error).rstrip("."))


if __name__ == "__main__":
    main()
