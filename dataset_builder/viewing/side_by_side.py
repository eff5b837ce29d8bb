"""One burst restored, to be looked at."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder.audit.wording import shorten_middle
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
from restorers.imaging.color import encode_srgb, linearise, to_display
from restorers.imaging.hdr_encoding import tone_map
from restorers.imaging.planes import to_colours

_GAP = 8
_LEAST_WIDTH = 240
"""Pixels that a picture is enlarged to, by a whole factor, so that its caption has room."""
_TEXT_SIZE = 14
_BRIGHTEST = 0.999
"""Share of the pixels that a display shows below white: of the brightest specks a few may be cut."""
_OVER_WHITE = 1.05
"""What is brighter is no noise."""
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
        (outcome,) = do_pieces(restore_piece, [piece], root, workers, cost=1, results=Path(scratch))
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


_MID_GREY = 0.18
"""What the log-average of radiance is shown as (Reinhard et al., SIGGRAPH 2002, equation 2)."""
_LEAST_LIGHT = 1e-4


@dataclass(frozen=True)
class _Tone:
    """How light is shown: times `gain`, then so that what is `white` by then becomes white."""

    gain: float = 1.0
    white: float = 1.0

    @property
    def needed(self) -> bool:
        """Whether light is not shown as it is."""
        return self != _Tone()


def restore_side_by_side(
    root: Path, burst_id: str, scenario: str, *, device: str = "cpu"
) -> tuple[NDArray[np.uint8], list[str]]:
    """Restore a burst and set the result, the reference frame and the truth, if there is one, beside each other.

    Radiance, and light that is brighter than white, is toned, result and truth alike, and the caption says so; the reference is shown as it
    was taken.

    Args:
        root: the data set.
        burst_id: the burst.
        scenario: name of the restorer; a single-frame restorer gets the reference.
        device: where networks compute, as `restorers.create` takes it.

    Returns:
        uint8 [h, w, 3], sRGB, a caption above each picture, small ones enlarged without interpolation; and what each part is, with the PSNR
        of the result in linear light, unless a border leaves nothing to compare.

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
    colours = _find_colours(image, restorer.info, shown)
    tone = _Tone() if colours is None else _find_tone(colours, restorer.info)
    result = image if colours is None else _show(colours, shown, tone)
    pictures = [result, to_display(to_colours(reference, shown), shown)]
    scale = rows.burst["scale"]
    if rows.burst["ground_truth_kind"] != "none":
        truth = load_truth(root, rows.burst)
        pictures.append(_show(truth, shown, tone))
        captions.append("truth, tone-mapped" if tone.needed else "truth")
        if explain_mismatch(restorer.info, burst.domain, scale) is None:
            expected = project_truth(truth, restorer.info, domain=burst.domain, scale=scale, cfa=burst.cfa)
            border = round(8 * restorer.info.scale / scale)
            if min(image.shape[:2]) > 2 * border:
                captions[0] += f" {psnr(image, expected, border=border):.2f} dB"
    if tone.needed:
        captions[0] += f", tone-mapped: {tone.gain:.2g} times as bright, white at {tone.white / tone.gain:.2g}"
    return _set_side_by_side(pictures, captions), captions


def _find_colours(image: NDArray[np.float32], info: RestorerInfo, burst: Burst) -> NDArray[np.float32] | None:
    """Linear camera RGB of a restored image; None of one for a display."""
    if info.output_for(burst.domain) is Domain.SRGB:
        return None
    return to_colours(image, burst) if image.ndim == 2 else image


def _find_tone(colours: NDArray[np.float32], info: RestorerInfo) -> _Tone:
    """Radiance is brought to mid-grey, whatever the exposure of the reference; other light only where it is brighter than white."""
    brightest = float(np.quantile(colours.max(axis=-1), _BRIGHTEST))
    if info.task != "hdr":
        return _Tone(white=brightest) if brightest > _OVER_WHITE else _Tone()
    average = float(np.exp(np.log(np.maximum(colours.mean(axis=-1), _LEAST_LIGHT)).mean()))
    gain = _MID_GREY / average
    return _Tone(gain, max(brightest * gain, _LEAST_LIGHT))


def _show(colours: NDArray[np.float32], burst: Burst, tone: _Tone) -> NDArray[np.float32]:
    if not tone.needed:
        return to_display(colours, burst)
    light = tone.gain * colours @ (burst.color_matrix * burst.white_balance).T
    return encode_srgb(tone_map(light, white=tone.white))


def _set_side_by_side(pictures: list[NDArray[np.float32]], captions: list[str]) -> NDArray[np.uint8]:
    """Pictures of one height, a caption above each; where the font has no room for it, it loses its middle."""
    height = max(picture.shape[0] for picture in pictures)
    factor = max(1, -(-_LEAST_WIDTH // min(picture.shape[1] * height // picture.shape[0] for picture in pictures)))
    font = ImageFont.load_default(size=_TEXT_SIZE)
    parts = []
    for picture, caption in zip(pictures, captions, strict=True):
        width = round(picture.shape[1] * height * factor / picture.shape[0])
        large = cv2.resize(picture, (width, height * factor), interpolation=cv2.INTER_NEAREST)
        text = next(
            text
            for text in (shorten_middle(caption, most) for most in range(len(caption), 0, -1))
            if font.getlength(text.replace("…", "...")) <= width or len(text) == 1
        )
        strip = Image.new("RGB", (width, 2 * _TEXT_SIZE), "white")
        ImageDraw.Draw(strip).text((0, _TEXT_SIZE // 3), text.replace("…", "..."), "black", font)
        parts += [np.vstack([np.asarray(strip) / 255, large]), np.ones((height * factor + 2 * _TEXT_SIZE, _GAP, 3))]
    sheet: NDArray[np.uint8] = np.rint(np.clip(np.hstack(parts[:-1]), 0, 1) * 255).astype(np.uint8)
    return sheet
