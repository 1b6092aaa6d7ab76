# NEEDS  results/stimuli/{image_set}/shard-{shard}.parquet, results/concepts/{concept_set}/, results/models/{model}/
# MAKES  results/counts/{model}/{image_set}/values-{shard}.h5, tallies-{shard}.h5, maps-{shard}.h5     what a shard adds to a statistic
#        results/neurons/{model}/smoothness.parquet, top_images.parquet, top_maps.h5
#        results/neurons/{model}/{concept_set}/thresholds.parquet, iou.parquet, categories.parquet, units.parquet
# In place of rules/stored.smk where the activations are not stored: two forward passes over a concept set, one over clean and noisy images.


rule count_values:
    """How often each unit of one model takes each value on one shard of a concept set."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard="results/stimuli/{concept_set}/shard-{shard}.parquet",
    output:
        counts=temp("results/counts/{model}/{concept_set}/values-{shard}.h5"),
    log:
        "logs/count_values/{model}_{concept_set}_{shard}.log",
    benchmark:
        "benchmarks/count_values/{model}_{concept_set}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images,
    params:
        image_set="{concept_set}",
        layers=lookup("models/{model}/layers", within=config),
        scaling=scaling_of,
        code=code("count_values.py"),
    script:
        "../workflow_scripts/count_values.py"


rule find_thresholds:
    """Every unit's threshold, an exact quantile over the whole concept set."""
    input:
        counts=counted_values,
        manifest="results/stimuli/{concept_set}/manifest.parquet",
    output:
        thresholds="results/neurons/{model}/{concept_set}/thresholds.parquet",
    log:
        "logs/find_thresholds/{model}_{concept_set}.log",
    benchmark:
        "benchmarks/find_thresholds/{model}_{concept_set}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        quantile=config["dissection"]["quantile"],
        code=code("find_thresholds.py"),
    script:
        "../workflow_scripts/find_thresholds.py"


rule tally_concepts:
    """Labels under the masks of one model's units on one shard of a concept set."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard="results/stimuli/{concept_set}/shard-{shard}.parquet",
        thresholds="results/neurons/{model}/{concept_set}/thresholds.parquet",
        labels="results/concepts/{concept_set}/labels.h5",
        concepts="results/concepts/{concept_set}/concepts.parquet",
    output:
        counts=temp("results/counts/{model}/{concept_set}/tallies-{shard}.h5"),
    log:
        "logs/tally_concepts/{model}_{concept_set}_{shard}.log",
    benchmark:
        "benchmarks/tally_concepts/{model}_{concept_set}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images,
    params:
        image_set="{concept_set}",
        scaling=scaling_of,
        denominator=config["dissection"]["denominator"],
        code=code("tally_concepts.py"),
    script:
        "../workflow_scripts/tally_concepts.py"


rule add_tallies:
    """IoU of every unit with every concept."""
    input:
        counts=tallied_concepts,
        manifest="results/stimuli/{concept_set}/manifest.parquet",
        thresholds="results/neurons/{model}/{concept_set}/thresholds.parquet",
        concepts="results/concepts/{concept_set}/concepts.parquet",
    output:
        iou="results/neurons/{model}/{concept_set}/iou.parquet",
        categories="results/neurons/{model}/{concept_set}/categories.parquet",
        units="results/neurons/{model}/{concept_set}/units.parquet",
    log:
        "logs/add_tallies/{model}_{concept_set}.log",
    benchmark:
        "benchmarks/add_tallies/{model}_{concept_set}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        denominator=config["dissection"]["denominator"],
        code=code("add_tallies.py"),
    script:
        "../workflow_scripts/add_tallies.py"


rule compare_maps:
    """Maps of one model on one shard of clean and noisy images: total variation, change, and which images drive each unit."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        clean="results/stimuli/clean/shard-{shard}.parquet",
        noisy=f"results/stimuli/{NOISE}/shard-{{shard}}.parquet",
    output:
        counts=temp("results/counts/{model}/clean/maps-{shard}.h5"),
    log:
        "logs/compare_maps/{model}_{shard}.log",
    benchmark:
        "benchmarks/compare_maps/{model}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=compared_images,
    params:
        layers=lookup("models/{model}/layers", within=config),
        n_images=compared_images,
        k=config["top_images"],
        code=code("compare_maps.py"),
    script:
        "../workflow_scripts/compare_maps.py"


rule add_maps:
    """Total variation of activation maps, and the images that activate each unit most."""
    input:
        counts=compared_maps,
        manifest="results/stimuli/clean/manifest.parquet",
    output:
        smoothness="results/neurons/{model}/smoothness.parquet",
        top_images="results/neurons/{model}/top_images.parquet",
        top_maps="results/neurons/{model}/top_maps.h5",
    log:
        "logs/add_maps/{model}.log",
    benchmark:
        "benchmarks/add_maps/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        n_images=config["activations"]["n_images"],
        k=config["top_images"],
        code=code("add_maps.py"),
    script:
        "../workflow_scripts/add_maps.py"
