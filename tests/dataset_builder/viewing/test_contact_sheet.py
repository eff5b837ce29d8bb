"""Contact sheets and thumbnails: natural colours, upright frames, marks where the scores say so."""

import io

import numpy as np
import pytest
from PIL import Image

from dataset_builder.camera.color import ColorProfile, to_camera
from dataset_builder.records.thumbnails import read_thumbnail
from dataset_builder.viewing.contact_sheet import draw_contact_sheet
from manifests.errors import ImageFileError, SelectionError, UnsafePathError
from manifests.images.pixels import write_png
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, read_table, write_table
from restorers import CFA
from restorers.imaging.mosaic import mosaic
from tests.tiny_dataset import INGESTED, make_burst_row, make_frame_row, write_tiny_dataset

REFERENCE, BEST, WORST = (230, 159, 0), (0, 114, 178), (213, 94, 0)
PROFILE = ColorProfile((2.1, 1.0, 1.6), (1.6, -0.5, -0.1, -0.2, 1.5, -0.3, 0.0, -0.6, 1.6))
COLOR = (0.20, 0.45, 0.10)
"""Linear sRGB of a green; as sRGB it is (124, 179, 89)."""
SRGB = (124, 179, 89)


def count_pixels(sheet, color):
    return int((sheet == np.array(color, np.uint8)).all(axis=-1).sum())


def write_jpeg(path, pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0)
    path.write_bytes(stream.getvalue())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("sheet") / "tiny")


@pytest.fixture
def fresh(tmp_path):
    return write_tiny_dataset(tmp_path / "tiny")


class TestContactSheet:
    def test_is_an_rgb_picture_and_the_same_each_time(self, tiny):
        sheet = draw_contact_sheet(tiny, "tiny-2")
        assert sheet.dtype == np.uint8
        assert sheet.shape[2] == 3
        np.testing.assert_array_equal(sheet, draw_contact_sheet(tiny, "tiny-2"))

    def test_columns_and_tile_set_the_size(self, tiny):
        one, two = (draw_contact_sheet(tiny, "tiny-2", columns=columns, tile=128) for columns in (1, 2))
        assert two.shape[1] > one.shape[1]
        assert two.shape[0] < one.shape[0]
        assert one.shape[0] > 4 * 128
        np.testing.assert_array_equal(
            draw_contact_sheet(tiny, "tiny-2", columns=4), draw_contact_sheet(tiny, "tiny-2", columns=9)
        )

    def test_only_the_reference_is_outlined(self, tiny):
        """tiny-3 has its reference at frame 3, the last of its row."""
        sheet = draw_contact_sheet(tiny, "tiny-3", columns=4, tile=160)
        columns = np.flatnonzero((sheet == np.array(REFERENCE, np.uint8)).all(axis=-1).any(axis=0))
        assert len(columns) > 0
        assert columns.min() > sheet.shape[1] * 0.7
        assert columns.max() - columns.min() < 180

    def test_best_and_worst_are_marked_and_equal_scores_are_not(self, fresh):
        path = fresh / labels_path("denoise/mean")
        (fresh / labels_path("denoise/nlm")).unlink()
        rows = [
            row for row in read_table(path.parent, path.name, LABELS).to_pylist() if row["estimator"] == "leave_one_out"
        ]
        write_table(
            path.parent,
            path.name,
            LABELS,
            [{**row, "score": 0.5 if row["score"] is not None else None} for row in rows],
        )
        flat = draw_contact_sheet(fresh, "tiny-2")
        assert count_pixels(flat, BEST) == 0
        assert count_pixels(flat, WORST) == 0
        write_table(
            path.parent,
            path.name,
            LABELS,
            [{**row, "score": None if row["score"] is None else -row["frame_index"]} for row in rows],
        )
        marked = draw_contact_sheet(fresh, "tiny-2", columns=4)
        best, worst = (
            np.flatnonzero((marked == np.array(color, np.uint8)).all(axis=-1).any(axis=0)) for color in (BEST, WORST)
        )
        quarter = marked.shape[1] / 4
        assert set((best / quarter).astype(int)) == {1}
        assert set((worst / quarter).astype(int)) == {3}

    def test_without_scores_and_factors(self, fresh):
        for path in list_label_files(fresh):
            (fresh / path).unlink()
        sheet = draw_contact_sheet(fresh, INGESTED)
        assert count_pixels(sheet, REFERENCE) > 0
        assert count_pixels(sheet, BEST) == 0

    def test_unknown_burst_is_answered_with_close_matches(self, tiny):
        with pytest.raises(SelectionError, match=r"'tiny-9'.*5 bursts.*did you mean .*tiny-\d"):
            draw_contact_sheet(tiny, "tiny-9")

    @pytest.mark.parametrize("sizes", [{"columns": 0}, {"tile": 8}])
    def test_impossible_sizes_are_refused(self, tiny, sizes):
        with pytest.raises(ValueError, match=r"columns = .*tile = "):
            draw_contact_sheet(tiny, "tiny-2", **sizes)

    def test_missing_frame_is_named(self, fresh):
        path = make_frame_row("tiny-2", 1)["path"]
        (fresh / path).unlink()
        with pytest.raises(ImageFileError, match=path):
            draw_contact_sheet(fresh, "tiny-2")


class TestThumbnail:
    @pytest.mark.parametrize("cfa", list(CFA))
    @pytest.mark.parametrize("side", [40, 64, 200])
    def test_raw_colours_come_back_at_every_reduction(self, tmp_path, cfa, side):
        linear = np.tile(np.array(COLOR, np.float32), (side, 2 * side, 1))
        codes = 1000 + np.rint(mosaic(to_camera(linear.astype(float), PROFILE), cfa) / 65535 * 15000)
        write_png(tmp_path, "frame.png", codes.astype(np.uint16))
        burst = make_burst_row(
            "raw",
            height=side,
            width=2 * side,
            cfa=cfa.value,
            black_level=1000.0,
            white_level=16000.0,
            white_balance=list(PROFILE.white_balance),
            color_matrix=list(PROFILE.color_matrix),
        )
        thumbnail = read_thumbnail(tmp_path, burst, make_frame_row("raw", 0, path="frame.png"), 96)
        assert thumbnail.shape == (min(side, 48), min(2 * side, 96), 3)
        assert np.abs(thumbnail.astype(int) - SRGB).max() <= 1

    def test_linear_rgb_is_developed(self, tmp_path):
        linear = np.tile(np.array(COLOR, np.float32), (8, 8, 1))
        write_png(tmp_path, "frame.png", to_camera(linear.astype(float), PROFILE))
        burst = make_burst_row(
            "linear",
            domain="linear_rgb",
            cfa=None,
            black_level=0.0,
            white_balance=list(PROFILE.white_balance),
            color_matrix=list(PROFILE.color_matrix),
        )
        thumbnail = read_thumbnail(tmp_path, burst, make_frame_row("linear", 0, path="frame.png"), 96)
        assert np.abs(thumbnail.astype(int) - SRGB).max() <= 1

    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    @pytest.mark.parametrize("orientation", [1, 3, 6, 8])
    def test_display_frames_stand_upright(self, tmp_path, suffix, orientation):
        """A frame whose upright top half is red and bottom half blue; files store it turned."""
        upright = np.zeros((400, 600, 3), np.uint8)
        upright[:200, :, 0], upright[200:, :, 2] = 255, 255
        turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
        stored = np.ascontiguousarray(np.rot90(upright, turns))
        path = tmp_path / f"frame.{suffix}"
        write_jpeg(path, stored) if suffix == "jpg" else write_png(path.parent, path.name, stored)
        burst = make_burst_row(
            "display", domain="srgb", cfa=None, height=400, width=600, black_level=0.0, white_level=255.0,
            white_balance=None, color_matrix=None,
        )  # fmt: skip
        frame = make_frame_row("display", 0, path=path.name, orientation=orientation)
        thumbnail = read_thumbnail(tmp_path, burst, frame, 60)
        assert thumbnail.shape == (40, 60, 3)
        assert np.abs(thumbnail[:18].astype(int) - (255, 0, 0)).max() <= 3
        assert np.abs(thumbnail[22:].astype(int) - (0, 0, 255)).max() <= 3

    def test_orientation_in_the_file_is_not_applied_twice(self, tmp_path):
        pixels = np.zeros((64, 32, 3), np.uint8)
        pixels[:32] = 255
        image, exif = Image.fromarray(pixels), Image.Exif()
        exif[274] = 3
        image.save(tmp_path / "frame.jpg", "JPEG", exif=exif, quality=95)
        burst = make_burst_row("x", domain="srgb", cfa=None, height=64, width=32, black_level=0.0, white_level=255.0)
        thumbnail = read_thumbnail(tmp_path, burst, make_frame_row("x", 0, path="frame.jpg", orientation=3), 64)
        assert thumbnail[:30].mean() < 5
        assert thumbnail[34:].mean() > 250

    def test_a_path_out_of_the_data_set_is_refused(self, tmp_path):
        with pytest.raises(UnsafePathError):
            read_thumbnail(tmp_path / "inside", make_burst_row("x"), make_frame_row("x", 0, path="../frame.png"), 64)

    @pytest.mark.parametrize("content", [None, b"", b"\xff\xd8\xff\xe0 truncated"])
    def test_unreadable_jpeg_is_named(self, tmp_path, content):
        if content is not None:
            (tmp_path / "frame.jpg").write_bytes(content)
        burst = make_burst_row("x", domain="srgb", cfa=None)
        with pytest.raises(ImageFileError, match=r"frame\.jpg"):
            read_thumbnail(tmp_path, burst, make_frame_row("x", 0, path="frame.jpg"), 64)
