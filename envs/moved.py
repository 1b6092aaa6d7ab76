"""After the clone was moved: writes where .venv is now into its activate scripts and commands, which name the place where it was made.

``make run`` calls it; then ``source .venv/bin/activate`` works there too. Where .venv is a link nothing is done: it is another clone's.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLAIN = re.compile(r"[\w/.,+@%=:-]+")  # a path that needs no quotes, in a script's first line neither


def repair(venv: Path) -> list[str]:
    """The names of the files of ``venv``, an absolute path, that were written anew."""
    made = re.search(r"^command = .* -m venv (?:--[\w-]+ )*(.+)$", (venv / "pyvenv.cfg").read_text(encoding="utf-8"), re.M)
    if venv.is_symlink() or not made or made[1] == str(venv) or not PLAIN.fullmatch(made[1]) or not PLAIN.fullmatch(str(venv)):
        return []
    old = re.compile(re.escape(made[1].encode()) + rb"(?![\w.-])")
    repaired = []
    for path in [*sorted((venv / "bin").iterdir()), venv / "pyvenv.cfg"]:  # which comes last: until then it is done again
        content = b"" if path.is_symlink() or not path.is_file() else path.read_bytes()
        if b"\0" not in content and old.search(content):
            path.write_bytes(old.sub(lambda _: str(venv).encode(), content))
            repaired.append(path.name)
    return repaired


if __name__ == "__main__":
    if repair(ROOT / ".venv"):
        print("The clone was moved: .venv/bin names its new place.")
