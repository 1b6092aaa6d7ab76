# NEEDS  predictions, neurons and ablation of every model
# MAKES  results/both_correct/{pair}/manifest.parquet    the clean images that both networks of a pair label correctly
#        results/reports/tables/*.csv, claims.csv, figures/, explorer/, index.html, study.json

NEURONS = {
    "filters": ["results/neurons/filters.parquet"],
    "smoothness": expand("results/neurons/{model}/smoothness.parquet", model=STUDIED if NOISE else []),
    "units": expand("results/neurons/{model}/{concept_set}/units.parquet", concept_set=config["concepts"], model=config["models"]),
    "complexity": expand("results/neurons/{concept_set}/complexity.parquet", concept_set=config["concepts"]),
    "ablation": [shard for model in ABLATED for shard in ablation_shards(model)] if CONFLICT else [],
    "top_images": expand("results/neurons/{model}/top_images.parquet", model=STUDIED if NOISE else []),
    "top_maps": expand("results/neurons/{model}/top_maps.h5", model=STUDIED if NOISE else []),
    "iou": expand("results/neurons/{model}/{concept_set}/iou.parquet", concept_set=config["concepts"], model=config["models"]),
}
PREDICTIONS = expand("results/predictions/{model}/predictions.parquet", model=config["models"])
PUBLISHED_LISTS = [fetched(pair["published"]) for pair in config["pairs"].values() if "published" in pair]
CONCEPTS = expand("results/concepts/{concept_set}/concepts.parquet", concept_set=config["concepts"])
UNIT_TABLES = [
    "total_variation",
    "dissection",
    "dissection_units",
    "concept_shift",
    "complexity",
    "complexity_distribution",
    "ablation",
    "concepts",
]
UNIT_TABLES += ["category_shares", "ablation_rates", "detectors", "category_shift", "noise_blocking", "noise_outliers", "filter_matches"]
PAIRED_MODELS = list(dict.fromkeys(pair[role] for pair in config["pairs"].values() for role in ("standard", "robust")))
NAMED_SOURCES = [name for name in PREDICTED_SOURCES if name in INDEXED and not classes_of(name)]  # those may lack a class of the study
TABLES = expand(
    "results/reports/tables/{table}.csv",
    table=[
        "accuracy",
        "top5",
        "accuracy_both_correct",
        "accuracy_paired",
        "shape_bias",
        "shape_bias_by_class",
        "both_correct",
        "corruption_errors",
        "mce",
        "robustness",
        "training",
        *(["excluded_images"] if SIFTED else []),
        *(["missing_classes"] if NAMED_SOURCES else []),
        *UNIT_TABLES,
    ],
)
COMMAND = shlex.join(["snakemake", *(part for name in study_files() for part in ("--configfile", name))])
SHOWN_MODELS = next(([pair["standard"], pair["robust"]] for pair in config["pairs"].values()), STUDIED[:1])
SHOWN = [name for name in PREDICTED if name not in in_sets(config)]
PICTURES = [stimulus_shards(name, 1, model)[0] for name in SHOWN for model in (SHOWN_MODELS if name in config["attacks"] else [None])]
DUMPED = stimulus_shards("clean", config["activations"]["n_images"]) if NOISE else []


rule tabulate_behaviour:
    """Accuracy by stimulus, shape against texture and corruption errors, of all models; images that both of a pair label correctly."""
    input:
        PUBLISHED_LISTS,
        predictions=PREDICTIONS,
        robustness=swept_shards(),
        training=expand("results/models/{model}/training.parquet", model=TRAINED),
        verified=expand("results/models/{model}/verified.json", model=CHECKED),
        manifest=["results/stimuli/clean/manifest.parquet"] if SELECTED_PAIRS else [],
    output:
        selected=expand("results/both_correct/{pair}/manifest.parquet", pair=SELECTED_PAIRS),
        accuracy_csv="results/reports/tables/accuracy.csv",
        top5_csv="results/reports/tables/top5.csv",
        both_correct_csv="results/reports/tables/accuracy_both_correct.csv",
        shape_bias_csv="results/reports/tables/shape_bias.csv",
        by_class_csv="results/reports/tables/shape_bias_by_class.csv",
        selection_csv="results/reports/tables/both_correct.csv",
        corruption_errors_csv="results/reports/tables/corruption_errors.csv",
        mce_csv="results/reports/tables/mce.csv",
        robustness_csv="results/reports/tables/robustness.csv",
        paired_csv="results/reports/tables/accuracy_paired.csv",
        training_csv="results/reports/tables/training.csv",
    log:
        "logs/tabulate_behaviour.log",
    benchmark:
        "benchmarks/tabulate_behaviour.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        pairs=config["pairs"],
        expected={name: spec["top1"] for name, spec in config["models"].items() if spec.get("top1") is not None},
        learned=[model for model in TRAINED if recipe_of(model)["labels"] == "label"],
        conflict=config["claims"]["cue_conflict"],
        corruptions={name: level for name, level in CORRUPTIONS.items() if name in PREDICTED},
        baseline=config["predictions"]["baseline"],
        resamples=config["statistics"]["resamples"],
        code=code("tabulate_behaviour.py") + code_of_table("alexnet_errors.csv") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/tabulate_behaviour.py"


rule tabulate_units:
    """Smoothness, dissection, complexity and ablation of all models' units, by layer."""
    input:
        filters=NEURONS["filters"],
        smoothness=NEURONS["smoothness"],
        units=NEURONS["units"],
        complexity=NEURONS["complexity"],
        ablation=NEURONS["ablation"],
        concepts=CONCEPTS,
        weights=expand("results/models/{model}/weights.safetensors", model=PAIRED_MODELS),
        cards=expand("results/models/{model}/card.json", model=PAIRED_MODELS),
    output:
        written=[
            "results/reports/tables/total_variation.csv",
            "results/reports/tables/dissection.csv",
            "results/reports/tables/dissection_units.csv",
            "results/reports/tables/concept_shift.csv",
            "results/reports/tables/complexity.csv",
            "results/reports/tables/complexity_distribution.csv",
            "results/reports/tables/ablation.csv",
            "results/reports/tables/concepts.csv",
            "results/reports/tables/category_shares.csv",
            "results/reports/tables/ablation_rates.csv",
            "results/reports/tables/detectors.csv",
            "results/reports/tables/category_shift.csv",
            "results/reports/tables/noise_blocking.csv",
            "results/reports/tables/noise_outliers.csv",
            "results/reports/tables/filter_matches.csv",
        ],
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
        min_positions=min_positions(config),
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
        claim_tests="results/reports/tables/claim_tests.csv",
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
    """Every figure of the report, from tables, and the explorer of single units."""
    input:
        tables=TABLES,
        smoothness=NEURONS["smoothness"],
        weights=expand("results/models/{model}/weights.safetensors", model=config["models"]),
        top_images=NEURONS["top_images"],
        shards=PICTURES,
        dumped=DUMPED,
        units=NEURONS["units"],
        complexity=NEURONS["complexity"],
        iou=NEURONS["iou"],
        ablation=NEURONS["ablation"],
        top_maps=NEURONS["top_maps"],
    output:
        figures=report(directory("results/reports/figures"), patterns=["{name}.svg"], category="Figures", labels={"figure": "{name}"}),
        explorer=directory("results/reports/explorer"),
    log:
        "logs/draw_figures.log",
    benchmark:
        "benchmarks/draw_figures.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        study=STUDY,
        code=code("draw_figures.py"),
    script:
        "../workflow_scripts/draw_figures.py"


rule tabulate_exclusions:
    """The pictures that no network was shown because they could not be read."""
    input:
        excluded=expand("results/stimuli/{source}/excluded.parquet", source=SIFTED),
    output:
        excluded_csv="results/reports/tables/excluded_images.csv",
    log:
        "logs/tabulate_exclusions.log",
    benchmark:
        "benchmarks/tabulate_exclusions.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        sources=SIFTED,
        code=code("tabulate_exclusions.py"),
    script:
        "../workflow_scripts/tabulate_exclusions.py"


rule tabulate_classes:
    """The classes of the study of which a source has no image."""
    input:
        manifests=expand("results/stimuli/{source}/manifest.parquet", source=NAMED_SOURCES),
    output:
        missing_csv="results/reports/tables/missing_classes.csv",
    log:
        "logs/tabulate_classes.log",
    benchmark:
        "benchmarks/tabulate_classes.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        sources=NAMED_SOURCES,
        code=code("tabulate_classes.py"),
    script:
        "../workflow_scripts/tabulate_classes.py"


rule write_page:
    """The report: one page that needs nothing else."""
    input:
        claims="results/reports/claims.csv",
        tables=[*TABLES, "results/reports/tables/claim_tests.csv"],
        figures="results/reports/figures",
        cards=expand("results/models/{model}/card.json", model=config["models"]),
    output:
        page=report("results/reports/index.html", category="Report", labels={"file": "the study"}),
        study_json="results/reports/study.json",
        latex=directory("results/reports/latex"),
    log:
        "logs/write_page.log",
    benchmark:
        "benchmarks/write_page.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    resources:
        command=COMMAND,  # no parameter: a study whose file has another name is the same study
    params:
        study=STUDY,
        code=code("write_page.py") + code_of_table("claims.csv") + code_of_table("published.csv"),
    script:
        "../workflow_scripts/write_page.py"
