"""Table `frames`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from manifests.schema.rules import (
    COLUMN_NAME,
    IDENTIFIER,
    INVERTIBLE,
    LINE,
    NOT_NEGATIVE,
    NUMBER,
    PATH,
    POSITIVE,
    SHA256,
    TIME,
    RowRule,
    each,
    null_where,
    one_of,
    within,
)
from manifests.schema.table import BOOLEAN, INTEGER, REAL, TEXT_TYPE, Column, TableSchema
from manifests.schema.words import MOST_FRAMES, OUTLIERS


def _counts_in_threes(values: pa.Array) -> pa.Array:
    length = pc.list_value_length(values)
    return pc.equal(pc.subtract(length, pc.multiply(pc.divide(length, 3), 3)), 0)


FRAMES = TableSchema(
    "frames",
    (
        Column("burst_id", TEXT_TYPE, "Burst.", IDENTIFIER),
        Column("frame_index", INTEGER, "0..T-1 in capture order.", within(0, MOST_FRAMES)),
        Column("path", TEXT_TYPE, "File, relative to the data set, POSIX.", PATH),
        Column("sha256", TEXT_TYPE, "SHA-256 of that file.", SHA256),
        Column(
            "origin_name", TEXT_TYPE, "What the origin calls the frame; null for synthetic ones.", LINE, nullable=True
        ),
        Column("is_reference", BOOLEAN, "Whether this is the reference frame."),
        Column(
            "orientation",
            INTEGER,
            "EXIF orientation still to be applied to the file's pixels, 1..8; 1 = upright.",
            within(1, 8),
        ),
        Column(
            "timestamp", REAL, "Seconds since the first frame, at mid-exposure; null if unknown.", NUMBER, nullable=True
        ),
        Column(
            "captured_at",
            TEXT_TYPE,
            "Time in the file's EXIF, ISO 8601 without zone; null if none.",
            TIME,
            nullable=True,
        ),
        Column(
            "exposure_ratio",
            REAL,
            "Light gathered times gain, relative to the reference; null if unknown.",
            POSITIVE,
            nullable=True,
        ),
        Column("exposure_time", REAL, "Seconds the shutter was open; null if unknown.", POSITIVE, nullable=True),
        Column("iso", REAL, "Sensitivity in the file's EXIF; null for synthetic frames.", POSITIVE, nullable=True),
        Column("f_number", REAL, "Aperture in the file's EXIF; null for synthetic frames.", POSITIVE, nullable=True),
        Column(
            "origin_black_level",
            REAL,
            "Black level of the file that the frame came from, before it was brought to its burst's; null unless a mosaic was ingested.",
            NUMBER,
            nullable=True,
        ),
        Column("origin_white_level", REAL, "White level of the same.", NUMBER, nullable=True),
        Column("gain", REAL, "Analogue gain relative to the reference; null if unknown.", POSITIVE, nullable=True),
        Column(
            "shot_noise",
            REAL,
            "a in variance = a·signal + b of the sensor, signal 1 at white; null if unknown.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column("read_noise", REAL, "b in variance = a·signal + b; null if unknown.", NOT_NEGATIVE, nullable=True),
        Column(
            "row_noise",
            REAL,
            "Standard deviation of an offset common to the pixels of a row; null if unknown.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "homography",
            pa.list_(REAL, 9),
            "Reference to frame pixel at mid-exposure, by rows; (x, y), pixel centres at integers; null if unknown.",
            INVERTIBLE,
            nullable=True,
        ),
        Column(
            "displacement",
            REAL,
            "Mean distance in px that the homography moves the reference grid; null if unknown.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "blur_length",
            REAL,
            "Path of the image centre during the exposure, px; null if unknown.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "blur_angle",
            REAL,
            "Direction of that path's chord, radians from +x towards +y; null if unknown.",
            NUMBER,
            nullable=True,
        ),
        Column(
            "trajectory",
            pa.list_(REAL),
            "Poses within the exposure: x px, y px, roll rad of each, flattened; null if unknown.",
            each(NUMBER),
            nullable=True,
        ),
        Column(
            "rolling_shutter",
            pa.list_(REAL, 2),
            "Shift in px, x and y, of a row against the one above it, for it was exposed later; null if unknown.",
            each(NUMBER),
            nullable=True,
        ),
        Column(
            "defocus",
            REAL,
            "Radius in px of the circle of confusion, mean over the frame; null if unknown.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "focus",
            REAL,
            "Depth in focus, 0 nearest to 1 farthest of the scene; null outside focus series.",
            within(0, 1),
            nullable=True,
        ),
        Column(
            "occlusion",
            REAL,
            "Fraction of the frame covered by something else than the still scene, mean of the mask; null if unknown.",
            within(0, 1),
            nullable=True,
        ),
        Column(
            "object_shift",
            REAL,
            "Distance in px that the moving object moved since the reference, camera motion excluded; null without one.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "mask_path",
            TEXT_TYPE,
            "8-bit PNG, 255 where something else than the still scene covers the pixel; null where nothing does.",
            PATH,
            nullable=True,
        ),
        Column("mask_sha256", TEXT_TYPE, "SHA-256 of that file.", SHA256, nullable=True),
        Column(
            "outlier", TEXT_TYPE, "blocked or misaligned; null for ordinary frames.", one_of(OUTLIERS), nullable=True
        ),
        Column(
            "white_balance_error",
            pa.list_(REAL, 2),
            "Stops by which the gains of red and blue were off; null where no picture was developed.",
            each(NUMBER),
            nullable=True,
        ),
        Column(
            "sharpening",
            REAL,
            "Weight of the unsharp mask; null where no picture was developed.",
            NUMBER,
            nullable=True,
        ),
        Column(
            "sharpness",
            REAL,
            "Fine structure relative to brightness, comparable within a burst; null if not measured.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "estimated",
            pa.list_(TEXT_TYPE),
            "Columns of this row that were estimated from the pixels; null if none was.",
            each(COLUMN_NAME),
            nullable=True,
        ),
        Column(
            "jpeg_quality",
            INTEGER,
            "1..100; null where nothing was compressed or it is unknown.",
            within(1, 100),
            nullable=True,
        ),
    ),
    ("burst_id", "frame_index"),
    rules=(
        *null_where("mask_sha256", "mask_path", "mask_path is null", pc.is_null),
        RowRule(("trajectory",), "three numbers for each pose", _counts_in_threes),
    ),
)
