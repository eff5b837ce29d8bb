"""Decoding of JPEG that notices where the data end before the picture does, or go on after it.

libjpeg fills what is missing and tells nobody. But it decodes what it is handed, no more: handed all but the end of the data, it must not
have finished, and handed all but the marker behind them, it must have.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from dataset_builder.decoding.jpeg_scans import JpegScans, read_scans
from dataset_builder.errors import UnreadableImageError

_TAIL = 8
"""Bytes at the end of the data without which no picture can be complete, and as many as an encoder may leave unused."""
_MARKS, _FEWEST = 16, 4
_PADDING = np.random.default_rng(0).integers(1, 255, 64).astype(np.uint8).tobytes()
_AHEAD = 12
"""Bytes that libjpeg reads ahead of what it decodes, at most."""


class StrictFile(io.BytesIO):
    """The bytes of a JPEG, handed to Pillow in parts: all but the tail; the tail and a few bytes that mean nothing; the rest.

    The tail must be asked for, and before the rest is, the last row of the picture must be there: marks that were left in it before
    anything was decoded are gone.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._scans = read_scans(data)
        self._image: Any = None
        self._marks: dict[int, Any] = {}
        last = self._scans.scans[-1]
        end = last.end
        while end > last.start and data[end - 1] == 0:
            end -= 1  # some encoders pad with zeros
        self._tail, self._end = max(last.start, end - _TAIL), last.end
        self._padded = False

    def watch(self, image: Any) -> None:
        """Look at the rows of a Pillow image that was opened from this file, once it is loaded."""
        if self._scans.one_pass and image.width >= _FEWEST:
            self._image = image

    def require_complete(self, image: Any, data: bytes) -> None:
        """Raise UnreadableImageError if a loaded image did without its tail, or would look different had its scans gone on."""
        if self._image is not None and self.tell() <= self._tail:
            raise UnreadableImageError(
                "is damaged: its data go on after the picture is complete; copy it again or remove it"
            )
        if not self._scans.one_pass:
            _require_complete_scans(self._scans, image, data)

    def read(self, size: int | None = -1, /) -> bytes:
        """As many bytes, but no more than to where the picture is to be looked at."""
        place = self.tell()
        if self._image is None or place > self._end:
            return super().read(size)
        if not self._marks:
            self._mark()
        if place == self._end:
            if not self._padded:
                self._padded = True
                return _PADDING[:_AHEAD]
            if self._has_marks():
                raise UnreadableImageError(
                    "is cut off or damaged: its data end before the picture; copy it again or remove it"
                )
            return super().read(size)
        left = (self._tail if place < self._tail else self._end) - place
        return super().read(left if size is None or size < 0 else min(size, left))

    def _mark(self) -> None:
        image = self._image
        pixels, row = image.im.pixel_access(False), image.height - 1
        random = np.random.default_rng(image.width)
        for column in np.unique(np.linspace(0, image.width - 1, _MARKS).astype(int)).tolist():
            value = tuple(random.integers(0, 256, len(image.getbands())).tolist())
            pixels[column, row] = value[0] if len(value) == 1 else value
            self._marks[column] = pixels[column, row]

    def _has_marks(self) -> bool:
        pixels, row = self._image.im.pixel_access(False), self._image.height - 1
        return all(pixels[column, row] == value for column, value in self._marks.items())


def _require_complete_scans(scans: JpegScans, image: Any, data: bytes) -> None:
    from PIL import Image

    padded, place = bytearray(), 0
    for scan in scans.scans:
        padded += data[place : scan.end] + _PADDING
        place = scan.end
    with Image.open(io.BytesIO(bytes(padded) + data[place:]), formats=("JPEG",)) as again:
        if again.mode != image.mode:
            again.draft(image.mode, again.size)
        if again.tobytes() != image.tobytes():
            raise UnreadableImageError(
                "is cut off or damaged: one of its passes ends early; copy it again or remove it"
            )
