"""The data set on disk: schemas, storage, splits, checks, card and the PyTorch loader."""

from typing import TYPE_CHECKING, Any

from manifests.errors import ManifestError
from manifests.schema import FORMAT_VERSION

if TYPE_CHECKING:
    from manifests.loading.dataset import BurstQualityDataset, collate_bursts

__all__ = ["FORMAT_VERSION", "BurstQualityDataset", "ManifestError", "collate_bursts"]


def __getattr__(name: str) -> Any:
    # torch takes over a second to import; who only reads tables should not wait for it.
    if name in {"BurstQualityDataset", "collate_bursts"}:
        from manifests.loading import dataset as loader

        return getattr(loader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
