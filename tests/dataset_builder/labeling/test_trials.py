"""A restorer of one's own is tried before it labels: what would make nonsense of labels is refused, whatever else it does is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import pytest

from dataset_builder.errors import UnsoundRestorerError
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.trials import require_sound
from dataset_builder.work.unit import run_unit
from manifests.schema import LABELS
from manifests.store import labels_path, read_table, write_table
from restorers import Domain, RestorerInfo

HERE = "tests.dataset_builder.labeling.test_trials"


class Sound:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        return (burst.frames / burst.exposure_ratio[:, None, None]).mean(axis=0).astype(np.float32)


class Bytes(Sound):
    def restore(self, burst):
        return 255 * super().restore(burst)


class Codes(Sound):
    def restore(self, burst):
        return (16383 * super().restore(burst)).astype(np.uint16)


class Double(Sound):
    def restore(self, burst):
        return super().restore(burst).astype(np.float64)


class Hole(Sound):
    def restore(self, burst):
        image = super().restore(burst)
        image[3, 4] = np.nan
        return image


class Cropped(Sound):
    def restore(self, burst):
        return super().restore(burst)[2:, 2:]


class Restless(Sound):
    draw = count()

    def restore(self, burst):
        return super().restore(burst) + np.float32(1e-3 * next(self.draw))


class Candid(Restless):
    info = replace(Sound.info, deterministic=False)


class Raising(Sound):
    def restore(self, burst):
        raise RuntimeError("only for real bursts")


class Display(Bytes):
    """Takes what the data set has little of."""

    info = replace(Sound.info, input_domains=frozenset({Domain.LINEAR_RGB}), output_domain=Domain.LINEAR_RGB)


@dataclass
class InProcess:
    device: str = "cpu"
    runs: int = 0

    def run(self, units, root):
        for unit in units:
            self.runs += 1
            yield unit, run_unit(unit, root)


def resolve(*names):
    return resolve_scenarios([ScenarioChoice(name=f"{HERE}:{name}") for name in names])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Bytes", r"range: 99 % of values in \[.*1 must be white, not 255: divide the result by 255"),
        ("Codes", "dtype: expected float32, got uint16.*not 16383"),
        ("Double", "dtype: expected float32, got float64"),
        ("Hole", "restores: restored image: expected finite values"),
        ("Cropped", r"expected shape \[16, 16\], got \[14, 14\]"),
        ("Restless", "determinism: equal bursts differ"),
    ],
)
def test_unsound_restorers_are_refused_with_the_way_out(tiny, name, expected):
    with pytest.raises(UnsoundRestorerError, match=expected) as caught:
        require_sound(tiny, resolve(name), InProcess())
    assert "insist by --no-check" in str(caught.value)
    assert str(caught.value).startswith(f"{HERE}:{name}: ")
    assert not list((tiny / ".work").rglob("*.json"))


def test_sound_ones_and_those_that_cannot_be_judged_pass(tiny):
    workers = InProcess()
    require_sound(tiny, resolve("Sound", "Candid", "Raising"), workers)
    assert workers.runs == 3
    require_sound(tiny, resolve("Display"), workers)  # the data set has no burst that it takes
    require_sound(tiny, resolve_scenarios([ScenarioChoice(name="denoise/mean")]), workers)
    assert workers.runs == 3


def test_all_that_is_wrong_is_said_at_once(tiny):
    with pytest.raises(UnsoundRestorerError) as caught:
        require_sound(tiny, resolve("Bytes", "Sound", "Double"), InProcess())
    assert f"{HERE}:Bytes: range" in str(caught.value)
    assert f"{HERE}:Double: dtype" in str(caught.value)
    assert f"{HERE}:Sound" not in str(caught.value)


def test_whose_labels_are_there_is_not_tried_again(tiny):
    (scenario,) = resolve("Bytes")
    table = read_table(tiny, labels_path("denoise/mean"), LABELS)
    rows = [
        {**row, "scenario": scenario.name, "restorer_fingerprint": scenario.fingerprint} for row in table.to_pylist()
    ]
    write_table(tiny, labels_path(scenario.name), LABELS, rows)
    require_sound(tiny, [scenario], InProcess())
    with pytest.raises(UnsoundRestorerError):
        require_sound(tiny, [replace(scenario, fingerprint="f" * 64)], InProcess())
