"""How the factors that make frames of a burst differ are distributed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

Range = tuple[float, float]


class Preset(BaseModel):
    """Distributions of a synthetic burst's factors. A pair is the lower and upper end of a range.

    Attributes:
        num_frames: T, uniform over the integers of the range.
        frame_interval: seconds between the starts of two exposures, when the exposure leaves room for it.
        exposure_time: seconds; log-uniform, once per burst.
        exposure_spread: stops; each frame's exposure time is the burst's times 2^U(-spread, spread) and its gain the inverse:
            auto-exposure trades blur for noise from frame to frame.
        exposure_jitter: stops; standard deviation of what auto-exposure misses in each frame.
        shot_noise: log-uniform, once per burst, of the reference; proportional to gain in the other frames. Range of Brooks et
            al. (CVPR 2019).
        read_noise_deviation: of log(read noise) about 2.18·log(shot noise) + 1.20 (ibid.), once per burst; proportional to gain
            squared.
        sway_shift: px; root mean square of slow hand motion along each axis, log-uniform, once per burst.
        tremor_shift: px; the same of the fast component, which blurs.
        roll_ratio: rad of roll for each px of shift.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_frames: tuple[int, int]
    frame_interval: float = Field(gt=0, le=10)
    exposure_time: Range
    exposure_spread: float = Field(ge=0, le=4)
    exposure_jitter: float = Field(ge=0, le=1)
    shot_noise: Range
    read_noise_deviation: float = Field(ge=0, le=3)
    sway_shift: Range
    tremor_shift: Range
    roll_ratio: float = Field(ge=0, le=0.1)

    @model_validator(mode="after")
    def _check_ranges(self) -> Preset:
        for name in ("num_frames", "exposure_time", "shot_noise", "sway_shift", "tremor_shift"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: expected 0 < low <= high, got [{low}, {high}]")
        if self.num_frames[0] < 2:
            raise ValueError(f"num_frames: expected at least 2, got {self.num_frames[0]}")
        return self


HANDHELD = Preset(
    num_frames=(8, 14),
    frame_interval=1 / 20,
    exposure_time=(1 / 120, 1 / 20),
    exposure_spread=1.0,
    exposure_jitter=0.1,
    shot_noise=(1e-3, 1.2e-2),
    read_noise_deviation=0.26,
    sway_shift=(0.5, 4.0),
    tremor_shift=(0.1, 1.0),
    roll_ratio=1e-3,
)

PRESETS = {"handheld": HANDHELD}
