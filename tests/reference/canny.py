"""Writes golden/canny.txt: OpenCV's edges (thresholds 100 and 200) of pictures made by whole numbers alone, so that both sides have the
same. Needs opencv-python-headless (5.0.0.93)."""
import os

import cv2
import numpy as np

W, H = 61, 47
PICTURES = {
    "discs": lambda x, y, c: np.where((x - 30) ** 2 + (y - 25) ** 2 < 400 + 100 * c, 200, 40 + x),
    "waves": lambda x, y, c: (x * x * (c + 1) + y * y * 3 + x * y * (c + 2)) // 37 % 256,
    "weave": lambda x, y, c: ((x * 37 + y * 71 + c * 13) ^ (x * y)) % 64 + 2 * x,
    "steps": lambda x, y, c: (x // 9 + y // 7) % 5 * (19 + 4 * c) + (x * y) // 90,
}


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "canny.txt")
    y, x = np.mgrid[0:H, 0:W]
    with open(path, "w", encoding="utf-8") as file:
        for name, pixel in PICTURES.items():
            image = np.stack([pixel(x, y, c) for c in range(3)], -1).astype(np.uint8)
            file.write(f"{name}\n")
            for row in cv2.Canny(image, 100, 200):
                file.write("".join("#" if v else "." for v in row) + "\n")


if __name__ == "__main__":
    main()
