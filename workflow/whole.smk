# NEEDS  the folder from which Snakemake reads the workflow
# MAKES  whole, which finds the root of the repository

import tarfile
import tempfile
from pathlib import Path


def whole(folder):
    """The root of the repository on this machine. A module of a hosting service has no folder, and Snakemake brings its files one by one;
    scripts need the library beside them, so its commit is unpacked below .snakemake, once."""
    if folder.is_local:
        return Path(str(folder)).parent
    git = folder.hosted_repo.repo.git
    root = Path(".snakemake/robustlens", git.rev_parse(f"{folder.ref}^{{commit}}")).absolute()
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as partial:
            git.archive(folder.ref, output=f"{partial}/commit.tar")
            with tarfile.open(f"{partial}/commit.tar") as archive:
                archive.extractall(f"{partial}/commit", filter="data")
            Path(partial, "commit").rename(root)
    return root
