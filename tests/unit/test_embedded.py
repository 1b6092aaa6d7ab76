"""The scene renderer: what a seed fixes, what each component leaves alone, and the geometry and textures by known answers."""

import numpy as np
import pytest

from robustlens.errors import InputError
from robustlens.randomness import generator
from robustlens.stimuli import embedded
from robustlens.stimuli.cues import CUES, SHAPES, TEXTURES, list_scenes
from robustlens.stimuli.embedded import SIDE, render_scene
from robustlens.stimuli.shapes import OUTLINES
from robustlens.stimuli.textures import UNRELATED, WAVELENGTH, pattern


# ------------------------------------------------------------------------------------------------------------------- manifest
def test_labels_are_balanced_and_ids_are_stable():
    rows = list_scenes("clean", 80, "both", 0)
    assert rows["image_id"].tolist()[:2] == ["clean-000000", "clean-000001"]
    assert (rows["label"].value_counts() == 10).all()
    assert (rows["label"] == rows["shape"]).all() and (rows["label"] == rows["texture"]).all()


def test_each_word_for_cues_predicts_what_it_says():
    n = 1600
    chance = n / 8 + 4 * np.sqrt(n * 7 / 64)  # mean of a binomial, and four standard deviations
    texture, shape, free = (list_scenes("x", n, cues, 0) for cues in ("texture", "shape", "independent"))
    assert (texture["label"] == texture["texture"]).all() and (texture["label"] == texture["shape"]).sum() < chance
    assert (shape["label"] == shape["shape"]).all() and (shape["label"] == shape["texture"]).sum() < chance
    assert (free["label"] == free["shape"]).all() and (free["shape"] == free["texture"]).sum() < chance
    for cue in ("shape", "texture"):
        assert free[cue].value_counts().min() > 150  # of 200


def test_conflict_images_have_every_pair_of_two_classes_equally_often():
    rows = list_scenes("conflict", 112, "conflict", 0)
    assert (rows["shape"] != rows["texture"]).all() and (rows["label"] == rows["shape"]).all()
    assert (rows.groupby(["shape", "texture"]).size() == 2).all() and rows.groupby(["shape", "texture"]).ngroups == 56


def test_a_longer_manifest_begins_with_the_shorter():
    for cues in CUES:
        assert list_scenes("x", 50, cues, 3).iloc[:20].equals(list_scenes("x", 20, cues, 3))
    assert len(list_scenes("x", 0, "both", 0)) == 0


def test_unknown_cues_are_refused():
    with pytest.raises(InputError, match="cues: expected one of both, .* got colour"):
        list_scenes("clean", 8, "colour", 0)


# --------------------------------------------------------------------------------------------------------------------- scenes
def test_a_scene_depends_on_seed_and_id_only():
    first = render_scene("clean-000003", 2, 5, 0)
    render_scene("clean-000004", 3, 3, 0)
    again = render_scene("clean-000003", 2, 5, 0)
    assert first.pixels.dtype == np.uint8 and first.pixels.shape == (SIDE, SIDE, 3) and first.mask.shape == (SIDE, SIDE)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.pixels, render_scene("clean-000003", 2, 5, 1).pixels)
    assert not np.array_equal(first.pixels, render_scene("clean-000005", 2, 5, 0).pixels)


@pytest.mark.parametrize("change", [{"texture_kind": "unrelated"}, {"texture_kind": "none"}, {}])
def test_another_texture_changes_nothing_but_the_object(change):
    for i in range(16):
        shape = i % 8
        own = render_scene(f"x-{i}", shape, shape, 0)
        other = render_scene(f"x-{i}", **({"shape": shape, "texture": (shape + 1) % 8, "seed": 0} | change))
        assert np.array_equal(own.mask, other.mask)
        outside = own.mask == 0
        assert np.array_equal(own.pixels[outside], other.pixels[outside])
        assert not np.array_equal(own.pixels, other.pixels)
        assert np.array_equal(own.object_colour, other.object_colour) and np.array_equal(own.ground_colour, other.ground_colour)


def test_another_shape_keeps_the_ground():
    one, other = render_scene("x-1", 0, 0, 0), render_scene("x-1", 7, 0, 0)
    outside = (one.mask == 0) & (other.mask == 0)
    assert outside.sum() > SIDE and np.array_equal(one.pixels[outside], other.pixels[outside])


def test_an_object_without_texture_varies_less_than_one_with():
    textured, plain = (render_scene("x-2", 2, 0, 0, texture_kind=kind) for kind in ("own", "none"))
    inside = textured.mask == 255
    assert plain.texture == "" and textured.texture == "stripes-0"
    assert plain.pixels[inside].std(axis=0).max() < textured.pixels[inside].std(axis=0).max() / 2


def test_sizes_and_contrast_of_many_scenes():
    scenes = [render_scene(f"x-{i}", i % 8, i % 8, 0) for i in range(160)]
    area = np.mean([scene.mask.mean() / 255 for scene in scenes])
    assert 0.17 < area < 0.25
    contrast = np.array([np.linalg.norm(scene.object_colour - scene.ground_colour) for scene in scenes])
    assert (contrast >= embedded.CONTRAST).mean() > 0.97
    assert {len(scene.blobs) for scene in scenes} == {0, 1, 2, 3}


def test_the_most_distant_colours_are_taken_when_none_is_distant_enough(monkeypatch):
    monkeypatch.setattr(embedded, "CONTRAST", 2.0)
    one, other = embedded._base_colours(generator(0, "colours"))
    draws = generator(0, "colours").uniform(0.08, 0.92, size=(16, 2, 3))
    assert np.linalg.norm(one - other) == pytest.approx(np.linalg.norm(draws[:, 0] - draws[:, 1], axis=1).max(), abs=1e-6)


def test_unknown_kind_of_texture_is_refused():
    with pytest.raises(InputError, match="own, unrelated or none"):
        render_scene("x-1", 0, 0, 0, texture_kind="paint")


# --------------------------------------------------------------------------------------------------------------------- shapes
def test_every_class_has_an_outline():
    assert tuple(OUTLINES) == SHAPES


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("disc", np.pi * 0.8**2),
        ("square", 1.44**2),
        ("triangle", 3 * np.sqrt(3) * 0.52**2),
        ("cross", 4 * 0.95 * 0.52 - 0.52**2),
        ("ring", np.pi * (0.90**2 - 0.46**2)),
        ("star", 5 * 1.05 * 0.40 * np.sin(np.pi / 5)),  # tips and notches alternate: ten triangles
    ],
)
def test_areas_worked_out_on_paper(shape, area):
    place = (np.arange(1200, dtype=np.float32) + 0.5) / 600 - 1
    place *= 1.1
    inside = OUTLINES[shape](place, place[:, None]) < 0
    assert inside.mean() * 2.2**2 == pytest.approx(area, rel=0.01)


def test_which_points_are_inside():
    def inside(shape, u, v):
        return bool(OUTLINES[shape](np.array([u], np.float32), np.array([v], np.float32))[0] < 0)

    assert inside("star", 0, 1.0) and not inside("star", 0, -0.6) and inside("star", 0.6, -0.8)  # one tip up, a notch down
    assert inside("triangle", 0, 1.0) and not inside("triangle", 0, -0.6)  # stands on a side
    assert not inside("ring", 0, 0) and inside("ring", 0.68, 0)
    assert inside("crescent", -0.7, 0) and not inside("crescent", 0.3, 0)
    assert inside("bowtie", 0.8, 0.5) and not inside("bowtie", 0, 0.5)
    assert inside("cross", 0.9, 0.2) and not inside("cross", 0.5, 0.5)


# ------------------------------------------------------------------------------------------------------------------- textures
@pytest.mark.parametrize("name", [*TEXTURES, *UNRELATED])
def test_patterns_have_mean_zero_and_unit_rms(name):
    for i in range(5):
        values = pattern(name, generator(0, i), SIDE)
        assert values.shape == (SIDE, SIDE) and values.dtype == np.float32
        assert abs(values.mean()) < 1e-5 and np.sqrt((values**2).mean()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_stripes_have_their_wavelength_and_angle(angle):
    spectrum = np.abs(np.fft.fft2(pattern(f"stripes-{angle}", generator(1, angle), 480)))
    row, column = np.unravel_index(spectrum[:240].argmax(), (240, 480))
    down, right = np.fft.fftfreq(480)[[row, column]]
    assert 1 / np.hypot(down, right) == pytest.approx(WAVELENGTH, rel=0.13)
    across = np.rad2deg(np.arctan2(-down, right))  # counter-clockwise; the lines run at right angles to it
    assert abs((across + 90 - angle + 90) % 180 - 90) < 8


def test_grain_has_its_band_only():
    power = np.abs(np.fft.rfft2(pattern("grain", generator(0), SIDE))) ** 2
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    assert power[(frequency < 0.29) | (frequency > 0.51)].sum() < 1e-6 * power.sum()


def test_unknown_pattern():
    with pytest.raises(KeyError):
        pattern("tartan", generator(0), SIDE)
