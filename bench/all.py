"""Runs every measurement beside its peers, one after the other, and writes docs/performance.md from what they print.

    python bench/all.py [--device cpu] [--lite <folder>] [--slurm] [--only attacks.py ...]

The page has the machine, the versions and the date, the goals in one table, and a section for each measurement: its command, what its
docstring says it does, and what it printed. ``--only``: the sections of others stay as they are. ``--lite``: a checkout of NetDissect-Lite;
``--slurm``: jobs over a Slurm that is started (as root). Nothing else should run meanwhile.
"""

import argparse
import ast
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs/performance.md"
SECTIONS = {  # script -> title, arguments
    "dissection.py": ("Dissection and total variation", ["--images", "24"]),
    "corruptions.py": ("Corruptions", []),
    "attacks.py": ("PGD", []),
    "activations.py": ("Activation store", []),
    "stylization.py": ("Stylization", []),
    "predictions.py": ("Predictions", []),
    "ablation.py": ("Ablation", ["resnet", "resnet50"]),
    "growth.py": ("Growth with the images", []),
    "scaling.py": ("Strong scaling", []),
    "scheduling.py": ("Planning and jobs", []),
    "study.py": ("The miniature", []),
}
OF_DEVICE = {  # these take --device; with it, more images
    "dissection.py": ["--images", "96"],
    "corruptions.py": ["--images", "64"],
    "attacks.py": ["--images", "64"],
    "stylization.py": ["--images", "64"],
    "predictions.py": ["--images", "1024"],
}
CPU_ONLY = "All of it ran on the CPU: no GPU was at hand (`make bench DEVICE=cuda` takes one)."
PACKAGES = ("torch", "torchvision", "numpy", "numba", "scipy", "h5py", "pyarrow", "pillow", "opencv-python-headless", "snakemake")
INTRODUCTION = """# Speed and memory

What `make bench` measured, side by side in one run, on {machine}, on {date}. Run it on yours: it takes
an hour on two cores and writes this page. Numbers are medians, with the least and the most of the runs behind them; ratios are those of one
turn, since a machine's speed drifts. What a whole study costs `snakemake plan` says. {device}

{versions}.

## Goals
"""


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{os.cpu_count()} cores of {processor} ({wide}), {memory:.0f} GiB of memory"


def explanation(script: str) -> str:
    """A script's docstring without its first line, the command, and the words on Markdown."""
    text = ast.get_docstring(ast.parse((REPOSITORY / "bench" / script).read_text(encoding="utf-8"))) or ""
    first, _, rest = text.partition("\n\n")
    rest = re.sub(r"^    python .*?\n\n", "", rest, flags=re.S)
    rest = re.sub(r"\s*Prints\s+Markdown[^.]*\.", "", rest).strip()
    return f"{first}\n\n{rest}".replace("``", "`")


def measured(script: str, arguments: list[str]) -> str:
    """What a script prints; its output is shown as it comes."""
    print(f"\n# {script} {' '.join(arguments)}", flush=True)
    command, lines = [sys.executable, str(REPOSITORY / "bench" / script), *arguments], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        sys.exit(f"bench/{script} ended with {process.returncode}")
    return "".join(lines).strip()


def section(script: str, arguments: list[str], printed: str) -> str:
    shown = " ".join(["python", f"bench/{script}", *("<checkout>" if "/" in word else word for word in arguments)])
    return f"## {SECTIONS[script][0]}\n`{shown}`: {explanation(script)}\n\n{printed}\n"


def sections_of(page: str) -> dict[str, str]:
    """Script -> its section in a page that was written before."""
    found = re.findall(r"^(## [^\n]+\n`python bench/(\w+\.py).*?)(?=^## |\Z)", page, re.M | re.S)
    return {script: f"{text.strip()}\n" for text, script in found}


def goals(sections: dict[str, str]) -> str:
    """The table of goals, from the lines that say them."""
    rows = []
    for script, text in sections.items():
        for aim, found, said in re.findall(r"^Goal: (.*?)\. Found: (.*? to [^)]*\)): (.*)$", text, re.M):
            rows.append(f"| {aim} | {found} | {said} | {SECTIONS[script][0]} |")
    return "\n".join(["| goal | found | | measured under |", "|---|---|---|---|", *rows, ""])


def write(sections: dict[str, str], device: str) -> None:
    """The page, with what has been measured so far."""
    versions = f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    on_device = CPU_ONLY if device == "cpu" else f"Dissection, corruptions, PGD, stylization and predictions ran on {device}."
    head = INTRODUCTION.format(machine=machine(), date=time.strftime("%Y-%m-%d"), device=on_device, versions=versions)
    if missing := [title for script, (title, _) in SECTIONS.items() if script not in sections]:
        head = head.replace("\n## Goals", f"\nNot measured yet: {', '.join(missing)}.\n\n## Goals")
    PAGE.write_text("\n".join([head + goals(sections), *sections.values()]), encoding="utf-8")


def main(device: str, lite: str | None, slurm: bool, only: list[str] | None) -> None:
    sections = sections_of(PAGE.read_text(encoding="utf-8")) if only and PAGE.exists() else {}
    for script in only or SECTIONS:
        arguments = list(SECTIONS[script][1])
        if device != "cpu" and script in OF_DEVICE:
            arguments = ["--device", device, *OF_DEVICE[script]]
        arguments += ["--lite", lite] if lite and script == "dissection.py" else []
        arguments += ["--slurm"] if slurm and script == "scheduling.py" else []
        sections[script] = section(script, arguments, measured(script, arguments))
        write({name: sections[name] for name in SECTIONS if name in sections}, device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures all and writes docs/performance.md.")
    parser.add_argument("--device", default="cpu", help="of the measurements that run a network alone: cpu, cuda or cuda:<number> (cpu)")
    parser.add_argument("--lite", help="a checkout of NetDissect-Lite, to run it as well")
    parser.add_argument("--slurm", action="store_true", help="jobs over a Slurm that is started, too (as root)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these measurements alone; the other sections stay")
    asked = parser.parse_args()
    main(asked.device, asked.lite, asked.slurm, asked.only)
