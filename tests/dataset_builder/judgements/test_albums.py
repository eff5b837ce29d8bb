"""Albums of several people become labels: from tables, and from the sidecars of their programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.errors import SourceError
from dataset_builder.judgements.albums import (
    list_albums,
    read_pick_annotations,
    read_rating_annotations,
    read_sidecar_annotations,
)
from dataset_builder.judgements.annotations import Annotations
from manifests.store import read_labels
from manifests.verification.verify import verify
from tests.albums import FOLDER, NAMES, write_album
from tests.tiny_dataset import INGESTED

HEAD = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
SPACES = (
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/" '
    'xmlns:digiKam="http://www.digikam.org/ns/1.0/" '
)


def write_sidecar(folder: Path, name: str, attributes: str) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / FOLDER / name).write_text(f"{HEAD}{SPACES}{attributes}/></rdf:RDF>", encoding="utf-8")


@pytest.fixture
def album(tiny: Path, tmp_path: Path) -> Path:
    write_album(tiny, tmp_path / "photos")
    return tiny


def scores(annotations: Annotations) -> dict[str, float]:
    (burst,) = annotations.bursts
    assert burst.path == INGESTED
    return dict(zip(burst.names, burst.scores.score.tolist(), strict=True))


def test_only_whole_bursts_of_photographs_are_albums(album: Path) -> None:
    (found,) = list_albums(album)
    assert (found.burst_id, found.origin_path, found.names) == (INGESTED, FOLDER, NAMES)


@pytest.mark.parametrize("grouped", [False, True])
def test_stars_of_several_programs(tiny: Path, tmp_path: Path, grouped: bool) -> None:
    photos = tmp_path / "photos"
    write_album(tiny, photos, grouped=grouped)
    write_sidecar(photos, "IMG_1.xmp", 'xmp:Rating="5" xmpDM:pick="1"')  # as Lightroom
    write_sidecar(photos, "IMG_2.CR2.xmp", 'xmp:Rating="-1"')  # as darktable
    write_sidecar(photos, "IMG_2.xmp", 'xmp:Rating="4"')  # the one of its own name comes first
    write_sidecar(photos, "IMG_3.JPG.xmp", 'xmp:Rating="0" digiKam:PickLabel="3"')  # as digiKam
    found = read_sidecar_annotations(tiny, {"me": photos}, "subjective/me", mark="stars")
    assert scores(found) == {"0": 5, "1": 0}
    assert (found.estimator, found.metric, found.unit) == ("mean_opinion", "opinion", "stars")
    flags = read_sidecar_annotations(tiny, {"me": photos}, "subjective/me", mark="flags")
    assert scores(flags) == {"0": 1, "1": -1, "2": 1}
    assert flags.fingerprint != found.fingerprint


def test_several_people_have_folders_of_their_own(album: Path, tmp_path: Path) -> None:
    for person, stars in (("anna", (5, 4, 3)), ("ben", (3, 2, None))):
        for name, rating in zip(NAMES, stars, strict=True):
            if rating is not None:
                write_sidecar(tmp_path / person, f"{name}.xmp", f'xmp:Rating="{rating}"')
    people = {person: tmp_path / person for person in ("anna", "ben")}
    found = read_sidecar_annotations(album, people, "subjective/us", mark="stars")
    assert scores(found) == pytest.approx({"0": 4, "1": 3, "2": 2})
    assert found.estimator == "mean_opinion(habits_removed)"
    assert "anna" not in str(found.describe())
    for name in NAMES[:1]:
        write_sidecar(tmp_path / "ben", f"{name}.xmp", 'xmp:Rating="1"')
    assert read_sidecar_annotations(album, people, "subjective/us", mark="stars").fingerprint != found.fingerprint


def test_colour_labels_are_worth_what_is_said(album: Path, tmp_path: Path) -> None:
    for name, label in zip(NAMES, ("Green", "red", "Blue"), strict=True):
        write_sidecar(tmp_path / "photos", f"{name}.xmp", f'xmp:Label="{label}"')
    values = {"green": 2.0, "Red": -1.0}
    found = read_sidecar_annotations(album, {"me": tmp_path / "photos"}, "subjective/me", mark="labels", values=values)
    assert scores(found) == {"0": 2, "1": -1}
    with pytest.raises(SourceError, match="what each is worth"):
        read_sidecar_annotations(album, {"me": tmp_path / "photos"}, "subjective/me", mark="labels")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [('xmp:Rating="six"', "expected a number of -1 to 5"), ('xmp:Rating="nan"', "expected a number"), ("<", "no XML")],
)
def test_a_sidecar_that_makes_no_sense_costs_its_burst(
    album: Path, tmp_path: Path, attributes: str, message: str
) -> None:
    write_sidecar(tmp_path / "photos", "IMG_1.xmp", 'xmp:Rating="5"')
    write_sidecar(tmp_path / "photos", "IMG_2.xmp", attributes)
    found = read_sidecar_annotations(album, {"me": tmp_path / "photos"}, "subjective/me", mark="stars")
    ((burst, error),) = found.rejected
    assert burst == INGESTED
    assert message in str(error)
    assert "IMG_2.xmp" in str(error)
    assert found.bursts == ()


def test_links_are_not_followed_and_nothing_at_all_is_an_error(album: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \.xmp file with stars"):
        read_sidecar_annotations(album, {"me": tmp_path / "photos"}, "subjective/me", mark="stars")
    write_sidecar(tmp_path / "other", "a.xmp", 'xmp:Rating="5"')
    (tmp_path / "photos" / FOLDER / "IMG_1.xmp").symlink_to(tmp_path / "other" / FOLDER / "a.xmp")
    found = read_sidecar_annotations(album, {"me": tmp_path / "photos"}, "subjective/me", mark="stars")
    assert [burst for burst, _ in found.rejected] == [INGESTED]


def test_ratings_and_picks_from_tables(album: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        f"burst,frame,person,score\n{FOLDER},IMG_1.CR2,anna,5\n{FOLDER},IMG_2.CR2,anna,3\n{FOLDER},IMG_2.CR2,ben,1\n"
    )
    (burst,) = read_rating_annotations(path, "subjective/us", unit="points").bursts
    assert dict(zip(burst.names, burst.scores.score.tolist(), strict=True)) == pytest.approx(
        {"IMG_1.CR2": 4, "IMG_2.CR2": 2}
    )
    path.write_text(f"burst,frame,person\n{FOLDER},IMG_3.JPG,anna\n{INGESTED},0,ben\n{FOLDER},IMG_3.JPG,ben\n")
    found = read_pick_annotations(path, "subjective/us", album)
    assert scores(found) == {"0": 0.5, "1": 0, "2": 1}
    assert (found.estimator, found.metric, found.unit) == ("pick_share", "pick", "share")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_the_command_takes_in_albums(album: Path, tmp_path: Path) -> None:
    write_sidecar(tmp_path / "photos", "IMG_2.xmp", 'xmp:Rating="4"')
    base = ("ingest", "annotations", album, "--scenario")
    run(*base, "subjective/stars", "--xmp", f"anna={tmp_path}/photos")
    (tmp_path / "a.csv").write_text(f"burst;frame;person;pick\n{FOLDER};IMG_1.CR2;anna;1\n{FOLDER};1;ben;-1\n")
    run(*base, "subjective/picks", "--picks", tmp_path / "a.csv")
    assert read_labels(album, ["subjective/stars"]).column("score").to_pylist() == [None, 4, None]
    assert read_labels(album, ["subjective/picks"]).column("score").to_pylist() == [0.5, -0.5, 0]
    assert verify(album) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--xmp", "/nowhere"), "no such folder"),
        (("--xmp", "a=.", "--xmp", "a=/"), "named twice"),
        (("--xmp", ".", "--worth", "Green"), "expected LABEL=NUMBER"),
        (("--xmp", ".", "--worth", "Green=inf"), "expected LABEL=NUMBER"),
        (("--xmp", ".", "--pairs", "x"), "expected one of"),
        ((), "expected one of"),
    ],
)
def test_wrong_options_are_explained(tiny: Path, options: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, ["ingest", "annotations", str(tiny), "--scenario", "subjective/x", *options])
    assert result.exit_code == 2
    assert message in result.output
