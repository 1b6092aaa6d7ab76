"""Lines of progress from made-up events: what they count, when they come, what a failure says, and that nothing can stop a run."""

import io
import logging
import os
import platform
from pathlib import Path
from types import SimpleNamespace

import pytest

from robustlens.cluster.runs import RECORD, forget_run, record_run
from robustlens.cluster.watching import Refusals, Waiting
from robustlens.plan.jobs import VARIABLE, JobList
from robustlens.progress import Progress, reason_in, watch


class Run:
    """A run of Snakemake as its log handlers see it, with a clock that is set by hand."""

    def __init__(self, **options):
        self.now, self.screen = 0.0, io.StringIO()
        self.handler = Progress(self.screen, clock=lambda: self.now, **options)
        self.logger = logging.Logger("snakemake")
        self.logger.addHandler(self.handler)

    def say(self, event, **values):
        self.logger.info(None, extra={"event": SimpleNamespace(value=event), **values})

    def begin(self, **totals):
        self.say("run_info", stats={**totals, "total": sum(totals.values())})

    def start(self, jobid, rule="predict", images=0, log=(), output=("out",), **wildcards):
        self.say(
            "job_info", jobid=jobid, rule_name=rule, wildcards=wildcards, resources={"images": images}, log=list(log), output=list(output)
        )

    def finish(self, jobid):
        self.say("job_finished", job_id=jobid)

    def fail(self, jobid, rule="predict", log=(), message=None):
        self.say("job_error", jobid=jobid, rule_name=rule, log=list(log), aux={}, rule_msg=message)

    @property
    def lines(self):
        return [" ".join(line.split()) for line in self.screen.getvalue().splitlines()]


def test_a_line_counts_jobs_images_and_time():
    run = Run()
    run.begin(predict=4, tabulate=1)
    run.start(1, images=800)
    run.now = 10
    run.finish(1)
    run.start(2, images=800)
    run.now = 20
    run.finish(2)
    assert run.lines == [
        "predict 1 of 4 jobs 800 images 80 images/s 30 s left | all: 1 of 5 jobs",
        "predict 2 of 4 jobs 1,600 images 80 images/s 20 s left | all: 2 of 5 jobs",
    ]


def test_the_end():
    run = Run()
    run.begin(predict=1, all=1)
    run.start(1)
    run.now = 30
    run.finish(1)
    run.start(2, "all", output=())
    run.finish(2)
    assert run.lines == ["predict 1 of 1 jobs | all: 1 of 2 jobs", "All 2 jobs done in 30 s"]


def test_pauses_of_a_stage_are_not_counted():
    run = Run()
    run.begin(predict=2)
    run.start(1, images=100)
    run.now = 10
    run.finish(1)
    run.now = 1000  # other stages had the machine
    run.start(2, images=100)
    run.now = 1010
    run.finish(2)
    assert run.lines[-2] == "predict 2 of 2 jobs 200 images 10 images/s | all: 2 of 2 jobs"


def test_the_whole_has_a_time_when_that_of_every_stage_is_known():
    run = Run(usual={"tabulate": 6.0}.get)
    run.begin(predict=4, tabulate=1)
    for jobid in (1, 2):
        run.start(jobid)
    run.now = 10
    run.finish(1)
    run.finish(2)
    assert run.lines[0].endswith("| all: 1 of 5 jobs 18 s left")  # (3 x 10 s + 6 s) by two jobs at a time
    run = Run()
    run.begin(predict=1, tabulate=1)
    run.start(1)
    run.now = 10
    run.finish(1)
    assert run.lines[0].endswith("| all: 1 of 2 jobs")


def test_a_stage_has_a_line_every_two_seconds_and_one_at_its_end():
    run = Run()
    run.begin(predict=6)
    for jobid in range(6):
        run.start(jobid)
        run.now += 1
        run.finish(jobid)
    assert [line.split()[1] for line in run.lines] == ["1", "3", "5", "6", "6"]


def test_a_long_run_has_fewer_lines():
    run = Run()
    run.begin(predict=3600)
    for jobid in range(3600):
        run.start(jobid)
        run.now += 10
        run.finish(jobid)
    assert 300 < len(run.lines) < 800  # ten hours, one line a minute


def test_targets_and_unknown_jobs_have_no_line():
    run = Run()
    run.begin(all=1, predict=1)
    run.start(1, "all", output=())
    run.finish(1)
    run.finish(7)
    assert run.lines == []


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "net-all-0001.log"
    path.write_text("10:00:00 predict on node\n")
    return str(path)


def write_reason(path):
    """As the job does, before it ends."""
    with open(path, "a") as file:
        file.write("10:00:02 results/a.parquet: expected a Parquet file, got text\n\n")


def test_a_failure_is_one_line_and_comes_again_at_the_end(log_file):
    run = Run()
    run.begin(predict=3)
    run.start(1, log=[log_file], model="net", suite="all", shard="0001")
    run.start(2)
    write_reason(log_file)
    run.fail(1, log=[log_file, "logs/slurm/7.log"])
    run.finish(2)
    reason = "results/a.parquet: expected a Parquet file, got text"
    line = f"FAILED predict model=net suite=all shard=0001: {reason}: see {log_file}, Slurm log: logs/slurm/7.log"
    assert run.lines[0] == line
    run.handler.close()
    assert run.lines[2:] == ["1 job failed:", line]
    run.handler.close()
    assert len(run.lines) == 4


REFUSAL = (
    "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: gpus\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified'.\n    sbatch call:\n        sbatch --parsable\n"
    "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
)
SENTENCE = (
    "Slurm refused it: invalid partition specified: gpus; Invalid partition name specified: set cpu_partition and gpu_partition at the top"
)


def test_what_slurm_says_of_a_job_that_it_refused_is_in_its_line(log_file):
    write_reason(log_file)  # of an earlier job of this name
    run = Run()
    run.begin(predict=1)
    run.start(1, log=[log_file])
    run.fail(1, log=[log_file], message=REFUSAL)
    assert run.lines[0].startswith(f"FAILED predict: {SENTENCE}") and "a.parquet" not in run.lines[0]


def test_how_slurm_ended_a_job_is_in_its_line_where_its_log_says_nothing(log_file):
    run = Run()
    run.begin(predict=1)
    run.start(1, log=[log_file])
    message = "SLURM-job '12' failed, SLURM status is: '{}'. Detailed failure ... For further error details see the cluster/cloud log"
    run.fail(1, log=[log_file], message=message.format("TIMEOUT"))
    run.start(1, log=[log_file])
    write_reason(log_file)
    run.fail(1, log=[log_file], message=message.format("FAILED"))
    assert run.lines[0] == f"FAILED predict: Slurm ended job 12: TIMEOUT: see {log_file}"
    assert run.lines[1].startswith("FAILED predict (attempt 2): results/a.parquet: expected a Parquet file")


def test_a_job_that_slurm_refused_is_not_sent_again_and_its_log_says_why(log_file):
    write_reason(log_file)
    jobs = {number: SimpleNamespace(restart_times=2, _attempt=1) for number in (1, 2)}
    dag = SimpleNamespace(jobs=list(jobs.values()), jobid=lambda job: next(number for number, one in jobs.items() if one is job))
    run = Run()
    run.logger.addHandler(Refusals(SimpleNamespace(dag=dag)))
    run.start(1, log=[log_file])
    run.fail(1, log=[log_file], message=REFUSAL)
    assert [job._attempt for job in jobs.values()] == [3, 1]  # the last of three; Snakemake compares it with restart_times
    assert Path(log_file).read_text()[9:].startswith(SENTENCE)  # and nothing of the earlier job
    run.start(2, log=[log_file])
    run.fail(2, log=[log_file], message=REFUSAL.replace("Invalid partition name specified", "Unable to contact slurm controller"))
    assert jobs[2]._attempt == 1 and len(Path(log_file).read_text().splitlines()) == 2


def test_a_job_that_succeeds_in_the_end_has_not_failed():
    run = Run()
    run.begin(predict=1)
    for _ in range(2):
        run.start(1, model="net")
        run.fail(1)
    run.start(1, model="net")
    run.finish(1)
    run.handler.close()
    assert run.lines[:2] == ["FAILED predict model=net", "FAILED predict model=net (attempt 2)"]
    assert len(run.lines) == 4 and run.lines[2].startswith("predict 1 of 1 jobs")


def test_lines_beside_a_failure_count_it_and_promise_no_time():
    run = Run(usual={"tabulate": 6.0}.get)
    run.begin(predict=3, tabulate=1)
    for jobid in (1, 2):
        run.start(jobid)
        run.fail(jobid)
    run.start(2)
    run.fail(2)
    run.start(3)
    run.now = 10
    run.finish(3)
    run.start(2)
    run.now = 20
    run.finish(2)
    assert run.lines[-2] == "predict 1 of 3 jobs 2 failed | all: 1 of 4 jobs"
    assert run.lines[-1] == "predict 2 of 3 jobs 1 failed | all: 2 of 4 jobs"


def test_failures_of_a_group():
    run = Run()
    run.begin(predict=1)
    info = [{"jobid": 1, "rule_name": "predict", "log": ["logs/a.log"]}]
    run.say("group_error", job_error_info=info, aux_logs=["logs/slurm/7.log"])
    assert run.lines == ["FAILED predict: see logs/a.log, Slurm log: logs/slurm/7.log"]


def test_quiet_about_progress_is_not_quiet_about_failures():
    run = Run(quiet=True)
    run.begin(predict=2)
    run.start(1)
    run.finish(1)
    run.start(2)
    run.fail(2)
    assert run.lines == ["FAILED predict"]


def test_an_event_that_is_not_understood_ends_the_lines_and_not_the_run():
    run = Run()
    run.say("run_info", stats=None)
    run.begin(predict=1)
    run.start(1)
    run.finish(1)
    assert run.lines == ["No more lines of progress: AttributeError: 'NoneType' object has no attribute 'items'"]


def test_a_closed_screen_stops_nothing():
    run = Run()
    run.begin(predict=1)
    run.start(1)
    run.screen.close()
    run.finish(1)
    run.handler.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10:00:00 threads 1\n10:00:00 größer: expected a, got b\n \n", "größer: expected a, got b"),
        ("10:00:00 threads 1\n10:00:00 Traceback\nKeyError: 'gone'\n\n", "KeyError: 'gone'"),
        ("10:00:00 threads 1\n", ""),  # killed
        ("\n", ""),
    ],
)
def test_the_reason_in_a_log(tmp_path, text, reason):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10_000 + b"\n" + text.encode() if reason else text.encode())
    assert reason_in(path) == reason
    assert reason_in(tmp_path / "none") == ""


# ------------------------------------------------------------------------------------------------------------------ installing
def workflow(tmp_path, quiet=(), dryrun=False, main=True, targets=()):
    settings = SimpleNamespace(dryrun=dryrun, quiet=[SimpleNamespace(name=name.upper()) for name in quiet] or None)
    dag = SimpleNamespace(targets=frozenset(targets))
    return SimpleNamespace(is_main_process=main, output_settings=settings, dag_settings=dag, basedir=str(tmp_path))


@pytest.fixture
def logger(monkeypatch):
    """Snakemake's logger with the handler that writes to the screen."""
    monkeypatch.delenv(VARIABLE, raising=False)
    logger = logging.Logger("snakemake", logging.INFO)
    screen = logging.StreamHandler(io.StringIO())
    screen.name = "DefaultStreamHandler"
    logger.addHandler(screen)
    yield logger
    for handler in logger.handlers:
        handler.close()


def said(logger, event, message="said", level=logging.INFO):
    """What is on the screen after an event."""
    stream = logger.handlers[0].stream
    stream.truncate(0)
    logger.log(level, message, extra={"event": event and SimpleNamespace(value=event)})
    return stream.getvalue().strip("\0\n")


def test_lines_of_progress_take_the_place_of_steps(logger, tmp_path):
    watch(logger, workflow(tmp_path))
    assert [type(handler) for handler in logger.handlers[1:]] == [Refusals, Progress, Waiting]
    assert said(logger, "progress") == ""
    assert said(logger, "job_started") == said(logger, None) == "said"


def test_quiet_about_rules_is_quiet_about_their_end_too(logger, tmp_path):
    watch(logger, workflow(tmp_path, quiet=["rules", "host"]))
    assert said(logger, "job_started") == said(logger, None, "Select jobs to execute...") == ""
    assert said(logger, None) == said(logger, "job_started", level=logging.ERROR) == "said"


def test_only_the_plan_is_on_the_screen_where_only_it_is_asked_for(logger, tmp_path):
    watch(logger, workflow(tmp_path, targets=["plan"]))
    assert said(logger, None) == ""
    assert said(logger, None, level=logging.WARNING) == "said"


@pytest.mark.parametrize("options", [{"dryrun": True}, {"main": False}])
def test_dry_runs_and_jobs_are_left_alone(logger, tmp_path, options):
    watch(logger, workflow(tmp_path, **options))
    assert len(logger.handlers) == 1 and not logger.handlers[0].filters


def test_a_dry_run_of_the_plan_lists_its_jobs(logger, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "jobs"))
    watch(logger, workflow(tmp_path, dryrun=True))
    assert isinstance(logger.handlers[1], JobList)


def test_another_log_handler_keeps_the_screen(logger, tmp_path):
    logger.handlers[0].name = "rich"
    watch(logger, workflow(tmp_path))
    assert [type(handler) for handler in logger.handlers[1:]] == [Refusals]


def test_a_locked_folder_names_who_holds_it_and_what_to_do(logger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    watch(logger, workflow(tmp_path))
    message = "LockException:\nError: Directory cannot be locked. Please make sure ..."
    assert "slurm/recover" in said(logger, "error", message, logging.ERROR)
    record_run("77")
    words = said(logger, "error", message, logging.ERROR)
    assert words.startswith(message) and f"process {os.getpid()} on {platform.node()} in Slurm job 77, started 20" in words
    forget_run()
    assert not RECORD.exists() and said(logger, "error", "other", logging.ERROR) == "other"
