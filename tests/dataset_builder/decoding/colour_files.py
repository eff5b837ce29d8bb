"""Pictures in colour spaces of their own, made from formulas that the package does not use."""

import struct
import zlib

import numpy as np

D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
FLIPS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.transpose(a, (1, 0, 2)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.transpose(a, (1, 0, 2)), 2),
    8: np.rot90,
}
"""What each EXIF orientation asks to be done to stored pixels."""


def decode(codes):
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def encode(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def encode_bt709(linear):
    return np.where(linear < 0.018, 4.5 * linear, 1.099 * linear**0.45 - 0.099)


def make_scene(height=40, width=56, seed=0):
    """sRGB in [0, 1]: smooth colours of all hues and a grey ramp, well inside the gamut."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phases = random.uniform(0, 6, 3)
    scene = np.stack([0.5 + 0.3 * np.sin(5 * x + 3 * y * (c + 1) + phases[c]) for c in range(3)], axis=-1)
    scene[:6] = np.linspace(0, 1, width)[:, None]
    return scene


def to_codes(values, bits):
    return np.rint(values * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def rgb_to_xyz(primaries):
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, [D65[0] / D65[1], 1, (1 - sum(D65)) / D65[1]])


def move(scene, primaries, curve):
    """sRGB in [0, 1] as it is written in a space of other primaries, whose white is D65 too."""
    linear = decode(scene) @ (np.linalg.inv(rgb_to_xyz(primaries)) @ rgb_to_xyz(SRGB)).T
    return curve(np.clip(linear, 0, 1))


def make_profile(primaries, curve, *, grey=False, more=()):
    """Smallest ICC profile of matrix and curve; `curve` is the bytes of a curve tag."""

    def fixed(values):
        return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

    d50 = np.array([0.9642, 1.0, 0.8249])
    cones = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    white = rgb_to_xyz(SRGB).sum(axis=1)
    columns = np.linalg.inv(cones) @ np.diag((cones @ d50) / (cones @ white)) @ cones @ rgb_to_xyz(primaries)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(d50), **dict(more)}
    if grey:
        tags[b"kTRC"] = curve
    else:
        for index, letter in enumerate((b"r", b"g", b"b")):
            tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(columns[:, index])
            tags[letter + b"TRC"] = curve
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", 132 + len(table) + len(body), b"none", 0x02400000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ "
    )
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(d50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def gamma_tag(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def table_tag(values):
    return (
        b"curv\0\0\0\0" + struct.pack(">I", len(values)) + np.rint(np.asarray(values) * 65535).astype(">u2").tobytes()
    )


def srgb_tag():
    """The curve of sRGB as a parametric one."""
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0\0\3\0\0" + b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(codes, *chunks, colour_type=None, bits=None, palette=None):
    """A PNG of any depth and colour type; `codes` [H, W, C] unpacked, `chunks` before the pixels."""
    codes = codes[..., None] if codes.ndim == 2 else codes
    bits = bits or 8 * codes.itemsize
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[codes.shape[2]] if colour_type is None else colour_type
    rows = codes.reshape(codes.shape[0], -1)
    if bits == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    elif bits == 8:
        packed = [row.astype(np.uint8).tobytes() for row in rows]
    else:
        digits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(len(rows), -1)
        packed = [np.packbits(row).tobytes() for row in digits]
    head = struct.pack(">IIBBBBB", codes.shape[1], codes.shape[0], bits, colour_type, 0, 0, 0)
    colours = [] if palette is None else [chunk(b"PLTE", palette.astype(np.uint8).tobytes())]
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join([*chunks, *colours]) + pixels + chunk(b"IEND", b"")
