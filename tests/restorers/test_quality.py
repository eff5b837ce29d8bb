"""What the restorers gain on bursts with exact truth: the figures that they are held to."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from restorers import create
from restorers.classical.hdrplus_spatial import SpatialHdrPlus
from restorers.fidelity import psnr
from restorers.imaging.mosaic import demosaic
from tests.synthetic import make_burst, make_focus_series, make_shaken_burst, texture

BORDER = 8
HDR = "denoise/hdrplus"


def at_frame_scale(sample) -> np.ndarray:
    """True RGB at the resolution of the frames."""
    height, width = sample.burst.frames.shape[1:3]
    return sample.high_resolution.reshape(height, sample.scale, width, sample.scale, 3).mean((1, 3))


def gain(name: str, sample) -> float:
    """Improvement over the reference alone, demosaicked if the restorer returns RGB, in dB."""
    burst, restored = sample.burst, create(name).restore(sample.burst)
    if restored.ndim == 2:
        return psnr(restored, sample.truth, border=BORDER) - psnr(burst.reference, sample.truth, border=BORDER)
    truth, alone = at_frame_scale(sample), demosaic(burst.reference, burst.cfa)
    return psnr(restored, truth, border=BORDER) - psnr(alone, truth, border=BORDER)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("denoise/mean", 9),
        ("denoise/robust_mean", 9),
        ("denoise/hdrplus", 7),
        ("denoise/hdrplus@spatial", 7),
        ("denoise/handheld", 5),
        ("demosaic/burst", 5),
        ("hdr/radiance", 5),
        ("deblur/fourier", 5),
    ],
)
@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
def test_fourteen_frames_of_a_static_scene(name, least, scene):
    sample = make_burst(scene, height=160, width=192, shot=1e-2, read=1e-4, corner=(20, 10))
    assert gain(name, sample) >= least


@pytest.mark.parametrize("num_frames", [1, 4])
def test_spatial_denoising_adds_to_the_merge(num_frames):
    sample = make_burst("coffee", height=160, width=192, num_frames=num_frames, shot=1e-2, read=1e-4)
    spatial, merged = (psnr(create(name).restore(sample.burst), sample.truth) for name in (f"{HDR}@spatial", HDR))
    assert spatial >= merged + (1 if num_frames == 4 else 2)
    none = psnr(SpatialHdrPlus(strength=0).restore(sample.burst), sample.truth)
    assert none == pytest.approx(merged, abs=1e-3)


@pytest.mark.parametrize(("name", "least"), [("denoise/nlm", 5), ("denoise/wavelet", 5), ("denoise/tv", 5)])
@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
def test_single_frames_with_strong_noise(name, least, scene):
    assert gain(name, make_burst(scene, height=160, width=192, num_frames=1, shot=1e-2, read=1e-4)) >= least


@pytest.mark.parametrize(
    "name",
    [
        "denoise/robust_mean",
        "denoise/hdrplus",
        "denoise/hdrplus@spatial",
        "denoise/handheld",
        "hdr/radiance",
        "sr/handheld@x2",
    ],
)
@pytest.mark.parametrize("num_frames", [2, 8])
def test_no_ghost_of_a_moving_object(name, num_frames):
    sample = make_burst("astronaut", height=128, width=128, num_frames=num_frames, corner=(100, 60))
    other = make_burst("coffee", height=128, width=128, num_frames=num_frames, seed=1).burst
    frames, region = sample.burst.frames.copy(), np.s_[40:88, 40:88]
    for index in range(1, num_frames):
        frames[index][region] = other.frames[index][region]
    burst, restorer = replace(sample.burst, frames=frames), create(name)
    restored, alone = restorer.restore(burst), restorer.restore(burst.subset([]))
    scale = restorer.info.scale
    truth = sample.truth if restored.ndim == 2 else (sample.high_resolution if scale == 2 else at_frame_scale(sample))
    inner = np.s_[round(40 * scale) : round(88 * scale), round(40 * scale) : round(88 * scale)]
    assert psnr(restored[inner], truth[inner]) >= psnr(alone[inner], truth[inner]) - 0.5


def aliased_bursts():
    """As the generator of burst super-resolution makes them: four times reduced by bilinear interpolation, without a lens."""
    rng = np.random.default_rng(0)
    for index, scene in enumerate(("astronaut", "coffee", "chelsea", "coffee")):
        shot = float(np.exp(rng.uniform(np.log(1e-4), np.log(1.2e-2))))
        read = float(np.exp(2.18 * np.log(shot) + 1.2))
        side = 64 if scene == "chelsea" else 80
        settings = {"height": side, "width": side, "scale": 4, "aperture": 0.5, "lens": 0, "brightness": 0.8}
        yield make_burst(scene, shot=shot, read=read, corner=(8, 8), max_shift=6, max_degrees=1, seed=index, **settings)


def test_super_resolution_over_enlarged_averages():
    gains = []
    for sample in aliased_bursts():
        burst = sample.burst
        side = burst.frames.shape[1]
        truth = sample.high_resolution.reshape(2 * side, 2, 2 * side, 2, 3).mean((1, 3))
        own, mean = create("denoise/handheld").restore(burst), create("denoise/mean").restore(burst)
        enlarged = [
            cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            for image in (own, demosaic(mean, burst.cfa))
        ]
        images = (create("sr/handheld@x2").restore(burst), create("sr/backprojection@x2").restore(burst), *enlarged)
        handheld, projected, average, mean_average = (psnr(image, truth, border=16) for image in images)
        gains.append((handheld - average, handheld - mean_average, projected - mean_average))
    over_own, over_mean, projected = np.mean(gains, axis=0)
    assert over_own >= 1
    assert over_mean >= 2
    assert projected >= 0.5
    assert np.min(gains) >= 0.3


@pytest.mark.slow
def test_handheld_at_four_times_and_one_and_a_half():
    sample = make_burst("astronaut", height=64, width=64, scale=12, lens=0, shot=5e-4, read=1e-6, brightness=0.8)
    for name, factor, least in (("sr/handheld@x1.5", 8, 2), ("sr/handheld@x4", 3, 1)):
        restored = create(name).restore(sample.burst)
        side = 64 * 12 // factor
        truth = sample.high_resolution.reshape(side, factor, side, factor, 3).mean((1, 3))
        alone = demosaic(sample.burst.reference, sample.burst.cfa)
        enlarged = cv2.resize(alone, (side, side), interpolation=cv2.INTER_CUBIC)
        assert (
            psnr(restored, truth, border=BORDER * side // 64)
            >= psnr(enlarged, truth, border=BORDER * side // 64) + least
        )


@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize("shot", [1e-3, 1e-2])
def test_deblurring_beats_the_sharpest_frame(scene, shot):
    sample = make_shaken_burst(scene, height=112, width=112, num_frames=8, shot=shot, read=shot / 100, corner=(60, 20))
    truth, burst = at_frame_scale(sample), sample.burst
    singles = []
    for frame, homography in zip(burst.frames, sample.homographies, strict=True):
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        aligned = cv2.warpPerspective(demosaic(frame, burst.cfa), homography, (112, 112), flags=flags)
        singles.append(psnr(aligned, truth, border=12))
    restored = psnr(create("deblur/fourier").restore(burst), truth, border=12)
    assert restored >= max(singles) + 2
    if shot < 5e-3:
        # Weighting the spectra is what deblurs: the plain mean removes noise as well.
        mean = demosaic(create("denoise/mean").restore(burst), burst.cfa)
        assert restored >= psnr(mean, truth, border=12) + 1


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_radiance_is_recovered_wherever_a_frame_is_not_clipped(reference):
    exposures = np.array([1.0, 0.25, 4.0])
    ratios = exposures / exposures[reference]
    sample = make_burst(
        "astronaut",
        height=112,
        width=112,
        num_frames=3,
        reference_index=reference,
        exposure_ratio=tuple(ratios),
        brightness=1.3 / ratios[0],
        shot=2e-3,
        read=2e-5,
        max_shift=4,
        corner=(60, 20),
    )
    burst, restored = sample.burst, create("hdr/radiance").restore(sample.burst)
    inner = np.s_[8:-8, 8:-8]
    truth, restored, own = sample.truth[inner], restored[inner], burst.reference[inner]
    recoverable = truth * ratios.min() < 0.85
    clipped = recoverable & (own >= 0.98)
    if reference != 1:
        assert clipped.sum() > 100
        relative = restored[clipped] / truth[clipped] - 1
        assert abs(np.median(relative)) < 0.02
        assert np.quantile(np.abs(relative), 0.95) < 0.3
    dark = truth < 0.02 * 4 / ratios[2]
    noise = [np.std(image[dark] - truth[dark]) for image in (restored, own)]
    # The longest exposure gathers 4 to 16 times the light.
    assert noise[0] <= (noise[1] if reference == 2 else 0.75 * noise[1])


def test_radiance_has_no_ghosts_of_other_exposures():
    settings = {"height": 128, "width": 128, "num_frames": 3, "exposure_ratio": (1.0, 0.25, 4.0), "brightness": 0.2}
    sample = make_burst("astronaut", corner=(100, 60), **settings)
    other = make_burst("coffee", seed=1, **settings).burst
    frames, region = sample.burst.frames.copy(), np.s_[40:88, 40:88]
    for index in (1, 2):
        frames[index][region] = other.frames[index][region]
    restored, still = (
        create("hdr/radiance").restore(burst) for burst in (replace(sample.burst, frames=frames), sample.burst)
    )
    alone = psnr(sample.burst.reference[region], sample.truth[region])
    assert psnr(restored[region], sample.truth[region]) >= alone - 0.5
    # Where nothing moves, the long exposure keeps its worth.
    below = np.s_[96:120]
    gains = [
        psnr(image[below], sample.truth[below]) - psnr(sample.burst.reference[below], sample.truth[below])
        for image in (restored, still)
    ]
    assert gains[1] >= 3
    assert gains[0] >= gains[1] - 1


def test_radiance_is_unbiased_in_the_dark():
    sample = make_burst(
        np.full((300, 300, 3), 0.02), height=96, width=96, num_frames=6, shot=1e-2, read=1e-4, brightness=1
    )
    assert create("hdr/radiance").restore(sample.burst).mean() == pytest.approx(0.02, rel=0.02)


def test_radiance_of_saturated_scenes_is_the_bound_of_the_darkest_frame():
    sample = make_burst(
        np.ones((300, 300, 3)), height=64, width=64, num_frames=2, brightness=5, exposure_ratio=(1.0, 0.5)
    )
    np.testing.assert_allclose(create("hdr/radiance").restore(sample.burst), 2, atol=0.1)


def test_fusion_shows_both_ends_of_the_range():
    y, x = np.mgrid[:300, :300]
    stripes = 0.5 + 0.4 * np.sin(x / 4) * np.cos(y / 5)
    scene = np.where(x < 150, 0.02, 1.0)[..., None] * stripes[..., None] * np.ones(3)
    exposures = (1.0, 20.0)
    burst = make_burst(
        scene,
        height=128,
        width=128,
        num_frames=2,
        brightness=0.9,
        exposure_ratio=exposures,
        shot=1e-5,
        read=1e-7,
        max_shift=2,
    ).burst
    fused = create("hdr/fusion").restore(burst)
    contrast = [fused[16:-16, part].std() for part in (slice(8, 60), slice(84, 120))]
    singles = [create("hdr/fusion").restore(burst.with_reference(index).subset([])) for index in (0, 1)]
    assert contrast[0] > 2 * singles[0][16:-16, 8:60].std()
    assert contrast[1] > 2 * singles[1][16:-16, 84:120].std()


def test_fusion_agrees_with_opencv():
    burst = make_burst(
        "coffee", height=96, width=128, num_frames=3, brightness=0.3, exposure_ratio=(1.0, 0.25, 2.0)
    ).burst
    still = replace(burst, frames=burst.frames[:1] * np.array([1.0, 0.25, 2.0], np.float32)[:, None, None])
    restorer = create("hdr/fusion")
    images = [image / np.float32(65535) for image, _ in restorer.prepare(still).images.values()]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    # OpenCV divides by 255, whatever the type.
    expected = cv2.createMergeMertens(1, 1, 1).process([np.float32(255) * image for image in images])
    cv2.setNumThreads(threads)
    assert psnr(restorer.restore(still), np.clip(expected, 0, 1)) > 40


@pytest.mark.parametrize("scene", ["astronaut", "chelsea", "texture"])
@pytest.mark.parametrize("shot", [2e-4, 4e-3])
def test_focus_stack_is_as_good_as_a_lens_without_depth_limit(scene, shot):
    photograph = texture(400, 400, seed=3) if scene == "texture" else scene
    sample = make_focus_series(
        photograph, height=128, width=128, defocus=1.0, shot=shot, read=shot / 100, corner=(40, 20)
    )
    truth = at_frame_scale(sample)
    grey = truth.mean(-1)
    structure = cv2.blur(np.square(grey - cv2.blur(grey, (7, 7))), (9, 9))
    inner = np.zeros(grey.shape, bool)
    # The strips' borders are steps of depth that no lens makes.
    inner[8:-8, [column for column in range(128) if 8 <= column % 32 < 24]] = True
    textured = inner & (structure > np.median(structure))

    def quality(image) -> float:
        return psnr(image[textured], truth[textured])

    everywhere, reference = (demosaic(frame, sample.burst.cfa) for frame in (sample.clean[0], sample.burst.reference))
    stacked = quality(create("focus/stack").restore(sample.burst))
    assert stacked >= quality(everywhere) - 1
    assert stacked >= quality(reference) + 1.5


def test_burst_demosaicking_beats_demosaicking_the_average():
    for scene in ("astronaut", "coffee", "chelsea"):
        sample = make_burst(scene, height=96, width=96, shot=1e-3, read=1e-5, corner=(60, 20))
        mean = demosaic(create("denoise/mean").restore(sample.burst), sample.burst.cfa)
        truth = at_frame_scale(sample)
        restored = psnr(create("demosaic/burst").restore(sample.burst), truth, border=BORDER)
        assert restored >= psnr(mean, truth, border=BORDER) + 1
