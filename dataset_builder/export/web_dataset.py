"""Tar shards as `webdataset` reads them: members of one burst share its id and lie together."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dataset_builder.export.bursts import Sample, iterate_samples, name_plainly, read_sample_files, read_sample_masks
from manifests.confined.writing import replace_file
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.store import read_dataset_table

SHARD_BYTES = 256 << 20
Member = tuple[str, bytes]


def export_web_dataset(
    root: Path,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress | None = None,
    strip: bool = True,
) -> list[Path]:
    """Write `<split>-<number>.tar` with `<burst_id>.00.png` …, `<burst_id>.truth.png`, `<burst_id>.00_mask.png` … and `<burst_id>.json`.

    Images are the stored files, byte for byte but for stripped metadata. The JSON holds the rows of the tables: `burst`, `frames`,
    `labels`, `split`; digests are those of the members. Equal data sets give equal bytes.

    Args:
        root: the data set.
        out: new folder.
        shard_bytes: a shard is closed after the burst that takes it beyond this size.
        on_progress: called with the number of bursts written and of all.
        strip: whether to leave out metadata that are not what pixels mean: places, serial numbers, names.

    Returns:
        The shards.

    Raises:
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    with write_new_folder(out) as folder:
        return [out / name for name in _write_shards(root, folder, shard_bytes, on_progress, strip=strip)]


def _write_shards(root: Path, out: Path, shard_bytes: int, on_progress: Progress | None, *, strip: bool) -> list[str]:
    total = read_dataset_table(root, "bursts").num_rows
    samples = iterate_samples(root)
    waiting = next(samples, None)
    shards: list[str] = []
    done = 0
    while waiting is not None:
        split = waiting.split
        number = sum(name.startswith(f"{split}-") for name in shards)
        shards.append(f"{split}-{number:06d}.tar")
        written = 0
        with (
            replace_file(out, shards[-1]) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            while waiting is not None and waiting.split == split and (not written or written < shard_bytes):
                for name, data in _list_members(root, waiting, strip=strip):
                    # A fresh TarInfo carries no time, user or group.
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                    written += len(data)
                done += 1
                if on_progress is not None:
                    on_progress(done, total)
                waiting = next(samples, None)
    return shards


def _list_members(root: Path, sample: Sample, *, strip: bool) -> Iterator[Member]:
    name = sample.burst["burst_id"]
    frames = [name_plainly(frame) for frame in sample.frames]
    for number, (path, data) in enumerate(read_sample_files(root, sample, strip=strip)):
        kind = f"{number:02d}" if number < len(frames) else "truth"
        if number < len(frames):
            frames[number]["sha256"] = hashlib.sha256(data).hexdigest()
        yield f"{name}.{kind}{PurePosixPath(path).suffix.lower()}", data
    for index, data in read_sample_masks(root, sample):
        yield f"{name}.{index:02d}_mask.png", data
    facts = {"burst": name_plainly(sample.burst), "frames": frames, "labels": sample.labels, "split": sample.split}
    yield f"{name}.json", json.dumps(facts, sort_keys=True, allow_nan=False).encode()
