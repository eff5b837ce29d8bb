"""Joint demosaicking and denoising network (Gharbi et al., SIGGRAPH Asia 2016), with the weights of the package `demosaicnet`.

Only the package's file of weights is read; its code, which needs packages that are no longer to be had, is never imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatImage
from restorers.device import Device, run_in_batches, run_on
from restorers.errors import MissingExtraError
from restorers.imaging.color import decode_srgb, encode_srgb

if TYPE_CHECKING:
    import torch

_WIDTH, _DEPTH = 64, 15
_MARGIN = 36
"""Pixels that the convolutions take off each side: 15 at half the size and one more, made even."""


class GharbiDemosaicking:
    """Demosaicks one frame by a network that was trained on display images.

    The mosaic is white-balanced and encoded by the sRGB curve, since the network knows display values only, and its output is brought
    back; values outside [0, 1] after white balance are clipped. Filter orders other than GRBG are shifted by a row or column.
    """

    def __init__(self, device: Device = "cpu") -> None:
        path = _find_weights()
        self.info = RestorerInfo(
            task="demosaic",
            version="1",
            input_domains=frozenset({Domain.RAW_BAYER}),
            output_domain=Domain.LINEAR_RGB,
            max_frames=1,
            summary="convolutional network on the white-balanced, encoded mosaic",
            paper="Gharbi et al., Deep joint demosaicking and denoising, 2016",
            weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            weights_license="MIT",
            device=device,
        )
        weights = _load_weights(path, device)
        self._network = run_on(lambda mosaics: _run(weights, mosaics), device)

    def restore(self, burst: Burst) -> FloatImage:
        """Demosaic the only frame, float32 [H, W, 3]."""
        padded = self._prepare(burst)
        return _finish(burst, padded, self._network(padded))

    def restore_many(self, bursts: Sequence[Burst]) -> list[FloatImage]:
        """Demosaic several frames at once."""
        padded = [self._prepare(burst) for burst in bursts]
        outputs = run_in_batches(self._network, padded)
        return [_finish(*each) for each in zip(bursts, padded, outputs, strict=True)]

    def _prepare(self, burst: Burst) -> FloatImage:
        """The network's input, [1, 3, H', W']."""
        check_accepts(self.info, burst)
        assert burst.cfa is not None
        gains = _gains(burst)
        mosaic = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        colours = np.stack([mosaic * gain for gain in gains])
        seen = _color_masks(burst.cfa, mosaic.shape)
        encoded = encode_srgb(np.stack([colours[channel] * seen[channel] for channel in range(3)])) * seen
        # The pattern the network knows starts with a green pixel in a row with red: reflecting keeps the pattern going.
        top, left = _GRBG_OFFSET[burst.cfa]
        edges = ((0, 0), (_MARGIN + top, _MARGIN + top), (_MARGIN + left, _MARGIN + left))
        return np.pad(encoded, edges, mode="reflect" if min(mosaic.shape) > _MARGIN + 1 else "symmetric")[None]


def _finish(burst: Burst, padded: FloatImage, output: FloatImage) -> FloatImage:
    """Cut the network's output to the frame and bring it back to linear light."""
    assert burst.cfa is not None
    top, left = _GRBG_OFFSET[burst.cfa]
    height, width = burst.reference.shape
    cut_y, cut_x = ((padded.shape[axis] - output.shape[axis]) // 2 for axis in (2, 3))
    y, x = _MARGIN + top - cut_y, _MARGIN + left - cut_x
    linear = decode_srgb(output[0, :, y : y + height, x : x + width])
    return np.ascontiguousarray(np.moveaxis(linear / _gains(burst)[:, None, None], 0, -1))


def _gains(burst: Burst) -> FloatImage:
    """White balance, of which no gain exceeds 1."""
    return np.asarray(burst.white_balance / burst.white_balance.max(), np.float32)


_GRBG_OFFSET = {CFA.GRBG: (0, 0), CFA.RGGB: (0, 1), CFA.BGGR: (1, 0), CFA.GBRG: (1, 1)}
"""Rows and columns that go before the top-left pixel to make the pattern GRBG."""


def _color_masks(cfa: CFA, shape: tuple[int, ...]) -> FloatImage:
    masks = np.zeros((3, *shape), np.float32)
    for position, channel in enumerate(cfa.channels):
        dy, dx = divmod(position, 2)
        masks[channel, dy::2, dx::2] = 1
    return masks


def _run(weights: dict[str, torch.Tensor], full: torch.Tensor) -> torch.Tensor:
    """The network: features at half the size, gated; a residual of 12 channels, enlarged; one full-size layer over both."""
    import torch
    from torch.nn.functional import conv2d, conv_transpose2d, relu

    main, last = "main_processor", "fullres_processor"
    features = conv2d(full, weights[f"{main}.pack_mosaic.weight"], weights[f"{main}.pack_mosaic.bias"], stride=2)
    for layer in range(1, _DEPTH + 1):
        features = relu(conv2d(features, weights[f"{main}.conv{layer}.weight"], weights[f"{main}.conv{layer}.bias"]))
    gated = features[:, :_WIDTH] * features[:, _WIDTH:]
    residual = conv2d(gated, weights["residual_predictor.weight"], weights["residual_predictor.bias"])
    enlarged = conv_transpose2d(residual, weights["upsampler.weight"], weights["upsampler.bias"], stride=2, groups=3)
    cut_y, cut_x = ((full.shape[axis] - enlarged.shape[axis]) // 2 for axis in (2, 3))
    cropped = full[:, :, cut_y : cut_y + enlarged.shape[2], cut_x : cut_x + enlarged.shape[3]]
    both = torch.cat([cropped, enlarged], 1)
    hidden = relu(conv2d(both, weights[f"{last}.post_conv.weight"], weights[f"{last}.post_conv.bias"]))
    return conv2d(hidden, weights[f"{last}.output.weight"], weights[f"{last}.output.bias"])


@lru_cache(maxsize=1)
def _load_weights(path: Path, device: Device) -> dict[str, torch.Tensor]:
    from restorers.adapters.basicsr_compat import read_weights

    return {name: weight.to(device) for name, weight in read_weights(path).items()}


def _find_weights() -> Path:
    spec = find_spec("demosaicnet")
    if spec is None or spec.origin is None:
        raise MissingExtraError("weights of this network", "demosaicnet", "demosaicnet")
    return Path(spec.origin).parent / "data" / "bayer.pth"
