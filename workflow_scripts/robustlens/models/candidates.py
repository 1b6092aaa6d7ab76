"""Where in a checkpoint the tensors of a network may lie: every part and prefix that has some of its names, or a list in its order."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from robustlens.models.checkpoints import Checkpoint

RENAMED = (  # names of other versions and forks, where the network itself has no such name
    (r"(^|\.)last_layer\.", r"\1classifier.6."),  # AlexNet of the robustness package
    (r"\.branch4_conv\.", ".branch4.1."),  # GoogLeNet of its fork
    (r"(\.denselayer\d+\.(?:norm|relu|conv))\.(\d)\.", r"\1\2."),  # torchvision's own DenseNet files
    (r"\.mlp\.linear_1\.", ".mlp.0."),  # torchvision's own vision transformers
    (r"\.mlp\.linear_2\.", ".mlp.3."),
    (
        r"(^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.",
        r"\1",
    ),  # of torch.compile, shards of training, checkpointing
)
JOINED = ("", "_")  # in place of the dots, as averages of weights are kept that are registered as buffers


@dataclass(frozen=True)
class Candidate:
    """A part of a checkpoint and a prefix: ``keys`` are those in the part by the names of the network that they stand for.

    ``prefix`` is in front of the names in the file, ``inner`` of those in the network, where a module wraps it.
    """

    part: str
    prefix: str
    inner: str
    keys: dict[str, str]

    @property
    def place(self) -> str:
        """Part and prefix as one dotted name."""
        return f"{self.part}.{self.prefix}".strip(".")

    def tensors(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Its tensors by the names of the network."""
        return {name: checkpoint.parts[self.part][key] for name, key in self.keys.items()}

    def has(self, names: set[str], checkpoint: Checkpoint, wanted: dict[str, Tensor]) -> bool:
        """Whether it has all these names, in the shapes of the network."""
        return names <= set(self.keys) and all(checkpoint.parts[self.part][self.keys[name]].shape == wanted[name].shape for name in names)


def find_candidates(checkpoint: Checkpoint, network: nn.Module, beside: Callable[[str], bool]) -> list[Candidate]:
    """Every part and prefix that has a name of the network: most names first, then most right shapes, then the shortest prefixes.

    ``beside``: whether a name of the network may stand outside of a module that it wraps (its normaliser's, say).
    """
    wanted = network.state_dict()
    names = {inner: _lookup(wanted, inner) for inner in _inner_prefixes([name for name in wanted if not beside(name)])}
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for part, tensors in checkpoint.parts.items():
        for key in tensors:
            for start in [0, *(match.end() for match in re.finditer(r"\.", key))]:
                for inner, known in names.items():
                    name, keys = network_name(key[start:], known), found.setdefault((part, key[:start], inner), {})
                    if name and (name not in keys or name == inner + key[start:]):
                        keys[name] = key
    candidates = [Candidate(*place, keys) for place, keys in found.items() if keys]
    candidates += [listed for part in checkpoint.parts if (listed := _in_order(checkpoint, part, network, wanted))]

    def rank(candidate: Candidate) -> tuple:
        n_right = sum(tensor.shape == wanted[name].shape for name, tensor in candidate.tensors(checkpoint).items())
        return -len(candidate.keys), -n_right, len(candidate.prefix), len(candidate.inner), candidate.part, candidate.prefix

    return sorted(candidates, key=rank)


def network_name(key: str, names: dict[str, str]) -> str | None:
    """The name of the network that a checkpoint's name stands for, or None; ``names``: those of the network by what they are called."""
    for pattern, new in RENAMED:
        if key in names:
            break
        key = re.sub(pattern, new, key)
    return names.get(key)


def _lookup(wanted: dict[str, Tensor], inner: str) -> dict[str, str]:
    """The names of a network below ``inner`` by what they are called without it, with dots and, where that is one name's alone, without."""
    bare = {name.removeprefix(inner): name for name in wanted if name.startswith(inner)}
    joined = [(short.replace(".", sign), name) for sign in JOINED for short, name in bare.items()]
    times = Counter(spelling for spelling, _ in joined)
    return {spelling: name for spelling, name in joined if times[spelling] == 1} | bare


def _inner_prefixes(names: list[str]) -> list[str]:
    """What all names of a network begin with, module by module: that of every network or wrapper in it that holds them all."""
    modules = [name.split(".")[:-1] for name in names]
    shared = next((n for n in range(min(map(len, modules), default=0)) if len({words[n] for words in modules}) > 1), None)
    length = min(map(len, modules), default=0) if shared is None else shared
    return ["".join(f"{word}." for word in modules[0][:n]) if modules else "" for n in range(length + 1)]


def _in_order(checkpoint: Checkpoint, part: str, network: nn.Module, wanted: dict[str, Tensor]) -> Candidate | None:
    """A list of tensors as the parameters of a network, or as its whole state, by their order; None for what is no such list."""
    tensors = checkpoint.parts[part]
    if list(tensors) != [str(number) for number in range(len(tensors))]:
        return None
    for order in ([name for name, _ in network.named_parameters()], list(wanted)):
        if [tensor.shape for tensor in tensors.values()] == [wanted[name].shape for name in order]:
            return Candidate(part, "", "", dict(zip(order, tensors, strict=True)))
    return None
