"""What a burst accepts, what it refuses by name, and what cannot be changed afterwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorers.burst import CFA, Burst, Domain
from restorers.errors import InvalidBurstError

PER_FRAME = ("shot_noise", "read_noise", "exposure_ratio", "timestamps")


def make_frames(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def make_raw(num_frames: int = 3, **changes: object) -> Burst:
    return Burst(**{"frames": make_frames(num_frames, 4, 6), "cfa": CFA.RGGB, **changes})


def make_rgb(num_frames: int = 3, domain: Domain = Domain.LINEAR_RGB, **changes: object) -> Burst:
    return Burst(**{"frames": make_frames(num_frames, 5, 7, 3), "domain": domain, **changes})


def with_value(value: float, *shape: int) -> np.ndarray:
    frames = make_frames(*shape)
    frames[(-1,) * len(shape)] = value
    return frames


@pytest.mark.parametrize("cfa", list(CFA))
def test_raw_burst(cfa):
    burst = make_raw(cfa=cfa, reference_index=2)
    assert burst.num_frames == 3
    assert burst.others == (0, 1)
    assert np.array_equal(burst.reference, burst.frames[2])
    assert np.shares_memory(burst.reference, burst.frames)


@pytest.mark.parametrize("domain", [Domain.LINEAR_RGB, Domain.SRGB])
def test_colour_burst_of_odd_sides(domain):
    assert make_rgb(domain=domain).frames.shape == (3, 5, 7, 3)


def test_defaults_say_what_is_not_known():
    burst = make_raw()
    assert burst.shot_noise is None
    assert burst.read_noise is None
    np.testing.assert_array_equal(burst.exposure_ratio, np.ones(3))
    assert np.isnan(burst.timestamps).all()
    assert burst.timestamps.shape == (3,)
    np.testing.assert_array_equal(burst.white_balance, np.ones(3))
    np.testing.assert_array_equal(burst.color_matrix, np.eye(3))


def test_linear_frames_may_fall_below_black_and_display_frames_may_not():
    assert make_raw(frames=with_value(-0.01, 3, 4, 6)).frames.min() < 0
    assert make_rgb(frames=with_value(-0.01, 3, 4, 6, 3)).frames.min() < 0
    with pytest.raises(InvalidBurstError, match=r"Burst\.frames"):
        make_rgb(domain=Domain.SRGB, frames=with_value(-0.01, 3, 4, 6, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": make_frames(3, 4, 6).astype(np.float64)}, "frames: expected float32, got float64"),
        ({"frames": np.zeros((3, 4, 6), np.uint16)}, "frames: expected float32, got uint16"),
        ({"frames": make_frames(4, 6)}, r"frames: expected \[T, H, W\], got shape \[4, 6\]"),
        ({"frames": make_frames(3, 4, 6, 3)}, r"frames: expected \[T, H, W\], got shape \[3, 4, 6, 3\]"),
        ({"frames": make_frames(0, 4, 6)}, r"frames: expected \[T, H, W\], got shape \[0, 4, 6\]"),
        ({"frames": make_frames(3, 0, 6)}, r"frames: expected \[T, H, W\], got shape \[3, 0, 6\]"),
        ({"frames": make_frames(3, 5, 6)}, r"frames: expected even sides, got \(5, 6\)"),
        ({"frames": make_frames(3, 4, 7)}, r"frames: expected even sides, got \(4, 7\)"),
        ({"frames": with_value(np.nan, 3, 4, 6)}, "frames: expected finite values, got NaN or infinity"),
        ({"frames": with_value(-np.inf, 3, 4, 6)}, "frames: expected finite values, got NaN or infinity"),
        ({"frames": with_value(1.01, 3, 4, 6)}, r"frames: expected values up to 1, the white level, got \[.*, 1\.01\]"),
        ({"frames": with_value(255, 3, 4, 6)}, r"frames: expected values up to 1, the white level, got \[.*, 255\]"),
        ({"frames": with_value(-1.5, 3, 4, 6)}, r"frames: .* got \[-1\.5, "),
        ({"cfa": None}, "cfa: expected one of RGGB, GRBG, GBRG, BGGR, got None"),
        ({"cfa": "RGGB"}, "cfa: expected one of RGGB, GRBG, GBRG, BGGR, got RGGB"),
        ({"reference_index": 3}, r"reference_index: expected 0\.\.2, got 3"),
        ({"reference_index": -1}, r"reference_index: expected 0\.\.2, got -1"),
        ({"reference_index": 1.0}, r"reference_index: expected 0\.\.2, got 1\.0"),
        ({"domain": "raw_bayer"}, "domain: expected one of raw_bayer, linear_rgb, srgb as a Domain, got 'raw_bayer'"),
        ({"black_level": 64, "white_level": 64}, "black_level: expected below 64, got 64"),
        ({"white_level": np.nan}, "black_level: expected below nan"),
        ({"shot_noise": np.ones(3)}, "read_noise: expected shot_noise and read_noise, or neither"),
        ({"read_noise": np.ones(3)}, "read_noise: expected shot_noise and read_noise, or neither"),
        (
            {"shot_noise": np.array([1, 1, -1]), "read_noise": np.ones(3)},
            "shot_noise: expected finite and not negative",
        ),
        ({"shot_noise": np.ones(3), "read_noise": np.full(3, np.nan)}, "read_noise: expected finite and not negative"),
        ({"shot_noise": np.empty(0), "read_noise": np.empty(0)}, "shot_noise: expected 3 numbers, one per frame"),
        ({"exposure_ratio": np.array([1, 0, 1])}, "exposure_ratio: expected positive, got 0"),
        ({"exposure_ratio": np.array([1, np.inf, 1])}, "exposure_ratio: expected finite and not negative"),
        ({"timestamps": np.array([0, np.inf, 1])}, "timestamps: expected finite or NaN"),
        ({"white_balance": np.ones(4)}, r"white_balance: expected 3 gains, got \(4,\)"),
        ({"white_balance": np.array([1, 0, 1])}, r"white_balance: expected positive, got \[1\.0, 0\.0, 1\.0\]"),
        ({"color_matrix": np.ones(9)}, r"color_matrix: expected 3 x 3, got \(9,\)"),
        ({"color_matrix": np.full((3, 3), np.nan)}, "color_matrix: expected finite"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, message):
    with pytest.raises(InvalidBurstError, match=rf"^Burst\.{message}"):
        make_raw(**changes)


@pytest.mark.parametrize("domain", [Domain.LINEAR_RGB, Domain.SRGB])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": make_frames(3, 4, 6)}, r"frames: expected \[T, H, W, 3\], got shape \[3, 4, 6\]"),
        ({"frames": make_frames(3, 4, 6, 4)}, r"frames: expected \[T, H, W, 3\], got shape \[3, 4, 6, 4\]"),
        ({"frames": make_frames(3, 3, 4, 6)}, r"frames: expected \[T, H, W, 3\], got shape \[3, 3, 4, 6\]"),
        ({"cfa": CFA.RGGB}, r"cfa: expected None for \w+, got RGGB"),
    ],
)
def test_colour_bursts_have_three_channels_and_no_filter(domain, changes, message):
    with pytest.raises(InvalidBurstError, match=rf"^Burst\.{message}"):
        make_rgb(domain=domain, **changes)


@pytest.mark.parametrize("name", PER_FRAME)
@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), ()])
def test_metadata_has_one_number_per_frame(name, shape):
    noise = {"shot_noise": np.ones(3), "read_noise": np.ones(3)} if name.endswith("noise") else {}
    with pytest.raises(InvalidBurstError, match=rf"Burst\.{name}: expected 3 numbers, one per frame, got shape"):
        make_raw(**{**noise, name: np.ones(shape)})


def test_nothing_can_be_changed():
    given_noise = np.ones(3)
    burst = make_raw(
        shot_noise=given_noise, read_noise=np.ones(3), exposure_ratio=np.ones(3), timestamps=np.arange(3.0)
    )
    with pytest.raises(FrozenInstanceError):
        burst.reference_index = 1
    for name in ("frames", "reference", *PER_FRAME, "white_balance", "color_matrix"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(burst, name)[...] = 0
    given_noise[:] = 7
    np.testing.assert_array_equal(burst.shot_noise, np.ones(3))


def test_frames_are_not_copied():
    frames = make_frames(3, 4, 6)
    burst = make_raw(frames=frames)
    assert np.shares_memory(burst.frames, frames)
    assert frames.flags.writeable


@st.composite
def bursts(draw: st.DrawFn) -> Burst:
    count = draw(st.integers(1, 6))
    known = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    noise = {name: rng.uniform(0, 1, count) for name in ("shot_noise", "read_noise")} if known else {}
    return make_raw(
        count,
        reference_index=draw(st.integers(0, count - 1)),
        exposure_ratio=rng.uniform(0.5, 2, count),
        timestamps=np.arange(float(count)),
        **noise,
    )


@given(burst=bursts(), data=st.data())
def test_subsets_keep_order_reference_and_metadata(burst, data):
    members = data.draw(st.lists(st.integers(0, burst.num_frames - 1)))
    kept = sorted({burst.reference_index, *members})
    part = burst.subset(members)
    assert np.array_equal(part.frames, burst.frames[kept])
    assert np.array_equal(part.reference, burst.reference)
    assert part.others == tuple(i for i, index in enumerate(kept) if index != burst.reference_index)
    for name in PER_FRAME:
        whole, some = getattr(burst, name), getattr(part, name)
        assert (some is None) == (whole is None)
        if whole is not None:
            np.testing.assert_array_equal(some, whole[kept])
    assert (part.domain, part.cfa) == (burst.domain, burst.cfa)


@given(burst=bursts(), data=st.data())
def test_single_frames_and_other_references(burst, data):
    index = data.draw(st.integers(0, burst.num_frames - 1))
    alone = burst.single(index)
    assert alone.num_frames == 1
    assert alone.others == ()
    assert np.array_equal(alone.reference, burst.frames[index])
    assert alone.exposure_ratio[0] == burst.exposure_ratio[index]
    turned = burst.with_reference(index)
    assert turned.reference_index == index
    assert turned.exposure_ratio[index] == 1
    assert np.array_equal(turned.frames, burst.frames)
    assert np.array_equal(replace(turned, reference_index=burst.reference_index).reference, burst.reference)


@pytest.mark.parametrize("members", [[3], [-1], [0, 7]])
def test_subsets_of_absent_frames_are_refused(members):
    with pytest.raises(InvalidBurstError, match=r"members: expected indices 0\.\.2"):
        make_raw().subset(members)


@pytest.mark.parametrize("index", [-1, 3])
@pytest.mark.parametrize("method", ["single", "with_reference"])
def test_absent_frames_are_refused(method, index):
    with pytest.raises(InvalidBurstError, match=rf"index: expected 0\.\.2, got {index}"):
        getattr(make_raw(), method)(index)


def test_filter_names_its_channels():
    assert CFA.RGGB.channels == (0, 1, 1, 2)
    assert CFA.GRBG.channels == (1, 0, 2, 1)
    assert CFA.GBRG.channels == (1, 2, 0, 1)
    assert CFA.BGGR.channels == (2, 1, 1, 0)
