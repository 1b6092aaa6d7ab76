"""The weather of ImageNet-C: snow, frost and its pictures, fog, brightness, spatter."""

import numpy as np
import pytest
from corrupted import CPU, SEVERITIES, apply, even, farthest, scene
from PIL import Image
from scipy import stats

from robustlens.corruptions import draws, weather
from robustlens.corruptions.frost_pictures import drawn_pictures, frost_pictures, read_pictures
from robustlens.errors import InputError
from robustlens.randomness import generator
from robustlens.stimuli.corruption import corrupt


def test_without_flakes_snow_only_pales():
    none = np.full((16, 16), -9, np.float32)
    assert (apply(weather.snow, even(0), 1, noise=none, angle=np.array(-90.0)) == 25).all()  # .2 * .5 * 255 = 25.5
    assert (apply(weather.snow, even(255), 1, noise=none, angle=np.array(-90.0)) == 255).all()


def test_snow_lies_twice_the_second_time_upside_down():
    found = corrupt(even(60)[None], ["x"], "snow", 2, seed=0, device=CPU)[0]
    assert np.array_equal(found, found[::-1, ::-1]) and found.std() > 3
    assert found.min() >= 60 + int(0.3 * (127.5 + 90 - 60))


def test_frost_on_paper():
    assert (apply(weather.frost, even(100), 3, frost=even(200)) == 210).all()  # .7 * 100 + .7 * 200
    assert (apply(weather.frost, even(200), 1, frost=even(200)) == 255).all()


def test_frost_is_a_part_of_any_of_the_pictures():
    pictures = tuple(np.full((60, 70, 3), 50 * i, np.uint8) + np.arange(10, dtype=np.uint8).repeat(6)[:, None, None] for i in range(5))
    parts = [weather.prepare_frost(generator(0, i), even(0), 1, pictures=pictures)["frost"] for i in range(1000)]
    which = np.bincount([part[0, 0, 0] // 50 for part in parts], minlength=5)
    assert which.size == 5 and stats.chisquare(which).pvalue > 0.01
    assert {int(part[0, 0, 0] % 50) for part in parts} == {0, 1}  # rows 0 to 11


def test_drawn_frost_is_always_the_same_and_as_bright_as_the_published():
    pictures = drawn_pictures()
    assert len({picture.tobytes() for picture in pictures}) == 5
    drawn_pictures.cache_clear()
    assert all(np.array_equal(*pair) for pair in zip(pictures, drawn_pictures(), strict=True))
    for picture, mean in zip(pictures, ((78, 149, 166), (201, 205, 214), (190, 200, 212), (138, 153, 165), (112, 123, 135)), strict=True):
        assert picture.mean(axis=(0, 1)) == pytest.approx(mean, abs=3) and picture.std(axis=(0, 1)).min() > 15


def test_frost_from_a_folder(tmp_path):
    for number in (2, 1, 3, 4, 6, 5):
        Image.fromarray(even(number, 300, 400)).save(tmp_path / f"frost{number}.png")
    (tmp_path / "notes.txt").write_text("")
    found = frost_pictures(str(tmp_path), 224, 224)
    assert [int(picture[0, 0, 0]) for picture in found] == [1, 2, 3, 4, 5] and found[0].shape == (300, 400, 3)
    assert frost_pictures(str(tmp_path), 112, 112)[0].shape == (150, 200, 3)  # as fine for images of half the size
    assert frost_pictures(str(tmp_path), 112, 448)[0].shape[1] > 448
    (tmp_path / "frost3.png").unlink()
    with pytest.raises(InputError, match="frost5 .*, got no frost3"):
        read_pictures(tmp_path)
    (tmp_path / "frost3.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="frost3.jpg: expected a readable picture"):
        read_pictures(tmp_path)


def test_fog_on_paper():
    without = np.zeros((48, 48), np.float32)
    assert (apply(weather.fog, even(255), 1, haze=without) == 102).all()  # 1 / (1 + 1.5)
    assert (apply(weather.fog, even(255), 1, haze=without + 1) == 255).all()
    assert (apply(weather.fog, even(0), 1, haze=without + 1) == 0).all()  # of a black image the largest value is 0


def test_plasma_runs_from_0_to_1_joins_at_its_borders_and_is_rougher_the_slower_it_decays():
    drawn = generator(0, "test").uniform(-1, 1, 64 * 64 - 1)
    rough = []
    for decay in (3, 2, 1.4):
        field = weather.plasma(drawn, 64, decay)
        assert field.shape == (64, 64) and field.min() == 0 and field.max() == 1
        inside, border = np.abs(np.diff(field, axis=0)).mean(), np.abs(field[0] - field[-1]).mean()
        assert border < 3 * inside
        rough.append(inside)
    assert rough == sorted(rough)
    by_hand = weather.plasma(np.array([4.0, 0, 0]), 2, 2)  # corner 0, centre 4, edges (4 + 4 + 0 + 0) / 4
    assert by_hand.tolist() == [[0, 0.5], [0.5, 1]]
    drawn = np.zeros(15)
    drawn[[0, 3]] = 16  # the first centre of either scale: 16, and (0 + 8 + 8 + 16) / 4 + 16 / 2^2
    assert weather.plasma(drawn, 4, 2)[[2, 1, 0], [2, 1, 0]].tolist() == [1, 12 / 16, 0]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_is_that_of_hsv(severity):
    from skimage.color import hsv2rgb, rgb2hsv

    picture = scene()
    brighter = rgb2hsv(picture)
    brighter[..., 2] = np.clip(brighter[..., 2] + weather.BRIGHTNESS[severity - 1], 0, 1)
    assert farthest(apply(weather.brightness, picture, severity), hsv2rgb(brighter) * 255) <= 1


def test_spatter_covers_on_paper():
    half = np.full((48, 48), 0.5, np.float32)
    assert apply(weather.spatter, even(100), 1, cover=half)[0, 0].tolist() == [187, 219, 219]
    assert apply(weather.spatter, even(100), 4, cover=half)[0, 0].tolist() == [81, 71, 60]
    assert weather.spatter_cover(np.full((48, 48), -9, np.float32), 1).max() == 0  # a picture without a drop
    for severity in SEVERITIES:
        cover = weather.spatter_cover(draws.normal(generator(0, "test"), (96, 96)), severity)
        assert cover.min() == 0 and 0.02 < (cover > 0).mean() < 0.98
        assert cover.max() == pytest.approx(weather.SPATTER[severity - 1][4] if severity < 4 else 1, rel=0.1)
