# NEEDS  results/stimuli/{stimulus}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/adversarial/{attack}/{model}/shard-{shard}.parquet    images that attack this model
#        results/robustness/{model}/shard-{shard}.parquet              decisions under an attack of several radii
#        results/predictions/{model}/{suite}/shard-{shard}.parquet
#        results/predictions/{model}/predictions.parquet               every image of every stimulus exactly once


include: "common/inference.smk"


rule attack_images:
    """Adversarial images of one model on one shard."""
    input:
        ancient(verified_model),
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


rule trace_robustness:
    """Decisions of one model on one shard that is attacked ever more strongly."""
    input:
        ancient(verified_model),
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard=traced_shard,
    output:
        decisions="results/robustness/{model}/shard-{shard}.parquet",
    log:
        "logs/trace_robustness/{model}_{shard}.log",
    benchmark:
        "benchmarks/trace_robustness/{model}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=traced_images,
    params:
        spec=traced_attack,
        radii=config["robustness"]["eps"],
        n_images=traced_images,
        seed=SEED,
        code=code("trace_robustness.py"),
    script:
        "../workflow_scripts/trace_robustness.py"


rule predict:
    """Predictions of one model on one shard of every stimulus of a suite."""
    input:
        ancient(verified_model),
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
    """All predictions of one model, checked against the manifests."""
    input:
        shards=prediction_shards,
        manifests=expand("results/stimuli/{source}/manifest.parquet", source=PREDICTED_SOURCES),
    output:
        predictions="results/predictions/{model}/predictions.parquet",
    log:
        "logs/gather_predictions/{model}.log",
    benchmark:
        "benchmarks/gather_predictions/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        sources={name: PREDICTED_SOURCES.index(source) for name, source in PREDICTED.items()},
        code=code("gather_predictions.py"),
    script:
        "../workflow_scripts/gather_predictions.py"
