import shutil

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from dataset_builder.build import add_source
from dataset_builder.cli.main import main
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.images import read_image
from dataset_builder.errors import RecipeError
from dataset_builder.ingest.crops import Window, find_textured, spread_grid
from dataset_builder.ingest.files import FileFrames
from dataset_builder.ingest.kinds.groups import group_by_gap, group_by_pattern, group_by_stem
from dataset_builder.ingest.kinds.video import VideoFrames
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import parse_source
from dataset_builder.records.loading import load_burst
from manifests.images.pixels import read_pixels, write_png
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph
from tests.places import SHARED_DATA


def needs(name):
    return pytest.mark.skipif(not (SHARED_DATA / name).is_dir(), reason=f"{name} is not on this machine")


def add(root, folder, *, kind="folders", **values):
    reports = add_source(root, parse_source(name="set", kind=kind, root=str(folder), **values))
    assert verify(root) == []
    return reports


def tables(root):
    return [read_dataset_table(root, name).to_pandas() for name in ("bursts", "frames")]


def write_frames(folder, names, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        save(folder / name, make_photograph(48, 64, seed=index), **options)


def test_names_that_differ_in_their_last_number_belong_together(tmp_path):
    names = ["IMG_7_BURST1.jpg", "IMG_7_BURST12.jpg", "IMG_8_BURST1.jpg", "sea1.jpg", "sea 2.jpg", "00.png", "01.png"]
    assert group_by_stem(tmp_path, names, 2.0).groups == {
        "IMG_7_BURST": names[:2],
        "IMG_8_BURST": names[2:3],
        "sea": names[3:5],
        "burst": names[5:],
    }


def test_a_pattern_names_burst_and_frame():
    names = ["b_f10_night.jpg", "b_f9_night.jpg", "a_f1_day.jpg", "expected.jpg"]
    grouping = group_by_pattern(names, r"_f(?P<frame>\d+)_(?P<burst>\w+)\.")
    assert grouping.remarks == ["1 file outside the pattern: expected.jpg"]
    assert grouping.groups == {"night": ["b_f9_night.jpg", "b_f10_night.jpg"], "day": ["a_f1_day.jpg"]}
    with pytest.raises(RecipeError, match=r"\(\?P<burst>"):
        group_by_pattern(names, r"\d+")
    with pytest.raises(RecipeError, match="groups have names"):
        group_by_pattern(names, r"(?P<burst>\d+)(_)")
    with pytest.raises(RecipeError, match="no regular expression"):
        group_by_pattern(names, "(")


def test_a_pause_begins_a_new_burst(tmp_path):
    times = {"c.jpg": "10:00:00", "a.jpg": "10:00:01", "b.jpg": "10:00:03", "d.jpg": "10:00:07"}
    for name, time in times.items():
        save(tmp_path / name, taken=f"2020:01:01 {time}")
    save(tmp_path / "none.jpg")
    grouping = group_by_gap(tmp_path, sorted([*times, "none.jpg"]), 2.0)
    assert grouping.groups == {"c": ["c.jpg", "a.jpg", "b.jpg"], "d": ["d.jpg"]}
    assert [(name, type(error).__name__) for name, error in grouping.rejected] == [("none.jpg", "NoCaptureTimeError")]


def test_capture_time_wins_over_names_if_it_knows_fractions(tmp_path):
    for name, fraction in (("1.jpg", "900"), ("2.jpg", "100"), ("3.png", "500")):
        save(tmp_path / name, taken="2020:01:01 00:00:00", subsecond=fraction)
    frames = FileFrames(tmp_path, ("1.jpg", "2.jpg", "3.png"), reference_index=0)
    assert frames.resolve(look=True).names == ("2.jpg", "3.png", "1.jpg")
    assert frames.resolve(look=True).reference_index == 2
    save(tmp_path / "2.jpg", taken="2020:01:01 00:00:00")
    assert frames.resolve(look=True).names == frames.names


def test_a_flat_folder_holds_many_bursts(tmp_path):
    write_frames(tmp_path / "in", ["a_1.png", "a_2.png", "b_1.png", "b_2.png", "b_3.png", "c_1.png"])
    reports = add(tmp_path / "out", tmp_path / "in", group="stem")
    bursts, _ = tables(tmp_path / "out")
    assert sorted(zip(bursts.origin_path, bursts.num_frames, strict=True)) == [("a", 2), ("b", 3)]
    assert [row["error_type"] for row in reports[0].failures] == ["TooFewFramesError"]


@pytest.mark.slow
def test_the_command_groups(tmp_path):
    write_frames(tmp_path / "in", ["x_1.png", "x_2.png", "junk.png"])
    command = ["ingest", "folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    pattern = [
        "--group",
        "pattern",
        "--pattern",
        r"(?P<burst>x)_",
        "--reference",
        "1",
        "--crops",
        "grid:2:32x32",
        "--estimate",
    ]
    result = CliRunner().invoke(main, [*command, *pattern])
    assert result.exit_code == 0, result.output
    bursts, frames = tables(tmp_path / "out")
    assert bursts.num_frames.tolist() == [2, 2, 2]
    assert bursts.reference_index.tolist() == [1, 1, 1]
    assert set(bursts.reference_rule) == {"given"}
    assert frames.sharpness.notna().all()
    for wrong in (["--crops", "grid:2"], ["--reference", "best"], ["--group", "pattern"]):
        assert CliRunner().invoke(main, [*command, *wrong]).exit_code in (1, 2)


def test_pages_of_a_tiff_are_frames(tmp_path):
    pages = np.stack([make_photograph(40, 50, bits=16, seed=index) for index in range(6)])
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/stack.tif", pages, photometric="rgb")
    tifffile.imwrite(tmp_path / "in/single.tif", pages[0], photometric="rgb")
    add(tmp_path / "out", tmp_path / "in", kind="stacks", start=1, every=2)
    bursts, frames = tables(tmp_path / "out")
    assert bursts.origin_path.tolist() == ["stack.tif"]
    assert frames.origin_name.tolist() == ["page 1", "page 3", "page 5"]
    stored = [read_pixels(tmp_path / "out", path) for path in frames.path]
    np.testing.assert_array_equal(stored, pages[1::2])


def write_video(path, repeats, *, height=48, width=64, codec="ffv1"):
    """Lossless video in which picture k is shown repeats[k] times; returns the pictures."""
    av = pytest.importorskip("av")
    pictures = [make_photograph(height, width, seed=index) for index in range(len(repeats))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for picture, count in zip(pictures, repeats, strict=True):
            for _ in range(count):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return pictures


def test_frames_of_a_video_are_exact_and_repeats_are_dropped(tmp_path):
    pictures = write_video(tmp_path / "in/clip.mkv", (1, 2, 1, 3, 1))
    add(tmp_path / "out", tmp_path / "in", kind="stacks")
    _, frames = tables(tmp_path / "out")
    assert frames.origin_name.tolist() == ["frame 0", "frame 1", "frame 3", "frame 4", "frame 7"]
    assert frames.timestamp.tolist() == pytest.approx([0, 0.04, 0.12, 0.16, 0.28])
    np.testing.assert_array_equal([read_pixels(tmp_path / "out", path) for path in frames.path], pictures)


def test_video_frames_are_chosen_by_place(tmp_path):
    pictures = write_video(tmp_path / "clip.mkv", (2, 1, 1, 1, 1, 1))
    chosen = VideoFrames(tmp_path / "clip.mkv", every=2, start=1, max_frames=2).resolve(look=True)
    assert chosen.names == ("frame 2", "frame 4")
    np.testing.assert_array_equal(chosen.read(1).pixels, pictures[3])


def test_a_broken_video_is_a_failure(tmp_path):
    write_video(tmp_path / "in/good.mkv", (1, 1, 1))
    (tmp_path / "in/bad.mp4").write_bytes(b"not a video" * 100)
    reports = add(tmp_path / "out", tmp_path / "in", kind="stacks")
    assert [row["error_type"] for row in reports[0].failures] == ["UnreadableImageError"]
    assert reports[0].counts["created"] == 1


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    (tmp_path / "in/burst").mkdir(parents=True)
    for index in range(2):
        image = Image.fromarray(make_photograph(64, 96, seed=index))
        exif = image.getexif()
        exif.get_ifd(0x8769).update({0x829A: 0.01, 0x8827: 100})
        pillow_heif.from_pillow(image).save(tmp_path / f"in/burst/{index}.heic", quality=95, exif=exif.tobytes())
    add(tmp_path / "out", tmp_path / "in")
    _, frames = tables(tmp_path / "out")
    assert frames.exposure_time.tolist() == pytest.approx([0.01, 0.01])
    stored = read_pixels(tmp_path / "out", frames.path[0])
    assert np.abs(stored.astype(int) - make_photograph(64, 96, seed=0)).mean() < 6


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    with pytest.raises(MissingReaderError, match=r"buiqa-toolkit\[heif\]"):
        read_image(tmp_path / "a.heic")


def write_shaken(folder, shifts, *, blurred=(), size=160, occluded=None):
    """Views of one photograph, shifted by whole pixels."""
    wide = make_photograph(size + 80, size + 80, seed=3)
    for index, (x, y) in enumerate(shifts):
        view = wide[40 + y : 40 + y + size, 40 + x : 40 + x + size].copy()
        if index in blurred:
            view = cv2.GaussianBlur(view, (0, 0), 2.5)
        if index == occluded:
            view[20:90, 30:100] = (250, 20, 20)
        write_png(folder, f"{index}.png", view)


def test_the_sharpest_frame_becomes_the_reference(tmp_path):
    write_shaken(tmp_path / "in/a", [(0, 0), (1, 0), (2, 1), (0, 1)], blurred=(0, 1, 3))
    add(tmp_path / "out", tmp_path / "in", reference_rule="sharpest")
    bursts, frames = tables(tmp_path / "out")
    assert (bursts.reference_index[0], bursts.reference_rule[0]) == (2, "sharpest")
    assert frames.is_reference.tolist() == [False, False, True, False]


def test_the_medoid_is_the_frame_to_which_the_others_moved_least(tmp_path):
    write_shaken(tmp_path / "in/a", [(0, 0), (12, 4), (5, 2), (6, 1), (-2, 9)])
    add(tmp_path / "out", tmp_path / "in", reference_rule="medoid")
    assert tables(tmp_path / "out")[0].reference_index[0] == 2


def test_motion_and_occlusion_are_estimated_and_marked(tmp_path):
    shifts = [(0, 0), (3, -2), (-4, 5), (1, 1)]
    write_shaken(tmp_path / "in/a", shifts, occluded=3)
    add(tmp_path / "out", tmp_path / "in", estimate=["motion", "occlusion", "sharpness", "exposure", "noise"])
    _, frames = tables(tmp_path / "out")
    found = np.reshape(np.stack(frames.homography), (-1, 3, 3))[:, :2, 2]
    # What lay at (x, y) in the reference lies at (x, y) − shift in the frame.
    np.testing.assert_allclose(found[:3], -np.array(shifts[:3]), atol=0.15)
    expected = 70 * 70 / 160**2
    assert frames.occlusion[3] == pytest.approx(expected, rel=0.35)
    assert frames.occlusion[:3].max() < 0.05
    assert frames.exposure_ratio.tolist() == pytest.approx([1, 1, 1, 1], rel=0.02)
    assert {"homography", "displacement", "occlusion", "sharpness"} <= set(frames.estimated[1])


def test_what_exif_says_is_not_estimated(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    for index in range(2):
        save(
            tmp_path / f"in/a/{index}.png",
            make_photograph(64, 64, seed=1) + index,
            exposure=0.01 * (index + 1),
            iso=100,
            f_number=1.8,
        )
    add(tmp_path / "out", tmp_path / "in", estimate=["exposure", "sharpness"])
    _, frames = tables(tmp_path / "out")
    assert frames.exposure_ratio.tolist() == pytest.approx([1, 2])
    assert [list(names) for names in frames.estimated] == [["sharpness"]] * 2


def test_exposure_is_estimated_in_linear_light(tmp_path):
    base = make_photograph(96, 96, seed=5).astype(float) / 255
    linear = np.where(base <= 0.04045, base / 12.92, ((base + 0.055) / 1.055) ** 2.4) * 0.4
    for index, factor in enumerate((1.0, 2.0, 0.5)):
        scaled = np.clip(linear * factor, 0, 1)
        encoded = np.where(scaled <= 0.0031308, scaled * 12.92, 1.055 * scaled ** (1 / 2.4) - 0.055)
        write_png(tmp_path, f"in/a/{index}.png", np.rint(encoded * 255).astype(np.uint8))
    add(tmp_path / "out", tmp_path / "in", estimate=["exposure"])
    _, frames = tables(tmp_path / "out")
    assert frames.exposure_ratio.tolist() == pytest.approx([1, 2, 0.5], rel=0.03)


def test_crops_are_bursts_of_their_own_of_the_same_scene(tmp_path):
    write_shaken(tmp_path / "in/a", [(0, 0), (2, 1), (1, 3)])
    add(
        tmp_path / "out",
        tmp_path / "in",
        crops={"rule": "given", "corners": [[10, 20], [64, 32]], "height": 64, "width": 48},
    )
    bursts, frames = tables(tmp_path / "out")
    assert [None if crop is None else list(crop) for crop in bursts.crop] == [None, [10, 20, 48, 64], [64, 32, 48, 64]]
    assert bursts.scene_id.nunique() == 1
    whole = frames[frames.burst_id == bursts.burst_id[0]]
    cropped = frames[frames.burst_id == bursts.burst_id[1]]
    for full, part in zip(whole.path, cropped.path, strict=True):
        np.testing.assert_array_equal(
            read_pixels(tmp_path / "out", part), read_pixels(tmp_path / "out", full)[20:84, 10:58]
        )
    rows = list(read_bursts(tmp_path / "out").values())[1]
    assert load_burst(tmp_path / "out", rows.burst, rows.frames).frames.shape == (3, 64, 48, 3)


def test_crops_that_do_not_fit_are_failures_of_their_own(tmp_path):
    write_shaken(tmp_path / "in/a", [(0, 0), (2, 1)])
    reports = add(tmp_path / "out", tmp_path / "in", crops={"rule": "grid", "count": 2, "height": 320, "width": 64})
    assert {row["error_type"] for row in reports[0].failures} == {"FrameSizeError"}
    assert reports[0].counts["created"] == 1


def test_a_grid_covers_the_frame():
    windows = spread_grid((300, 400), (100, 100), 6)
    assert len(windows) == len(set(windows)) == 6
    assert {window.x for window in windows} == {0, 150, 300}
    assert {window.y for window in windows} == {0, 200}
    assert spread_grid((300, 400), (100, 100), 1) == [Window(150, 100, 100, 100)]


def test_textured_windows_lie_on_texture_and_apart():
    image = np.full((300, 400), 0.5, np.float32)
    rng = np.random.default_rng(0)
    image[40:140, 260:360] += rng.normal(0, 0.2, (100, 100)).astype(np.float32)
    image[180:280, 30:130] += rng.normal(0, 0.1, (100, 100)).astype(np.float32)
    first, second = find_textured(image, (600, 800), (200, 200), 2)
    assert abs(first.x - 520) <= 25
    assert abs(first.y - 80) <= 25
    assert abs(second.x - 60) <= 25
    assert abs(second.y - 360) <= 25


@pytest.mark.slow
@needs("burst_phone_night")
def test_crops_of_a_real_phone_burst_get_labels_without_truth(tmp_path):
    names = [f"IMG_20160402_210944_BURST{number}.jpg" for number in (1, 2, 3, 10, 11, 12, 20)]
    (tmp_path / "in/night").mkdir(parents=True)
    for name in names:
        shutil.copy(SHARED_DATA / "burst_phone_night" / name, tmp_path / "in/night")
    crops = {"rule": "given", "corners": [[2048, 1664]], "height": 224, "width": 224}
    add(tmp_path / "out", tmp_path / "in", crops=crops)
    bursts, frames = tables(tmp_path / "out")
    assert bursts[["num_frames", "height", "width"]].values.tolist() == [[7, 3456, 4608], [7, 224, 224]]
    assert frames.origin_name.tolist() == names * 2
    assert frames.timestamp[:7].is_monotonic_increasing
    command = ["label", str(tmp_path / "out"), "--scenario", "denoise/robust_mean", "--metric", "mse_held_out"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "too large to be restored as a whole" in " ".join(result.output.split())
    labels = read_labels(tmp_path / "out").to_pandas()
    assert set(labels.burst_id) == {bursts.burst_id[1]}
    assert labels.score.notna().sum() >= 6
    assert verify(tmp_path / "out") == []


@pytest.mark.slow
@needs("series_focus_pcb")
@needs("series_hdr_merianos")
def test_real_series(tmp_path):
    add(
        tmp_path / "focus", SHARED_DATA / "series_focus_pcb", group="pattern", pattern=r"^(?P<burst>pcb)_(?P<frame>\d+)"
    )
    bursts, frames = tables(tmp_path / "focus")
    assert sorted(bursts.num_frames) == [7, 10]
    assert "expected.jpg" not in set(frames.origin_name)
    add(tmp_path / "hdr", SHARED_DATA / "series_hdr_merianos")
    bursts, _ = tables(tmp_path / "hdr")
    assert bursts.num_frames.tolist() == [3] * 5
