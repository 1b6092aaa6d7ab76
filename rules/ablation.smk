# NEEDS  results/stimuli/{cue conflict}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/ablation/{model}/shard-{shard}.parquet
#        results/ablation/{model}/units.parquet               the scores of all shards added up


rule ablate_units:
    """Shape and texture score of every unit of one model on one shard of the cue-conflict images."""
    input:
        ancient(verified_model),
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard=conflict_shard,
    output:
        scores="results/ablation/{model}/shard-{shard}.parquet",
    log:
        "logs/ablate_units/{model}-{shard}.log",
    benchmark:
        "benchmarks/ablate_units/{model}-{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=ablated_images,
    params:
        layers=lookup("models/{model}/layers", within=config),
        n_images=ablated_images,
        classes=classes_of(CONFLICT) if CONFLICT else None,
        sixteen_by=config["predictions"]["sixteen_by"],
        code=code("ablate_units.py") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/ablate_units.py"


rule add_scores:
    """Shape and texture score of every unit of one model, over all shards."""
    input:
        shards=ablation_shards,
    output:
        units="results/ablation/{model}/units.parquet",
    log:
        "logs/add_scores/{model}.log",
    benchmark:
        "benchmarks/add_scores/{model}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        code=code("add_scores.py"),
    script:
        "../workflow_scripts/add_scores.py"
