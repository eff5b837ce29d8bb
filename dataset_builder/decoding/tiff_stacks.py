"""Which pages of a TIFF are frames of a burst, by what ImageJ, OME and TIFF itself say of their axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataset_builder.decoding.pictures import explain
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.errors import SourceError, UnreadableImageError

_PIXEL_AXES = frozenset("YXS")
_CHANNELS = "C"


class UnsupportedStackError(UnreadableImageError):
    """A TIFF of several pictures that are no frames of one burst."""


def list_frame_pages(path: Path) -> tuple[int, ...]:
    """Numbers of the pages that are frames, from 0, in order; one alone is no burst.

    Of a plain TIFF these are all pages of full size: reduced copies and masks, which say so, do not count.

    Raises:
        SourceError: if it is no TIFF.
        UnsupportedStackError: if its pictures are channels or pictures of several series, or several axes could be time, or lie in one
            directory.
    """
    import tifffile

    require_file(path)
    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            return _list_pages(tiff)
    except UnsupportedStackError as error:
        raise UnsupportedStackError(f"{path}: {error}") from error
    except SourceError:
        raise
    except Exception as error:  # as in read_image
        raise UnreadableImageError(f"{path}: cannot be read as TIFF ({explain(error)}); remove it") from error


def _list_pages(tiff: Any) -> tuple[int, ...]:
    whole = [
        index for index, page in enumerate(tiff.pages) if not int(getattr(page.aspage(), "subfiletype", 0)) & 0b101
    ]
    # tifffile states the shape of each picture when they are written one by one, which says nothing of their axes.
    one_by_one = tiff.is_shaped and len(tiff.series) == len(tiff.pages)
    described = tiff.is_imagej or tiff.is_ome or (tiff.is_shaped and not one_by_one) or tiff.is_lsm or tiff.is_mmstack
    if not described and len(tiff.pages) > 1:
        # Sizes and kinds that differ are for whoever compares frames to say.
        return tuple(whole)
    series = tiff.series
    if described and len(series) > 1:
        raise UnsupportedStackError(f"holds {len(series)} series of pictures; save each as a file of its own")
    first = series[0]
    lengths = {
        axis: size for axis, size in zip(first.axes, first.shape, strict=True) if axis not in _PIXEL_AXES and size > 1
    }
    if lengths.get(_CHANNELS, 1) > 1:
        raise UnsupportedStackError(
            f"its axes {first.axes} have {lengths[_CHANNELS]} channels, of which it does not say that they are red, green and blue; "
            "save it as RGB"
        )
    if len(lengths) > 1:
        raise UnsupportedStackError(f"more than one of its axes {first.axes} could be time; save one series at a time")
    count = next(iter(lengths.values()), 1)
    if count > 1 and len(first.pages) != count:
        raise UnsupportedStackError(
            f"keeps {count} pictures in {len(first.pages)} directory; save it with a page for each"
        )
    return tuple(page.index for page in first.pages) if count > 1 else tuple(whole[:1])
