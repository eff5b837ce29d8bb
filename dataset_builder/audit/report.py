"""The audit report: one HTML file that opens from disk and asks nothing of the network."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from dataset_builder.audit import charts
from dataset_builder.audit.answers import FACTOR_NAMES, answer_all, count, is_marginal, percent
from dataset_builder.audit.burst_view import BurstView, Factor, ScoreRow, format_number
from dataset_builder.audit.collect import STATISTICS, Statistics, build_tidy_table, collect_statistics
from dataset_builder.audit.gallery import MAX_FRAMES, GalleryBurst, build_gallery
from dataset_builder.audit.statistics import FACTORS, QUANTILES, estimator_place, quantile_name
from dataset_builder.audit.tables import LABEL_SET, read_tables
from manifests.store import read_description, write_table, write_text

MAX_FAILURES = 100
"""Rows of the table of failures."""


def write_audit(root: Path) -> Path:
    """Write `audit/index.html` and `audit/statistics.parquet` of a data set, from its manifests and images alone.

    Equal data sets give equal bytes.

    Returns:
        The report's path.

    Raises:
        ManifestError: if the folder is no data set, or a table is missing or damaged.
        OSError: if the report cannot be written; a previous one stays intact.
    """
    description = read_description(root)
    tables = read_tables(root)
    statistics = collect_statistics(root, tables)
    scored = statistics.scores[statistics.scores["scores"] > 0]
    gallery = build_gallery(root, tables, _order_label_sets(scored, statistics.label_sets))
    report = root / "audit" / "index.html"
    write_table(report.with_name("statistics.parquet"), STATISTICS, build_tidy_table(statistics))
    write_text(report, render_report(description, statistics, gallery, num_bursts=len(tables.bursts)))
    return report


def render_report(
    description: dict[str, Any], statistics: Statistics, gallery: list[GalleryBurst], *, num_bursts: int
) -> str:
    """The page as text.

    Args:
        description: `dataset.json`.
        statistics: what the sections show.
        gallery: bursts of the contact sheet.
        num_bursts: of the data set.
    """
    chosen = set(statistics.label_sets[LABEL_SET].itertuples(index=False, name=None))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=str(description.get("name") or "Burst quality data set"),
            format_version=description["format_version"],
            software=description.get("software") or {},
            definitions=description.get("estimators") or {},
            answers=answer_all(statistics),
            statistics=statistics,
            licenses=_join_licenses(statistics.licenses),
            histograms=_histograms_by_estimator(statistics),
            correlations=_square(statistics.scenarios),
            factors=_factors_by_scenario(statistics.factors),
            factor_order=FACTORS,
            factor_names=FACTOR_NAMES,
            failures=statistics.failures.head(MAX_FAILURES),
            gallery=gallery,
            chosen=chosen,
            num_bursts=num_bursts,
            max_frames=MAX_FRAMES,
            panel=[_panel_data(burst) for burst in gallery],
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        # Both files are ours and hold no data.
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup((folder / "report.js").read_text(encoding="utf-8")),  # noqa: S704
        stack=charts.draw_stack,
        tint=charts.tint,
        score_tint=_score_tint,
        is_marginal=is_marginal,
        count=count,
    )
    environment.filters.update(percent=percent, number=_number, breakable=_breakable, rows=_rows)
    return environment


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return table.itertuples(index=False)


def _number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    return format_number(float(value), decimals, signed=signed)


def _breakable(name: str) -> Markup:
    """A scenario may wrap after its task."""
    return Markup("/<wbr>").join(name.split("/"))


def _join_licenses(licenses: pd.DataFrame) -> dict[str, str]:
    return {str(source): ", ".join(rows["license"]) for source, rows in licenses.groupby("source")}


def _order_label_sets(scored: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Chosen label sets first within their scenario."""
    marked = scored.merge(chosen[LABEL_SET].assign(place=0), on=LABEL_SET, how="left").fillna({"place": 1})
    return marked.sort_values(["scenario", "place", "estimator", "metric"], kind="stable")


def _histograms_by_estimator(statistics: Statistics) -> list[dict[str, Any]]:
    """One group per estimator and unit, whose panels share an axis."""
    summaries = {tuple(row[name] for name in LABEL_SET): row for row in statistics.scores.to_dict("records")}
    groups = []
    for (estimator, unit), bins in statistics.histograms.groupby(["estimator", "unit"], sort=True):
        panels, signed = [], is_marginal(str(estimator))
        for (scenario, metric), rows in bins.groupby(["scenario", "metric"], sort=True):
            summary = summaries[scenario, estimator, metric]
            edges = np.append(rows["left"].to_numpy(), rows["right"].iloc[-1])
            quantiles = [float(summary[quantile_name(value)]) for value in QUANTILES]
            q05, _, q50, _, q95 = (format_number(value, 2) for value in quantiles)
            label = f"{scenario}, {estimator}: median {q50} {unit}, 90 % of {int(summary['scores'])} scores from {q05} to {q95} {unit}"
            chart = charts.draw_histogram(rows["count"].to_numpy(), edges, quantiles, label=label, signed=signed)
            panels.append({"scenario": scenario, "metric": metric, "chart": chart, "summary": summary})
        groups.append({"estimator": estimator, "unit": unit, "panels": panels, "signed": signed})
    return sorted(groups, key=lambda group: (estimator_place(group["estimator"]), group["estimator"], group["unit"]))


def _square(pairs: pd.DataFrame) -> dict[tuple[str, str], tuple[float, int]]:
    """Both halves of a symmetric matrix: (row, column) to correlation and number of bursts."""
    half = {
        (row["scenario"], row["other_scenario"]): (float(row["spearman"]), int(row["bursts"]))
        for row in pairs.to_dict("records")
    }
    return {**half, **{(second, first): cell for (first, second), cell in half.items()}}


def _factors_by_scenario(factors: pd.DataFrame) -> dict[str, dict[str, tuple[float, int]]]:
    return {
        str(scenario): {row["factor"]: (float(row["spearman"]), int(row["bursts"])) for row in rows.to_dict("records")}
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


def _panel_data(burst: GalleryBurst) -> dict[str, Any]:
    """What the enlarged view of a burst shows, as plain data for the page's script."""
    view, shown = burst.view, burst.shown
    return {
        "id": view.burst["burst_id"],
        "facts": _facts(view),
        "frames": shown,
        "reference": shown.index(view.reference_index),
        "scores": [_score_data(row, shown) for row in view.scores],
        "factors": [_factor_data(factor, shown) for factor in view.factors if factor.known],
    }


def _facts(view: BurstView) -> str:
    burst = view.burst
    size = f"{burst['width']} × {burst['height']} {burst['domain']}"
    return " · ".join(filter(None, [burst["source"], burst["preset"], burst["scene_id"], size, view.split]))


def _score_data(row: ScoreRow, shown: tuple[int, ...]) -> dict[str, Any]:
    return {
        "name": row.scenario,
        "detail": f"{row.estimator}, {row.unit}",
        "from_zero": row.signed,
        "values": [row.values[index] for index in shown],
        "texts": [row.format(index) for index in shown],
        "marks": [row.marks[index] for index in shown],
    }


def _factor_data(factor: Factor, shown: tuple[int, ...]) -> dict[str, Any]:
    decimals = 2 if factor.unit == "×" else 1
    return {
        "name": factor.name,
        "detail": {"×": "× reference", "%": "% of white at mid-grey"}.get(factor.unit, factor.unit),
        "from_zero": True,
        "values": [factor.values[index] for index in shown],
        "texts": [format_number(factor.values[index], decimals) for index in shown],
        "marks": ["" for _ in shown],
    }
