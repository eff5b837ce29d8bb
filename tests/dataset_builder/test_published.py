"""The recipes for data of one's own, built from stand-ins: the published composition, and a folder of photographs."""

from collections import Counter

import pytest

from benchmarks.published import shrink_recipe
from benchmarks.stand_ins.published import FRAMES, TRIAGE_DECIDED, TRIAGE_UNDECIDED, write_published
from dataset_builder.build import build_dataset
from dataset_builder.plans import plan_sources
from dataset_builder.recipe import read_recipe
from dataset_builder.work.local import ONE_WORKER
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.dataset_builder.test_altered import Here
from tests.photographs import write_photographs
from tests.places import ROOT


def test_stand_ins_have_the_counts_of_the_public_lists():
    def count(lists):
        lengths = [(photos, series) for part in lists.values() for photos, series in part.items()]
        return sum(series for _, series in lengths), sum(photos * series for photos, series in lengths)

    decided, undecided = count(TRIAGE_DECIDED), count(TRIAGE_UNDECIDED)
    assert decided == (4178, 11326)
    assert tuple(map(sum, zip(decided, undecided, strict=True))) == (4755, 12522)


@pytest.mark.slow
def test_a_share_of_the_published_composition_is_built_end_to_end(tmp_path):
    roots = write_published(tmp_path / "in", 0.005)
    recipe = shrink_recipe(tmp_path / "buiqa.toml")
    root = tmp_path / "out"
    bursts, _ = build_dataset(recipe, read_recipe(recipe), root, roots=roots, workers=ONE_WORKER)
    assert verify(root) == []
    assert not bursts.failures
    assert [remark.partition(",")[0] for remark in bursts.remarks] == [
        "source 'burstsr': expected 882 bursts of 12",
        "source 'zurich': expected 1",
        "source 'hdrplus': expected 151 bursts",
        "source 'photo_triage': expected 4",
    ]
    rows = read_dataset_table(root, "bursts").to_pandas()
    assert Counter(rows.source) == {"burstsr": 4, "zurich": 6, "hdrplus": 2, "photo_triage": 37, "spaq": 5}
    assert set(rows[rows.source.isin(["burstsr", "zurich"])].num_frames) == {FRAMES}
    assert set(rows[rows.source == "hdrplus"].height) == {160}
    labels = read_labels(root).to_pandas()
    assert labels.scenario.nunique() == 10
    sources = labels.merge(rows[["burst_id", "source"]], on="burst_id").groupby("scenario").source.agg(set)
    assert sources["denoise/hdrplus"] == {"burstsr", "zurich", "hdrplus"}
    assert sources["sr/dbsr@x2"] == {"burstsr", "zurich"}
    assert sources["subjective/spaq"] == {"spaq"}
    assert set(read_dataset_table(root, "splits").column("split").to_pylist()) == {"train", "test"}
    again, labelled = build_dataset(recipe, read_recipe(recipe), root, roots=roots, workers=ONE_WORKER)
    assert again.counts["reused"] == len(rows)
    assert not again.counts["created"] + labelled.counts["created"]


def test_the_recipe_for_photographs_plans_every_preset_for_each(tmp_path):
    recipe = read_recipe(ROOT / "recipes/photographs.toml")
    roots = {"photographs": write_photographs(tmp_path / "in", 2, height=240, width=260)}
    planned = plan_sources(recipe, tmp_path, tmp_path / "set", Here(), roots=roots, strict=True)
    units = [unit for plan in planned.plans.values() for unit in plan.units]
    assert Counter(unit.origin.path for unit in units) == {"photo_0.png": 10, "photo_1.png": 10}
    assert {unit.source.preset for unit in units} == {"handheld_14", "night", "action", "bracket", "focus", "jpeg"}
    assert len({choice.name.partition("/")[0] for choice in recipe.scenarios}) == 6
