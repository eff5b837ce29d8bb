"""Pictures in forms that common readers give back bit for bit.

Pillow cuts 16-bit RGB to 8 bit, and what stands on it, as `datasets`, `mlcroissant` and the decoders of `webdataset`, with it. So pictures
that Pillow would change are written anew: as planes, or as arrays. All others keep their file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dataset_builder.export.bursts import Sample, read_sample_files
from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import do_pieces
from dataset_builder.work.unit import WORK_FOLDER, Failure
from manifests.confined.reading import read_file
from manifests.confined.writing import remove_tree, write_new_file
from manifests.errors import ImageFileError
from manifests.images.headers import HEADER_BYTES, parse_png_header, read_header
from manifests.images.listing import require_digest
from manifests.images.pixels import decode_pixels, encode_png, read_image_file

Form = Literal["planes", "array"]
"""`planes`: a grey PNG, the planes of a picture in colours one below the other. `array`: a `.npy` of the stored values."""
_SUFFIXES: dict[Form, str] = {"planes": ".png", "array": ".npy"}
_FOLDER = f"{WORK_FOLDER}/pictures"
_PIXELS_AT_ONCE = 4_000_000
"""Of the pictures of a unit of work."""
_JPEG_START = b"\xff\xd8"
_GREY, _COLOURS = 0, 2
"""Colour types of PNG (third edition, 11.2.1) without palette and transparency."""


@dataclass(frozen=True)
class Picture:
    """A picture of a burst as it is exported.

    Attributes:
        path: of the data set's own file, with the suffix of this one.
        data: the file.
    """

    path: str
    data: bytes


@dataclass(frozen=True)
class PictureToConvert:
    """A picture that is written anew, in a worker.

    Attributes:
        path: of its file in the data set.
        sha256: of that file.
        colours: whether it has three, and is no mosaic.
        form: the form in which it is written.
        folder: where.
        name: under which name there.
        cost: pixels.
    """

    path: str
    sha256: str
    colours: bool
    form: Form
    folder: str
    name: str
    cost: int


def read_pictures(
    root: Path, sample: Sample, form: Form, *, strip: bool, scratch: Path, workers: Workers
) -> list[Picture]:
    """The frames of a burst, then its ground truth where there is one.

    Args:
        root: the data set.
        sample: the burst.
        form: of pictures that Pillow would change.
        strip: whether to leave out metadata that are not what pixels mean.
        scratch: folder for what is under way, in which nothing is left.
        workers: who decodes; files of strangers are decoded under their limits.

    Raises:
        ManifestError: if a file is missing, damaged or outside the data set, or cannot be decoded within the limits.
    """
    found = [Picture(path, data) for path, data in read_sample_files(root, sample, strip=strip)]
    wanted = {
        place: _plan(sample, place, form=form, scratch=scratch)
        for place, picture in enumerate(found)
        if not _is_kept(root / picture.path, picture.data, form, colours=_has_colours(sample, place))
    }
    if not wanted:
        return found
    pieces = list(wanted.values())
    try:
        outcomes = do_pieces(convert_picture, pieces, root, workers, cost=_PIXELS_AT_ONCE, results=scratch)
        for (place, piece), outcome in zip(wanted.items(), outcomes, strict=True):
            if isinstance(outcome, Failure):
                raise ImageFileError(f"{root / piece.path}: cannot be exported ({outcome.message})")
            path = PurePosixPath(found[place].path).with_suffix(_SUFFIXES[form])
            found[place] = Picture(str(path), read_file(scratch, f"{_FOLDER}/{piece.name}"))
    finally:
        remove_tree(scratch, WORK_FOLDER)
    return found


def convert_picture(root: Path, wanted: PictureToConvert) -> None:
    """Write a picture anew, in a worker.

    Raises:
        ManifestError: if it is missing, damaged, or no picture.
    """
    data = read_image_file(root, wanted.path)
    require_digest(data, wanted.sha256, root / wanted.path)
    pixels: NDArray[Any] = decode_pixels(data, root / wanted.path)
    if wanted.colours and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    encoded = _encode_array(pixels) if wanted.form == "array" else encode_png(stack_planes(pixels))
    write_new_file(Path(wanted.folder), wanted.name, encoded)


def stack_planes(pixels: NDArray[Any]) -> NDArray[Any]:
    """[H, W, 3] as [3·H, W], red above green above blue; [H, W] as it is."""
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1)).reshape(-1, pixels.shape[1])


def _encode_array(pixels: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, pixels, allow_pickle=False)
    return stream.getvalue()


def _plan(sample: Sample, place: int, *, form: Form, scratch: Path) -> PictureToConvert:
    truth = place == len(sample.frames)
    row = sample.burst if truth else sample.frames[place]
    path, digest = (row["ground_truth_path"], row["ground_truth_sha256"]) if truth else (row["path"], row["sha256"])
    pixels = sample.burst["height"] * sample.burst["width"] * (sample.burst["scale"] ** 2 if truth else 1)
    folder = str((scratch / _FOLDER).absolute())
    return PictureToConvert(path, digest, _has_colours(sample, place), form, folder, f"{place:06d}", pixels)


def _has_colours(sample: Sample, place: int) -> bool:
    """Whether the picture at a place, frames first, then truth, has three colours in each pixel."""
    return place == len(sample.frames) or sample.burst["domain"] != "raw_bayer"


def _is_kept(path: Path, data: bytes, form: Form, *, colours: bool) -> bool:
    """Whether a common reader gives the file's stored values: by its header, without decoding it."""
    if parse_png_header(data[:HEADER_BYTES]) is not None:
        bits, kind = data[24], data[25]
        depths = (8, 16) if form == "planes" and not colours else (8,)
        return kind == (_COLOURS if colours else _GREY) and bits in depths
    if data[:2] != _JPEG_START:
        return False
    return read_header(io.BytesIO(data), str(path)).channels == (3 if colours else 1)
