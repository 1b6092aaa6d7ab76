# NEEDS  results/stimuli/{cue conflict}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/ablation/{model}/units.parquet


rule ablate_units:
    """Shape and texture score of every unit of one model."""
    input:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shards=conflict_shards,
    output:
        units="results/ablation/{model}/units.parquet",
    log:
        "logs/ablate_units/{model}.log",
    benchmark:
        "benchmarks/ablate_units/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=MACHINE["device"],
        batch_size=MACHINE["batch_size"],
    params:
        layers=lookup("models/{model}/layers", within=config),
        n_images=config["ablation"]["n_images"],
        code=code("ablate_units.py"),
    script:
        "../workflow_scripts/ablate_units.py"
