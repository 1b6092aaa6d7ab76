# NEEDS  config (validated)
# MAKES  names, shard numbers, and the functions by which rules find inputs and parameters

import os
import shlex
import sys
from math import ceil
from pathlib import Path

sys.path.append(f"{ROOT}/workflow_scripts")

from robustlens.checksum import file_sha256
from robustlens.class_list import check_classes, decided_among, list_for, n_classes, roots_of_names
from robustlens.cluster.limits import PIXELS
from robustlens.cluster.runs import forget_run, record_run
from robustlens.code_digest import code_digest, user_code_digest
from robustlens.config import check_file
from robustlens.errors import InputError
from robustlens.neurons.positions import min_positions
from robustlens.owner import check_owner, claim
from robustlens.plan.dumps import is_streamed, largest_image
from robustlens.progress import watch
from robustlens.search_path import check_search_path
from robustlens.schema import check_schema
from robustlens.shorthand import corruption_of, in_sets, is_fetched, write_out
from robustlens.study import FILES, check_study
from robustlens.writable import check_writable
from snakemake.logging import logger

PYTHON = sys.executable if Path(sys.executable).exists() else shlex.split(sys.executable)[0]
sys.executable = shlex.quote(PYTHON)  # which Snakemake puts into command lines as it stands
SLURM_JOB = os.environ.get("SLURM_JOB_ID", "")  # in which this process runs; the executor then forgets it
watch(logger, workflow)  # lines of progress; for the plan, a list of jobs

try:
    check_search_path(library=f"{ROOT}/workflow_scripts")
    if workflow.is_main_process and not workflow.output_settings.dryrun:
        check_writable(".")
    for file in workflow.configfiles:
        check_file(file)
    check_schema(config, f"{ROOT}/schemas/config.schema.yaml")  # fills in the defaults
    write_out(config)
    check_study(config)
    for said in check_classes(config) if workflow.is_main_process else []:
        logger.info(said)
    if "--unlock" not in sys.argv:  # which makes nothing, and which slurm/recover calls without knowing the config
        check_owner("results", config["study"])
except InputError as error:
    raise WorkflowError(str(error))

NETWORK = {"device": "cpu", "batch_size": 200}  # of rules that run a network, unless a profile says otherwise
SEED = config["seed"]
ABLATED_PAIRS = config["pairs"] if config["ablation"]["pairs"] is None else config["ablation"]["pairs"]
CONCEPT_ABLATION = config["ablation"].get("concepts")
ABLATED = sorted({config["pairs"][name][role] for name in ABLATED_PAIRS for role in ("standard", "robust")})
TRAINED = [name for name, spec in config["models"].items() if "train" in spec]
IMPORTED = [name for name in config["models"] if name not in TRAINED]
VERIFIED = IMPORTED if "clean" in config["sources"] else []
CONTROLS = [control["model"] for control in config["controls"].values()]
STUDIED = [name for name in config["models"] if name not in CONTROLS]
RENDERED = [name for name, source in config["sources"].items() if source["kind"] == "embedded"]
INDEXED = [name for name in config["sources"] if name not in RENDERED]
SIFTED = INDEXED if config["on_bad_image"] == "exclude" else []
RENDERED_CONCEPTS = [name for name, spec in config["concepts"].items() if spec["kind"] == "embedded"]
NOISE = config["activations"]["noise"]
SMOOTHNESS_SETS = ["clean", NOISE] if NOISE else []
IMAGE_SETS = [*config["concepts"], *SMOOTHNESS_SETS]
os.environ[PIXELS] = str(largest_image(config))  # for the memory that slurm/config.yaml asks for
STREAMED = is_streamed(config, Path(".snakemake/robustlens-maps.json"))
DUMPED_MODELS = config["activations"]["keep"] if STREAMED else config["models"]
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


def code(script, *modules):
    """The parameter that makes Snakemake run a rule again when the code behind it changes."""
    return code_digest(script, *modules)


def code_of_table(name):
    """The same for a table that ships in resources/."""
    return file_sha256(f"{ROOT}/resources/{name}")[:16]


def images(wildcards):
    """Resource: how many images a job on one shard of one image set handles, for the plan and for the lines of progress."""
    name = next(wildcards[key] for key in ("source", "stimulus", "attack", "concept_set", "image_set") if key in wildcards.keys())
    return shard_images(name, wildcards.shard)


def classes_of(name):
    """The classes among which an image set asks to decide; None: all of the network."""
    return decided_among(config["sources"][source_of(name)])


def model_spec(wildcards):
    return config["models"][wildcards.model]


PREDICTED = {name: source_of(name) for members in config["suites"].values() for name in members}
PREDICTED_SOURCES = sorted(set(PREDICTED.values()))
CHECKED = VERIFIED if "clean" in PREDICTED else []
SELECTED_PAIRS = list(config["pairs"]) if "clean" in PREDICTED else []


def fetched(path):
    """The file or folder itself, or the package or download that it is part of."""
    return Path(*Path(path).parts[:3]).as_posix() if is_fetched(path) else path


def fetched_files(name):
    """What is fetched of a source, or of the one that names its classes; a folder of the user's is read in place, its time means nothing."""
    spec = source_spec(name)
    read = [spec.get("root", ""), spec.get("devkit", ""), *roots_of_names(config, name)]
    return list(dict.fromkeys(fetched(path) for path in read if is_fetched(path)))


def verified_model(wildcards):
    """What says that a user-supplied network was loaded correctly: nothing is computed with it before."""
    return [f"results/models/{wildcards.model}/verified.json"] if wildcards.model in VERIFIED else []


def part_of_study(*keys):
    """The part of the config that a rule depends on."""
    return {key: config[key] for key in keys}


def look_only_when_a_job_ends():
    """Undo Snakemake's limit of 100 jobs a second, unless another was asked for: with it, each job that has ended makes it look at all jobs once
    more a second until the end; in the miniature that took a sixth of a core."""
    limit = workflow.scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


STUDY = part_of_study(*(key for key in config if key != "compare"))  # what a run is; with what it is compared changes nothing of it


def command_line(wildcards):
    """What follows ``snakemake``; of a function Snakemake takes no brace for a wildcard."""
    return sys.argv[1:]


def study_files():
    """The names of the config files that were given; not where they lie, so that another clone writes the same report."""
    return [Path(file).name for file in workflow.config_settings.configfiles or []]
