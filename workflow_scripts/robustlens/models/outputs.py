"""What a network and its layers give: the logits; maps, which axis of them counts the units, and where their cells are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

from torch import Tensor, nn

PREFIXES = (0, 1, 2, 4, 5)  # tokens before those of the image: none, class, with distillation, 4 registers, with the class


def logits_of(output: Any) -> Any:
    """The logits in what a network gave: the entry ``logits`` of a mapping (as of Hugging Face's models), else the output itself."""
    return output["logits"] if isinstance(output, Mapping) and "logits" in output else output


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within the context the module is in evaluation mode."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in training.items():
            part.training = mode


@dataclass(frozen=True)
class Layout:
    """``kind``: ``maps`` [n_images, n_units, height, width], ``channels-last`` [n_images, height, width, n_units], ``tokens`` [n_images,
    n_tokens, n_units] or ``vector`` [n_images, n_units], which has no cells. ``axis``: the one of the units."""

    kind: str
    axis: int
    n_units: int
    height: int = 0
    width: int = 0

    @property
    def has_maps(self) -> bool:
        """Whether its units have maps."""
        return self.height > 0


def layout_of(output: object, module: nn.Module) -> Layout | None:
    """The layout of what ``module`` gave; None for what has no units (no tensor, tokens in no square).

    Of four dimensions the last two are the cells, unless the two in the middle are equal and the last two are not: torch's own order and
    that of Swin. Where all are equal, a module that computes with linear layers and no convolution has its units last. Tokens are a
    square grid, row by row, behind 0, 1, 2, 4 or 5 that belong to no cell.
    """
    if not isinstance(output, Tensor) or output.dim() not in (2, 3, 4):
        return None
    shape = tuple(output.shape)
    if output.dim() == 2:
        return Layout("vector", 1, shape[1])
    if output.dim() == 3:
        side = isqrt(shape[1])
        return Layout("tokens", 2, shape[2], side, side) if shape[1] - side * side in PREFIXES else None
    _, first, second, third = shape
    if first == second and (second != third or _linear(module)):
        return Layout("channels-last", 3, third, first, second)
    return Layout("maps", 1, first, second, third)


def maps_of(output: Any, module: nn.Module) -> Tensor | None:
    """Maps [n_images, n_units, height, width] of what ``module`` gave, a view of it; None where it has none."""
    layout = layout_of(output, module)
    if layout is None or not layout.has_maps:
        return None
    if layout.kind == "maps":
        return output
    if layout.kind == "channels-last":
        return output.permute(0, 3, 1, 2)
    cells = output[:, output.shape[1] - layout.height * layout.width :]
    return cells.unflatten(1, (layout.height, layout.width)).permute(0, 3, 1, 2)


def _linear(module: nn.Module) -> bool:
    kinds = {type(part) for part in module.modules()}
    return not any(issubclass(kind, nn.Conv2d) for kind in kinds) and any(issubclass(kind, nn.Linear | nn.LayerNorm) for kind in kinds)
