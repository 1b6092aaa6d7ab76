# NEEDS  results/stimuli/{source}/shard-{shard}.parquet       images to train on
# MAKES  results/models/{model}/weights.safetensors, card.json, training.parquet
#        results/models/{model}/initial.safetensors            of trained models: the weights before the first step


rule train_model:
    """One network, trained by its recipe."""
    input:
        shards=training_shards,
    output:
        weights="results/models/{model}/weights.safetensors",
        initial="results/models/{model}/initial.safetensors",
        card="results/models/{model}/card.json",
        training="results/models/{model}/training.parquet",
    log:
        "logs/train_model/{model}.log",
    benchmark:
        "benchmarks/train_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(TRAINED),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=MACHINE["device"],
    params:
        model="{model}",
        spec=network_spec,
        source=training_source,
        recipe=training_recipe,
        seed=SEED,
        code=training_code,
    script:
        "../workflow_scripts/train_model.py"


rule import_model:
    """A checkpoint that was trained elsewhere, as safetensors and a card."""
    input:
        checkpoint_file,
        package_folder,
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        training="results/models/{model}/training.parquet",
    log:
        "logs/import_model/{model}.log",
    benchmark:
        "benchmarks/import_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(IMPORTED),
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        spec=network_spec,
        code=import_code,
    script:
        "../workflow_scripts/import_model.py"
