"""The recipes of docs/training.md for Lightning and accelerate, run by those packages."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from manifests import BucketBatchSampler, BurstQualityDataset, RandomCrop, RandomFlip, collate_bursts, compose
from restorers.adapters.basicsr_compat import import_torchvision
from tests.places import ROOT

pytestmark = pytest.mark.slow


def open_dataset(root: Path) -> BurstQualityDataset:
    transform = compose(RandomFlip(), RandomCrop(8, 8))
    return BurstQualityDataset(root, "all", ["denoise/nlm"], transform=transform, seed=1)


def describe(batch) -> tuple:
    return tuple(batch["burst_id"]), batch["frames"].numpy().tobytes()


def run_told(root: Path, epochs: int) -> list[list[tuple]]:
    """What a loop of one's own sees that tells the epochs."""
    dataset = open_dataset(root)
    sampler = BucketBatchSampler(dataset, 2, seed=1)
    loader, seen = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_bursts), []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        seen.append([describe(batch) for batch in loader])
    return seen


def read_recipe(word: str, **replacements: str) -> str:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```py\n(.*?)```", page, re.DOTALL) if word in block)
    for old, new in {"batch_size=8": "batch_size=2", "num_workers=4": "num_workers=2", **replacements}.items():
        assert old in code
        code = code.replace(old, new)
    return code


@pytest.mark.filterwarnings("ignore")  # of the framework, about hardware and loggers
def test_lightning(tiny_original: Path, tmp_path: Path) -> None:
    if find_spec("torchvision"):
        import_torchvision()  # Lightning imports it, which fails beside a PyTorch of another platform
    import lightning

    seen: list[list[tuple]] = []

    class Watching(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def on_train_epoch_start(self) -> None:
            seen.append([])

        def training_step(self, batch, _index):
            seen[-1].append(describe({**batch, "frames": batch["frames"].cpu()}))
            return self.weight * batch["frames"].mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    names = {
        "lightning": lightning,
        "dataset": open_dataset(tiny_original),
        "BucketBatchSampler": BucketBatchSampler,
        "DataLoader": DataLoader,
        "collate_bursts": collate_bursts,
        "quiet": {**quiet, "default_root_dir": str(tmp_path), "enable_model_summary": False},
    }
    code = read_recipe("lightning", **{"max_epochs=100": "max_epochs=3, **quiet"})
    exec(compile(code, "docs/training.md", "exec"), names)
    names["trainer"].fit(Watching(), datamodule=names["BurstData"]())
    assert seen == run_told(tiny_original, 3)


@pytest.mark.filterwarnings("ignore")
def test_accelerate(tiny_original: Path) -> None:
    from accelerate import Accelerator
    from accelerate.utils import send_to_device

    accelerator, seen = Accelerator(cpu=True), []
    names = {
        "accelerator": accelerator,
        "send_to_device": lambda batch, device: seen[-1].append(describe(batch)) or send_to_device(batch, device),
        "dataset": open_dataset(tiny_original),
        "BucketBatchSampler": BucketBatchSampler,
        "DataLoader": DataLoader,
        "collate_bursts": collate_bursts,
    }
    setup, loop = read_recipe("accelerator").split("for batch in loader:")
    exec(compile(setup, "docs/training.md", "exec"), names)
    for _ in range(3):
        seen.append([])
        exec(compile("for batch in loader:" + loop, "docs/training.md", "exec"), names)
    assert seen == run_told(tiny_original, 3)
    # One process may have the loader prepared as well: it tells the sampler the epochs itself.
    names["dataset"] = open_dataset(tiny_original)
    exec(compile(setup, "docs/training.md", "exec"), names)
    prepared = accelerator.prepare(names["loader"])
    assert [[describe({**batch, "frames": batch["frames"].cpu()}) for batch in prepared] for _ in range(3)] == seen
