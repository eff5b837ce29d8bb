"""Inputs of a data set are computed once, found again by content, and the same with and without a cache."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from assessors import InputProvider
from assessors import provider as provider_module
from assessors.inputs import BurstInputs, make_inputs
from assessors.provider import decode_inputs, encode_inputs, find_content_keys
from manifests.operations.pack import pack_dataset
from manifests.schema import FRAMES
from manifests.store import read_dataset_table, table_path, write_table
from tests.synthetic import make_burst


def require_equal(first: BurstInputs, second: BurstInputs) -> None:
    for field in fields(BurstInputs):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


def test_what_is_stored_is_as_good_as_new() -> None:
    for shot in (1e-3, 0.0):
        made = make_inputs(make_burst(height=32, width=40, num_frames=3, shot=shot, read=shot / 100).burst)
        again = decode_inputs(encode_inputs(made))
        for field in fields(BurstInputs):
            before, after = getattr(made, field.name), getattr(again, field.name)
            assert type(before) is type(after)
            if field.name in {"planes", "aligned"}:
                step = max(1 / 32, np.abs(before).max() / 32767)
                assert np.abs(before - after).max() <= step * 0.51
            else:
                np.testing.assert_array_equal(before, after)


def test_they_are_computed_once(tiny_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = InputProvider(tiny_original, "all", cache=tmp_path / "cache")
    assert provider.burst_ids == ["phone-0", "tiny-0", "tiny-1", "tiny-2", "tiny-3"]
    first = [provider[position] for position in range(len(provider))]
    assert [one.num_frames for one in first] == [3, 2, 3, 4, 4]
    assert [one.is_mosaic for one in first] == [False, True, True, True, True]
    damaged = sorted((tmp_path / "cache").iterdir())[0]
    calls = []
    monkeypatch.setattr(provider_module, "make_inputs", lambda burst: calls.append(burst) or make_inputs(burst))
    pack_dataset(tiny_original, tmp_path / "pack")
    for root in (tiny_original, tmp_path / "pack"):
        again = InputProvider(root, None, cache=tmp_path / "cache")
        for position, one in enumerate(first):
            require_equal(again[position], one)
    assert not calls
    for data in (b"", damaged.read_bytes()[:-5], b"\x05\0\0\0\0\0\0\0hello", b"\x02\0\0\0\0\0\0\0{}"):
        damaged.write_bytes(data)
        again = InputProvider(tiny_original, None, cache=tmp_path / "cache")
        for position, one in enumerate(first):
            require_equal(again[position], one)
    assert len(calls) == 4


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tiny_original: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    require_equal(
        InputProvider(tiny_original, "test", cache=tmp_path / "file")[0],
        InputProvider(tiny_original, "test", cache=tmp_path / "cache")[0],
    )


def test_keys_follow_content(tiny: Path) -> None:
    before = find_content_keys(tiny)
    rows = read_dataset_table(tiny, "frames").to_pylist()
    rows[3]["exposure_ratio"] = 1.5  # of tiny-0
    rows[5]["homography"] = None  # an oracle: nothing depends on it
    write_table(tiny, table_path("frames"), FRAMES, rows)
    after = find_content_keys(tiny)
    assert {name for name in before if before[name] != after[name]} == {"tiny-0"}
    assert len(set(before.values())) == len(before)


def test_another_burst_than_there_is(tiny_original: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        InputProvider(tiny_original, "test", cache=tmp_path)[1]
