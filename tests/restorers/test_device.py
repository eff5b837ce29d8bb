"""Where networks compute, and how several restorations become one call; what needs a GPU is skipped where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from dataset_builder.build import add_labels
from dataset_builder.cli.main import main
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.units import _create_once
from dataset_builder.recipe import parse_scenario
from dataset_builder.work.unit import run_unit
from manifests.description import read_description
from manifests.store import labels_path, read_dataset_table, read_labels
from restorers import BatchRestorer, Domain, RestorerInfo, create, device
from restorers.adapters.network import Signature, make_restorer
from restorers.device import TOLERANCE, choose_device, run_in_batches, run_on
from restorers.errors import InvalidRestorerError, MissingExtraError, UnavailableDeviceError
from restorers.fidelity import PSNR
from restorers.learned import demosaicnet, realesrgan
from restorers.registry import fingerprint_scenario
from tests.photographs import write_photographs
from tests.pretend_cuda import pretend_cuda
from tests.synthetic import make_burst

RAW = Domain.RAW_BAYER
INFO = RestorerInfo("denoise", "1", frozenset({RAW}), RAW)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Movable:
    """A restorer of one's own that can compute on either device."""

    def __init__(self, device="cpu"):
        self.info = dataclasses.replace(INFO, device=device)

    def restore(self, burst):
        return burst.frames.mean(axis=0)


class Silent(Movable):
    """Does not say where it computes."""

    def __init__(self, device="cpu"):
        self.info = INFO


@dataclasses.dataclass
class InProcess:
    """Runs units in this process, which believes that there is a GPU."""

    device: str

    def run(self, units, root):
        for unit in units:
            yield unit, run_unit(unit, root)


def pretend(monkeypatch, *, cuda):
    monkeypatch.setattr(device, "_has_cuda", lambda: cuda)


def make_task(num_frames=6):
    sample = make_burst("coffee", height=64, width=64, num_frames=num_frames, reference_index=2, max_shift=2)
    return LabelingTask(sample.burst, sample.high_resolution, sample.scale, sample.homographies)


def count_calls(network):
    sizes = []

    def run(frames):
        sizes.append(len(frames))
        return network(frames)

    return run, sizes


def make_network(network, *, where, burst=True):
    run, sizes = count_calls(network)
    info = dataclasses.replace(INFO, device=where)
    restorer = make_restorer(run, Signature(domain=RAW, channels=1, burst=burst), info)
    sizes.clear()
    return restorer, sizes


@pytest.mark.parametrize(
    ("asked", "there", "chosen"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_the_choice_of_a_device(monkeypatch, asked, there, chosen):
    pretend(monkeypatch, cuda=there)
    assert choose_device(asked) == chosen


def test_a_device_that_is_not_there_is_refused_with_the_way_out(monkeypatch):
    pretend(monkeypatch, cuda=False)
    with pytest.raises(
        UnavailableDeviceError,
        match="no CUDA device here; install a PyTorch built for CUDA and the driver, or say auto or cpu",
    ):
        choose_device("cuda")
    with pytest.raises(UnavailableDeviceError, match="expected auto, cpu, cuda, got 'gpu'"):
        choose_device("gpu")


@pytest.mark.parametrize("command", [["build", "no.toml", "--out", "out"], ["label", "no", "--scenario", "denoise/mean"],
                                     ["reliability", "no"], ["restore", "no", "burst", "--scenario", "denoise/mean"]])  # fmt: skip
def test_commands_refuse_it_before_anything_else(monkeypatch, command):
    pretend(monkeypatch, cuda=False)
    result = CliRunner().invoke(main, [*command, "--device", "cuda"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: device cuda: PyTorch sees no CUDA device here")


def test_restorers_that_take_a_device_get_it(monkeypatch):
    pretend(monkeypatch, cuda=True)
    name = f"{__name__}:Movable"
    assert [create(name, device=asked).info.device for asked in ("cpu", "auto", "cuda")] == ["cpu", "cuda", "cuda"]
    assert create(name).info.device == "cpu"
    assert create("denoise/mean", device="cuda").info.device == "cpu"
    with pytest.raises(InvalidRestorerError, match=r"got device='cuda', but its info\.device says 'cpu'"):
        create(f"{__name__}:Silent", device="cuda")


def test_only_another_device_changes_the_fingerprint(monkeypatch):
    pretend(monkeypatch, cuda=True)
    name = f"{__name__}:Movable"
    prints = [fingerprint_scenario(name, create(name, device=asked)) for asked in ("cpu", "auto", "cuda")]
    assert prints[0] != prints[1] == prints[2]
    plain = [fingerprint_scenario("denoise/mean", create("denoise/mean", device=asked)) for asked in ("cpu", "cuda")]
    assert plain[0] == plain[1]


def test_tf32_is_off_while_a_network_runs_on_a_gpu(monkeypatch):
    before = torch.backends.cudnn.allow_tf32
    seen = []

    def network(frames):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic))
        return frames

    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, where: tensor if where == "cuda" else None)
    frames = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(run_on(network, "cuda")(frames), frames)
    assert seen == [(False, True)]
    assert torch.backends.cudnn.allow_tf32 == before


def test_inputs_of_one_shape_go_together(monkeypatch):
    monkeypatch.setattr(device, "BATCH_PIXELS", 3 * 8 * 8)
    rng = np.random.default_rng(0)
    shapes = [(1, 1, 8, 8), (1, 1, 16, 8), (1, 1, 8, 8), (1, 3, 1, 8, 8), (1, 1, 8, 8), (1, 1, 8, 8), (1, 1, 40, 40)]
    inputs = [rng.random(shape, np.float32) for shape in shapes]
    run, sizes = count_calls(lambda frames: 2 * frames)
    outputs = run_in_batches(run, inputs)
    for one, other in zip(inputs, outputs, strict=True):
        np.testing.assert_array_equal(2 * one, other)
    assert sorted(sizes) == [1, 1, 1, 1, 3]


@pytest.mark.parametrize("estimator", ["leave_one_out", "add_one", "shapley(exact)", "shapley(0.05)", "marginal(2)"])
def test_on_a_gpu_subsets_are_restored_together_with_equal_results(estimator):
    def network(frames):
        return np.sqrt(np.abs(frames)).mean(axis=1)

    estimates = []
    for where in ("cpu", "cuda"):
        restorer, sizes = make_network(network, where=where)
        game = FidelityGame(restorer, make_task(), PSNR)
        estimates.append(find_estimator(estimator).function(game, np.random.default_rng(0)))
        assert (max(sizes) > 1) == (where == "cuda")
    np.testing.assert_allclose(estimates[0].score, estimates[1].score, atol=1e-4)
    assert estimates[0].num_evaluations.tolist() == estimates[1].num_evaluations.tolist()


def test_on_a_gpu_frames_are_restored_together():
    estimates = []
    for where, calls in (("cpu", [1] * 6), ("cuda", [6])):
        restorer, sizes = make_network(lambda frames: 0.9 * frames, where=where, burst=False)
        estimates.append(find_estimator("solo").function(FidelityGame(restorer, make_task(), PSNR), None))
        assert sizes == calls
    np.testing.assert_allclose(estimates[0].score, estimates[1].score, atol=1e-4)


def test_networks_made_for_one_input_get_one():
    def only_one(frames):
        assert len(frames) == 1, "made for one"
        return frames.mean(axis=1)

    restorer, sizes = make_network(only_one, where="cuda")
    assert isinstance(restorer, BatchRestorer)
    assert not restorer.takes_batches
    find_estimator("add_one").function(FidelityGame(restorer, make_task(), PSNR), None)
    assert sizes == [1] * 6


def test_gharbi_restores_frames_together():
    try:
        restorer = create("demosaic/gharbi")
    except MissingExtraError as error:
        pytest.skip(str(error))
    bursts = [make_burst("coffee", height=32, width=40, num_frames=1, seed=seed).burst for seed in range(2)]
    for together, burst in zip(restorer.restore_many(bursts), bursts, strict=True):
        np.testing.assert_allclose(together, restorer.restore(burst), atol=TOLERANCE)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    write_photographs(folder / "photos", 1, height=180, width=180)
    arguments = ["synthesize", folder / "photos", "--out", folder / "set", "--height", 32, "--width", 32, "--bursts", 2]
    assert CliRunner().invoke(main, [str(argument) for argument in arguments]).exit_code == 0
    return folder / "set"


@pytest.mark.slow
def test_another_device_rebuilds_only_what_computes_there(dataset, monkeypatch):
    pretend(monkeypatch, cuda=True)
    name = f"{__name__}:Movable"
    choices = [parse_scenario(name=each, estimators=["add_one"]) for each in (name, "denoise/mean")]

    def label(asked):
        (report,) = add_labels(dataset, choices, workers=InProcess(asked))
        return {action: count for action, count in report.counts.items() if count}

    assert label("cpu") == {"created": 4}
    assert "device" not in read_description(dataset)["scenarios"][name]
    before = read_labels(dataset, [name]).to_pandas()
    assert label("auto") == {"rebuilt": 2, "reused": 2}
    assert read_description(dataset)["scenarios"][name]["device"] == "cuda"
    after = read_labels(dataset, [name]).to_pandas()
    assert (before["score"].dropna() == after["score"].dropna()).all()
    assert not set(before["label_key"]) & set(after["label_key"])
    assert (dataset / labels_path(name)).is_file()
    assert read_dataset_table(dataset, "failures").num_rows == 0
    assert label("cuda") == {"reused": 4}


@pytest.fixture
def gpu(monkeypatch):
    """A pretended GPU; what is kept of networks on it is forgotten afterwards."""
    with pretend_cuda(monkeypatch):
        yield
    for cached in (realesrgan._make, demosaicnet._load_weights, _create_once):
        cached.cache_clear()


def save_model(kind, folder):
    """A small network in a file; the scenario's name."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)).eval()
    path = folder / "model.pt"
    if kind == "torchscript":
        torch.jit.script(module).save(str(path))
    elif kind == "pt2":
        free = {0: torch.export.Dim("batch"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
        program = torch.export.export(module, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=(free,))
        torch.export.save(program, str(path))
    return f"{kind}:{path}"


def check_that_devices_agree(scenario):
    try:
        restorers = [create(scenario, device=where) for where in ("cpu", "cuda")]
    except MissingExtraError as error:
        pytest.skip(str(error))
    burst = make_burst("coffee", height=64, width=64, num_frames=3).burst
    singles = [burst.single(index) for index in range(3)]
    expected = [restorers[0].restore(single) for single in singles]
    for found in ([restorers[1].restore(single) for single in singles], restorers[1].restore_many(singles)):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.usefixtures("gpu")
def test_what_stays_behind_on_the_cpu_is_noticed():
    constant = torch.ones(1, 3, 1, 1)
    with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
        run_on(lambda frames: frames * constant, "cuda")(np.ones((1, 3, 4, 4), np.float32))


NETWORKS = ["sr/realesr-animevideov3@x2", "demosaic/gharbi"]


@pytest.mark.slow
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("scenario", [*NETWORKS, "pt2"])
def test_networks_move_to_a_gpu_as_a_whole(tmp_path, scenario):
    check_that_devices_agree(save_model(scenario, tmp_path) if scenario == "pt2" else scenario)


@pytest.mark.slow
@pytest.mark.usefixtures("gpu")
def test_labels_from_a_gpu_are_those_of_the_cpu(dataset):
    labels = {}
    for where in ("cpu", "cuda"):
        choice = parse_scenario(name="sr/realesr-animevideov3@x2", estimators=["solo"])
        (report,) = add_labels(dataset, [choice], workers=InProcess(where))
        assert not report.failures
        labels[where] = read_labels(dataset, [choice.name]).to_pandas()
    assert labels["cpu"]["score"].notna().all()
    np.testing.assert_allclose(labels["cpu"]["score"], labels["cuda"]["score"], atol=1e-3)


@needs_cuda
@pytest.mark.parametrize("scenario", [*NETWORKS, "sr/realesrgan@x4", "torchscript", "pt2"])
def test_cpu_and_gpu_agree(tmp_path, scenario):
    check_that_devices_agree(save_model(scenario, tmp_path) if scenario in {"torchscript", "pt2"} else scenario)
