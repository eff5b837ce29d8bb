"""A finding of the audit, and findings together: counted, grouped, and as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataset_builder.audit.rules import SEVERITIES, Rule, Severity


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found.

    Attributes:
        rule: its name.
        severity: `severe`, `warning` or `note`.
        subject: what it is about: a scenario, a source, a pair of splits; for people.
        value: what was measured, as the rule says.
        threshold: what it reached.
        evidence: one sentence.
        remedy: what to do.
        section: id of the section that shows more.
        bursts: examples, at most five.
    """

    rule: str
    severity: Severity
    subject: str
    value: float
    threshold: float
    evidence: str
    remedy: str
    section: str
    bursts: tuple[str, ...] = ()


def count_severities(findings: Sequence[Finding]) -> dict[Severity, int]:
    """How many findings there are of each severity."""
    return {severity: sum(each.severity == severity for each in findings) for severity in SEVERITIES}


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one rule and severity, in their order."""

    rule: str
    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def section(self) -> str:
        """Id of the section that shows more."""
        return self.findings[0].section

    @property
    def remedy(self) -> str:
        """What to do."""
        return self.findings[0].remedy


def group_findings(findings: Sequence[Finding]) -> list[FindingGroup]:
    """Findings of one rule and severity together, in the order of the first of each."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for each in findings:
        groups.setdefault((each.rule, each.severity), []).append(each)
    return [FindingGroup(rule, severity, tuple(found)) for (rule, severity), found in groups.items()]


def describe_findings(findings: Sequence[Finding], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """What `findings.json` holds: counts, findings, and the thresholds they were judged by."""
    return {
        "counts": count_severities(findings),
        "findings": [dataclasses.asdict(each) for each in findings],
        "rules": {name: {severity: getattr(rule, severity) for severity in SEVERITIES} for name, rule in rules.items()},
    }
