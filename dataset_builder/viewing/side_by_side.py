"""One burst restored, to be looked at."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import BuildError
from dataset_builder.labeling.truth import explain_mismatch, project_truth
from dataset_builder.labeling.units import read_bursts
from dataset_builder.records.loading import load_burst, load_truth
from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import do_pieces
from dataset_builder.work.unit import Failure
from manifests.confined.reading import read_file
from manifests.confined.writing import write_file
from manifests.errors import ManifestError
from manifests.images.pixels import encode_png
from manifests.listing import name_unknown_burst
from restorers import Burst, Domain, RestorerInfo, create
from restorers.base import check_accepts, check_image
from restorers.errors import RestorerError
from restorers.fidelity import psnr
from restorers.imaging.color import linearise, to_display
from restorers.imaging.planes import to_colours

_GAP = 8
_PICTURE = "picture.png"


@dataclass(frozen=True)
class BurstToRestore:
    """A burst and who restores it, for a worker.

    Attributes:
        burst_id: the burst.
        scenario: name of the restorer.
        device: where networks compute.
        folder: where the picture is written.
    """

    burst_id: str
    scenario: str
    device: str
    folder: str
    cost: int = 1


class RestorationError(BuildError):
    """A burst could not be restored."""


def restore_in_worker(root: Path, burst_id: str, scenario: str, *, workers: Workers) -> tuple[bytes, list[str]]:
    """As `restore_side_by_side`, by a worker, under its limits; a PNG in the place of the picture.

    Raises:
        RestorationError: if it cannot be done, or takes more than the limits.
    """
    with tempfile.TemporaryDirectory(prefix="buiqa-") as scratch:
        piece = BurstToRestore(burst_id, scenario, workers.device, scratch)
        (outcome,) = do_pieces(restore_piece, [piece], root, workers, cost=1, scratch=Path(scratch))
        if isinstance(outcome, Failure):
            raise RestorationError(f"{scenario}: {outcome.error_type}: {outcome.message}")
        if outcome["error"]:
            raise RestorationError(outcome["error"])
        return read_file(Path(scratch), _PICTURE), outcome["captions"]


def restore_piece(root: Path, piece: BurstToRestore) -> dict[str, Any]:
    """Restore in a worker and write the picture; what the captions are, or what is wrong with the burst or the restorer."""
    try:
        image, captions = restore_side_by_side(root, piece.burst_id, piece.scenario, device=piece.device)
    except (BuildError, ManifestError, RestorerError) as error:
        return {"error": str(error), "captions": []}
    write_file(Path(piece.folder), _PICTURE, encode_png(image))
    return {"error": "", "captions": captions}


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
        the PSNR of the result in linear light, unless a border leaves nothing to compare.

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
            border = round(8 * restorer.info.scale / scale)
            if min(image.shape[:2]) > 2 * border:
                captions[0] += f" {psnr(image, expected, border=border):.2f} dB"
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
