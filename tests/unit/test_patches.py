"""The texture of a painting, the shape of the picture: patches, and scenes of this workflow, which are drawn again."""

import numpy as np
import pytest
from PIL import Image

from robustlens.errors import InputError
from robustlens.stimuli.cues import list_scenes
from robustlens.stimuli.embedded import render_scene
from robustlens.stimuli.paintings import choose_painting, draw_painting, list_paintings, read_painting
from robustlens.stimuli.patches import transfer_texture
from robustlens.stimuli.stylized import stylized
from styles import EMBEDDED, GREY, PHOTOGRAPHS, disc

pytestmark = pytest.mark.usefixtures("one_thread")


def test_scenes_keep_mask_and_ground_bit_for_bit():
    for i, row in enumerate(list_scenes("clean", 16, "both", 0).itertuples()):
        scene = render_scene(row.image_id, row.shape, row.texture, 0)
        made = stylized(scene.pixels, row.image_id, row.shape, row.texture, 5, EMBEDDED)
        assert np.array_equal(made, render_scene(row.image_id, row.shape, row.texture, 0, texture_kind="unrelated").pixels)
        outside, inside = scene.mask == 0, scene.mask == 255
        assert np.array_equal(made[outside], scene.pixels[outside]), i
        assert (made[inside] != scene.pixels[inside]).mean() > 0.5


def test_scenes_take_no_painting(tmp_path):
    with pytest.raises(InputError, match="stylized: paintings: expected none for an embedded source"):
        stylized(disc(48), "clean-000000", 0, 0, 0, EMBEDDED, paintings=str(tmp_path))


def blurred_edges(pixels, sigma):
    """Size of the gradient of the blurred luminance, flat."""
    from scipy.ndimage import gaussian_gradient_magnitude

    return gaussian_gradient_magnitude(pixels @ GREY, sigma).ravel()


@pytest.mark.parametrize("size", [(64, 64), (17, 40), (75, 100)])
def test_an_even_style_leaves_its_colour_and_nothing_else(size):
    content = np.asarray(Image.fromarray(disc(64)).resize(size[::-1]))
    made = transfer_texture(content, np.full((*size, 3), (200, 90, 30), np.uint8))
    assert np.abs(made.astype(int) - (200, 90, 30)).max() <= 1


def test_the_outline_of_a_disc_stays_in_any_painting():
    content = disc(128)
    outline = blurred_edges(content, 3)
    found, chance = [], []
    for k in range(6):
        made, painting = stylized(content, f"i-{k}", -1, -1, 0, PHOTOGRAPHS), draw_painting(f"i-{k}", 0, 128, 128)
        found.append(np.corrcoef(outline, blurred_edges(made, 3))[0, 1])
        chance.append(np.corrcoef(outline, blurred_edges(painting, 3))[0, 1])
    assert np.mean(found) > 0.95 and min(found) > 0.85 and max(np.abs(chance)) < 0.2


def test_texture_and_colours_are_the_styles():
    """Stripes across the picture: energy at their frequency and in their direction, none in the other, and no colour but theirs."""
    wave = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(128) / 8)
    style = np.rint(255 * wave[None, :, None] * np.array([1.0, 0.5, 0.1])).astype(np.uint8).repeat(128, 0)
    made = transfer_texture(disc(128), style)
    spectrum = np.abs(np.fft.fft2(made @ GREY))
    before = np.abs(np.fft.fft2(disc(128) @ GREY))
    assert spectrum[:2, 16].max() > 20 * before[:2, 16].max() and spectrum[:2, 16].max() > 4 * spectrum[16, :2].max()
    channels = made.reshape(-1, 3).mean(0) / style.reshape(-1, 3).mean(0)
    assert channels == pytest.approx(np.ones(3), abs=0.1)


def test_fine_texture_of_the_content_is_gone():
    """A checkerboard of 4 px a cycle on even grey, which is no shape: of its amplitude less than a thirtieth is left."""
    board = 90 + 60 * np.kron(np.indices((112, 112)).sum(0) % 2, np.ones((2, 2)))[..., None].repeat(3, 2)
    even, painting = np.full((224, 224, 3), 120, np.uint8), draw_painting("x", 0, 224, 224)
    before, after, without = (
        np.fft.fft2(x @ GREY)[56, 56] for x in (board, *(transfer_texture(c.astype(np.uint8), painting) for c in (board, even)))
    )
    assert abs(after - without) < abs(before) / 30


def test_equal_hues_apart_are_a_shape_even_where_they_are_equally_light():
    inside, outside = (200, 60, 60), (60, 131, 60)
    assert np.dot(GREY, inside) == pytest.approx(np.dot(GREY, outside), abs=2)
    content = disc(128, inside, outside)
    made = stylized(content, "i-0", -1, -1, 0, PHOTOGRAPHS) @ GREY
    within = (content == np.uint8(inside)).all(-1)
    assert abs(made[within].mean() - made[~within].mean()) > 40


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (48, 48), (75, 100), (130, 90)])
def test_patches_take_any_size_and_repeat_themselves(size):
    content = np.asarray(Image.fromarray(disc(128)).resize(size[::-1]))
    made = stylized(content, "i", -1, -1, 0, PHOTOGRAPHS)
    assert made.shape == (*size, 3) and made.dtype == np.uint8
    assert np.array_equal(made, stylized(content, "i", -1, -1, 0, PHOTOGRAPHS))
    assert not np.array_equal(made, stylized(content, "j", -1, -1, 0, PHOTOGRAPHS))


def test_patches_use_the_paintings_of_a_folder(paintings):
    content = disc(32)
    chosen = choose_painting(list_paintings(str(paintings)), "i", 0)
    made = stylized(content, "i", -1, -1, 0, PHOTOGRAPHS, paintings=str(paintings))
    assert np.array_equal(made, transfer_texture(content, read_painting(chosen, 32, 32)))


def test_patches_refuse_pictures_that_are_too_small():
    with pytest.raises(InputError, match="at least 16 px a side, got 12 x 12 px and 12 x 12 px"):
        transfer_texture(disc(12), disc(12))
