"""The tables of a data set, column by column.

Every column carries its meaning in the field metadata (`doc`), so that documentation is generated from here and cannot drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

FORMAT_VERSION = 2
"""Version of the on-disk form; written to `dataset.json` and to the metadata of every Parquet file.

1: the first. 2: `bursts.perceptual_hash`, `bursts.ground_truth_white`, `splits.fold`, and whatever the synthesis varies.
`manifests.operations.migrate` brings older data sets up to date.
"""


def _column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


@dataclass(frozen=True)
class TableSchema:
    """Arrow schema of one table and the columns that its rows are sorted by; `unique` if these also identify a row."""

    name: str
    schema: pa.Schema
    sort_by: tuple[str, ...]
    unique: bool = True


_TEXT, _INT, _FLOAT = pa.string(), pa.int32(), pa.float64()

BURSTS = TableSchema(
    "bursts",
    pa.schema(
        [
            _column("burst_id", _TEXT, "Identifier, at most 32 characters of [a-z0-9_-]."),
            _column("source", _TEXT, "Name of the source in the recipe."),
            _column("scene_id", _TEXT, "What was photographed; splits never cut a scene."),
            _column(
                "origin_path",
                _TEXT,
                "Photograph or folder that the burst came from, relative to the root of its source.",
            ),
            _column("origin_sha256", _TEXT, "SHA-256 of that file, or of the sorted digests of that folder's frames."),
            _column(
                "burst_key",
                _TEXT,
                "SHA-256 of everything declared that the pixels depend on: origin, parameters, code version.",
            ),
            _column(
                "seed",
                _TEXT,
                "SHA-256 that seeded the burst's random numbers; null where none were drawn.",
                nullable=True,
            ),
            _column("preset", _TEXT, "Preset of the synthesis; `ingested` for real bursts."),
            _column(
                "camera",
                _TEXT,
                "Camera that the synthesis imitates, `mixed` for one between several; null for real bursts.",
                nullable=True,
            ),
            _column(
                "crop",
                pa.list_(_INT, 4),
                "x, y, width and height in the upright frames of the origin, px; null for whole frames.",
                nullable=True,
            ),
            _column("num_frames", _INT, "T."),
            _column("reference_index", _INT, "Frame on whose grid restorers work."),
            _column(
                "reference_rule",
                _TEXT,
                "How it was chosen: given, first, sharpest or medoid (least motion to the others); null for synthetic bursts.",
                nullable=True,
            ),
            _column("height", _INT, "Rows of a frame, upright."),
            _column("width", _INT, "Columns of a frame, upright."),
            _column("domain", _TEXT, "raw_bayer, linear_rgb or srgb."),
            _column(
                "cfa", _TEXT, "RGGB, GRBG, GBRG or BGGR by the top-left pixel; null unless raw_bayer.", nullable=True
            ),
            _column("black_level", _FLOAT, "File value that means no light."),
            _column("white_level", _FLOAT, "File value that means 1, the white of the sensor or display."),
            _column(
                "white_balance",
                pa.list_(_FLOAT, 3),
                "Gains of R, G, B that make grey grey; null if unknown.",
                nullable=True,
            ),
            _column(
                "color_matrix",
                pa.list_(_FLOAT, 9),
                "White-balanced camera RGB to linear sRGB, by rows; null if unknown.",
                nullable=True,
            ),
            _column(
                "lens_shading",
                pa.list_(_FLOAT),
                "Gains that would undo the lens's shading, which the pixels still have: of R, green beside R, green beside B and B at each "
                "point of a grid over the frame, by rows; null if unknown.",
                nullable=True,
            ),
            _column(
                "lens_shading_size", pa.list_(_INT, 2), "Rows and columns of that grid; null with it.", nullable=True
            ),
            _column("scale", _INT, "Ground-truth pixels per frame pixel, along each side."),
            _column(
                "ground_truth_path",
                _TEXT,
                "16-bit PNG of linear light, 65535 = ground_truth_white: camera RGB, or sRGB primaries where the domain is srgb; "
                "null without truth.",
                nullable=True,
            ),
            _column(
                "ground_truth_white",
                _FLOAT,
                "Signal that the truth's largest value means, 1 being white in the reference; above 1 where the scene is brighter "
                "than the reference can hold.",
            ),
            _column("ground_truth_sha256", _TEXT, "SHA-256 of that file.", nullable=True),
            _column("ground_truth_kind", _TEXT, "exact, reference_capture or none."),
            _column(
                "ground_truth_method",
                _TEXT,
                "How the truth came to lie on the grid and in the colours of the reference; null if it was made there.",
                nullable=True,
            ),
            _column(
                "ground_truth_mask_path",
                _TEXT,
                "8-bit PNG of the truth's size, 255 where it can be trusted; null where that is everywhere.",
                nullable=True,
            ),
            _column("ground_truth_mask_sha256", _TEXT, "SHA-256 of that file.", nullable=True),
            _column(
                "official_split",
                _TEXT,
                "Split that the origin's own lists give the burst; null if they give none.",
                nullable=True,
            ),
            _column("license", _TEXT, "Licence of the origin."),
            _column(
                "perceptual_hash",
                _TEXT,
                "DCT hash of the reference frame, 64 bits as hex, alike for pictures that look alike; null if it shows next to nothing.",
                nullable=True,
            ),
        ]
    ),
    ("burst_id",),
)

FRAMES = TableSchema(
    "frames",
    pa.schema(
        [
            _column("burst_id", _TEXT, "Burst."),
            _column("frame_index", _INT, "0..T-1 in capture order."),
            _column("path", _TEXT, "File, relative to the data set, POSIX."),
            _column("sha256", _TEXT, "SHA-256 of that file."),
            _column("origin_name", _TEXT, "What the origin calls the frame; null for synthetic ones.", nullable=True),
            _column("is_reference", pa.bool_(), "Whether this is the reference frame."),
            _column(
                "orientation", _INT, "EXIF orientation still to be applied to the file's pixels, 1..8; 1 = upright."
            ),
            _column(
                "timestamp", _FLOAT, "Seconds since the first frame, at mid-exposure; null if unknown.", nullable=True
            ),
            _column(
                "captured_at", _TEXT, "Time in the file's EXIF, ISO 8601 without zone; null if none.", nullable=True
            ),
            _column(
                "exposure_ratio",
                _FLOAT,
                "Light gathered times gain, relative to the reference; null if unknown.",
                nullable=True,
            ),
            _column("exposure_time", _FLOAT, "Seconds the shutter was open; null if unknown.", nullable=True),
            _column("iso", _FLOAT, "Sensitivity in the file's EXIF; null for synthetic frames.", nullable=True),
            _column("f_number", _FLOAT, "Aperture in the file's EXIF; null for synthetic frames.", nullable=True),
            _column("gain", _FLOAT, "Analogue gain relative to the reference; null if unknown.", nullable=True),
            _column(
                "shot_noise",
                _FLOAT,
                "a in variance = a·signal + b of the sensor, signal 1 at white; null if unknown.",
                nullable=True,
            ),
            _column("read_noise", _FLOAT, "b in variance = a·signal + b; null if unknown.", nullable=True),
            _column(
                "row_noise",
                _FLOAT,
                "Standard deviation of an offset common to the pixels of a row; null if unknown.",
                nullable=True,
            ),
            _column(
                "homography",
                pa.list_(_FLOAT, 9),
                "Reference to frame pixel at mid-exposure, by rows; (x, y), pixel centres at integers; null if unknown.",
                nullable=True,
            ),
            _column(
                "displacement",
                _FLOAT,
                "Mean distance in px that the homography moves the reference grid; null if unknown.",
                nullable=True,
            ),
            _column(
                "blur_length",
                _FLOAT,
                "Path of the image centre during the exposure, px; null if unknown.",
                nullable=True,
            ),
            _column(
                "blur_angle",
                _FLOAT,
                "Direction of that path's chord, radians from +x towards +y; null if unknown.",
                nullable=True,
            ),
            _column(
                "trajectory",
                pa.list_(_FLOAT),
                "Poses within the exposure: x px, y px, roll rad of each, flattened; null if unknown.",
                nullable=True,
            ),
            _column(
                "rolling_shutter",
                pa.list_(_FLOAT, 2),
                "Shift in px, x and y, of a row against the one above it, for it was exposed later; null if unknown.",
                nullable=True,
            ),
            _column(
                "defocus",
                _FLOAT,
                "Radius in px of the circle of confusion, mean over the frame; null if unknown.",
                nullable=True,
            ),
            _column(
                "focus",
                _FLOAT,
                "Depth in focus, 0 nearest to 1 farthest of the scene; null outside focus series.",
                nullable=True,
            ),
            _column(
                "occlusion",
                _FLOAT,
                "Fraction of the frame covered by something else than the still scene, mean of the mask; null if unknown.",
                nullable=True,
            ),
            _column(
                "object_shift",
                _FLOAT,
                "Distance in px that the moving object moved since the reference, camera motion excluded; null without one.",
                nullable=True,
            ),
            _column(
                "mask_path",
                _TEXT,
                "8-bit PNG, 255 where something else than the still scene covers the pixel; null where nothing does.",
                nullable=True,
            ),
            _column("mask_sha256", _TEXT, "SHA-256 of that file.", nullable=True),
            _column("outlier", _TEXT, "blocked or misaligned; null for ordinary frames.", nullable=True),
            _column(
                "white_balance_error",
                pa.list_(_FLOAT, 2),
                "Stops by which the gains of red and blue were off; null where no picture was developed.",
                nullable=True,
            ),
            _column(
                "sharpening", _FLOAT, "Weight of the unsharp mask; null where no picture was developed.", nullable=True
            ),
            _column(
                "sharpness",
                _FLOAT,
                "Fine structure relative to brightness, comparable within a burst; null if not measured.",
                nullable=True,
            ),
            _column(
                "estimated",
                pa.list_(_TEXT),
                "Columns of this row that were estimated from the pixels; null if none was.",
                nullable=True,
            ),
            _column("jpeg_quality", _INT, "1..100; null where nothing was compressed or it is unknown.", nullable=True),
        ]
    ),
    ("burst_id", "frame_index"),
)

LABELS = TableSchema(
    "labels",
    pa.schema(
        [
            _column("burst_id", _TEXT, "Burst."),
            _column("estimator", _TEXT, "How worth is derived from fidelities."),
            _column("metric", _TEXT, "Fidelity metric; its conventions stand in dataset.json."),
            _column("frame_index", _INT, "Frame."),
            _column("scenario", _TEXT, "Task, restorer and setting."),
            _column(
                "score",
                _FLOAT,
                "Worth of the frame; null where the estimator defines none (the reference).",
                nullable=True,
            ),
            _column(
                "std_error",
                _FLOAT,
                "Standard error of the estimator; 0 when nothing was sampled; null with score.",
                nullable=True,
            ),
            _column("unit", _TEXT, "Unit of score and std_error."),
            _column(
                "rank",
                _INT,
                "1 = best in the burst; equal scores share the better rank; null with score.",
                nullable=True,
            ),
            _column(
                "score_norm",
                _FLOAT,
                "(score − worst) / (best − worst) within the burst; 0.5 if all are equal; null with score.",
                nullable=True,
            ),
            _column("num_evaluations", _INT, "Fidelities that the score was computed from."),
            _column("label_key", _TEXT, "SHA-256 of everything declared that the score depends on."),
            _column("restorer_fingerprint", _TEXT, "SHA-256 of the restorer: version, parameters, weights."),
        ]
    ),
    ("burst_id", "estimator", "metric", "frame_index"),
)

SPLITS = TableSchema(
    "splits",
    pa.schema(
        [
            _column("burst_id", _TEXT, "Burst."),
            _column("scene_id", _TEXT, "Its scene."),
            _column("split", _TEXT, "train, val or test."),
            _column("fold", _INT, "Fold of the scene in cross-validation, from 0; null without folds.", nullable=True),
        ]
    ),
    ("burst_id",),
)

RELIABILITY = TableSchema(
    "reliability",
    pa.schema(
        [
            _column("scenario", _TEXT, "Task, restorer and setting."),
            _column("estimator", _TEXT, "How worth is derived from fidelities."),
            _column("metric", _TEXT, "Fidelity metric."),
            _column("bursts", _INT, "Bursts that were labelled again with other noise."),
            _column("frames", _INT, "Scores that were compared."),
            _column(
                "spearman",
                _FLOAT,
                "Mean rank correlation within bursts between both; null if undefined.",
                nullable=True,
            ),
            _column(
                "icc", _FLOAT, "ICC(1,1) of both, relative to the means of bursts; null if undefined.", nullable=True
            ),
            _column("stable_best", _FLOAT, "Share of bursts whose best frame stays the best."),
            _column("median_score", _FLOAT, "Median of the scores' absolute values."),
            _column("noise_error", _FLOAT, "Standard error of a score due to noise: root mean square difference / √2."),
            _column(
                "length_spearman",
                _FLOAT,
                "Mean rank correlation with the labels of the burst without every second frame; null if undefined.",
                nullable=True,
            ),
        ]
    ),
    ("scenario", "estimator", "metric"),
)

FAILURES = TableSchema(
    "failures",
    pa.schema(
        [
            _column("stage", _TEXT, "bursts or labels."),
            _column("source", _TEXT, "Source of the recipe that the unit belongs to."),
            _column("burst_id", _TEXT, "Burst; where it never came to be, the id of its photograph or folder."),
            _column("scenario", _TEXT, "Scenario; empty outside the stage labels."),
            _column("error_type", _TEXT, "Class of the error."),
            _column("message", _TEXT, "What was expected, what came, where."),
            _column("attempts", _INT, "How often the unit was tried in the last build."),
        ]
    ),
    ("stage", "source", "burst_id", "scenario", "message"),
    unique=False,
)

PACKS = TableSchema(
    "packs",
    pa.schema(
        [
            _column("burst_id", _TEXT, "Burst."),
            _column("shard", _TEXT, "Arrow IPC file that holds its frames, relative to the pack, POSIX."),
            _column("offset", pa.int64(), "First byte of its pixels in that file."),
            _column("length", pa.int64(), "Bytes of its pixels: stored values of the upright frames, [T, C, H, W]."),
            _column("dtype", _TEXT, "uint8 or uint16, little endian."),
            _column("sha256", _TEXT, "SHA-256 of these bytes."),
        ]
    ),
    ("burst_id",),
)
"""Only in the packed form."""

TABLES = {table.name: table for table in (BURSTS, FRAMES, LABELS, SPLITS, RELIABILITY, FAILURES, PACKS)}

DOMAINS = ("raw_bayer", "linear_rgb", "srgb")
CFA_PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
OUTLIERS = ("blocked", "misaligned")
GROUND_TRUTH_KINDS = ("exact", "reference_capture", "none")
REFERENCE_RULES = ("given", "first", "sharpest", "medoid")
SPLIT_NAMES = ("train", "val", "test")
MARGINAL_ESTIMATORS = frozenset({"leave_one_out", "add_one", "shapley", "banzhaf"})
"""Estimators that never remove the reference, so that it has no score."""


LABEL_SET = ["scenario", "estimator", "metric"]
"""Columns that identify a set of comparable labels."""


def is_marginal(estimator: str) -> bool:
    """Whether scores of an estimator are gains and losses."""
    return estimator.split("(", maxsplit=1)[0] in MARGINAL_ESTIMATORS
