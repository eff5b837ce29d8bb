"""Numbers measured in each frame of a burst.

They are statistics of a fixed filter bank on the frame and, after alignment, on its difference to the reference and to the mean of the
others, and what the camera knows. What moved, blurred or covers the scene shows in the differences; in the frame alone it can hardly be
told from the scene itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from assessors.inputs import BurstInputs

FEATURES_VERSION = "1"
"""Changes whenever equal inputs give other features."""
_SCALES = (0.7, 1.4, 2.8, 5.6)
"""Standard deviations of the Gaussians between which the bands lie, in pixels of a plane."""
_BANDS = ("finest", "fine", "middle", "coarse")
_STEPS = {"across": (0, 1), "down": (1, 0), "falling": (1, 1), "rising": (1, -1)}
"""Rows and columns to the neighbour that is subtracted."""
_LEAST = 1e-3
"""Of what a logarithm is taken: a thousandth of the noise's variance."""
_LARGEST = 8.0
"""Deviations from the burst's median beyond which a number says no more."""

Stack = NDArray[np.float32]


@lru_cache(maxsize=1)
def measure_frames(inputs: BurstInputs) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Measure every frame of a burst; what was measured last is kept, for several models and tasks ask for the same burst in turn.

    Returns:
        F names, and float32 [T, F]: each number as it is, and then those that frames of one burst can differ in once more as `burst:` and
        the name, relative to the burst, as its distance from the median of the frames in units of their median distance. Not to be
        changed.
    """
    columns = {**dict(_measure_pixels(inputs)), **dict(_read_metadata(inputs))}
    names = list(columns)
    table = np.stack([np.asarray(column, np.float32) for column in columns.values()], axis=1)
    others = np.delete(table, inputs.reference_index, axis=0) if len(table) > 1 else table
    middle = np.median(others, axis=0)
    spread = np.median(np.abs(others - middle), axis=0)
    relative = np.clip((table - middle) / (1.5 * spread + 0.02), -_LARGEST, _LARGEST)
    kept = [place for place, name in enumerate(names) if not name.startswith("scene:")]
    every = (*names, *(f"burst:{names[place]}" for place in kept))
    return every, np.concatenate([table, relative[:, kept]], axis=1).astype(np.float32)


def _measure_pixels(inputs: BurstInputs) -> Iterator[tuple[str, NDArray[np.float32] | list[float]]]:
    own = inputs.planes.mean(1)
    aligned, valid = inputs.aligned.mean(1), inputs.valid.astype(np.float32)
    reference = aligned[inputs.reference_index]
    # The mean of all others: of the frame itself it would hold a part.
    total, count = (aligned * valid).sum(0), valid.sum(0)
    mean = (total - aligned * valid) / np.maximum(count - valid, 1)
    # Grey is the mean of four planes.
    noise = np.asarray(np.square(inputs.noise) / 4, np.float32)
    weight = valid / np.maximum(valid.sum((1, 2)), 1)[:, None, None]
    difference = aligned - reference
    bands = {
        "own": _split(own),
        "difference": _split(difference),
        "residual": _split(aligned - mean),
        "aligned": _split(aligned),
        "mean": _split(mean),
    }
    for level, band in enumerate(_BANDS):
        for kind in ("own", "difference", "residual"):
            share = weight if kind != "own" else np.float32(1 / own[0].size)
            yield f"{kind} {band}", _log((bands[kind][level] ** 2 * share).sum((1, 2)))
        shown, expected = bands["aligned"][level], bands["mean"][level]
        both, alone = (shown * expected * weight).sum((1, 2)), (expected**2 * weight).sum((1, 2)) + _LEAST
        yield f"gain {band}", both / alone
        yield f"correlation {band}", both / np.sqrt(alone * ((shown**2 * weight).sum((1, 2)) + _LEAST))
    yield "own finest over noise", _log((bands["own"][0] ** 2).mean((1, 2)) / noise)
    smooth, smooth_mean = _blur(own, _SCALES[0]), _blur(aligned, _SCALES[0]) - _blur(mean, _SCALES[0])
    for name, step in _STEPS.items():
        yield f"edges {name}", _log((_step(smooth, step) ** 2).mean((1, 2)))
        yield f"residual edges {name}", _log((_step(smooth_mean * valid, step) ** 2).mean((1, 2)))
    yield from _measure_mismatch(inputs, difference, noise)
    yield "scene: contrast", np.full(len(own), _log(np.var(reference)), np.float32)


def _measure_mismatch(
    inputs: BurstInputs, difference: Stack, noise: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.float32] | list[float]]]:
    """How much of the frame shows something else than the reference, over what noise alone would do."""
    smooth = np.abs(_blur(difference, _SCALES[1]))
    # A Gaussian keeps 1 / (4πσ²) of the variance of white noise.
    deviation = np.sqrt((noise + noise[inputs.reference_index]) / (4 * np.pi * _SCALES[1] ** 2))
    relative = smooth / deviation[:, None, None]
    shown = [
        one[valid] if valid.any() else np.zeros(1, np.float32)
        for one, valid in zip(relative, inputs.valid, strict=True)
    ]
    for share in (50, 90, 99):
        yield f"mismatch {share} %", [float(_log(float(np.percentile(one, share)))) for one in shown]
    yield "mismatched", [float((one > 4).mean()) for one in shown]
    coloured = inputs.aligned - inputs.aligned[inputs.reference_index]
    weight = inputs.valid[:, None] / np.maximum(inputs.valid.sum((1, 2)), 1)[:, None, None, None]
    shift = (coloured * weight).sum((2, 3))
    yield "brightness", shift.mean(1)
    yield "tint", np.sqrt(np.square(shift - shift.mean(1, keepdims=True)).mean(1))


def _read_metadata(inputs: BurstInputs) -> Iterator[tuple[str, NDArray[np.float32] | list[float]]]:
    count, height, width = inputs.num_frames, *inputs.planes.shape[2:]
    corners = np.array([[[0, 0], [width, 0], [0, height], [width, height]]], np.float64) * inputs.cell
    shifts = np.stack([cv2.perspectiveTransform(corners, one)[0] - corners[0] for one in inputs.homographies])
    moved = shifts.mean(1)
    yield "displacement", _log(np.hypot(*moved.T))
    yield "turn", _log(np.abs(shifts - moved[:, None]).max((1, 2)))
    for axis, name in enumerate(("x", "y")):
        # Where the samples fall between those of the reference, whose pattern repeats every second pixel.
        yield f"phase {name} cosine", np.cos(np.pi * moved[:, axis])
        yield f"phase {name} sine", np.sin(np.pi * moved[:, axis])
    yield "found", inputs.found.astype(np.float32)
    yield "shown", inputs.valid.mean((1, 2))
    yield "saturated", inputs.saturated
    yield "noise", _log(inputs.noise)
    yield "exposure", _log(inputs.exposure_ratio)
    distance = np.arange(count) - inputs.reference_index
    yield "order", (distance / max(count - 1, 1)).astype(np.float32)
    yield "reference", (distance == 0).astype(np.float32)
    yield "scene: frames", np.full(count, _log(count))
    signal = max(float(inputs.linear()[inputs.reference_index].mean()), 0.0)
    variance = inputs.shot_noise[inputs.reference_index] * signal + inputs.read_noise[inputs.reference_index]
    yield "scene: noise", np.full(count, _log(np.sqrt(max(float(variance), 1e-9)) * 1000))


def _split(stack: Stack) -> list[Stack]:
    """Band-passed images, from fine to coarse."""
    levels = [stack, *(_blur(stack, scale) for scale in _SCALES)]
    return [fine - coarse for fine, coarse in itertools.pairwise(levels)]


def _blur(stack: Stack, deviation: float) -> Stack:
    return np.stack([cv2.GaussianBlur(image, (0, 0), deviation) for image in stack])


def _step(stack: Stack, step: tuple[int, int]) -> Stack:
    """Each pixel minus its neighbour, inside."""
    down, right = step
    first = stack[:, down:, right:] if right >= 0 else stack[:, down:, :right]
    second = stack[:, : stack.shape[1] - down, : stack.shape[2] - abs(right)]
    return first - (second if right >= 0 else stack[:, : stack.shape[1] - down, -right:])


def _log(values: NDArray[np.floating] | float) -> NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(values, 0) + _LEAST), np.float32)
