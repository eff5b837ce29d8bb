"""Selections as XMP sidecars: stars by score, and flags of the frames that are kept, for Lightroom, darktable and digiKam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.xmp import Name, XmpError
from dataset_builder.judgements.albums import StoredAlbum, list_albums, list_folders
from dataset_builder.judgements.marks import GOOD, LABEL, PICK, PICK_LABEL, RATING, read_packet
from dataset_builder.selection.policies import POLICIES, choose_frames, order_frames
from dataset_builder.selection.xmp_editing import TOOLKIT, edit_packet, make_packet
from manifests.confined.reading import has_file
from manifests.confined.writing import write_file
from manifests.errors import SelectionError, UnsafePathError
from manifests.queries import select_labels
from manifests.store import read_dataset_table

SidecarNames = Literal["both", "full", "stem"]
WRITTEN: Name = (TOOLKIT, "Written")
"""What the toolkit itself has written into a sidecar, so that it may change that again."""
_NEUTRAL = {RATING: ("", "0"), PICK: ("", "0"), PICK_LABEL: ("", "0"), LABEL: ("",), GOOD: ("",)}
"""What says that nobody marked the photograph."""
_STARS = 5


@dataclass(frozen=True)
class Selection:
    """Which frames are kept, and how that is marked.

    Attributes:
        keep: a policy of `policies.POLICIES`, or how many of the best frames, the reference among them where it has no score.
        reject: whether all others are marked as rejected, and not only left unflagged.
        label: `xmp:Label` of those that are kept; empty for none.
        names: whether sidecars are called `NAME.EXT.xmp` (full), as darktable and digiKam write them, `NAME.xmp` (stem), as Adobe's
            programs do, or there is one of both.
        overwrite: whether marks that others made are replaced.
    """

    keep: str | int = "drop_harmful"
    reject: bool = False
    label: str = ""
    names: SidecarNames = "both"
    overwrite: bool = False


@dataclass
class WrittenSidecars:
    """What became of the photographs.

    Attributes:
        paths: sidecars that were written, below the folder of the photographs.
        missing: photographs that are not there.
        respected: marks of others that were left as they are.
        problems: sidecars that could not be read or lie behind links, and why.
    """

    paths: list[str] = field(default_factory=list)
    missing: int = 0
    respected: int = 0
    problems: list[str] = field(default_factory=list)


def write_sidecars(
    root: Path, photographs: Path, scenario: str, selection: Selection, *, estimator: str | None, metric: str | None
) -> WrittenSidecars:
    """Mark the photographs of the bursts that a scenario labelled, in sidecars beside them.

    Stars are 1 for the worst frame of a burst to 5 for the best, evenly by score; a frame without a score gets none. What a sidecar
    holds besides stays as it is.

    Args:
        root: the data set.
        photographs: the folder that it was ingested from.
        scenario: whose labels say which frames are kept.
        selection: which are.
        estimator: by which estimator; None where there is one only.
        metric: by which metric; None where there is one only.

    Raises:
        SelectionError: if the scenario has no such labels, or several kinds, or no burst of photographs.
        ManifestError: if a table cannot be read.
    """
    require_policy(selection.keep)
    scores = _read_scores(root, scenario, estimator, metric)
    references = _read_references(root)
    albums = [album for album in list_albums(root) if album.burst_id in scores]
    if not albums:
        raise SelectionError(f"{root}: no burst with labels of {scenario!r} was ingested from photographs in folders")
    report = WrittenSidecars()
    for album in albums:
        values = scores[album.burst_id]
        kept = _choose(values, references[album.burst_id], selection.keep)
        marks = [_mark(values, index, selection, kept=index in kept) for index in range(len(album.names))]
        _write_album(photographs, album, marks, selection, report)
    return report


def require_policy(keep: str | int) -> None:
    """Refuse a rule that there is not.

    Raises:
        SelectionError: naming those there are.
    """
    if keep not in POLICIES and not (isinstance(keep, int) and keep >= 1):
        raise SelectionError(f"keep {keep!r}: expected a number of frames from 1 or one of {', '.join(POLICIES)}")


def _read_scores(
    root: Path, scenario: str, estimator: str | None, metric: str | None
) -> dict[str, NDArray[np.float64]]:
    rows = select_labels(root, scenario, estimator=estimator, metric=metric).to_pandas()
    for column in ("estimator", "metric"):
        if len(names := sorted(rows[column].unique())) > 1:
            raise SelectionError(f"scenario {scenario!r} has several {column}s; name one of {', '.join(names)}")
    ordered = rows.sort_values(["burst_id", "frame_index"])
    return {str(burst): group["score"].to_numpy(np.float64) for burst, group in ordered.groupby("burst_id")}


def _read_references(root: Path) -> dict[str, int]:
    bursts = read_dataset_table(root, "bursts").select(["burst_id", "reference_index"])
    return dict(zip(*(column.to_pylist() for column in bursts.columns), strict=True))


def _choose(scores: NDArray[np.float64], reference: int, keep: str | int) -> frozenset[int]:
    """The frames that are kept; the reference is always among them where the scores are of the others only."""
    scored = bool(np.isfinite(scores[reference]))
    always = frozenset() if scored else frozenset((reference,))
    if isinstance(keep, int):
        best = [int(index) for index in order_frames(scores)][: max(keep - len(always), 0)]
        return always | frozenset(best)
    others = [index for index in range(len(scores)) if scored or index != reference]
    return always | choose_frames(scores, others, keep)


def _mark(scores: NDArray[np.float64], index: int, selection: Selection, *, kept: bool) -> dict[Name, str | None]:
    """Properties of a photograph; None for those that it must not have."""
    rejected = selection.reject and not kept
    flag = 1 if kept else -1 if rejected else 0
    return {
        RATING: "-1" if rejected else _find_stars(scores, index),
        PICK: str(flag),
        GOOD: {1: "true", 0: None, -1: "false"}[flag],
        PICK_LABEL: {1: "3", 0: "0", -1: "1"}[flag],
        LABEL: selection.label if kept and selection.label else None,
    }


def _find_stars(scores: NDArray[np.float64], index: int) -> str | None:
    known = scores[np.isfinite(scores)]
    if not np.isfinite(scores[index]):
        return None
    spread = known.max() - known.min()
    place = (scores[index] - known.min()) / spread if spread > 0 else 0.5
    return str(1 + round((_STARS - 1) * float(place)))


def _write_album(
    photographs: Path,
    album: StoredAlbum,
    marks: Sequence[Mapping[Name, str | None]],
    selection: Selection,
    report: WrittenSidecars,
) -> None:
    stems = Counter(PurePosixPath(name).stem for name in album.names)
    for name, values in zip(album.names, marks, strict=True):
        folder = next((one for one in list_folders(album) if has_file(photographs, _join(one, name))), None)
        if folder is None:
            report.missing += 1
            continue
        stem = PurePosixPath(name).stem
        # Two photographs of one stem would share a sidecar.
        shared = selection.names == "both" and stems[stem] > 1
        names = {"full": [name], "stem": [stem], "both": [name] if shared else [name, stem]}[selection.names]
        for one in names:
            path = _join(folder, f"{one}.xmp")
            try:
                _write_sidecar(photographs, path, values, selection, report)
            except (XmpError, UnsafePathError) as error:
                report.problems.append(str(error))


def _write_sidecar(
    photographs: Path,
    path: str,
    values: Mapping[Name, str | None],
    selection: Selection,
    report: WrittenSidecars,
) -> None:
    if not has_file(photographs, path):
        known = {name: value for name, value in values.items() if value is not None}
        write_file(photographs, path, make_packet({**known, WRITTEN: _note(known)}))
        report.paths.append(path)
        return
    packet, data = read_packet(photographs, path)
    there = {name: found.value.strip() for name, found in packet.properties.items()}
    own = set(there.get(WRITTEN, "").split())
    foreign = {
        name
        for name in values
        if name in there and there[name] not in _NEUTRAL[name] and f"{name[1]}={_quote(there[name])}" not in own
    }
    respected = {name for name in foreign if values[name] is None or not selection.overwrite}
    report.respected += sum(values[name] not in (None, there[name]) for name in respected)
    wanted = {name: value for name, value in values.items() if name not in respected}
    written = {name: value for name, value in wanted.items() if value is not None}
    try:
        changed = edit_packet(data, packet, {**wanted, WRITTEN: _note(written)})
    except XmpError as error:
        raise XmpError(f"{photographs / path}: {error}") from error
    write_file(photographs, path, changed)
    report.paths.append(path)


def _note(values: Mapping[Name, str]) -> str:
    return " ".join(f"{local}={_quote(value)}" for (_, local), value in values.items())


def _quote(value: str) -> str:
    """Without blanks, which part what was written."""
    return value.replace("%", "%25").replace(" ", "%20")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
