"""How photographs look in small, to find those that look alike."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.jpeg import require_few_scans
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.pictures import explain, require_size
from dataset_builder.decoding.source_files import require_file
from dataset_builder.errors import UnreadableImageError
from manifests.images.appearance import correlate_thumbnails, find_near_pairs, hash_thumbnail, make_thumbnail

_LOOK_SIDE = 1024


@dataclass(frozen=True)
class Photograph:
    """One to look at.

    Attributes:
        path: of its file.
        side: px that its longer side is brought to.
    """

    path: str
    side: int

    @property
    def cost(self) -> int:
        """One as another."""
        return 1


@dataclass(frozen=True, eq=False)
class Look:
    """How a photograph looks in small."""

    name: str
    size: tuple[int, int]
    hash: str | None
    thumbnail: NDArray[np.float32]

    @classmethod
    def parse(cls, name: str, facts: Mapping[str, Any]) -> Self:
        """From what `look_at` gives."""
        height, width = facts["size"]
        thumbnail = np.frombuffer(base64.b64decode(facts["thumbnail"]), "<f4").reshape(facts["shape"])
        return cls(name, (height, width), facts["hash"], thumbnail)


def look_at(root: Path, photograph: Photograph) -> dict[str, Any]:  # noqa: ARG001  # as every piece of work
    """Decode a photograph, in a worker, at the smallest fraction that suffices: plain data of a `Look`."""
    from PIL import Image

    path = Path(photograph.path)
    require_file(path)
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            width, height = image.size
            require_size(path, width, height)
            if image.format == "JPEG":
                require_few_scans(path, path.read_bytes())
            orientation = image.getexif().get(0x0112, 1)
            image.draft("RGB", (256, 256))
            # Only large PNGs are still large here.
            factor = max(1, min(image.size) // _LOOK_SIDE)
            small = image.convert("RGB").reduce(factor) if factor > 1 else image.convert("RGB")
            pixels = np.asarray(small, np.float32) / np.float32(255)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise anything on hostile files
        raise UnreadableImageError(
            f"{path}: cannot be decoded ({explain(error)}); copy it again or remove it"
        ) from error
    if orientation in range(5, 9):
        width, height = height, width
    thumbnail = make_thumbnail(pixels, "srgb")
    size = fit_size(height, width, photograph.side)
    # Ten thousand lists of numbers would fill the memory of who waits for them.
    packed = base64.b64encode(thumbnail.astype("<f4").tobytes()).decode()
    return {"size": size, "hash": hash_thumbnail(thumbnail), "thumbnail": packed, "shape": thumbnail.shape}


def group_look_alikes(looks: Sequence[Look], *, max_distance: int, min_correlation: float) -> list[list[str]]:
    """Names of photographs that hang together by neighbours, two and more each, in natural order.

    Args:
        looks: how they look.
        max_distance: bits in which perceptual hashes of neighbours differ at most.
        min_correlation: of their thumbnails, at least.
    """
    pairs = find_near_pairs([look.hash for look in looks], range(len(looks)), max_distance=max_distance)
    linked = [
        (pair.first, pair.second)
        for pair in pairs
        if looks[pair.first].size == looks[pair.second].size
        and correlate_thumbnails(looks[pair.first].thumbnail, looks[pair.second].thumbnail) >= min_correlation
    ]
    if not linked:
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(linked).T
    graph = coo_array((np.ones(len(linked)), (rows, columns)), shape=(len(looks), len(looks)))
    labels = connected_components(graph, directed=False)[1]
    groups: dict[int, list[str]] = {}
    for label, look in zip(labels.tolist(), looks, strict=True):
        groups.setdefault(label, []).append(look.name)
    return [sorted(names, key=natural_key) for names in groups.values() if len(names) > 1]


def fit_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of a photograph whose longer side is brought to `side`; small ones keep their size."""
    factor = min(1.0, side / max(height, width))
    return max(2, round(height * factor)), max(2, round(width * factor))
