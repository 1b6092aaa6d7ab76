# NEEDS  results/activations/{model}/{image_set}/shard-{shard}.h5, results/concepts/{concept_set}/labels.h5
# MAKES  results/neurons/{model}/smoothness.parquet, top_images.parquet, top_maps.h5
#        results/neurons/{model}/{concept_set}/iou.parquet, categories.parquet, units.parquet
# From stored activations; in their place rules/streamed.smk where they are not stored.


rule measure_maps:
    """Total variation of activation maps on clean and noisy images, and the images that activate each unit most."""
    input:
        clean=clean_activations,
        noisy=noisy_activations,
        manifest="results/stimuli/clean/manifest.parquet",
    output:
        smoothness="results/neurons/{model}/smoothness.parquet",
        top_images="results/neurons/{model}/top_images.parquet",
        top_maps="results/neurons/{model}/top_maps.h5",
    log:
        "logs/measure_maps/{model}.log",
    benchmark:
        "benchmarks/measure_maps/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        n_images=config["activations"]["n_images"],
        k=config["top_images"],
        code=code("measure_maps.py"),
    script:
        "../workflow_scripts/measure_maps.py"


rule dissect:
    """IoU of every unit with every concept."""
    input:
        activations=concept_activations,
        manifest="results/stimuli/{concept_set}/manifest.parquet",
        labels="results/concepts/{concept_set}/labels.h5",
        concepts="results/concepts/{concept_set}/concepts.parquet",
    output:
        iou="results/neurons/{model}/{concept_set}/iou.parquet",
        categories="results/neurons/{model}/{concept_set}/categories.parquet",
        units="results/neurons/{model}/{concept_set}/units.parquet",
    log:
        "logs/dissect/{model}_{concept_set}.log",
    benchmark:
        "benchmarks/dissect/{model}_{concept_set}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        quantile=config["dissection"]["quantile"],
        denominator=config["dissection"]["denominator"],
        code=code("dissect.py"),
    script:
        "../workflow_scripts/dissect.py"
