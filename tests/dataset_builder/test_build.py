import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dataset_builder.build import add_labels, build_dataset
from dataset_builder.cli.main import main
from dataset_builder.errors import OutputError
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import parse_recipe, parse_scenario, read_recipe
from dataset_builder.records.loading import load_burst, load_truth
from dataset_builder.work.local import LocalWorkers
from manifests import BurstQualityDataset
from manifests.confined.plain import hash_plain
from manifests.images.pixels import write_png
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from restorers import create
from tests.golden import GOLDEN, build_golden
from tests.photographs import make_photograph, write_photographs
from tests.places import SHARED_DATA

RECIPE = """
name = "tiny"
seed = 3

[[sources]]
kind = "photographs"
name = "photos"
root = "photos"
license = "CC0-1.0"
bursts_per_photograph = 2
frame_height = 32
frame_width = 48

[[sources]]
kind = "folders"
name = "phone"
root = "phone"

[[scenarios]]
name = "denoise/hdrplus"

[[scenarios]]
name = "denoise/nlm"
"""
OWN_RESTORER = """
from restorers import Domain, RestorerInfo

class MyRestorer:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        return (burst.frames / burst.exposure_ratio[:, None, None]).mean(axis=0).astype("float32")
"""


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """Photographs, a real-looking burst and a recipe."""
    folder = tmp_path_factory.mktemp("workshop")
    write_photographs(folder / "photos", 3, height=220, width=260)
    for index in (1, 2, 10):
        write_png(folder, f"phone/street/BURST{index}.png", make_photograph(40, 50, seed=index))
    (folder / "tiny.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="session")
def built(workshop):
    root = workshop / "built"
    reports = build(workshop / "tiny.toml", root)
    assert counts(reports) == {"bursts": {"created": 7}, "labels": {"created": 12, "skipped": 2}}
    return root


@pytest.fixture
def copy(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "copy"))


def build(recipe, root, **options):
    return build_dataset(recipe, read_recipe(recipe), root, **options)


def counts(reports):
    return {report.stage: {action: count for action, count in report.counts.items() if count} for report in reports}


def fingerprint(root):
    """Digest of every file of a data set but the work in progress."""
    files = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(files)}


def test_a_build_is_valid(built):
    assert verify(built) == []
    assert not any(list((built / ".work" / folder).rglob("*.json")) for folder in ("bursts", "labels"))


def test_tables_say_what_was_built(built):
    bursts = read_dataset_table(built, "bursts").to_pandas()
    assert bursts.preset.value_counts().to_dict() == {"handheld": 6, "ingested": 1}
    assert bursts[bursts.source == "photos"].groupby("scene_id").size().tolist() == [2, 2, 2]
    frames = read_dataset_table(built, "frames").to_pandas()
    synthetic = frames[frames.burst_id.isin(bursts.burst_id[bursts.preset == "handheld"])]
    assert synthetic[["shot_noise", "blur_length", "homography", "exposure_time"]].notna().all(axis=None)
    phone = bursts[bursts.preset == "ingested"].iloc[0]
    assert (phone.num_frames, phone.domain, phone.ground_truth_kind) == (3, "srgb", "none")
    stored = [built / path for path in frames[frames.burst_id == phone.burst_id].path]
    originals = [built.parent / f"phone/street/BURST{index}.png" for index in (1, 2, 10)]
    assert [hash_plain(path) for path in stored] == [hash_plain(path) for path in originals]


def test_labels_follow_from_the_definitions(built):
    """Leave-one-out and add-one of a linear merge, against fresh restorations and a PSNR written out."""
    rows = next(iter(read_bursts(built).values()))
    burst, truth = load_burst(built, rows.burst, rows.frames), load_truth(built, rows.burst)
    expected = truth.reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    channels = np.array(["RGB".index(letter) for letter in rows.burst["cfa"]]).reshape(2, 2)
    target = np.take_along_axis(expected, np.tile(channels, (16, 24))[..., None], axis=2)[..., 0]
    restorer = create("denoise/hdrplus")

    def fidelity(members):
        error = restorer.restore(burst.subset(members))[4:-4, 4:-4] - target[4:-4, 4:-4]
        return -10 * np.log10(np.mean(error.astype(float) ** 2))

    labels = read_labels(built, ["denoise/hdrplus"]).to_pandas()
    labels = labels[(labels.burst_id == rows.burst["burst_id"]) & (labels.metric == "psnr")]
    labels = labels.set_index(["estimator", "frame_index"])
    others = list(burst.others)
    for index in others:
        left_out = fidelity(others) - fidelity([i for i in others if i != index])
        assert labels.score["leave_one_out", index] == pytest.approx(left_out, abs=2e-3)
        assert labels.score["add_one", index] == pytest.approx(fidelity([index]) - fidelity([]), abs=2e-3)
    assert np.isnan(labels.score["leave_one_out", burst.reference_index])


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_workers(built, workshop):
    other = workshop / "two_workers"
    build(workshop / "tiny.toml", other, workers=LocalWorkers(2))
    assert fingerprint(other) == fingerprint(built)


def test_a_second_build_computes_nothing(copy, workshop):
    before = fingerprint(copy)
    assert counts(build(workshop / "tiny.toml", copy)) == {
        "bursts": {"reused": 7},
        "labels": {"reused": 12, "skipped": 2},
    }
    assert fingerprint(copy) == before


def test_deleting_the_work_folder_costs_nothing(copy, workshop):
    shutil.rmtree(copy / ".work")
    assert counts(build(workshop / "tiny.toml", copy))["bursts"] == {"reused": 7}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 4.0])
def test_a_killed_build_resumes_to_the_same_bytes(built, workshop, tmp_path, seconds):
    root = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "dataset_builder.cli.main",
        "build",
        str(workshop / "tiny.toml"),
        "--out",
        str(root),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    build(workshop / "tiny.toml", root)
    assert fingerprint(root) == fingerprint(built)


@pytest.mark.slow
def test_only_what_changed_is_rebuilt(copy, workshop, tmp_path):
    text = (workshop / "tiny.toml").read_text().replace('"photos"\nlicense', '"photos"\nscale = 3\nlicense')
    recipe = parse_recipe({**read_recipe(workshop / "tiny.toml").model_dump(mode="json")}, "again")
    assert recipe == read_recipe(workshop / "tiny.toml")
    changed = workshop / "changed.toml"
    changed.write_text(text)
    assert counts(build(changed, copy)) == {
        "bursts": {"rebuilt": 6, "reused": 1},
        "labels": {"rebuilt": 12, "skipped": 2},
    }
    assert verify(copy) == []


def test_a_changed_licence_rebuilds_nothing(copy, workshop):
    changed = workshop / "licence.toml"
    changed.write_text((workshop / "tiny.toml").read_text().replace("CC0-1.0", "CC-BY-4.0"))
    assert counts(build(changed, copy)) == {"bursts": {"reused": 7}, "labels": {"reused": 12, "skipped": 2}}
    assert set(read_dataset_table(copy, "bursts").to_pandas().license) == {"CC-BY-4.0", "unknown"}


def test_bursts_that_the_recipe_drops_go(copy, workshop):
    changed = workshop / "fewer.toml"
    changed.write_text((workshop / "tiny.toml").read_text().replace("photograph = 2", "photograph = 1"))
    assert counts(build(changed, copy))["bursts"] == {"reused": 4, "removed": 3}
    assert verify(copy) == []
    assert len(read_labels(copy, ["denoise/hdrplus"]).group_by("burst_id").aggregate([])) == 3


def test_sources_of_others_are_not_deleted(copy, workshop):
    changed = workshop / "renamed.toml"
    changed.write_text((workshop / "tiny.toml").read_text().replace('name = "phone"', 'name = "telephone"'))
    with pytest.raises(OutputError, match="holds bursts of phone, which the recipe does not name"):
        build(changed, copy)


@pytest.mark.slow
def test_bad_sources_cost_their_own_bursts_only(built, workshop, tmp_path):
    shutil.copytree(workshop / "photos", tmp_path / "photos")
    shutil.copytree(workshop / "phone", tmp_path / "phone")
    shutil.copy(workshop / "tiny.toml", tmp_path)
    photos, phone = tmp_path / "photos", tmp_path / "phone"
    (photos / "empty.png").touch()
    (photos / "truncated.png").write_bytes((photos / "photo_0.png").read_bytes()[:5000])
    shutil.copy(photos / "photo_1.png", photos / "twin.png")
    write_png(photos, "small.png", make_photograph(60, 60, seed=9))
    (photos / "outside.png").symlink_to(workshop / "tiny.toml")
    write_png(phone, "lonely/1.png", make_photograph(40, 50))
    (phone / "nothing").mkdir()
    for index, side in enumerate((40, 42)):
        write_png(phone, f"mixed/{index}.png", make_photograph(side, 50))
    reports = build(tmp_path / "tiny.toml", tmp_path / "out", workers=LocalWorkers(2))
    assert counts(reports)["bursts"] == {"created": 7, "failed": 7, "left out": 1}
    failures = read_dataset_table(tmp_path / "out", "failures").to_pandas()
    assert failures.error_type.value_counts().to_dict() == {
        "UnreadableImageError": 2,
        "PhotographTooSmallError": 1,
        "TooFewFramesError": 2,
        "FrameSizeError": 1,
        "UnsafePathError": 1,
    }
    assert not failures.message.str.contains("\n").any()
    assert verify(tmp_path / "out") == []
    frames = {path: digest for path, digest in fingerprint(built).items() if path.startswith("frames/")}
    assert frames.items() <= fingerprint(tmp_path / "out").items()


@pytest.mark.slow
def test_own_restorer_adds_only_its_labels(copy, tmp_path):
    (tmp_path / "mymodule.py").write_text(OWN_RESTORER)
    before = fingerprint(copy)
    command = [
        sys.executable,
        "-m",
        "dataset_builder.cli.main",
        "label",
        str(copy),
        "--scenario",
        "mymodule:MyRestorer",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "6" in done.stdout
    after = fingerprint(copy)
    changed = {path for path in after if before.get(path) != after[path]}
    assert changed - {"DATASET.md", "croissant.json", "dataset.json", "recipe.toml"} - {
        path for path in after if path.startswith("audit/")
    } == {"manifests/labels/mymodule~MyRestorer.parquet"}
    labels = pd.read_parquet(copy / "manifests/labels/mymodule~MyRestorer.parquet")
    assert labels.estimator.value_counts().index.tolist() == ["add_one", "leave_one_out"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert fingerprint(copy) == after
    assert "holds 7 bursts" in again.stdout


@pytest.mark.slow
def test_a_failing_restorer_costs_its_own_labels(copy, tmp_path, monkeypatch):
    (tmp_path / "faulty.py").write_text(
        OWN_RESTORER.replace(
            "return (", 'if burst.num_frames > 3:\n            return float("nan") * burst.reference\n        return ('
        )
    )
    command = [
        sys.executable,
        "-m",
        "dataset_builder.cli.main",
        "label",
        str(copy),
        "--scenario",
        "faulty:MyRestorer",
        "--no-check",
        "--estimator",
        "add_one",
        "--estimator",
        "leave_one_out",
        "--metric",
        "psnr",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "RestorationError: restored image: expected finite values" in done.stdout
    failures = read_dataset_table(copy, "failures").to_pandas()
    assert len(failures) == 6
    assert set(failures.scenario) == {"faulty:MyRestorer"}
    assert verify(copy) == []


def test_loader_reads_a_build(built):
    dataset = BurstQualityDataset(
        built,
        split="all",
        scenarios=["denoise/hdrplus", "denoise/nlm"],
        estimator={"denoise/hdrplus": "leave_one_out", "denoise/nlm": "solo"},
    )
    rows = read_bursts(built)
    assert len(dataset) == 7
    for item in dataset:
        burst = rows[item["burst_id"]].burst
        assert item["frames"].shape == (
            burst["num_frames"],
            1 if burst["domain"] == "raw_bayer" else 3,
            burst["height"],
            burst["width"],
        )
        assert item["scores"].shape == (2, burst["num_frames"])
        if burst["domain"] == "raw_bayer":
            assert item["scores"][0].isnan().nonzero().flatten().tolist() == [item["reference_index"]]
            assert item["scores"][1].isfinite().all()
        else:
            assert item["scores"].isnan().all()


@pytest.mark.slow
def test_estimators_accumulate(copy):
    add_labels(copy, [parse_scenario(name="denoise/hdrplus", estimators=["add_one"])])
    recipe = json.loads((copy / "dataset.json").read_text())["recipe"]
    assert [choice["name"] for choice in recipe["scenarios"]] == ["denoise/hdrplus", "denoise/nlm"]
    reports = add_labels(copy, [parse_scenario(name="denoise/hdrplus", estimators=["solo"])])
    assert counts(reports)["labels"] == {"extended": 6, "skipped": 1}
    labels = read_labels(copy, ["denoise/hdrplus"]).to_pandas()
    assert set(labels.estimator) == {"leave_one_out", "add_one", "solo"}
    assert labels[labels.estimator == "solo"].score.notna().all()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the real bursts of ../shared/data")
def test_a_real_phone_burst(tmp_path):
    names = [f"IMG_20160402_210944_BURST{number}.jpg" for number in range(1, 7)]
    originals = [SHARED_DATA / "burst_phone_night" / name for name in names]
    (tmp_path / "burst_phone_night").mkdir()
    for path in originals:
        shutil.copy(path, tmp_path / "burst_phone_night")
    (tmp_path / "phone.toml").write_text(
        f"""
        [[sources]]
        kind = "folders"
        name = "phone"
        root = {str(tmp_path)!r}
        folders = ["burst_phone_night"]
        license = "research use only"

        [[scenarios]]
        name = "denoise/hdrplus"
        """
    )
    result = CliRunner().invoke(main, ["build", str(tmp_path / "phone.toml"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3, result.output
    assert "too large to be restored as a whole; ingest it with crops" in result.output
    frames = read_dataset_table(tmp_path / "out", "frames").to_pandas()
    assert frames.sha256.tolist() == [hash_plain(path) for path in originals]
    assert frames.iso.iloc[0] == 3153
    assert frames.exposure_time.iloc[0] == pytest.approx(0.1)
    assert read_dataset_table(tmp_path / "out", "bursts").to_pandas().ground_truth_kind.tolist() == ["none"]
    assert verify(tmp_path / "out") == []


def test_golden(tmp_path):
    """Pixels and labels are what they were; `tests.golden` says how to accept others."""
    found, expected = build_golden(tmp_path), json.loads(GOLDEN.read_text())
    assert found.keys() == expected.keys()
    for burst_id, lists in expected.items():
        assert found[burst_id].keys() == lists.keys()
        for name, values in lists.items():
            tolerance = 0.02 if name == "frames" else 2e-3
            np.testing.assert_allclose(
                np.array(found[burst_id][name], float),
                np.array(values, float),
                atol=tolerance,
                err_msg=f"{burst_id} {name}",
            )
