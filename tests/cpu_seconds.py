"""CPU seconds, user and system, of whatever a command starts, daemons too, and of each test: what a suite costs on any machine.

``python tests/cpu_seconds.py SUITE COMMAND...`` runs it and writes into the folder ROBUSTLENS_CPU what it cost, where pytest (conftest.py)
writes what each test did. ``python tests/cpu_seconds.py`` prints what is in that folder.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

BUDGET = 3000  # of `make test`
PR_SET_CHILD_SUBREAPER = 36


def spent() -> float:
    """Seconds so far of all processes below the one that ``run`` started the suite in, or else of this one and those below it."""
    if not os.path.exists("/proc/self/stat"):  # not on Linux: without those that still run
        return sum(os.times()[:4])
    ticks, waiting = 0, [os.environ.get("ROBUSTLENS_CPU_ROOT") or str(os.getpid())]
    while waiting:
        process = Path("/proc", waiting.pop())
        try:
            ticks += sum(map(int, process.joinpath("stat").read_text().rpartition(")")[2].split()[11:15]))
            for task in process.joinpath("task").iterdir():
                waiting += task.joinpath("children").read_text().split()
        except OSError:  # it has ended, and is counted with its parent from now on
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def write(name: str, rows: list[dict]) -> None:
    folder = Path(os.environ["ROBUSTLENS_CPU"])
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.jsonl", "a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def run(suite: str, command: list[str]) -> int:
    """The exit status of a command; of its daemons, which outlive who started them, this process is the parent and waits for them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.environ["ROBUSTLENS_CPU_ROOT"] = str(os.getpid())
    started = time.monotonic()
    child = subprocess.Popen(command)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: number == signal.SIGTERM and child.send_signal(number))
    while (ended := os.wait())[0] != child.pid:
        pass
    write(suite, [{"suite": suite, "seconds": round(spent(), 2), "wall": round(time.monotonic() - started)}])
    child.returncode = os.waitstatus_to_exitcode(ended[1])
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def report(rows: list[dict]) -> str:
    """CPU seconds by suite, of the files that take most, of the 20 slowest tests."""
    tests = [row for row in rows if "test" in row]
    files: Counter[str] = Counter()
    for row in tests:
        files[row["test"].partition("::")[0]] += row["seconds"]
    suites = [(row["suite"], f"{row['seconds']:8.0f}   in {row['wall']:,} s") for row in rows if "suite" in row]
    lines = ["CPU seconds (user and system)", *(f"  {seconds}  {suite}" for suite, seconds in suites)]
    if suites:
        total = sum(row["seconds"] for row in rows if "suite" in row)
        lines.append(f"  {total:8.0f}  all; `make test` is meant to take {BUDGET:,} or less")
    for title, pairs in {
        "by file": files.most_common(20),
        "the slowest tests": sorted(((row["test"], row["seconds"]) for row in tests), key=lambda pair: -pair[1])[:20],
    }.items():
        lines += [title, *(f"  {seconds:8.1f}  {name}" for name, seconds in pairs)]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(run(sys.argv[1], sys.argv[2:]))
    files = sorted(Path(os.environ["ROBUSTLENS_CPU"]).glob("*.jsonl"))
    print(report([json.loads(line) for path in files for line in path.read_text().splitlines()]))
