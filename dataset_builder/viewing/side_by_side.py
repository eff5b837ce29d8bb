"""One burst restored, to be looked at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.truth import explain_mismatch, project_truth
from dataset_builder.labeling.units import read_bursts
from dataset_builder.records.loading import load_burst, load_truth
from manifests.listing import name_unknown_burst
from restorers import Burst, Domain, RestorerInfo, create
from restorers.base import check_accepts, check_image
from restorers.fidelity import psnr
from restorers.imaging.color import linearise, to_display
from restorers.imaging.planes import to_colours

_GAP = 8


def restore_side_by_side(
    root: Path, burst_id: str, scenario: str, *, device: str = "cpu"
) -> tuple[NDArray[np.uint8], list[str]]:
    """Restore a burst and set the result, the reference frame and the truth, if there is one, beside each other.

    Args:
        root: the data set.
        burst_id: the burst.
        scenario: name of the restorer; a single-frame restorer gets the reference.
        device: where networks compute, as `restorers.create` takes it.

    Returns:
        uint8 [H·scale, about 3·W·scale, 3], sRGB, the reference and the truth enlarged without interpolation; and what each part is, with
        the PSNR of the result in linear light.

    Raises:
        SelectionError: if there is no such burst; the message offers close matches.
        RestorerError: if the restorer is unknown, does not take the burst or breaks its word.
    """
    bursts = read_bursts(root)
    if burst_id not in bursts:
        raise name_unknown_burst(burst_id, bursts)
    rows = bursts[burst_id]
    burst, restorer = load_burst(root, rows.burst, rows.frames), create(scenario, device=device)
    if restorer.info.single_frame:
        burst = burst.single(burst.reference_index)
    check_accepts(restorer.info, burst)
    image = restorer.restore(burst)
    check_image(restorer.info, burst, image)
    captions = [scenario, "reference alone"]
    shown = linearise(burst)
    reference = shown.reference / np.float32(shown.exposure_ratio[shown.reference_index])
    pictures = [_develop(image, restorer.info, shown), to_display(to_colours(reference, shown), shown)]
    scale = rows.burst["scale"]
    if rows.burst["ground_truth_kind"] != "none":
        truth = load_truth(root, rows.burst)
        pictures.append(to_display(truth, shown))
        captions.append("truth")
        if explain_mismatch(restorer.info, burst.domain, scale) is None:
            expected = project_truth(truth, restorer.info, domain=burst.domain, scale=scale, cfa=burst.cfa)
            captions[0] += f" {psnr(image, expected, border=round(8 * restorer.info.scale / scale)):.2f} dB"
    return _set_side_by_side(pictures), captions


def _develop(image: NDArray[np.float32], info: RestorerInfo, burst: Burst) -> NDArray[np.float32]:
    if info.output_for(burst.domain) is Domain.SRGB:
        return image
    return to_display(to_colours(image, burst) if image.ndim == 2 else image, burst)


def _set_side_by_side(pictures: list[NDArray[np.float32]]) -> NDArray[np.uint8]:
    height = max(picture.shape[0] for picture in pictures)
    parts = []
    for picture in pictures:
        width = round(picture.shape[1] * height / picture.shape[0])
        parts += [cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST), np.ones((height, _GAP, 3))]
    sheet: NDArray[np.uint8] = np.rint(np.clip(np.hstack(parts[:-1]), 0, 1) * 255).astype(np.uint8)
    return sheet
