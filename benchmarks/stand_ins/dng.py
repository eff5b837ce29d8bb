"""DNG files that LibRaw reads back exactly, written with tifffile alone."""

import numpy as np
import tifffile

CFA_CODES = {"R": 0, "G": 1, "B": 2}
# A camera whose colour matrix is well conditioned; XYZ (D65) to camera.
XYZ_TO_CAMERA = np.array([[0.7309, -0.1403, -0.0519], [-0.8474, 1.6008, 0.2622], [-0.2433, 0.2826, 0.8064]])
NEUTRAL = (0.5, 1.0, 0.7)


def to_rationals(values, scale=10_000):
    return [part for value in np.ravel(values) for part in (round(float(value) * scale), scale)]


def write_dng(
    path,
    mosaic,
    *,
    cfa="RGGB",
    black=(64, 64, 64, 64),
    white=1023,
    noise=None,
    orientation=1,
    exposure=(1, 100),
    iso=200,
    taken="2020:01:02 03:04:05",
    pattern=None,
    extra=(),
):
    """Write a mosaic, uint16 or float32 [H, W], as an uncompressed DNG.

    `black` of the four pixels of a cell may be fractions of 256; tags of `extra` go before those of the same number.
    """
    height, width = pattern or (2, 2)
    codes = bytes(CFA_CODES[letter] for letter in cfa)
    blacks = [part for value in black for part in (round(value * 256), 256)]
    tags = [
        (33421, "H", 2, (height, width), True),
        (33422, "B", len(codes), codes, True),
        (33434, "2I", 1, exposure, True),
        (33437, "2I", 1, (18, 10), True),
        (34855, "H", 1, iso, True),
        (36867, "s", 20, taken, True),
        (50706, "B", 4, b"\x01\x04\x00\x00", True),
        (50707, "B", 4, b"\x01\x01\x00\x00", True),
        (50708, "s", 5, "Tiny", True),
        (50713, "H", 2, (2, 2), True),
        (50714, "2I", 4, blacks, True),
        (50717, "H", 1, white, True),
        (50721, "2i", 9, to_rationals(XYZ_TO_CAMERA), True),
        (50728, "2I", 3, to_rationals(NEUTRAL), True),
        (50778, "H", 1, 21, True),
    ]
    if noise is not None:
        tags.append((51041, "d", len(noise), tuple(noise), True))
    if orientation != 1:
        tags.append((274, "H", 1, orientation, True))
    given = {tag[0] for tag in extra}
    tags = [tag for tag in tags if tag[0] not in given] + list(extra)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None, software=False)
    return path
