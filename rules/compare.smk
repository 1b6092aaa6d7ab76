# NEEDS  results folders of finished runs, which the config (or --config) names under compare.runs; this study's own may be one of them
# MAKES  results/reports/comparison/index.html, comparison.csv, changes.csv, quantities.csv, seeds.csv, settings.csv


include: "common/compare.smk"


rule compare_runs:
    """What moved beyond its interval from run to run, and means over runs that repeat one another."""
    input:
        compared_files,
    output:
        comparison_csv="results/reports/comparison/comparison.csv",
        changes_csv="results/reports/comparison/changes.csv",
        quantities_csv="results/reports/comparison/quantities.csv",
        seeds_csv="results/reports/comparison/seeds.csv",
        settings_csv="results/reports/comparison/settings.csv",
        page="results/reports/comparison/index.html",
    log:
        "logs/compare_runs.log",
    benchmark:
        "benchmarks/compare_runs.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        runs=COMPARED,
        tables=COMPARED_TABLES,
        code=code("compare_runs.py"),
    script:
        "../workflow_scripts/compare_runs.py"
