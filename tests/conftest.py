"""Makes the scripts and the library importable, as Snakemake does for a job, and the benches; says what tests cost; in CI a skipped test is
a failure."""

import os
import sys
from pathlib import Path

import pytest

import cpu_seconds

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ.pop("SNAKEMAKE_PROFILE", None)  # a shell's habit; the tests run where they say
sys.path += [str(REPOSITORY / "workflow_scripts"), str(REPOSITORY / "bench")]


@pytest.fixture(scope="session")
def miniature(tmp_path_factory) -> Path:
    """The folder of the study as it ships, run on this machine by Snakemake alone; ``imports`` in it: what its jobs imported."""
    from runs import snakemake

    folder = tmp_path_factory.mktemp("miniature")
    (folder / "imports").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY / "tests/recorder"))
        patch.setenv("ROBUSTLENS_IMPORTS", str(folder / "imports"))
        snakemake(folder, config=None, fresh=True)
    return folder


def pytest_collection_modifyitems(config, items):
    """Tests of a GPU belong to the suite of machines that have one; elsewhere they are left out, not skipped."""
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("gpu")])
            items[:] = [item for item in items if not item.get_closest_marker("gpu")]


COSTS: list[dict] = []  # of each test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A fixture that several tests share is counted with the first of them."""
    before = cpu_seconds.spent()
    done = yield
    COSTS.append({"test": item.nodeid, "seconds": round(cpu_seconds.spent() - before, 2)})
    return done


def pytest_terminal_summary(terminalreporter):
    """CPU seconds of files and tests; those of a suite that has others beside it are written down, and printed when all have ended."""
    if "ROBUSTLENS_CPU" in os.environ:
        cpu_seconds.write(f"tests-{os.getpid()}", COSTS)
    elif sum(row["seconds"] for row in COSTS) > 60:
        terminalreporter.write_line(cpu_seconds.report(COSTS))


def pytest_sessionfinish(session, exitstatus):
    """With ROBUSTLENS_NO_SKIPS set, a suite that should run and was skipped fails the session."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("ROBUSTLENS_NO_SKIPS") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} tests were skipped where none may be, first {skipped[0].nodeid}", red=True)
        session.exitstatus = 1
