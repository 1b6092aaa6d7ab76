"""Asks the OSV database for known vulnerabilities of the packages that envs/lock.txt pins (`make audit`).

Ends with 1 where it knows of any, and names them. Where it cannot be reached, says so and ends with 0: nothing was checked then.
"""

import json
import sys
import urllib.request
from pathlib import Path

from licences import pinned

OSV = "https://api.osv.dev/v1/querybatch"
TOGETHER = 1000  # packages that the database takes in a request


def audit(packages: dict[str, str], address: str = OSV) -> list[tuple[str, str]]:
    """(package, id of the vulnerability) of ``packages``, name -> version. Raises OSError where the database cannot be reached."""
    asked, found = list(packages.items()), []
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in some]
        request = urllib.request.Request(address, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            results = json.load(answer)["results"]
        found += [(name, known["id"]) for (name, _), result in zip(some, results, strict=True) for known in result.get("vulns", [])]
    return found


def main() -> int:
    packages = pinned(Path(__file__).with_name("lock.txt").read_text(encoding="utf-8"))
    try:
        found = audit(packages)
    except (OSError, ValueError, KeyError) as error:  # no network, or an answer of something else in between
        print(f"Vulnerabilities: not checked, the OSV database cannot be reached ({error}).")
        return 0
    for name, known in found:
        print(f"{name} {packages[name]}: {known}, see https://osv.dev/{known}")
    print(f"Vulnerabilities: {len(found)} known in the {len(packages)} packages of envs/lock.txt.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
