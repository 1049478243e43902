"""What holds for the answer of every route, whoever asks: a walk over the map of routes."""

import gzip
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.pages.conftest import Person
from webapp.web.rate_limits import limiter
from webapp.web.security import VARIES_BY

MakeEvent = Callable[..., int]
Book = Callable[..., str]

NOON = datetime(2031, 5, 3, 12, tzinfo=UTC)
LIKE_GET = (
    *("Allow", "Cache-Control", "Content-Encoding", "Content-Type", "ETag", "HX-Location"),
    *("Location", "Retry-After", "Vary", "WWW-Authenticate"),
)
TAKES = {"Accept-Encoding": "gzip"}


@pytest.fixture
def event_id(make_event: MakeEvent) -> int:
    return make_event(tickets=2, location="Barn", starts_at=NOON)


@pytest.fixture
def reference(event_id: int, book: Book) -> str:
    return book(event_id, "Ada")


@pytest.fixture
def rules(app: Flask, event_id: int, reference: str) -> list[tuple[Rule, str]]:
    """Each rule with an address of it, of things that are there where that can be."""
    values = {
        **{"event_id": event_id, "reference": reference, "position": 1, "slug": "harvest-supper"},
        **{"filename": "nextup.css", "size": "small", "name": "none", "token": "x"},
        **{"delivery_id": 1, "token_id": 1, "pass_id": 1, "number": 1, "version": "x"},
    }
    found = []
    for rule in app.url_map.iter_rules():
        names = rule.arguments - (rule.defaults or {}).keys()
        path = re.sub(r"<(?:[^<>]+:)?(\w+)>", lambda name: str(values[name[1]]), rule.rule)
        assert "<" not in path, names
        found.append((rule, path))
    return found


@pytest.fixture(params=["anybody", "organizer"])
def visitor(request: pytest.FixtureRequest, app: Flask) -> Person:
    return request.getfixturevalue("owner") if request.param == "organizer" else Person(app)


def pages(rules: list[tuple[Rule, str]], method: str = "GET") -> Iterator[str]:
    for rule, path in rules:
        if method in (rule.methods or ()):
            limiter.reset()
            yield path


def test_head_is_get_without_its_body(rules: list[tuple[Rule, str]], visitor: Person) -> None:
    for path in (*pages(rules), "/nowhere", "/login/", "/events/1-wrong"):
        read = visitor.client.get(path, headers=TAKES, buffered=True)
        asked = visitor.client.head(path, headers=TAKES, buffered=True)
        assert asked.status_code == read.status_code, path
        assert asked.data == b""
        assert [(name, asked.headers.get(name)) for name in LIKE_GET] == [
            (name, read.headers.get(name)) for name in LIKE_GET
        ], path


def test_every_answer_says_how_long_it_is_kept_and_what_it_depends_on(
    rules: list[tuple[Rule, str]], visitor: Person
) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        for path in (*pages(rules, method), "/nowhere", "/api/nowhere", "/login/", "/login"):
            for headers in ({}, {"HX-Request-Type": "partial"}):
                answer = visitor.client.open(path, method=method, headers=headers, buffered=True)
                assert "Cache-Control" in answer.headers, (method, path)
                if (answer.content_type or "").startswith("text/html"):
                    assert all(name in answer.vary for name in VARIES_BY), (method, path)
                tag = answer.headers.get("ETag")
                if tag is not None:
                    known = {**headers, "If-None-Match": tag}
                    same = visitor.client.get(path, headers=known, buffered=True)
                    assert same.status_code == 304, path
                    for name in ("Cache-Control", "ETag", "Vary"):
                        assert same.headers.get(name) == answer.headers.get(name), path


def test_slash_at_the_end_leads_to_the_page_without_it(
    rules: list[tuple[Rule, str]], visitor: Person
) -> None:
    for path in pages(rules):
        if path == "/" or path.startswith("/static/"):
            continue
        for method in ("GET", "HEAD"):
            answer = visitor.client.open(f"{path}/?search=a%20b", method=method)
            assert (answer.status_code, answer.location) == (308, f"{path}?search=a%20b"), path
    for path in pages(rules, "POST"):
        assert visitor.client.post(f"{path}/").status_code in (400, 404, 405), path
    for path in ("/nowhere/", "//evil.example/", "//login/", "/events/x/", "/api/events/book/"):
        answer = visitor.client.get("/", environ_overrides={"PATH_INFO": path})
        location = answer.location or "/"
        assert answer.status_code in (308, 404), path
        assert location.startswith("/")
        assert not location.startswith("//")


def test_nobody_is_asked_for_a_login_without_being_told_how(
    rules: list[tuple[Rule, str]], visitor: Person
) -> None:
    found = 0
    for method in ("GET", "HEAD", "POST", "PATCH"):
        for path in pages(rules, method):
            answer = visitor.client.open(path, method=method, buffered=True)
            if answer.status_code == 401:
                kind = "Basic " if path.startswith("/api/") else "Cookie "
                assert answer.headers["WWW-Authenticate"].startswith(kind), path
                found += 1
    assert found


def test_compressed_body_is_refused(rules: list[tuple[Rule, str]], visitor: Person) -> None:
    body = gzip.compress(b'{"userId": 1, "eventId": 1}')
    for method in ("POST", "PATCH"):
        for path in pages(rules, method):
            answer = visitor.client.open(
                path,
                method=method,
                data=body,
                headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
            )
            assert answer.status_code == 415, path
            assert answer.headers["Accept-Encoding"] == "identity", path


def test_only_what_holds_no_secret_is_compressed(
    rules: list[tuple[Rule, str]], visitor: Person, reference: str
) -> None:
    packed = []
    for path in (*pages(rules), "/?search=supper", "/static/connection.js"):
        for headers in (TAKES, {**TAKES, "HX-Request-Type": "partial"}):
            answer = visitor.client.get(path, headers=headers, buffered=True)
            if answer.headers.get("Content-Encoding") == "gzip":
                text = gzip.decompress(answer.data).decode()
                assert "csrf_token" not in text, path
                assert reference not in text, path
                assert answer.vary, path
                packed.append(path)
    assert {"/static/nextup.css", "/static/connection.js", "/api/openapi.json"} <= {*packed}
    # Who is logged in has a form on every page: to log out.
    signed_in = "csrf_token" in visitor.get("/").text
    assert (packed.count("/"), packed.count("/api/docs")) == ((1, 0) if signed_in else (2, 2))


def test_times_are_told_as_html_has_them(rules: list[tuple[Rule, str]], visitor: Person) -> None:
    found = 0
    for path in pages(rules):
        page = visitor.get(path).data.decode(errors="replace")
        for told in re.findall(r'datetime="([^"]*)"', page):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", told), path
            datetime.fromisoformat(told)
            found += 1
    assert found > (10 if visitor.get("/organizer").status_code == 200 else 3)
