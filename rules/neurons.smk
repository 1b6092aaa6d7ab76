# NEEDS  results/models/{model}/, results/neurons/{model}/{concept_set}/iou.parquet (rules/stored.smk or rules/streamed.smk)
# MAKES  results/neurons/filters.parquet
#        results/neurons/{concept_set}/complexity.parquet


rule measure_filters:
    """Total variation of every filter of all models."""
    input:
        weights=expand("results/models/{model}/weights.safetensors", model=config["models"]),
        cards=expand("results/models/{model}/card.json", model=config["models"]),
        initial=expand("results/models/{model}/initial.safetensors", model=TRAINED),
    output:
        filters="results/neurons/filters.parquet",
    log:
        "logs/measure_filters.log",
    benchmark:
        "benchmarks/measure_filters.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        models=list(config["models"]),
        trained=TRAINED,
        code=code("measure_filters.py"),
    script:
        "../workflow_scripts/measure_filters.py"


rule count_concepts:
    """Concepts per unit of all models, by IoU threshold."""
    input:
        iou=expand("results/neurons/{model}/{{concept_set}}/iou.parquet", model=config["models"]),
    output:
        complexity="results/neurons/{concept_set}/complexity.parquet",
    log:
        "logs/count_concepts/{concept_set}.log",
    benchmark:
        "benchmarks/count_concepts/{concept_set}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        thresholds=COMPLEXITY_THRESHOLDS,
        code=code("count_concepts.py"),
    script:
        "../workflow_scripts/count_concepts.py"
