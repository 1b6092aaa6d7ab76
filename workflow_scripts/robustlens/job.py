"""How a script runs as a Snakemake job: its log file, its threads, and the call of ``main`` with named files and values."""

import json
import logging
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from robustlens.errors import InputError

log = logging.getLogger("robustlens")


def run_job(main: Callable, snakemake) -> None:
    """Call ``main(**inputs, **outputs, **params)`` of a rule, with its messages and any failure in the rule's log.

    Named inputs and outputs become strings (lists of strings where a rule gives several), those without a name are only waited
    for; no name may stand twice. The parameter ``code`` only tells Snakemake when to run again and is dropped. Resources
    ``device`` and ``batch_size`` are passed on where ``main`` takes them.
    """
    start_log(Path(snakemake.log[0]) if snakemake.log else None, f"{snakemake.rule} {dict(snakemake.wildcards.items())}")
    limit_torch_threads(snakemake.threads)
    named = dict(**_named(snakemake.input), **_named(snakemake.output), **dict(snakemake.params.items()))
    named.pop("code", None)
    wanted = main.__code__.co_varnames[: main.__code__.co_argcount + main.__code__.co_kwonlyargcount]
    machine = {key: snakemake.resources[key] for key in ("device", "batch_size") if key in wanted}
    log.info("threads %s, parameters %s", snakemake.threads, json.dumps(named, default=str)[:2000])
    started = time.monotonic()
    try:
        main(**named, **machine)
    except InputError as error:
        log.error("%s", error)
        sys.exit(f"Error in {snakemake.rule}: {error}")
    except Exception:
        log.error("%s", traceback.format_exc())
        raise
    log.info("done in %.1f s", time.monotonic() - started)


def start_log(path: Path | None, title: str) -> None:
    """Send the messages of ``robustlens`` to ``path`` (or standard error), beginning with what runs where."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w") if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for former in log.handlers:
        former.close()
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    log.info("%s on %s, Python %s", title, platform.node(), platform.python_version())


def limit_torch_threads(threads: int) -> None:
    """Keep torch, where the script has imported it, on the threads that the scheduler gave."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _named(files) -> dict[str, str | list[str]]:
    return {name: value if isinstance(value, str) else [str(item) for item in value] for name, value in files.items()}
