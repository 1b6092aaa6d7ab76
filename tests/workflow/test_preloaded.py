"""Processes that start with their imports done say and do what fresh ones do: most tests run Snakemake and its jobs in such ones."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import preloaded
from runs import snakemake

RENDERED = "results/stimuli/clean/shard-0000.parquet"
ENDS = {
    "well": "print('said'); raise SystemExit",
    "with a number": "raise SystemExit(7)",
    "with a sentence": "raise SystemExit('expected a, got b')",
    "with an error": "raise ValueError('a')",
    "at its end": "import atexit, logging\natexit.register(print, 'last')\nlogging.warning('a')",
    "in a thread": "import threading, time\nthreading.Thread(target=lambda: [time.sleep(0.2), print('late')]).start()",
    "killed": "import os; os.kill(os.getpid(), 9)",
}


def said(done: subprocess.CompletedProcess) -> list[str]:
    """The words of each line, in no order, since Snakemake lists sets; numbers, which are times and the names of runs, left out."""
    return sorted(
        " ".join(sorted(re.findall(r"[a-z_./-]{2,}", line))) for line in (done.stdout + done.stderr).splitlines() if "ID:" not in line
    )


@pytest.mark.parametrize("arguments", [["--dry-run"], ["nowhere"], [RENDERED]], ids=" ".join)
def test_snakemake(tmp_path, arguments):
    found = []
    for fresh in (True, False):
        done = snakemake(tmp_path / "run", *arguments, fresh=fresh, check=False)
        made = tmp_path / "run" / RENDERED
        found.append((done.returncode, said(done), made.read_bytes() if made.exists() else b""))
        shutil.rmtree(tmp_path / "run")
    assert found[0] == found[1]
    assert len(found[0][1]) > 2 and (found[0][0] == 1) == (arguments == ["nowhere"]) and bool(found[0][2]) == (arguments == [RENDERED])


@pytest.mark.parametrize("end", ENDS)
def test_a_script(tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys\nassert sys.argv == [__file__, 'a b'] and sys.path[0] == {str(tmp_path)!r}\n{ENDS[end]}\n")
    environment = {**os.environ, "ONLY": "here"}
    fresh = subprocess.run([sys.executable, script, "a b"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err, open(os.devnull) as nothing:
        status = preloaded.run([str(script), "a b"], [nothing.fileno(), out.fileno(), err.fileno()], environment, str(tmp_path))
        assert status == fresh.returncode
    assert (tmp_path / "out").read_text() == fresh.stdout
    last = [text.splitlines()[-1:] for text in ((tmp_path / "err").read_text(), fresh.stderr)]  # a traceback begins in runpy
    assert last[0] == last[1]


def test_nothing_of_the_repository_is_loaded_beforehand(tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys; sys.exit(sum(name.split('.')[0] in ('robustlens', 'runs', 'tiny') for name in sys.modules))"
    )
    with open(os.devnull, "r+") as nothing:
        assert preloaded.run([str(tmp_path / "script.py")], [nothing.fileno()] * 3, dict(os.environ), str(tmp_path)) == 0


def test_what_is_killed_ends_what_it_had_run_and_nothing_else(tmp_path):
    """As when the interpreter that a job stands for is killed."""
    (tmp_path / "script.py").write_text("import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    asking = subprocess.Popen([preloaded.interpreter(), "script.py"], cwd=tmp_path)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    asking.kill()
    asking.wait()
    process = Path("/proc", (tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.exists()
    (tmp_path / "script.py").write_text("print('after')")
    assert subprocess.run([preloaded.interpreter(), "script.py"], cwd=tmp_path, capture_output=True, text=True).stdout == "after\n"
