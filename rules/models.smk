# NEEDS  results/stimuli/{source}/shard-{shard}.parquet       images to train on
# MAKES  results/models/{model}/weights.safetensors, card.json, training.parquet
#        results/models/{model}/initial.safetensors            of trained models: the weights before the first step
#        results/models/{model}/epoch-{epoch}.safetensors      while a training that is cut into jobs is under way


rule train_part:
    """The first epochs of a training that the recipe's ``epochs_per_job`` cuts into several jobs."""
    input:
        shards=training_shards,
        before=training_state,
    output:
        after=temp("results/models/{model}/epoch-{epoch}.safetensors"),
    log:
        "logs/train_part/{model}-{epoch}.log",
    benchmark:
        "benchmarks/train_part/{model}-{epoch}.tsv"
    wildcard_constraints:
        model=one_of(TRAINED),
        epoch="[0-9]+",
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        images=training_images,
    params:
        model="{model}",
        spec=network_spec,
        recipe=training_recipe,
        epochs=training_epochs,
        seed=SEED,
        code=training_part_code,
    script:
        "../workflow_scripts/train_part.py"


rule train_model:
    """One network, trained by its recipe."""
    input:
        shards=training_shards,
        before=training_state,
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
        device=NETWORK["device"],
        images=training_images,
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
