"""Real cameras: how they see colour and what codes they write.

Matrices are CIE XYZ (D65) to camera RGB as the ColorMatrix tags of Adobe's DNG converter give them; dcraw's table `adobe_coeff` holds the
same numbers times 10,000. That of the Nikon D5000 was compared with a DNG of that camera. The first four cameras are those of the
Darmstadt Noise Dataset, from which Brooks et al. (CVPR 2019) mix their colour matrices. Black and white levels are the nominal codes
of each camera's raw files; single bodies and settings differ from them by some codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ, ColorProfile, mix_color_matrix
from dataset_builder.camera.sensor import Sensor
from restorers import CFA


@dataclass(frozen=True)
class Camera:
    """A camera.

    Attributes:
        name: maker and model.
        xyz_to_camera: 9 values by rows, CIE XYZ under D65 to camera RGB.
        sensor: colour filter array, bits and levels.
    """

    name: str
    xyz_to_camera: tuple[float, ...]
    sensor: Sensor

    @property
    def daylight(self) -> ColorProfile:
        """Gains that make D65 white neutral (green 1), and the colour matrix that follows."""
        matrix = np.reshape(self.xyz_to_camera, (3, 3))
        white = (matrix @ SRGB_TO_XYZ).sum(axis=1)
        red, green, blue = (float(gain) for gain in white[1] / white)
        return ColorProfile((red, green, blue), mix_color_matrix(matrix[None], np.ones(1)))


def _camera(name: str, matrix: tuple[int, ...], sensor: Sensor) -> Camera:
    return Camera(name, tuple(value / 10_000 for value in matrix), sensor)


_KNOWN = (
    _camera(
        "Huawei Nexus 6P", (10234, -2969, -2266, -5625, 16328, -469, -703, 2188, 6406), Sensor(CFA.BGGR, 10, 64, 1023)
    ),
    _camera(
        "Sony ILCE-7R", (4913, -541, -202, -6130, 13513, 2906, -1564, 2151, 7183), Sensor(CFA.RGGB, 14, 512, 16383)
    ),
    _camera(
        "Olympus E-M10", (8380, -2630, -639, -2887, 10725, 2496, -627, 1427, 5438), Sensor(CFA.RGGB, 12, 256, 4043)
    ),
    _camera(
        "Sony DSC-RX100M4", (6596, -2079, -562, -4782, 13016, 1933, -970, 1581, 5181), Sensor(CFA.RGGB, 14, 800, 16383)
    ),
    _camera("Nikon D5000", (7309, -1403, -519, -8474, 16008, 2622, -2433, 2826, 8064), Sensor(CFA.GBRG, 12, 0, 3840)),
    _camera(
        "Canon EOS 5D Mark II",
        (4716, 603, -830, -7798, 15474, 2480, -1496, 1937, 6651),
        Sensor(CFA.GBRG, 14, 1024, 15600),
    ),
)
CAMERAS: Mapping[str, Camera] = MappingProxyType({camera.name: camera for camera in _KNOWN})
MIXED = "mixed"
"""Stands for a camera that never was: a random convex combination of the first four."""
_MIXED_MATRICES: NDArray[np.float64] = np.array([camera.xyz_to_camera for camera in _KNOWN[:4]]).reshape(-1, 3, 3)


def mix_profile(weights: NDArray[np.float64], gains: tuple[float, float, float]) -> ColorProfile:
    """A colour profile between those of four real cameras (Brooks et al., CVPR 2019).

    Args:
        weights: float64 [4], not negative, not all 0.
        gains: white balance of R, G, B.
    """
    return ColorProfile(gains, mix_color_matrix(_MIXED_MATRICES, weights))
