"""Lines of progress while the workflow runs: a log handler that listens to Snakemake's events, whoever executes the jobs.

One line a stage now and then, one for each job that fails, and those once more when the run ends. It takes the place of Snakemake's own
`n of m steps`. What is not known is left out; nothing here can stop a run.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from robustlens.cluster.messages import said_of_failure
from robustlens.cluster.runs import words_of_lock
from robustlens.cluster.watching import Refusals, Waiting
from robustlens.job import state_of
from robustlens.meter import duration
from robustlens.plan.jobs import VARIABLE, JobList, event_of, plain
from robustlens.plan.rates import usual_seconds

EVERY = 2.0, 60.0  # seconds between two lines of a stage, at least: at the beginning, and of a long run
SHARE = 0.01  # of the time since the beginning that passes between two lines of a stage
CHATTER = ("progress", "job_finished", "job_started", "shellcmd")  # events that the lines here stand for
SELECTING = "Select jobs to execute..."
REFUSED = "Exception in run_job for rule "  # how the executor begins a trace of what the line about the job says
Record = Any  # a record of logging with what Snakemake adds to it: the fields of the event
PLAN = "plan"  # the rule beside whose table nothing is to be on the screen
TIME = re.compile(r"^\d\d:\d\d:\d\d ")  # in front of what a job logs itself
TAIL = 4096  # bytes of a log in which its last line is looked for


# ---------------------------------------------------------------------------------------------------------------- installing
def watch(logger: logging.Logger, workflow) -> None:
    """Attach to Snakemake's logger what the environment and the run ask for: a list of jobs, or lines of progress, or neither.

    ``workflow``: Snakemake's. Only its main process is listened to; a dry run does nothing that could be reported.
    """
    if not workflow.is_main_process:
        return
    if path := os.environ.get(VARIABLE):
        logger.addHandler(JobList(path))
        return
    if not workflow.output_settings.dryrun:
        logger.addHandler(Refusals(workflow))
    screen: Any = next((handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"), None)
    if screen is None or workflow.output_settings.dryrun:
        return  # another log handler has the screen
    quiet = {choice.name.lower() for choice in workflow.output_settings.quiet or ()}
    screen.addFilter(Silence(workflow, "rules" in quiet))
    if "all" not in quiet:
        table = Path(workflow.basedir, "resources", "rates.csv")
        progress = Progress(screen.stream, quiet="progress" in quiet, usual=partial(usual_seconds, table=table))
        logger.addHandler(progress)
        logger.addHandler(Waiting(progress.write))


class Silence(logging.Filter):
    """Keeps off the screen what the lines of progress say instead and, where only the plan is asked for, all that is no warning."""

    def __init__(self, workflow, terse: bool):
        super().__init__()
        self._workflow, self._terse = workflow, terse

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.INFO:
            record.msg = words_of_lock(record.msg)
            return not str(record.msg).startswith(REFUSED)
        settings = self._workflow.dag_settings
        if settings is not None and set(settings.targets) == {PLAN}:
            return False
        if not self._terse:
            return event_of(record) != "progress"
        return event_of(record) not in CHATTER and record.msg != SELECTING


# -------------------------------------------------------------------------------------------------------------------- counting
@dataclass
class Running:
    """A job that was started: what it is called, and where it writes; ``before``: :func:`state_of` its log by then."""

    rule: str
    words: str
    images: int
    logs: list[str]
    started: float
    is_target: bool
    before: tuple[int, ...] | None = None


@dataclass
class Stage:
    """The jobs of one rule: ``done`` of ``total``, what those done have handled, and for how long some of them were under way."""

    total: int
    done: int = 0
    images: int = 0
    seconds: float = 0.0  # of the jobs done, one after the other
    under_way: int = 0
    active: float = 0.0  # seconds in which any job was under way, until ``since``
    since: float = 0.0
    said: float = float("-inf")
    failed: int = 0  # jobs that failed and have not succeeded since

    def change(self, jobs: int, now: float) -> None:
        """``jobs`` more (or fewer) are under way."""
        self.active += (now - self.since) * (self.under_way > 0)
        self.under_way, self.since = self.under_way + jobs, now


class Tally:
    """All stages of a run, whose ``totals`` are numbers of jobs by rule. ``usual``: seconds of a job of a rule that has shown none yet."""

    def __init__(self, totals: dict[str, int], usual: Callable[[str], float | None]):
        self.stages = {rule: Stage(total) for rule, total in totals.items()}
        self._usual = usual
        self._known: dict[str, float | None] = {}

    def begin(self, rule: str, now: float) -> None:
        self.stages.setdefault(rule, Stage(0)).change(1, now)

    def fail(self, job: Running, again: bool, now: float) -> None:
        """``again``: not for the first time."""
        stage = self.stages[job.rule]
        stage.change(-1, now)
        stage.failed += not again

    def finish(self, job: Running, after_failure: bool, now: float) -> Stage:
        stage = self.stages[job.rule]
        stage.change(-1, now)
        stage.failed -= after_failure
        stage.done += 1
        stage.total = max(stage.total, stage.done)
        stage.images += job.images
        stage.seconds += now - job.started
        return stage

    def left(self, at_once: float) -> float | None:
        """Seconds until all is done with ``at_once`` jobs at a time; None where jobs failed, or a stage's have an unknown length."""
        total = 0.0
        if any(stage.failed for stage in self.stages.values()):
            return None
        for rule, stage in self.stages.items():
            if stage.done < stage.total:
                each = stage.seconds / stage.done if stage.done else self._usual_seconds(rule)
                if each is None:
                    return None
                total += (stage.total - stage.done) * each
        return total / max(at_once, 1.0)

    def _usual_seconds(self, rule: str) -> float | None:
        if rule not in self._known:
            self._known[rule] = self._usual(rule)
        return self._known[rule]


# ------------------------------------------------------------------------------------------------------------------- reporting
def unknown(rule: str) -> None:
    """Nothing is known of the jobs of a rule before one of them is done."""


class Progress(logging.Handler):
    """Writes the lines to ``stream``; ``quiet``: only those about failures. ``usual``: as of :class:`Tally`; ``clock``: seconds."""

    def __init__(
        self, stream, quiet: bool = False, usual: Callable[[str], float | None] = unknown, clock: Callable[[], float] = time.monotonic
    ):
        super().__init__()
        self._stream, self._quiet, self._usual, self._clock = stream, quiet, usual, clock
        self._tally, self._started = Tally({}, usual), clock()
        self._running: dict[int, Running] = {}
        self._failed: dict[int, str] = {}
        self._attempts: dict[int, int] = {}
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of an event; a fault of this handler ends its lines, not the run."""
        takers = {
            "run_info": self._begin,
            "job_info": self._start,
            "job_finished": self._finish,
            "job_error": self._fail,
            "group_error": self._fail_group,
        }
        taker = takers.get(event_of(record))
        if taker is None or self._broken:
            return
        try:
            taker(record)
        except Exception as error:
            self.write(f"No more lines of progress: {type(error).__name__}: {error}")
            self._broken = True

    def close(self) -> None:
        """Say once more which jobs have failed for good."""
        failed, self._failed = self._failed, {}
        if failed:
            self.write("\n".join([f"{len(failed)} job{'s' * (len(failed) > 1)} failed:", *(f"  {line}" for line in failed.values())]))
        super().close()

    def write(self, text: str) -> None:
        """Put lines on the screen, as long as there is one."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._broken = True  # the screen is gone

    def _begin(self, record: Record) -> None:
        totals = {str(rule): int(count) for rule, count in record.stats.items() if rule != "total"}
        self._tally, self._started = Tally(totals, self._usual), self._clock()
        self._quiet = self._quiet or set(totals) == {PLAN}

    def _start(self, record: Record) -> None:
        now, images = self._clock(), plain(record.resources).get("images", 0)
        words = " ".join([str(record.rule_name), *(f"{key}={value}" for key, value in plain(record.wildcards).items())])
        logs = [str(path) for path in record.log or []]
        images = images if isinstance(images, int) else 0
        before = state_of(logs[0]) if logs else None
        self._running[record.jobid] = Running(str(record.rule_name), words, images, logs, now, not record.output, before)
        self._tally.begin(str(record.rule_name), now)

    def _finish(self, record: Record) -> None:
        job = self._running.pop(record.job_id, None)
        failed = self._failed.pop(record.job_id, None)
        if job is None:
            return
        now = self._clock()
        stage = self._tally.finish(job, failed is not None, now)
        if self._quiet:
            return
        pause = min(max(EVERY[0], SHARE * (now - self._started)), EVERY[1])
        if not job.is_target and (stage.done >= stage.total or now - stage.said >= pause):
            stage.said = now
            self.write(self._line(job.rule, stage, now))
        stages = self._tally.stages.values()
        if all(other.done >= other.total for other in stages):
            self.write(f"All {sum(other.done for other in stages):,} jobs done in {duration(now - self._started)}")

    def _line(self, rule: str, stage: Stage, now: float) -> str:
        """``predict  12 of 48 jobs  9,600 images  812 images/s  35 s left  |  all: 53 of 144 jobs  4 min left``, in columns."""
        active = max(stage.active + (now - stage.since) * (stage.under_way > 0), 1e-3)
        left = duration(active * (stage.total - stage.done) / stage.done) + " left" if stage.done < stage.total else ""
        left = f"{stage.failed} failed" if stage.failed else left
        speed = stage.images / active
        pace = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        images = f"{stage.images:>9,} images {pace:>7} images/s" if stage.images else ""
        stages = self._tally.stages.values()
        names, largest = max(map(len, self._tally.stages)), max(other.total for other in stages)
        busy = sum(other.seconds for other in stages) + sum(now - job.started for job in self._running.values())
        rest = self._tally.left(busy / max(now - self._started, 1e-3))
        whole = jobs_done(sum(other.done for other in stages), total := sum(other.total for other in stages), total)
        parts = [f"{rule:<{names}}  {jobs_done(stage.done, stage.total, largest)}", f"{images:<33}", f"{left:>13}", "| all:", whole]
        return "  ".join([*parts, f"{duration(rest)} left"] if rest else parts)

    def _fail(self, record: Record) -> None:
        self._report(record.jobid, str(record.rule_name), [str(path) for path in record.log or []], getattr(record, "rule_msg", None))

    def _fail_group(self, record: Record) -> None:
        extra = [str(path) for path in record.aux_logs or []]
        for job in record.job_error_info:
            self._report(job["jobid"], str(job["rule_name"]), [*map(str, job["log"] or []), *extra])

    def _report(self, jobid: int, rule: str, logs: list[str], message: str | None = None) -> None:
        job = self._running.pop(jobid, None)
        if job is not None:
            self._tally.fail(job, jobid in self._failed, self._clock())
        own = job.logs if job else logs[:1]
        said, last = said_of_failure(message), ""
        if own and (job is None or state_of(own[0]) != job.before):  # else it is of an earlier job
            last = reason_in(own[0])
        attempt = self._attempts[jobid] = self._attempts.get(jobid, 0) + 1
        what = f"FAILED {job.words if job else rule}" + (f" (attempt {attempt})" if attempt > 1 else "")
        places = [f"see {own[0]}"] if own else []
        places += [f"Slurm log: {path}" for path in logs if path not in own]
        line = ": ".join(part for part in (what, last or (said.sentence if said else ""), ", ".join(places)) if part)
        self._failed[jobid] = line
        self.write(line)


def jobs_done(done: int, total: int, largest: int) -> str:
    """``12 of 48 jobs``, as wide as with the ``largest`` of all totals."""
    width = len(f"{largest:,}")
    return f"{done:>{width},} of {total:>{width},} jobs"


def reason_in(path: str | Path) -> str:
    """What the last line of a job's log says went wrong: the sentence, or the end of a trace. Empty where it says something else."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    last = next((line for line in reversed(lines) if line.strip()), "")
    sentence, timed = TIME.subn("", last)
    return sentence.strip()[:300] if not timed or ": expected " in last else ""
