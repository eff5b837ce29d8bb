"""A tiny SyntheticBurst validation set: `bursts/%04d/im_raw_%02d.png`, `gt/%04d/im_rgb.png` and meta_info.pkl."""

import pickle

import numpy as np

from benchmarks.stand_ins.scenes import average, encode_planes, make_scene, move, pack_rggb

META = {"rgb_gain": 1.25, "red_gain": 2.0, "blue_gain": 1.6, "shot_noise": 1e-3, "read_noise": 1e-5, "gamma": True}
CAM2RGB = np.array([[1.5, -0.4, -0.1], [-0.2, 1.4, -0.2], [0.0, -0.5, 1.5]], np.float32)


def write_synthetic_burst(root, *, bursts=2, frames=3, side=12):
    for number in range(bursts):
        truth = make_scene(8 * side, 8 * side, seed=number)
        for index in range(frames):
            rgb = average(move(truth, 2.0 * index, -1.0 * index), 4)
            encode_planes(root / f"bursts/{number:04d}/im_raw_{index:02d}.png", np.rint(pack_rggb(rgb) * 2**14))
        encode_planes(root / f"gt/{number:04d}/im_rgb.png", np.rint(truth * 2**14))
        meta = {**META, "cam2rgb": CAM2RGB, "rgb2cam": np.linalg.inv(CAM2RGB)}
        (root / f"gt/{number:04d}/meta_info.pkl").write_bytes(pickle.dumps(meta, protocol=4))
    return root
