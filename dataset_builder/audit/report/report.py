"""The audit report: one HTML file that opens from disk and asks nothing of the network."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from dataset_builder.audit.audit import Audit
from dataset_builder.audit.burst_view import BurstView, Factor, ScoreRow
from dataset_builder.audit.changes import CAUSES, Changes
from dataset_builder.audit.factors import EXPLAINING, FACTORS
from dataset_builder.audit.finding import count_severities, group_findings
from dataset_builder.audit.report import charts
from dataset_builder.audit.report.answers import answer_all
from dataset_builder.audit.report.gallery import Gallery, ShownBurst
from dataset_builder.audit.report.payload import build_payload
from dataset_builder.audit.shown import MAX_FRAMES
from dataset_builder.audit.statistics import estimator_place, order_scenarios
from dataset_builder.audit.tables import to_rows
from dataset_builder.audit.wording import (
    count,
    format_interval,
    format_number,
    format_score,
    format_score_interval,
    percent,
    shorten_middle,
    show_unit,
)
from manifests.plain_text import escape_controls
from manifests.schema import LABEL_SET, is_marginal

MAX_ROWS = 100
"""Rows of the tables of failures and findings."""
_FACTOR_UNITS = {"noise": "% of white at mid-grey", "exposure": "× reference", "occlusion": "% of the frame"}
LONGEST_NAME = 60
"""Characters of a name that the page shows whole."""
_SCRIPTS = (
    "vendor/d3-7.9.0.min.js",
    "vendor/plot-0.6.17.umd.min.js",
    "data.js",
    "charts.js",
    "explore.js",
    "burst.js",
    "links.js",
)


def render_report(audit: Audit, gallery: Gallery) -> str:
    """The page as text.

    Args:
        audit: what was found in a data set.
        gallery: what it shows in pictures.
    """
    statistics = audit.statistics
    order = order_scenarios(statistics.scenarios, list(statistics.label_sets["scenario"]))
    description = audit.description
    return (
        open_templates()
        .get_template("report.html.j2")
        .render(
            title=str(description.get("name") or "Burst quality data set"),
            format_version=description["format_version"],
            software=description.get("software") or {},
            definitions=description.get("estimators") or {},
            answers=answer_all(audit),
            statistics=statistics,
            groups=group_findings(audit.findings[:MAX_ROWS]),
            severities=count_severities(audit.findings),
            rules=audit.rules,
            changes=audit.changes,
            causes=CAUSES,
            licenses={
                str(source): ", ".join(rows["license"]) for source, rows in statistics.licenses.groupby("source")
            },
            panels=_group_panels(audit),
            chosen=set(statistics.label_sets[LABEL_SET].itertuples(index=False, name=None)),
            estimator_of=dict(zip(statistics.label_sets["scenario"], statistics.label_sets["estimator"], strict=True)),
            order=order,
            correlations=_square(statistics.scenarios),
            factors=_factors_by_scenario(statistics.factors),
            factor_order=[
                name
                for name in EXPLAINING
                if (statistics.factors.loc[statistics.factors["factor"] == name, "bursts"] > 0).any()
            ],
            factor_names={name: factor.word for name, factor in FACTORS.items()},
            look_alikes=statistics.near_duplicates.groupby(["split", "other_split"]).size().to_dict(),
            failures=statistics.failures.head(MAX_ROWS),
            gallery=gallery,
            num_bursts=len(audit.tables.bursts),
            max_frames=MAX_FRAMES,
            units=dict(
                zip(
                    audit.matrix.sets[LABEL_SET].itertuples(index=False, name=None),
                    audit.matrix.sets["unit"],
                    strict=True,
                )
            ),
            data=_escape_texts(_page_data(audit, gallery)),
        )
    )


@functools.cache
def open_templates() -> jinja2.Environment:
    """Templates of pages with what they share: style, marks, words, and texts that show no control characters."""
    folder = Path(__file__).parent / "page"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        finalize=_escape_texts,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    environment.globals.update(
        # These files are part of the toolkit and hold no data.
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),  # noqa: S704
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        # No other script runs, whatever else the page may come to hold.
        script_hashes=Markup(" ").join(Markup("'{}'").format(_hash_script(script)) for script in scripts),
        stack=charts.draw_stack,
        interval=charts.draw_interval,
        tint=charts.tint,
        score_tint=_score_tint,
        is_marginal=is_marginal,
        count=count,
        span=format_interval,
        span_scores=format_score_interval,
        unit_name=lambda unit: show_unit(unit)[0],
    )
    environment.filters.update(
        percent=percent, number=_number, score=format_score, breakable=_breakable, rows=_rows, short=shorten_middle
    )
    return environment


def _hash_script(script: str) -> str:
    """As a Content-Security-Policy names a script (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _escape_texts(value: Any) -> Any:
    """Plain data whose texts hold no control characters and turn no direction of writing; markup stays as it is."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return escape_controls(value, keep="\u00a0")
    if isinstance(value, dict):
        return {_escape_texts(name): _escape_texts(inner) for name, inner in value.items()}
    return [_escape_texts(inner) for inner in value] if isinstance(value, list | tuple) else value


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return table.itertuples(index=False)


def _number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    return format_number(float(value), decimals, signed=signed)


def _breakable(name: str) -> Markup:
    """A scenario may wrap after its task; a long one loses its middle, which shows when it is pointed at."""
    short = shorten_middle(name, LONGEST_NAME)
    parts = Markup("/<wbr>").join(escape_controls(short).split("/"))
    return parts if short == name else Markup('<span title="{}">{}</span>').format(escape_controls(name), parts)


def _group_panels(audit: Audit) -> list[dict[str, Any]]:
    """Histograms, one group per estimator and unit, whose panels share an axis; a panel names its label set by place."""
    summaries = {tuple(row[name] for name in LABEL_SET): row for row in to_rows(audit.statistics.scores)}
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for place, row in enumerate(to_rows(audit.matrix.sets)):
        group = groups.setdefault(
            (row["estimator"], row["unit"]),
            {"estimator": row["estimator"], "unit": row["unit"], "signed": is_marginal(row["estimator"]), "panels": []},
        )
        summary = summaries[tuple(row[name] for name in LABEL_SET)]
        q05, q50, q95 = (format_score(summary[name], row["unit"]) for name in ("q05", "q50", "q95"))
        label = f"{row['scenario']}, {row['estimator']}: median {q50}, 90 % of {int(summary['scores'])} scores from {q05} to {q95}"
        group["panels"].append({"set": place, **row, "label": label, "summary": summary})
    return sorted(
        groups.values(), key=lambda group: (estimator_place(group["estimator"]), group["estimator"], group["unit"])
    )


def _square(pairs: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Both halves of a symmetric matrix, by row and column."""
    half = {(row["scenario"], row["other_scenario"]): row for row in to_rows(pairs)}
    return {**half, **{(second, first): cell for (first, second), cell in half.items()}}


def _factors_by_scenario(factors: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        str(scenario): {row["factor"]: row for row in to_rows(rows)}
        for scenario, rows in factors.groupby("scenario", sort=True)
    }


def _score_tint(score: ScoreRow, index: int) -> Markup:
    """Gains and losses against 0; other scores against the middle of the burst's range."""
    value, known = score.values[index], [each for each in score.values if each is not None]
    if value is None or min(known) == max(known):
        return Markup("")
    if score.signed:
        return charts.tint(0.8 * value / max(abs(each) for each in known))
    return charts.tint(0.8 * (2 * (value - min(known)) / (max(known) - min(known)) - 1))


def _page_data(audit: Audit, gallery: Gallery) -> dict[str, Any]:
    """What the page's scripts read."""
    statistics = audit.statistics
    changes = [] if audit.changes is None else _show_changes(audit.changes)
    return {
        "frames": build_payload(audit),
        "curves": [_show_curve(row) for row in _to_plain(statistics.curves)],
        "positions": _to_plain(statistics.positions),
        "changes": changes,
        "bursts": {name: _burst_data(burst) for name, burst in gallery.bursts.items()},
        "sample": [name for name in gallery.sample if name in gallery.bursts],
    }


def _to_plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: None if value != value else value for name, value in row.items()}  # noqa: PLR0124  # NaN
        for row in to_rows(table)
    ]


def _show_curve(row: dict[str, Any]) -> dict[str, Any]:
    unit, factor = show_unit(row["unit"])
    return {**row, "unit": unit, "gain": None if row["gain"] is None else row["gain"] * factor}


def _show_changes(changes: Changes) -> list[dict[str, Any]]:
    """Histograms of changes in the units that are shown."""
    units = dict(zip(changes.labels[LABEL_SET].itertuples(index=False, name=None), changes.labels["unit"], strict=True))
    rows = []
    for row in _to_plain(changes.histograms):
        unit, factor = show_unit(units[tuple(row[name] for name in LABEL_SET)])
        rows.append({**row, "left": row["left"] * factor, "right": row["right"] * factor, "unit": unit})
    return rows


def _burst_data(burst: ShownBurst) -> dict[str, Any]:
    view, shown = burst.view, burst.shown
    return {
        "facts": _facts(view),
        "group": {"source": view.burst["source"], "preset": view.burst["preset"], "split": view.split or "none"},
        "frames": shown,
        "pictures": burst.pictures,
        "reference": shown.index(view.reference_index),
        "scores": [_score_data(row, shown) for row in view.scores],
        "factors": [_factor_data(factor, shown) for factor in view.factors if factor.known],
        "restored": [_restoration_data(row) for row in burst.restorations],
    }


def _facts(view: BurstView) -> str:
    burst = view.burst
    size = f"{burst['width']} × {burst['height']} {burst['domain']}"
    return " · ".join(filter(None, [burst["source"], burst["preset"], burst["scene_id"], size, view.split]))


def _score_data(row: ScoreRow, shown: tuple[int, ...]) -> dict[str, Any]:
    return {
        "name": row.scenario,
        "detail": ", ".join(filter(None, [row.estimator, row.unit or row.metric])),
        "from_zero": row.signed,
        "values": [row.values[index] for index in shown],
        "texts": [row.format(index) for index in shown],
        "marks": [row.marks[index] for index in shown],
    }


def _factor_data(factor: Factor, shown: tuple[int, ...]) -> dict[str, Any]:
    decimals = 2 if factor.unit == "×" else 1
    return {
        "name": factor.name,
        "detail": ", ".join(filter(None, [_FACTOR_UNITS.get(factor.name, factor.unit), factor.note])),
        "from_zero": True,
        "values": [factor.values[index] for index in shown],
        "texts": [format_number(factor.values[index], decimals) for index in shown],
        "marks": ["" for _ in shown],
    }


def _restoration_data(row: dict[str, Any]) -> dict[str, Any]:
    left_out = row["left_out"]
    known = row["fidelity"] is not None and row["fidelity"] == row["fidelity"]  # NaN
    return {
        "scenario": row["scenario"],
        "name": row["guide"],
        "left_out": None if left_out is None or left_out != left_out else int(left_out),  # noqa: PLR0124  # NaN
        "text": format_score(row["fidelity"], row["unit"]) if known else "",
        "picture": row["picture"],
    }
