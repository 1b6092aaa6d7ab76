"""The jobs of a dry run, as Snakemake announces them to a log handler, kept in a file of one JSON object a line."""

import json
import logging
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

VARIABLE = "ROBUSTLENS_JOBS"  # of the environment: the file into which a dry run lists its jobs


@dataclass(frozen=True)
class Job:
    """One job: ``resources`` are numbers and words, ``threads`` what it is given, ``benchmark`` and ``log`` files or None."""

    rule: str
    wildcards: dict[str, str]
    resources: dict[str, int | str]
    threads: int
    output: list[str]
    benchmark: str | None
    log: str | None

    @property
    def identity(self) -> tuple:
        """What tells the job from every other one of the study."""
        return self.rule, *sorted(self.wildcards.items())


def event_of(record: logging.LogRecord) -> str:
    """The name of Snakemake's event in a log record, such as ``job_info``; empty for a plain message."""
    event = getattr(record, "event", None)
    return str(getattr(event, "value", event) or "")


def plain(named) -> dict:
    """A dictionary of Snakemake's wildcards or resources: whole numbers stay, all else becomes text."""
    return {str(key): value if type(value) is int else str(value) for key, value in dict(named.items() if named else ()).items()}


def job_of(record: Any) -> Job:
    """The job that a ``job_info`` record announces; its attributes are Snakemake's."""
    benchmark, logs = record.benchmark, list(record.log or [])
    return Job(
        rule=record.rule_name,
        wildcards={key: str(value) for key, value in plain(record.wildcards).items()},
        resources=plain(record.resources),
        threads=int(record.threads),
        output=[str(path) for path in record.output],
        benchmark=str(benchmark) if benchmark else None,
        log=str(logs[0]) if logs else None,
    )


class JobList(logging.Handler):
    """Appends every job that a dry run announces to a file."""

    def __init__(self, path: str | Path):
        super().__init__()
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115

    def emit(self, record: logging.LogRecord) -> None:
        if event_of(record) == "job_info":
            self._file.write(json.dumps(asdict(job_of(record))) + "\n")

    def close(self) -> None:
        self._file.close()
        super().close()


def read_jobs(path: str | Path) -> list[Job]:
    """The jobs that a :class:`JobList` wrote, in order."""
    names = {field.name for field in fields(Job)}
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Job(**{key: value for key, value in row.items() if key in names}) for row in rows]
