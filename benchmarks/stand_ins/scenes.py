"""Linear scenes and what cameras make of them, for tiny bursts."""

import cv2
import numpy as np


def make_scene(height, width, *, seed=0):
    """Smooth colours with fine structure: float32 [H, W, 3] in (0.05, 0.75)."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0.15, 0.6, (6, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.uniform(-0.2, 0.2, (height // 6 + 1, width // 6 + 1, 1)), (width, height))
    return np.clip(coarse + fine[..., None] * 0.6, 0.05, 0.75).astype(np.float32)


def move(scene, x, y):
    """The scene as seen after a shift of the camera: out(p) = scene(p − (x, y))."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    size = scene.shape[1], scene.shape[0]
    # OpenCV 5.0 moves float64 images wrongly.
    scene = scene.astype(np.float32)
    return cv2.warpAffine(scene, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def average(scene, factor):
    """Mean over blocks."""
    height, width = scene.shape[0] // factor, scene.shape[1] // factor
    return cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA)


def pack_rggb(rgb):
    """[2h, 2w, 3] to the packed mosaic [h, w, 4]."""
    return np.stack([rgb[0::2, 0::2, 0], rgb[0::2, 1::2, 1], rgb[1::2, 0::2, 1], rgb[1::2, 1::2, 2]], axis=-1)


def mosaic_rggb(rgb):
    """[H, W, 3] to [H, W]."""
    result = rgb[..., 1].copy()
    result[0::2, 0::2] = rgb[0::2, 0::2, 0]
    result[1::2, 1::2] = rgb[1::2, 1::2, 2]
    return result


def encode_planes(path, planes):
    """Write 16-bit planes as the sets were written: by OpenCV, channel for channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), planes.astype(np.uint16))
