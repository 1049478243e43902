"""docs/security.md has a row for every address that a stranger can ask for."""

import re

from flask import Flask
from werkzeug.routing import Rule

from tests.support.servers import ROOT

ROW = re.compile(r"^\| `([A-Z]+) ([^`]+)`")
# A stranger gets no further than the login page, or a 401: one row tells of all of them.
OF_ORGANIZERS = ("GET", "/organizer/*")


def rows() -> set[tuple[str, str]]:
    lines = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    return {(found[1], found[2]) for line in lines if (found := ROW.match(line))}


def path_of(rule: Rule) -> str:
    """The rule as the table has it: without converters, and without what only makes it readable."""
    return re.sub(r"<(?:[^<>]+:)?(\w+)>", r"<\1>", rule.rule).removesuffix("-<slug>")


def test_every_route_that_a_stranger_reaches_has_a_row_and_no_row_is_of_a_route_that_is_gone(
    own_app: Flask,
) -> None:
    client = own_app.test_client()
    found = set()
    for rule in own_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<[^<>]+>", "1", rule.rule)
            if rule.endpoint.startswith(("organizer.", "api.")):
                answer = client.open(
                    path, method=method, json={} if "api." in rule.endpoint else None
                )
                if answer.status_code == 401 or "/login" in (answer.location or ""):
                    found.add(OF_ORGANIZERS)
                    continue
            found.add((method, path_of(rule)))
    assert found == rows()
