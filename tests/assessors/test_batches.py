"""Bursts of several lengths side by side, and some of their frames."""

from __future__ import annotations

import numpy as np

from assessors.batches import Drawing, FeatureLessons, choose_frames
from assessors.pixel_lessons import Wants
from tests.assessors.pixel_data import make_lessons

WANTS = Wants(teachers=True, factors=True, truth=True)


def test_frames_are_drawn_with_the_reference() -> None:
    rng = np.random.default_rng(0)
    assert choose_frames(rng, 4, None).tolist() == [0, 1, 2, 3]
    assert choose_frames(rng, 4, 6, 2).tolist() == [0, 1, 2, 3]
    drawn = [choose_frames(rng, 6, 3, 4) for _ in range(40)]
    assert all(len(one) == 3 and 4 in one and (np.diff(one) > 0).all() for one in drawn)
    assert {int(frame) for one in drawn for frame in one} == set(range(6))
    assert any(4 not in choose_frames(rng, 6, 3) for _ in range(40))


def test_a_batch_has_what_its_frames_have() -> None:
    lessons = make_lessons(0, 4, WANTS)
    chosen, heads = np.array([2, 0, 1]), np.array([0, 1])
    batch = lessons.draw(chosen, heads, Drawing(frames=3, window=8), np.random.default_rng(1))
    assert batch.mask.sum(1).tolist() == [3, 3, 3]
    assert batch.inputs["pixels"].shape == (3, 3, 4, 8, 8)
    assert batch.inputs["taught"].shape == (3, 2, 3, 2, 2)
    assert batch.inputs["truth"].shape == (3, 4, 8, 8)
    for row, place in enumerate(chosen):
        table = lessons.facts_of(int(place))
        frames = [int(np.argmin(np.abs(table - own.numpy()).sum(1))) for own in batch.inputs["facts"][row]]
        np.testing.assert_array_equal(batch.inputs["facts"][row], table[frames])
        labels = lessons.worth[place][:, frames]
        np.testing.assert_array_equal(batch.known[row], np.isfinite(labels))
        np.testing.assert_allclose(batch.worth[row], np.nan_to_num(labels.clip(-3, 3)), rtol=1e-6)
        np.testing.assert_array_equal(batch.inputs["factors"][row], lessons.factors[place][frames])
        reference = lessons.provider[int(place)].reference_index
        assert batch.inputs["reference"][row].tolist() == [float(frame == reference) for frame in frames]
        # What teachers know does not vary within a frame here, so that turns do not matter.
        np.testing.assert_array_equal(batch.inputs["taught"][row, 0, :, 0, 0], lessons.taught[place][0][frames, 0, 0])
        assert batch.inputs["taught"][row, 1].isnan().all()


def test_pixels_maps_and_masks_are_turned_alike() -> None:
    lessons = make_lessons(0, 1, WANTS, sides=(8, 8))
    inputs = lessons.provider[0]
    inputs.valid[:] = np.random.default_rng(0).random((8, 8)) > 0.5
    lessons.taught[0][0][:] = inputs.valid[0].reshape(2, 4, 2, 4).mean((1, 3))
    inputs.aligned[:] = inputs.valid[:, None] * 100.0 + inputs.planes[inputs.reference_index].mean()
    seen = set()
    for seed in range(30):
        batch = lessons.draw(np.array([0]), np.arange(2), Drawing(window=8), np.random.default_rng(seed))
        valid = batch.inputs["valid"][0, 0].numpy()
        np.testing.assert_array_equal(batch.inputs["pixels"][0, 0, 0].numpy() > 6, valid > 0.5)
        np.testing.assert_allclose(
            batch.inputs["taught"][0, 0, 0].numpy(), valid.reshape(2, 4, 2, 4).mean((1, 3)), atol=1e-6
        )
        seen.add(valid.tobytes())
    assert len(seen) == 8


def test_one_task_or_all() -> None:
    lessons = make_lessons(0, 2, WANTS)
    batch = lessons.draw(np.array([0, 1]), np.array([1]), Drawing(window=8), np.random.default_rng(0))
    assert batch.heads.tolist() == [1]
    assert batch.worth.shape[:2] == batch.known.shape[:2] == (2, 1)
    assert batch.inputs["taught"][:, 0][batch.mask].isnan().all()


def test_features_are_drawn_as_they_are() -> None:
    lessons = FeatureLessons(make_lessons(0, 3, Wants()).examples)
    batch = lessons.draw(np.array([1, 2]), np.arange(2), Drawing(frames=2, dropout=0.5), np.random.default_rng(0))
    assert batch.inputs["features"].shape == (2, 2, len(lessons.examples.names))
    assert set(np.unique(batch.inputs["keep"])) == {0.0, 1.0}
    for row, place in enumerate((1, 2)):
        table = lessons.examples.features[place]
        for frame in batch.inputs["features"][row].numpy():
            assert (np.abs(table - frame).sum(1) == 0).any()
