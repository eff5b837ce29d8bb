"""Table `bursts`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from manifests.schema.rules import (
    IDENTIFIER,
    INVERTIBLE,
    LINE,
    NUMBER,
    PATH,
    PATH_OF_ORIGIN,
    PERCEPTUAL_HASH,
    POSITIVE,
    SHA256,
    TEXT,
    RowRule,
    each,
    null_where,
    one_of,
    within,
)
from manifests.schema.table import INTEGER, REAL, TEXT_TYPE, Column, TableSchema
from manifests.schema.words import (
    CFA_PATTERNS,
    DOMAINS,
    GROUND_TRUTH_KINDS,
    LARGEST,
    LARGEST_SCALE,
    LEAST_RANGE,
    LONGEST_SIDE,
    MOST_FRAMES,
    MOST_PIXELS,
    REFERENCE_RULES,
    SPLIT_NAMES,
)


def _is_even_in_mosaics(side: pa.Array, domain: pa.Array) -> pa.Array:
    return pc.or_(pc.not_equal(domain, "raw_bayer"), pc.equal(pc.bit_wise_and(side, 1), 0))


def _fills_grid(gains: pa.Array, size: pa.Array) -> pa.Array:
    points = pc.multiply(pc.cast(pc.list_element(size, 0), pa.int64()), pc.cast(pc.list_element(size, 1), pa.int64()))
    return pc.equal(pc.cast(pc.list_value_length(gains), pa.int64()), pc.multiply(points, 4))


def _is_below(black: pa.Array, white: pa.Array) -> pa.Array:
    # Loaders count in single precision, where the difference must not vanish.
    difference = pc.subtract(pc.cast(white, pa.float32()), pc.cast(black, pa.float32()))
    return pc.greater_equal(difference, LEAST_RANGE)


def _is_decodable(height: pa.Array, width: pa.Array) -> pa.Array:
    return pc.less_equal(pc.multiply(pc.cast(height, pa.int64()), pc.cast(width, pa.int64())), MOST_PIXELS)


def _has_area(crop: pa.Array) -> pa.Array:
    return pc.and_(pc.greater(pc.list_element(crop, 2), 0), pc.greater(pc.list_element(crop, 3), 0))


BURSTS = TableSchema(
    "bursts",
    (
        Column("burst_id", TEXT_TYPE, "Identifier, at most 32 characters of [a-z0-9_-].", IDENTIFIER),
        Column("source", TEXT_TYPE, "Name of the source in the recipe.", IDENTIFIER),
        Column("scene_id", TEXT_TYPE, "What was photographed; splits never cut a scene.", IDENTIFIER),
        Column(
            "origin_path",
            TEXT_TYPE,
            "Photograph or folder that the burst came from, relative to the root of its source.",
            PATH_OF_ORIGIN,
        ),
        Column(
            "origin_sha256",
            TEXT_TYPE,
            "SHA-256 of that file, or of the sorted digests of that folder's frames.",
            SHA256,
        ),
        Column(
            "burst_key",
            TEXT_TYPE,
            "SHA-256 of everything declared that the pixels depend on: origin, parameters, code version.",
            SHA256,
        ),
        Column(
            "seed",
            TEXT_TYPE,
            "SHA-256 that seeded the burst's random numbers; null where none were drawn.",
            SHA256,
            nullable=True,
        ),
        Column("preset", TEXT_TYPE, "Preset of the synthesis; `ingested` for real bursts.", IDENTIFIER),
        Column(
            "camera",
            TEXT_TYPE,
            "Camera that the synthesis imitates, `mixed` for one between several; null for real bursts.",
            LINE,
            nullable=True,
        ),
        Column(
            "crop",
            pa.list_(INTEGER, 4),
            "x, y, width and height in the upright frames of the origin, px; null for whole frames.",
            each(within(0, LARGEST)),
            nullable=True,
        ),
        Column("num_frames", INTEGER, "T.", within(1, MOST_FRAMES)),
        Column("reference_index", INTEGER, "Frame on whose grid restorers work.", within(0, MOST_FRAMES)),
        Column(
            "reference_rule",
            TEXT_TYPE,
            "How it was chosen: given, first, sharpest or medoid (least motion to the others); null for synthetic bursts.",
            one_of(REFERENCE_RULES),
            nullable=True,
        ),
        Column("height", INTEGER, "Rows of a frame, upright.", within(1, LONGEST_SIDE)),
        Column("width", INTEGER, "Columns of a frame, upright.", within(1, LONGEST_SIDE)),
        Column("domain", TEXT_TYPE, "raw_bayer, linear_rgb or srgb.", one_of(DOMAINS)),
        Column(
            "cfa",
            TEXT_TYPE,
            "RGGB, GRBG, GBRG or BGGR by the top-left pixel; null unless raw_bayer.",
            one_of(CFA_PATTERNS),
            nullable=True,
        ),
        Column("black_level", REAL, "File value that means no light.", NUMBER),
        Column("white_level", REAL, "File value that means 1, the white of the sensor or display.", NUMBER),
        Column(
            "white_balance",
            pa.list_(REAL, 3),
            "Gains of R, G, B that make grey grey; null if unknown.",
            each(POSITIVE),
            nullable=True,
        ),
        Column(
            "color_matrix",
            pa.list_(REAL, 9),
            "White-balanced camera RGB to linear sRGB, by rows; null if unknown.",
            INVERTIBLE,
            nullable=True,
        ),
        Column(
            "lens_shading",
            pa.list_(REAL),
            "Gains that would undo the lens's shading, which the pixels still have: of R, green beside R, green beside B and B at each "
            "point of a grid over the frame, by rows; null if unknown.",
            each(POSITIVE),
            nullable=True,
        ),
        Column(
            "lens_shading_size",
            pa.list_(INTEGER, 2),
            "Rows and columns of that grid; null with it.",
            each(within(1, LONGEST_SIDE)),
            nullable=True,
        ),
        Column("scale", INTEGER, "Ground-truth pixels per frame pixel, along each side.", within(1, LARGEST_SCALE)),
        Column(
            "ground_truth_path",
            TEXT_TYPE,
            "16-bit PNG of linear light, 65535 = ground_truth_white: camera RGB, or sRGB primaries where the domain is srgb; "
            "null without truth.",
            PATH,
            nullable=True,
        ),
        Column(
            "ground_truth_white",
            REAL,
            "Signal that the truth's largest value means, 1 being white in the reference; above 1 where the scene is brighter "
            "than the reference can hold.",
            POSITIVE,
        ),
        Column("ground_truth_sha256", TEXT_TYPE, "SHA-256 of that file.", SHA256, nullable=True),
        Column("ground_truth_kind", TEXT_TYPE, "exact, reference_capture or none.", one_of(GROUND_TRUTH_KINDS)),
        Column(
            "ground_truth_method",
            TEXT_TYPE,
            "How the truth came to lie on the grid and in the colours of the reference, and after `doubtful:` why it is not to be trusted; "
            "null if it was made there.",
            LINE,
            nullable=True,
        ),
        Column(
            "ground_truth_mask_path",
            TEXT_TYPE,
            "8-bit PNG of the truth's size, 255 where it can be trusted; null where that is everywhere.",
            PATH,
            nullable=True,
        ),
        Column("ground_truth_mask_sha256", TEXT_TYPE, "SHA-256 of that file.", SHA256, nullable=True),
        Column(
            "official_split",
            TEXT_TYPE,
            "Split that the origin's own lists give the burst; null if they give none.",
            one_of(SPLIT_NAMES),
            nullable=True,
        ),
        Column("license", TEXT_TYPE, "Licence of the origin.", TEXT),
        Column(
            "perceptual_hash",
            TEXT_TYPE,
            "DCT hash of the reference frame, 64 bits as hex, alike for pictures that look alike; null if it shows next to nothing.",
            PERCEPTUAL_HASH,
            nullable=True,
        ),
    ),
    ("burst_id",),
    rules=(
        RowRule(("reference_index", "num_frames"), "a frame of the burst, below num_frames", pc.less),
        RowRule(("black_level", "white_level"), f"less than white_level, by {LEAST_RANGE:g} or more", _is_below),
        RowRule(("height", "width"), f"at most {MOST_PIXELS:,} px with width", _is_decodable),
        RowRule(("crop",), "a width and a height of at least 1", _has_area),
        *null_where("cfa", "domain", "the domain is not raw_bayer", lambda domain: pc.not_equal(domain, "raw_bayer")),
        *(
            RowRule((side, "domain"), "an even number for raw_bayer", _is_even_in_mosaics)
            for side in ("height", "width")
        ),
        *(
            rule
            for column in ("ground_truth_path", "ground_truth_sha256")
            for rule in null_where(
                column, "ground_truth_kind", "ground_truth_kind is none", lambda kind: pc.equal(kind, "none")
            )
        ),
        *null_where("ground_truth_mask_sha256", "ground_truth_mask_path", "ground_truth_mask_path is null", pc.is_null),
        RowRule(
            ("ground_truth_mask_path", "ground_truth_path"),
            "null where there is no ground truth",
            lambda mask, truth: pc.or_(pc.is_null(mask), pc.is_valid(truth)),
        ),
        *null_where("lens_shading_size", "lens_shading", "lens_shading is null", pc.is_null),
        RowRule(("lens_shading", "lens_shading_size"), "four gains for each point of the grid", _fills_grid),
    ),
)
