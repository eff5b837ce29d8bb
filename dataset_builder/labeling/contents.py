"""What labels of a burst depend on, as SHA-256: of one burst from its rows, of many from the columns of the tables.

Both hash the same text, the JSON of `hash_facts`; writing it column by column takes a fraction of the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset_builder.work.unit import hash_facts
from manifests.matching import BurstTables

BURST_FACTS = (
    "reference_index",
    "domain",
    "cfa",
    "black_level",
    "white_level",
    "white_balance",
    "color_matrix",
    "scale",
    "ground_truth_sha256",
    "ground_truth_white",
)
"""Columns of `bursts` that labels depend on."""
FRAME_FACTS = (
    "sha256",
    "orientation",
    "shot_noise",
    "read_noise",
    "exposure_ratio",
    "timestamp",
    "homography",
    "mask_sha256",
    "outlier",
)
"""Columns of `frames` that labels depend on."""
_LARGE = 1e9
"""Numbers from 1e-4 up to this are written by Arrow as by Python, but for the `.0` of whole ones."""


def hash_content(burst: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 (hex) over pixels and the metadata that restorers see, from the rows of a burst."""
    facts = {name: burst[name] for name in BURST_FACTS}
    return hash_facts([facts, [[frame[name] for name in FRAME_FACTS] for frame in frames]])


def hash_contents(tables: BurstTables) -> list[str]:
    """The same of each of some thousand bursts.

    Args:
        tables: at least the columns that labels depend on; the rules of the tables keep them free of text that JSON would escape.
    """
    named = [(name, _write_json(tables.bursts.column(name))) for name in sorted(BURST_FACTS)]
    bursts = _join([piece for name, texts in named for piece in (f', "{name}": ', texts)])
    frames = _join([piece for name in FRAME_FACTS for piece in (", ", _write_json(tables.frames.column(name)))])
    frames = _join(["[", pc.utf8_slice_codeunits(frames, 2), "]"])
    lists = pa.ListArray.from_arrays(pa.array(tables.starts, pa.int32()), frames)
    return _hash_texts(_join(["[{", pc.utf8_slice_codeunits(bursts, 2), "}, [", pc.binary_join(lists, ", "), "]]"]))


def _hash_texts(texts: pa.StringArray) -> list[str]:
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data)
    return [hashlib.sha256(view[start:end]).hexdigest() for start, end in pairwise(ends)]


def _join(pieces: Sequence[str | pa.Array]) -> pa.Array:
    """Texts side by side; null where one is."""
    return pc.binary_join_element_wise(*pieces, "")


def _write_json(column: pa.ChunkedArray) -> pa.Array:
    """Values as JSON, `null` where there is none."""
    values = column.combine_chunks()
    if pa.types.is_fixed_size_list(values.type):
        size = values.type.list_size
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        numbers = _write_numbers(pc.list_flatten(values))  # without what is null
        offsets = np.concatenate([[0], np.cumsum(valid * size)])
        joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers), ", ")
        return pc.if_else(pa.array(valid), _join(["[", joined, "]"]), "null")
    if pa.types.is_string(values.type):
        return pc.fill_null(_join(['"', values, '"']), "null")
    return _write_numbers(values)


def _write_numbers(values: pa.Array) -> pa.Array:
    texts = pc.fill_null(values.cast(pa.string()), "null")
    if not pa.types.is_floating(values.type):
        return texts
    numbers: NDArray[np.float64] = pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False)
    size = np.abs(numbers)
    whole = (numbers == np.trunc(numbers)) & (size < _LARGE)
    texts = _replace(texts, whole, lambda chosen: _join([chosen, ".0"]))
    for low, high, write in (
        (1e-5, 1e-4, partial(_write_exponent, digit="5")),
        (1e-6, 1e-5, partial(_write_exponent, digit="6")),
        (0.0, 1e-6, _pad_exponent),
    ):
        texts = _replace(texts, ~whole & (size >= low) & (size < high), write)
    return _replace(texts, size >= _LARGE, lambda _: pa.array(map(repr, numbers[size >= _LARGE].tolist())))


def _replace(texts: pa.Array, chosen: NDArray[np.bool_], write: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Texts of which some are written otherwise."""
    mask = pa.array(chosen)
    return pc.replace_with_mask(texts, mask, write(texts.filter(mask))) if chosen.any() else texts


def _write_exponent(texts: pa.Array, digit: str) -> pa.Array:
    """`0.00001234` as `1.234e-05`."""
    negative = pc.starts_with(texts, "-")
    digits = pc.utf8_slice_codeunits(pc.utf8_ltrim(texts, "-"), int(digit) + 1)
    first, rest = pc.utf8_slice_codeunits(digits, 0, 1), pc.utf8_slice_codeunits(digits, 1)
    point = pc.if_else(pc.equal(rest, ""), "", ".")
    return _join([pc.if_else(negative, "-", ""), first, point, rest, f"e-0{digit}"])


def _pad_exponent(texts: pa.Array) -> pa.Array:
    """`1.2e-7` as `1.2e-07`."""
    return pc.replace_substring_regex(texts, r"e-(\d)$", r"e-0\1")
