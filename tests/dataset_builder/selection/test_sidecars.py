"""Selections as sidecars: what programs read there, and that nothing else of a sidecar changes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.cli.main import main
from dataset_builder.decoding.xmp import DIGIKAM, DYNAMIC_MEDIA, RDF, XMP, Name, XmpError, parse_packet
from dataset_builder.judgements.albums import read_sidecar_annotations
from dataset_builder.judgements.marks import GOOD, LABEL, PICK, PICK_LABEL, RATING
from dataset_builder.selection.sidecars import Selection, WrittenSidecars, write_sidecars
from dataset_builder.selection.xmp_editing import edit_packet, make_packet
from tests.albums import FOLDER, NAMES, SCENARIO, write_album
from tests.dataset_builder.decoding.test_xmp import DIGIKAM_ELEMENTS, LIGHTROOM, TEXTS


@pytest.fixture
def photos(tiny: Path, tmp_path: Path) -> Path:
    write_album(tiny, tmp_path / "photos")
    return tmp_path / "photos"


def mark(tiny: Path, photos: Path, **choice: object) -> WrittenSidecars:
    return write_sidecars(tiny, photos, SCENARIO, Selection(**choice), estimator=None, metric=None)  # type: ignore[arg-type]


def read(photos: Path, name: str) -> dict[str, str]:
    """Properties of a sidecar as an independent reader of RDF sees them, all descriptions together."""
    found: dict[str, str] = {}
    for description in ET.parse(photos / FOLDER / name).iter(f"{{{RDF}}}Description"):
        assert description.get(f"{{{RDF}}}about") == ""
        found |= {key: value for key, value in description.items() if RDF not in key}
        found |= {child.tag: child.text or "" for child in description}
    spaces = {f"{{{XMP}}}": "xmp:", f"{{{DYNAMIC_MEDIA}}}": "xmpDM:", f"{{{DIGIKAM}}}": "digiKam:"}
    return {
        prefix + key.removeprefix(space): value
        for key, value in found.items()
        for space, prefix in spaces.items()
        if key.startswith(space)
    }


def test_kept_frames_are_picked_and_stars_go_by_score(tiny: Path, photos: Path) -> None:
    report = mark(tiny, photos, label="Green")
    assert sorted(report.paths) == sorted(f"{FOLDER}/{name}" for name in (
        "IMG_1.xmp", "IMG_1.CR2.xmp", "IMG_2.xmp", "IMG_2.CR2.xmp", "IMG_3.xmp", "IMG_3.JPG.xmp"
    ))  # fmt: skip
    picked = {"xmpDM:pick": "1", "xmpDM:good": "true", "digiKam:PickLabel": "3", "xmp:Label": "Green"}
    assert read(photos, "IMG_1.xmp") == picked  # the reference: kept, but without a score
    assert read(photos, "IMG_2.CR2.xmp") == read(photos, "IMG_2.xmp") == {**picked, "xmp:Rating": "5"}
    assert read(photos, "IMG_3.JPG.xmp") == {"xmp:Rating": "1", "xmpDM:pick": "0", "digiKam:PickLabel": "0"}
    assert all((photos / FOLDER / name).read_bytes() == b"photograph" for name in NAMES)


def test_others_are_rejected_only_if_asked(tiny: Path, photos: Path) -> None:
    mark(tiny, photos, keep=1, reject=True, names="full")
    rejected = {"xmp:Rating": "-1", "xmpDM:pick": "-1", "xmpDM:good": "false", "digiKam:PickLabel": "1"}
    assert read(photos, "IMG_2.CR2.xmp") == read(photos, "IMG_3.JPG.xmp") == rejected
    assert not (photos / FOLDER / "IMG_2.xmp").exists()
    found = read_sidecar_annotations(tiny, {"me": photos}, "subjective/me", mark="flags")
    assert found.bursts[0].scores.score.tolist() == [1, -1, -1]


def test_marks_of_the_toolkit_change_with_the_selection(tiny: Path, photos: Path) -> None:
    mark(tiny, photos, keep=1, reject=True)
    report = mark(tiny, photos, keep="drop_harmful")
    assert report.respected == 0
    assert read(photos, "IMG_2.xmp")["xmpDM:pick"] == "1"
    assert read(photos, "IMG_3.xmp") == {"xmp:Rating": "1", "xmpDM:pick": "0", "digiKam:PickLabel": "0"}
    before = (photos / FOLDER / "IMG_2.xmp").read_bytes()
    mark(tiny, photos, keep="drop_harmful")
    assert (photos / FOLDER / "IMG_2.xmp").read_bytes() == before


def test_marks_of_others_stay_unless_told(tiny: Path, photos: Path) -> None:
    path = photos / FOLDER / "IMG_2.xmp"
    path.write_text(LIGHTROOM)
    report = mark(tiny, photos, label="Blue")
    assert report.respected == 2
    assert read(photos, "IMG_2.xmp")["xmp:Rating"] == "4"
    assert read(photos, "IMG_2.xmp")["xmp:Label"] == 'R&"d > x'
    assert read(photos, "IMG_2.xmp")["xmpDM:pick"] == "1"
    for line in LIGHTROOM.splitlines()[:-2]:
        assert line in path.read_text()
    assert mark(tiny, photos, label="Blue", overwrite=True).respected == 0
    assert read(photos, "IMG_2.xmp") | {"xmp:Rating": "5", "xmp:Label": "Blue"} == read(photos, "IMG_2.xmp")
    assert "ToneCurve" in path.read_text()


def test_zero_stars_are_nobodys_judgement(tiny: Path, photos: Path) -> None:
    (photos / FOLDER / "IMG_2.xmp").write_text(LIGHTROOM.replace('xmp:Rating="4"', 'xmp:Rating="0"'))
    mark(tiny, photos)
    assert read(photos, "IMG_2.xmp")["xmp:Rating"] == "5"


def test_a_damaged_sidecar_is_left_alone_and_named(tiny: Path, photos: Path) -> None:
    (photos / FOLDER / "IMG_2.xmp").write_text("<!DOCTYPE a><a/>")
    report = mark(tiny, photos)
    assert len(report.problems) == 1
    assert "IMG_2.xmp: expected XMP without a document type" in report.problems[0]
    assert (photos / FOLDER / "IMG_2.xmp").read_text() == "<!DOCTYPE a><a/>"
    assert len(report.paths) == 5


def test_what_is_not_there_is_counted(tiny: Path, photos: Path, tmp_path: Path) -> None:
    (photos / FOLDER / "IMG_2.CR2").unlink()
    assert mark(tiny, photos).missing == 1
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(main, ["mark", str(tiny), str(tmp_path / "empty"), "--scenario", SCENARIO])
    assert result.exit_code == 1
    assert "3 photographs are not there" in result.output
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize(
    ("scenario", "options", "message"),
    [
        (SCENARIO, ("--keep", "most"), "expected a number of frames from 1 or one of drop_harmful"),
        (SCENARIO, ("--keep", "0"), "expected a number of frames from 1"),
        ("denoise/mean", (), "has several estimators; name one of add_one, leave_one_out"),
        ("denoise/nlm", (), "no burst with labels"),
        ("denoise/x", (), "no labels of scenario"),
    ],
)
def test_what_cannot_be_marked(tiny: Path, photos: Path, scenario: str, options: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, ["mark", str(tiny), str(photos), "--scenario", scenario, *options])
    assert result.exit_code == 1
    assert message in result.output


def test_the_command(tiny: Path, photos: Path) -> None:
    (photos / FOLDER / "IMG_2.xmp").write_text(LIGHTROOM)
    result = CliRunner().invoke(main, ["mark", str(tiny), str(photos), "--scenario", SCENARIO, "--keep", "best_half"])
    assert result.exit_code == 0, result.output
    assert "6 sidecars written" in result.output
    assert "1 marks of others were left" in result.output


def test_sidecars_that_two_photographs_would_share_are_not_written(tiny: Path, tmp_path: Path) -> None:
    write_album(tiny, tmp_path / "photos", names=("a.jpg", "a.png", "b.jpg"))
    paths = {Path(path).name for path in mark(tiny, tmp_path / "photos").paths}
    assert paths == {"a.jpg.xmp", "a.png.xmp", "b.jpg.xmp", "b.xmp"}


def test_no_link_is_followed(tiny: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(LIGHTROOM)
    (photos / FOLDER / "IMG_2.xmp").symlink_to(tmp_path / "secret")
    report = mark(tiny, photos)
    assert len(report.problems) == 1
    assert "link" in report.problems[0]
    assert (tmp_path / "secret").read_text() == LIGHTROOM


# ---------------------------------------------------------------------------------------------- editing

VALUES = st.dictionaries(st.sampled_from([RATING, LABEL, PICK, GOOD, PICK_LABEL]), TEXTS, min_size=1)


@given(VALUES)
def test_a_new_packet_states_what_it_is_given(values: dict[Name, str]) -> None:
    found = parse_packet(make_packet(values)).properties
    assert {name: found[name].value for name in found} == values


@given(
    st.sampled_from([LIGHTROOM, DIGIKAM_ELEMENTS]), VALUES, st.sets(st.sampled_from([RATING, LABEL, PICK, PICK_LABEL]))
)
def test_editing_changes_what_it_is_given_and_nothing_else(
    text: str, values: dict[Name, str], removed: set[Name]
) -> None:
    data = text.encode()
    packet = parse_packet(data)
    edited = edit_packet(data, packet, {**dict.fromkeys(removed), **values})
    before = {name: found.value for name, found in packet.properties.items() if name not in removed}
    after = {name: found.value for name, found in parse_packet(edited).properties.items()}
    assert after == {**before, **values}
    assert ET.fromstring(edited).tag == "{adobe:ns:meta/}xmpmeta"


def test_utf_16_is_not_edited() -> None:
    data = ("\ufeff" + LIGHTROOM).encode("utf-16-le")
    with pytest.raises(XmpError, match="UTF-16"):
        edit_packet(data, parse_packet(data), {RATING: "1"})
