"""What a small build gave when its numbers were last looked at.

`python -m tests.golden` writes `tests/golden.json` anew, after a change that is meant to change pixels or labels.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from dataset_builder.build import build_dataset
from dataset_builder.recipe import parse_recipe
from manifests.images.pixels import read_pixels
from manifests.store import read_dataset_table, read_labels
from tests.photographs import write_photographs

GOLDEN = Path(__file__).with_suffix(".json")
RECIPE = {
    "seed": 7,
    "sources": [
        {
            "kind": "photographs",
            "name": "photos",
            "root": "photos",
            "bursts_per_photograph": 1,
            "frame_height": 32,
            "frame_width": 32,
        }
    ],
    "scenarios": [
        {"name": name, "metrics": ["psnr"]}
        for name in ("denoise/mean", "denoise/hdrplus", "denoise/nlm", "sr/backprojection@x2")
    ],
}


def build_golden(folder: Path) -> dict[str, dict[str, list[float | None]]]:
    """Build below `folder` and summarise: of each burst the mean of each frame, and the scores."""
    write_photographs(folder / "photos", 2, height=200, width=220)
    (folder / "golden.toml").touch()
    root = folder / "built"
    build_dataset(folder / "golden.toml", parse_recipe(RECIPE, "golden"), root)
    frames = read_dataset_table(root, "frames").to_pandas()
    frames["mean"] = [read_pixels(root, path).mean() for path in frames.path]
    summary = {burst_id: {"frames": group["mean"].tolist()} for burst_id, group in frames.groupby("burst_id")}
    for (burst_id, scenario, estimator), group in (
        read_labels(root).to_pandas().groupby(["burst_id", "scenario", "estimator"])
    ):
        scores = group.sort_values("frame_index").score
        summary[burst_id][f"{scenario} {estimator}"] = [None if np.isnan(score) else score for score in scores]
    return summary


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        rounded = json.loads(json.dumps(build_golden(Path(scratch))), parse_float=lambda text: round(float(text), 4))
    GOLDEN.write_text(json.dumps(rounded, indent=1) + "\n")
