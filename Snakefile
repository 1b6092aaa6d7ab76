"""What did adversarial robustness change in an image classifier? Index of the workflow; the study is in config.yaml."""

from snakemake.utils import min_version

min_version("9.19")

ROOT = str(workflow.current_basedir)  # the folder of this file, also where another workflow uses it as a module

if not workflow.config_settings.configfiles:  # a study given by --configfile stands alone

    configfile: f"{ROOT}/config.yaml"


container: "container.sif"  # only with --software-deployment-method apptainer; docs/cluster.md


include: "rules/common.smk"
include: "rules/stimuli.smk"
include: "rules/models.smk"
include: "rules/inference.smk"
include: "rules/activations.smk"
include: "rules/neurons.smk"
include: "rules/streamed.smk" if STREAMED else "rules/stored.smk"
include: "rules/ablation.smk"
include: "rules/reports.smk"
include: "rules/compare.smk"
include: "rules/plan.smk"


onstart:  # of the main process alone, which holds the lock of the folder by now
    if set(workflow.dag_settings.targets) != {"plan"}:  # it makes nothing
        claim("results", config["study"])
        record_run(SLURM_JOB)
    look_only_when_a_job_ends()


onsuccess:
    forget_run()


onerror:  # at Ctrl-C the Slurm executor forgets the jobs whose state it is asking for just then
    shell("{ROOT:q}/slurm/cancel {log:q} >/dev/null")
    forget_run()


rule all:
    default_target: True
    input:
        "results/reports/index.html",
        "results/reports/claims.csv",
        TABLES,
        CONCEPT_ABLATION_TABLE,


rule stimuli:
    input:
        [shard for name in [*config["sources"], *config["stimuli"], *config["concepts"]] for shard in stimulus_shards(name)],


rule models:
    input:
        expand("results/models/{model}/card.json", model=config["models"]),


rule layers:
    input:
        expand("results/models/{model}/layers.csv", model=config["models"]),


rule predictions:
    input:
        expand("results/predictions/{model}/predictions.parquet", model=config["models"]),


rule activations:
    input:
        expand("results/activations/{model}/{image_set}/view.h5", model=DUMPED_MODELS, image_set=config["concepts"]),
        [f"results/activations/{model}/{name}/view.h5" for model in STUDIED if model in DUMPED_MODELS for name in SMOOTHNESS_SETS],


rule neurons:
    input:
        NEURONS.values(),


rule compare:
    input:
        "results/reports/comparison/index.html",
