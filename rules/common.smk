# NEEDS  config (validated)
# MAKES  names, shard numbers, and the functions by which rules find inputs and parameters

import sys
from math import ceil
from pathlib import Path

sys.path.append(f"{workflow.basedir}/workflow_scripts")

from robustlens.checksum import file_sha256
from robustlens.code_digest import code_digest
from robustlens.errors import InputError
from robustlens.progress import watch
from robustlens.shorthand import corruption_of, is_fetched, write_out
from robustlens.study import FILES, SIXTEEN, check_schema, check_study
from snakemake.logging import logger
from snakemake.utils import validate

watch(logger, workflow)  # lines of progress; for the plan, a list of jobs

try:
    check_schema(config, f"{workflow.basedir}/schemas/config.schema.yaml")
    validate(config, "../schemas/config.schema.yaml")  # fills in the defaults
    write_out(config)
    check_study(config)
except InputError as error:
    raise WorkflowError(str(error))

NETWORK = {"device": "cpu", "batch_size": 200}  # of rules that run a network, unless a profile says otherwise
SEED = config["seed"]
ABLATED_PAIRS = config["pairs"] if config["ablation"]["pairs"] is None else config["ablation"]["pairs"]
ABLATED = sorted({config["pairs"][name][role] for name in ABLATED_PAIRS for role in ("standard", "robust")})
TRAINED = [name for name, spec in config["models"].items() if "train" in spec]
IMPORTED = [name for name in config["models"] if name not in TRAINED]
VERIFIED = IMPORTED if "clean" in config["sources"] else []
CONTROLS = [control["model"] for control in config["controls"].values()]
STUDIED = [name for name in config["models"] if name not in CONTROLS]
RENDERED = [name for name, source in config["sources"].items() if source["kind"] == "embedded"]
INDEXED = [name for name in config["sources"] if name not in RENDERED]
RENDERED_CONCEPTS = [name for name, spec in config["concepts"].items() if spec["kind"] == "embedded"]
NOISE = config["activations"]["noise"]
SMOOTHNESS_SETS = ["clean", NOISE] if NOISE else []
IMAGE_SETS = [*config["concepts"], *SMOOTHNESS_SETS]
COMPLEXITY_THRESHOLDS = sorted({config["complexity"]["iou"], *config["complexity"]["curve"]})
CONFLICT = config["ablation"]["stimulus"]
CORRUPTIONS = corruption_of(config)
PARTNERED = [name for name, spec in config["stimuli"].items() if spec["kind"] == "cue-conflict"]  # each image needs another one


def one_of(names):
    """A wildcard constraint that only these names pass."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    model=one_of(config["models"]),
    stimulus=one_of(config["stimuli"]),
    attack=one_of(config["attacks"]),
    suite=one_of(config["suites"]),
    concept_set=one_of(config["concepts"]),
    image_set=one_of(IMAGE_SETS),
    package=one_of(config["packages"]),
    download=one_of(config["downloads"]),
    shard="[0-9]+",


def source_of(name):
    """The source (or concept set) whose manifest lists the images of a stimulus or attack."""
    return {**config["stimuli"], **config["attacks"]}.get(name, {}).get("source", name)


def source_spec(name):
    return {**config["sources"], **config["concepts"]}[source_of(name)]


def images_per_shard(name):
    return source_spec(name).get("images_per_shard", config["images_per_shard"])


def shard_numbers(name, n_images=None):
    """The shards, as they stand in file names, that hold the first ``n_images`` images of a stimulus (all of them if None)."""
    n_images = min(n_images or source_spec(name)["n_images"], source_spec(name)["n_images"])
    return [f"{number:04d}" for number in range(ceil(n_images / images_per_shard(name)))]


def shard_images(name, shard, n_images=None):
    """How many of the first ``n_images`` images of an image set (all of them if None) its shard of this number holds."""
    n_images = min(n_images or source_spec(name)["n_images"], source_spec(name)["n_images"])
    return min(images_per_shard(name), n_images - int(shard) * images_per_shard(name))


def stimulus_shards(name, n_images=None, model=None):
    """The image shards of a stimulus, or of an attack on ``model``."""
    folder = f"adversarial/{name}/{model}" if name in config["attacks"] else f"stimuli/{name}"
    return [f"results/{folder}/shard-{shard}.parquet" for shard in shard_numbers(name, n_images)]


def of_source(wildcards):
    return source_spec(wildcards.source)


def code(script, *modules):
    """The parameter that makes Snakemake run a rule again when the code behind it changes."""
    return code_digest(script, *modules)


def code_of_table(name):
    """The same for a table that ships in resources/."""
    return file_sha256(f"{workflow.basedir}/resources/{name}")[:16]


def shard_number(wildcards):
    return int(wildcards.shard)


def shard_size(wildcards):
    return images_per_shard(wildcards.get("source", wildcards.get("concept_set")))


def images(wildcards):
    """Resource: how many images a job on one shard of one image set handles, for the plan and for the lines of progress."""
    name = next(wildcards[key] for key in ("source", "stimulus", "attack", "concept_set", "image_set") if key in wildcards.keys())
    return shard_images(name, wildcards.shard)


def source_shard(wildcards):
    return f"results/stimuli/{source_of(wildcards.stimulus)}/shard-{wildcards.shard}.parquet"


def texture_shards(wildcards):
    """All shards of the source, where each image is given the texture of another one."""
    return stimulus_shards(source_of(wildcards.stimulus)) if wildcards.stimulus in PARTNERED else []


def stimulus_files(wildcards):
    """The weights and folders that the manipulation reads; of a folder of the user's the time means nothing."""
    paths = [path for key, path in config["stimuli"][wildcards.stimulus].items() if key in FILES]
    return [fetched(path) for path in paths if is_fetched(path) or Path(path).is_file()]


def needs_a_device(spec):
    """Whether a stimulus is computed in batches, which a GPU does faster."""
    return spec["kind"] in ("corruption", "adain") or spec.get("engine") == "adain" or spec.get("masks") == "segmenter"


ON_DEVICE = [name for name, spec in config["stimuli"].items() if needs_a_device(spec)]


def classes_of(name):
    """The classes among which an image set asks to decide; None: all of the network."""
    spec = config["sources"][source_of(name)]
    return spec.get("classes", "imagenet-16" if spec["kind"] in SIXTEEN else None)


def suite_classes(wildcards):
    """The same of each stimulus of a suite."""
    return {name: classes_of(name) for name in suite_members(wildcards)}


def stimulus_spec(wildcards):
    """What the manipulation depends on; where it comes from and how the report groups it is not its affair."""
    spec = config["stimuli"][wildcards.stimulus]
    return {key: value for key, value in spec.items() if key not in ("source", "preserves")}


def stimulus_code(wildcards):
    return code("make_stimulus.py", f"robustlens.stimuli.{stimulus_spec(wildcards)['kind'].replace('-', '_')}")


def concept_spec(wildcards):
    return config["concepts"][wildcards.concept_set]


def concept_images(wildcards):
    return concept_spec(wildcards)["n_images"]


def broden_folder(wildcards):
    if wildcards.concept_set in RENDERED_CONCEPTS:
        return f"results/concepts/{wildcards.concept_set}/broden"
    return concept_spec(wildcards)["root"]


def broden_files(wildcards):
    """The same, or the download that it is part of."""
    return fetched(broden_folder(wildcards))


def model_spec(wildcards):
    return config["models"][wildcards.model]


def network_spec(wildcards):
    """What a model's weights depend on; which layers are studied and how the report calls it is not its affair."""
    return {key: value for key, value in model_spec(wildcards).items() if key not in ("layers", "label", "train", "top1")}


def training_source(wildcards):
    return model_spec(wildcards)["train"]["source"]


def training_recipe(wildcards):
    """What the weights depend on; how the training is cut into jobs changes none."""
    recipe = config["training"][model_spec(wildcards)["train"]["recipe"]]
    return {key: value for key, value in recipe.items() if key != "epochs_per_job"}


def training_shards(wildcards):
    return stimulus_shards(training_source(wildcards))


def training_images(wildcards):
    """Images that a training job sees, each epoch anew."""
    first, last = training_epochs(wildcards)
    return (last - first) * source_spec(training_source(wildcards))["n_images"]


def training_epochs(wildcards):
    """The epochs that a training job runs: first, and the one at which it stops."""
    recipe = config["training"][model_spec(wildcards)["train"]["recipe"]]
    length = recipe["epochs_per_job"] or recipe["epochs"]
    last = int(wildcards.get("epoch", recipe["epochs"]))
    return [(last - 1) // length * length, last]


def training_state(wildcards):
    """What the job before left, where a training is cut into several."""
    first, _ = training_epochs(wildcards)
    return f"results/models/{wildcards.model}/epoch-{first:04d}.safetensors" if first else []


def training_code(wildcards):
    return code("train_model.py", model_spec(wildcards)["architecture"].partition(":")[0])


def training_part_code(wildcards):
    return code("train_part.py", model_spec(wildcards)["architecture"].partition(":")[0])


def attack_spec(wildcards):
    return {key: value for key, value in config["attacks"][wildcards.attack].items() if key != "source"}


def attacked_shard(wildcards):
    return f"results/stimuli/{source_of(wildcards.attack)}/shard-{wildcards.shard}.parquet"


def suite_members(wildcards):
    """The stimuli of a suite that have a shard of this number."""
    return [name for name in config["suites"][wildcards.suite] if wildcards.shard in shard_numbers(name)]


def suite_shards(wildcards):
    return [stimulus_shards(name, model=wildcards.model)[int(wildcards.shard)] for name in suite_members(wildcards)]


def predicted_images(wildcards):
    return sum(shard_images(name, wildcards.shard) for name in suite_members(wildcards))


def prediction_shards(wildcards):
    return [
        f"results/predictions/{wildcards.model}/{suite}/shard-{shard}.parquet"
        for suite, members in config["suites"].items()
        for shard in max((shard_numbers(name) for name in members), key=len)
    ]


PREDICTED = {name: source_of(name) for members in config["suites"].values() for name in members}
PREDICTED_SOURCES = sorted(set(PREDICTED.values()))
SELECTED_PAIRS = list(config["pairs"]) if "clean" in PREDICTED else []


def dumped_images(wildcards):
    """How many images of an image set are dumped: all of a concept set, the first ``activations.n_images`` of a stimulus."""
    return None if wildcards.image_set in config["concepts"] else config["activations"]["n_images"]


def images_to_dump(wildcards):
    return shard_images(wildcards.image_set, wildcards.shard, dumped_images(wildcards))


def dumped_shards(wildcards):
    return [
        f"results/activations/{wildcards.model}/{wildcards.image_set}/shard-{shard}.h5"
        for shard in shard_numbers(wildcards.image_set, dumped_images(wildcards))
    ]


def dumped_manifest(wildcards):
    return f"results/stimuli/{source_of(wildcards.image_set)}/manifest.parquet"


def conflict_shard(wildcards):
    return f"results/stimuli/{CONFLICT}/shard-{wildcards.shard}.parquet"


def ablated_images(wildcards):
    """How many of the first ``ablation.n_images`` conflict images a shard holds."""
    return shard_images(CONFLICT, wildcards.shard, config["ablation"]["n_images"])


def ablation_shards(wildcards):
    shards = shard_numbers(CONFLICT, config["ablation"]["n_images"])
    return [f"results/ablation/{wildcards.model}/shard-{shard}.parquet" for shard in shards]


def fetched(path):
    """The file or folder itself, or the package or download that it is part of."""
    return Path(*Path(path).parts[:3]).as_posix() if is_fetched(path) else path


def source_folder(wildcards):
    """What is fetched of a source; a folder of the user's is read in place, its time means nothing."""
    spec = of_source(wildcards)
    return [fetched(spec[key]) for key in ("root", "devkit") if is_fetched(spec.get(key, ""))]


def checkpoint_file(wildcards):
    return fetched(model_spec(wildcards)["weights"])


def package_folder(wildcards):
    return fetched(model_spec(wildcards).get("python_path", "")) or []


def side_of_clean():
    """Side in px of the images that a network will see; None where the study has no clean ones."""
    clean = config["sources"].get("clean", {})
    if clean.get("kind") == "embedded":
        from robustlens.stimuli.embedded import SIDE

        return SIDE
    return clean.get("geometry", {}).get("crop")


def n_classes():
    """How many classes the labels of the study name; None where it does not say."""
    return len(config["classes"]) or (1000 if config["sources"].get("clean", {}).get("kind") == "imagenet" else None)


def verified_images():
    """Resource: how many images of clean a network that is brought is tried on."""
    n_images = source_spec("clean")["n_images"] if VERIFIED else 0
    return min(n_images, config["verification"]["n_images"] or n_images)


def verified_model(wildcards):
    """What says that a network that is brought was loaded right: nothing is computed with it before."""
    return [f"results/models/{wildcards.model}/verified.json"] if wildcards.model in VERIFIED else []


def import_code(wildcards):
    return code("import_model.py", model_spec(wildcards)["architecture"].partition(":")[0])


def initial_weights(wildcards):
    return f"results/models/{wildcards.model}/initial.safetensors" if wildcards.model in TRAINED else []


def noisy_activations(wildcards):
    return f"results/activations/{wildcards.model}/{NOISE}/view.h5"


def part_of_study(*keys):
    """The part of the config that a rule depends on."""
    return {key: config[key] for key in keys}
