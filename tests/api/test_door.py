"""The door by API: scans with a pass, a token or a password, and who came."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, basic, bearer
from tests.support.door import new_pass
from webapp.accounts import services as accounts
from webapp.accounts.services import Level
from webapp.accounts.tokens import create_token
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.door.passes import passes_of, revoke_pass
from webapp.storage.tables import bookings
from webapp.storage.transaction import read
from webapp.verify.services import verify


@pytest.fixture
def owner(api: Api) -> dict[str, str]:
    return api.organizer("olga")


@pytest.fixture
def event_id(api: Api, owner: dict[str, str]) -> int:
    """Two bookings, for two and for one."""
    made = api.event(owner)
    for user, tickets in (("ada", 2), ("bob", 1)):
        booked = {"userId": user, "eventId": made, "tickets": tickets, "name": user.title()}
        assert api.post("/events/book", booked).status_code == 201
    return made


@pytest.fixture
def codes(api: Api, event_id: int) -> list[str]:
    with api.app.app_context():
        query = bookings.select().where(bookings.c.event_id == event_id)
        return [row.ticket_code for row in read(lambda c: c.execute(query).all())]


@pytest.fixture
def gate(api: Api, event_id: int) -> str:
    with api.app.app_context():
        return new_pass(event_id)


def entry(code: object = "x", **more: object) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "what": "in", "code": code, **more}


def send(api: Api, event_id: int, login: dict[str, str], *scans: object) -> Any:
    return api.post(f"/events/{event_id}/scans", {"scans": list(scans)}, headers=login)


def test_pass_token_and_password_let_people_in(
    api: Api, owner: dict[str, str], event_id: int, codes: list[str], gate: str
) -> None:
    with api.app.app_context():
        account = find_event(event_id).organizer_id
        token = create_token(account, name="gate", level=Level.BOOK)
        too_little = create_token(account, name="list", level=Level.READ)
    first = entry(codes[0])
    answer = send(api, event_id, bearer(gate), first, entry(codes[0].lower(), count=2), entry())
    assert answer.status_code == 200
    admitted, too_many, unknown = answer.get_json()["scans"]
    assert admitted == {
        **{"id": first["id"], "verdict": "admitted", "position": 1, "name": "Ada"},
        **{"admitted": 1, "of": 2, "says": "Let 1 in: 1 of 2 are in now."},
    }
    assert (too_many["verdict"], too_many["firstBy"]) == ("too_many", "North gate")
    assert "1 of 2 are left" in too_many["says"]
    assert unknown.keys() == {"id", "verdict", "says"}
    assert send(api, event_id, bearer(gate), first).get_json()["scans"] == [admitted]
    for login in (bearer(token), owner):
        told = send(api, event_id, login, entry(codes[1]), entry(codes[1], what="out"))
        assert [scan["verdict"] for scan in told.get_json()["scans"]] == ["admitted", "undone"]
    assert send(api, event_id, bearer(too_little), entry(codes[1])).status_code == 403
    assert send(api, event_id, {}, entry(codes[1])).status_code == 401
    # The language of whoever stands there is of no matter to a program.
    german = {**bearer(gate), "Accept-Language": "de"}
    assert send(api, event_id, german, first).get_json()["scans"] == [admitted]
    with api.app.app_context():
        assert verify().broken == []


def test_one_malformed_entry_refuses_the_whole_and_is_named(
    api: Api, event_id: int, codes: list[str], gate: str
) -> None:
    good = entry(codes[0])
    without = {name: value for name, value in good.items() if name != "id"}
    wrong: dict[str, list[Any]] = {
        "scans[1].id": [{**good, "id": "7"}, without, {**good, "id": None}],
        "scans[1].what": [{**good, "what": "up"}],
        "scans[1].code": [{"id": good["id"]}, {**good, "code": ""}, {**good, "code": "x" * 101}],
        "scans[1].count": [{**good, "count": many} for many in (0, -1, 1001, "1", 1.5, True)],
        "scans[1].at": [{**good, "at": "yesterday"}, {**good, "at": "0001-01-01T00:00:00Z"}],
        "scans[1].offline": [{**good, "offline": "yes"}],
        "scans[1].position": [{**good, "position": 1}],
        "scans[1].more": [{**good, "more": 1}],
        "scans[1]": ["x", None, []],
    }
    for field, entries in wrong.items():
        for bad in entries:
            answer = send(api, event_id, bearer(gate), good, bad)
            assert answer.status_code == 400, (field, bad, answer.get_json())
            assert [*answer.get_json()["errors"]] == [field], bad
    bodies: list[Any] = [
        {},
        {"scans": []},
        {"scans": {}},
        {"scans": [good] * 501},
        {"scan": [good]},
        [],
    ]
    for body in bodies:
        path = f"/events/{event_id}/scans"
        assert api.post(path, body, headers=bearer(gate)).status_code == 400
    [told] = send(api, event_id, bearer(gate), entry(codes[0])).get_json()["scans"]
    assert told["admitted"] == 1


def test_pass_sees_the_door_of_its_event_and_nothing_else(
    api: Api, owner: dict[str, str], event_id: int, codes: list[str], gate: str
) -> None:
    other = api.event(owner)
    assert send(api, other, bearer(gate), entry(codes[0])).status_code == 404
    assert api.get(f"/events/{other}/admissions", headers=bearer(gate)).status_code == 404
    for path in ("/organizer/events", f"/events/{event_id}/bookings", f"/events/{event_id}"):
        refused = api.get(path, headers=bearer(gate))
        assert (refused.status_code, refused.get_json()["code"]) == (403, "insufficient_access")
    cancelled = api.post("/events/cancel", {"bookingReference": "x" * 22}, headers=bearer(gate))
    assert cancelled.status_code == 403
    with api.app.app_context():
        olga = organizer(find_event(event_id).organizer_id)
        [found] = passes_of(event_id, actor=olga)
        revoke_pass(event_id, found.id, actor=olga)
    refused = send(api, event_id, bearer(gate), entry(codes[0]))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "pass_ended")


def test_admissions_come_by_pages_without_references_for_a_pass(
    api: Api, owner: dict[str, str], event_id: int, codes: list[str], gate: str
) -> None:
    send(api, event_id, bearer(gate), entry(codes[0], count=2))
    send(api, event_id, owner, entry(codes[1]))
    path = f"/events/{event_id}/admissions"
    first = api.get(f"{path}?limit=1", headers=owner).get_json()
    [ada] = first["admissions"]
    assert (ada["position"], ada["name"], ada["tickets"], ada["admitted"]) == (1, "Ada", 2, 2)
    assert (ada["by"], len(ada["bookingReference"])) == ("North gate", 22)
    second = api.get(f"{path}?limit=1&cursor={first['nextCursor']}", headers=owner).get_json()
    assert [row["by"] for row in second["admissions"]] == [""]
    assert second["nextCursor"] is None
    seen = api.get(path, headers=bearer(gate)).get_json()["admissions"]
    assert [row["position"] for row in seen] == [1, 2]
    assert not any("bookingReference" in row for row in seen)
    assert api.get(path).status_code == 401
    with api.app.app_context():
        accounts.create_organizer(username="sam", password="correct horse")
    assert api.get(path, headers=basic("sam")).status_code == 404


def test_each_pass_has_a_budget_of_its_own(make_api: Callable[..., Api]) -> None:
    """What the network of the door does elsewhere, or other devices do, takes nothing from it."""
    api = make_api(RATELIMIT_DEFAULT="3 per hour")
    login = api.organizer("olga")
    event_id = api.event(login)
    with api.app.app_context():
        mine, other = (new_pass(event_id, name) for name in ("North", "South"))
    while api.get(f"/events/status/{event_id}").status_code != 429:
        pass
    states = [send(api, event_id, bearer(mine), entry()).status_code for _ in range(91)]
    assert states == [200] * 90 + [429]
    assert send(api, event_id, bearer(other), entry()).status_code == 200


def test_guessing_tokens_is_counted_and_stops(api: Api, event_id: int, gate: str) -> None:
    states = [
        send(api, event_id, bearer(f"door_{number}"), entry()).status_code for number in range(12)
    ]
    assert states == [401] * 10 + [429] * 2
    assert send(api, event_id, bearer(gate), entry()).status_code == 200
