"""Everything that decides the pixels of a synthetic burst but the photograph and the noise draws, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import ColorProfile
from dataset_builder.camera.isp import Processing
from dataset_builder.camera.sensor import Sensor
from dataset_builder.synthesis.focus import Depth
from dataset_builder.synthesis.motion import pose_to_homography, skew_to_homography
from dataset_builder.synthesis.obstacles import MovingObject, Occluder


@dataclass(frozen=True, eq=False)
class FrameParameters:
    """One frame; the defaults are those of a sharp, noise-free frame that does not move.

    Attributes:
        timestamp: seconds from the mid-exposure of frame 0 to that of this frame.
        exposure_time: seconds.
        gain: analogue gain, relative to the reference.
        exposure_ratio: light gathered times gain, relative to the reference.
        shot_noise: a of the noise variance a·signal + b.
        read_noise: b.
        row_noise: standard deviation of an offset common to the pixels of a row.
        poses: float64 [n, 3], n odd; (x px, y px, roll rad) relative to the reference's mid-exposure, evenly spaced in time over the
            exposure; the middle one is that of mid-exposure.
        skew: px, x and y, by which a row is displaced against the one above it, for it was exposed later.
        defocus: px; radius of the circle of confusion, on average over the frame in a focus series.
        focus: depth in focus, 0 nearest, 1 farthest; None outside focus series.
        outlier: `misaligned` or `blocked`; None for an ordinary frame.
        occluder: what blocks the lens.
        object_positions: int64 [n, 2], (x, y) in truth pixels of the moving object's centre at each pose; None without one.
        layer_shifts: int64 [n, K, 2], (x, y) in truth pixels by which each layer of a layered scene lies beside where the homography of
            each pose puts it; None where none does.
        layer_blurs: px; radius of the circle of confusion of each layer; empty for none.
        processing: processing of the JPEG; None for mosaics.
    """

    timestamp: float = 0.0
    exposure_time: float = 0.01
    gain: float = 1.0
    exposure_ratio: float = 1.0
    shot_noise: float = 0.0
    read_noise: float = 0.0
    row_noise: float = 0.0
    poses: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 3)))
    skew: tuple[float, float] = (0.0, 0.0)
    defocus: float = 0.0
    focus: float | None = None
    outlier: str | None = None
    occluder: Occluder | None = None
    object_positions: NDArray[np.int64] | None = None
    layer_shifts: NDArray[np.int64] | None = None
    layer_blurs: tuple[float, ...] = ()
    processing: Processing | None = None

    @property
    def mid_pose(self) -> NDArray[np.float64]:
        """Pose [3] at mid-exposure."""
        middle: NDArray[np.float64] = self.poses[len(self.poses) // 2]
        return middle

    @property
    def blur_length(self) -> float:
        """Length in px of the image centre's path during the exposure."""
        return measure_path(self.poses)

    @property
    def blur_angle(self) -> float:
        """Direction of the chord of that path, rad from +x towards +y; 0 for no motion."""
        x, y = self.poses[-1, :2] - self.poses[0, :2]
        return float(np.arctan2(y, x))


@dataclass(frozen=True, eq=False)
class BurstParameters:
    """One burst: geometry, camera, scene and frames.

    Attributes:
        height: rows of a frame, px.
        width: columns.
        scale: photograph pixels per frame pixel, along each side.
        origin: (x, y) of the truth's top-left pixel in the photograph.
        window: (left, top, right, bottom) of the part of the photograph that any frame sees.
        reference_index: frame whose grid the truth is on.
        camera: its name.
        sensor: colour filter array and levels.
        profile: white balance and colour matrix.
        brightness: signal of the photograph's white in the reference, before highlights are expanded.
        highlights: how many times brighter white becomes.
        lens_blur: px; standard deviation of a Gaussian before the pixel aperture.
        depth: depth of the scene, in a focus series.
        focus_series: px; blur radius of the farthest point when the nearest is in focus.
        moving_object: what moves through the scene, if anything.
        frames: the frames in capture order.
    """

    height: int
    width: int
    scale: int
    origin: tuple[int, int]
    window: tuple[int, int, int, int]
    reference_index: int
    camera: str
    sensor: Sensor
    profile: ColorProfile
    frames: tuple[FrameParameters, ...]
    brightness: float = 1.0
    highlights: float = 1.0
    lens_blur: float = 0.0
    depth: Depth | None = None
    focus_series: float = 0.0
    moving_object: MovingObject | None = None

    @property
    def is_srgb(self) -> bool:
        """Whether the frames are JPEGs."""
        return self.frames[0].processing is not None

    @property
    def truth_white(self) -> float:
        """Signal that the truth's largest code means; 1 unless the scene is brighter than the reference can hold."""
        return 1.0 if self.is_srgb else max(1.0, self.brightness * self.highlights)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.height, self.width

    @cached_property
    def all_homographies(self) -> NDArray[np.float64]:
        """Reference to frame pixel at each pose of each frame, float64 [sum of n, 3, 3], affine, rounded to 12 decimals."""
        counts = [len(frame.poses) for frame in self.frames]
        matrices = pose_to_homography(np.concatenate([frame.poses for frame in self.frames]), self.height, self.width)
        skews = np.array([frame.skew for frame in self.frames])
        if skews.any():
            skewing = skew_to_homography(skews, self.height)
            from_reference = np.linalg.inv(skewing[self.reference_index])
            matrices = np.repeat(skewing, counts, axis=0) @ matrices @ from_reference
        return np.asarray(matrices.round(12))

    def split_poses(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Cut an array with an entry for each pose of each frame into one array for each frame."""
        ends = accumulate(len(frame.poses) for frame in self.frames)
        return [values[end - len(frame.poses) : end] for end, frame in zip(ends, self.frames, strict=True)]

    def homographies(self, index: int) -> NDArray[np.float64]:
        """Reference to frame pixel at each pose of a frame, float64 [n, 3, 3], affine, rounded to 12 decimals."""
        return self.split_poses(self.all_homographies)[index]

    def homography(self, index: int) -> NDArray[np.float64]:
        """The one at mid-exposure, [3, 3]."""
        matrices = self.homographies(index)
        return np.asarray(matrices[len(matrices) // 2])


def measure_path(poses: NDArray[np.float64]) -> float:
    """Length in px of the path of the image centre over an exposure whose poses [n, 3] are evenly spaced in time."""
    # The samples are midpoints of equal slices of the exposure, so their path misses half a slice at both ends.
    count = len(poses)
    path = float(np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1).sum())
    return path * count / (count - 1) if count > 1 else 0.0
