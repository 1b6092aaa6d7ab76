"""What tests cost is counted whole: children, daemons that they leave behind, and what has not ended yet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cpu_seconds

TESTS = Path(cpu_seconds.__file__).parent
BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"
DAEMON = f"""
import os
read, write = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        exec({BURN.format(0.4)!r})
    os._exit(0)
os.close(write)
os.read(read, 1)  # until the daemon ends
raise SystemExit(7)
"""
SUITE = f"""
import subprocess, sys, time

def start(seconds):
    return subprocess.Popen([sys.executable, "-IS", "-c", {BURN!r}.format(seconds) + "input()"], stdin=subprocess.PIPE)

def test_first():
    start(0.3).communicate(b"\\n")
    global running
    running = start(0.5)
    time.sleep(0.2)
    while end(running.pid) < 0.45:  # in ticks of the clock
        time.sleep(0.05)

def end(process):
    ticks = open(f"/proc/{{process}}/stat").read().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / 100

def test_second():
    running.communicate(b"\\n")
"""


def run(folder: Path, suite: str, *words: str) -> tuple[int, list[dict]]:
    """The exit status, and the rows that were written."""
    environment = {**os.environ, "ROBUSTLENS_CPU": str(folder / "cpu"), "PYTHONPATH": str(TESTS)}
    done = subprocess.run([sys.executable, TESTS / "cpu_seconds.py", suite, sys.executable, *words], env=environment, cwd=folder)
    return done.returncode, [json.loads(line) for path in sorted((folder / "cpu").iterdir()) for line in path.read_text().splitlines()]


def test_a_daemon_is_counted_with_the_suite_that_started_it(tmp_path):
    status, rows = run(tmp_path, "suite", "-ISc", DAEMON)
    assert status == 7 and len(rows) == 1 and rows[0]["suite"] == "suite"
    assert 0.4 <= rows[0]["seconds"] < 0.8


def test_one_that_is_killed_has_the_status_of_a_shell(tmp_path):
    assert run(tmp_path, "suite", "-ISc", "import os; os.kill(os.getpid(), 9)")[0] == 137


def test_each_test_is_counted_with_what_it_started(tmp_path):
    """Also where that has not ended; its end costs the next test nothing."""
    (tmp_path / "test_it.py").write_text(SUITE)
    status, rows = run(tmp_path, "suite", "-m", "pytest", "-q", "-p", "conftest", "-c", os.devnull, "--rootdir", str(tmp_path))
    assert status == 0
    first, second, suite = (row["seconds"] for row in sorted(rows, key=lambda row: row.get("test", "z")))
    assert 0.7 <= first < 1.2 and second < 0.3 and first + second <= suite < 3


def test_the_report_adds_up():
    rows = [{"suite": name, "seconds": seconds, "wall": 3} for name, seconds in (("units", 30.0), ("cluster", 10.5))]
    rows += [{"test": f"tests/test_{n % 3}.py::test_{n}", "seconds": float(n)} for n in range(30)]
    text = cpu_seconds.report(rows)
    assert "40  all" in text and "145.0  tests/test_1.py" in text
    assert text.endswith("10.0  tests/test_1.py::test_10") and "test_9" not in text
    assert "all" not in cpu_seconds.report(rows[2:])
