"""Every command in the pages works: Snakemake's are parsed and dry-run, make's targets and scripts are there, others say where they run."""

import re
import shlex
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from runs import REPOSITORY, snakemake

PAGES = {path.name: path.read_text(encoding="utf-8") for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"))}
LANGUAGES = {"bash", "text", "yaml", "python", "{toctree}"}
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
RULES = set(re.findall(r"^rule (\w+):", (REPOSITORY / "Snakefile").read_text(encoding="utf-8"), re.M)) | {"plan"}
OWN = {"mine.yaml", "eps1.yaml", "compare.yaml", "own.yaml"}  # which the reader writes, from the page
BUILT_FROM_NOTHING = {"config.yaml", "eps1.yaml", "own.yaml"}  # studies that need no file of a user; others have tests of their own
RUNS_MORE = {
    "--lint",
    "--unlock",
    "--rulegraph",
    "--report",
    "--software-deployment-method",
    "--set-resources",
    "compare",
    "plan",
    "layers",
}  # tests of their own run all but the fourth
ELSEWHERE = {  # first word of a command -> the test that runs it, or why none does
    "slurm/recover": "tests/cluster/test_main_process.py",
    "source": "activates what make .venv/installed made",
    "cd": "goes into what the command before it made",
    "dot": "Graphviz, not part of this; the text it gets is held by tests/workflow/test_dry_run.py",
    "git": "the clone that the tests run in",
    "module": "a cluster's own",
    "sbatch": "a site's habit; tests/cluster submits every job by sbatch",
    "conda": "not on the machines that test this, as docs/cluster.md says",
    "apptainer": "not on the machines that test this, as docs/cluster.md says",
    "pytest": "the files that it is given are there, by tests/unit/test_docs.py",
    "pip": "an optional package; tests/unit/test_registry.py says what is asked for without it",
    "snakedeploy": "needs a published repository; tests/workflow/test_module.py plans what it writes",
}


def without_fences(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def blocks(text: str) -> tuple[list[str], list[str]]:
    """The lines of command blocks (```bash, or indented by four), and the languages of all fences."""
    fences = re.findall(r"^ *```(\S*)\n(.*?)^ *```$", text, re.M | re.S)
    indented = re.findall(r"(?<=\n\n)((?:    \S.*\n)+)", without_fences(text))
    lines = [line for language, body in fences if language == "bash" for line in body.splitlines()]
    return lines + [line for body in indented for line in body.splitlines()], [language for language, _ in fences]


def inline(text: str) -> list[str]:
    """Commands inside a sentence, which may go over the end of a line."""
    found = re.findall(
        r"`((?:[A-Z_]+=\S+ )?(?:snakemake|make|python|pip|conda|apptainer|sbatch|slurm/recover)(?:\s[^`]*)?)`", without_fences(text)
    )
    return [re.sub(r"\s+", " ", command) for command in found]


def commands(text: str) -> list[list[str]]:
    """Each command as its words, without comments, variables before it, and the dots that stand for what was said."""
    found = []
    for line in [*blocks(text)[0], *inline(text)]:
        for part in re.split(r" && | \| ", re.sub(r"(^| +)# .*$", "", line.strip())):
            words = shlex.split(re.sub(r"<this repository>", "REPOSITORY", part).removesuffix(" ..."))
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            found += [words] if words else []
    return found


ALL = {page: commands(text) for page, text in PAGES.items()}
SNAKEMAKE = sorted({tuple(words[1:]) for found in ALL.values() for words in found if words[0] == "snakemake"})


def parsed(arguments):
    """What Snakemake's own parser makes of them; fails where it refuses."""
    with suppress(SystemExit):
        return get_argument_parser().parse_args(list(arguments))
    pytest.fail(f"snakemake does not take: {' '.join(arguments)}")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page):
    assert set(blocks(PAGES[page])[1]) <= LANGUAGES


def test_files_targets_and_profiles_of_snakemake_commands_are_there():
    assert len(SNAKEMAKE) > 15
    for arguments in SNAKEMAKE:
        asked = parsed(arguments)
        for file in asked.configfile or ():
            assert file.name in OWN or "<name>" in str(file) or (REPOSITORY / file).is_file(), arguments
        assert all(target in RULES or target.startswith("results/") for target in asked.targets), arguments
        assert all(list((REPOSITORY / profile).glob("*.yaml")) for profile in asked.profile or ()), arguments


def dry_runs() -> list[tuple[str, ...]]:
    """The distinct commands whose study can be planned without a file of the user's; how and where they run makes no other plan."""
    found = set()
    for arguments in SNAKEMAKE:
        asked = parsed(arguments)
        if {file.name for file in asked.configfile or ()} <= BUILT_FROM_NOTHING and not RUNS_MORE & set(arguments) and not asked.profile:
            found.add(tuple(word for word in arguments if word not in ("-n", "--dry-run", "--directory", str(asked.directory))))
    return sorted(found)


@pytest.mark.parametrize("arguments", dry_runs(), ids=" ".join)
def test_what_can_be_planned_is_planned(tmp_path, arguments):
    """With the files that a page tells the reader to write: its YAML, by the name in the command."""
    own = {"eps1.yaml": ("compare.md", "attacks"), "own.yaml": ("tutorial.md", "models")}
    words = []
    for word in arguments:
        if word in own:
            page, section = own[word]
            texts = re.findall(r"^```yaml\n(.*?)^```", PAGES[page], re.M | re.S)
            (tmp_path / word).write_text(next(text for text in texts if section in yaml.safe_load(text)))
            words.append(tmp_path / word)
        else:
            words.append(word)
    done = snakemake(tmp_path, *words, "--dry-run", config=None)
    assert "This was a dry-run" in done.stdout + done.stderr


def test_make_targets_and_scripts_are_there():
    for words in sum(ALL.values(), []):
        if words[0] == "make":
            rules = re.sub(r"\$\(SUITES\)", re.search(r"^SUITES := (.+)$", MAKEFILE, re.M)[1], MAKEFILE)
            target = re.escape(words[1] if words[1:] else "run")  # `make` alone is the program, or makes its first target
            assert re.search(rf"^([\w -]+ )?{target}( [\w -]+)?:", rules, re.M), words
        elif words[0] == "python" and "<name>" not in words[1]:
            script = (REPOSITORY / words[1]).read_text(encoding="utf-8")
            assert all(f'"{word}"' in script for word in words if word.startswith("--")), words


def test_all_other_commands_say_where_they_run():
    first = {words[0] for found in ALL.values() for words in found} - {"snakemake", "make", "python"}
    assert first == set(ELSEWHERE)
    for word, where in ELSEWHERE.items():
        if where.startswith("tests/"):
            assert Path(word).name in (REPOSITORY / where).read_text(encoding="utf-8")


def test_the_checks_find_what_is_wrong():
    text = "\n\n    snakemake --nonsense   # why\n    cd here && make no-such-target\n\n`python\nbench/x.py --y` and `make_x`\n"
    assert commands(text) == [["snakemake", "--nonsense"], ["cd", "here"], ["make", "no-such-target"], ["python", "bench/x.py", "--y"]]
    with pytest.raises(pytest.fail.Exception):
        parsed(["--nonsense"])
