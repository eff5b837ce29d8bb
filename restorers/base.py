"""What a restorer is: one method to be usable, two more to be labelled fast."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from restorers.burst import Burst, Domain, FloatImage
from restorers.errors import InvalidRestorerError, RestorationError, UnsupportedBurstError

MissingFrames = Literal["any_length", "repeat_reference", "retrain"]


@dataclass(frozen=True)
class RestorerInfo:
    """Facts about a restorer that its callers need.

    Attributes:
        task: what it is for: `denoise`, `sr`, `deblur`, `hdr`, `focus`, `demosaic`.
        version: changes whenever the output of equal input changes; it is part of the fingerprint of every label.
        input_domains: the domains of bursts that it accepts.
        output_domain: the domain of the image that it returns; None if a mosaic gives a mosaic and any other burst `linear_rgb`.
        scale: output pixels per frame pixel, along each side; halves are allowed, since the sides of mosaics are even.
        min_frames: shortest burst that it accepts, the reference included.
        max_frames: longest burst that it accepts; None for any. 1 marks a single-frame restorer.
        missing_frames: what happens when frames are left out: the length may vary, the reference fills the gaps, or the model must
            be trained anew.
        summary: one line for lists.
        paper: the publication it follows.
        network_input: how a burst becomes the input of a network, in one line; empty where that goes without saying.
        license: SPDX identifier of the code, and of the weights unless `weights_license` says otherwise.
        weights_sha256: SHA-256 of the weights file; None without weights.
        weights_license: SPDX identifier; None without weights, `unknown` for a file that does not say.
        deterministic: equal input gives equal bits.
        device: where it computes: `cpu`, `cuda`. Other than the CPU it is part of the fingerprint: the last bits differ.
    """

    task: str
    version: str
    input_domains: frozenset[Domain]
    output_domain: Domain | None
    scale: float = 1
    min_frames: int = 1
    max_frames: int | None = None
    missing_frames: MissingFrames = "any_length"
    summary: str = ""
    paper: str = ""
    network_input: str = ""
    license: str = "Apache-2.0"
    weights_sha256: str | None = None
    weights_license: str | None = None
    deterministic: bool = True
    device: str = "cpu"

    @property
    def single_frame(self) -> bool:
        """Whether it looks at one frame only."""
        return self.max_frames == 1

    def output_for(self, domain: Domain) -> Domain:
        """Domain of what it makes of a burst of this domain."""
        if self.output_domain is not None:
            return self.output_domain
        return Domain.RAW_BAYER if domain is Domain.RAW_BAYER else Domain.LINEAR_RGB


@runtime_checkable
class Restorer(Protocol):
    """Turns a burst into an image on the grid of its reference frame.

    A restorer is best written as a frozen dataclass: its fields are its parameters and enter its fingerprint.
    """

    @property
    def info(self) -> RestorerInfo:
        """Facts, constant over the life of the object."""
        ...

    def restore(self, burst: Burst) -> FloatImage:
        """Return float32 [H·scale, W·scale] or [H·scale, W·scale, 3] in the exposure of `exposure_ratio` 1."""
        ...


@runtime_checkable
class SubsetRestorer(Restorer, Protocol):
    """Works on each frame once, then merges any subset: T encodings instead of T².

    `fuse(prepare(burst), members)` equals `restore(burst.subset(members))`.
    """

    def prepare(self, burst: Burst) -> Any:
        """Align and encode every frame of the burst."""
        ...

    def fuse(self, prepared: Any, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members` (indices of the whole burst, without the reference)."""
        ...


@runtime_checkable
class LinearMerge(Restorer, Protocol):
    """Its output is the mean of contributions that do not depend on which frames are merged.

    `contributions(burst)[[reference, *members]].mean(0)` equals `restore(burst.subset(members))`.
    """

    def contributions(self, burst: Burst) -> FloatImage:
        """Return float32 [T, ...]: the image that each frame adds to the mean, the reference included."""
        ...


@runtime_checkable
class WeighingRestorer(Restorer, Protocol):
    """Says how far it trusts each frame where: what a model of frames can learn from it before it sees a label."""

    def frame_weights(self, burst: Burst) -> FloatImage:
        """Return float32 [T, h, w] in [0, 1], on any grid that spans the reference evenly.

        1 where a frame counts in full, as the reference does everywhere, and 0 where it does not count; what it says of places that a
        frame does not reach means nothing.
        """
        ...


@runtime_checkable
class BatchRestorer(Restorer, Protocol):
    """Restores several bursts at once, which pays on a GPU.

    `restore_many(bursts)` equals `[restore(burst) for burst in bursts]` up to the rounding of sums.
    """

    def restore_many(self, bursts: Sequence[Burst]) -> list[FloatImage]:
        """What `restore` returns for each."""
        ...


def fingerprint(scenario: str, restorer: Restorer, *, source_sha256: str | None = None) -> str:
    """SHA-256 (hex) of everything about a restorer that may change its output.

    Args:
        scenario: its name.
        restorer: its `info`, and its fields if it is a dataclass, are hashed.
        source_sha256: hash of the file that defines it, for code that carries no trusted version.
    """
    parameters: dict[str, Any] = dataclasses.asdict(restorer) if dataclasses.is_dataclass(restorer) else {}
    info = restorer.info
    facts = {
        "scenario": scenario,
        "version": info.version,
        "parameters": parameters,
        "output": [info.output_domain, info.scale],
        "missing_frames": info.missing_frames,
        "weights": info.weights_sha256,
        "source": source_sha256,
        **({} if info.device == "cpu" else {"device": info.device}),
    }
    try:
        text = json.dumps(facts, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRestorerError(
            f"{scenario}: its dataclass fields must be plain numbers, strings, lists or mappings to enter the fingerprint ({error})"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def check_accepts(info: RestorerInfo, burst: Burst) -> None:
    """Check that a restorer takes bursts of this domain and length.

    Raises:
        UnsupportedBurstError: if not.
    """
    if burst.domain not in info.input_domains:
        raise UnsupportedBurstError(f"domain: expected {' or '.join(sorted(info.input_domains))}, got {burst.domain}")
    longest = burst.num_frames if info.max_frames is None else info.max_frames
    if not info.min_frames <= burst.num_frames <= longest:
        raise UnsupportedBurstError(f"frames: expected {info.min_frames} to {longest}, got {burst.num_frames}")


def check_image(info: RestorerInfo, burst: Burst, image: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Check that a restorer kept its word about shape and values.

    Raises:
        RestorationError: if not.
    """
    height, width = (round(side * info.scale) for side in burst.frames.shape[1:3])
    expected = (height, width) if info.output_for(burst.domain) is Domain.RAW_BAYER else (height, width, 3)
    if np.shape(image) != expected:
        raise RestorationError(f"restored image: expected shape {list(expected)}, got {list(np.shape(image))}")
    if not np.isfinite(image).all():
        raise RestorationError("restored image: expected finite values, got NaN or infinity")
