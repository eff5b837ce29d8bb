"""What values must be: rules of one column, and of columns of one row against each other.

A rule is given Arrow arrays and says of each value, or of each row, whether it holds; null is nobody's fault but that of a column that may
not be null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.schema import words


@dataclass(frozen=True)
class Rule:
    """What holds for every value of a column.

    Attributes:
        expected: what a value must be, for messages.
        holds: holds of an array, a boolean array of the same length; null where the value is null.
    """

    expected: str
    holds: Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class RowRule:
    """What holds between columns in every row.

    Attributes:
        columns: which; the first is at fault where it does not hold.
        expected: what its value must be, for messages.
        holds: holds of the columns, a boolean array as long as they are; null where it does not apply.
        across: whether a row is compared with those before it, so that pieces of a table must be looked at together.
    """

    columns: tuple[str, ...]
    expected: str
    holds: Callable[..., pa.Array]
    across: bool = False


def matches(pattern: str, expected: str) -> Rule:
    """Text that matches a pattern (RE2) from end to end."""
    return Rule(
        expected, lambda values: _of_distinct(values, lambda text: pc.match_substring_regex(text, rf"\A({pattern})\z"))
    )


def avoids(pattern: str, expected: str, *, longest: int = words.LONGEST_TEXT) -> Rule:
    """Text in which a pattern (RE2) occurs nowhere, of at most so many bytes."""

    def holds(text: pa.Array) -> pa.Array:
        return pc.and_(
            pc.invert(pc.match_substring_regex(text, pattern)), pc.less_equal(pc.binary_length(text), longest)
        )

    return Rule(expected, lambda values: _of_distinct(values, holds))


def one_of(names: Sequence[str]) -> Rule:
    """Text that is one of some words."""
    return Rule(
        f"one of {', '.join(names)}",
        lambda values: _of_distinct(values, lambda text: pc.is_in(text, value_set=pa.array(names))),
    )


def within(low: float, high: float) -> Rule:
    """Numbers in [low, high], which NaN is not in."""
    text = f"at least {low:g}" if high >= words.LARGEST else f"{low:,g}..{high:,g}"
    return Rule(text, lambda values: pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)))


def null_where(
    column: str, other: str, condition: str, holds: Callable[[pa.Array], pa.Array]
) -> tuple[RowRule, RowRule]:
    """A column that is null exactly where a condition holds of another."""
    return (
        RowRule(
            (column, other), f"null where {condition}", lambda one, two: pc.or_(pc.is_null(one), pc.invert(holds(two)))
        ),
        RowRule((column, other), f"a value unless {condition}", lambda one, two: pc.or_(pc.is_valid(one), holds(two))),
    )


def each(rule: Rule) -> Rule:
    """Lists of which no element is null or breaks a rule."""

    def holds(values: pa.Array) -> pa.Array:
        sound = pc.fill_null(rule.holds(pc.list_flatten(values)), fill_value=False)
        wrong = pc.list_parent_indices(values).to_numpy()[~sound.to_numpy(zero_copy_only=False)]
        result = np.ones(len(values), bool)
        result[wrong] = False
        return pa.array(result, mask=values.is_null().to_numpy(zero_copy_only=False))

    return Rule(f"each {rule.expected}", holds)


NUMBER = Rule("a finite number of reasonable size", lambda values: pc.less_equal(pc.abs(values), words.LARGEST_NUMBER))
POSITIVE = Rule(
    "a positive number of reasonable size",
    lambda values: pc.and_(
        pc.greater_equal(values, 1 / words.LARGEST_NUMBER), pc.less_equal(values, words.LARGEST_NUMBER)
    ),
)
NOT_NEGATIVE = within(0, words.LARGEST_NUMBER)
CORRELATION = within(-1.000001, 1.000001)
"""Rounding may take it a little beyond 1."""
SHA256 = matches(words.SHA256, "a SHA-256 in lower-case hex")
PERCEPTUAL_HASH = matches(words.PERCEPTUAL_HASH, "16 hex digits")
IDENTIFIER = matches(words.IDENTIFIER, "at most 32 characters of [a-z0-9_-]")
IDENTIFIER_OR_EMPTY = matches(rf"({words.IDENTIFIER})?", "at most 32 characters of [a-z0-9_-]")
SCENARIO = matches(words.SCENARIO, "the name of a scenario, as denoise/mean")
SCENARIO_OR_EMPTY = matches(rf"({words.SCENARIO})?", "the name of a scenario, as denoise/mean")
ESTIMATOR = matches(words.ESTIMATOR, "the name of an estimator, as leave_one_out or marginal(4)")
METRIC = matches(words.METRIC, "the name of a metric, as psnr")
UNIT = matches(words.UNIT, "a unit, as dB")
TIME = matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?", "a time in ISO 8601 without zone")
COLUMN_NAME = matches(r"[a-z_]{1,40}", "the name of a column")
PATH = avoids(
    r"(^|/)\.{0,2}(/|$)|[\\\x00-\x1f\x7f]|[^/]{201}", "a relative POSIX path that stays in the data set", longest=1_000
)
PATH_OF_ORIGIN = avoids(r"^/|(^|/)\.\.(/|$)|\x00", "a relative path that stays in the source", longest=10_000)
LINE = avoids(r"[\x00\n\r]", "one line of text", longest=10_000)
TEXT = avoids(r"\x00", f"text of at most {words.LONGEST_TEXT:,} bytes")


def _find_singular(matrices: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of [N, 3, 3] have no inverse, or numbers out of bounds; by the determinant over what Hadamard's inequality lets it be."""
    with np.errstate(all="ignore"):
        determinant = np.einsum("ni,ni->n", matrices[:, 0], np.cross(matrices[:, 1], matrices[:, 2]))
        largest = np.linalg.norm(matrices, axis=2).prod(axis=1)
        sound = (np.abs(matrices) <= words.LARGEST_NUMBER).all(axis=(1, 2)) & (np.abs(determinant) > 1e-9 * largest)
    return ~np.asarray(sound, np.bool_)


def _is_invertible(values: pa.Array) -> pa.Array:
    known = values.is_valid().to_numpy(zero_copy_only=False)
    numbers: Any = pc.list_flatten(values)
    whole = pc.fill_null(pc.cast(numbers, pa.float64()), np.nan).to_numpy()
    result = np.ones(len(values), bool)
    result[known] = ~_find_singular(whole.reshape(-1, 3, 3))
    return pa.array(result, mask=~known)


INVERTIBLE = Rule("nine finite numbers, a matrix that has an inverse", _is_invertible)


def _of_distinct(values: pa.Array, holds: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """What holds of each value, asked once of those that are equal."""
    coded = values.dictionary_encode()
    return holds(coded.dictionary).take(coded.indices)
