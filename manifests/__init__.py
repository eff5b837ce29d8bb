"""The data set on disk: schemas, storage, splits, checks, card and the PyTorch loader."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from manifests.errors import ManifestError
from manifests.queries import select_labels
from manifests.schema import FORMAT_VERSION

if TYPE_CHECKING:
    from manifests.certainty import combine_errors, find_probability_better
    from manifests.loading.augment import RandomCrop, RandomFlip, compose
    from manifests.loading.batches import BucketBatchSampler, BurstStream
    from manifests.loading.dataset import BurstQualityDataset
    from manifests.loading.items import BurstBatch, BurstItem, collate_bursts
    from manifests.loading.ranking import DrawFrames, DrawPairs, list_pairs
    from manifests.verification.verify import verify

__all__ = [
    "FORMAT_VERSION",
    "BucketBatchSampler",
    "BurstBatch",
    "BurstItem",
    "BurstQualityDataset",
    "BurstStream",
    "DrawFrames",
    "DrawPairs",
    "ManifestError",
    "RandomCrop",
    "RandomFlip",
    "collate_bursts",
    "combine_errors",
    "compose",
    "find_probability_better",
    "list_pairs",
    "select_labels",
    "verify",
]
# torch takes over a second to import; who only reads tables should not wait for it.
_LATER = {
    **dict.fromkeys(("combine_errors", "find_probability_better"), "manifests.certainty"),
    **dict.fromkeys(("RandomCrop", "RandomFlip", "compose"), "manifests.loading.augment"),
    **dict.fromkeys(("BucketBatchSampler", "BurstStream"), "manifests.loading.batches"),
    "BurstQualityDataset": "manifests.loading.dataset",
    **dict.fromkeys(("BurstBatch", "BurstItem", "collate_bursts"), "manifests.loading.items"),
    **dict.fromkeys(("DrawFrames", "DrawPairs", "list_pairs"), "manifests.loading.ranking"),
    "verify": "manifests.verification.verify",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
