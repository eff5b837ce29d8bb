"""Joint demosaicking and denoising network (Gharbi et al., SIGGRAPH Asia 2016), with the weights of the package `demosaicnet`.

Only the package's file of weights is read; its code, which needs packages that are no longer to be had, is never imported.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatImage
from restorers.color import decode_srgb, encode_srgb
from restorers.errors import MissingExtraError

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

    def __init__(self) -> None:
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
        )
        self._weights = _load_weights(path)

    def restore(self, burst: Burst) -> FloatImage:
        """Demosaic the only frame, float32 [H, W, 3]."""
        check_accepts(self.info, burst)
        assert burst.cfa is not None
        gains = (burst.white_balance / burst.white_balance.max()).astype(np.float32)
        mosaic = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        colours = np.stack([mosaic * gain for gain in gains])
        seen = _color_masks(burst.cfa, mosaic.shape)
        encoded = encode_srgb(np.stack([colours[channel] * seen[channel] for channel in range(3)])) * seen
        # The pattern the network knows starts with a green pixel in a row with red: reflecting keeps the pattern going.
        top, left = _GRBG_OFFSET[burst.cfa]
        edges = ((0, 0), (_MARGIN + top, _MARGIN + top), (_MARGIN + left, _MARGIN + left))
        padded = np.pad(encoded, edges, mode="reflect" if min(mosaic.shape) > _MARGIN + 1 else "symmetric")
        image = _run(self._weights, padded)
        cut_y, cut_x = ((padded.shape[axis] - image.shape[axis]) // 2 for axis in (1, 2))
        y, x = _MARGIN + top - cut_y, _MARGIN + left - cut_x
        linear = decode_srgb(image[:, y : y + mosaic.shape[0], x : x + mosaic.shape[1]])
        return np.ascontiguousarray(np.moveaxis(linear / gains[:, None, None], 0, -1))


_GRBG_OFFSET = {CFA.GRBG: (0, 0), CFA.RGGB: (0, 1), CFA.BGGR: (1, 0), CFA.GBRG: (1, 1)}
"""Rows and columns that go before the top-left pixel to make the pattern GRBG."""


def _color_masks(cfa: CFA, shape: tuple[int, ...]) -> FloatImage:
    masks = np.zeros((3, *shape), np.float32)
    for position, channel in enumerate(cfa.channels):
        dy, dx = divmod(position, 2)
        masks[channel, dy::2, dx::2] = 1
    return masks


def _run(weights: dict[str, torch.Tensor], mosaic: FloatImage) -> FloatImage:
    """The network: features at half the size, gated; a residual of 12 channels, enlarged; one full-size layer over both."""
    import torch  # noqa: PLC0415  # takes a second to import
    from torch.nn.functional import conv2d, conv_transpose2d, relu  # noqa: PLC0415

    with torch.inference_mode():
        full = torch.from_numpy(mosaic)[None]
        main = "main_processor"
        features = conv2d(full, weights[f"{main}.pack_mosaic.weight"], weights[f"{main}.pack_mosaic.bias"], stride=2)
        for layer in range(1, _DEPTH + 1):
            features = relu(
                conv2d(features, weights[f"{main}.conv{layer}.weight"], weights[f"{main}.conv{layer}.bias"])
            )
        gated = features[:, :_WIDTH] * features[:, _WIDTH:]
        residual = conv2d(gated, weights["residual_predictor.weight"], weights["residual_predictor.bias"])
        enlarged = conv_transpose2d(
            residual, weights["upsampler.weight"], weights["upsampler.bias"], stride=2, groups=3
        )
        cut_y, cut_x = ((full.shape[axis] - enlarged.shape[axis]) // 2 for axis in (2, 3))
        cropped = full[:, :, cut_y : cut_y + enlarged.shape[2], cut_x : cut_x + enlarged.shape[3]]
        last = "fullres_processor"
        both = relu(
            conv2d(
                torch.cat([cropped, enlarged], 1),
                weights[f"{last}.post_conv.weight"],
                weights[f"{last}.post_conv.bias"],
            )
        )
        return np.asarray(conv2d(both, weights[f"{last}.output.weight"], weights[f"{last}.output.bias"])[0].numpy())


@lru_cache(maxsize=1)
def _load_weights(path: Path) -> dict[str, torch.Tensor]:
    from restorers.adapters.basicsr_compat import read_weights  # noqa: PLC0415  # imports torch

    return read_weights(path)


def _find_weights() -> Path:
    spec = find_spec("demosaicnet")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "this network needs the weights of the package 'demosaicnet': pip install 'buiqa-toolkit[demosaicnet]'"
        )
    return Path(spec.origin).parent / "data" / "bayer.pth"
