"""Weights that torchvision and timm publish, by their names: where they are, without importing either."""

from difflib import get_close_matches
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pandas as pd

from robustlens.errors import InputError

TABLE = Path(__file__).resolve().parents[3] / "resources/torchvision_weights.csv"
TIMM = "timm:"
HUB = "https://huggingface.co/timm"
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # R, G, B of pixels on [0, 1], as torchvision's models take them


@cache
def torchvision_weights() -> pd.DataFrame:
    """One row a weights entry of torchvision's classification models: ``architecture, weights, default, url``.

    ``default``: 1 for the one that its name DEFAULT stands for. ``tests/unit/test_published.py`` writes the table anew from torchvision.
    """
    return pd.read_csv(TABLE)


def architectures() -> list[str]:
    """Names of torchvision's classification models."""
    return torchvision_weights()["architecture"].unique().tolist()


def check_architecture(where: str, architecture: str) -> None:
    """Raise InputError for a bare name that is no model of torchvision."""
    if architecture not in architectures():
        close = get_close_matches(architecture, architectures(), 3)
        expected = "a classification model of torchvision, timm:<name>, or package.module:factory"
        raise InputError(where, expected, architecture, f"perhaps {' or '.join(close)}" if close else "")


def published_file(where: str, architecture: str, weights: str) -> dict[str, str] | None:
    """What a name of weights stands for: ``name`` (as torchvision or timm says it), ``url``, and ``sha256`` (its beginning) or ``pointer``.

    None where ``weights`` has the form of a path. ``pointer``: address of a Git LFS pointer that holds the SHA-256. Raises InputError,
    with the names there are, for a name that the architecture does not have.
    """
    if "/" in weights or weights.rpartition(".")[2].islower() and weights != "pretrained":
        return None
    if architecture.startswith(TIMM):
        return _of_timm(where, architecture.removeprefix(TIMM), weights)
    if ":" in architecture:
        _check_name_of_none(where, architecture, weights)
        return None
    check_architecture(where.replace("weights", "architecture"), architecture)
    rows = torchvision_weights()
    rows = rows[rows["architecture"] == architecture]
    short = weights.rpartition(".")[2]
    row = rows[rows["default"] == 1] if short == "DEFAULT" else rows[rows["weights"].str.endswith(f".{short}")]
    if len(row) != 1 or weights not in (short, "DEFAULT", row["weights"].iloc[0], row["weights"].iloc[0].partition(".")[0] + ".DEFAULT"):
        raise InputError(where, f"a checkpoint file, or one of {', '.join(rows['weights'])}", weights)
    url = row["url"].iloc[0]
    return {"name": row["weights"].iloc[0], "url": url, "sha256": PurePosixPath(urlsplit(url).path).stem.rpartition("-")[2]}


def _check_name_of_none(where: str, architecture: str, weights: str) -> None:
    """Raise InputError for a name of torchvision's weights with a factory, of which nobody knows whether they are its own."""
    if weights.rpartition(".")[2] in {"DEFAULT", *torchvision_weights()["weights"].str.rpartition(".")[2]} and not Path(weights).exists():
        bare = architecture.rpartition(":")[2]
        mend = f"names go with torchvision's own, architecture: {bare}" if bare in architectures() else "names go with torchvision's own"
        raise InputError(where, f"a checkpoint file for {architecture}", weights, mend)


def _of_timm(where: str, name: str, weights: str) -> dict[str, str]:
    if weights != "pretrained" or "." not in name:
        raise InputError(where, "a checkpoint file, or pretrained with an architecture timm:<model>.<tag>", f"{weights} for {TIMM}{name}")
    file = "main/model.safetensors"
    return {"name": f"{TIMM}{name}", "url": f"{HUB}/{name}/resolve/{file}", "pointer": f"{HUB}/{name}/raw/{file}"}


def preprocessing(name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (R, G, B, pixels on [0, 1]) that published weights were trained with, by ``name`` of
    :func:`published_file`, as torchvision or timm says."""
    if name.startswith(TIMM):
        from timm.models import get_pretrained_cfg

        config = get_pretrained_cfg(name.removeprefix(TIMM))
        return list(config.mean), list(config.std)
    from torchvision.models import get_weight

    transform = get_weight(name).transforms()
    return list(transform.mean), list(transform.std)
