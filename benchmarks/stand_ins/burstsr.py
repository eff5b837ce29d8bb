"""A tiny BurstSR: `ROOT/{train,val}/<sequence>_<crop>/samsung_%02d` and `canon`, each with im_raw.png and meta_info.pkl."""

import numpy as np

from benchmarks.stand_ins.exifread_pickles import Ratio2, Ratio3, Tag, dump
from benchmarks.stand_ins.scenes import average, encode_planes, make_scene, move, pack_rggb

CANON_TO_SAMSUNG = np.array([[0.9, 0.1, 0.0], [0.05, 0.8, 0.05], [0.0, 0.15, 0.7]])
SAMSUNG_BLACK, CANON_BLACK = (60, 62, 62, 61), (512, 512, 512, 512)
COLOR_MATRIX = np.array([[1.5, -0.4, -0.1, 0], [-0.2, 1.4, -0.2, 0], [0, -0.5, 1.5, 0]])
LIGHT = 2.0
"""How much brighter the phone exposed than the camera."""


def write_crop(folder, *, side=24, frames=3, offset=(3.0, -2.0), seed=0, version=2):
    """One crop: mosaics of 2·side px, truth of 8·side px, the camera `offset` px of the truth off."""
    ratio = Ratio2 if version == 2 else Ratio3
    large = make_scene(8 * side, 8 * side, seed=seed)
    canon = move(large, *offset) / LIGHT
    rng = np.random.default_rng(seed)
    for index in range(frames):
        shift = (0, 0) if index == 0 else rng.uniform(-6, 6, 2)
        rgb = average(move(large @ CANON_TO_SAMSUNG.T.astype(np.float32), *shift), 4)
        signal = pack_rggb(rgb) + rng.normal(0, 0.002, (side, side, 4))
        codes = np.rint(signal * (1023 - np.array(SAMSUNG_BLACK)) + SAMSUNG_BLACK).clip(0, 1023)
        path = folder / f"samsung_{index:02d}"
        encode_planes(path / "im_raw.png", codes)
        dump(
            {
                "black_level": list(SAMSUNG_BLACK),
                "cam_wb": [1.9, 1.0, 1.0, 1.6],
                "daylight_wb": [2.0, 1.0, 1.0, 1.5],
                "color_matrix": COLOR_MATRIX,
                "exif_data": {
                    "Image ExposureTime": Tag([ratio(1, 50)]),
                    "Image FNumber": Tag([ratio(17, 10)]),
                    "Image ISOSpeedRatings": Tag([100]),
                    "Image Tag 0xC761": Tag([[1e-3], [1e-6], [2e-3], [2e-6], [3e-3], [3e-6]]),
                },
                "crop_info": None,
                "im_preview": np.zeros((2 * side, 2 * side, 3), np.uint8),
            },
            path / "meta_info.pkl",
            version=version,
        )
    codes = np.rint(canon * (16383 - 512) + 512).clip(0, 16383)
    encode_planes(folder / "canon" / "im_raw.png", codes)
    dump(
        {
            "black_level": list(CANON_BLACK),
            "cam_wb": [2000, 1024, 1024, 1600],
            "daylight_wb": [2000, 1024, 1024, 1600],
            "rgb_xyz_matrix": np.eye(4, 3),
            "exif_data": {
                "EXIF ExposureTime": Tag([ratio(1, 100)]),
                "EXIF FNumber": Tag([ratio(17, 10)]),
                "EXIF ISOSpeedRatings": Tag([100]),
            },
        },
        folder / "canon" / "meta_info.pkl",
        version=version,
    )
    return large @ CANON_TO_SAMSUNG.T


def write_burstsr(root):
    """Two crops of one sequence and one of another for train, one for val."""
    for number, name in enumerate(("train/0001_0000", "train/0001_0001", "train/0002_0000", "val/0003_0000")):
        write_crop(root / name, seed=number, version=2 + number % 2)
    return root
