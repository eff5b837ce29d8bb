"""What somebody changed by hand is never sealed as if the toolkit had written it, and what a killed build wrote is not taken for that."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import dataset_builder.audit.stage
import dataset_builder.finish
from dataset_builder.build import add_labels, add_source, build_dataset
from dataset_builder.errors import AlteredError
from dataset_builder.finish import read_built_recipe
from dataset_builder.ingest.kinds.folders import FolderSource
from dataset_builder.preview import preview_dataset
from dataset_builder.recipe import parse_recipe, parse_scenario
from dataset_builder.redo import redo_audit, redo_splits
from dataset_builder.work.unit import run_unit
from manifests.confined.plain import hash_plain
from manifests.description import drop_seal, read_description
from manifests.images.pixels import read_pixels, write_png
from manifests.journal import JOURNAL
from manifests.schema import LABELS
from manifests.seal import seal_dataset
from manifests.store import labels_path, read_labels, read_table, write_table
from manifests.verification.verify import verify
from tests.photographs import make_photograph, write_photographs


class Here:
    """Work in this process, which takes no time to start."""

    device = "cpu"

    def run(self, units, root):
        for unit in units:
            yield unit, run_unit(unit, root)


MEAN = labels_path("denoise/mean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # The page costs more than all else, and nothing here depends on it.
    with pytest.MonkeyPatch.context() as patched:
        empty = SimpleNamespace(remarks=())
        patched.setattr(dataset_builder.audit.stage, "write_audit", lambda _root, **_choices: empty)
        yield make_folder(tmp_path_factory)


def make_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("altered")
    write_photographs(folder / "photos", 2, height=200, width=200)
    (folder / "recipe.toml").write_text("# as given\n")
    build(folder, folder / "built")
    return folder


@pytest.fixture
def root(folder, tmp_path):
    return Path(shutil.copytree(folder / "built", tmp_path / "data"))


def make_recipe(folder, estimators=("leave_one_out",)):
    source = {"kind": "photographs", "name": "photos", "root": str(folder / "photos"), "bursts_per_photograph": 1}
    return parse_recipe(
        {
            "sources": [{**source, "frame_height": 32, "frame_width": 32}],
            "scenarios": [{"name": name, "estimators": estimators} for name in ("denoise/mean", "denoise/hdrplus")],
        },
        "recipe",
    )


def build(folder, root, **choices):
    return build_dataset(folder / "recipe.toml", make_recipe(folder, **choices), root, workers=Here())


def fingerprint(root):
    files = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(files)}


def edit(path, column, change):
    """Change a column as anybody would, with all that stands in the footer kept."""
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index(column)
    values = pa.array([change(value) for value in table.column(column).to_pylist()], table.schema.field(place).type)
    pq.write_table(table.set_column(place, table.schema.field(place), values), path)


def shift_scores(path):
    edit(path, "score", lambda score: None if score is None else score + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "column", "change"),
    [
        (MEAN, "score", lambda score: None if score is None else score + 1),
        ("manifests/bursts.parquet", "license", lambda _: "free"),
        ("manifests/frames.parquet", "timestamp", lambda time: time + 1),
        ("manifests/splits.parquet", "split", lambda _: "test"),
        ("audit/restorations.parquet", "fidelity", lambda fidelity: fidelity and fidelity + 1),
    ],
)
def test_a_table_edited_by_hand_is_made_anew(folder, root, path, column, change):
    edit(root / path, column, change)
    assert verify(root)
    reports = build(folder, root)
    assert f"{path}: was changed since it was sealed, and is made anew" in reports[0].remarks
    assert fingerprint(root) == fingerprint(folder / "built")
    assert not (root / JOURNAL).exists()


def test_only_the_labels_that_were_edited_are_computed_again(folder, root):
    shift_scores(root / MEAN)
    previewed = preview_dataset(folder / "recipe.toml", make_recipe(folder), root)
    assert any(remark.startswith(MEAN) for remark in previewed[0].remarks)
    bursts, labels = build(folder, root)
    assert (bursts.counts["reused"], labels.counts["reused"], labels.counts["created"]) == (2, 2, 2)


def test_a_label_file_cut_in_half_is_made_whole(folder, root):
    table = pq.read_table(root / MEAN, partitioning=None)
    pq.write_table(table.slice(0, len(table) // 2), root / MEAN)
    build(folder, root)
    assert fingerprint(root) == fingerprint(folder / "built")


def test_a_burst_that_lacks_a_row_is_labelled_again(folder, root):
    """Even where nobody can tell from the seal."""
    table = read_table(root, MEAN, LABELS)
    _, second = table.column("burst_id").unique().to_pylist()
    lacking = pc.and_(pc.equal(table.column("burst_id"), second), pc.equal(table.column("frame_index"), 3))
    metadata = pq.read_metadata(root / MEAN).metadata[b"scenario"].decode()
    write_table(root, MEAN, LABELS, table.filter(pc.invert(lacking)), metadata={"scenario": metadata})
    seal_dataset(root, drop_seal(read_description(root)))
    _, labels = build(folder, root)
    assert (labels.counts["reused"], labels.counts["rebuilt"]) == (3, 1)
    assert fingerprint(root) == fingerprint(folder / "built")


def test_a_planted_label_file_is_not_taken_in(folder, root):
    shutil.copy(root / MEAN, root / labels_path("denoise/other"))
    with pytest.raises(AlteredError, match=r"denoise--other\.parquet: was changed"):
        build(folder, root)
    (root / labels_path("denoise/other")).unlink()
    build(folder, root)
    assert verify(root) == []


@pytest.mark.slow
def test_commands_that_do_not_make_a_table_refuse_it(root):
    shift_scores(root / MEAN)
    before = fingerprint(root)
    for change in (
        lambda: redo_splits(root, read_built_recipe(root).splits),
        lambda: add_labels(root, [parse_scenario(name="denoise/hdrplus")], workers=Here()),
    ):
        with pytest.raises(AlteredError, match=r"denoise--mean\.parquet: was changed since it was sealed; restore it"):
            change()
    redo_audit(root)
    assert any(problem.file == MEAN for problem in verify(root))
    assert {path: digest for path, digest in fingerprint(root).items() if path.startswith("manifests/")}.items() <= (
        before.items()
    )
    add_labels(root, [parse_scenario(name="denoise/mean")], workers=Here())
    assert verify(root) == []


def test_a_description_edited_by_hand_is_refused(folder, root):
    text = (root / "dataset.json").read_text()
    (root / "dataset.json").write_text(text.replace("denoise/mean", "denoise/nice"))
    with pytest.raises(AlteredError, match="checksum"):
        build(folder, root)


def test_without_its_seal_nothing_is_trusted(folder, root):
    shift_scores(root / MEAN)
    (root / "dataset.json").unlink()
    bursts, labels = build(folder, root)
    assert (bursts.counts["created"], labels.counts["created"]) == (2, 4)
    assert fingerprint(root) == fingerprint(folder / "built")


def interrupt(monkeypatch, step, action):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(dataset_builder.finish, step, stop)
        with pytest.raises(KeyboardInterrupt):
            action()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["plan_splits", "seal_dataset"])
def test_what_an_interrupted_build_wrote_is_its_own(folder, tmp_path, monkeypatch, step):
    root, edited = tmp_path / "data", tmp_path / "edited"
    interrupt(monkeypatch, step, lambda: build(folder, root))
    assert verify(root)
    shutil.copytree(root, edited)
    bursts, labels = build(folder, root)
    assert (bursts.counts["reused"], labels.counts["reused"], bursts.remarks) == (2, 4, [])
    assert fingerprint(root) == fingerprint(folder / "built")

    # Hand-edited in between, it is found all the same.
    shift_scores(edited / MEAN)
    _, labels = build(folder, edited)
    assert (labels.counts["reused"], labels.counts["created"]) == (2, 2)
    assert fingerprint(edited) == fingerprint(folder / "built")


@pytest.mark.slow
def test_an_interrupted_change_goes_on(folder, root, monkeypatch):
    both = {"estimators": ("leave_one_out", "add_one")}
    for step in ("plan_splits", "write_croissant", "write_card", "seal_dataset"):
        # A line that was torn when the power went.
        (root / JOURNAL).write_text('["manifests/labels/denoi')
        interrupt(monkeypatch, step, lambda: build(folder, root, **both))
        assert verify(root)
    bursts, labels = build(folder, root, **both)
    assert (bursts.counts["reused"], labels.counts["reused"], bursts.remarks) == (2, 4, [])
    assert verify(root) == []
    build(folder, root)
    assert not (root / JOURNAL).exists()


def test_labels_are_not_computed_from_a_frame_edited_by_hand(folder, root):
    path = sorted((root / "frames").rglob("01.png"))[0].relative_to(root).as_posix()
    write_png(root, path, read_pixels(root, path)[::-1])
    (report,) = add_labels(root, [parse_scenario(name="denoise/mean", estimators=["add_one"])], workers=Here())
    assert report.counts["failed"] == 1
    assert (
        "SHA-256 differs from its table; restore the file, or delete it and build again"
        in report.failures[0]["message"]
    )
    (root / path).unlink()
    build(folder, root)
    assert fingerprint(root)[path] == fingerprint(folder / "built")[path]


@pytest.mark.slow
def test_bursts_of_equal_content_are_labelled_each(tmp_path):
    scene = make_photograph(64, 64)[:, :, 1]
    noise = np.random.default_rng(0)
    for index in range(4):
        noisy = scene.astype(np.uint16) * 200 + noise.integers(0, 2000, scene.shape).astype(np.uint16)
        write_png(tmp_path, f"phone/street/{index}.png", np.stack([noisy] * 3, axis=-1))
    for name in ("one", "two"):
        source = FolderSource(kind="folders", name=name, root=str(tmp_path / "phone"))
        add_source(tmp_path / "out", source, workers=Here())
        scenario = parse_scenario(name="denoise/hdrplus", metrics=["mse_held_out"])
        (report,) = add_labels(tmp_path / "out", [scenario], workers=Here())
        assert report.counts["created"] == 1, report
    labels = read_labels(tmp_path / "out").to_pandas()
    one, two = (rows.sort_values("frame_index")["score"] for _, rows in labels.groupby("burst_id"))
    np.testing.assert_array_equal(one, two)
    redo_audit(tmp_path / "out", workers=Here())
    assert not [problem for problem in verify(tmp_path / "out") if "looks like" not in problem.message]
