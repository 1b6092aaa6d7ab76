# NEEDS  results/models/{model}/, results/neurons/{model}/{concept_set}/iou.parquet (rules/stored.smk or rules/streamed.smk)
# MAKES  results/neurons/{model}/filters.parquet
#        results/neurons/{model}/{concept_set}/complexity.parquet


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


rule count_concepts:
    """Concepts per unit, by IoU threshold."""
    input:
        iou="results/neurons/{model}/{concept_set}/iou.parquet",
    output:
        complexity="results/neurons/{model}/{concept_set}/complexity.parquet",
    log:
        "logs/count_concepts/{model}_{concept_set}.log",
    benchmark:
        "benchmarks/count_concepts/{model}_{concept_set}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        thresholds=COMPLEXITY_THRESHOLDS,
        code=code("count_concepts.py"),
    script:
        "../workflow_scripts/count_concepts.py"
