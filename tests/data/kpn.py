"""Test sets of kernel-prediction networks: one `.npz` of grey bursts, one of colour bursts."""

import numpy as np

from benchmarks.stand_ins.scenes import make_scene, move


def write_kpn(root, *, bursts=2, frames=3, height=24, width=32):
    rng = np.random.default_rng(0)
    white = np.array([1.0, 0.4])[:bursts]
    read, shot = np.array([0.01, 0.02])[:bursts], np.array([0.05, 0.08])[:bursts]
    scenes = np.stack([make_scene(height, width, seed=index) for index in range(bursts)]) * white[:, None, None, None]
    burst = np.stack([[move(scene, index, 0) for index in range(frames)] for scene in scenes])
    noise = rng.normal(size=burst.shape) * np.sqrt(
        read[:, None, None, None, None] ** 2 + shot[:, None, None, None, None] ** 2 * burst
    )
    noisy = (burst + noise).astype(np.float32)
    facts = {"white_level": white, "sig_read": read}
    (root / "color_testset").mkdir(parents=True)
    np.savez(root / "color_testset/1.npz", noisy=np.moveaxis(noisy, 1, 3), truth=scenes, sqrt_sig_shot=shot, **facts)
    grey = {"noisy": np.moveaxis(noisy[..., 0], 1, 3), "truth": scenes[..., 0]}
    np.savez_compressed(root / "grey.npz", **grey, sig_shot=shot, sig_read=read)
    return root
