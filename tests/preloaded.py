"""Python processes without the wait for imports: a server that has imported the slow packages forks one for each command.

A start of Snakemake is mostly imports, and so is a job that runs a network; tests that plan and run studies would pay for them again and
again. What is forked has a state of its own, and does what a fresh interpreter with these words, folder and environment does. Nothing of
this repository is imported beforehand, so that each process has the library and the scripts of its own clone.
"""

import atexit
import json
import os
import socket
import sys

PACKAGES = {  # what is imported beforehand, by what is to be run
    "snakemake": "snakemake.cli snakemake.report snakemake.executors.dryrun snakemake.executors.local pandas jsonschema yaml smart_open",
    "job": "snakemake.script torch torchvision numba h5py pandas pyarrow.parquet scipy.ndimage scipy.stats skimage.feature cv2 PIL.Image "
    "safetensors.torch matplotlib.figure jinja2 jsonschema yaml",
}
FOLDER = "ROBUSTLENS_PRELOADED"  # in the environment of what is forked: where the sockets of the servers lie


# -------------------------------------------------------------------------------------------------------------------------- asking
def run(words: list[str], files: list[int], environment: dict[str, str], cwd: str, *, jobs: bool = False) -> int:
    """The exit status of ``python <words>`` with these files as its standard ones.

    ``words``: ``-m snakemake ...`` or ``SCRIPT ...``. ``jobs``: the scripts that it has ``sys.executable`` run are forked, too.
    """
    folder = environment.get(FOLDER) or _servers()
    task = {"words": words, "environment": {**environment, FOLDER: folder}, "cwd": cwd, "jobs": jobs}
    message = json.dumps(task).encode() + b"\0"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{folder}/{'snakemake' if words[:2] == ['-m', 'snakemake'] else 'job'}")
        sent = socket.send_fds(connection, [message], files)
        connection.sendall(message[sent:])
        if not (answer := connection.recv(16)):
            raise RuntimeError(f"the server of preloaded processes ended: {words}")
    return int(answer)


def interpreter() -> str:
    """A program that stands for the interpreter of this process, as do all that it has run."""
    return f"{_servers()}/python"


_started: list[str] = []


def _servers() -> str:
    """The folder of the servers of this process, which end with it; started at the first call."""
    if not _started:
        import shutil
        import subprocess
        import tempfile

        folder = tempfile.mkdtemp(prefix="preloaded-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        launcher = f"#!/bin/sh\n{FOLDER}='{folder}' exec '{sys.executable}' -IS '{os.path.abspath(__file__)}' \"$@\"\n"
        with open(os.open(f"{folder}/python", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
            file.write(launcher)
        for kind in PACKAGES:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{folder}/{kind}")
            listener.listen(64)
            command = [sys.executable, os.path.abspath(__file__), "--serve", kind, str(listener.fileno())]
            server = subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            listener.close()
            atexit.register(server.wait)
            atexit.register(server.stdin.close)  # first: it makes the server end
        _started.append(folder)
    return _started[0]


# ------------------------------------------------------------------------------------------------------------------------- serving
def serve(kind: str, listener: socket.socket) -> dict:
    """Fork a process for each task until standard input ends; returns in the forked processes alone, with the task."""
    import select
    import signal
    from contextlib import suppress

    running: dict[int, socket.socket] = {}
    ended, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    loaded = False
    while True:
        ready = select.select([0, ended, listener, *running.values()], [], [])[0]
        for process in [process for process, connection in running.items() if 0 in ready or connection in ready]:
            os.kill(process, signal.SIGKILL)  # whoever asked for it is gone
        if 0 in ready:
            os._exit(0)
        if ended in ready:
            os.read(ended, 4096)
            for process in list(running):
                if (found := os.waitpid(process, os.WNOHANG))[0]:
                    with running.pop(process) as connection, suppress(OSError):  # whoever asked for it may be gone
                        connection.send(str(os.waitstatus_to_exitcode(found[1])).encode())
        if listener not in ready:
            continue
        if not loaded:  # at the first task, so that a server costs nothing where there is none
            load(kind)
            loaded = True
        connection = listener.accept()[0]
        message, files = receive(connection)
        if not message.endswith(b"\0"):  # whoever asked was killed before it had said all
            connection.close()
            for file in files:
                os.close(file)
            continue
        if process := os.fork():
            running[process] = connection
            for file in files:
                os.close(file)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for target, file in enumerate(files):
            os.dup2(file, target)
        for file in (ended, ends, *files):
            os.close(file)
        for other in (listener, connection, *running.values()):
            other.close()
        return json.loads(message[:-1])


def load(kind: str) -> None:
    """Import what the tasks of this kind need."""
    import gc
    import importlib

    for name in PACKAGES[kind].split():
        importlib.import_module(name)
    if kind == "snakemake":
        sys.modules["snakemake.cli"].get_argument_parser()  # imports plugins
    gc.collect()
    gc.freeze()


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The task that is sent, which ends with a zero byte if all of it came, and the files that come with it."""
    message, files, *_ = socket.recv_fds(connection, 1 << 16, 3)
    part = message
    while part and not message.endswith(b"\0"):
        part = connection.recv(1 << 16)
        message += part
    return message, list(files)


def become(task: dict) -> None:
    """Be the interpreter that was asked for, but at its end do not take apart, object by object, what was imported."""
    import runpy
    import threading

    os.environ.clear()
    os.environ |= task["environment"]
    os.chdir(task["cwd"])
    words, status = task["words"], 0
    if task["jobs"]:
        sys.executable = f"{os.environ[FOLDER]}/python"
    try:
        if words[0] == "-m":
            sys.path[0], sys.argv = task["cwd"], words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0], sys.argv = os.path.dirname(os.path.abspath(words[0])), words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if status and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        become(serve(sys.argv[2], socket.socket(fileno=int(sys.argv[3]))))
    else:
        status = run(sys.argv[1:], [0, 1, 2], dict(os.environ), os.getcwd(), jobs=True)
        os._exit(status if status >= 0 else 128 - status)
