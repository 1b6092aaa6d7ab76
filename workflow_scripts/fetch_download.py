"""Fetch one download: public files by address, or folders of a public repository."""

from pathlib import Path

from robustlens.downloads import fetch_download


def main(folder: str, *, name: str, spec: dict) -> None:
    """``spec``: the entry ``downloads.<name>`` of the config; what has come is kept beside ``folder``, in ``.partial/<name>``."""
    fetch_download(Path(folder), name, spec)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
