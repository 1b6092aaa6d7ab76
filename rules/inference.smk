# NEEDS  results/stimuli/{stimulus}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/adversarial/{attack}/{model}/shard-{shard}.parquet    images that attack this model
#        results/robustness/{model}/shard-{shard}.parquet              decisions under an attack of several epsilons
#        results/predictions/{model}/{suite}/shard-{shard}.parquet
#        results/predictions/{model}/predictions.parquet               every image of every stimulus exactly once, all models


include: "common/inference.smk"


rule attack_images:
    """Adversarial images of one model on one shard."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard=attacked_shard,
    output:
        adversarial="results/adversarial/{attack}/{model}/shard-{shard}.parquet",
    log:
        "logs/attack_images/{attack}_{model}_{shard}.log",
    benchmark:
        "benchmarks/attack_images/{attack}_{model}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images,
    params:
        spec=attack_spec,
        seed=SEED,
        code=code("attack_images.py"),
    script:
        "../workflow_scripts/attack_images.py"


rule attack_and_sweep:
    """The same of the attack whose epsilon is swept, and what the model decides on the first images under each epsilon."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard=swept_shard,
    output:
        adversarial=f"results/adversarial/{SWEPT}/{{model}}/shard-{{shard}}.parquet",
        decisions="results/robustness/{model}/shard-{shard}.parquet",
    log:
        "logs/attack_and_sweep/{model}_{shard}.log",
    benchmark:
        "benchmarks/attack_and_sweep/{model}_{shard}.tsv"
    wildcard_constraints:
        model=one_of(STUDIED),
        shard=one_of(SWEPT_SHARDS),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=swept_shard_images,
    params:
        spec=swept_attack,
        epsilons=config["robustness"]["eps"],
        n_images=swept_images,
        seed=SEED,
        code=code("attack_and_sweep.py"),
    script:
        "../workflow_scripts/attack_and_sweep.py"


ruleorder: attack_and_sweep > attack_images


rule predict:
    """Predictions of one model on one shard of every stimulus of a suite."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shards=suite_shards,
    output:
        predictions="results/predictions/{model}/{suite}/shard-{shard}.parquet",
    log:
        "logs/predict/{model}_{suite}_{shard}.log",
    benchmark:
        "benchmarks/predict/{model}_{suite}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=predicted_images,
    params:
        stimuli=suite_members,
        classes=suite_classes,
        sixteen_by=config["predictions"]["sixteen_by"],
        probabilities=config["predictions"]["probabilities"],
        code=code("predict.py") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/predict.py"


rule gather_predictions:
    """All predictions of every model, checked against the manifests."""
    input:
        shards=[shard for model in config["models"] for shard in prediction_shards(model)],
        manifests=expand("results/stimuli/{source}/manifest.parquet", source=PREDICTED_SOURCES),
    output:
        predictions=expand("results/predictions/{model}/predictions.parquet", model=config["models"]),
    log:
        "logs/gather_predictions.log",
    benchmark:
        "benchmarks/gather_predictions.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        models=list(config["models"]),
        sources={name: PREDICTED_SOURCES.index(source) for name, source in PREDICTED.items()},
        code=code("gather_predictions.py"),
    script:
        "../workflow_scripts/gather_predictions.py"
