"""A tiny HDR+ data set: `bursts/<id>/payload_N%03d.dng` and companions, `results_*/<id>/merged.dng` and reference_frame.txt."""

import numpy as np
import tifffile

from benchmarks.stand_ins.dng import write_dng
from benchmarks.stand_ins.scenes import make_scene, mosaic_rggb, move

RGB2RGB = np.array([[1.6, -0.5, -0.1], [-0.2, 1.5, -0.3], [0.0, -0.6, 1.6]])
SHADING = np.linspace(1, 2.5, 3 * 4 * 4).reshape(3, 4, 4).astype(np.float32)
BURSTS = ("0006_20160722_115157_431", "c1b1_20150424_201100_596")


def write_hdrplus(root, *, frames=3, height=32, width=48, reference=1):
    for number, name in enumerate(BURSTS):
        write_hdrplus_burst(
            root,
            name,
            seed=number,
            frames=frames,
            height=height,
            width=width,
            reference=reference,
            brightened=frames - 1,
        )
    return root


def write_hdrplus_burst(root, name, *, seed, frames, height, width, reference, brightened=None):
    """One burst and its results; frame `brightened` was exposed for twice as long."""
    rng = np.random.default_rng(seed)
    scene = make_scene(height, width, seed=seed)
    folder = root / "bursts" / name
    for index in range(frames):
        clean = mosaic_rggb(move(scene, index - reference, 0))
        codes = np.rint((clean + rng.normal(0, 0.01, clean.shape)) * 959.25 + 63.75).clip(0, 1023).astype(np.uint16)
        exposure = (2 if index == brightened else 1, 100)
        path = folder / f"payload_N{index:03d}.dng"
        write_dng(path, codes, black=(63.75,) * 4, noise=(1e-4, 1e-6) * 3, exposure=exposure)
        tifffile.imwrite(folder / f"lens_shading_map_N{index:03d}.tiff", SHADING, photometric="rgb")
    (folder / "rgb2rgb.txt").write_text("\n".join(" ".join(f"{value}" for value in row) for row in RGB2RGB))
    (folder / "timing.txt").write_text("align: 100 ms\nmerge: 200 ms\n")
    results = root / "results_20171023" / name
    merged = np.rint(mosaic_rggb(scene) * (16383 - 1024) + 1024).astype(np.uint16)
    write_dng(results / "merged.dng", merged, black=(1024,) * 4, white=16383)
    (results / "reference_frame.txt").write_text(f"{reference}\n")
    (results / "final.jpg").write_bytes(b"")
