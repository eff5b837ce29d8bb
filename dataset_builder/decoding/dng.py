"""What a DNG says of its raw image by its own tags (DNG specification 1.7), read by tifffile.

LibRaw keeps some of it to itself, averages some away, and counts black levels from the wrong pixel where the active area begins at an
odd one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.pictures import explain
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.errors import UnreadableImageError, UnsupportedSensorError

CFA_IMAGE, _LINEAR_RAW = 32803, 34892
_SUBFILE, _ORIENTATION, _CFA_REPEAT, _CFA_PATTERN = 254, 274, 33421, 33422
_VERSION, _LAYOUT, _LINEARIZATION = 50706, 50711, 50712
_BLACK_REPEAT, _BLACK, _BLACK_DELTA_H, _BLACK_DELTA_V, _WHITE = 50713, 50714, 50715, 50716, 50717
_ACTIVE_AREA, _NOISE_PROFILE = 50829, 51041
_OPCODES = (51008, 51009)
_KNOWN = (
    *(_CFA_REPEAT, _CFA_PATTERN, _LAYOUT, _LINEARIZATION, _ACTIVE_AREA, _NOISE_PROFILE),
    *(_BLACK_REPEAT, _BLACK, _BLACK_DELTA_H, _BLACK_DELTA_V, _WHITE, *_OPCODES),
)
_COLOURS = "RGBCMYW"
_RATIONALS = (5, 10)
_MAX_CELL = 64


@dataclass(frozen=True, eq=False)
class DngTags:
    """Tags of a raw image.

    Attributes:
        shape: rows and columns as stored.
        origin: row and column of the active area's first pixel.
        active: rows and columns of the active area.
        cfa: letters of the smallest cell of the colour filter array, [h, w], from the origin on.
        blacks: black levels of a cell, float64 [h, w], from the origin on; None if the file states none.
        black_rows: what is added to them, row by row of the active area; None for nothing.
        black_columns: the same, column by column.
        white: level of saturation, the lowest of all; None if the file states none.
        curve: linearisation of stored codes; None for none.
        floating: whether the samples are floating-point numbers.
        orientation: 1..8.
        noise: slope and offset for each plane; empty if unknown.
        opcodes: lists of what is to be done to the raw image before it is demosaicked.
        page: number of the image among all of the file.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    active: tuple[int, int]
    cfa: NDArray[np.str_]
    blacks: NDArray[np.float64] | None
    black_rows: NDArray[np.float64] | None
    black_columns: NDArray[np.float64] | None
    white: float | None
    curve: NDArray[np.float64] | None
    floating: bool
    orientation: int
    noise: tuple[float, ...]
    opcodes: tuple[bytes, ...]
    page: int

    def map_black(self, top: int, left: int, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Black levels, broadcastable to a window of the stored image: [2, 2] where cells tell it all, else [H, W]."""
        row, column = top - self.origin[0], left - self.origin[1]
        cell = np.zeros((1, 1)) if self.blacks is None else self.blacks
        rows, columns = (np.arange(first, first + count) for first, count in ((row, shape[0]), (column, shape[1])))
        if self.black_rows is None and self.black_columns is None and 2 % cell.shape[0] == 0 and 2 % cell.shape[1] == 0:
            rows, columns = rows[:2], columns[:2]
        levels = cell[np.ix_(rows % cell.shape[0], columns % cell.shape[1])]
        if self.black_rows is not None:
            levels = levels + self.black_rows[rows][:, None]
        if self.black_columns is not None:
            levels = levels + self.black_columns[columns]
        return np.asarray(levels, np.float64)


def read_dng_tags(path: Path) -> DngTags | None:
    """Tags of the raw image of a DNG; None if the file is no DNG.

    Raises:
        UnreadableImageError: if the tags contradict each other, or leave open which image counts.
        UnsupportedSensorError: if the image is not that of a Bayer sensor.
    """
    import tifffile

    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            pages = list_pages(tiff)
            if not pages or _VERSION not in pages[0].tags:
                return None
            number = _choose_page(pages)
            first, page = pages[0], pages[number]
            tags = {code: page.tags[code].value for code in _KNOWN if code in page.tags}
            rational = {code for code in tags if int(page.tags[code].dtype) in _RATIONALS}
            orientation = first.tags.valueof(_ORIENTATION, 1)
            noise = tags.get(_NOISE_PROFILE, first.tags.valueof(_NOISE_PROFILE, ()))
            shape = int(page.imagelength), int(page.imagewidth)
            floating = page.dtype is not None and page.dtype.kind == "f"
        return _build(tags, rational, shape, floating=floating, orientation=orientation, noise=noise, page=number)
    except (UnreadableImageError, UnsupportedSensorError):
        raise
    except Exception as error:  # tifffile raises anything on damage; whether the pixels can be read, LibRaw will say
        if path.suffix.lower() == ".dng":
            raise UnreadableImageError(f"has damaged tags ({explain(error)}); copy it again or remove it") from error
        return None


def list_pages(tiff: Any) -> list[Any]:
    """All images of a TIFF, those below others after them."""
    return [page for first in tiff.pages for page in (first, *(first.pages or ()))]


def _choose_page(pages: Sequence[Any]) -> int:
    """The full-size raw image; previews, masks and depth maps say that they are others."""
    raw = [
        number
        for number, page in enumerate(pages)
        if int(page.tags.valueof(_SUBFILE, 0)) == 0 and int(page.photometric or 0) in (CFA_IMAGE, _LINEAR_RAW)
    ]
    if not raw:
        raise UnsupportedSensorError("holds no mosaic of a sensor; develop it to JPEG, PNG or TIFF")
    if len(raw) > 1:
        raise UnreadableImageError(
            f"holds {len(raw)} raw images and does not say which counts; split it into single ones"
        )
    if int(pages[raw[0]].photometric) == _LINEAR_RAW:
        kind = "monochrome" if int(pages[raw[0]].samplesperpixel) == 1 else "demosaicked already, as ProRAW is"
        raise UnsupportedSensorError(
            f"expected a Bayer mosaic, got LinearRaw, which is {kind}; develop it to JPEG, PNG or TIFF"
        )
    return raw[0]


def _build(
    tags: Mapping[int, Any],
    rational: set[int],
    shape: tuple[int, int],
    *,
    floating: bool,
    orientation: Any,
    noise: Any,
    page: int,
) -> DngTags:
    def numbers(code: int) -> NDArray[np.float64] | None:
        if code not in tags:
            return None
        values = np.atleast_1d(np.asarray(tags[code], np.float64)).ravel()
        return values[0::2] / values[1::2] if code in rational else values

    top, left, bottom, right = (int(value) for value in tags.get(_ACTIVE_AREA, (0, 0, *shape)))
    if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
        raise UnreadableImageError(f"has an active area of {top, left, bottom, right} in {shape}; copy it again")
    active = bottom - top, right - left
    whites = numbers(_WHITE)
    curve = None if _LINEARIZATION not in tags else np.asarray(tags[_LINEARIZATION], np.float64).ravel()
    return DngTags(
        shape=shape,
        origin=(top, left),
        active=active,
        cfa=_read_cfa(tags),
        blacks=_read_blacks(numbers(_BLACK), tags.get(_BLACK_REPEAT, (1, 1))),
        black_rows=_read_deltas(numbers(_BLACK_DELTA_V), active[0]),
        black_columns=_read_deltas(numbers(_BLACK_DELTA_H), active[1]),
        white=None if whites is None else float(whites.min()),
        curve=curve,
        floating=floating,
        orientation=int(orientation) if orientation in range(1, 9) else 1,
        noise=tuple(np.atleast_1d(np.asarray(noise, np.float64)).ravel().tolist()),
        opcodes=tuple(bytes(tags[code]) for code in _OPCODES if code in tags),
        page=page,
    )


def _read_cfa(tags: Mapping[int, Any]) -> NDArray[np.str_]:
    height, width = (int(value) for value in tags.get(_CFA_REPEAT, (2, 2)))
    codes = np.frombuffer(bytes(tags.get(_CFA_PATTERN, b"")), np.uint8)
    if not 0 < height * width <= _MAX_CELL or len(codes) != height * width or codes.max() >= len(_COLOURS):
        raise UnreadableImageError(
            f"has a colour filter array of {height} x {width} with {len(codes)} colours; remove it"
        )
    if int(tags.get(_LAYOUT, 1)) != 1:
        raise UnsupportedSensorError("has a colour filter array of staggered rows; develop it to JPEG, PNG or TIFF")
    letters = np.array(list(_COLOURS))[codes].reshape(height, width)
    cell = letters[:2, :2]
    if not height % 2 and not width % 2 and (np.tile(cell, (height // 2, width // 2)) == letters).all():
        return cell
    blocks = letters[::2, ::2]
    quad = not height % 4 and not width % 4 and (blocks.repeat(2, axis=0).repeat(2, axis=1) == letters).all()
    name = "Quad Bayer" if quad else "X-Trans" if (height, width) == (6, 6) else "none of Bayer's"
    raise UnsupportedSensorError(
        f"expected a Bayer mosaic of 2 x 2 cells, got cells of {width} x {height} ({name}); develop it to JPEG, PNG or TIFF"
    )


def _read_blacks(values: NDArray[np.float64] | None, repeat: Any) -> NDArray[np.float64] | None:
    if values is None:
        return None
    height, width = (int(value) for value in repeat)
    if not np.isfinite(values).all() or len(values) not in (1, height * width) or height * width > _MAX_CELL**2:
        raise UnreadableImageError(f"has {len(values)} black levels for cells of {height} x {width}; copy it again")
    return np.broadcast_to(values, height * width).reshape(height, width)


def _read_deltas(values: NDArray[np.float64] | None, count: int) -> NDArray[np.float64] | None:
    if values is None or not values.any():
        return None
    if len(values) != count or not np.isfinite(values).all():
        raise UnreadableImageError(
            f"has changes of the black level for {len(values)} rows or columns of {count}; copy it again"
        )
    return values
