"""How the factors that make frames of a burst differ are distributed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from dataset_builder.camera.cameras import CAMERAS, MIXED
from dataset_builder.settings import Part
from dataset_builder.synthesis.distributions import Constant, Distribution, Integers, within

Outlier = Literal["misaligned", "blocked"]
NOISE_PATTERN = r"^darktable:[^@]+@[1-9][0-9]{0,6}$"


def _constant(value: float) -> Constant:
    return Constant(value=value)


class Preset(Part):
    """Distributions of a synthetic burst's factors; the defaults are those of a perfect camera on a tripod.

    Each is drawn once per burst unless it says "each frame".

    Attributes:
        domain: what the frames are: sensor mosaics, or the JPEGs that a phone makes of them.
        scale: ground-truth pixels per frame pixel, where the source does not say.
        reference: which frame the truth belongs to.
        cameras: names in `CAMERAS`, or `mixed`; one is drawn.
        bits: bits of the mixed camera's codes; its black level is 1/16 of the range, or as many times 2 as keep its noise from clipping.
        num_frames: T.
        frame_interval: seconds between the starts of two exposures, when the exposure leaves room for it.
        exposure_time: seconds.
        exposure_trade: stops, each frame: time times 2^x, gain divided by it; auto-exposure trades blur for noise.
        exposure_error: stops, each frame: what auto-exposure misses.
        exposure_step: stops from each exposure to the next, by exposure time; the reference keeps `exposure_time`.
        frames_per_exposure: successive frames of an exposure series that share an exposure.
        brightness: signal that the photograph's white has in the reference, before highlights are expanded.
        highlights: how many times brighter white becomes (`expand_highlights`).
        shot_noise: a of the noise variance a·signal + b, in the reference; proportional to gain in the other frames.
        read_noise: b, likewise, proportional to gain squared. Null draws log b = 2.18·log a + 1.20 + N(0, `read_noise_spread`) (Brooks et
            al., CVPR 2019).
        read_noise_spread: standard deviation of log b about that line; published is 0.26.
        adc_noise: standard deviation, in signal, of what the converter adds after the gain, whatever the gain is: its square is added to b
            (Hasinoff, Durand & Freeman, CVPR 2010).
        noise: `darktable:MODEL@ISO` for a and b of a camera, from darktable's file of noise profiles; in place of the four above.
        noise_origin: where a and b came from, once they were read.
        noise_gain: multiplies both standard deviations.
        row_noise: standard deviation of an offset common to a row, over that of read noise.
        focal_length: px; a rotation of x rad about the vertical or horizontal axis shifts the image by x times this.
        sway: rad; root mean square of the slow rotation of the hand about each of the three axes.
        tremor: rad; the same of the fast component, which blurs.
        jitter: px, each frame, along each axis: a shift on top.
        jitter_roll: rad, each frame: a roll on top.
        line_time: seconds between the exposure of two rows (rolling shutter).
        lens_blur: px; standard deviation of a Gaussian before the pixel aperture.
        defocus: px, each frame; radius of the circle of confusion, rounded to 1/8.
        focus_series: px; blur radius of the farthest point when the nearest is in focus. Where it is not 0, a smooth depth is drawn
            and the frames focus from near to far.
        outliers: expected number of frames, the reference excepted, that are useless.
        outlier_kinds: one is drawn for each of them.
        outlier_shift: px, each frame, along each axis of a misaligned one.
        object_probability: that something moves through the scene.
        object_size: its radius over the frame's shorter side.
        object_speed: px per second.
        white_balance_error: stops, each frame, for red and blue each; JPEGs only.
        sharpening: each frame, weight of the unsharp mask; JPEGs only.
        jpeg_quality: each frame; JPEGs only.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    domain: Literal["raw_bayer", "srgb"] = "raw_bayer"
    scale: int = Field(default=2, ge=1, le=8)
    reference: Literal["first", "middle"] = "first"
    cameras: tuple[str, ...] = Field(default=(MIXED,), min_length=1)
    bits: Annotated[Distribution, within(10, 14)] = _constant(14)
    num_frames: Annotated[Distribution, within(2, 100)] = Integers(low=8, high=8)

    frame_interval: Annotated[Distribution, within(1e-4, 60)] = _constant(0.1)
    exposure_time: Annotated[Distribution, within(1e-6, 60)] = _constant(0.001)
    exposure_trade: Annotated[Distribution, within(-6, 6)] = _constant(0)
    exposure_error: Annotated[Distribution, within(-4, 4)] = _constant(0)
    exposure_step: Annotated[Distribution, within(-6, 6)] = _constant(0)
    frames_per_exposure: int = Field(default=1, ge=1, le=100)
    brightness: Annotated[Distribution, within(1e-3, 16)] = _constant(1)
    highlights: Annotated[Distribution, within(1, 64)] = _constant(1)

    shot_noise: Annotated[Distribution, within(0, 1)] = _constant(0)
    read_noise: Annotated[Distribution, within(0, 1)] | None = _constant(0)
    read_noise_spread: float = Field(default=0.26, ge=0, le=3)
    adc_noise: Annotated[Distribution, within(0, 0.1)] = _constant(0)
    noise: str | None = Field(default=None, pattern=NOISE_PATTERN)
    noise_origin: str | None = None
    noise_gain: Annotated[Distribution, within(0, 64)] = _constant(1)
    row_noise: Annotated[Distribution, within(0, 4)] = _constant(0)

    focal_length: Annotated[Distribution, within(10, 1e5)] = _constant(2900)
    sway: Annotated[Distribution, within(0, 0.1)] = _constant(0)
    tremor: Annotated[Distribution, within(0, 0.1)] = _constant(0)
    jitter: Annotated[Distribution, within(-256, 256)] = _constant(0)
    jitter_roll: Annotated[Distribution, within(-0.5, 0.5)] = _constant(0)
    line_time: Annotated[Distribution, within(0, 1e-3)] = _constant(0)

    lens_blur: Annotated[Distribution, within(0, 8)] = _constant(0)
    defocus: Annotated[Distribution, within(0, 32)] = _constant(0)
    focus_series: Annotated[Distribution, within(0, 32)] = _constant(0)

    outliers: Annotated[Distribution, within(0, 100)] = _constant(0)
    outlier_kinds: tuple[Outlier, ...] = Field(default=("misaligned", "blocked"), min_length=1)
    outlier_shift: Annotated[Distribution, within(-256, 256)] = _constant(0)
    object_probability: float = Field(default=0, ge=0, le=1)
    object_size: Annotated[Distribution, within(0.01, 0.5)] = _constant(0.15)
    object_speed: Annotated[Distribution, within(0, 1e5)] = _constant(100)

    white_balance_error: Annotated[Distribution, within(-2, 2)] = _constant(0)
    sharpening: Annotated[Distribution, within(0, 4)] = _constant(0)
    jpeg_quality: Annotated[Distribution, within(1, 100)] = _constant(95)

    @model_validator(mode="after")
    def _check(self) -> Preset:
        for name in self.cameras:
            if name != MIXED and name not in CAMERAS:
                raise ValueError(f"cameras: expected {MIXED} or some of {', '.join(CAMERAS)}, got {name!r}")
        if self.focus_series.support[1] and self.defocus.support[1]:
            raise ValueError("defocus: expected 0 in a focus series, whose frames are out of focus by where they focus")
        if self.focus_series.support[1] and self.object_probability:
            raise ValueError("object_probability: expected 0 in a focus series, for a moving object has no depth")
        if self.read_noise is None and self.shot_noise.support[0] <= 0:
            raise ValueError("shot_noise: expected more than 0 where read_noise is derived from it")
        return self
