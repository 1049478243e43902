"""The page at the door, as its browser is given it: what it may use, its files, its plain form."""

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.pages.conftest import Forms
from tests.support.door import code_of
from webapp.booking.commands import organizer
from webapp.door.passes import create_pass
from webapp.storage.engines import write_engine
from webapp.storage.tables import bookings
from webapp.web.security import content_security_policy
from webapp.web.third_party import HTMX, QR_READER, QR_READER_WASM

POLICY = "Content-Security-Policy"


@pytest.fixture
def event_id(make_event: Callable[..., int]) -> int:
    return make_event("Night", 10)


@pytest.fixture
def code(app: Flask, event_id: int, book: Callable[..., str]) -> str:
    """The code of a party of three."""
    book(event_id, "Ada <b>", 3)
    with app.app_context(), write_engine().connect() as connection:
        return str(connection.execute(select(bookings.c.ticket_code)).scalar_one())


@pytest.fixture
def device(app: Flask, event_id: int, owner_id: int) -> FlaskClient:
    with app.app_context():
        token = create_pass(event_id, actor=organizer(owner_id), name="Gate A", may_sell=True)
    client = app.test_client()
    assert client.get(f"/door/{token}").status_code == 303
    return client


@pytest.fixture
def send(device: FlaskClient) -> Callable[..., str]:
    """Fill in one of the page's forms and send it; the text of the verdict."""

    def send(page: str, number: int, **fields: str) -> str:
        forms = Forms()
        forms.feed(page)
        action, values = forms.found[number]
        answer = device.post(action, data={**values, **fields})
        assert answer.status_code == 200
        return answer.text

    return send


def verdict_of(page: str) -> str:
    found = re.search(r'<div id="verdict".*?</div>', page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]*>", " ", found.group()).split())


def test_only_the_door_may_run_the_reader(device: FlaskClient) -> None:
    policies = device.get("/door").headers.getlist(POLICY)
    assert len(policies) == 1
    allowed = dict(one.split(" ", 1) for one in policies[0].split("; "))
    assert allowed["script-src"] == f"'self' 'wasm-unsafe-eval' {QR_READER.url}"
    assert allowed["connect-src"] == f"'self' {QR_READER_WASM.url}"
    assert allowed["worker-src"] == "'self'"
    assert allowed["default-src"] == "'none'"
    assert device.get("/").headers[POLICY] == content_security_policy([HTMX.url])


def test_worker_keeps_the_files_of_one_version_for_good(device: FlaskClient) -> None:
    page = device.get("/door").text
    worker = device.get("/door/worker.js")
    assert worker.headers["Service-Worker-Allowed"] == "/door"
    assert worker.headers["Cache-Control"] == "no-cache"
    shell = json.loads(worker.text.partition("\n")[0].removeprefix("const SHELL = ")[:-1])
    loaded = re.findall(r'(?:href|src)="(/door/files/[^"]+)"', page)
    assert loaded
    assert set(loaded) <= set(shell["files"])
    assert shell["version"] in page
    for path in shell["files"]:
        kept = device.get(path)
        assert (kept.status_code, "immutable" in kept.headers["Cache-Control"]) == (200, True)
    # What a script takes in stands beside it, under the same version.
    for path in shell["files"]:
        for name in re.findall(r'from "\./([^"]+)"', device.get(path).text):
            assert f"{path.rpartition('/')[0]}/{name}" in shell["files"]
    old = shell["files"][0].replace(shell["version"], "0" * 16)
    assert device.get(old).status_code == 404


def test_plain_form_lets_in_a_party_one_after_the_other(
    send: Callable[..., str], device: FlaskClient, code: str
) -> None:
    first = send(device.get("/door").text, 0, code=f" {code[:4]}-{code[4:].lower()}")
    assert verdict_of(first) == "✓ Let in Ada &lt;b&gt; 1 of 3 in"
    rest = send(first, 0)
    assert "3 of 3 in" in verdict_of(rest)
    # Sent twice it is one scan.
    assert "3 of 3 in" in verdict_of(send(first, 0))
    again = send(first, 2, code=code)
    assert "Already in" in verdict_of(again)
    assert "Gate A" in verdict_of(again)
    assert verdict_of(send(rest, 0)).startswith("↺ Undone Ada")
    assert "Unknown" in verdict_of(send(first, 2, code="nonsense"))
    assert "Unknown" in verdict_of(
        send(first, 2, code="\ud800".encode("utf-8", "replace").decode())
    )


def test_words_of_the_page_are_in_its_language(device: FlaskClient) -> None:
    page = device.get("/door", headers={"Accept-Language": "de"}).text
    found = re.search(r'id="door-data">(.*?)</script>', page)
    assert found
    texts = json.loads(found.group(1))["texts"]
    assert texts["verdicts"]["again"][0] == "Schon drin"
    assert texts["cameraStart"] == "Kamera benutzen"
    # What is to be pressed, and what was done.
    assert texts["anyway"] == "Trotzdem einlassen"
    assert texts["verdicts"]["anyway"][0] == "Trotzdem eingelassen"


def test_ticket_of_another_event_is_told_with_its_name(
    send: Callable[..., str],
    app: Flask,
    device: FlaskClient,
    make_event: Callable[..., int],
    book: Callable[..., str],
) -> None:
    other = make_event("Matinee <b>", 10)
    book(other, "Bo")
    with app.app_context():
        code = code_of(other, 1)
    told = verdict_of(send(device.get("/door").text, 0, code=code))
    assert told == "✕ Other event This ticket is for another event: Matinee &lt;b&gt;."


def test_taking_back_more_than_are_in_is_not_told_as_letting_in(
    send: Callable[..., str], device: FlaskClient, code: str
) -> None:
    first = send(device.get("/door").text, 0, code=code)
    told = verdict_of(send(first, 1, count="2"))
    assert told.startswith("✕ Too many Ada")
    assert "nothing was changed" in told
    assert "let in" not in told
