"""Pictures as text that fits into one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.thumbnails import read_thumbnail
from manifests.errors import ManifestError

_QUALITY = 80


def encode_picture(picture: NDArray[np.uint8]) -> str:
    """uint8 RGB [h, w, 3] as a `data:` URI of a WebP."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def read_picture(root: Path, burst: Mapping[str, Any], frame: Mapping[str, Any], size: int) -> str | None:
    """A stored frame as `encode_picture`, its longer side at most `size` pixels; None where the file cannot be read."""
    # A report on a damaged data set is worth more than none; `verify` is there to complain.
    try:
        return encode_picture(read_thumbnail(root, burst, frame, size))
    except ManifestError:
        return None
