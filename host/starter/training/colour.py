"""Colours of pictures, judged without a network: Lab statistics, and the named class whose pictures' statistics lie nearest.

Decision: nearest class centre after whitening with the scatter within the classes (Fisher's discriminant with equal priors), so that
a statistic counts as much as it tells the classes apart.
"""
import numpy as np

MATRIX = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]], np.float32)
WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)
LINEAR = np.where((v := np.arange(256, dtype=np.float32) / 255) <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def lab(rgb):
    """`[..., 3]` CIE L*a*b* (D65) of sRGB bytes."""
    xyz = LINEAR[rgb] @ MATRIX.T / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * (841 / 108) + 4 / 29)
    return np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), -1).astype(np.float32)


def statistics(pictures):
    """`[N, 20]` of `[N, H, W, 3]` Lab: means, spreads, percentiles of lightness and chroma, the upper and the lower third."""
    third = pictures.shape[1] // 3
    flat = pictures.reshape(len(pictures), -1, 3)
    chroma = np.hypot(flat[..., 1], flat[..., 2])
    return np.concatenate((
        flat.mean(1), flat.std(1), np.percentile(flat[..., 0], (5, 25, 75, 95), axis=1).T, chroma.mean(1, keepdims=True),
        np.percentile(chroma, (50, 90, 98), axis=1).T, pictures[:, :third].mean((1, 2)), pictures[:, -third:].mean((1, 2))), 1)


class Nearest:
    """Tells which of the named classes' centres a vector of statistics lies nearest to."""

    def __init__(self, vectors, names):
        names = np.array(names)
        self.names = np.unique(names)
        centres = np.stack([vectors[names == name].mean(0) for name in self.names])
        scatter = np.cov((vectors - centres[np.searchsorted(self.names, names)]).T)
        values, axes = np.linalg.eigh(scatter)
        self.whiten = axes / np.sqrt(np.maximum(values, 1e-6 * values.max()))
        self.centres = centres @ self.whiten

    def __call__(self, vectors):
        distances = ((vectors @ self.whiten)[:, None] - self.centres) ** 2
        return self.names[distances.sum(2).argmin(1)]
