"""Paintings: chosen by the image, or drawn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustlens.errors import InputError
from robustlens.stimuli.paintings import STROKES, choose_painting, cover, draw_painting, list_paintings, read_painting
from styles import GREY

pytestmark = pytest.mark.usefixtures("one_thread")


def test_paintings_are_sorted_and_hidden_files_left_out(paintings):
    assert [path.relative_to(paintings).as_posix() for path in list_paintings(str(paintings))] == [
        "a/1.jpg",
        "a/2.png",
        "b/1.png",
        "b/wide.png",
        "c.png",
    ]


def test_every_painting_is_drawn_equally_often_and_by_the_image_alone(paintings):
    folder = list_paintings(str(paintings))
    chosen = [choose_painting(folder, f"i-{k}", 0) for k in range(2000)]
    counts = pd.Series(chosen).value_counts()
    assert len(counts) == 5 and counts.max() - counts.min() < 120  # 400 each, standard deviation 18
    assert [choose_painting(folder, f"i-{k}", 0) for k in (1999, 3)] == [chosen[1999], chosen[3]]
    assert [choose_painting(folder, f"i-{k}", 1) for k in range(50)] != chosen[:50]


def test_a_painting_covers_the_picture():
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)  # 20 x 40 px, the column's number
    assert np.array_equal(cover(Image.fromarray(ramp), 20, 40), ramp)
    assert cover(Image.fromarray(ramp), 20, 20)[0, :, 0].tolist() == list(range(10, 30))  # the centre, not squeezed
    assert cover(Image.fromarray(ramp), 10, 10).shape == cover(Image.fromarray(ramp), 10, 10).shape == (10, 10, 3)
    assert cover(Image.fromarray(ramp), 50, 30).shape == (50, 30, 3)


def test_faulty_folders_of_paintings_are_refused(paintings, tmp_path):
    with pytest.raises(InputError, match="gone: expected a folder of paintings, got no such folder"):
        list_paintings(str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: expected at least one painting"):
        list_paintings(str(tmp_path / "empty"))
    (paintings / "a/list.csv").write_text("x")
    with pytest.raises(InputError, match=r"list\.csv: expected a picture .* got another file"):
        list_paintings(str(paintings))
    (paintings / "c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"c\.png: expected a readable picture"):
        read_painting(paintings / "c.png", 16, 16)


def test_a_style_image_that_cannot_be_read_is_passed_over_if_asked(paintings, tmp_path):
    """``exclude``, of on_bad_image: another one is drawn, and who had a sound one keeps it."""
    folder = list_paintings(str(paintings))
    before = [choose_painting(folder, f"i-{k}", 0) for k in range(50)]
    (paintings / "a/1.jpg").write_bytes(b"no image")
    assert [choose_painting(folder, f"i-{k}", 0) for k in range(50)] == before
    after = [choose_painting(folder, f"i-{k}", 0, exclude=True) for k in range(50)]
    assert all(new == old or old == folder[0] for new, old in zip(after, before, strict=True)) and folder[0] in before
    assert folder[0] not in after
    with pytest.raises(InputError, match=r"a/1.jpg: expected a style image that can be read, got .*the last of 20 that i-0 was given"):
        choose_painting(folder[:1], "i-0", 0, exclude=True)


def test_drawn_paintings_are_many_coloured_and_unlike_each_other():
    drawn = [draw_painting(f"i-{k}", 0, 48, 64) for k in range(40)]
    assert all(painting.shape == (48, 64, 3) and painting.dtype == np.uint8 for painting in drawn)
    assert all((painting @ GREY).std() > 25 for painting in drawn)  # dark and light in each
    means = np.stack([painting.reshape(-1, 3).mean(0) for painting in drawn])
    assert (means.std(0) > 15).all()  # and no colour that all share
    assert np.array_equal(drawn[7], draw_painting("i-7", 0, 48, 64))
    assert not np.array_equal(drawn[7], draw_painting("i-7", 1, 48, 64))


@pytest.mark.parametrize("stroke", STROKES, ids=lambda stroke: stroke.__name__.strip("_"))
def test_every_kind_of_stroke_has_mean_0_and_deviation_1(stroke):
    place = np.arange(64, dtype=np.float32) / 5
    values = stroke(place - 3 * place[:, None] / 8, place[:, None] + 0 * place, np.random.default_rng(0))
    assert values.shape == (64, 64) and np.isfinite(values).all()
    assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-3)
