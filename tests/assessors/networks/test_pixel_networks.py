"""What all networks that see pixels must hold: frames are a set, what is not there is not seen, training can be interrupted, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from assessors import create_assessor
from assessors.batches import Drawing
from assessors.errors import InvalidAssessorError
from assessors.model_files import PIXEL_KINDS, save_model
from assessors.networks.buiqa import BuiqaSettings
from assessors.networks.catalogue import KINDS, NetworkAssessor, build_network, name_kind
from assessors.networks.memory import MemorySettings
from assessors.networks.multitask import MultitaskSettings
from assessors.networks.threads import one_thread
from assessors.training import TrainingSettings, train_on_pixels
from tests.assessors.pixel_data import HEADS, make_lessons, make_random_inputs

SMALL = {
    "buiqa": BuiqaSettings(width=4, prompt_width=4, token=8, attention_heads=2, set_blocks=1, distillation=1.0),
    "frame": MemorySettings(width=4, words=5),
    "truth": MemorySettings(width=4, words=5, reference="truth"),
    "none": MemorySettings(width=4, words=5, reference="none"),
    "multitask": MultitaskSettings(width=4, token=8, attention_heads=2, facts="camera"),
}
SHORT = TrainingSettings(steps=4, batch=2, every=2, frames=3, tasks=1, window=8, foundation=1, seed=3)
each = pytest.mark.parametrize("kind", sorted(SMALL))
at_least_one = pytest.mark.parametrize(
    "kind", ["buiqa", *(pytest.param(kind, marks=pytest.mark.slow) for kind in sorted(SMALL) if kind != "buiqa")]
)


def build(kind: str, seed: int = 1):
    settings = SMALL[kind]
    network = build_network(settings, len(make_lessons(0, 1, settings.wants).names), len(HEADS), seed=seed)
    # Adapters begin as nothing, and would hide what goes through them.
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def judge(network, inputs, mask):
    with torch.inference_mode(), one_thread():
        return network.judge(inputs, mask, torch.arange(len(HEADS)))


def test_every_kind_is_known_where_kinds_are_named() -> None:
    assert tuple(sorted(KINDS)) == PIXEL_KINDS
    assert {name_kind(settings) for settings in SMALL.values()} == set(KINDS)


@each
def test_frames_are_a_set(kind: str) -> None:
    network, lessons = build(kind), make_lessons(2, 1, SMALL[kind].wants)
    batch = lessons.whole(0)
    scores = judge(network, batch.inputs, batch.mask)
    frames = batch.mask.shape[1]
    assert scores.shape == (1, 2, frames)
    assert float(scores.std(-1).min()) > 1e-4
    assert not torch.allclose(scores[:, 0], scores[:, 1])  # tasks differ
    order = torch.from_numpy(np.random.default_rng(0).permutation(frames))
    turned = {name: value[:, order] for name, value in batch.inputs.items()}
    torch.testing.assert_close(judge(network, turned, batch.mask[:, order]), scores[..., order], rtol=1e-4, atol=1e-5)


@each
def test_what_is_not_there_is_not_seen(kind: str) -> None:
    network, lessons = build(kind), make_lessons(2, 2, SMALL[kind].wants)
    batch = lessons.whole(0)
    scores = judge(network, batch.inputs, batch.mask)
    padded = {}
    for name, value in batch.inputs.items():
        filling = torch.full((1, 2, *value.shape[2:]), 0.0 if name == "reference" else 3.0)
        padded[name] = torch.cat([value, filling], 1)
    mask = torch.cat([batch.mask, torch.zeros(1, 2, dtype=torch.bool)], 1)
    seen = judge(network, padded, mask)[..., : batch.mask.shape[1]]
    torch.testing.assert_close(seen, scores, rtol=1e-4, atol=1e-5)


@each
def test_other_bursts_of_a_batch_change_nothing(kind: str) -> None:
    network, lessons = build(kind), make_lessons(2, 3, SMALL[kind].wants)
    generator = np.random.default_rng(0)
    both = lessons.draw(np.array([0, 2]), np.arange(2), Drawing(window=8), generator)
    first = {name: value[:1] for name, value in both.inputs.items()}
    torch.testing.assert_close(
        judge(network, first, both.mask[:1]), judge(network, both.inputs, both.mask)[:1], rtol=1e-4, atol=1e-5
    )


@at_least_one
def test_resumed_training_ends_as_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    lessons, validation = make_lessons(0, 3, SMALL[kind].wants), make_lessons(1, 1, SMALL[kind].wants)

    def train(**changes):
        arguments = {"settings": SHORT, "sizes": SMALL[kind], "name": "net", "metric": "psnr", **changes}
        return train_on_pixels(lessons, validation, **arguments)

    whole = train()
    checkpoint = tmp_path / "checkpoint"
    train(checkpoint=checkpoint, stop_after=3)  # in between: goes on from step 2
    resumed = train(checkpoint=checkpoint)
    assert whole.header == resumed.header
    began = build_network(SMALL[kind], len(lessons.names), len(HEADS), seed=SHORT.seed).state_dict()
    arrays = whole.to_arrays()
    assert any(not np.array_equal(began[key].numpy(), value) for key, value in arrays.items())
    for key, value in resumed.to_arrays().items():
        np.testing.assert_array_equal(arrays[key], value, err_msg=key)
    with pytest.raises(InvalidAssessorError, match="is of another training"):
        train(checkpoint=checkpoint, settings=replace(SHORT, seed=4))


@at_least_one
def test_models_come_back_from_their_files(kind: str, tmp_path: Path) -> None:
    settings = SMALL[kind]
    lessons = make_lessons(0, 3, settings.wants)
    trained = train_on_pixels(lessons, lessons, replace(SHORT, steps=1), settings, name="net", metric="psnr")
    # Facts by names that measuring knows.
    assert isinstance(trained, NetworkAssessor)
    path = tmp_path / "net.safetensors"
    save_model(path, trained.header, trained.to_arrays())
    loaded = create_assessor(str(path))
    assert loaded.info == trained.info
    assert loaded.info.scenarios == ("denoise/hdrplus", "denoise/nlm")
    inputs = make_random_inputs(np.random.default_rng(5), 4, 12, 16)
    for scenario in loaded.info.scenarios:
        scores = loaded.score(inputs, scenario)
        np.testing.assert_array_equal(scores, trained.score(inputs, scenario))
        assert scores.shape == (4,)
    with pytest.raises(KeyError):
        loaded.score(inputs, "sr/other")
    # Other sizes, such as would take all memory, and none.
    for changes in ({"width": 8}, {"width": 10**9}):
        header = replace(trained.header, settings={**trained.header.settings, **changes})
        save_model(path, header, trained.to_arrays())
        with pytest.raises(InvalidAssessorError, match="do not fit its header"):
            create_assessor(str(path))
    save_model(path, replace(trained.header, settings={}), {})
    with pytest.raises(InvalidAssessorError, match="do not fit its header"):
        create_assessor(str(path))


def make_tasks_alike(lessons):
    """What is worth more under the one task is under the other: the likeness to a reference can tell nothing else."""
    worth = tuple(np.stack([first, -second]) for first, second in lessons.examples.worth)
    return replace(lessons, examples=replace(lessons.examples, worth=worth))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["buiqa", "frame", "multitask"])
def test_they_learn_what_pixels_tell(kind: str) -> None:
    settings = SMALL[kind]
    lessons, validation = make_lessons(0, 40, settings.wants), make_lessons(100, 20, settings.wants)
    if kind == "frame":
        lessons, validation = make_tasks_alike(lessons), make_tasks_alike(validation)
    seen: list[float] = []
    how = TrainingSettings(steps=120, batch=8, every=30, rate=5e-3, window=12, dropout=0, seed=0)
    train_on_pixels(
        lessons, validation, how, settings, name="net", metric="psnr", watch=lambda row: seen.append(row["spearman"])
    )
    assert max(seen) > 0.4


def test_a_training_says_what_its_network_adds(tmp_path: Path) -> None:
    lessons = make_lessons(0, 3, SMALL["buiqa"].wants)
    rows: list[dict[str, float]] = []
    how = replace(SHORT, tasks=None)
    train_on_pixels(
        lessons, lessons, how, SMALL["buiqa"], name="net", metric="psnr", watch=lambda row: rows.append(dict(row))
    )
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 < row["added"] <= row["loss"] for row in rows)


def test_the_foundation_learns_what_is_added_alone() -> None:
    lessons = make_lessons(0, 3, SMALL["buiqa"].wants)
    how = replace(SHORT, foundation=4, decay=0.0, tasks=None)
    trained = train_on_pixels(lessons, lessons, how, SMALL["buiqa"], name="net", metric="psnr").network.state_dict()
    began = build_network(SMALL["buiqa"], len(lessons.names), len(HEADS), seed=SHORT.seed).state_dict()
    changed = {key.split(".")[0] for key, value in began.items() if not torch.equal(value, trained[key])}
    assert changed - {"mean", "deviation"} <= {"prompts"}
