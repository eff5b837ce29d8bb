"""What each known burst network is fed, and what it makes of it: found from the network and from two options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from restorers.burst import Burst, Domain
from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.imaging.planes import MERGED_DOMAINS
from restorers.networks.bipnet import BIPNet
from restorers.networks.bpn import BasisPredictionNetwork
from restorers.networks.bsrt import BSRT
from restorers.networks.burstormer import Burstormer
from restorers.networks.dbd import DeepBurstDenoiser
from restorers.networks.dbsr import DBSR
from restorers.networks.ebsr import EBSR
from restorers.networks.kokkinos import IterativeResidualNetwork
from restorers.networks.kpn import KernelPredictionNetwork
from restorers.networks.kpn_google import GoogleKernelPredictionNetwork

Layout = Literal["packed", "mosaic", "colours", "planes"]
_LAYOUTS: Mapping[Layout, str] = {
    "packed": "planes R, G of the red rows, G of the blue rows, B of RGGB mosaics (others are flipped and their results flipped back)",
    "mosaic": "RGGB mosaics (others are flipped and their results flipped back)",
    "colours": "RGB (mosaics are demosaicked first)",
    "planes": "one grey burst for each plane of a mosaic, or for each of R, G, B",
}
_NOISE = "standard deviation of the noise, √(read + shot·max(signal, 0)), "


@dataclass(frozen=True)
class InputForm:
    """How a burst becomes the input of a network, and its output an image.

    Attributes:
        layout: `packed` four planes of an RGGB mosaic, of half its sides; `mosaic` one channel of it; `colours` RGB; `planes` every plane
            of a mosaic or every colour by itself, as a grey burst.
        task: what for.
        scale: output pixels per frame pixel, along each side.
        domain: domain of RGB: `linear_rgb` or `srgb`.
        white: the network's value of the white level.
        per_white_code: whether values above black are divided by the sensor's code of white instead of by its distance from that of black.
        clipped: whether values are held to 0..white.
        multiple: what sides of the input must be multiples of.
        least_side: least side of a frame, in its pixels.
        length: how many frames it takes; None for any number.
        position: where the reference stands among them.
        noise: whose noise it is given: that of no frame, of the reference, or of each.
        noise_level: noise level of all pixels, in the network's values, for a network that otherwise estimates one.
        aligned: whether it is given the motion of each frame.
    """

    layout: Layout
    task: str
    scale: float = 1
    domain: Domain = Domain.LINEAR_RGB
    white: float = 1.0
    per_white_code: bool = False
    clipped: bool = False
    multiple: int = 1
    least_side: int = 1
    length: int | None = None
    position: Literal["first", "last"] = "first"
    noise: Literal["none", "reference", "each"] = "none"
    noise_level: float | None = None
    aligned: bool = False

    @property
    def input_domains(self) -> frozenset[Domain]:
        """Domains of bursts that can be brought to this form."""
        return frozenset({Domain.RAW_BAYER}) if self.layout in {"packed", "mosaic"} else MERGED_DOMAINS

    @property
    def output_domain(self) -> Domain | None:
        """As in `RestorerInfo`."""
        return None if self.layout == "planes" else Domain.LINEAR_RGB

    def measure_white(self, burst: Burst) -> float:
        """The network's value of 1 in a burst."""
        share = (burst.white_level - burst.black_level) / burst.white_level if self.per_white_code else 1.0
        return self.white * share

    def check_sides(self, burst: Burst) -> None:
        """Check that frames are not too small.

        Raises:
            UnsupportedBurstError: if they are.
        """
        height, width = burst.frames.shape[1:3]
        if min(height, width) < self.least_side:
            raise UnsupportedBurstError(
                f"frames: expected sides of at least {self.least_side} px, got {height} x {width}; take larger crops"
            )

    def describe(self) -> str:
        """One line of all this."""
        encoding = "sRGB" if self.domain is Domain.SRGB else "linear"
        white = "codes above black over the code of white" if self.per_white_code else f"white level = {self.white:g}"
        parts = [
            _LAYOUTS[self.layout],
            f"{encoding}, {white}" + (", clipped" if self.clipped else ""),
            f"reference {self.position}",
            "any length" if self.length is None else f"{self.length} frames, missing ones replaced by the reference",
        ]
        if self.noise != "none":
            parts.append(_NOISE + ("of each frame" if self.noise == "each" else "of the reference"))
        if self.aligned:
            level = "estimated from the reference" if self.noise_level is None else f"{self.noise_level:g}"
            parts.append(f"one rigid motion for each frame, noise level {level}")
        if self.multiple > 1:
            parts.append(f"sides made multiples of {self.multiple} by reflection")
        if self.least_side > 1:
            parts.append(f"frames of at least {self.least_side} px")
        return "; ".join(parts)


def find_form(network: nn.Module, *, task: str | None = None, convention: str | None = None) -> InputForm:
    """The form of a network that `restorers.networks` knows.

    Args:
        network: network of a checkpoint.
        task: `demosaic` for a network of Kokkinos that was trained on mosaics; for other networks a name of one's own.
        convention: how values are scaled, where published weights of one network differ: `synthetic` or `burstsr` for super-resolution,
            `display` or `linear` for the denoisers of RGB without noise maps, `noisy` or `noisefree` for demosaicking; None for the first.

    Raises:
        InvalidRestorerError: if the network takes frames of channels that are no image, or has no such convention.
    """
    mosaics = isinstance(network, IterativeResidualNetwork) and task == "demosaic"
    forms = _demosaic_forms() if mosaics else _list_forms(network)
    chosen = convention or next(iter(forms))
    if chosen not in forms:
        raise InvalidRestorerError(f"convention={chosen}: expected {' or '.join(forms)} for this network")
    return replace(forms[chosen], task=task or forms[chosen].task)


def _list_forms(network: nn.Module) -> Mapping[str, InputForm]:
    """Forms by convention."""
    if type(network) not in _FORMS:
        raise InvalidRestorerError(f"expected a network of restorers.networks, got {type(network).__name__}")
    return _FORMS[type(network)](network)


def _list_dbsr_forms(network: DBSR) -> Mapping[str, InputForm]:
    scale = network.scale / 2
    return _super_resolution(InputForm("packed", "sr", int(scale) if scale == int(scale) else scale))


def _list_bsrt_forms(network: BSRT) -> Mapping[str, InputForm]:
    # The authors' code takes packed sides of more than 16 px, in multiples of 8.
    return _super_resolution(
        InputForm("packed", "sr", 4, multiple=network.multiple, least_side=48, length=network.frames)
    )


def _list_attention_forms(network: BIPNet | Burstormer) -> Mapping[str, InputForm]:
    channels, length = network.channels, network.frames
    if channels not in ((4,) if network.task == "sr" else (1, 3)):
        raise InvalidRestorerError(
            f"its first layer takes frames of {channels} channels: expected {'4' if network.task == 'sr' else '1 or 3'}"
        )
    if network.task == "sr":
        return _super_resolution(InputForm("packed", "sr", 4, multiple=4, length=length))
    return {"linear": _denoiser(channels, 4, length, "each")}


def _list_kokkinos_forms(_network: IterativeResidualNetwork) -> Mapping[str, InputForm]:
    return _display(
        InputForm("colours", "denoise", white=255, clipped=True, least_side=8, position="last", aligned=True)
    )


_FORMS: Mapping[type[nn.Module], Callable[[Any], Mapping[str, InputForm]]] = {
    BIPNet: _list_attention_forms,
    BSRT: _list_bsrt_forms,
    BasisPredictionNetwork: lambda network: {"linear": _denoiser(network.colours, 32, network.frames, "each")},
    Burstormer: _list_attention_forms,
    DBSR: _list_dbsr_forms,
    DeepBurstDenoiser: lambda _: _display(InputForm("colours", "denoise", position="last")),
    EBSR: lambda network: _super_resolution(InputForm("mosaic", "sr", 4, multiple=4, length=network.frames)),
    GoogleKernelPredictionNetwork: lambda network: {"linear": _denoiser(1, 4, network.frames, "reference")},
    IterativeResidualNetwork: _list_kokkinos_forms,
    KernelPredictionNetwork: lambda network: {
        "linear": replace(_denoiser(1, 16, network.frames, "reference"), clipped=True)
    },
}


def _super_resolution(form: InputForm) -> Mapping[str, InputForm]:
    """For weights trained on synthetic bursts, and on BurstSR, whose raw values less black were divided by 1023 of 10 bits."""
    return {"synthetic": form, "burstsr": replace(form, per_white_code=True)}


def _display(form: InputForm) -> Mapping[str, InputForm]:
    return {"display": replace(form, domain=Domain.SRGB), "linear": form}


def _demosaic_forms() -> Mapping[str, InputForm]:
    form = InputForm("mosaic", "demosaic", white=255, clipped=True, least_side=8, position="last", aligned=True)
    return {"noisy": form, "noisefree": replace(form, noise_level=1.0)}


def _denoiser(channels: int, multiple: int, length: int | None, noise: Literal["reference", "each"]) -> InputForm:
    return InputForm("planes" if channels == 1 else "colours", "denoise", multiple=multiple, length=length, noise=noise)
