"""Restored pictures beside each other: what is brighter than white is toned, and every picture says what it is."""

import cv2
import numpy as np
import pytest

from dataset_builder.build import add_source
from dataset_builder.recipe import parse_source
from dataset_builder.viewing.side_by_side import restore_side_by_side
from manifests.schema import FRAMES
from manifests.store import read_dataset_table
from tests.audit_dataset import change_rows

SIDE = 48


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A burst of two exposures: the second shows what is up to four times as bright as white in the reference."""
    tmp_path = tmp_path_factory.mktemp("exposures")
    rng = np.random.default_rng(0)
    light = cv2.GaussianBlur(rng.uniform(0, 4, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 2)
    light = 4 * (light - light.min()) / np.ptp(light)
    (tmp_path / "in" / "pair").mkdir(parents=True)
    for index, gain in enumerate((1.0, 0.25)):
        shown = np.clip(light * gain, 0, 1)
        encoded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
        cv2.imwrite(str(tmp_path / "in" / "pair" / f"{index}.png"), np.rint(255 * encoded).astype(np.uint8))
    add_source(tmp_path / "out", parse_source(name=None, kind="folders", root=str(tmp_path / "in")))
    change_rows(
        tmp_path / "out",
        FRAMES,
        lambda rows: [row.update(exposure_ratio=1.0 if row["frame_index"] == 0 else 0.25) for row in rows],
    )
    return tmp_path / "out"


def test_radiance_is_toned_and_captioned(root):
    (burst_id,) = read_dataset_table(root, "bursts").column("burst_id").to_pylist()
    image, captions = restore_side_by_side(root, burst_id, "hdr/radiance")
    assert captions[0].startswith("hdr/radiance, tone-mapped: 0.1")
    assert captions[0].split("white at ")[1][0] in "34"
    assert captions[1] == "reference alone"
    width = (image.shape[1] - 8) // 2
    strip, below = image[:28], image[28:]
    for place in (slice(0, width), slice(width + 8, None)):
        assert (strip[:, place] < 128).sum() > 50  # words
        assert (strip[:, place] > 250).mean() > 0.5
    restored, reference = below[:, :width], below[:, width + 8 :]
    # Most of the reference is cut off at white; of the radiance only the brightest specks are.
    assert (reference >= 254).all(axis=-1).mean() > 0.3
    assert (restored >= 254).all(axis=-1).mean() < 0.02
    assert np.unique(restored).size > 100


def test_a_picture_without_bright_light_is_shown_as_it_is(root):
    (burst_id,) = read_dataset_table(root, "bursts").column("burst_id").to_pylist()
    image, captions = restore_side_by_side(root, burst_id, "hdr/fusion")
    assert captions == ["hdr/fusion", "reference alone"]
    assert image.shape == (28 + 5 * SIDE, 2 * 5 * SIDE + 8, 3)
