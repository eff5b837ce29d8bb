"""What is wrong with a frame, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dataset_builder.audit.wording import format_number, percent
from dataset_builder.selection.folder import SeenBurst

_BLURRED = 0.8
"""Amplitude of fine structure, over that of the burst's usual frame, below which a frame is blurred."""
_DIFFERENT, _COVERED = 0.02, 0.1
"""Shares of the windows and of the whole frame from which something else is shown, beyond what the burst's usual frame does."""
_STOPS = 0.4
_NOISY = 1.3
_MOVED = 0.1
"""Of the frame's diagonal."""
_SATURATED = 0.02


@dataclass(frozen=True)
class FrameLook:
    """What was measured of a frame; each number None where nothing is known.

    Attributes:
        detail: amplitude of fine structure over that of the burst's usual frame.
        mismatched: share of the windows that shows something else than the reference after alignment, beyond that of the usual frame.
        occlusion: the same of the whole frame, in small.
        noise: standard deviation over that of the burst's usual frame.
        exposure_ratio: light over that of the burst's usual frame.
        displacement: mean motion against the reference, over the diagonal of the frame.
        saturated: share of the windows, beyond that of the burst's usual frame.
        found: share of the windows that could be aligned.
    """

    detail: float | None = None
    mismatched: float | None = None
    occlusion: float | None = None
    noise: float | None = None
    exposure_ratio: float | None = None
    displacement: float | None = None
    saturated: float | None = None
    found: float = 1.0


def name_reasons(look: FrameLook) -> tuple[str, ...]:
    """What is wrong with a frame, the most telling first; nothing if it is as the others are."""
    reasons: list[str] = []
    if look.found == 0:
        reasons.append("cannot be aligned")
    else:
        if look.detail is not None and look.detail < _BLURRED:
            reasons.append(f"blurred: {percent(look.detail)} of the detail")
        shares = [(look.mismatched or 0) if (look.mismatched or 0) > _DIFFERENT else 0]
        shares.append((look.occlusion or 0) if (look.occlusion or 0) > _COVERED else 0)
        if any(shares):
            reasons.append(f"{percent(max(shares))} differs")
    stops = 0.0 if not look.exposure_ratio else math.log2(look.exposure_ratio)
    if abs(stops) >= _STOPS:
        reasons.append(f"{'darker' if stops < 0 else 'brighter'} by {format_number(abs(stops), 1)} EV")
    if (look.noise or 0) > _NOISY:
        reasons.append(f"noise ×{format_number(look.noise, 1)}")
    if (look.saturated or 0) > _SATURATED:
        reasons.append(f"{percent(look.saturated)} saturated")
    if (look.displacement or 0) > _MOVED:
        reasons.append(f"moved by {percent(look.displacement)} of the frame")
    return tuple(reasons)


class WindowMeasures(Protocol):
    """What was measured in windows of the T frames, as `FrameLook` has it but not related to the usual frame; float64 [T] each."""

    @property
    def detail(self) -> NDArray[np.float64]:
        """Amplitude of fine structure."""
        ...

    @property
    def mismatched(self) -> NDArray[np.float64]:
        """Share that shows something else."""
        ...

    @property
    def noise(self) -> NDArray[np.float64]:
        """Standard deviation."""
        ...

    @property
    def saturated(self) -> NDArray[np.float64]:
        """Share of the pixels."""
        ...

    @property
    def found(self) -> NDArray[np.float64]:
        """Share of the windows that could be aligned."""
        ...


def look_at_frames(burst: SeenBurst, windows: WindowMeasures) -> tuple[FrameLook, ...]:
    """What was measured of whole frames and of windows, related to the usual frame of the burst: the median."""
    height, width = burst.frames[0].shape
    ratios = burst.exposure_ratios
    known = [ratio for ratio in ratios if ratio is not None]
    usual = float(np.median(known)) if known else 1.0
    detail, noise = (values / max(float(np.median(values)), 1e-6) for values in (windows.detail, windows.noise))
    saturated, mismatched = (
        np.maximum(share - np.median(share), 0) for share in (windows.saturated, windows.mismatched)
    )
    occlusions = [frame.measures.get("occlusion") for frame in burst.frames]
    common = float(np.median([one for one in occlusions if one is not None] or [0.0]))
    looks = []
    for index, frame in enumerate(burst.frames):
        ratio, moved, covered = ratios[index], frame.measures.get("displacement"), occlusions[index]
        looks.append(
            FrameLook(
                detail=float(detail[index]),
                mismatched=float(mismatched[index]),
                occlusion=None if covered is None else max(covered - common, 0.0),
                noise=float(noise[index]),
                exposure_ratio=None if ratio is None else ratio / usual,
                displacement=None if moved is None else moved / math.hypot(height, width),
                saturated=float(saturated[index]),
                found=float(windows.found[index]),
            )
        )
    return tuple(looks)
