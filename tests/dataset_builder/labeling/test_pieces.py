"""A data set that is labelled piece by piece has the labels of one that is labelled at once."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from dataset_builder.labeling import merge
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.rows import make_label_rows
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.units import LabelUnit
from dataset_builder.work.report import no_progress
from dataset_builder.work.unit import run_unit
from manifests import batches, matching
from manifests.schema import LABELS
from manifests.store import labels_path, read_footer, read_table, write_table

PATH = labels_path("denoise/mean")


@dataclass(frozen=True)
class WithoutPixels:
    """A unit of labels whose scores follow from its key."""

    unit: LabelUnit

    @property
    def key(self):
        return self.unit.key

    @property
    def part(self):
        return self.unit.part

    def run(self, root, desk):
        rows = []
        for definition in self.unit.definitions:
            key = self.unit.label_key(definition)
            score = np.random.default_rng(int(key, 16)).normal(size=len(self.unit.rows.frames))
            score[self.unit.rows.burst["reference_index"]] = np.nan
            names = self.unit.rows.burst["burst_id"], self.unit.scenario.name, definition
            facts = {"label_key": key, "fingerprint": self.unit.scenario.fingerprint, "unit": "dB"}
            number = np.ones(len(score), np.int64)
            rows += make_label_rows(*names, score=score, std_error=0 * score, num_evaluations=number, **facts)
        return {"rows": rows, "failures": []}


class InThisProcess:
    """Runs units at once."""

    device = "cpu"

    def run(self, units, root):
        for unit in units:
            yield unit, run_unit(WithoutPixels(unit), root)


def label(root):
    choice = ScenarioChoice(name="denoise/mean", estimators=("leave_one_out", "add_one"), metrics=("psnr",))
    return build_labels(root, resolve_scenarios([choice]), workers=InThisProcess(), progress=no_progress)


@pytest.fixture
def cut_small(monkeypatch):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(matching, "_BURSTS_AT_ONCE", 2)
    monkeypatch.setattr(merge, "_UNITS_AT_ONCE", 1)


def test_missing_and_stale_labels_come_back_byte_by_byte(tiny, request):
    assert label(tiny).counts["rebuilt"] == 4  # those of the fixture have no sound keys
    before = (tiny / PATH).read_bytes()
    table, facts = read_table(tiny, PATH, LABELS), {"scenario": read_footer(tiny, PATH)["scenario"]}
    request.getfixturevalue("cut_small")
    keys = np.array(table.column("label_key").to_pylist(), object)
    names = np.array(table.column("burst_id").to_pylist())
    keys[names == "tiny-2"] = "0" * 64
    column = table.schema.get_field_index("label_key")
    broken = table.set_column(column, LABELS.schema.field(column), pa.array(keys, pa.string()))
    for kept, created, rebuilt in ((names != "tiny-1", 1, 1), (names == "tiny-3", 3, 0), (names == "nobody", 4, 0)):
        write_table(tiny, PATH, LABELS, broken.filter(pa.array(kept)), metadata=facts)
        report = label(tiny)
        assert (report.counts["created"], report.counts["rebuilt"]) == (created, rebuilt)
        assert (tiny / PATH).read_bytes() == before
    assert label(tiny).counts["reused"] == 4
    assert not list((tiny / ".work" / "labels").rglob("*.json"))
