"""What each job costs, worked out from the config: images, forward and backward passes, operations, bytes.

A forward (backward) pass is one image going through a network once. Blocks that are filled up with zeros are not counted.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from robustlens.plan.image_sizes import size_of
from robustlens.plan.jobs import Job
from robustlens.plan.networks import NetworkCost, network_cost

UNITS = {  # what the time of a rule's job grows with; of rules that are not named here it is counted by the job
    **dict.fromkeys(
        (
            "train_model",
            "train_part",
            "verify_model",
            "attack_images",
            "attack_and_sweep",
            "predict",
            "dump_activations",
            "dump_image_set",
            "ablate_units",
            "ablate_concepts",
        )
        + ("count_values", "tally_concepts", "compare_maps"),
        "GFLOP",
    ),
    **dict.fromkeys(
        ("render_source", "render_images", "make_stimulus", "compute_stimulus", "render_concepts"), "Mpixel"
    ),  # of the pictures
    **dict.fromkeys(("sift_images", "index_images", "index_concepts", "pack_concepts", "gather_predictions"), "image"),
    "measure_maps": "GB",  # of activations
    "dissect": "Mpixel",  # of the units' maps at the size of the label maps
}
ONE_PASS = ("verify_model", "predict", "dump_activations", "dump_image_set", "count_values", "tally_concepts")  # over each image
PREDICTION_BYTES = 24  # of a row of predictions, compressed, beside 4 a class where all probabilities are kept


class UnknownCost(Exception):
    """Why something of a job cannot be known before other jobs have run."""


@dataclass(frozen=True)
class Cost:
    """Of one job. ``amount``: how many of its rule's units, ``n_bytes``: what it writes; None where ``unknown`` says why.

    ``kind``: which jobs of its rule have the same rate (network or kind of stimulus, and image size); ``size``: of one image, for a
    network its GFLOP of a forward pass, for a picture its Mpixel; ``pixels``: Mpixel of the pictures written, if they are what it writes.
    """

    images: int = 0
    forward: int | None = 0
    backward: int | None = 0
    amount: float | None = 1.0
    n_bytes: float | None = 0.0
    kind: str = ""
    size: float = 0.0
    pixels: float = 0.0
    unknown: str = ""


class Costs:
    """The costs of the jobs of one study. ``network_cost``: what counts a network's operations."""

    def __init__(self, config: dict, network_cost: Callable[[str, dict, int], NetworkCost] = network_cost):
        self.config, self._network_cost = config, network_cost
        self._networks: dict[tuple[str, int], NetworkCost | str] = {}
        self._sides: dict[tuple[str, str], int | str] = {}

    def of(self, job: Job) -> Cost:
        """The cost of a job; a rule without a method of its name here handles its images and is counted by the job."""
        images = int(job.resources.get("images", 0))
        method: Callable[..., dict] = getattr(self, f"_{job.rule}", lambda *_: {})
        forward, backward = None, None
        try:
            forward, backward = self._passes(job, images)
            return Cost(images, forward, backward, **method(job, images))
        except UnknownCost as reason:
            return Cost(images, forward, backward, amount=None, n_bytes=None, unknown=str(reason))

    def _passes(self, job: Job, images: int) -> tuple[int, int]:
        """Forward and backward passes of a job."""
        if job.rule in ("train_model", "train_part"):
            forward, to_pixels = self._training_passes(job, images)
            return forward, images + to_pixels
        if job.rule in ("attack_images", "attack_and_sweep"):  # use_best looks at the last image too; the first block's labels are checked
            attack = self._attack(job)
            looks = attack["steps"] + bool(attack["use_best"])
            first = min(images, self._block(job, self._side(attack["source"])))
            swept, epsilons = self._swept(job)  # decided without an attack and at each epsilon, of which the attack's own is there already
            others = [eps for eps in epsilons if eps != attack["eps"]]
            forward = images * looks + first
            if swept:
                forward += swept * (1 + len(epsilons) + len(others) * looks) + min(swept, first)
            return forward, (images + swept * len(others)) * attack["steps"]
        if job.rule == "ablate_units":  # the intact network, and a decision for every unit
            return images * (1 + self._network(job, self._side(self.config["ablation"]["stimulus"]))[0].n_units), 0
        if job.rule == "compare_maps":  # clean and noisy
            return 2 * images, 0
        return images if job.rule in ONE_PASS else 0, 0

    # ---------------------------------------------------------------------------------------------------------------- networks
    def _train_model(self, job: Job, images: int) -> dict:
        """Writes the weights before and after."""
        forward, to_pixels = self._training_passes(job, images)
        network, common = self._network(job, self._side(self.config["models"][job.wildcards["model"]]["train"]["source"]))
        amount = forward * network.forward + images * network.to_weights + to_pixels * network.to_pixels
        return {"amount": amount, "n_bytes": 2 * network.weights, **common}

    def _train_part(self, job: Job, images: int) -> dict:
        """Hands the weights and two moments of each on."""
        cost = self._train_model(job, images)
        return {**cost, "n_bytes": 1.5 * cost["n_bytes"]}

    def _ablate_concepts(self, job: Job, images: int) -> dict:
        raise UnknownCost("which units carry a concept: known after dissect")

    def _import_model(self, job: Job, images: int) -> dict:
        network, _ = self._network(job, self._side(next(iter(self.config["suites"].values()))[0]))
        return {"n_bytes": network.weights}

    def _verify_model(self, job: Job, images: int) -> dict:
        network, common = self._network(job, self._side("clean"))
        return {"amount": images * network.forward, "n_bytes": 0, **common}

    def _attack_images(self, job: Job, images: int) -> dict:
        side = self._side(self._attack(job)["source"])
        network, common = self._network(job, side)
        forward, backward = self._passes(job, images)
        amount = forward * network.forward + backward * network.to_pixels
        return {"amount": amount, "n_bytes": None, **common, "pixels": images * side**2 / 1e6}

    _attack_and_sweep = _attack_images

    def _attack(self, job: Job) -> dict:
        return self.config["attacks"][job.wildcards.get("attack", self.config["robustness"]["attack"])]

    def _swept(self, job: Job) -> tuple[int, list[float]]:
        """How many images of a job are attacked at several epsilons, and at which."""
        if job.rule != "attack_and_sweep":
            return 0, []
        asked = self.config["robustness"]
        source, shard = self.config["attacks"][asked["attack"]]["source"], int(job.wildcards["shard"])
        most = self._shard_images(source, shard) if asked["n_images"] is None else asked["n_images"] - shard * self._length(source)
        return min(self._shard_images(source, shard), most), asked["eps"]

    def _predict(self, job: Job, images: int) -> dict:
        sides: Counter[int] = Counter()
        for name in self.config["suites"][job.wildcards["suite"]]:
            sides[self._side(name)] += self._shard_images(name, int(job.wildcards["shard"]))
        networks = {side: self._network(job, side) for side in sides}
        amount = sum(n * networks[side][0].forward for side, n in sides.items())
        network, common = networks[sides.most_common(1)[0][0]]
        return {"amount": amount, "n_bytes": images * self._row_bytes(network), **common}

    def _dump_image_set(self, job: Job, images: int) -> dict:
        network, common = self._network(job, self._side(job.wildcards["image_set"]))
        return {"amount": images * network.forward, "n_bytes": images * 2 * network.n_cells, **common}

    def _dump_activations(self, job: Job, images: int) -> dict:
        """Every image set, each of the size of its images."""
        noise, n_images = self.config["activations"]["noise"], self.config["activations"]["n_images"]
        shown = {name: self._shard_images(name, int(job.wildcards["shard"])) for name in self.config["concepts"]}
        if noise:
            first = int(job.wildcards["shard"]) * self._length("clean")
            shown |= dict.fromkeys(("clean", noise), min(self._shard_images("clean", int(job.wildcards["shard"])), n_images - first))
        networks = {name: self._network(job, self._side(name)) for name in shown}
        amount = sum(n * networks[name][0].forward for name, n in shown.items())
        n_bytes = sum(n * 2 * networks[name][0].n_cells for name, n in shown.items())
        return {"amount": amount, "n_bytes": n_bytes, **networks[next(iter(shown))][1]}

    def _count_values(self, job: Job, images: int) -> dict:
        """What it writes depends on how many values occur."""
        network, common = self._network(job, self._side(job.wildcards["concept_set"]))
        return {"amount": images * network.forward, "n_bytes": None, **common}

    _tally_concepts = _count_values

    def _compare_maps(self, job: Job, images: int) -> dict:
        network, common = self._network(job, self._side("clean"))
        return {"amount": 2 * images * network.forward, "n_bytes": 0, **common}

    def _ablate_units(self, job: Job, images: int) -> dict:
        """What lies before the unit is computed once for several units."""
        network, common = self._network(job, self._side(self.config["ablation"]["stimulus"]))
        return {"amount": images * (network.forward + network.ablation), **common}

    # ---------------------------------------------------------------------------------------------------------------- pictures
    def _render_images(self, job: Job, images: int) -> dict:
        return self._pictures(images, self._side(job.wildcards["source"]))

    _render_source = _render_images

    def _make_stimulus(self, job: Job, images: int) -> dict:
        stimulus = self.config["stimuli"][job.wildcards["stimulus"]]
        kind = [stimulus["kind"], *(stimulus[key] for key in ("corruption", "masks", "engine") if key in stimulus)]
        return self._pictures(images, self._side(stimulus["source"]), " ".join(kind))

    _compute_stimulus = _make_stimulus

    def _render_concepts(self, job: Job, images: int) -> dict:
        return self._pictures(images, self._side(job.wildcards["concept_set"]))

    def _pictures(self, images: int, side: int, kind: str = "") -> dict:
        pixels = images * side**2 / 1e6
        return {"amount": pixels, "n_bytes": None, "kind": f"{kind} {side} px".strip(), "size": side**2 / 1e6, "pixels": pixels}

    def _index_images(self, job: Job, images: int) -> dict:
        return {"amount": images}

    _index_concepts = _sift_images = _index_images

    def _pack_concepts(self, job: Job, images: int) -> dict:
        return {"amount": self.config["concepts"][job.wildcards["concept_set"]]["n_images"]}

    # ------------------------------------------------------------------------------------------------------------------ tables
    def _gather_predictions(self, job: Job, images: int) -> dict:
        """The rows of all suites and models, read and written once more."""
        members = [name for suite in self.config["suites"].values() for name in suite]
        rows = sum(self._source(name)["n_images"] for name in members)
        networks = [self._network(model, self._side(members[0]))[0] for model in self.config["models"]]
        return {"amount": rows * len(networks), "n_bytes": rows * sum(map(self._row_bytes, networks))}

    def _row_bytes(self, network: NetworkCost) -> int:
        """Of a row of predictions."""
        return PREDICTION_BYTES + (4 * network.n_classes if self.config["predictions"]["probabilities"] else 0)

    def _dissect(self, job: Job, images: int) -> dict:
        concepts = job.wildcards["concept_set"]
        network, _ = self._network(job, self._side(concepts))
        n_images = self._source(concepts)["n_images"]
        return {"amount": n_images * network.n_units * self._side(concepts, "label map") ** 2 / 1e6}

    def _measure_maps(self, job: Job, images: int) -> dict:
        """GB of the activations on the clean and on the noisy images."""
        network, _ = self._network(job, self._side("clean"))
        return {"amount": 2 * min(self.config["activations"]["n_images"], self._source("clean")["n_images"]) * 2 * network.n_cells / 1e9}

    # -------------------------------------------------------------------------------------------------------------- the config
    def _network(self, job: Job | str, side: int) -> tuple[NetworkCost, dict]:
        """What an image costs the job's network, or that of this name, and what tells which other jobs have the same rate."""
        model = job if isinstance(job, str) else job.wildcards["model"]
        spec = self.config["models"][model]
        if (model, side) not in self._networks:
            try:
                self._networks[model, side] = self._network_cost(model, spec, side)
            except Exception as error:  # a package of the user's may fail in any way, and may not be there yet
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                self._networks[model, side] = f"the operations of {model} ({reason})"
        found = self._networks[model, side]
        if isinstance(found, str):
            raise UnknownCost(found)
        return found, {"kind": f"{spec['architecture']} {side} px", "size": found.forward}

    def _source(self, name: str) -> dict:
        """The source, or concept set, behind a stimulus or attack."""
        made = {**self.config["stimuli"], **self.config["attacks"]}
        return {**self.config["sources"], **self.config["concepts"]}[made[name]["source"] if name in made else name]

    def _shard_images(self, name: str, shard: int) -> int:
        return max(0, min(self._length(name), self._source(name)["n_images"] - shard * self._length(name)))

    def _length(self, name: str) -> int:
        """Images a shard."""
        return self._source(name).get("images_per_shard", self.config["images_per_shard"])

    def _training_passes(self, job: Job, images: int) -> tuple[int, int]:
        """Forward passes of a training, and backward ones to the pixels; those to the weights are ``images``.

        Each image once, and for every step of the attack, whose best iterate needs one look more; the same, and a decision of the image as
        it is, for the images that each epoch looks on.
        """
        train = self.config["models"][job.wildcards["model"]]["train"]
        recipe = self.config["training"][train["recipe"]]
        attack = recipe.get("attack", {"steps": 0})
        epochs = images // self.config["sources"][train["source"]]["n_images"]
        held_out = epochs * recipe.get("validate", {"n_images": 0})["n_images"]
        looks = attack["steps"] + bool(attack.get("use_best"))
        attacked = held_out if "attack" in recipe else 0
        return images * (1 + looks) + held_out + attacked * (1 + looks), (images + attacked) * attack["steps"]

    def _side(self, name: str, what: str = "image") -> int:
        """px: side of the pictures of an image set, or of the label maps of a concept set."""
        if (name, what) not in self._sides:
            size = size_of(self._source(name), what)
            self._sides[name, what] = size if isinstance(size, str) else size[0]
        found = self._sides[name, what]
        if isinstance(found, str):
            raise UnknownCost(f"{what} size of {name} ({found})")
        return found

    @staticmethod
    def _block(job: Job, side: int) -> int:
        """Images that go through a network together."""
        from robustlens.inference import block_size

        return block_size(side, side) if job.resources.get("device", "cpu") == "cpu" else int(job.resources["batch_size"])
