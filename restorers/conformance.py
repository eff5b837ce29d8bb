"""Does a restorer keep its word? Checks that any restorer must pass before its labels mean anything."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from restorers.base import BatchRestorer, LinearMerge, Restorer, SubsetRestorer, check_image
from restorers.burst import Burst, Domain, FloatImage
from restorers.errors import RestorerError
from restorers.imaging.color import decode_srgb
from restorers.registry import create, fingerprint_scenario
from restorers.trial import make_sample_burst

Outcome = Literal["pass", "note", "fail"]
_TOLERANCE = 1e-4
"""Largest difference of two images that count as equal: a hundredth of what one grey level of 8 bits is."""
_REPEATS = 6


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        check: its name.
        outcome: `fail` spoils labels, `note` is worth knowing.
        detail: what was seen, and what to mend.
    """

    check: str
    outcome: Outcome
    detail: str


def check_restorer(scenario: str, *, side: int = 64) -> list[Finding]:
    """Run all checks on a restorer, given by any name that `create` takes.

    Args:
        scenario: its name.
        side: side of the sample frames, even.

    Raises:
        RestorerError: if it cannot be built at all.
    """
    restorer = create(scenario)
    burst = make_sample_burst(restorer.info, num_frames=5, side=side)
    findings = [_check_facts(scenario, restorer)]
    try:
        image = restorer.restore(burst)
        check_image(restorer.info, burst, image)
    except Exception as error:  # noqa: BLE001  # whatever it raises is the finding
        reason = str(error) if isinstance(error, RestorerError) else f"{type(error).__name__}: {error}"
        return [*findings, Finding("restores", "fail", f"{reason}; it must return one finite image")]
    findings.append(Finding("restores", "pass", f"float [{', '.join(map(str, image.shape))}]"))
    checks: tuple[Callable[[str, Restorer, Burst, FloatImage], Iterator[Finding]], ...] = (
        _check_values,
        _check_determinism,
        _check_subsets,
        _check_batches,
        _check_lengths,
        _check_order,
        _check_exposure,
        _check_memory,
    )
    for check in checks:
        name = check.__name__.removeprefix("_check_")
        try:
            findings += check(scenario, restorer, burst, image)
        except Exception as error:  # noqa: BLE001  # whatever it raises is the finding
            findings.append(Finding(name, "fail", f"raises {type(error).__name__}: {error}"))
    return findings


def try_restorer(restorer: Restorer, domain: Domain, *, num_frames: int, side: int) -> list[Finding]:
    """The checks that take no longer than two restorations: shape, finiteness, type and range of the result, equal bits.

    Args:
        restorer: to be tried, of a kind that takes bursts of this domain.
        domain: of the made-up burst.
        num_frames: of it, as far as the restorer takes so many.
        side: of its frames, px, even.

    Raises:
        Exception: whatever the restorer raises.
    """
    info = replace(restorer.info, input_domains=frozenset({domain}))
    burst = make_sample_burst(info, num_frames=num_frames, side=side)
    image = restorer.restore(burst)
    try:
        check_image(restorer.info, burst, image)
    except RestorerError as error:
        return [Finding("restores", "fail", str(error))]
    return [*_check_values("", restorer, burst, image), *_compare_runs(restorer, image, [restorer.restore(burst)])]


def _check_facts(scenario: str, restorer: Restorer) -> Finding:
    info = restorer.info
    missing = [name for name in ("task", "version", "input_domains", "license") if not getattr(info, name)]
    if missing:
        return Finding("facts", "fail", f"info lacks {', '.join(missing)}")
    first, second = (fingerprint_scenario(scenario, create(scenario)) for _ in range(2))
    if first != second:
        return Finding(
            "facts", "fail", "two instances have different fingerprints: fields must be plain, constant values"
        )
    if not info.paper:
        return Finding("facts", "note", "info.paper is empty: say what it follows")
    return Finding("facts", "pass", f"{info.task}, fingerprint {first[:12]}")


def _check_values(_scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    if image.dtype != np.float32:
        yield Finding("dtype", "fail", f"expected float32, got {image.dtype}: end with .astype(np.float32)")
    else:
        yield Finding("dtype", "pass", "float32")
    if np.shares_memory(image, burst.frames):
        yield Finding("range", "note", "the output shares memory with the burst: return a copy if it is changed later")
    to_display = restorer.info.output_for(burst.domain) is Domain.SRGB
    seen_light = decode_srgb(burst.reference) if burst.domain is Domain.SRGB and not to_display else burst.reference
    level, expected = float(np.mean(image)), float(seen_light.mean() / burst.exposure_ratio[burst.reference_index])
    low, high = (float(np.quantile(image, q)) for q in (0.005, 0.995))
    least, most = (0.0, 1.0) if to_display else (-0.5, 4.0)
    fits = least <= low <= high <= most and (to_display or 0.05 * expected <= level <= 2 * expected)
    dark = not to_display and level < 0.5 * expected
    seen = f"99 % of values in [{low:.3g}, {high:.3g}], mean {level:.3g}; that of the reference is {expected:.3g}"
    if fits and not dark:
        yield Finding("range", "pass", seen)
    else:
        yield Finding("range", "note" if fits else "fail", f"{seen}: {_advise_range(level, expected)}")


def _advise_range(level: float, expected: float) -> str:
    for white in (255, 1023, 4095, 16383, 65535):
        if 0.5 * white * expected <= level <= 2 * white * expected:
            return f"1 must be white, not {white}: divide the result by {white}"
    return "1 must be white, and the brightness that of the reference in the exposure of ratio 1"


def _check_determinism(scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    yield from _compare_runs(restorer, image, [restorer.restore(burst), create(scenario).restore(burst)])


def _compare_runs(restorer: Restorer, image: FloatImage, others: Sequence[FloatImage]) -> Iterator[Finding]:
    same = all(np.array_equal(image, other) for other in others)
    if same == restorer.info.deterministic:
        yield Finding("determinism", "pass", "equal bits" if same else "not deterministic, as it says")
    elif same:
        yield Finding("determinism", "note", "equal bits, though info.deterministic is False")
    else:
        difference = max(float(np.abs(image - each).max()) for each in others)
        yield Finding(
            "determinism",
            "fail",
            f"equal bursts differ by up to {difference:.2g}: seed it, or set info.deterministic = False",
        )


def _check_subsets(_scenario: str, restorer: Restorer, burst: Burst, _image: FloatImage) -> Iterator[Finding]:
    subsets = [(), burst.others[:1], burst.others[1:], burst.others]
    if isinstance(restorer, LinearMerge):
        contributions = restorer.contributions(burst)
        pairs = [
            (contributions[sorted({burst.reference_index, *members})].mean(0), restorer.restore(burst.subset(members)))
            for members in subsets
        ]
        claim = "contributions(burst)[[reference, *members]].mean(0)"
    elif isinstance(restorer, SubsetRestorer):
        prepared = restorer.prepare(burst)
        pairs = [(restorer.fuse(prepared, members), restorer.restore(burst.subset(members))) for members in subsets]
        claim = "fuse(prepare(burst), members)"
    else:
        if not restorer.info.single_frame:
            yield Finding(
                "subsets",
                "note",
                "a plain Restorer: every subset is a fresh run; prepare and fuse would save most of it",
            )
        return
    difference = max(float(np.abs(first - second).max()) for first, second in pairs)
    if difference <= _TOLERANCE:
        yield Finding("subsets", "pass", f"{claim} equals restore(burst.subset(members)) to {difference:.1g}")
    else:
        yield Finding(
            "subsets", "fail", f"{claim} differs from restore(burst.subset(members)) by up to {difference:.2g}"
        )


def _check_batches(_scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    if not isinstance(restorer, BatchRestorer):
        return
    darker = replace(burst, frames=burst.frames * np.float32(0.5))
    other, together = restorer.restore(darker), restorer.restore_many([burst, darker])
    if len(together) != 2:
        yield Finding("batches", "fail", f"restore_many returns {len(together)} images for 2 bursts")
        return
    difference = max(float(np.abs(one - many).max()) for one, many in zip((image, other), together, strict=True))
    if difference <= _TOLERANCE:
        yield Finding("batches", "pass", f"restore_many equals restore to {difference:.1g}")
    else:
        yield Finding("batches", "fail", f"restore_many differs from restore by up to {difference:.2g}")


def _check_lengths(_scenario: str, restorer: Restorer, burst: Burst, _image: FloatImage) -> Iterator[Finding]:
    info = restorer.info
    for number in range(info.min_frames, burst.num_frames + 1):
        some = burst.subset(burst.others[: number - 1])
        try:
            check_image(info, some, restorer.restore(some))
        except Exception as error:  # noqa: BLE001  # whatever it raises is the finding
            yield Finding(
                "lengths", "fail", f"{number} frames: {error}; correct it, or info.min_frames and info.max_frames"
            )
            return
    if info.min_frames > 1:
        detail = f"needs {info.min_frames} frames: leave_one_out and add_one miss the reference alone"
        yield Finding("lengths", "note", detail)
    else:
        yield Finding("lengths", "pass", f"1 to {burst.num_frames} frames")


def _check_order(_scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    if burst.num_frames < 3:
        return
    order = [burst.reference_index, *reversed(burst.others)]
    shuffled = replace(  # the sample's frames differ in their pixels alone
        burst, frames=burst.frames[order], reference_index=0
    )
    difference = float(np.abs(restorer.restore(shuffled) - image).max())
    if difference <= _TOLERANCE:
        yield Finding("order", "pass", f"other orders of the frames change it by {difference:.1g}")
    else:
        yield Finding(
            "order", "note", f"depends on the order of the frames (by up to {difference:.2g}); so will its labels"
        )


def _check_exposure(_scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    if burst.domain is Domain.SRGB or restorer.info.output_for(burst.domain) is Domain.SRGB:
        return
    darker = replace(
        burst,
        frames=burst.frames * np.float32(0.5),
        exposure_ratio=np.full(burst.num_frames, 0.5),
        shot_noise=None if burst.shot_noise is None else burst.shot_noise / 2,
        read_noise=None if burst.read_noise is None else burst.read_noise / 4,
    )
    ratio = float(restorer.restore(darker).mean() / image.mean())
    if 0.9 < ratio < 1.1:
        yield Finding("exposure", "pass", f"half the exposure gives {ratio:.3f} times the brightness")
    else:
        detail = f"half the exposure gives {ratio:.2f} times the brightness, it should give 1: divide frames by burst.exposure_ratio"
        yield Finding("exposure", "fail", detail)


def _check_memory(_scenario: str, restorer: Restorer, burst: Burst, image: FloatImage) -> Iterator[Finding]:
    restorer.restore(burst)
    before, start = _resident_bytes(), time.perf_counter()
    for _ in range(_REPEATS):
        restorer.restore(burst)
    seconds = (time.perf_counter() - start) / _REPEATS
    growth = max(_resident_bytes() - before, 0) / _REPEATS
    if growth > burst.frames.nbytes + image.nbytes:
        yield Finding("memory", "fail", f"each run adds {growth / 2**20:.1f} MiB that stay: something keeps the images")
    else:
        yield Finding("memory", "pass", f"{_REPEATS} runs add {growth * _REPEATS / 2**20:.1f} MiB")
    pixels = burst.num_frames * burst.frames.shape[1] * burst.frames.shape[2]
    yield Finding(
        "speed", "pass", f"{seconds * 1e6 / pixels:.2g} s per megapixel-frame on frames of {burst.frames.shape[2]} px"
    )


def _resident_bytes() -> int:
    """Memory that this process holds now; its high-water mark may be that of something long gone."""
    with Path("/proc/self/statm").open(encoding="ascii") as status:
        return int(status.read().split()[1]) * resource.getpagesize()
