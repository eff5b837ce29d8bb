"""A restorer that a data set has no labels of, tried on a made-up burst before many are computed by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.errors import UnsoundRestorerError
from dataset_builder.labeling.scenarios import ResolvedScenario
from dataset_builder.work.local import Workers
from dataset_builder.work.unit import Desk, hash_facts, read_part, remove_part
from manifests.schema import LABELS
from manifests.store import labels_path, read_dataset_table, read_or_empty
from restorers import Domain, create
from restorers.conformance import Finding, try_restorer
from restorers.registry import is_built_in

_LARGEST_SIDE, _MOST_FRAMES = 64, 5


@dataclass(frozen=True)
class TrialUnit:
    """A restorer tried by a worker, since it may crash or hang.

    Attributes:
        scenario: whose restorer.
        domain: of the made-up burst, one that the data set has.
        side: of its frames, px: no longer than those of the data set.
    """

    scenario: ResolvedScenario
    domain: Domain
    side: int

    @property
    def key(self) -> str:
        """SHA-256 of restorer and sample."""
        return hash_facts(["trial", self.scenario.fingerprint, self.domain, self.side])

    @property
    def subject(self) -> str:
        """Its own."""
        return self.part

    @property
    def part(self) -> str:
        """Where the result waits."""
        return f"trials/{PurePosixPath(labels_path(self.scenario.name)).stem}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # as every unit
        """Look at what it returns; what it raises says nothing of other bursts and is left to these."""
        restorer = create(self.scenario.target, device=self.scenario.info.device)
        findings = try_restorer(restorer, self.domain, num_frames=_MOST_FRAMES, side=self.side)
        return {"findings": [asdict(finding) for finding in findings]}


def require_sound(root: Path, scenarios: Sequence[ResolvedScenario], workers: Workers) -> None:
    """Try the restorers of a person's own that a data set has no labels of.

    Args:
        root: the data set, locked.
        scenarios: what it is about to be labelled for.
        workers: who tries them.

    Raises:
        UnsoundRestorerError: if what one returns is of the wrong shape, type or range, not finite, or another for equal bursts.
    """
    problems = []
    for unit, failure in workers.run(list(_plan_trials(root, scenarios)), root):
        part = read_part(root, unit) if failure is None else None
        remove_part(root, unit)
        findings = [Finding(**each) for each in part["findings"]] if part is not None else []
        problems += [
            f"{unit.scenario.name}: {each.check}: {each.detail}" for each in findings if each.outcome == "fail"
        ]
    if problems:
        raise UnsoundRestorerError(
            f"{'; '.join(sorted(problems))}. Nothing was labelled: mend it (`buiqa restorer check` says more), or insist by --no-check"
        )


def _plan_trials(root: Path, scenarios: Sequence[ResolvedScenario]) -> Iterator[TrialUnit]:
    own = [scenario for scenario in scenarios if not is_built_in(scenario.target)]
    bursts = read_dataset_table(root, "bursts").select(["domain", "height", "width"]).to_pylist() if own else []
    for scenario in own:
        made_by = read_or_empty(root, labels_path(scenario.name), LABELS).column("restorer_fingerprint").unique()
        suited = next((burst for burst in bursts if burst["domain"] in scenario.info.input_domains), None)
        if suited is not None and scenario.fingerprint not in made_by.to_pylist():
            side = min(_LARGEST_SIDE, suited["height"], suited["width"])
            yield TrialUnit(scenario, Domain(suited["domain"]), side - side % 2)
