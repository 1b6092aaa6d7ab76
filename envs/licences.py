"""Writes envs/licences.csv: the licence of every package that envs/lock.txt pins (`make licences`, in an environment of the lock).

SPDX expressions, as the installed package states them: in its field License-Expression or License, else by the text of its licence file.
What none of these says stands in ``READ``. A package that is not installed, or whose licence is unknown or not in ``ALLOWED``, ends it.
"""

import csv
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0"),
    *("Zlib", "LLVM-exception", "LicenseRef-Public-Domain"),
    "LicenseRef-NVIDIA-Proprietary",  # the CUDA libraries of torch, free to use and to pass on
}
READ = {  # package -> SPDX
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",  # a list of NVIDIA's packages, without files or a licence of its own
    "docutils": "LicenseRef-Public-Domain AND BSD-2-Clause",  # its COPYING; the one file under the GPL, for Emacs, is not in the package
    "matplotlib": "PSF-2.0",  # its LICENSE is the PSF's with its own name; the fonts have theirs beside them
    "numba": "BSD-2-Clause",  # its licence files also hold those of others' code within it; so have the next two
    "scikit-image": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "nvidia-cusparselt-cu13": "LicenseRef-NVIDIA-Proprietary",
    "nvidia-nvtx": "Apache-2.0",
    "packaging": "Apache-2.0 OR BSD-2-Clause",
    "tqdm": "MPL-2.0 AND MIT",
}
TEXTS = {  # SPDX -> words that are in its text alone, tried in this order
    "Apache-2.0": "Apache License",
    "MPL-2.0": "Mozilla Public License",
    "MIT": "Permission is hereby granted, free of charge",
    "BSD-3-Clause": "may be used to endorse",
    "BSD-2-Clause": "Redistribution and use in source and binary forms",
}


def pinned(lock: str) -> dict[str, str]:
    """Package -> version, of the text of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([\w.+]+)", lock, re.M))


def parts(expression: str) -> set[str]:
    """The licences and exceptions that an SPDX expression names."""
    return set(re.split(r" (?:AND|OR|WITH) ", re.sub("[()]", "", expression)))


def licence(package: Distribution) -> str | None:
    """Its SPDX expression, None where nothing says it."""
    for field in ("License-Expression", "License"):
        if parts(stated := package.metadata.get(field, "")) <= ALLOWED:
            return stated
    files = [file for file in package.files or [] if re.search(r"licen[cs]e|copying", file.name, re.I) and ".dist-info" in str(file)]
    text = " ".join(" ".join(file.locate().read_text(encoding="utf-8", errors="replace").split()) for file in files)
    return next((spdx for spdx, words in TEXTS.items() if words in text), None)


def main() -> None:
    rows = []
    for name, version in pinned((FOLDER / "lock.txt").read_text(encoding="utf-8")).items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name}: expected the package of envs/lock.txt to be installed, it is not")
        found = READ.get(name) or licence(package)
        if package.version != version or found is None or not parts(found) <= ALLOWED:
            sys.exit(f"{name}: expected version {version} with a licence that envs/licences.py allows, got {package.version} with {found}")
        rows.append((name, version, found))
    with (FOLDER / "licences.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("package", "version", "licence"), *rows])


if __name__ == "__main__":
    main()
