"""Licences of what the lock pins, and the question for known vulnerabilities, asked of a database made up here."""

import csv
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ENVS = Path(__file__).parents[2] / "envs"
sys.path.append(str(ENVS))

import audit  # noqa: E402
import licences  # noqa: E402

PINNED = licences.pinned((ENVS / "lock.txt").read_text(encoding="utf-8"))


def test_every_package_of_the_lock_has_an_allowed_licence():
    with (ENVS / "licences.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["package"]: row["version"] for row in rows} == PINNED and len(rows) == len(PINNED) > 50
    assert [row["package"] for row in rows if not licences.parts(row["licence"]) <= licences.ALLOWED] == []


@pytest.fixture
def database():
    """The address of a database that knows one vulnerability of ``bad`` 1.0, and what it was asked."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.append(queries)
            known = [{"vulns": [{"id": "GHSA-1"}]} if (q["package"]["name"], q["version"]) == ("bad", "1.0") else {} for q in queries]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"results": known}).encode())

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def test_known_vulnerabilities_are_found_at_their_version(database, monkeypatch):
    address, asked = database
    monkeypatch.setattr(audit, "TOGETHER", 2)
    assert audit.audit({"good": "1.0", "bad": "1.0", "other": "3"}, address) == [("bad", "GHSA-1")]
    assert audit.audit({"bad": "2.0"}, address) == []
    assert [len(queries) for queries in asked] == [2, 1, 1] and asked[0][0]["package"] == {"ecosystem": "PyPI", "name": "good"}


@pytest.mark.parametrize(("found", "status"), [([], 0), ([("torch", "GHSA-2")], 1)])
def test_what_is_found_fails_and_is_named(monkeypatch, capsys, found, status):
    monkeypatch.setattr(audit, "audit", lambda packages: found)
    assert audit.main() == status
    said = capsys.readouterr().out
    assert f"{len(found)} known in the {len(PINNED)} packages" in said and ("GHSA-2" in said) == bool(found)


def test_a_database_that_cannot_be_reached_is_said(monkeypatch, capsys):
    def fail(packages):
        return real(packages, "http://127.0.0.1:9/")

    real = audit.audit
    monkeypatch.setattr(audit, "audit", fail)
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("Vulnerabilities: not checked, the OSV database cannot be reached (")


@pytest.mark.parametrize("answer", ["<html>a proxy's page</html>", '{"message": "not today"}'])
def test_an_answer_of_something_in_between_is_said(monkeypatch, capsys, answer):
    monkeypatch.setattr(audit.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(answer.encode()))
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("Vulnerabilities: not checked, the OSV database cannot be reached (")
