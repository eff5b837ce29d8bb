"""Frames of a layered scene: its layers, each blurred by its depth and moved, laid over each other from back to front.

Layers move by whole truth pixels, so that none is interpolated and what a frame shows is as sharp wherever its layers are. What they make
together is rounded to codes, which are sampled as those of a photograph are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.synthesis.fields import (
    locate_pixels,
    locate_sites,
    make_field,
    sample_field,
    sample_mosaics,
)
from dataset_builder.synthesis.focus import blur_disc
from dataset_builder.synthesis.latent import as_truth, blur_by_lens, get_signal, see_light
from dataset_builder.synthesis.layered.layers import Layer, LayeredScene
from dataset_builder.synthesis.obstacles import MovingObject
from dataset_builder.synthesis.parameters import BurstParameters

STILL = 0.5
"""Frame px by which a layer may lie beside where the homography puts it and count as still."""
_OBJECT = -1
Floats = NDArray[np.float64]
Shift = tuple[int, int]
Arrangement = tuple[tuple[Shift, ...], tuple[float, ...], Shift | None]
"""Where layers are, (x, y) in truth px, their blurs, and the centre of the moving object."""


class LayeredView:
    """What the frames of a burst see of a layered scene."""

    def __init__(self, scene: LayeredScene, parameters: BurstParameters) -> None:
        self.scene, self.parameters = scene, parameters
        left, top, _, _ = parameters.window
        self._origin = (parameters.origin[0] - left, parameters.origin[1] - top)
        pixels = locate_pixels(parameters.all_homographies, parameters.scale, self._origin)
        self._pixels, self._sites = parameters.split_poses(pixels), parameters.split_poses(locate_sites(pixels))
        self._reach = self._measure_reach()
        self._lit: dict[tuple[int, float], tuple[Floats, Floats]] = {}

    def see_frames(self) -> Iterator[tuple[int, Floats, Floats | None]]:
        """Of each frame the mean light, and the share of what each pixel shows that lies elsewhere in the truth; None for nothing."""
        parameters = self.parameters
        poses: dict[Arrangement, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, frame in enumerate(parameters.frames):
            for pose in range(len(frame.poses)):
                poses[self._arrange(index, pose)][index].append(pose)
        lights = np.zeros((len(parameters.frames), *parameters.shape))
        covers: dict[int, Floats] = {}
        # Arrangements of equal blurs follow each other: blurring is what takes time, and what is blurred takes memory.
        for arrangement, seen in sorted(poses.items(), key=lambda item: item[0][1]):
            self._forget(arrangement)
            sites = [self._sites[index][chosen] for index, chosen in seen.items()]
            planes = blur_by_lens(self._lay(arrangement), parameters)
            sampled = sample_mosaics(planes, parameters.scale, sites, parameters.shape, cfa=parameters.sensor.cfa)
            for index, light in zip(seen, sampled, strict=True):
                lights[index] += light
            astray = self._find_astray(arrangement)
            if astray is not None:
                field = make_field(blur_by_lens(astray, parameters)[0], parameters.scale)
                for index, chosen in seen.items():
                    part = sample_field(field, self._pixels[index][chosen], parameters.shape)
                    covers[index] = covers[index] + part if index in covers else part
        unit = UINT16_MAX * parameters.scale**2
        for index, light in enumerate(lights):
            count = len(parameters.frames[index].poses)
            cover = covers[index] / (unit * count) if index in covers else None
            yield index, light * (get_signal(parameters) / count), cover

    def _forget(self, arrangement: Arrangement) -> None:
        """Drop blurred layers that an arrangement does not show."""
        shown = set(enumerate(arrangement[1]))
        self._lit = {key: lit for key, lit in self._lit.items() if key in shown or key[0] == _OBJECT}

    def make_truth(self) -> NDArray[np.uint16]:
        """The sharp scene at the reference's mid-exposure, on its grid."""
        parameters, (x, y) = self.parameters, self._origin
        index = parameters.reference_index
        shifts, _, place = self._arrange(index, len(parameters.frames[index].poses) // 2)
        codes = self._lay((shifts, (0.0,) * len(shifts), place))
        height, width = (side * parameters.scale for side in parameters.shape)
        return as_truth(codes[y : y + height, x : x + width], parameters)

    def _arrange(self, index: int, pose: int) -> Arrangement:
        frame, count = self.parameters.frames[index], len(self.scene.layers)
        shifts = ((0, 0),) * count if frame.layer_shifts is None else _as_pairs(frame.layer_shifts[pose])
        place = None if frame.object_positions is None else _as_pairs(frame.object_positions[pose : pose + 1])[0]
        return shifts, frame.layer_blurs or (0.0,) * count, place

    def _measure_reach(self) -> NDArray[np.int64]:
        """Farthest shifts of each layer, [K, 2 of x and y, 2 of least and most]."""
        moved = [frame.layer_shifts for frame in self.parameters.frames if frame.layer_shifts is not None]
        if not moved:
            return np.zeros((len(self.scene.layers), 2, 2), np.int64)
        shifts = np.concatenate(moved)
        return np.stack([np.minimum(shifts.min(axis=0), 0), np.maximum(shifts.max(axis=0), 0)], axis=-1)

    def _light(self, number: int, blur: float) -> tuple[Floats, Floats]:
        """What a layer adds to a pixel, [H, W, 3] in codes, and the share of what is behind it that it lets pass, wherever it will be."""
        key = number, blur
        if key not in self._lit:
            left, top, right, bottom = self.parameters.window
            (least_x, most_x), (least_y, most_y) = self._reach[number].tolist()
            area = slice(top - most_y, bottom - least_y), slice(left - most_x, right - least_x)
            layer = self.scene.layers[number]
            self._lit[key] = self._spread(Layer(layer.colors[area], layer.cover[area]), blur)
        return self._lit[key]

    def _spread(self, layer: Layer, blur: float, brightness: float = 1.0) -> tuple[Floats, Floats]:
        alpha = layer.cover / UINT16_MAX
        light = see_light(layer.colors, self.parameters) * (brightness * alpha[..., None])
        if blur:
            planes = (*(np.ascontiguousarray(plane) for plane in np.moveaxis(light, -1, 0)), alpha)
            *lit, alpha = blur_disc(planes, blur * self.parameters.scale)
            light = np.stack(lit, axis=-1)
        return light, 1 - alpha

    def _place(self, number: int, shift: Shift, blur: float) -> tuple[Floats, Floats]:
        """The same as the window shows it."""
        left, top, right, bottom = self.parameters.window
        (_, most_x), (_, most_y) = self._reach[number].tolist()
        x, y = most_x - shift[0], most_y - shift[1]
        light, clear = self._light(number, blur)
        area = slice(y, y + bottom - top), slice(x, x + right - left)
        return light[area], clear[area]

    def _lay(self, arrangement: Arrangement) -> NDArray[np.uint16]:
        """Codes of the window, camera RGB."""
        shifts, blurs, place = arrangement
        light: Floats | None = None
        for number in reversed(range(len(shifts))):
            added, clear = self._place(number, shifts[number], blurs[number])
            if light is None:
                light = added.copy()
            else:
                light *= clear[..., None]
                light += added
            self._lay_object(light, number, place, blurs[number])
        assert light is not None
        return np.rint(light).clip(0, UINT16_MAX).astype(np.uint16)

    def _lay_object(self, light: Floats, number: int, place: Shift | None, blur: float) -> None:
        """Lay the moving object over a layer, if it is before this one and behind the next."""
        located = self._locate(number, place, blur)
        if located is not None:
            area, added, clear = located
            light[area] = light[area] * clear[..., None] + added

    def _locate(
        self, number: int, place: Shift | None, blur: float
    ) -> tuple[tuple[slice, slice], Floats, Floats] | None:
        thing = self.parameters.moving_object
        if thing is None or place is None or thing.nearer_layers != number:
            return None
        added, clear = self._light_object(thing, blur)
        left, top, right, bottom = self.parameters.window
        x, y = (place[axis] + self._origin[axis] - clear.shape[0] // 2 for axis in (0, 1))
        rows, columns = (
            slice(max(start, 0), min(start + len(clear), end)) for start, end in ((y, bottom - top), (x, right - left))
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        part = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
        return (rows, columns), added[part], clear[part]

    def _light_object(self, thing: MovingObject, blur: float) -> tuple[Floats, Floats]:
        """As `_light`, of the moving object about its centre."""
        key = _OBJECT, blur
        if key not in self._lit:
            left, top = thing.texture
            margin = int(np.ceil(blur * self.parameters.scale)) + 1
            shown = self.scene.picture[top : top + thing.side, left : left + thing.side]
            colors = np.pad(shown, ((margin, margin), (margin, margin), (0, 0)), "edge")
            cover = np.pad(np.rint(thing.alpha * UINT16_MAX).astype(np.uint16), margin)
            self._lit[key] = self._spread(Layer(colors, cover), blur, thing.brightness)
        return self._lit[key]

    def _find_astray(self, arrangement: Arrangement) -> NDArray[np.uint16] | None:
        """Share of each pixel of the window, 65535 = all, that shows or should show what moved; None where all is still."""
        shifts, blurs, place = arrangement
        far = STILL * self.parameters.scale
        moved = [max(abs(x), abs(y)) > far for x, y in shifts]
        if place is None and not any(moved):
            return None
        still = ((0, 0),) * len(shifts)
        # What a layer covers where it should be is hidden in the truth, whether or not it is there now.
        share = np.maximum(self._sum_astray(moved, shifts, blurs, place), self._sum_astray(moved, still, blurs, None))
        codes: NDArray[np.uint16] = np.rint(share * UINT16_MAX).astype(np.uint16)
        return codes

    def _sum_astray(
        self, moved: list[bool], shifts: tuple[Shift, ...], blurs: tuple[float, ...], place: Shift | None
    ) -> Floats:
        share: Floats | None = None
        for number in reversed(range(len(shifts))):
            _, clear = self._place(number, shifts[number], blurs[number])
            share = np.zeros(clear.shape) if share is None else share
            share *= clear
            if moved[number]:
                share += 1 - clear
            located = self._locate(number, place, blurs[number])
            if located is not None:
                area, _, passing = located
                share[area] = share[area] * passing + (1 - passing)
        assert share is not None
        return share.clip(0, 1)


def _as_pairs(positions: NDArray[np.int64]) -> tuple[Shift, ...]:
    return tuple((int(x), int(y)) for x, y in positions)
