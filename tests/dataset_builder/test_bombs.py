"""Small files that would take much time or memory are refused before that happens."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from dataset_builder.audit.features import measure_frames
from dataset_builder.audit.pictures import read_pictures
from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.tiff import MOST_DIRECTORIES
from dataset_builder.decoding.tiff_stacks import list_frame_pages
from dataset_builder.errors import RecipeError, SourceError, UnreadableImageError
from dataset_builder.ingest.kinds import kpn
from dataset_builder.ingest.kinds.groups import group_by_pattern
from dataset_builder.recipe import parse_recipe, read_recipe
from dataset_builder.records.reading import pick_frames
from dataset_builder.settings.limits import DEEPEST, MOST_BYTES
from manifests.errors import ImageFileError
from manifests.images.headers import MOST_SCANS, count_scans
from manifests.images.pixels import decode_pixels
from manifests.loading.dataset import BurstQualityDataset
from manifests.schema.words import MOST_PIXELS
from manifests.store import read_dataset_table
from tests.data.kpn import write_kpn


def make_jpeg(*, progressive: bool = True) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", progressive=progressive, quality=90)
    return stream.getvalue()


def repeat_last_scan(data: bytes, times: int) -> bytes:
    """A JPEG that goes over its pixels again and again."""
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * times + data[-2:]


def make_large_png() -> bytes:
    """A PNG of a few bytes whose header promises more pixels than anybody decodes."""
    data = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes())
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    return bytes(data)


@pytest.mark.parametrize("progressive", [False, True])
def test_scans_are_counted(progressive: bool) -> None:
    data = make_jpeg(progressive=progressive)
    count = count_scans(data)
    assert count == data.count(b"\xff\xda")  # of noise: no marker by chance, for data escape them
    assert (count > 5) == progressive
    assert count_scans(repeat_last_scan(data, 10)) == count + 9
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    assert (
        count_scans(data[:2] + thumbnail + data[2:] + data) == count
    )  # neither what EXIF holds nor what follows the end
    assert count_scans(b"") == count_scans(data[:3]) == 0


def test_a_jpeg_of_many_scans(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(repeat_last_scan(make_jpeg(), 300))
    with pytest.raises(UnreadableImageError, match=f"at most {MOST_SCANS} scans, got 309"):
        read_image(path)
    with pytest.raises(ImageFileError, match=f"at most {MOST_SCANS} scans, got 309"):
        decode_pixels(path.read_bytes(), path)
    path.write_bytes(make_jpeg())
    assert read_image(path).pixels.shape == decode_pixels(path.read_bytes(), path).shape == (48, 64, 3)


def test_a_png_that_promises_many_pixels(tiny: Path) -> None:
    with pytest.raises(ImageFileError, match=f"at most {MOST_PIXELS:,} px, got 20000 x 20000"):
        decode_pixels(make_large_png(), "x.png")
    name = "frames/tiny/tiny-0/00.png"
    (tiny / name).write_bytes(make_large_png())
    with pytest.raises(ImageFileError, match="at most 256 px, got 20000 x 20000"):  # what the table states
        BurstQualityDataset(tiny, None, [])[1]
    bursts, frames = (read_dataset_table(tiny, table).to_pandas() for table in ("bursts", "frames"))
    assert measure_frames(tiny, bursts, frames).unreadable == ("tiny-0",)
    burst, frame = (table[table["burst_id"] == "tiny-0"].iloc[0].to_dict() for table in (bursts, frames))
    assert read_pictures(tiny, pick_frames(burst, [frame])) == [None]


def write_tiff(path: Path, offsets: list[int], *, big: bool = False, order: str = "<") -> Path:
    """A TIFF of empty directories that follow each other as `offsets` says, 0 for the end."""
    letters = b"II" if order == "<" else b"MM"
    size = 16 if big else 8
    header = letters + (struct.pack(f"{order}HHHQ", 43, 8, 0, size) if big else struct.pack(f"{order}HI", 42, size))
    form = f"{order}QQ" if big else f"{order}HI"
    path.write_bytes(header + b"".join(struct.pack(form, 0, offset) for offset in offsets))
    return path


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_many_directories(tmp_path: Path, big: bool, order: str) -> None:
    start, step = (16, 16) if big else (8, 6)
    chain = [start + step * (index + 1) for index in range(MOST_DIRECTORIES + 1)]
    path = write_tiff(tmp_path / "x.tif", [*chain, 0], big=big, order=order)
    for read in (list_frame_pages, read_image):
        with pytest.raises(UnreadableImageError, match="more than 10,000 pages"):
            read(path)
    for loop in ([start], [start + step, start]):
        path = write_tiff(tmp_path / "loop.tif", loop, big=big, order=order)
        with pytest.raises(UnreadableImageError, match="lead back into themselves"):
            list_frame_pages(path)
    for damaged in (b"", b"II*\0", b"no TIFF at all, of no length"):
        path.write_bytes(damaged)
        with pytest.raises(SourceError):
            list_frame_pages(path)


@pytest.mark.parametrize("big", [False, True])
def test_pages_are_counted(tmp_path: Path, big: bool) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif", bigtiff=big) as tiff:
        for _ in range(3):
            tiff.write(np.zeros((4, 6), np.uint16))
    assert list_frame_pages(tmp_path / "x.tif") == (0, 1, 2)
    assert read_image(tmp_path / "x.tif", page=2).pixels.shape == (4, 6, 3)


def test_a_pattern_that_would_try_for_ever() -> None:
    names = ["a" * 40_000 + "!", "b" * 40_000]
    assert group_by_pattern(names, r"^(?P<burst>(?:a+)+)$").groups == {}
    assert group_by_pattern(names, r"^(?P<burst>(?:b|b|bb)*)$").groups == {names[1]: [names[1]]}
    for pattern in (r"(?P<burst>(a+)+)$", r"(?P<burst>a(?=b))", r"(?P<burst>a)(?P=burst)", "(?P<burst>\ud800)"):
        with pytest.raises(RecipeError, match="no regular expression of RE2"):
            group_by_pattern(names, pattern)


KEY = ".".join(["a"] * (DEEPEST + 1))
QUOTED = " . ".join(['"a.b"', "'c'"] * DEEPEST)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{KEY} = 1", "keys of at most"),
        (f"[{KEY}]", "keys of at most"),
        (f"[[{QUOTED}]]", "keys of at most"),
        (f'x = """\n"\n"""\n{KEY} = 1', "keys of at most"),
        (f"x = {{ {KEY} = 1 }}", "keys of at most"),
        ("x = " + "[" * 50 + "]" * 50, "at most 16 deep"),
        ("x = " + "[" * 50_000 + "]" * 50_000, "nested too deeply"),
        ("#" * (MOST_BYTES + 1), f"{MOST_BYTES:,}"),
        ("\n".join(f"[{'.'.join(['a'] * (DEEPEST - 2))}.b{n}]" for n in range(200)), "unknown key"),
    ],
)
def test_deep_and_large_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(Exception, match=message) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_key_has_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    dots = ".".join(["a"] * 100)
    path.write_text(
        f'name = "x" # {dots}\n[[sources]]\nname = "y"\nkind = "folders"\nroot = "{dots}"\nlicense = """{dots}"""\n'
    )
    assert read_recipe(path).sources[0].root == dots


def test_plain_data_of_any_depth_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"x": [deep]}
    with pytest.raises(RecipeError, match="at most 16 deep"):
        parse_recipe({"sources": [deep]}, "here")
    while deep:  # taken apart from outside: the interpreter would go down all levels at once
        deep = deep["x"][0]  # type: ignore[index]


def test_an_npz_whose_rows_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_kpn(tmp_path / "in")
    source = kpn.KernelSource(name="x", kind="kpn", root=str(root))
    found = list(source.find_bursts(root))
    assert len({finding.reader.digest() for finding in found}) == len(found) == 4
    monkeypatch.setattr(kpn, "_MAX_PACKED_BYTES", 1000)
    rejected = [finding for finding in source.find_bursts(root) if not hasattr(finding, "reader")]
    assert [finding.path for finding in rejected] == ["grey.npz"]
    assert "numpy.savez" in str(rejected[0].error)
    with zipfile.ZipFile(root / "grey.npz") as archive:
        assert max(member.file_size for member in archive.infolist()) > 1000
