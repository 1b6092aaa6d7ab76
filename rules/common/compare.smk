# What the rule that compares runs needs.


def is_this_study(folder):
    return Path(folder).resolve() == Path("results").resolve()


def compared_runs():
    """Group -> its results folders; this study's own as ``results``, as the rules call it."""
    groups = {name: [given] if isinstance(given, str) else given for name, given in config["compare"]["runs"].items()}
    return {name: ["results" if is_this_study(folder) else folder for folder in folders] for name, folders in groups.items()}


COMPARED = compared_runs()
COMPARED_TABLES = [Path(table).stem for table in [*TABLES, *CONCEPT_ABLATION_TABLE]]


def compared_files(wildcards):
    """The tables of all runs, and what says how each was made; of other studies what is there, of this one what its rules make."""
    files = []
    for name, folders in COMPARED.items():
        for folder in folders:
            tables = [f"{folder}/reports/claims.csv", *(f"{folder}/reports/tables/{table}.csv" for table in COMPARED_TABLES)]
            made = [f"{folder}/reports/study.json", *(f"{folder}/models/{model}/card.json" for model in config["models"])]
            if not is_this_study(folder):
                check_results(name, folder, tables)
                made = [path for path in [made[0], *sorted(map(str, Path(folder).glob("models/*/card.json")))] if Path(path).is_file()]
            files += tables + made
    if len({Path(folder).resolve() for folders in COMPARED.values() for folder in folders}) < 2:
        raise WorkflowError("compare.runs: expected two results folders or more, got fewer; name them as docs/compare.md shows")
    return files


def check_results(name, folder, tables):
    """WorkflowError, which ends a dry run in one sentence, unless a folder has all these tables."""
    missing = next((path for path in tables if not Path(path).is_file()), None)
    if missing:
        raise WorkflowError(
            f"compare.runs.{name}: expected the folder results of a finished study, got {folder} without "
            f"{Path(missing).relative_to(folder)}; build that study with this version of robustlens"
        )
