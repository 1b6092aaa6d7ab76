"""Log handlers of Snakemake's main process that look after jobs in Slurm: refusals are not repeated, and what never starts is said."""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from robustlens.cluster.limits import ask_slurm
from robustlens.cluster.messages import advice_for_waiting, said_of_failure
from robustlens.job import add_to_log, state_of
from robustlens.plan.jobs import event_of

RUN_ID = re.compile(r"^SLURM run ID: (\S+)$")  # as the executor says when it starts
EVERY = 60.0  # seconds between two looks at what is pending
FIRST = 15.0  # seconds before the first
AGAIN = 600.0  # seconds before the same sentence is said again
COMMENT = re.compile(r"^rule_(.+?)(?:_wildcards_.*)?$")  # of a job, as the executor gives it


class Refusals(logging.Handler):
    """Writes what Slurm says of a job that failed into the job's own log, and lets none be sent again that Slurm refused.

    ``workflow``: Snakemake's. Its jobs count their attempts; one that is at its last is not repeated.
    """

    def __init__(self, workflow):
        super().__init__()
        self._workflow = workflow
        self._before: dict[int, tuple[int, ...] | None] = {}

    def emit(self, record: Any) -> None:
        event, logs = event_of(record), list(getattr(record, "log", None) or [])
        if event == "job_info" and logs:
            self._before[record.jobid] = state_of(logs[0])
        if event == "job_error" and (said := said_of_failure(getattr(record, "rule_msg", None))):
            if logs:
                began = said.began and state_of(logs[0]) != self._before.get(record.jobid)
                add_to_log(logs[0], said.sentence, anew=not began)
            if said.refused:
                self._let_be(record.jobid)

    def _let_be(self, jobid: int) -> None:
        dag = self._workflow.dag
        for job in [job for job in dag.jobs if dag.jobid(job) == jobid]:
            job._attempt = job.restart_times + 1  # its setter would ask for the resources of that attempt


class Waiting(logging.Handler):
    """Says every minute at most why jobs of this run wait in the queue for what will not come by itself, and what to change.

    ``write``: takes a line. ``ask``: gives what a command of Slurm's prints; ``clock``: seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        ask: Callable[[Sequence[str]], str | None] = ask_slurm,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self._write, self._ask, self._clock = write, ask, clock
        self._said: dict[tuple[str, str], float] = {}
        self._ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, str) and (found := RUN_ID.match(record.msg)):
            threading.Thread(target=self._look_on, args=(found[1],), daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        super().close()

    def _look_on(self, run: str) -> None:
        pause = FIRST
        while not self._ended.wait(pause):
            self.look(run)
            pause = EVERY

    def look(self, run: str) -> None:
        """Ask once for the jobs of a run that are pending."""
        said = self._ask(("squeue", "--noheader", "--states=PENDING", f"--name={run}", "--format=%i|%r|%k")) or ""
        jobs: dict[tuple[str, str], list[str]] = {}
        for number, reason, comment in (line.split("|", 2) for line in said.splitlines() if line.count("|") >= 2):
            found = COMMENT.match(comment)
            jobs.setdefault((found[1] if found else comment, reason), []).append(number)
        for (rule, reason), numbers in jobs.items():
            advice, now = advice_for_waiting(reason), self._clock()
            if advice and now - self._said.get((rule, reason), -AGAIN) >= AGAIN:
                self._said[rule, reason] = now
                whose = f"{len(numbers)} job{'s' * (len(numbers) > 1)}, such as {numbers[0]}"
                self._write(f"WAITING {rule} ({whose}): {reason}: {advice.replace('<job>', numbers[0])}")
