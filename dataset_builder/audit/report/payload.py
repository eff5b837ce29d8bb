"""The scores of all frames as data for the page's script: to filter, to brush, to draw."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.audit import Audit
from dataset_builder.audit.factors import FACTORS, measure_noise
from dataset_builder.audit.statistics import histogram_scores
from dataset_builder.audit.wording import show_unit
from manifests.schema import LABEL_SET, is_marginal


def build_payload(audit: Audit) -> dict[str, Any]:
    """Plain data: label sets, bursts with the groups they belong to, and arrays as base64 of little-endian numbers.

    `scores` is float32 [S, F] in the unit that is shown, NaN where there is none, frames sorted by burst; 1,000,000 labels take 5.3 MiB.
    """
    matrix = audit.matrix
    axes = _find_axes(audit)
    chosen = set(audit.statistics.label_sets[LABEL_SET].itertuples(index=False, name=None))
    sets = [
        {
            "scenario": scenario,
            "estimator": estimator,
            "metric": metric,
            "unit": show_unit(unit)[0],
            "signed": is_marginal(estimator),
            "chosen": (scenario, estimator, metric) in chosen,
            "axis": axes[scenario, estimator, metric],
        }
        for scenario, estimator, metric, unit in matrix.sets[[*LABEL_SET, "unit"]].itertuples(index=False, name=None)
    ]
    return {
        "sets": sets,
        "scores": _encode(
            matrix.values * np.array([show_unit(unit)[1] for unit in matrix.sets["unit"]])[:, None], "<f4"
        ),
        "lengths": np.bincount(matrix.bursts, minlength=len(matrix.burst_ids)).tolist(),
        "frame": _encode(matrix.frames["frame_index"].to_numpy(), "<u2"),
        "bursts": matrix.burst_ids.tolist(),
        "groups": _list_groups(audit),
        "factors": _list_factors(audit),
    }


def _find_axes(audit: Audit) -> dict[tuple[str, str, str], dict[str, Any]]:
    bins = histogram_scores(audit.matrix)
    sets = audit.matrix.sets
    factors = {
        tuple(key): show_unit(unit)[1] for *key, unit in sets[[*LABEL_SET, "unit"]].itertuples(index=False, name=None)
    }
    return {
        (str(key[0]), str(key[1]), str(key[2])): {
            "low": float(rows["left"].iloc[0]) * factors[key],
            "high": float(rows["right"].iloc[-1]) * factors[key],
            "bins": len(rows),
        }
        for key, rows in bins.groupby(LABEL_SET, sort=False)
    }


def _list_groups(audit: Audit) -> dict[str, dict[str, Any]]:
    """Source, preset and split of each burst: names, and the place of each burst's name."""
    bursts = audit.tables.bursts.drop_duplicates("burst_id").sort_values("burst_id")
    owner = dict(zip(audit.tables.splits["burst_id"], audit.tables.splits["split"], strict=True))
    columns = {
        "source": bursts["source"].tolist(),
        "preset": bursts["preset"].tolist(),
        "split": [owner.get(name, "none") for name in bursts["burst_id"]],
    }
    groups = {}
    for name, values in columns.items():
        codes, names = pd.factorize(np.array(values, object), sort=True)
        groups[name] = {"names": [str(each) for each in names], "codes": _encode(codes, "<u2")}
    return groups


def _list_factors(audit: Audit) -> list[dict[str, str]]:
    frames = audit.matrix.frames
    unknown = np.full(len(frames), np.nan)

    def read(column: str) -> NDArray[np.float64]:
        return frames[column].to_numpy(np.float64, na_value=np.nan) if column in frames else unknown

    found = []
    for factor in FACTORS.values():
        is_noise = factor.column == "shot_noise"
        values = measure_noise(read("shot_noise"), read("read_noise")) if is_noise else read(factor.column)
        if factor.axis and np.isfinite(values).any():
            name = "noise" if is_noise else factor.column
            found.append({"name": name, "title": factor.axis, "values": _encode(values, "<f4")})
    return found


def _encode(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.dtype(kind)).tobytes()).decode()
