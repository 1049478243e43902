"""The calls of the door's page, as a device with a pass makes them."""

import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.support.door import code_of, new_pass
from tests.support.tools import booking_at, rows, statuses
from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.door.passes import passes_of, revoke_pass
from webapp.pages.door.session import csrf_token_of
from webapp.storage.transaction import write
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
Book = Callable[..., str]


class Device:
    """A phone at the door."""

    def __init__(self, app: Flask, token: str) -> None:
        self.client = app.test_client()
        self.client.get(f"/door/{token}")
        self.headers: dict[str, str] = {}

    def with_form_token(self, app: Flask, token: str) -> "Device":
        with app.test_request_context():
            self.headers["X-CSRF-Token"] = csrf_token_of(token)
        return self

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(f"/door{path}", headers={**self.headers, **headers})

    def post(self, path: str, body: object) -> TestResponse:
        return self.client.post(f"/door{path}", json=body, headers=self.headers)

    def scan(self, **entry: Any) -> Any:
        answer = self.post("/scans", {"scans": [{"id": str(uuid.uuid4()), **entry}]})
        assert answer.status_code == 200, answer.text
        return answer.json["scans"][0]  # type: ignore[index]


@pytest.fixture
def event_id(make_event: MakeEvent, book: Book) -> int:
    made = make_event(tickets=5)
    book(made, "Ada Lovelace")
    book(made, "Grace Hopper")
    return made


@pytest.fixture
def device(app: Flask, event_id: int) -> Device:
    with app.app_context():
        token = new_pass(event_id, may_sell=True)
    return Device(app, token).with_form_token(app, token)


def test_device_reads_its_list_scans_and_reads_what_changed(
    app: Flask, device: Device, event_id: int
) -> None:
    listed = device.get("/list").json
    assert listed is not None
    assert listed["event"]["id"] == event_id
    assert (listed["pass"]["name"], listed["pass"]["maySell"]) == ("North gate", True)
    assert listed["whole"] is True
    assert [guest["n"] for guest in listed["guests"]] == ["Ada Lovelace", "Grace Hopper"]
    with app.app_context():
        booking = booking_at(event_id, 1)
        secrets = {booking.ticket_code, booking.reference, str(booking.email)}
    assert not [secret for secret in secrets if secret in str(listed)]
    digest = hashlib.sha256(booking.ticket_code.encode()).hexdigest()
    assert listed["guests"][0]["h"] == digest[:24]
    told = device.scan(code=booking.ticket_code)
    assert (told["verdict"], told["says"]) == ("admitted", "Let them in.")
    device.client.set_cookie("nextup-language", "de")
    german = device.scan(position=1)
    assert german["verdict"] == "again"
    assert german["says"].startswith("Schon drin seit ")
    assert german["says"].endswith(
        "eingelassen von: North gate. Bitte nicht noch einmal einlassen."
    )
    changed = device.get(f"/list?since={listed['revision']}").json
    assert changed is not None
    assert [(guest["p"], guest["a"]) for guest in changed["guests"]] == [(1, 1)]
    assert (changed["whole"], changed["in"], changed["of"], changed["twice"]) == (False, 1, 2, 0)
    assert device.get("/list?since=x").json["whole"] is True  # type: ignore[index]


def test_figures_are_told_once_and_guests_are_found_by_name(device: Device) -> None:
    first = device.get("/figures")
    assert first.json == {"in": 0, "of": 2, "twice": 0, "lastScans": []}
    known = {"If-None-Match": first.headers["ETag"]}
    assert device.get("/figures", **known).status_code == 304
    device.scan(position=2)
    told = device.get("/figures", **known).json
    assert told is not None
    [last] = told["lastScans"]
    assert (told["in"], last["name"], last["by"]) == (1, "Grace Hopper", "North gate")
    found = device.get("/search?q=hopper+grace").json
    assert found == {"guests": [{"p": 2, "n": "Grace Hopper", "s": "confirmed", "t": 1, "a": 1}]}


def test_without_a_pass_nothing_is_told_and_the_page_knows_to_wipe(
    app: Flask, device: Device, event_id: int
) -> None:
    stranger = Device(app, "x")
    body = {"scans": [{"id": str(uuid.uuid4()), "position": 1}]}
    # Without the token of the form nothing is done.
    sent = device.client.post("/door/scans", json=body)
    assert sent.status_code == 400
    assert sent.mimetype == "application/problem+json"
    with app.app_context():
        olga = organizer(find_event(event_id).organizer_id)
        [found] = passes_of(event_id, actor=olga)
        revoke_pass(event_id, found.id, actor=olga)
    for each in (stranger, device):
        answers = [each.get(path) for path in ("/list", "/figures", "/search?q=a")]
        answers += [each.post(path, body) for path in ("/scans", "/walk-ins")]
        for answer in answers:
            assert answer.status_code == 401
            assert answer.json is not None
            assert answer.json["code"] == "pass_ended"
    with app.app_context():
        assert rows("SELECT id FROM scan") == []


def test_walk_in_is_sold_and_let_in_once(app: Flask, device: Device, event_id: int) -> None:
    body = {"id": str(uuid.uuid4()), "tickets": 2, "name": "Zoe"}
    first = device.post("/walk-ins", body)
    assert first.status_code == 200, first.text
    assert device.post("/walk-ins", body).json == first.json
    assert first.json is not None
    assert (first.json["verdict"], first.json["admitted"], first.json["of"]) == ("admitted", 2, 2)
    assert device.post("/walk-ins", {**body, "tickets": 1}).status_code == 422
    # One is left.
    too_many = device.post("/walk-ins", {**body, "id": str(uuid.uuid4())})
    assert too_many.status_code == 409
    assert too_many.json is not None
    assert too_many.json["code"] == "not_free"
    assert device.post("/walk-ins", {"id": "x"}).status_code == 400
    with app.app_context():
        assert statuses(event_id) == ["confirmed"] * 3
        assert booking_at(event_id, 3).name == "Zoe"
        assert verify().broken == []


def test_door_sells_after_the_start_and_ends_the_list(
    app: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=2, starts_at=clock.now() + timedelta(hours=1))
    book(event_id, "Ada", tickets=1)
    for name in ("Bob", "Grace"):
        book(event_id, name, tickets=2)
    with app.app_context():
        sells, sells_not = (new_pass(event_id, may_sell=may) for may in (True, False))
        code = code_of(event_id, 1)
    device = Device(app, sells).with_form_token(app, sells)
    awaited = device.post("/walk-ins", {"id": str(uuid.uuid4())})
    assert awaited.status_code == 409
    with app.app_context():
        past = str(clock.now() - timedelta(hours=1))[:26]
        _run(f"UPDATE event SET starts_at = '{past}' WHERE id = {event_id}")
    body = {"id": str(uuid.uuid4()), "tickets": 1}
    refused = Device(app, sells_not).with_form_token(app, sells_not).post("/walk-ins", body)
    assert refused.status_code == 403
    assert refused.json is not None
    assert refused.json["code"] == "pass_may_not_sell"
    assert device.post("/walk-ins", body).status_code == 200
    assert device.scan(code=code)["verdict"] == "admitted"
    with app.app_context():
        assert statuses(event_id) == ["confirmed", "lapsed", "lapsed", "confirmed"]


def _run(statement: str) -> None:
    write(lambda connection: connection.execute(text(statement)).rowcount)
