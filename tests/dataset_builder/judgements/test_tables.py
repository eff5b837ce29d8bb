"""CSV as people and spreadsheets write it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.build import add_annotations, add_source
from dataset_builder.judgements.csv_files import read_score_annotations
from dataset_builder.judgements.tables import AnnotationFileError, read_table
from dataset_builder.recipe import parse_source
from manifests.store import read_labels
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph

COLUMNS = {"text": ("burst", "frame"), "numbers": ("score",), "optional": ("votes",)}


def read(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, **COLUMNS)


PLAIN = "burst,frame,score\none,0.png,0.5\none,1.png,12\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ";").replace("0.5", "0,5"),
        PLAIN.replace("0.5", '"0,5"'),
        PLAIN.replace("score", " score "),
        "\n".join(line + ",note" for line in PLAIN.splitlines()),
        PLAIN + "\n\n",
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
    ],
)
def test_one_table_in_many_forms(tmp_path, content):
    table = read(tmp_path, content)
    assert table["frame"].tolist() == ["0.png", "1.png"]
    assert table["score"].tolist() == [0.5, 12]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.replace("0.5", "0,5"), "line 2: expected 3 fields, got 4; where decimals have a comma"),
        (PLAIN.replace("0.5", '"1,234"'), "line 2: score: expected a number, got '1,234'; decimals"),
        (PLAIN.replace(",", ";").replace("0.5", "1.234,5"), "line 2: score: expected a number, got '1.234,5'"),
        (
            PLAIN.replace(",", ";").replace("0.5", "0,5").replace("12", "1.5"),
            "line 3: score: expected a number, got '1.5'",
        ),
        (PLAIN.replace("frame,score", "frame,score,score").replace("0.5", "0.5,1").replace("12", "12,1"), "twice"),
        (PLAIN.replace("0.5", "much"), "line 2: score: expected a number, got 'much'"),
        (PLAIN.replace("0.5", "inf"), "expected a number"),
        (PLAIN.replace("0.5", "1_0"), "expected a number"),
        (PLAIN.replace("0.png", '"0.png'), "line"),
        (PLAIN.replace("score", "points"), "no column 'score'; expected burst, frame, score, votes"),
        ("", "no column 'burst'"),
        (b"burst,frame,score\n\xff,0,1\n", "save it as UTF-8"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_by_name(tmp_path, content, message):
    with pytest.raises(AnnotationFileError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_table_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"burst,frame,score\n" + text.encode("utf-8", "surrogatepass"))
    try:
        found = read_table(path, **COLUMNS).shape[1]
    except AnnotationFileError as error:
        found = str(error)
    assert found == 3 or str(path) in found


@pytest.mark.slow
def test_names_are_found_in_whatever_form_of_unicode(tmp_path):
    """A Mac's disk writes an umlaut as two signs, a table as one."""
    burst, frame = (unicodedata.normalize("NFD", name) for name in ("Grün", "Bär"))
    (tmp_path / "in" / burst).mkdir(parents=True)
    for index in range(2):
        save(tmp_path / "in" / burst / f"{frame}{index}.png", make_photograph(32, 32, seed=index))
    add_source(tmp_path / "out", parse_source(name="set", kind="folders", root=str(tmp_path / "in")))
    (tmp_path / "a.csv").write_text("burst,frame,score\nGrün,Bär1.png,1\nGrün,Bär0.png,2\n", encoding="utf-8")
    annotations = read_score_annotations(tmp_path / "a.csv", "subjective/mine", unit="points")
    (report,) = add_annotations(tmp_path / "out", annotations)
    assert report.counts["created"] == 1
    assert read_labels(tmp_path / "out").column("score").to_pylist() == [2, 1]
