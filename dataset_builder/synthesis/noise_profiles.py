"""The noise of real cameras, from the file of noise profiles that the raw converter darktable comes with (`noiseprofiles.json`).

The file is the user's; none is shipped here. For each camera it lists a and b of the noise variance a·signal + b at some ISO, for red,
green and blue. Between two listed ISO both are interpolated linearly, as darktable does. Red and blue carry gains of the white balance;
as in darktable's own denoiser, the numbers of green count.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dataset_builder.errors import NoiseProfileError
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.presets import Preset
from manifests.confined.plain import read_plain

MOST_BYTES = 64_000_000
"""The file of 2024 has about 3 MB."""
_GREEN = 1


class _Entry(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


_Channels = Annotated[list[float], Field(min_length=3, max_length=3)]


class _Profile(_Entry):
    iso: float = Field(gt=0)
    a: _Channels
    b: _Channels
    skip: bool = False


class _Model(_Entry):
    model: str
    profiles: list[_Profile]


class _Maker(_Entry):
    maker: str
    models: list[_Model]


class _File(_Entry):
    noiseprofiles: list[_Maker]


def resolve_noise(preset: Preset, profiles: Path | None) -> Preset:
    """A preset whose noise is that of a camera, with the camera's numbers; any other preset comes back as it is.

    Args:
        preset: with `noise` as `darktable:MODEL@ISO`, or without.
        profiles: the file `noiseprofiles.json`; None where nobody named one.

    Raises:
        NoiseProfileError: if the file is needed and missing or malformed, or lacks the model or the ISO.
    """
    if preset.noise is None:
        return preset
    model, _, iso = preset.noise.removeprefix("darktable:").rpartition("@")
    if profiles is None:
        raise NoiseProfileError(
            f"noise {preset.noise}: needs darktable's noiseprofiles.json; name it by noise_profiles in the recipe, --noise-profiles "
            "or BUIQA_NOISE_PROFILES"
        )
    shot_noise, read_noise = read_noise_profile(profiles, model, float(iso))
    known = {"shot_noise": shot_noise, "read_noise": read_noise, "adc_noise": 0.0}
    levels = {name: Constant(value=value) for name, value in known.items()}
    return preset.model_copy(update={**levels, "noise": None, "noise_origin": preset.noise})


def read_noise_profile(path: Path, model: str, iso: float) -> tuple[float, float]:
    """Shot noise a and read noise b of a camera at an ISO, of the variance a·signal + b with 1 at white.

    Args:
        path: a file in the form of darktable's `noiseprofiles.json`.
        model: its model, or maker and model; case does not matter.
        iso: a listed one, or one between two that are listed.

    Returns:
        Those of green. A b below 0, which a fit may give, counts as 0.

    Raises:
        NoiseProfileError: if the file cannot be read, or has no such model or ISO.
    """
    found = _find_model(path, model)
    listed = sorted((each for each in found.profiles if not each.skip), key=lambda each: each.iso)
    if not listed or not listed[0].iso <= iso <= listed[-1].iso:
        known = f"ISO {listed[0].iso:g} to {listed[-1].iso:g}" if listed else "no ISO"
        raise NoiseProfileError(f"{path}: {model}: expected an ISO that is profiled, {known}, got {iso:g}")
    above = next(place for place, each in enumerate(listed) if each.iso >= iso)
    high, low = listed[above], listed[max(above - 1, 0)]
    share = (iso - low.iso) / (high.iso - low.iso) if high.iso > low.iso else 1.0
    shot_noise, read_noise = (
        (1 - share) * before[_GREEN] + share * after[_GREEN] for before, after in ((low.a, high.a), (low.b, high.b))
    )
    if not 0 < shot_noise <= 1 or read_noise > 1:
        raise NoiseProfileError(
            f"{path}: {model} at ISO {iso:g}: expected a in 0..1 and b up to 1, got {shot_noise:g} and {read_noise:g}"
        )
    return shot_noise, max(read_noise, 0.0)


def _find_model(path: Path, wanted: str) -> _Model:
    cameras = [(f"{maker.maker} {model.model}", model) for maker in _read(path).noiseprofiles for model in maker.models]
    asked = wanted.strip().casefold()
    found = [(full, model) for full, model in cameras if asked in (full.casefold(), model.model.casefold())]
    if len(found) == 1:
        return found[0][1]
    if found:
        raise NoiseProfileError(f"{path}: {wanted}: is ambiguous; say {' or '.join(full for full, _ in found)}")
    names = {name.casefold(): full for full, model in cameras for name in (full, model.model)}
    close = dict.fromkeys(names[name] for name in get_close_matches(asked, names))
    hint = f"did you mean {' or '.join(close)}?" if close else "none has a similar name"
    raise NoiseProfileError(f"{path}: {wanted}: expected one of the {len(cameras)} cameras of the file; {hint}")


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(json.loads(read_plain(path, most=MOST_BYTES)))
    except OSError as error:
        raise NoiseProfileError(
            f"{path}: cannot be read ({error.strerror}); name darktable's noiseprofiles.json"
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise NoiseProfileError(
            f"{path}: is no file of noise profiles as darktable writes them: {where}: {problem['msg']}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise NoiseProfileError(f"{path}: is no JSON ({error}); name darktable's noiseprofiles.json") from None
