"""The inputs of all bursts of a data set, computed once and kept by content: one source for every assessor."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assessors.inputs import INPUTS_VERSION, BurstInputs, make_inputs
from manifests.confined.writing import write_file
from manifests.loading.index import load_burst_index
from manifests.schema import BURSTS, FRAMES
from manifests.storage import default_cache, locate_dataset
from manifests.store import read_table, table_path
from restorers.burst import Burst

if TYPE_CHECKING:
    from manifests.loading.dataset import BurstQualityDataset

_STEPS = 32767
_FINEST = 1 / 32
"""Of what is stored in whole steps, in standard deviations of noise; coarser only where a burst has next to no noise."""
_STORED = ("planes", "aligned")
_BURST_FACTS = ("domain", "cfa", "reference_index", "black_level", "white_level", "white_balance", "color_matrix")
_FRAME_FACTS = ("sha256", "orientation", "exposure_ratio", "shot_noise", "read_noise", "timestamp")


class InputProvider:
    """Inputs of the bursts of a data set or pack, by position.

    What was computed once lies in a cache folder, named by all that it depends on: pixels, what the tables say of the camera, and the
    version of the computation. Copies, packs and subsets of a data set share it. Files there that cannot be read are made anew.

    Attributes:
        burst_ids: the bursts, in order.
        cache: the folder that inputs are kept in.

    Args:
        root: the data set, a pack of it, or the address of one.
        split: `train`, `val` or `test`; None for every burst.
        fold: the same as for `manifests.BurstQualityDataset`.
        cache: folder to keep inputs in; None for `inputs` in `manifests.storage.default_cache()`.

    Raises:
        SelectionError: if the split has no bursts.
        ManifestError: if `root` is no data set.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        *,
        fold: int | None = None,
        cache: Path | None = None,
    ) -> None:
        # torch takes a second to import.
        from manifests.loading.dataset import BurstQualityDataset

        self._dataset = BurstQualityDataset(root, split, [], fold=fold, below_black="keep")
        self._keys = find_content_keys(self._dataset.root)
        self.cache = default_cache() / "inputs" if cache is None else cache
        self.burst_ids = self._dataset.burst_ids
        self._truths: BurstQualityDataset | None = None

    def __len__(self) -> int:
        """Number of bursts."""
        return len(self.burst_ids)

    def __getitem__(self, position: int) -> BurstInputs:
        """Inputs of a burst, from the cache or computed and put there.

        Raises:
            IndexError: if there are not so many.
            ManifestError: if its pixels cannot be read.
        """
        name = f"{self.content_key(position)}.safetensors"
        with contextlib.suppress(OSError, ValueError):
            return decode_inputs((self.cache / name).read_bytes())
        data = encode_inputs(make_inputs(self.load_burst(position)))
        with contextlib.suppress(OSError):  # a full disk costs time, not results
            write_file(self.cache, name, data)
        # What was stored, so that nothing depends on whether the cache was there.
        return decode_inputs(data)

    def content_key(self, position: int) -> str:
        """SHA-256 of all that the inputs of a burst depend on."""
        return self._keys[self.burst_ids[position]]

    def load_burst(self, position: int) -> Burst:
        """A burst as restorers take it; errors as those of reading its inputs."""
        from assessors.motion import to_burst

        return to_burst(self._dataset[position])

    def load_truth(self, position: int) -> NDArray[np.float32]:
        """The truth of a burst in the form of `BurstInputs.planes`: float32 [4, h, w]; NaN of a burst that has none.

        **An oracle**: no camera knows it.

        Raises:
            SelectionError: if the data set is a pack, which holds no truth.
            ManifestError: if it cannot be read.
        """
        from assessors.truth import pack_truth
        from manifests.loading.dataset import BurstQualityDataset

        if self._truths is None:
            dataset = self._dataset
            self._truths = BurstQualityDataset(dataset.root, "all", [], truth=True)
        place = self._truths.burst_ids.index(self.burst_ids[position])
        item = self._truths[place]
        return pack_truth(item["truth"].numpy(), item["cfa"], self[position])


def find_content_keys(root: Path) -> dict[str, str]:
    """Of each burst, the SHA-256 of all that its inputs depend on.

    Raises:
        ManifestError: if the tables cannot be read.
    """
    index = load_burst_index(locate_dataset(root))
    bursts = read_table(root, table_path("bursts"), BURSTS, columns=["burst_id", *_BURST_FACTS]).to_pylist()
    frames = read_table(root, table_path("frames"), FRAMES, columns=list(_FRAME_FACTS)).to_pylist()
    keys = {}
    for number, burst in enumerate(bursts):
        own = frames[int(index.starts[number]) : int(index.starts[number + 1])]
        facts = [INPUTS_VERSION, [burst[name] for name in _BURST_FACTS], [list(frame.values()) for frame in own]]
        keys[burst["burst_id"]] = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return keys


def encode_inputs(inputs: BurstInputs) -> bytes:
    """Inputs as safetensors; planes in whole steps of 1/32 of the noise, or coarser where 16 bits would not hold them."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    facts: dict[str, Any] = {"version": INPUTS_VERSION}
    for field in dataclasses.fields(inputs):
        value = getattr(inputs, field.name)
        if field.name in _STORED:
            step = max(_FINEST, float(np.abs(value).max()) / _STEPS)
            facts[field.name] = step
            arrays[field.name] = np.rint(value / np.float32(step)).astype(np.int16)
        elif isinstance(value, np.ndarray):
            arrays[field.name] = np.ascontiguousarray(value)
        else:
            facts[field.name] = value
    return bytes(save(arrays, metadata={"facts": json.dumps(facts)}))


def decode_inputs(data: bytes) -> BurstInputs:
    """Undo `encode_inputs`.

    Raises:
        ValueError: if the data are something else, damaged, or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        length = int.from_bytes(data[:8], "little")
        facts = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["facts"])
        arrays: dict[str, Any] = load(data)
        if facts.pop("version") != INPUTS_VERSION:
            raise ValueError("inputs of another version")
        for name in _STORED:
            arrays[name] = arrays[name].astype(np.float32) * np.float32(facts.pop(name))
        return BurstInputs(**arrays, **facts)
    except (SafetensorError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"no inputs of a burst: {error}") from error
