# NEEDS  results/activations/{model}/{image_set}/view.h5, results/concepts/{concept_set}/labels.h5, results/models/{model}/
# MAKES  results/neurons/{model}/filters.parquet, smoothness.parquet, top_images.parquet
#        results/neurons/{model}/{concept_set}/iou.parquet, units.parquet, complexity.parquet


rule measure_filters:
    """Total variation of every filter of one model."""
    input:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        initial=initial_weights,
    output:
        filters="results/neurons/{model}/filters.parquet",
    log:
        "logs/measure_filters/{model}.log",
    benchmark:
        "benchmarks/measure_filters/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        code=code("measure_filters.py"),
    script:
        "../workflow_scripts/measure_filters.py"


rule measure_smoothness:
    """Total variation of activation maps on clean and noisy images."""
    input:
        clean="results/activations/{model}/clean/view.h5",
        noisy=noisy_activations,
    output:
        smoothness="results/neurons/{model}/smoothness.parquet",
    log:
        "logs/measure_smoothness/{model}.log",
    benchmark:
        "benchmarks/measure_smoothness/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        code=code("measure_smoothness.py"),
    script:
        "../workflow_scripts/measure_smoothness.py"


rule dissect:
    """IoU of every unit with every concept."""
    input:
        activations="results/activations/{model}/{concept_set}/view.h5",
        labels="results/concepts/{concept_set}/labels.h5",
        concepts="results/concepts/{concept_set}/concepts.parquet",
    output:
        iou="results/neurons/{model}/{concept_set}/iou.parquet",
        units="results/neurons/{model}/{concept_set}/units.parquet",
    log:
        "logs/dissect/{model}-{concept_set}.log",
    benchmark:
        "benchmarks/dissect/{model}-{concept_set}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        quantile=config["dissection"]["quantile"],
        code=code("dissect.py"),
    script:
        "../workflow_scripts/dissect.py"


rule count_concepts:
    """Concepts per unit, by IoU threshold."""
    input:
        iou="results/neurons/{model}/{concept_set}/iou.parquet",
    output:
        complexity="results/neurons/{model}/{concept_set}/complexity.parquet",
    log:
        "logs/count_concepts/{model}-{concept_set}.log",
    benchmark:
        "benchmarks/count_concepts/{model}-{concept_set}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        thresholds=COMPLEXITY_THRESHOLDS,
        code=code("count_concepts.py"),
    script:
        "../workflow_scripts/count_concepts.py"


rule rank_images:
    """The images that activate each unit most."""
    input:
        activations="results/activations/{model}/clean/view.h5",
    output:
        top_images="results/neurons/{model}/top_images.parquet",
    log:
        "logs/rank_images/{model}.log",
    benchmark:
        "benchmarks/rank_images/{model}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        model="{model}",
        k=config["top_images"],
        code=code("rank_images.py"),
    script:
        "../workflow_scripts/rank_images.py"
