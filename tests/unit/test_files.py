"""What is written appears under its name when it is complete, and no code of the workflow writes in another way."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robustlens import files
from robustlens.files import EARLY, early_to_disk, replacing, write_json, write_text

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
WRITERS = {"write_text", "write_bytes", "to_csv", "to_parquet", "to_json", "savefig", "save", "save_file", "dump", "write_table"}
OPENERS = {"open": "r", "File": "r", "ZipFile": "r", "fdopen": "r", "ParquetWriter": "w"}  # and the mode that they take by themselves
KEPT = {"replacing", "TemporaryDirectory", "BytesIO"}  # what gives something that may be written to
FREE = {  # functions that write in another way, and why
    ("robustlens/downloads.py", "_receive"): "what has come of a download is kept for the next attempt",
    ("robustlens/job.py", "add_to_log"): "a log, which grows",
    ("robustlens/plan/jobs.py", "__init__"): "the list of a dry run, in a temporary folder",
    ("robustlens/models/parallel.py", "_work"): "the error of a process, in a temporary folder",
    ("robustlens/models/parallel.py", "_advance"): "a method of this name, which calls write_state",
}


# -------------------------------------------------------------------------------------------------------------------- helper
def test_the_name_appears_with_the_whole_content(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["table.csv"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path, kind):
    path = tmp_path / "made"
    write(path, kind, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        put(temporary, kind, "half")
        raise KeyboardInterrupt
    assert content(path, kind) == "old" and os.listdir(tmp_path) == ["made"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_new_content_takes_the_place_of_all_that_was_there(tmp_path, kind):
    write(tmp_path / "made", kind, "old")
    if kind == "folder":
        (tmp_path / "made" / "more").write_text("old")
    write(tmp_path / "made", kind, "new")
    assert content(tmp_path / "made", kind) == "new" and os.listdir(tmp_path) == ["made"]
    assert kind == "file" or os.listdir(tmp_path / "made") == ["part"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_content_is_on_the_disk_before_it_has_its_name(tmp_path, kind, monkeypatch):
    forced = []
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: forced.append((os.readlink(f"/proc/self/fd/{descriptor}"), path.exists())))
    path = tmp_path / "made"
    write(path, kind, "content")
    assert len(forced) == 1 and not forced[0][1] and ".made." in forced[0][0]


PRIVATE = """
import os, sys
from pathlib import Path
from robustlens.files import replacing
with replacing("file") as temporary:
    os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
with replacing("folder") as temporary:
    temporary.mkdir(0o700)
    os.close(os.open(temporary / "part", os.O_CREAT | os.O_WRONLY, 0o600))
print(*(oct(Path(name).stat().st_mode & 0o777) for name in ("file", "folder", "folder/part")))
"""


@pytest.mark.parametrize(("umask", "modes"), [(0o022, "0o644 0o755 0o644"), (0o027, "0o640 0o750 0o640"), (0o077, "0o600 0o700 0o600")])
def test_what_a_library_writes_for_its_owner_alone_has_the_mode_of_the_umask(tmp_path, umask, modes):
    command = [sys.executable, "-c", PRIVATE]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(command, cwd=tmp_path, umask=umask, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == modes


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "made", "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "made", "new")
    assert (tmp_path / "made").read_text() == "old" and os.listdir(tmp_path) == ["made"]


def test_a_large_file_is_on_the_disk_before_it_is_complete(tmp_path, monkeypatch):
    """All but what was written last, which whoever closes it forces."""
    forced = []
    monkeypatch.setattr(files.os, "fdatasync", forced.append)
    with open(tmp_path / "large", "wb") as file:
        with early_to_disk(file.fileno()) as written:
            written(EARLY - 1)
            assert forced == []
            written(1)
        assert forced == [file.fileno()]


@pytest.mark.parametrize("n_writes", [1, 2])
def test_an_error_of_the_disk_is_told_by_the_next_write_or_at_the_end(tmp_path, monkeypatch, n_writes):
    def refuse(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fdatasync", refuse)
    with (
        open(tmp_path / "large", "wb") as file,
        pytest.raises(OSError, match="Input/output error"),
        early_to_disk(file.fileno()) as written,
    ):
        for _ in range(n_writes):
            written(EARLY)


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o007, 0o660)])
def test_who_may_read_is_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "made", {"a": 1})
        write(tmp_path / "folder", "folder", "content")
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == mode == (tmp_path / "folder" / "part").stat().st_mode & 0o777
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_what_a_killed_process_left_goes_with_the_next_attempt(tmp_path):
    with start(tmp_path / "made", "half", pause=60) as process:
        process.send_signal(signal.SIGKILL)
    (tmp_path / ".made.too").write_text("a file of the user's")
    assert len(os.listdir(tmp_path)) == 2 and not (tmp_path / "made").exists()
    write_text(tmp_path / "made", "whole")
    assert sorted(os.listdir(tmp_path)) == [".made.too", "made"]


def test_of_two_processes_the_later_one_wins_and_the_other_says_so(tmp_path):
    with start(tmp_path / "made", "first", pause=1) as first:
        write_text(tmp_path / "made", "second")
        assert "expected one process that writes it" in first.stderr.read()
    assert first.returncode == 1
    assert (tmp_path / "made").read_text() == "second" and os.listdir(tmp_path) == ["made"]


def write(path: Path, kind: str, text: str) -> None:
    with replacing(path) as temporary:
        put(temporary, kind, text)


def put(path: Path, kind: str, text: str) -> None:
    if kind == "folder":
        path.mkdir()
        path /= "part"
    path.write_text(text)


def content(path: Path, kind: str) -> str:
    return (path / "part" if kind == "folder" else path).read_text()


def start(path: Path, text: str, pause: float) -> subprocess.Popen:
    """A process that has written and not yet renamed."""
    code = f"""
import time
from robustlens.files import replacing
with replacing({str(path)!r}) as temporary:
    temporary.write_text({text!r})
    print(flush=True)
    time.sleep({pause})
"""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


# ---------------------------------------------------------------------------------------------------------- code of the workflow
def writes(call: ast.Call, kept: set[str]) -> bool:
    """Whether a call writes to a file under its final name; ``kept``: names of variables that are no such file."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    given = [*call.args, *(word.value for word in call.keywords)]
    if name in OPENERS:
        texts = [part.value for value in given for part in ast.walk(value) if isinstance(part, ast.Constant)]
        modes = [text for text in texts if isinstance(text, str) and text and set(text) <= set("rwaxbt+")] or [OPENERS[name]]
        if not set("".join(modes)) & set("wax+"):
            return False
    elif name not in WRITERS or (isinstance(function, ast.Name) and name == "write_text"):  # the helper's own
        return False
    touched = [*given, *([function.value] if isinstance(function, ast.Attribute) else [])]
    return not any(isinstance(node, ast.Name) and node.id in kept for value in touched for node in ast.walk(value))


def kept_names(function: ast.AST) -> set[str]:
    """Variables of a function that hold a name which ``replacing`` gave, a temporary folder, a buffer, or what is made of one of these."""
    names: set[str] = set()
    for node in ast.walk(function):  # outer contexts before inner ones
        match node:
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=given)) | ast.Assign(targets=[ast.Name(id=given)], value=value):
                words = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(value)}
                names |= {given} if words & (KEPT | names) else set()
    return names


def found(source: str) -> Iterator[tuple[str, int]]:
    """Function and line of each call that writes in another way."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node): function for function in functions for node in ast.walk(function)}  # the innermost comes last
    kept = {id(function): kept_names(function) for function in functions}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = inside.get(id(node))
            if writes(node, kept.get(id(function), set())):
                yield getattr(function, "name", ""), node.lineno


def test_whatever_is_written_gets_its_name_when_it_is_complete():
    astray, free = [], set()
    for path in sorted(SCRIPTS.rglob("*.py")):
        name = path.relative_to(SCRIPTS).as_posix()
        for function, line in found(path.read_text()):
            free.add((name, function))
            astray += [] if (name, function) in FREE else [f"{name}:{line} {function}"]
    assert not astray, f"write by robustlens.files.replacing: {astray}"
    assert free == set(FREE), "an exception that nothing needs"


@pytest.mark.parametrize(
    "line",
    [
        "table.to_csv(path)",
        "Path(folder, 'a').write_text('x')",
        "open(path, 'w')",
        "path.open(mode='ab')",
        "h5py.File(path, 'w')",
        "pq.ParquetWriter(path, schema)",
        "torch.save(weights, path)",
        "json.dump(value, file)",
        "figure.savefig(stem.with_suffix('.svg'))",
        "save_file(weights, path)",
    ],
)
def test_a_new_way_to_write_is_noticed(line):
    assert list(found(f"def f(path):\n    {line}"))
    if "file)" not in line:
        held = line.replace("stem.with_suffix('.svg')", "path").replace("folder, 'a'", "path").replace("path", "kept")
        assert not list(found(f"def f(path):\n    with replacing(path) as kept:\n        {held}"))


def test_reading_is_no_writing():
    assert not list(found("open(path)\nopen(path, 'rb')\nh5py.File(path, 'r')\npath.read_text()\nwrite_text(path, text)"))
