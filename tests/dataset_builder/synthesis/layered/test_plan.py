"""Sources of layered scenes: what they plan, what they refuse, and that bytes do not depend on who makes them."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from dataset_builder import BurstMixture, LocalWorkers, RenderedBursts, SceneSource, build_dataset, read_recipe
from dataset_builder.errors import RecipeError
from dataset_builder.recipe import parse_recipe
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.layered.plan import plan_scenes
from dataset_builder.work.unit import Desk
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import write_photographs

SCENES = {"kind": "scenes", "name": "drawn"}
SMALL = {
    **SCENES,
    "count": 3,
    "bursts_per_scene": 2,
    "frame_height": 32,
    "frame_width": 32,
    "scene_height": 192,
    "scene_width": 192,
}


def plan(root=Path(), *, preset="handheld", **changes):
    source = SceneSource.model_validate({**SMALL, "translation": 0.0005, **changes})
    return list(plan_scenes(source, root, preset=PRESETS[preset], recipe_seed=1))


def list_units(**changes):
    return [unit for _, units in plan(**changes) for unit in units]


def test_each_scene_has_its_bursts():
    units = list_units()
    assert len(units) == 6
    assert len({unit.burst_id for unit in units}) == 6
    scenes = [unit.origin.scene_id for unit in units]
    assert scenes[0] == scenes[1] != scenes[2]
    assert len(set(scenes)) == 3
    assert [unit.origin.path for unit in units[::2]] == ["scene-00000", "scene-00001", "scene-00002"]


def test_scenes_go_by_their_numbers():
    """More scenes leave those there are as they are, and equal numbers are equal scenes in any source of their size."""
    few, more, later = list_units(), list_units(count=5), list_units(count=2, first=2, name="other", preset="night")
    assert [unit.key for unit in more[:6]] == [unit.key for unit in few]
    assert later[0].origin.scene_id == few[4].origin.scene_id
    assert list_units(seed=1)[0].origin.scene_id != few[0].origin.scene_id


@pytest.mark.parametrize(
    ("changes", "same_scene"),
    [
        ({"translation": 0.0006}, True),
        ({"layer_speed": 5}, True),
        ({"aperture": 1}, True),
        ({"near": 1.5}, True),
        ({"layers": 4}, False),
        ({"cover": 0.2}, False),
        ({"scene_width": 200}, False),
        ({"preset": "night"}, True),
    ],
)
def test_keys_hold_whatever_pixels_depend_on(changes, same_scene):
    unit, other = list_units()[0], list_units(**changes)[0]
    assert (unit.origin.scene_id == other.origin.scene_id) == same_scene
    assert unit.key != other.key


def test_a_unit_writes_the_same_bytes_wherever_it_runs(tmp_path):
    unit = list_units()[1]
    results = [unit.run(tmp_path / name, desk) for name, desk in (("a", Desk()), ("b", Desk()))]
    digests = [[frame["sha256"] for frame in result["frames"]] for result in results]
    assert digests[0] == digests[1]
    assert results[0]["burst"]["ground_truth_kind"] == "exact"
    shown = results[0]["frames"]
    assert any(frame["mask_path"] for frame in shown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "sources[0].layers: expected greater than or equal to 2, got 0"),
        ({"count": 0}, "sources[0].count: expected greater than or equal to 1, got 0"),
        ({"near": 5, "far": 2}, "sources[0].far: expected more than near, 5 m, got 2"),
        ({"near": 50}, "sources[0].far: expected more than near, 50 m, got 20"),
        ({"near": 0}, "sources[0].near: expected greater than 0.01, got 0"),
        ({"scene_height": 10}, "sources[0].scene_height: expected greater than or equal to 64, got 10"),
        ({"textures": ["../a.png"]}, "sources[0].textures: '../a.png' leaves root"),
        ({"aperture": 99}, "sources[0].aperture: expected values in 0..32, got 99..99"),
        ({"preset": "nite"}, "sources[0].preset: expected one of action"),
        ({"leaves": 3}, "sources[0].leaves: unknown key; did you mean layers?"),
    ],
)
def test_settings_that_cannot_be_are_named(changes, message):
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"sources": [{**SCENES, **changes}]}, "my.toml")
    assert f"my.toml: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_depths_that_do_not_fit_the_motion_cost_their_source_only(tmp_path):
    ((name, failure),) = plan(near=0.05)
    assert (name, failure.error_type) == ("drawn", "SceneTooSmallError")
    # 64 px of frames, 4 of interpolation, and 2 · 2 · 0.0005 m · 2900 px · (1/0.05 − 1/20) / m to each side.
    side = 64 + 2 * (4 + math.ceil(4 * 0.0005 * 2900 * (1 / 0.05 - 1 / 20)))
    assert failure.message.startswith(
        f"source 'drawn': expected scenes of at least {side} x {side} px, for frames of 32 x 32 px at scale 2 whose layers from 0.05 to "
        "20 m shift by up to 58 px, found 192 x 192: "
    )
    ((name, failure),) = plan(scene_width=64)
    assert "found 64 x 192: enlarge scene_width" in failure.message
    ((name, failure),) = plan(root=tmp_path, textures=["none.png"])
    assert failure.error_type == "MissingSourceError"
    assert f"source 'drawn': textures: no file {tmp_path / 'none.png'}" in failure.message
    (tmp_path / "bad.png").write_bytes(b"nothing")
    unit = list_units(root=tmp_path, textures=["bad.png"])[0]
    with pytest.raises(Exception, match=r"bad\.png"):
        unit.run(tmp_path / "set", Desk())


def test_textures_are_part_of_the_scene(tmp_path):
    write_photographs(tmp_path, 2)
    first, other = (list_units(root=tmp_path, textures=[f"photo_{number}.png"])[0] for number in (0, 1))
    assert first.origin.sha256 != other.origin.sha256
    np.testing.assert_raises(
        AssertionError, np.testing.assert_array_equal, *(unit.subject.load().picture for unit in (first, other))
    )


def test_streams_show_scenes_and_photographs(tmp_path):
    photographs = tuple(sorted(write_photographs(tmp_path, 2).iterdir()))
    scenes = SceneSource.model_validate({**SCENES, "scene_height": 192, "scene_width": 192, "translation": 0.0005})
    mixture = BurstMixture((), {"handheld": 1.0}, height=32, width=32, lengths=(2, 3), seed=3, scenes=scenes)
    shown = list(RenderedBursts(mixture, stop=3))
    assert [each.photograph for each in shown] == [None] * 3
    assert len({each.truth.tobytes() for each in shown}) == 3
    again = next(iter(RenderedBursts(mixture, start=2)))
    np.testing.assert_array_equal(again.burst.frames, shown[2].burst.frames)
    both = BurstMixture(photographs, {"dbsr": 1.0}, height=32, width=32, scale=1, lengths=(2, 2), seed=3, scenes=scenes)
    kinds = {each.photograph is None for each in itertools.islice(RenderedBursts(both), 12)}
    assert kinds == {True, False}
    with pytest.raises(ValueError, match="expected one at least"):
        BurstMixture((), {"handheld": 1.0})
    with pytest.raises(ValueError, match="scene_share"):
        BurstMixture((), {"handheld": 1.0}, scenes=scenes, scene_share=2.0)


@pytest.mark.slow
def test_builds_do_not_depend_on_the_number_of_workers(tmp_path):
    lines = [
        'kind = "scenes"',
        'name = "drawn"',
        "count = 3",
        "bursts_per_scene = 2",
        "frame_height = 32",
        "frame_width = 32",
    ]
    recipe = tmp_path / "scenes.toml"
    bad = '[[sources]]\nkind = "scenes"\nname = "bad"\nnear = 0.1\n'
    recipe.write_text("seed = 3\n[[sources]]\n" + "\n".join(lines) + f"\n{bad}")
    for jobs in (1, 2):
        root = tmp_path / str(jobs)
        build_dataset(recipe, read_recipe(recipe), root, workers=LocalWorkers(jobs))
        assert not verify(root)
        assert [row["source"] for row in read_dataset_table(root, "failures").to_pylist()] == ["bad"]
    first, second = (
        {path.relative_to(tmp_path / jobs): path.read_bytes() for path in (tmp_path / jobs / "frames").rglob("*.png")}
        for jobs in ("1", "2")
    )
    assert first == second
    assert len(first) > 30
