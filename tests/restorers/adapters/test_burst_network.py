"""Burst networks as restorers: what they are fed, that subsets share work, and that files say which network they are of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import torch

from restorers import CFA, Burst, Domain, SubsetRestorer, create
from restorers.adapters.burst_frames import make_input
from restorers.adapters.burst_stages import BurstTensors, encode_frames, merge_frames
from restorers.base import check_image
from restorers.conformance import check_restorer
from restorers.device import TOLERANCE
from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.imaging.color import encode_srgb
from restorers.imaging.mosaic import join_planes, split_planes
from restorers.registry import fingerprint_scenario
from tests.restorers.networks.small import FRAMES, SIDES, SMALL, make_small, name_small
from tests.synthetic import make_burst, make_colour_burst

pytestmark = pytest.mark.slow
RAW, LINEAR = Domain.RAW_BAYER, Domain.LINEAR_RGB
SUPER_RESOLUTION = {"bipnet_sr", "bsrt_small", "burstormer_real", "burstormer_syn", "dbsr", "ebsr"}
PACKED = sorted(SUPER_RESOLUTION - {"ebsr"})
ANY_LENGTH = {"burstormer_real", "burstormer_syn", "dbd", "dbsr", "kokkinos"}
GREY = {"bpn_gray", "kpn", "kpn_google"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@cache
def load(tag, folder, options=""):
    """A small network's restorer, made once."""
    return create(name_small(tag, folder) + options)


def make_frames(tag, *, num_frames=3, side=None, **settings):
    side = side or SIDES.get(tag, 24)
    return make_burst("coffee", height=side, width=side, num_frames=num_frames, max_shift=2, **settings).burst


def listen(restorer, path):
    """Numbers of images that a layer gets, call by call."""
    counts = []
    restorer.network.get_submodule(path).register_forward_hook(lambda _, inputs, __: counts.append(len(inputs[0])))
    return counts


@pytest.mark.parametrize("tag", SMALL)
def test_facts_follow_from_the_network(tag, folder):
    info = load(tag, folder).info

    assert info.task == ("sr" if tag in SUPER_RESOLUTION else "denoise")
    assert info.scale == (4 if tag in SUPER_RESOLUTION else 1)
    assert info.input_domains == ({RAW} if tag in SUPER_RESOLUTION else set(Domain))
    assert info.output_domain == (None if tag in GREY else LINEAR)
    length = None if tag in ANY_LENGTH else 8 if tag == "burstormer_denoise" else FRAMES
    assert (info.min_frames, info.max_frames) == (1, length)
    assert info.missing_frames == ("any_length" if length is None else "repeat_reference")
    assert ("reference last" in info.network_input) == (tag in {"dbd", "kokkinos"})
    assert info.paper
    assert info.weights_license == "unknown"


@pytest.mark.parametrize("tag", SMALL)
def test_subsets_share_what_is_computed_once(tag, folder):
    restorer, burst = load(tag, folder), make_frames(tag, reference_index=1)
    prepared = restorer.prepare(burst)
    images, error = {}, 1e-7
    for members in ((), (0,), (2,), (0, 2)):
        images[members] = restorer.fuse(prepared, members)
        check_image(restorer.info, burst, images[members])
        error = max(error, np.abs(images[members] - restorer.restore(burst.subset(members))).max())
    assert isinstance(restorer, SubsetRestorer)
    assert error <= 3e-5 * max(1, np.abs(images[0, 2]).max())
    # Subsets give other images, by far more than equal ones differ.
    assert all(np.abs(images[one] - images[other]).max() > 30 * error for one, other in combinations(images, 2))


@pytest.mark.parametrize(
    ("tag", "path"),
    [
        ("bipnet_denoise", "encoder"),
        ("bipnet_sr", "encoder"),
        ("bsrt_small", "pre_norm"),
        ("burstormer_denoise", "align.encoder_level1"),
        ("burstormer_real", "align.encoder_level1"),
        ("dbd", "S3"),
        ("dbsr", "encoder.out_layer"),
        ("ebsr", "feature_extraction"),
    ],
)
def test_frames_are_encoded_once(tag, path, folder):
    restorer, burst = create(name_small(tag, folder)), make_frames(tag)
    counts = listen(restorer, path)
    prepared = restorer.prepare(burst)
    # Burstormer tells the reference from a repetition of it.
    assert sum(counts) == (4 if tag.startswith("burstormer") else 3)
    counts.clear()
    restorer.fuse(prepared, [1])
    restorer.fuse(prepared, [])
    assert counts == []


@pytest.mark.parametrize("tag", list(SMALL))
def test_it_keeps_its_word(tag, folder):
    """All checks pass but those of what weights that nobody trained make of a picture."""
    findings = check_restorer(name_small(tag, folder), side=SIDES.get(tag, 24))

    failed = {finding.check: finding.detail for finding in findings if finding.outcome == "fail"}
    assert failed.keys() <= {"range", "exposure"}, failed
    assert {"facts", "restores", "dtype", "determinism", "subsets", "lengths", "memory"} <= {
        finding.check for finding in findings if finding.outcome == "pass"
    }


def flip_to(burst, cfa):
    """The same scene as a camera with another filter, and held the other way round, would see it."""
    row, column = divmod(cfa.channels.index(0), 2)
    turn = np.s_[:, :: -1 if row else 1, :: -1 if column else 1]
    return replace(burst, frames=np.ascontiguousarray(burst.frames[turn]), cfa=cfa), turn[1:]


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("tag", ["dbsr", "ebsr", "kokkinos"])
def test_every_filter_is_brought_to_rggb_and_back(tag, cfa, folder):
    restorer, burst = (
        create(name_small(tag, folder) + ("?task=demosaic" if tag == "kokkinos" else "")),
        make_frames(tag),
    )
    turned, turn = flip_to(burst, cfa)

    np.testing.assert_array_equal(restorer.restore(turned), restorer.restore(burst)[turn])


@pytest.mark.parametrize("tag", PACKED)
def test_mosaics_are_packed_in_one_order(tag, folder):
    restorer, burst = load(tag, folder), make_frames(tag, num_frames=1)
    network, mosaic = make_small(tag), torch.from_numpy(burst.frames.copy())
    packed = torch.stack([mosaic[0, row::2, column::2] for row in (0, 1) for column in (0, 1)])
    # A burst of the reference alone is made up to the network's length by repetitions of it.
    frames = packed.expand(restorer.info.max_frames or 1, -1, -1, -1)
    expected = network(frames).movedim(0, -1).numpy()

    np.testing.assert_allclose(restorer.restore(burst), expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("tag", ["kpn", "kpn_google", "bpn_gray"])
def test_planes_of_mosaics_are_denoised_each_by_itself(tag, folder):
    restorer, burst = load(tag, folder), make_frames(tag, side=64, num_frames=FRAMES)
    image, network = restorer.restore(burst), make_small(tag)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        frames = torch.from_numpy(burst.frames[:, None, row::2, column::2].copy())
        # KPN in its deep form was trained on clipped frames, and its noise follows from the signal before that.
        noise = (4e-3 * frames.clamp(min=0) + 4e-5).sqrt()
        given = frames.clamp(0, 1) if tag == "kpn" else frames
        expected = network(given, noise=noise if tag == "bpn_gray" else noise[0])[0]
        np.testing.assert_allclose(image[row::2, column::2], expected.numpy(), atol=1e-5)


def test_grey_networks_denoise_colours_one_by_one(folder):
    restorer = load("kpn_google", folder)
    burst = make_colour_burst(height=24, width=24, num_frames=3).burst
    image = restorer.restore(burst)
    for colour in range(3):
        grey = replace(burst, frames=np.ascontiguousarray(burst.frames[..., [colour] * 3]))
        np.testing.assert_allclose(image[..., colour], restorer.restore(grey)[..., 0], atol=1e-6)


@pytest.mark.parametrize("tag", ["bipnet_denoise", "bpn_color", "burstormer_denoise"])
def test_colours_come_with_the_noise_of_each_frame(tag, folder):
    restorer, network = load(tag, folder), make_small(tag)
    side = 32 if tag == "bpn_color" else 8
    burst = make_colour_burst(height=side, width=side, num_frames=restorer.info.max_frames).burst
    shot, read = np.linspace(1e-3, 4e-3, burst.num_frames), np.linspace(1e-5, 9e-5, burst.num_frames)
    burst = replace(burst, shot_noise=shot, read_noise=read)
    frames = torch.from_numpy(burst.frames.copy()).movedim(-1, 1)
    column = (slice(None), None, None, None)
    noise = (
        torch.from_numpy(shot).float()[column] * frames.clamp(min=0) + torch.from_numpy(read).float()[column]
    ).sqrt()
    expected = network(frames, noise=noise).movedim(0, -1).numpy()

    np.testing.assert_allclose(restorer.restore(burst), expected, atol=2e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("tag", SMALL)
def test_frames_of_other_exposure_are_brought_to_that_of_the_reference(tag, folder):
    restorer, burst = load(tag, folder), make_frames(tag)
    darker = burst.frames.copy()
    darker[1] *= 0.5
    expected = restorer.restore(burst)
    changed = replace(
        burst,
        frames=darker,
        exposure_ratio=np.array([1, 0.5, 1]),
        shot_noise=burst.shot_noise * [1, 0.5, 1],
        read_noise=burst.read_noise * [1, 0.25, 1],
    )

    np.testing.assert_allclose(restorer.restore(changed), expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("tag", ["bpn_color", "dbd", "kokkinos", "kpn"])
def test_display_bursts_are_restored_in_linear_light(tag, folder):
    restorer = load(tag, folder)
    linear = make_colour_burst(height=24, width=24, num_frames=3).burst
    linear = replace(linear, frames=np.clip(linear.frames, 0, 1), shot_noise=None, read_noise=None)
    shown = replace(linear, frames=encode_srgb(linear.frames), domain=Domain.SRGB)

    assert restorer.info.output_for(Domain.SRGB) is LINEAR
    np.testing.assert_allclose(restorer.restore(shown), restorer.restore(linear), atol=1e-4)


def test_denoisers_of_display_images_can_be_fed_linear_ones(folder):
    burst = make_colour_burst(height=24, width=24, num_frames=2, reference_index=0).burst
    frames = torch.from_numpy(burst.frames[[1, 0]]).movedim(-1, 1)
    expected = make_small("dbd")(frames).movedim(0, -1).numpy()

    linear = load("dbd", folder, "?convention=linear").restore(burst)
    np.testing.assert_allclose(linear, expected, atol=1e-6)
    assert np.abs(load("dbd", folder).restore(burst) - linear).max() > 1e-3


def test_the_iterative_network_gets_motion_and_the_reference_last(folder):
    restorer = load("kokkinos", folder, "?convention=linear")
    sample = make_colour_burst(
        height=64, width=64, num_frames=3, motions=np.array([[0, 0, 0], [3, 1, 0.3], [-2, 2, 0]]), read=1e-6
    )
    order = [1, 2, 0]
    frames = 255 * torch.from_numpy(np.clip(sample.burst.frames[order], 0, 1)).movedim(-1, 1)
    affine = torch.from_numpy(sample.homographies[order, :2]).float()
    expected = make_small("kokkinos")(frames, affine=affine).movedim(0, -1).numpy() / 255

    # The motion is measured, not told; a hundredth of a pixel moves an image by so little.
    assert np.abs(restorer.restore(sample.burst) - expected).mean() < 2e-4
    alone = restorer.restore(sample.burst.subset([]))
    assert np.abs(alone - expected).mean() > 2e-3


def test_frames_whose_motion_nobody_finds_count_as_the_reference(folder):
    restorer = load("kokkinos", folder)
    burst = make_colour_burst(height=64, width=64, num_frames=2).burst
    foreign = np.random.Generator(np.random.Philox(1)).random(burst.frames[1].shape, np.float32)
    strange, doubled = burst.frames.copy(), burst.frames.copy()
    strange[1], doubled[1] = foreign, burst.frames[0]

    np.testing.assert_allclose(
        restorer.restore(replace(burst, frames=strange)), restorer.restore(replace(burst, frames=doubled)), atol=1e-4
    )


def test_mosaics_without_noise_have_a_convention_of_their_own(folder):
    name, burst = name_small("kokkinos", folder), make_frames("kokkinos")
    noisy, clean = (create(f"{name}?task=demosaic{rest}") for rest in ("", "&convention=noisefree"))

    assert (noisy.info.task, noisy.info.input_domains, noisy.info.output_domain) == ("demosaic", {RAW}, LINEAR)
    assert "noise level 1" in clean.info.network_input
    assert np.abs(noisy.restore(burst) - clean.restore(burst)).max() > 1e-3
    assert noisy.restore(burst).shape == (24, 24, 3)


def test_burstsr_divides_by_the_code_of_white(folder):
    name, burst = name_small("dbsr", folder), make_frames("dbsr")
    camera = replace(burst, black_level=64.0, white_level=1023.0)
    share = np.float32((1023 - 64) / 1023)
    scaled = replace(burst, frames=burst.frames * share)
    plain, burstsr = create(name), create(f"{name}?convention=burstsr")

    np.testing.assert_array_equal(plain.restore(camera), plain.restore(burst))
    np.testing.assert_allclose(burstsr.restore(camera), plain.restore(scaled) / share, atol=1e-5)
    assert "codes above black over the code of white" in burstsr.info.network_input


@pytest.mark.parametrize(
    ("tag", "side", "multiple"),
    [("dbsr", 26, 2), ("ebsr", 26, 4), ("bsrt_small", 52, 16), ("kpn", 26, 32), ("burstormer_syn", 26, 8)],
)
def test_sides_are_made_up_by_reflection_and_cut_off(tag, side, multiple, folder):
    restorer, burst = load(tag, folder), make_frames(tag, side=side)
    burst = replace(burst, frames=burst.frames[:, :-4])
    if tag == "ebsr":
        padded = np.pad(
            burst.frames, [(0, 0), *((0, -length % multiple) for length in burst.frames.shape[1:])], "reflect"
        )
    else:
        planes = split_planes(burst.frames)
        edges = [(0, -length % (multiple // 2)) for length in planes.shape[2:]]
        padded = join_planes(np.pad(planes, [(0, 0), (0, 0), *edges], "reflect"))
    image, scale = restorer.restore(burst), restorer.info.scale

    check_image(restorer.info, burst, image)
    expected = restorer.restore(replace(burst, frames=padded))[: scale * (side - 4), : scale * side]
    np.testing.assert_allclose(image, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("tag", sorted(SMALL.keys() - ANY_LENGTH))
def test_bursts_that_are_too_long_are_refused(tag, folder):
    restorer = load(tag, folder)
    longest = restorer.info.max_frames
    with pytest.raises(UnsupportedBurstError, match=f"frames: expected 1 to {longest}, got {longest + 1}"):
        restorer.restore(make_frames(tag, num_frames=longest + 1))


def test_bursts_that_are_too_small_are_refused(folder):
    with pytest.raises(UnsupportedBurstError, match="expected sides of at least 48 px, got 32 x 64; take larger crops"):
        load("bsrt_small", folder).restore(make_burst(height=32, width=64, num_frames=2).burst)
    with pytest.raises(UnsupportedBurstError, match="expected sides of at least 8 px, got 6 x 24"):
        load("kokkinos", folder).restore(Burst(np.full((1, 6, 24, 3), 0.5, np.float32), domain=LINEAR))


@pytest.mark.parametrize("tag", sorted(SUPER_RESOLUTION))
def test_bursts_of_another_domain_are_refused(tag, folder):
    with pytest.raises(UnsupportedBurstError, match="domain: expected raw_bayer, got linear_rgb"):
        load(tag, folder).restore(make_colour_burst(height=24, width=24, num_frames=2).burst)


@pytest.mark.parametrize("tag", SMALL)
def test_everything_that_a_network_meets_is_on_its_device(tag, folder):
    """On the device that holds no values; like a GPU it refuses what was left on the CPU."""
    restorer, burst = create(name_small(tag, folder)), make_frames(tag)
    given = make_input(burst, restorer.form)
    frames, noise, affine = (
        None if each is None else torch.from_numpy(each).to("meta") for each in vars(given).values()
    )
    network = restorer.network.to("meta")
    tensors = BurstTensors(frames[0], None if noise is None else noise[0], affine)
    places = [0] * (restorer.info.max_frames or 3)
    with torch.inference_mode():
        image = merge_frames(network, encode_frames(network, tensors), places)

    assert image.device.type == "meta"
    assert image.ndim == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("tag", SMALL)
def test_a_gpu_gives_what_the_cpu_gives(tag, folder):
    burst, expected = make_frames(tag), load(tag, folder).restore(make_frames(tag))
    restorer = create(name_small(tag, folder), device="cuda")

    assert restorer.info.device == "cuda"
    np.testing.assert_allclose(restorer.restore(burst), expected, atol=TOLERANCE * max(1, np.abs(expected).max()))


def test_file_options_and_device_are_part_of_the_fingerprint(tmp_path):
    name = name_small("dbsr", tmp_path)
    first = fingerprint_scenario(name, create(name))
    assert first == fingerprint_scenario(name, create(name))
    path = tmp_path / "dbsr.pth"
    torch.save(make_small("dbsr").state_dict(), path)
    assert fingerprint_scenario(name, create(name)) != first
    other = f"{name}?convention=burstsr"
    assert fingerprint_scenario(other, create(other)) not in {first, fingerprint_scenario(name, create(name))}


def test_options_go_with_the_labels(folder):
    info = create(f"{name_small('kpn', folder)}?task=denoise_video&license=MIT").info
    assert (info.task, info.weights_license) == ("denoise_video", "MIT")


@pytest.mark.parametrize(
    ("tag", "option", "reason"),
    [
        ("dbsr", "frames=3", "burst: option 'frames' is unknown; there are convention, license, task"),
        ("dbsr", "convention=linear", r"dbsr\.pth: convention=linear: expected synthetic or burstsr for this network"),
        ("kpn", "convention=display", "convention=display: expected linear for this network"),
        ("kokkinos", "convention=noisefree", "convention=noisefree: expected display or linear for this network"),
    ],
)
def test_wrong_options_are_answered(tag, option, reason, folder):
    with pytest.raises(InvalidRestorerError, match=reason):
        create(f"{name_small(tag, folder)}?{option}")
