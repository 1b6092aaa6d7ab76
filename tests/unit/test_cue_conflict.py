"""Cue-conflict pictures: whose texture, and that no shard changes it."""

import numpy as np
import pytest

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.stimuli.cue_conflict import make_cue_conflict
from robustlens.stimuli.cues import list_scenes
from robustlens.stimuli.embedded import render_scene
from robustlens.stimuli.make import make_stimulus
from styles import EMBEDDED, as_published, write_pictures

pytestmark = pytest.mark.usefixtures("one_thread")


def labelled(folder, n, side, shard_size, n_classes=3, labels=None):
    """``n`` pictures, each of an even grey of its own (10 k) and so recognisable, in shards; returns the paths and the greys."""
    labels = [k % n_classes for k in range(n)] if labels is None else labels
    rows = [(f"i-{k}", labels[k], -1, -1) for k in range(n)]
    pictures = [np.full((side, side, 3), 10 * k, np.uint8) for k in range(n)]
    paths = []
    for start in range(0, n, shard_size):
        paths.append(str(folder / f"{shard_size}-{start}.parquet"))
        write_pictures(paths[-1], rows[start : start + shard_size], pictures[start : start + shard_size])
    return paths


def conflicts(paths, textures, seed=0, **options):
    return [made for path in paths for made in make_stimulus("cue-conflict", read_shard(path), seed, textures=textures, **options)]


def test_texture_is_of_another_class_and_as_the_row_says(tmp_path):
    paths = labelled(tmp_path, 12, 16, 5)
    for k, made in enumerate(conflicts(paths, paths)):
        assert made.label == made.shape == k % 3 != made.texture
        greys = {10 * partner for partner in range(12) if partner % 3 == made.texture}
        assert len(np.unique(made.image)) == 1 and made.image[0, 0, 0] in greys  # an even style leaves its grey


def test_partners_do_not_depend_on_the_shards_but_on_the_seed(tmp_path):
    few, many = labelled(tmp_path, 12, 16, 12), labelled(tmp_path, 12, 16, 1)
    expected = conflicts(few, few)
    for one, other in zip(conflicts(many, many), expected, strict=True):
        assert np.array_equal(one.image, other.image) and one.texture == other.texture
    assert [made.image[0, 0, 0] for made in conflicts(few, few, seed=1)] != [made.image[0, 0, 0] for made in expected]


def test_classes_come_up_equally_often_however_large_they_are(tmp_path):
    paths = labelled(tmp_path, 20, 16, 20, labels=[0] * 10 + [1] + [2] * 9)
    drawn = [made.texture for seed in range(12) for made in conflicts(paths, paths, seed)[:10]]
    assert 40 < drawn.count(1) < 80 and drawn.count(1) + drawn.count(2) == 120  # 60 each, standard deviation 5.5


def test_cue_conflict_by_adain(tmp_path, weights):
    paths = labelled(tmp_path, 4, 16, 2, n_classes=2)
    by_patches, by_adain = conflicts(paths, paths), conflicts(paths, paths, engine="adain", **weights)
    assert [made.texture for made in by_adain] == [made.texture for made in by_patches] == [1, 0, 1, 0]
    content = read_shard(paths[0]).pixels()[0]
    partner = np.full_like(content, by_patches[0].image[0, 0, 0])
    assert np.abs(np.clip(as_published(weights, content, partner) * 255, 0, 255) - by_adain[0].image).max() <= 0.51


def test_scenes_of_this_workflow_can_be_crossed_and_keep_their_masks(tmp_path):
    rows = list_scenes("clean", 4, "both", 0)
    drawn = [render_scene(row.image_id, row.shape, row.texture, 0) for row in rows.itertuples()]
    path = tmp_path / "scenes.parquet"
    write_shard(path, rows, pixels=iter([scene.pixels for scene in drawn]), masks=[scene.mask for scene in drawn], origin=EMBEDDED)
    for made, scene in zip(conflicts([path], [str(path)]), drawn, strict=True):
        assert np.array_equal(made.mask, scene.mask) and made.image.shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([1, 1, 1], {}, r"0\.parquet: expected images of two classes or more, got class 1 alone"),
        ([0, -1, 1], {}, r"\[i-1\]: expected an image of a known class, got no label"),
        ([0, 1, 2], {"engine": "gatys"}, "engine: expected patches or adain, got gatys"),
        ([0, 1, 2], {"engine": "adain", "encoder": "x.pth"}, "cue-conflict: decoder: expected the file of AdaIN's weights"),
        ([0, 1, 2], {"encoder": "x.pth"}, "cue-conflict: encoder: expected no weights for the engine patches, got x.pth"),
    ],
)
def test_cue_conflict_refuses_before_the_first_picture(tmp_path, labels, options, message):
    paths = labelled(tmp_path, 3, 16, 3, labels=labels)
    with pytest.raises(InputError, match=message):
        make_cue_conflict(read_shard(paths[0]), 0, "cpu", 200, textures=paths, **options)
