"""A network cut behind its layers: what comes before a layer is computed once, what lies behind it for many changed copies of its output.

The network is traced to its elementary operations (``torch.fx``, aten level, mutations taken out) at two batch sizes, that of the
images and COPIES times that. The operations that depend on a layer's output are its tail; the other values that they need are kept from
the pass over the images, and repeated along the dimension in which the two traces differ. So branches and skip connections are exact.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, fx
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from robustlens.devices import out_of_memory
from robustlens.errors import InputError
from robustlens.models.outputs import Layout, layout_of
from robustlens.models.registry import Classifier

log = logging.getLogger("robustlens")
COPIES = 8  # changed copies of a batch in one pass; a constant, so that every pass has the same shape
Zeros = Sequence[Sequence[int]]  # of each copy, the units that are zeroed; at most COPIES


def pass_through(model: Classifier, layers: Sequence[str], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits [n_images, n_classes] and a copy of what each layer gives, which what comes behind it reads in its stead.

    Raises InputError for a layer that runs not at all or twice, or gives no [n_images, n_units, ...] or [n_images, ..., n_units].
    """
    outputs: dict[str, Tensor] = {}

    def refuse(layer: str, got: str) -> NoReturn:
        where = f"models.{model.card.get('model', '?')}.layers"
        raise InputError(where, "a layer that runs once and gives [n_images, n_units, ...]", f"{layer}, which {got}")

    def keep(layer: str, module: torch.nn.Module, output: Any) -> Tensor:
        if layer in outputs:
            refuse(layer, "runs again")
        if layout_of(output, module) is None or len(output) != len(images):
            refuse(layer, f"gives {list(output.shape) if isinstance(output, Tensor) else type(output).__name__}")
        outputs[layer] = output.clone()
        return outputs[layer].clone()

    with _replaced(model, layers, keep):
        logits = model(images)
    for layer in layers:
        if layer not in outputs:
            refuse(layer, "does not run")
    return logits, outputs


def zeroed_logits(model: Classifier, images: Tensor, zeros: dict[str, Zeros]) -> Tensor:
    """Logits [COPIES, n_images, n_classes] of the whole network run anew, in copy k without the units ``zeros[layer][k]`` of each layer."""

    def zero(layer: str, module: torch.nn.Module, output: Tensor) -> Tensor:
        return zero_units(output.clone(), _layout(output[: len(images)], module), zeros[layer])

    with _replaced(model, zeros, zero):
        return model(torch.cat([images] * COPIES)).unflatten(0, (COPIES, len(images)))


@contextmanager
def _replaced(model: Classifier, layers: Iterable[str], change: Callable[[str, torch.nn.Module, Any], Tensor]) -> Iterator[None]:
    """Within the context, what a layer gives is replaced by ``change(layer, module, output)``."""

    def hook(layer: str, module: torch.nn.Module, _: object, output: object) -> Tensor:
        return change(layer, module, output)

    handles = [model.layer(layer).register_forward_hook(partial(hook, layer)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layout(output: Tensor, module: torch.nn.Module) -> Layout:
    """Of an output that :func:`pass_through` has not refused."""
    layout = layout_of(output, module)
    assert layout is not None
    return layout


def zero_units(copies: Tensor, layout: Layout, zeros: Zeros) -> Tensor:
    """``copies`` [COPIES * n_images, ...] itself, with the units ``zeros[k]`` of copy k set to zero in all cells and tokens."""
    n_images = len(copies) // COPIES
    for copy, units in enumerate(zeros):
        if len(units):
            at = torch.as_tensor(np.asarray(units, np.int64), device=copies.device)
            copies[copy * n_images : (copy + 1) * n_images].index_fill_(layout.axis, at, 0)
    return copies


class Untraceable(Exception):
    """A network that cannot be cut; it is run as a whole then."""


class Tails:
    """Passes of ``model`` that are cut behind ``layers``: call it with images, then :meth:`Pass.zeroed` as often as needed.

    A network that cannot be traced (its way depends on its numbers, or leaves torch), and one whose tail does not give the same
    logits as the network itself, is run anew as a whole for each changed batch: the same result, only slower.
    """

    def __init__(self, model: Classifier, layers: Sequence[str]):
        self.model, self.layers = model, list(layers)
        self._cuts: dict[tuple[int, ...], _Cut | None] = {}

    def __call__(self, images: Tensor) -> "Pass":
        """One pass over ``images`` [n_images, 3, height, width]. Raises InputError as :func:`pass_through` does."""
        shape = tuple(images.shape)
        if shape not in self._cuts:
            self._cuts = {shape: self._cut(images)}
        cut = self._cuts[shape]
        if cut is None:
            logits, outputs = pass_through(self.model, self.layers, images)
            return Pass(self.model, images, logits, self._layouts(outputs))
        return cut.over(self.model, images)

    def _layouts(self, outputs: dict[str, Tensor]) -> dict[str, Layout]:
        return {layer: _layout(output, self.model.layer(layer)) for layer, output in outputs.items()}

    def _cut(self, images: Tensor) -> "_Cut | None":
        try:
            cut, expected = _Cut(self.model, self.layers, images, self._layouts), self.model(images)
            passed, scale = cut.over(self.model, images), 1.0 if images.is_meta else float(expected.abs().max())
            for where, found in {"": passed.logits, **{f" behind {layer}": passed.zeroed(layer, []) for layer in self.layers}}.items():
                same = torch.isclose(found, expected, rtol=1e-3, atol=1e-4 * scale, equal_nan=True)
                if not (images.is_meta or same.all()):  # on meta, where operations are counted, there are no numbers
                    raise Untraceable(f"its trace gives other logits{where}")
        except InputError:
            raise
        except Exception as error:  # tracing meets whatever the network's code does
            if out_of_memory(error):
                raise
            log.info("run as a whole for each changed batch: %s", (str(error).splitlines() or [type(error).__name__])[0][:200])
            return None
        return cut


class Pass:
    """One pass over a batch: ``logits`` [n_images, n_classes] of the intact network, ``layouts`` of its layers."""

    def __init__(self, model, images, logits, layouts, cut=None, values=None):
        self.model, self.images, self.logits, self.layouts = model, images, logits, layouts
        self._cut, self._values = cut, values

    def zeroed(self, layer: str, zeros: Zeros) -> Tensor:
        """Logits [COPIES, n_images, n_classes], in copy k without the units ``zeros[k]``; copies that it has no units for are intact."""
        if self._cut is None:
            return zeroed_logits(self.model, self.images, {layer: zeros})
        tail, needed = self._cut.tails[layer]
        repeated = [self._repeated(name) for name in needed]
        at = needed.index(self._cut.names[layer])
        zero_units(repeated[at], self.layouts[layer], zeros)
        return tail(*repeated).unflatten(0, (COPIES, len(self.images)))

    def _repeated(self, name: str) -> Tensor:
        value, dim = self._values[name], self._cut.kept[name]
        return value if dim is None else torch.cat([value] * COPIES, dim)


class _Cut:
    """The traced network of one batch size: ``prefix`` gives (logits, values of the nodes ``kept``); ``tails``: layer -> (what lies
    behind it, names of the nodes it takes); ``kept``: name -> the dimension in which copies follow one another, None where in none."""

    def __init__(self, model: Classifier, layers: list[str], images: Tensor, layouts_of):
        one, many = (_traced(model, layers, (copies * len(images), *images.shape[1:]), images) for copies in (1, COPIES))
        nodes, images_nodes = list(many.graph.nodes), list(one.graph.nodes)
        if [(node.op, str(node.target)) for node in nodes] != [(node.op, str(node.target)) for node in images_nodes]:
            raise Untraceable("it takes another way with more images")
        same = dict(zip(nodes, images_nodes, strict=True))
        logits, *marks = nodes[-1].args[0]
        self.names = {layer: mark.name for layer, mark in zip(layers, marks, strict=True)}
        self.layouts = layouts_of({layer: same[mark].meta["val"] for layer, mark in zip(layers, marks, strict=True)})
        self.tails: dict[str, tuple[fx.GraphModule, list[str]]] = {}
        self.kept: dict[str, int | None] = {}
        sources = []
        for layer, mark in zip(layers, marks, strict=True):
            tail, needed = _behind(many, mark, logits)
            self.tails[layer] = tail, [node.name for node in needed]
            for node in needed:
                if node.name not in self.kept:
                    self.kept[node.name] = _repeated_dimension(same[node], node)
                    sources.append(same[node])
        self.prefix = _up_to(one, same[logits], sources)

    def over(self, model: Classifier, images: Tensor) -> Pass:
        logits, values = self.prefix(images)
        return Pass(model, images, logits, self.layouts, self, dict(zip(self.kept, values, strict=True)))


def _traced(model: Classifier, layers: list[str], shape: tuple[int, ...], like: Tensor) -> fx.GraphModule:
    """The graph of images [shape] -> (logits, what each layer gives); nothing is computed."""

    def run(images: Tensor) -> list[Tensor]:
        logits, outputs = pass_through(model, layers, images)
        return [logits, *(outputs[layer] for layer in layers)]

    with torch.inference_mode(False), torch.no_grad():
        empty = torch.empty(shape, dtype=like.dtype, device=like.device).contiguous(memory_format=torch.channels_last)
        return make_fx(functionalize(run), tracing_mode="fake", _allow_non_fake_inputs=True)(empty)


def _repeated_dimension(one: fx.Node, many: fx.Node) -> int | None:
    values = one.meta.get("val"), many.meta.get("val")
    if not all(isinstance(value, Tensor) for value in values) or values[0].dim() != values[1].dim():
        raise Untraceable(f"{many.name} is no tensor of images")
    changed = [dim for dim, (size, copies) in enumerate(zip(values[0].shape, values[1].shape, strict=True)) if size != copies]
    if len(changed) > 1 or any(values[1].shape[dim] != COPIES * values[0].shape[dim] for dim in changed):
        raise Untraceable(f"{many.name} does not grow with the images")
    return changed[0] if changed else None


def _behind(traced: fx.GraphModule, mark: fx.Node, logits: fx.Node) -> tuple[fx.GraphModule, list[fx.Node]]:
    """The operations that depend on the node ``mark``, as a module of its own, and the nodes whose values it takes, in order."""
    behind: set[fx.Node] = {mark}
    for node in traced.graph.nodes:
        if node.op != "output" and behind.intersection(node.all_input_nodes):
            behind.add(node)
    if logits not in behind:
        raise Untraceable("its decision does not depend on the layer")
    tail = [node for node in traced.graph.nodes if node in behind and node is not mark]
    used = {node for found in tail for node in found.all_input_nodes} - set(tail)
    needed = [mark, *(node for node in traced.graph.nodes if node in used - {mark} and node.op != "get_attr")]
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in needed:
        known[node] = graph.placeholder(node.name)
    for node in (found for found in traced.graph.nodes if found in used and found.op == "get_attr"):
        known[node] = graph.node_copy(node)
    for node in tail:
        copied = node.target is torch.ops.aten.clone.default and node.args[0] is mark  # by pass_through; nothing here writes to it
        known[node] = known[mark] if copied else graph.node_copy(node, known.__getitem__)
    graph.output(known[logits])
    graph.eliminate_dead_code()
    return fx.GraphModule(traced, graph), needed


def _up_to(traced: fx.GraphModule, logits: fx.Node, kept: list[fx.Node]) -> fx.GraphModule:
    """The same graph that gives (logits, values of the nodes ``kept``)."""
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in traced.graph.nodes:
        if node.op != "output":
            known[node] = graph.node_copy(node, known.__getitem__)
    graph.output((known[logits], [known[node] for node in kept]))
    graph.eliminate_dead_code()
    return fx.GraphModule(traced, graph)
