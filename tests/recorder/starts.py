"""Which slow modules importing a script brings: ``python starts.py '[[preloaded ...], [script ...]]' ...``.

PYTHONPATH is this folder and that of the scripts.

Each is imported in a process of its own, forked from one that has imported ``preloaded`` already, so that torch is imported once; a
statement that imports one of these counts all the same. Prints script -> slow module -> the modules through which it came.
"""

import builtins
import importlib
import json
import os
import sys

import sitecustomize as recorder


def imports_of(script: str, beforehand: dict[str, list[str]]) -> dict[str, list[str]]:
    """The chains of a script; to be called in a process of its own."""
    imported = builtins.__import__

    def seen(name, globals=None, locals=None, fromlist=(), level=0):
        result = imported(name, globals, locals, fromlist, level)
        if not level:
            parts = name.split(".")
            for known in [".".join(parts[:n]) for n in range(1, len(parts) + 1)] + [f"{name}.{part}" for part in fromlist or ()]:
                recorder.note(known)
        return result

    recorder.chains.clear()
    builtins.__import__ = seen
    importlib.import_module(script)
    found = recorder.found()
    for name, chain in beforehand.items():  # what one of them brought, as pandas does pyarrow
        if first := next((known for known in chain[:-1] if known in found), None):
            found.setdefault(name, found[first] + chain[chain.index(first) + 1 :])
    return found


def main(groups: list) -> dict[str, dict[str, list[str]]]:
    made = {}
    for preloaded, scripts in groups:
        for name in preloaded:
            importlib.import_module(name)
        beforehand = recorder.found()
        for script in scripts:
            read, write = os.pipe()
            if not os.fork():
                try:
                    with open(write, "w") as file:
                        json.dump(imports_of(script, beforehand), file)
                finally:
                    os._exit(0)
            os.close(write)
            with open(read) as file:
                made[script] = json.load(file)
            os.wait()
    return made


if __name__ == "__main__":
    print(json.dumps(main([json.loads(group) for group in sys.argv[1:]])))
