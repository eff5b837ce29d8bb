"""The presets that come with the toolkit; `docs/synthesis.md` shows a burst of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator

from dataset_builder.settings import require_one_of
from dataset_builder.synthesis.distributions import Choice, Constant, Integers, LogUniform, Normal, Poisson, Uniform
from dataset_builder.synthesis.presets import Preset

_ANY_BITS = Choice(values=(10, 12, 14))
_SPREAD = 0.7
"""Of log b: sensors of one shot noise differ in read noise by a factor of 2 either way."""
_ADC_NOISE = LogUniform(low=1e-4, high=2.5e-3)
"""At most 2.5 codes of 10 bits; the public baseline of HDR+ has 2.1 at ISO 100."""

HANDHELD = Preset(
    bits=_ANY_BITS,
    num_frames=Integers(low=8, high=14),
    frame_interval=Constant(value=1 / 20),
    exposure_time=LogUniform(low=1 / 120, high=1 / 20),
    exposure_trade=Uniform(low=-1, high=1),
    exposure_error=Normal(mean=0, deviation=0.1, low=-0.5, high=0.5),
    brightness=LogUniform(low=0.6, high=1),
    shot_noise=LogUniform(low=1e-3, high=1.2e-2),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    row_noise=Uniform(low=0, high=0.1),
    sway=LogUniform(low=3e-4, high=1.5e-3),
    tremor=LogUniform(low=5e-5, high=4e-4),
    line_time=Constant(value=1e-5),
    defocus=Choice(values=(0, 0, 0, 0, 0, 0, 0, 0.25, 0.5, 0.75)),
)
"""A phone in the hand, in rooms and at dusk: noise of ISO 300 to 3700."""

DAYLIGHT = HANDHELD.model_copy(
    update={
        "exposure_time": LogUniform(low=1 / 2000, high=1 / 125),
        "exposure_trade": Uniform(low=-0.5, high=0.5),
        "shot_noise": LogUniform(low=1.6e-4, high=6.5e-4),
    }
)
"""`handheld` in the light of day: short exposures, noise of ISO 50 to 200."""

DBSR = Preset(
    scale=4,
    num_frames=Integers(low=14, high=14),
    brightness=Constant(value=1),
    shot_noise=LogUniform(low=1e-4, high=1.2e-2),
    read_noise=None,
    jitter=Uniform(low=-6, high=6),
    jitter_roll=Uniform(low=-0.017453292519943295, high=0.017453292519943295),
)
"""The constants of the generator that burst super-resolution trains on (Bhat et al., CVPR 2021): 24 truth pixels and 1° of motion,
noise of its range, one pair per burst. The reference lies on the grid of the truth and the other frames are not softer than it."""

KPN = Preset(
    scale=4,
    num_frames=Integers(low=8, high=8),
    brightness=LogUniform(low=0.1, high=1),
    shot_noise=LogUniform(low=1e-4, high=1e-2),
    read_noise=LogUniform(low=1e-6, high=1e-3),
    jitter=Uniform(low=-2, high=2),
    outliers=Poisson(mean=1.5, high=7),
    outlier_kinds=("misaligned",),
    outlier_shift=Uniform(low=-16, high=16),
)
"""The constants that kernel prediction networks train on (Mildenhall et al., CVPR 2018): small jitter, gross outliers, read noise with a
standard deviation of 10^U(−3, −1.5) and shot noise of 10^U(−2, −1) at white."""

NIGHT = Preset(
    bits=_ANY_BITS,
    num_frames=Integers(low=6, high=10),
    frame_interval=Constant(value=0.35),
    exposure_time=LogUniform(low=1 / 15, high=1 / 5),
    exposure_trade=Uniform(low=-1.25, high=1.25),
    exposure_error=Normal(mean=0, deviation=0.1, low=-0.5, high=0.5),
    brightness=LogUniform(low=0.25, high=0.6),
    shot_noise=LogUniform(low=2e-3, high=1e-2),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    row_noise=Uniform(low=0.03, high=0.15),
    sway=LogUniform(low=2e-4, high=8e-4),
    tremor=LogUniform(low=3e-5, high=2e-4),
    line_time=Constant(value=1e-5),
    defocus=Choice(values=(0, 0, 0.25, 0.5, 1.0)),
)
"""A dark scene in the hand: frames are blurred or noisy, rarely neither."""

BRACKET = Preset(
    bits=Choice(values=(12, 14)),
    reference="middle",
    num_frames=Choice(values=(3, 5)),
    frame_interval=Constant(value=0.12),
    exposure_time=LogUniform(low=1 / 500, high=1 / 120),
    exposure_step=Choice(values=(1, 1.5, 2)),
    brightness=LogUniform(low=0.8, high=1.6),
    highlights=LogUniform(low=3, high=12),
    shot_noise=LogUniform(low=2e-4, high=2e-3),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    sway=LogUniform(low=2e-4, high=1e-3),
    tremor=LogUniform(low=5e-5, high=3e-4),
    line_time=Constant(value=1e-5),
)
"""An exposure series from dark to bright at constant gain; the truth is radiance that no single frame holds."""

NTIRE2025_HDR = Preset(
    num_frames=Integers(low=9, high=9),
    frame_interval=Constant(value=1 / 20),
    exposure_time=LogUniform(low=1 / 1000, high=1 / 250),
    exposure_step=Constant(value=2),
    frames_per_exposure=3,
    brightness=LogUniform(low=0.08, high=0.2),
    highlights=LogUniform(low=3, high=6),
    shot_noise=LogUniform(low=1e-3, high=6e-3),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    sway=LogUniform(low=3e-4, high=1.5e-3),
    tremor=LogUniform(low=5e-5, high=4e-4),
    line_time=Constant(value=1e-5),
)
"""Nine frames of three exposures, three of each from short to long, as in the efficient burst HDR challenge of NTIRE 2025; the first, one
of the short and noisy ones, is the reference. What the challenge does not state is ours: 2 stops from one exposure to the next, motion as
in `handheld`, highlights that the short exposure just holds."""

RAIM2026_5 = BRACKET.model_copy(
    update={
        "num_frames": Integers(low=5, high=5),
        "exposure_step": Constant(value=1),
        "sway": LogUniform(low=3e-4, high=1.5e-3),
        "object_probability": 1.0,
        "object_size": Uniform(low=0.08, high=0.16),
        "object_speed": LogUniform(low=60, high=400),
    }
)
"""Five exposures in the hand while something moves, as the test sequences of RAIM 2026 (NTIRE), track 2. What the challenge does not state
is ours: 1 stop from frame to frame about the middle one, which is the reference; mosaics, where the challenge has developed pictures."""

RAIM2026_7 = RAIM2026_5.model_copy(update={"num_frames": Integers(low=7, high=7)})
"""The same with seven exposures, as its training sequences."""

FOCUS = Preset(
    reference="middle",
    num_frames=Integers(low=5, high=9),
    frame_interval=Constant(value=0.3),
    exposure_time=LogUniform(low=1 / 250, high=1 / 60),
    brightness=LogUniform(low=0.6, high=1),
    shot_noise=LogUniform(low=2e-4, high=2e-3),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    sway=LogUniform(low=1e-4, high=5e-4),
    tremor=LogUniform(low=2e-5, high=1e-4),
    line_time=Constant(value=1e-5),
    focus_series=Uniform(low=4, high=8),
)
"""A focus series from near to far over a smooth depth; the truth is in focus everywhere."""

ACTION = Preset(
    bits=_ANY_BITS,
    num_frames=Integers(low=7, high=10),
    frame_interval=Constant(value=1 / 15),
    exposure_time=LogUniform(low=1 / 200, high=1 / 30),
    exposure_trade=Uniform(low=-0.5, high=0.5),
    exposure_error=Normal(mean=0, deviation=0.1, low=-0.5, high=0.5),
    brightness=LogUniform(low=0.6, high=1),
    shot_noise=LogUniform(low=5e-4, high=6e-3),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    row_noise=Uniform(low=0, high=0.1),
    sway=LogUniform(low=3e-4, high=1e-3),
    tremor=LogUniform(low=5e-5, high=2e-4),
    line_time=Constant(value=1e-5),
    outliers=Constant(value=0.7),
    outlier_kinds=("blocked",),
    object_probability=1,
    object_size=Uniform(low=0.08, high=0.16),
    object_speed=LogUniform(low=60, high=400),
)
"""Something moves through the scene, and now and then a finger covers the lens."""

HURRIED = Preset(
    bits=_ANY_BITS,
    num_frames=Integers(low=8, high=14),
    frame_interval=Constant(value=1 / 15),
    exposure_time=LogUniform(low=1 / 60, high=1 / 12),
    exposure_trade=Uniform(low=-2.5, high=2),
    exposure_error=Normal(mean=0, deviation=0.15, low=-0.5, high=0.5),
    brightness=LogUniform(low=0.6, high=1),
    shot_noise=LogUniform(low=1e-4, high=8e-4),
    read_noise=None,
    sway=LogUniform(low=6e-4, high=2e-3),
    tremor=LogUniform(low=2e-4, high=8e-4),
    line_time=Constant(value=1e-5),
    defocus=Choice(values=(0, 0, 0, 0, 0.5, 1, 2, 3)),
    outliers=Constant(value=0.8),
    outlier_kinds=("blocked",),
)
"""A camera used in haste, in good light: little noise, but shake, exposures from blurred to noisy, a lens that hunts for focus, and now
and then a finger. Some frames do harm to robust merges, too, so that choosing frames matters."""

BURST_SR = Preset(
    scale=4,
    num_frames=Integers(low=14, high=14),
    frame_interval=Constant(value=1 / 30),
    exposure_time=LogUniform(low=1 / 500, high=1 / 100),
    brightness=LogUniform(low=0.6, high=1),
    shot_noise=LogUniform(low=1e-4, high=2e-3),
    read_noise=None,
    read_noise_spread=_SPREAD,
    adc_noise=_ADC_NOISE,
    sway=LogUniform(low=3e-4, high=1.2e-3),
    tremor=LogUniform(low=5e-5, high=2e-4),
    line_time=Constant(value=1e-5),
    lens_blur=Constant(value=0.35),
)
"""Frames for super-resolution by 4: aliased as a lens and full pixel apertures leave them, each with its own phase."""

JPEG = HANDHELD.model_copy(
    update={
        "domain": "srgb",
        "white_balance_error": Normal(mean=0, deviation=0.08, low=-0.3, high=0.3),
        "sharpening": Uniform(low=0, high=1),
        "jpeg_quality": Integers(low=40, high=97),
    }
)
"""`handheld` as the JPEGs that a phone makes of it: white balance, sharpening and compression differ from frame to frame."""

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "handheld": HANDHELD,
        "daylight": DAYLIGHT,
        "dbsr": DBSR,
        "kpn": KPN,
        "night": NIGHT,
        "bracket": BRACKET,
        "ntire2025_hdr": NTIRE2025_HDR,
        "raim2026_5": RAIM2026_5,
        "raim2026_7": RAIM2026_7,
        "focus": FOCUS,
        "action": ACTION,
        "hurried": HURRIED,
        "burst_sr": BURST_SR,
        "jpeg": JPEG,
    }
)


def _build_on_base(value: Any) -> Any:
    """A preset that names a `base` takes from it what it does not say itself."""
    if not isinstance(value, dict) or "base" not in value:
        return value
    base = PRESETS[require_one_of(value["base"], PRESETS)]
    return {**base.model_dump(), **{key: item for key, item in value.items() if key != "base"}}


UserPreset = Annotated[Preset, BeforeValidator(_build_on_base)]


def find_preset(name: str, own: Mapping[str, Preset]) -> Preset:
    """The toolkit's or the recipe's preset of a name.

    Raises:
        ValueError: if there is none.
    """
    known = {**PRESETS, **own}
    return known[require_one_of(name, known)]
