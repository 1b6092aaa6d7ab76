# NEEDS  results/stimuli/{stimulus}/shard-{shard}.parquet, results/models/{model}/, results/neurons/{model}/{concept_set}/units.parquet
# MAKES  results/ablation/{model}/shard-{shard}.parquet
#        results/ablation/{model}/units.parquet               the scores of all shards added up
#        results/concept_ablation/{pair}/shard-{shard}.parquet
#        results/reports/tables/concept_ablation.csv          if the config asks for it: units of a concept zeroed together


include: "common/ablation.smk"


rule ablate_units:
    """Shape and texture score of every unit of one model on one shard of the cue-conflict images."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard=conflict_shard,
    output:
        scores="results/ablation/{model}/shard-{shard}.parquet",
    log:
        "logs/ablate_units/{model}_{shard}.log",
    benchmark:
        "benchmarks/ablate_units/{model}_{shard}.tsv"
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


rule ablate_concepts:
    """Wrong decisions of both networks of a pair, on one shard of each stimulus, without the units that carry a concept."""
    input:
        verified_pair,
        weights=of_both("results/models/{model}/weights.safetensors"),
        cards=of_both("results/models/{model}/card.json"),
        units=concept_units,
        shards=concept_stimulus_shards,
    output:
        counts="results/concept_ablation/{pair}/shard-{shard}.parquet",
    log:
        "logs/ablate_concepts/{pair}_{shard}.log",
    benchmark:
        "benchmarks/ablate_concepts/{pair}_{shard}.tsv"
    wildcard_constraints:
        pair=one_of(config["pairs"]),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=concept_ablated_images,
    params:
        pair="{pair}",
        stimuli=concept_stimuli,
        n_images=concept_ablated,
        selection=lookup("ablation/concepts", within=config, default=None),
        min_positions=min_positions(config),
        seed=SEED,
        sixteen_by=config["predictions"]["sixteen_by"],
        code=code("ablate_concepts.py") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/ablate_concepts.py"


rule tabulate_concept_ablation:
    """What the units that carry a concept are worth, for all pairs."""
    input:
        counts=concept_ablation_shards(),
    output:
        concept_ablation_csv="results/reports/tables/concept_ablation.csv",
    log:
        "logs/tabulate_concept_ablation.log",
    benchmark:
        "benchmarks/tabulate_concept_ablation.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        code=code("tabulate_concept_ablation.py"),
    script:
        "../workflow_scripts/tabulate_concept_ablation.py"
