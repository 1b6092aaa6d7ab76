import subprocess
import sys

import pandas as pd
import pytest
import torchvision

from robustlens.errors import InputError
from robustlens.models.published import TABLE, check_architecture, preprocessing, published_file, torchvision_weights


def of_torchvision() -> pd.DataFrame:
    """The table as the torchvision that is installed gives it."""
    rows = []
    for name in torchvision.models.list_models(module=torchvision.models):
        entries = torchvision.models.get_model_weights(name)
        rows += [(name, str(entry), int(entry == entries.DEFAULT), entry.url) for entry in entries]
    return pd.DataFrame(rows, columns=["architecture", "weights", "default", "url"])


def test_the_table_is_torchvisions():
    """After another torchvision: python tests/unit/test_published.py writes it anew."""
    pd.testing.assert_frame_equal(torchvision_weights(), of_torchvision())
    assert torchvision_weights()["url"].str.contains(r"-[0-9a-f]{8,10}\.pth$").all()
    assert (torchvision_weights().groupby("architecture")["default"].sum() == 1).all()


@pytest.mark.parametrize("weights", ["IMAGENET1K_V2", "ResNet50_Weights.IMAGENET1K_V2", "DEFAULT", "ResNet50_Weights.DEFAULT"])
def test_names_of_torchvision(weights):
    found = published_file("models.m.weights", "resnet50", weights)
    assert found == {
        "name": "ResNet50_Weights.IMAGENET1K_V2",
        "url": "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        "sha256": "11ad3fa6",
    }


def test_a_name_of_timm():
    found = published_file("models.m.weights", "timm:resnet50.a1_in1k", "pretrained")
    assert found["url"] == "https://huggingface.co/timm/resnet50.a1_in1k/resolve/main/model.safetensors"
    assert found["pointer"] == "https://huggingface.co/timm/resnet50.a1_in1k/raw/main/model.safetensors"


@pytest.mark.parametrize("path", ["data/net.pt", "net.pth", "net.safetensors", "/net", "results/fetched/a/IMAGENET1K_V1.pth"])
def test_paths_are_no_names(path):
    assert published_file("models.m.weights", "resnet50", path) is None


@pytest.mark.parametrize(
    "architecture, weights, said",
    [
        ("resnet50", "IMAGENET1K_V3", "ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2"),
        ("resnet50", "ResNet18_Weights.IMAGENET1K_V1", "ResNet50_Weights.IMAGENET1K_V1"),
        ("resnet5", "DEFAULT", "perhaps resnet50"),
        ("timm:resnet50", "pretrained", "timm:<model>.<tag>"),
        ("timm:resnet50.a1_in1k", "DEFAULT", "pretrained"),
        ("torchvision.models:resnet50", "IMAGENET1K_V2", "names go with torchvision's own, architecture: resnet50"),
        ("mine:net", "ResNet50_Weights.DEFAULT", "expected a checkpoint file for mine:net, got ResNet50_Weights.DEFAULT; names go with"),
    ],
)
def test_other_names_are_refused(architecture, weights, said):
    with pytest.raises(InputError, match="models.m") as error:
        published_file("models.m.weights", architecture, weights)
    assert said in str(error.value)


def test_unknown_architecture():
    with pytest.raises(InputError, match="models.m.architecture: expected a classification model of torchvision.*perhaps googlenet"):
        check_architecture("models.m.architecture", "googlenett")


def test_preprocessing_of_torchvision():
    assert preprocessing("ViT_B_16_Weights.IMAGENET1K_V1") == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def test_nothing_heavy_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, robustlens.models.published; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        cwd=TABLE.parents[1] / "workflow_scripts",
    )
    assert done.stdout.strip() == "False", done.stderr


if __name__ == "__main__":
    of_torchvision().to_csv(TABLE, index=False)
