"""docs/architectures.md: it has every classification model of torchvision, and its command says again what stands there."""

import architectures as command  # from bench/
import pytest
import torchvision

ROWS = {line.split("`")[1]: f"{line}\n" for line in command.PAGE.read_text().splitlines() if line.startswith("| `")}


def test_the_page_has_every_model():
    assert list(ROWS) == sorted(torchvision.models.list_models(module=torchvision.models))
    assert all(row.count("|") == len(command.COLUMNS) + 1 for row in ROWS.values())
    assert all("| goes through |" in row or "| refused: " in row for row in ROWS.values())


@pytest.mark.parametrize(
    "name", ["shufflenet_v2_x0_5", *(pytest.param(name, marks=pytest.mark.full) for name in ("squeezenet1_1", "resnet18"))]
)
def test_the_command_says_so_again(tmp_path, name):
    command.make_concepts(tmp_path)
    assert command.try_architecture(name, tmp_path) == ROWS[name]


def test_what_is_refused_has_its_reason(tmp_path, monkeypatch):
    command.make_concepts(tmp_path)
    monkeypatch.setattr(command, "default_layers", lambda *_: ["relu"])
    row = command.try_architecture("shufflenet_v2_x0_5", tmp_path)
    assert row.startswith("| `shufflenet_v2_x0_5` | refused: models.shufflenet_v2_x0_5.layers: expected a module such as conv1")
    assert row.count("|") == len(command.COLUMNS) + 1


def test_a_row_takes_its_place(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{command.HEAD}| `b` | old |\n")
    command.update(page, "b", "| `b` | new |\n")
    command.update(page, "a", "| `a` | new |\n")
    assert page.read_text() == f"# Title\n\n{command.HEAD}| `a` | new |\n| `b` | new |\n"
