"""The miniature concept set in Broden's layout."""

from render_concepts import main
from robustlens.broden import read_broden

CATEGORIES = ["object", "part", "scene", "texture", "color", "material"]


def test_every_category_is_there(broden):
    opened = read_broden(broden, CATEGORIES)
    assert len(opened) == 24 and opened.categories == ["color", "object", "part", "material", "scene", "texture"]
    assert opened.index["image_id"].iloc[0] == "concepts-scenes-000000.png"
    assert opened.planes(0).shape == (5, 32, 32) and opened.image_labels(0).shape == (1,)


def test_a_smaller_set_has_the_same_first_images(broden, tmp_path):
    main(str(tmp_path / "fewer"), name="scenes", concept_set={"kind": "embedded", "n_images": 3}, seed=0)
    written = sorted((tmp_path / "fewer" / "images").iterdir())
    assert len(written) == 3 * 6
    for path in written:
        assert path.read_bytes() == (broden / "images" / path.name).read_bytes()
