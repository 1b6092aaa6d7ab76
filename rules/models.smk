# NEEDS  results/stimuli/{source}/shard-{shard}.parquet       images to train on, and to look on meanwhile
# MAKES  results/models/{model}/weights.safetensors, card.json, training.parquet
#        results/models/{model}/layers.csv                     what every module gives, and which are studied by default
#        results/models/{model}/verified.json                  of networks that are brought: accuracy on clean, as expected
#        results/models/{model}/initial.safetensors            of trained models: the weights before the first step
#        results/models/{model}/epoch-{epoch}.safetensors      while a training that is cut into jobs is under way


include: "common/models.smk"


rule train_part:
    """The first epochs of a training that the recipe's ``epochs_per_job`` cuts into several jobs."""
    input:
        shards=training_shards,
        held_out=held_out_shards,
        before=training_state,
    output:
        after=temp("results/models/{model}/epoch-{epoch}.safetensors"),
    log:
        "logs/train_part/{model}_{epoch}.log",
    benchmark:
        "benchmarks/train_part/{model}_{epoch}.tsv"
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
        layers=named_layers,
        recipe=training_recipe,
        epochs=training_epochs,
        sizes=image_sizes,
        seed=SEED,
        code=training_part_code,
    script:
        "../workflow_scripts/train_part.py"


rule train_model:
    """One network, trained by its recipe."""
    input:
        shards=training_shards,
        held_out=held_out_shards,
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
        layers=named_layers,
        source=training_source,
        recipe=training_recipe,
        sizes=image_sizes,
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
        layers=named_layers,
        n_classes=n_classes(config) if IMPORTED else None,
        sizes=image_sizes,
        code=import_code,
    script:
        "../workflow_scripts/import_model.py"


rule verify_model:
    """Whether a checkpoint was loaded correctly: its accuracy on clean images against the one that the config expects.

    Whatever computes with a network waits for this file, and runs again with it: so it runs once for its weights, and neither the
    config nor the code nor other images make it run again. ``tabulate_behaviour`` checks all predictions on clean against today's config.
    """
    input:
        clean_files,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
    output:
        verified="results/models/{model}/verified.json",
    log:
        "logs/verify_model/{model}.log",
    benchmark:
        "benchmarks/verify_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(VERIFIED),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=verified_images(),
    params:
        source=untracked(source_spec("clean") if VERIFIED else None),
        seed=untracked(SEED),
        n_images=untracked(config["verification"]["n_images"]),
        exclude=untracked("clean" in SIFTED),
        classes=untracked(classes_of("clean") if VERIFIED else None),
        class_list=untracked(list_for(config, "clean") if VERIFIED else None),
        sixteen_by=untracked(config["predictions"]["sixteen_by"]),
        expected=expected_accuracy,
    script:
        "../workflow_scripts/verify_model.py"


rule list_layers:
    """What every module of one network gives, and which of them are its layers by default."""
    input:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
    output:
        table="results/models/{model}/layers.csv",
    log:
        "logs/list_layers/{model}.log",
    benchmark:
        "benchmarks/list_layers/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        layers=lookup("models/{model}/layers", within=config),
        input_size=side_of_clean(),
        code=code("list_layers.py"),
    script:
        "../workflow_scripts/list_layers.py"
