"""Draw the miniature concept set and its labels, in Broden's layout."""

from robustlens.stimuli.concept_scenes import write_concept_scenes


def main(broden: str, *, name: str, concept_set: dict, seed: int) -> None:
    """``concept_set``: its entry in the config. Ids begin with ``concepts-``, so that no source of the same name has the same scenes."""
    write_concept_scenes(broden, concept_set["n_images"], seed, f"concepts-{name}")


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
