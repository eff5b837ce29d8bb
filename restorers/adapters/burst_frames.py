"""The way between bursts and the arrays of burst networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorers.adapters.burst_forms import InputForm
from restorers.burst import Burst, Domain, FloatImage
from restorers.imaging.color import from_display, to_display
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import join_frame, split_frame, to_colours
from restorers.imaging.turning import find_turn, turn_to_rggb
from restorers.motion.align import align_burst


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """A burst as a network takes it, in the order of its frames there.

    Attributes:
        frames: float32 [P, T, C, h, w]; P bursts of one network.
        noise: float32, of the same shape, standard deviations; None for a network that takes none.
        affine: float32 [T, 2, 3], from pixels (x, y, 1) of the reference to those of each frame; None for a network that takes none.
    """

    frames: FloatImage
    noise: FloatImage | None
    affine: FloatImage | None


def order_frames(burst: Burst, form: InputForm) -> list[int]:
    """All frames as the network takes them: the reference first or last, the others in capture order."""
    others = list(burst.others)
    return [burst.reference_index, *others] if form.position == "first" else [*others, burst.reference_index]


def make_input(burst: Burst, form: InputForm) -> NetworkInput:
    """Bring a linear burst to the form of a network; frames in the exposure of ratio 1.

    Sides are made up to multiples by reflection, which continues a mosaic's pattern. A frame whose motion a network needs and nobody
    finds is replaced by the reference.
    """
    burst, order = _turn(burst, form), order_frames(burst, form)
    affine = None
    if form.aligned:
        alignment = align_burst(burst)
        affine = np.asarray(alignment.homographies[order, :2], np.float32)
        order = [index if alignment.aligned[index] else burst.reference_index for index in order]
    shot, read = noise_levels(burst) if form.noise != "none" else (None, None)
    frames, noise = [], []
    for index in order:
        frame = burst.frames[index] / np.float32(burst.exposure_ratio[index])
        planes = _lay_out(frame, burst, form)
        frames.append(planes)
        if shot is not None and read is not None:
            noise.append(_measure_noise(planes, shot[index], read[index]))
    white = np.float32(form.measure_white(burst))
    stacked = np.stack(frames, 1) * white
    if form.clipped:
        np.clip(stacked, 0, np.float32(form.white), out=stacked)
    return NetworkInput(_pad(stacked, form), _pad(np.stack(noise, 1) * white, form) if noise else None, affine)


def make_image(output: FloatImage, burst: Burst, form: InputForm) -> FloatImage:
    """Bring the output of a network for a linear burst to the domain and orientation of the burst.

    Args:
        output: float32 [P, C, H', W'], C 3, or 1 for `planes`.
        burst: as it came.
        form: form of the network.

    Returns:
        float32 [scale·H, scale·W, 3], or [H, W] if mosaics went in plane by plane.
    """
    output = output / np.float32(form.measure_white(burst))
    if form.layout == "planes":
        rows, columns = split_frame(burst.reference).shape[1:]
        return np.asarray(join_frame(output[:, 0, :rows, :columns]))
    rows, columns = (round(side * form.scale) for side in burst.frames.shape[1:3])
    colours = np.moveaxis(output[0, :, :rows, :columns], 0, -1)
    if form.layout != "colours":
        assert burst.cfa is not None
        colours = colours[find_turn(burst.cfa)]
    image = np.ascontiguousarray(colours)
    return from_display(image, burst) if form.domain is Domain.SRGB else image


def _turn(burst: Burst, form: InputForm) -> Burst:
    """Flip mosaics so that they begin with R, G; what works on any pattern stays."""
    return turn_to_rggb(burst) if form.layout in {"packed", "mosaic"} else burst


def _lay_out(frame: FloatImage, burst: Burst, form: InputForm) -> FloatImage:
    """One frame, float32 [P, C, h, w]."""
    match form.layout:
        case "packed":
            return split_frame(frame)[None]
        case "mosaic":
            return frame[None, None]
        case "planes":
            return split_frame(frame)[:, None]
        case "colours":
            colours = to_colours(frame, burst)
            return split_frame(to_display(colours, burst) if form.domain is Domain.SRGB else colours)[None]


def _measure_noise(signal: FloatImage, shot: float, read: float) -> FloatImage:
    """Standard deviation of the noise at each value of a frame; that of interpolated colours passes for that of measured ones."""
    return np.asarray(np.sqrt(np.maximum(signal, 0) * np.float32(shot) + np.float32(read)))


def _pad(frames: FloatImage, form: InputForm) -> FloatImage:
    edges = [(0, 0)] * (frames.ndim - 2) + [(0, -side % form.multiple) for side in frames.shape[-2:]]
    return np.pad(frames, edges, mode="reflect")
