"""CSV as people and spreadsheets write it: separators and decimals of many countries, and nothing that is read in two ways."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dataset_builder.decoding.source_files import require_plain
from dataset_builder.errors import SourceError

if TYPE_CHECKING:
    from _csv import Reader

if TYPE_CHECKING:
    pass

MAX_CSV_BYTES = 200_000_000
_SEPARATORS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+", re.ASCII)


class AnnotationFileError(SourceError):
    """A CSV of judgements makes no sense."""


def read_table(
    path: Path, *, text: Sequence[str], numbers: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Columns of a CSV with a header.

    The separator is whichever of comma, semicolon, tab and bar parts the header into the columns that are expected. Text comes in Unicode's
    composed form (NFC). Numbers have a point, or all of a column a comma, for decimals.

    Args:
        path: the file: UTF-8, or UTF-16 with its mark.
        text: columns of text.
        numbers: columns of numbers.
        optional: columns of numbers that may be missing, or empty in places, which is NaN.

    Returns:
        Text as str and numbers as float64.

    Raises:
        SourceError: if it cannot be read, or can be read in two ways.
    """
    wanted = (*text, *numbers)
    lines = _read_text(path)
    for separator in _SEPARATORS:
        rows = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, strict=True)
        header = _read_header(path, rows)
        if {*wanted} <= {*header}:
            break
    else:
        rows = csv.reader(io.StringIO(lines, newline=""))
        header = _read_header(path, rows)
        missing = next(name for name in wanted if name not in header)
        raise AnnotationFileError(f"{path}: no column {missing!r}; expected {', '.join((*wanted, *optional))}")
    doubled = [name for name, count in Counter(header).items() if count > 1 and name in (*wanted, *optional)]
    if doubled:
        raise AnnotationFileError(f"{path}: the column {doubled[0]!r} stands there twice; leave one")
    columns: dict[str, list[str]] = {name: [] for name in header}
    places = _fill(path, rows, header, columns)
    table = pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in text})
    for name in (*numbers, *(name for name in optional if name in header)):
        table[name] = _read_numbers(path, name, columns[name], places, separator, gaps=name in optional)
    return table


def _read_text(path: Path) -> str:
    size = require_plain(path)
    if size > MAX_CSV_BYTES:
        raise AnnotationFileError(f"{path}: {size:,} bytes is more than {MAX_CSV_BYTES:,}")
    try:
        data = path.read_bytes()
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return unicodedata.normalize("NFC", data.decode("utf-16" if wide else "utf-8-sig"))
    except (ValueError, OSError) as error:
        raise AnnotationFileError(f"{path}: cannot be read as CSV ({error}); save it as UTF-8 with a header") from error


def _read_header(path: Path, rows: Reader) -> list[str]:
    try:
        return [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise AnnotationFileError(f"{path}: cannot be read as CSV ({error}); save it as UTF-8 with a header") from error


def _fill(path: Path, rows: Reader, header: Sequence[str], columns: dict[str, list[str]]) -> list[int]:
    """Put the fields of all rows that are not empty into their columns; return the lines that they end on."""
    places = []
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise AnnotationFileError(
                    f"{path}, line {rows.line_num}: expected {len(header)} fields, got {len(row)}; where decimals have a comma, fields "
                    "must be separated by another sign"
                )
            places.append(rows.line_num)
            for name, field in zip(header, row, strict=True):
                columns[name].append(field)
    except csv.Error as error:
        raise AnnotationFileError(f"{path}, line {rows.line_num}: {error}; correct the quotes") from error
    return places


def _read_numbers(
    path: Path, name: str, fields: Sequence[str], places: Sequence[int], separator: str, *, gaps: bool
) -> list[float]:
    stripped = [field.strip() for field in fields]
    comma = any("," in field for field in stripped)
    numbers = []
    for field, place in zip(stripped, places, strict=True):
        if gaps and not field:
            numbers.append(math.nan)
            continue
        value = _parse(field, comma=comma, ambiguous=separator == ",")
        if value is None:
            both = comma and "." in field
            way = (
                "; decimals have a point, or all of the column a comma, and thousands nothing" if comma or both else ""
            )
            raise AnnotationFileError(f"{path}, line {place}: {name}: expected a number, got {field!r}{way}")
        numbers.append(value)
    return numbers


def _parse(field: str, *, comma: bool, ambiguous: bool) -> float | None:
    """A finite number; None for anything else, and for what may be thousands or decimals."""
    if comma and ("." in field or (ambiguous and _THOUSANDS.fullmatch(field))):
        return None
    if "," in field:
        if not _DECIMAL_COMMA.fullmatch(field):
            return None
        field = field.replace(",", ".")
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in field else None
