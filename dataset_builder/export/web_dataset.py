"""Tar shards as `webdataset` reads them: members of one burst share its id and lie together."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from dataset_builder.export.bursts import Sample, iterate_samples, name_plainly, read_sample_masks, read_truth_mask
from dataset_builder.export.pictures import read_pictures
from dataset_builder.work.local import ONE_WORKER, Workers
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
    workers: Workers = ONE_WORKER,
) -> list[Path]:
    """Write `<split>-<number>.tar` with `<burst_id>.00.npy` …, `<burst_id>.truth.npy`, `<burst_id>.json`, and masks of both.

    Masks are `<burst_id>.00_mask.png` … of what covers frames, and `<burst_id>.truth_mask.png` of where truth can be trusted.
    Images of 16 bits are `.npy`, which every decoder of `webdataset` gives back as they are stored; its decoders of PNG cut them to 8 bit.
    Others are the stored files, byte for byte but for stripped metadata. The JSON holds the rows of the tables: `burst`, `frames`,
    `labels`, `split`; and `members`, the names of the images without the burst's: `frames`, `ground_truth`. Digests are those of the
    members. Equal data sets give equal bytes.

    Args:
        root: the data set.
        out: new folder.
        shard_bytes: a shard is closed after the burst that takes it beyond this size.
        on_progress: called with the number of bursts written and of all.
        strip: whether to leave out metadata that are not what pixels mean: places, serial numbers, names.
        workers: who decodes what is written anew.

    Returns:
        The shards.

    Raises:
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    with write_new_folder(out) as folder:
        list_members = functools.partial(_list_members, root, strip=strip, scratch=folder, workers=workers)
        return [out / name for name in _write_shards(root, folder, shard_bytes, on_progress, list_members)]


def _write_shards(
    root: Path,
    out: Path,
    shard_bytes: int,
    on_progress: Progress | None,
    list_members: Callable[[Sample], Iterator[Member]],
) -> list[str]:
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
                for name, data in list_members(waiting):
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


def _list_members(root: Path, sample: Sample, *, strip: bool, scratch: Path, workers: Workers) -> Iterator[Member]:
    name = sample.burst["burst_id"]
    burst, frames = name_plainly(sample.burst), [name_plainly(frame) for frame in sample.frames]
    members: list[str] = []
    pictures = read_pictures(root, sample, "array", strip=strip, scratch=scratch, workers=workers)
    for number, picture in enumerate(pictures):
        kind = f"{number:02d}" if number < len(frames) else "truth"
        members.append(f"{kind}{PurePosixPath(picture.path).suffix.lower()}")
        digest = hashlib.sha256(picture.data).hexdigest()
        if number < len(frames):
            frames[number]["sha256"] = digest
        else:
            burst["ground_truth_sha256"] = digest
        yield f"{name}.{members[-1]}", picture.data
    for index, data in read_sample_masks(root, sample):
        yield f"{name}.{index:02d}_mask.png", data
    if (mask := read_truth_mask(root, sample)) is not None:
        yield f"{name}.truth_mask.png", mask
    truth = members[len(frames)] if len(members) > len(frames) else None
    facts = {
        "burst": burst,
        "frames": frames,
        "labels": sample.labels,
        "split": sample.split,
        "members": {"frames": members[: len(frames)], "ground_truth": truth},
    }
    yield f"{name}.json", json.dumps(facts, sort_keys=True, allow_nan=False).encode()
