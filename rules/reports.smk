# NEEDS  predictions, neurons and ablation of every model
# MAKES  results/both_correct/{pair}/manifest.parquet    the clean images that both networks of a pair label correctly
#        results/reports/tables/*.csv, claims.csv, figures/, index.html

NEURONS = {
    "filters": expand("results/neurons/{model}/filters.parquet", model=config["models"]),
    "smoothness": expand("results/neurons/{model}/smoothness.parquet", model=STUDIED if NOISE else []),
    "units": expand("results/neurons/{model}/{concept_set}/units.parquet", concept_set=config["concepts"], model=config["models"]),
    "complexity": expand(
        "results/neurons/{model}/{concept_set}/complexity.parquet", concept_set=config["concepts"], model=config["models"]
    ),
    "ablation": expand("results/ablation/{model}/units.parquet", model=ABLATED if CONFLICT else []),
    "top_images": expand("results/neurons/{model}/top_images.parquet", model=STUDIED if NOISE else []),
}
PREDICTIONS = expand("results/predictions/{model}/predictions.parquet", model=config["models"])
PUBLISHED_LISTS = [fetched(pair["published"]) for pair in config["pairs"].values() if "published" in pair]
CONCEPTS = expand("results/concepts/{concept_set}/concepts.parquet", concept_set=config["concepts"])
UNIT_TABLES = ["total_variation", "dissection", "dissection_units", "concept_shift", "complexity", "ablation", "concepts"]
TABLES = expand(
    "results/reports/tables/{table}.csv",
    table=["accuracy", "top5", "accuracy_both_correct", "shape_bias", "both_correct", "corruption_errors", "mce", "training", *UNIT_TABLES],
)
SHOWN_MODELS = next(([pair["standard"], pair["robust"]] for pair in config["pairs"].values()), STUDIED[:1])
SHOWN = [name for name in PREDICTED if name not in CORRUPTIONS]
PICTURES = [stimulus_shards(name, 1, model)[0] for name in SHOWN for model in (SHOWN_MODELS if name in config["attacks"] else [None])]
DUMPED = stimulus_shards("clean", config["activations"]["n_images"]) if NOISE else []


rule tabulate_behaviour:
    """Accuracy by stimulus, shape against texture and corruption errors, of all models; images that both of a pair label correctly."""
    input:
        PUBLISHED_LISTS,
        predictions=PREDICTIONS,
        manifest=["results/stimuli/clean/manifest.parquet"] if SELECTED_PAIRS else [],
    output:
        selected=expand("results/both_correct/{pair}/manifest.parquet", pair=SELECTED_PAIRS),
        accuracy_csv="results/reports/tables/accuracy.csv",
        top5_csv="results/reports/tables/top5.csv",
        both_correct_csv="results/reports/tables/accuracy_both_correct.csv",
        shape_bias_csv="results/reports/tables/shape_bias.csv",
        selection_csv="results/reports/tables/both_correct.csv",
        corruption_errors_csv="results/reports/tables/corruption_errors.csv",
        mce_csv="results/reports/tables/mce.csv",
    log:
        "logs/tabulate_behaviour.log",
    benchmark:
        "benchmarks/tabulate_behaviour.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        pairs=config["pairs"],
        conflict=config["claims"]["cue_conflict"],
        corruptions={name: level for name, level in CORRUPTIONS.items() if name in PREDICTED},
        baseline=config["predictions"]["baseline"],
        resamples=config["statistics"]["resamples"],
        code=code("tabulate_behaviour.py") + code_of_table("alexnet_errors.csv") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/tabulate_behaviour.py"


rule tabulate_training:
    """Training curves of all trained models."""
    input:
        training=expand("results/models/{model}/training.parquet", model=TRAINED),
    output:
        training_csv="results/reports/tables/training.csv",
    log:
        "logs/tabulate_training.log",
    benchmark:
        "benchmarks/tabulate_training.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        code=code("tabulate_training.py"),
    script:
        "../workflow_scripts/tabulate_training.py"


rule tabulate_units:
    """Smoothness, dissection, complexity and ablation of all models' units, by layer."""
    input:
        filters=NEURONS["filters"],
        smoothness=NEURONS["smoothness"],
        units=NEURONS["units"],
        complexity=NEURONS["complexity"],
        ablation=NEURONS["ablation"],
        concepts=CONCEPTS,
    output:
        total_variation_csv="results/reports/tables/total_variation.csv",
        dissection_csv="results/reports/tables/dissection.csv",
        units_csv="results/reports/tables/dissection_units.csv",
        shift_csv="results/reports/tables/concept_shift.csv",
        complexity_csv="results/reports/tables/complexity.csv",
        ablation_csv="results/reports/tables/ablation.csv",
        concepts_csv="results/reports/tables/concepts.csv",
    log:
        "logs/tabulate_units.log",
    benchmark:
        "benchmarks/tabulate_units.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        pairs=config["pairs"],
        categories=config["dissection"]["categories"],
        iou=config["dissection"]["iou"],
        resamples=config["statistics"]["resamples"],
        code=code("tabulate_units.py"),
    script:
        "../workflow_scripts/tabulate_units.py"


rule judge_claims:
    """What this run says of each claim of the study."""
    input:
        predictions=PREDICTIONS,
        filters=NEURONS["filters"],
        smoothness=NEURONS["smoothness"],
        units=NEURONS["units"],
        concepts=CONCEPTS,
        complexity=NEURONS["complexity"],
        ablation=NEURONS["ablation"],
    output:
        claims="results/reports/claims.csv",
    log:
        "logs/judge_claims.log",
    benchmark:
        "benchmarks/judge_claims.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        study=part_of_study("pairs", "controls", "concepts", "claims", "statistics", "dissection", "complexity"),
        code=code("judge_claims.py"),
    script:
        "../workflow_scripts/judge_claims.py"


rule draw_figures:
    """Every figure of the report, from tables."""
    input:
        tables=TABLES,
        smoothness=NEURONS["smoothness"],
        weights=expand("results/models/{model}/weights.safetensors", model=config["models"]),
        top_images=NEURONS["top_images"],
        shards=[*PICTURES, *DUMPED[1:]],
        concept_shards=[shard for name in config["concepts"] for shard in stimulus_shards(name, 1)],
    output:
        figures=directory("results/reports/figures"),
    log:
        "logs/draw_figures.log",
    benchmark:
        "benchmarks/draw_figures.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        study=config,
        code=code("draw_figures.py"),
    script:
        "../workflow_scripts/draw_figures.py"


rule write_page:
    """The report: one page that needs nothing else."""
    input:
        claims="results/reports/claims.csv",
        tables=TABLES,
        figures="results/reports/figures",
        cards=expand("results/models/{model}/card.json", model=config["models"]),
    output:
        page=report("results/reports/index.html", category="Report", labels={"file": "the study"}),
    log:
        "logs/write_page.log",
    benchmark:
        "benchmarks/write_page.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        study=config,
        code=code("write_page.py") + code_of_table("claims.csv"),
    script:
        "../workflow_scripts/write_page.py"
