"""Names of frames as phones and cameras give them, and times that deny what names say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.ingest.kinds.burst_names import NAME_RULES, read_name
from dataset_builder.ingest.kinds.groups import group_by_gap, group_by_stem
from tests.dataset_builder.decoding.test_images import save

FAMILIES = {
    "Sony Xperia": [
        [f"DSC_{i:04d}_BURST20230709220904977{'_COVER' if i == 2 else ''}.JPG" for i in (1, 2, 3)],
        [f"DSC_{i:04d}_BURST20230709221530112.JPG" for i in (1, 2, 3)],
        [f"DSCPDC_{i:04d}_BURST20180707153014498.JPG" for i in (1, 2)],
    ],
    "Nexus": [
        [f"{i:05d}IMG_{i:05d}_BURST20150630180105487{'_COVER' if i == 1 else ''}.jpg" for i in (0, 1, 2)],
        [f"{i:05d}IMG_{i:05d}_BURST20150630180230011.jpg" for i in (0, 1)],
        [f"{i:05d}XTR_{i:05d}_BURST20190901164611530.jpg" for i in (0, 1)],
    ],
    "Pixel": [
        [f"PXL_20231026_{t}.jpg" for t in ("205755225", "205755458", "205755690")],
        [f"PXL_20231026_{t}.MP.jpg" for t in ("215812101", "215812334")],
        [f"PXL_20231026_{t}.NIGHT.jpg" for t in ("235959900", "235959999")] + ["PXL_20231027_000000100.jpg"],
    ],
    "Samsung": [
        [f"20160402_210944_{i:03d}.jpg" for i in (1, 2, 10)],
        [f"20160402_210945_{i:03d}.jpg" for i in (1, 2)],
        ["20161119_164237(0).jpg", "20161119_164237.jpg"],
    ],
    "Huawei": [
        [f"IMG_20180302_123456_BURST{i:03d}{'_COVER' if i == 1 else ''}.jpg" for i in (1, 2, 3)],
        [f"IMG_20180302_123459_BURST{i:03d}.jpg" for i in (1, 2)],
    ],
    "Motorola": [
        ["IMG_20171111_102030123_BURST000_COVER_TOP.jpg", "IMG_20171111_102030123_BURST001.jpg"],
        [f"IMG_20171111_{t}.jpg" for t in ("103015100", "103015600")],
        [f"IMG_20171111_{t}_HDR.jpg" for t in ("113015100", "113015600")],
    ],
    "LG and HTC": [
        [f"20150912_143011_Burst{i:02d}.jpg" for i in (1, 2, 10)],
        [f"IMAG0123_BURST{i:03d}.jpg" for i in (1, 2)],
        [f"IMAG0124_BURST{i:03d}.jpg" for i in (1, 2)],
    ],
    "Open Camera": [
        ["IMG_20231115_170431.jpg", "IMG_20231115_170431_1.jpg", "IMG_20231115_170431_2.jpg"],
        [f"IMG_20231115_180431_EXP{i}.jpg" for i in (0, 1, 2)],
        [f"IMG_20231115_190431_{i}.jpg" for i in (0, 1, 2)],
        [f"IMG_20231115_190432_{i}.jpg" for i in (0, 1, 2)],
    ],
    "GoPro": [[f"G001{i:04d}.JPG" for i in (1, 2)], [f"G002{i:04d}.JPG" for i in (3, 4)]],
    "DJI": [
        ["DJI_20231115170431_0001_D.JPG", "DJI_20231115170432_0002_D.JPG"],
        ["DJI_20231115180431_0003_D.JPG", "DJI_20231115180431_0004_D.JPG"],
    ],
    "nobody's": [
        ["focus_1.tif", "focus_2.tif", "focus_10.tif"],
        ["1_20230709220904977.jpg", "2_20230709220904977.jpg"],
        ["1_20230709221530112.jpg", "2_20230709221530112.jpg"],
        ["Photo_20231115-170431.jpg", "Photo_20231115-170432.jpg"],
        ["Photo_20231115-180431.jpg", "Photo_20231115-180432.jpg"],
    ],
}


@pytest.mark.parametrize("maker", FAMILIES)
def test_names_tell_bursts_apart(tmp_path, maker):
    names = sorted(name for burst in FAMILIES[maker] for name in burst)
    grouping = group_by_stem(tmp_path, names, 2.0)
    assert sorted(map(sorted, grouping.groups.values())) == sorted(map(sorted, FAMILIES[maker]))
    assert grouping.remarks == []


def test_the_example_of_each_rule_is_read_by_it():
    for rule in NAME_RULES:
        told = read_name(rule.example)
        assert told.how == rule.how
        assert (told.time is not None) == (rule.how == "stamped"), rule


@given(st.lists(st.text("aZ_ 0129.-(~²①BURST", max_size=24), max_size=5, unique=True))
def test_every_file_is_in_one_group(tmp_path_factory, names):
    names = [name for name in names if name.strip(".")]
    grouping = group_by_stem(tmp_path_factory.getbasetemp() / "none", names, 2.0)
    assert sorted(name for members in grouping.groups.values() for name in members) == sorted(names)


COUNTERS = {
    "Canon": "IMG_{:04d}.JPG",
    "Canon, Adobe RGB": "_MG_{:04d}.JPG",
    "Canon EOS": "3E4A{:04d}.JPG",
    "Nikon": "DSC_{:04d}.JPG",
    "Sony": "DSC0{:04d}.JPG",
    "Fujifilm": "DSCF{:04d}.JPG",
    "Olympus": "P101{:04d}.JPG",
    "Pentax": "IMGP{:04d}.JPG",
}


@pytest.mark.parametrize("maker", COUNTERS)
def test_counted_pictures_are_parted_at_pauses(tmp_path, maker):
    times = ["10:00:00", "10:00:00", "10:00:01", "10:00:30", "10:00:31"]
    names = [COUNTERS[maker].format(number) for number in (9998, 9999, 1, 2, 3)]
    for name, time in zip(names, times, strict=True):
        save(tmp_path / name, taken=f"2024:05:05 {time}")
    grouping = group_by_stem(tmp_path, sorted(names), 2.0)
    assert list(grouping.groups.values()) == [names[:3], names[3:]]
    assert list(grouping.groups) == [names[0][:-4], names[3][:-4]]


def test_counted_pictures_without_times_are_taken_on_trust_and_named(tmp_path):
    names = ["IMG_0001.JPG", "IMG_0002.JPG"]
    grouping = group_by_stem(tmp_path, names, 2.0)
    assert list(grouping.groups.values()) == [names]
    assert "not all tell their time" in grouping.remarks[0]


def test_a_file_without_a_time_hides_no_pause(tmp_path):
    names = ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]
    for name, time in zip(names, ("10:00:00", None, "10:05:00"), strict=True):
        save(tmp_path / name, taken=time and f"2024:05:05 {time}")
    assert list(group_by_stem(tmp_path, names, 2.0).groups.values()) == [names[:2], names[2:]]


@pytest.mark.parametrize(("seconds", "groups"), [(30, 1), (61, 2), (600, 2)])
def test_names_join_no_frames_that_are_minutes_apart(tmp_path, seconds, groups):
    for names in (["sea_1.jpg", "sea_2.jpg"], ["IMG_7_BURST1.jpg", "IMG_7_BURST2.jpg"]):
        for index, name in enumerate(names):
            minute, second = divmod(seconds * index, 60)
            save(tmp_path / name, taken=f"2024:05:05 10:{minute:02d}:{second:02d}")
        assert len(group_by_stem(tmp_path, names, 2.0).groups) == groups


def test_a_long_exposure_is_no_pause(tmp_path):
    names = ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]
    for name, time, exposure in zip(names, ("10:00:00", "10:00:31", "10:00:40"), (30.0, 1.0, 1.0), strict=True):
        save(tmp_path / name, taken=f"2024:05:05 {time}", exposure=exposure)
    for grouping in (group_by_stem(tmp_path, names, 2.0), group_by_gap(tmp_path, names, 2.0)):
        assert list(grouping.groups.values()) == [names[:2], names[2:]]


def test_groups_by_gap_across_time_zones(tmp_path):
    for name, time, offset in (("a.jpg", "02:59:59", "+02:00"), ("b.jpg", "02:00:00", "+01:00")):
        save(tmp_path / name, taken=f"2023:10:29 {time}", tags={0x9011: offset})
    assert list(group_by_gap(tmp_path, ["a.jpg", "b.jpg"], 2.0).groups.values()) == [["a.jpg", "b.jpg"]]


def test_the_page_lists_the_rules():
    page = (Path(__file__).parents[3] / "docs/ingest.md").read_text(encoding="utf-8")
    rows = [f"| {rule.makers} | `{rule.example}` | {rule.how} |" for rule in NAME_RULES]
    assert "\n".join(rows) in page
