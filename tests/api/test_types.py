"""Ticket types and codes by API: what an organizer makes, and what of it everybody may see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from tests.api.conftest import Api, bearer
from tests.support.tools import LONG, together
from webapp.accounts import services as accounts
from webapp.accounts.services import Level
from webapp.accounts.tokens import create_token
from webapp.booking import type_queries
from webapp.extensions import db
from webapp.storage.transaction import read

ORIGIN = "https://tickets.example.org"


class Desk:
    """An organizer's calls about one event."""

    def __init__(self, api: Api, organizer: dict[str, str], event_id: int) -> None:
        self.api, self.headers, self.event_id = api, organizer, event_id

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        more = {} if body is None else {"json": body}
        path = f"/events/{self.event_id}{path}"
        return self.api.call(method, path, headers={**self.headers, **headers}, **more)

    def add_type(self, name: str, **fields: Any) -> int:
        answer = self.call("POST", "/types", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return int(answer.get_json()["type"])

    def add_code(self, code: str, **fields: Any) -> int:
        answer = self.call("POST", "/codes", {"code": code, **fields})
        assert answer.status_code == 201, answer.text
        return int(answer.get_json()["number"])

    def seen(self, query: str = "") -> dict[str, dict[str, Any]]:
        """What a stranger sees: `{name: type}`."""
        answer = self.api.get(f"/events/{self.event_id}/types{query}")
        assert answer.status_code == 200, answer.text
        return {kind["name"]: kind for kind in answer.get_json()["ticketTypes"]}

    def book(self, user: object, kind: int, tickets: int = 1, **more: Any) -> dict[str, Any]:
        items = [{"type": kind, "tickets": tickets}]
        return self.api.book(self.event_id, user, items=items, **more)  # type: ignore[arg-type]

    def status(self) -> dict[str, Any]:
        return self.api.status(self.event_id)


@pytest.fixture
def desk(api: Api, organizer: dict[str, str]) -> Desk:
    return Desk(api, organizer, api.event(organizer, totalTickets=10, timeZone="Europe/Berlin"))


def errors(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.text
    return set(answer.get_json()["errors"])


def test_organizer_makes_types_and_a_code_and_friends_book_with_it(desk: Desk) -> None:
    answer = desk.call(
        "POST",
        "/types",
        {
            "name": "VIP",
            "description": "Front row",
            "quota": 2,
            "maxTickets": 2,
            "salesOpenAt": "2026-01-01T00:00",
        },
    )
    assert answer.headers["Location"] == f"/api/events/{desk.event_id}/types/1"
    assert answer.get_json() == {
        "type": 1,
        "name": "VIP",
        "description": "Front row",
        "quota": 2,
        "minTickets": 1,
        "maxTickets": 2,
        "salesOpenAt": "2025-12-31T23:00:00Z",
        "salesCloseAt": None,
        "hidden": False,
    }
    desk.add_type("Standard")
    friends = desk.add_type("Friends", hidden=True)
    desk.add_code("friends", types=[friends], limit=3, note="the choir")
    assert set(desk.seen()) == {"VIP", "Standard"}
    assert set(desk.seen("?code=Friends")) == {"VIP", "Standard", "Friends"}
    one = f"/events/{desk.event_id}/types/{friends}"
    assert desk.api.get(one).get_json()["code"] == "type_not_found"
    assert desk.api.get(f"{one}?code=friends").get_json()["available"] == 10
    assert desk.call("GET", f"/types/{friends}").get_json()["taken"] == 0
    desk.book("ada", friends, 2, code=" friends")
    desk.book("bob", 1, 2)
    desk.book("cyd", 1)
    assert desk.status()["ticketTypes"] == [
        {"type": 1, "name": "VIP", "quota": 2, "available": 0, "waiting": 1},
        {"type": 2, "name": "Standard", "quota": None, "available": 6, "waiting": 0},
    ]
    status = desk.status()
    assert (status["availableTickets"], status["bookedTickets"]) == (6, 4)
    details = desk.api.get(f"/events/{desk.event_id}").get_json()
    listed = desk.api.get("/events").get_json()["events"]
    [row] = [row for row in listed if row["id"] == desk.event_id]
    assert {shown["availableTickets"] for shown in (details, row)} == {6}
    assert details["ticketTypes"] == status["ticketTypes"]
    [code] = desk.call("GET", "/codes").get_json()["codes"]
    assert (code["code"], code["used"], code["limit"]) == ("FRIENDS", 2, 3)
    assert (code["types"], code["note"]) == ([friends], "the choir")
    cancelled = desk.call("POST", "/cancel").get_json()
    assert (cancelled["availableTickets"], desk.status()["availableTickets"]) == (0, 0)
    assert {kind["available"] for kind in desk.status()["ticketTypes"]} == {0}


def test_types_are_changed_ordered_and_deleted(desk: Desk) -> None:
    vip, standard, spare = (desk.add_type(name) for name in ("VIP", "Standard", "Spare"))
    desk.call("PATCH", f"/types/{vip}", {"quota": 1})
    desk.book("ada", vip)
    waits = desk.book("bob", vip)
    changed = desk.call("PATCH", f"/types/{vip}", {"quota": 2, "name": "Box"}).get_json()
    assert (changed["name"], changed["quota"], changed["taken"]) == ("Box", 2, 2)
    assert changed["promoted"] == [waits["bookingReference"]]
    assert errors(desk.call("PATCH", f"/types/{vip}", {"quota": 1})) == {"quota"}
    ordered = desk.call("PATCH", "/types", {"order": [spare, standard]}).get_json()
    assert [kind["type"] for kind in ordered["ticketTypes"]] == [spare, standard, vip]
    assert list(desk.seen()) == ["Spare", "Standard", "Box"]
    assert [kind["name"] for kind in desk.status()["ticketTypes"]] == ["Spare", "Standard", "Box"]
    assert desk.call("DELETE", f"/types/{vip}").get_json()["code"] == "type_in_use"
    assert desk.call("DELETE", f"/types/{spare}").status_code == 200
    assert desk.call("DELETE", f"/types/{spare}").get_json()["code"] == "type_not_found"


def test_codes_are_changed_and_deleted_and_end_where_they_were_used(desk: Desk) -> None:
    seat = desk.add_type("Seat")
    first, second = desk.add_code("ONE"), desk.add_code("TWO", limit=5)
    desk.book("ada", seat, 3, code="two")
    changed = desk.call("PATCH", f"/codes/{second}", {"maxPerBooking": 2, "types": [seat]})
    assert (changed.get_json()["limit"], changed.get_json()["used"]) == (5, 3)
    assert (changed.get_json()["maxPerBooking"], changed.get_json()["types"]) == (2, [seat])
    assert errors(desk.call("PATCH", f"/codes/{second}", {"limit": 2})) == {"limit"}
    assert errors(desk.call("PATCH", f"/codes/{second}", {"code": "one"})) == {"code"}
    assert desk.call("DELETE", f"/codes/{second}").get_json()["code"] == "code_in_use"
    assert desk.call("DELETE", f"/codes/{first}").status_code == 200
    for method, body in (("PATCH", {"note": "x"}), ("DELETE", None)):
        answer = desk.call(method, f"/codes/{first}", body)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "code_not_found")
    page = desk.call("GET", "/codes?limit=1").get_json()
    assert ([code["number"] for code in page["codes"]], page["nextCursor"]) == ([second], None)
    third = desk.add_code("THREE")
    page = desk.call("GET", "/codes?limit=1").get_json()
    rest = desk.call("GET", f"/codes?limit=1&cursor={page['nextCursor']}").get_json()
    assert [code["number"] for code in rest["codes"]] == [third]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("types", {}, "name"),
        ("types", {"name": " "}, "name"),
        ("types", {"name": "seat"}, "name"),
        ("types", {"name": "x" * 81}, "name"),
        ("types", {"name": "X", "quota": 0}, "quota"),
        ("types", {"name": "X", "quota": "5"}, "quota"),
        ("types", {"name": "X", "minTickets": 3, "maxTickets": 2}, "maxTickets"),
        ("types", {"name": "X", "minTickets": 3, "quota": 2}, "quota"),
        ("types", {"name": "X", "salesOpenAt": "2027-03-28T02:30"}, "salesOpenAt"),
        (
            "types",
            {"name": "X", "salesOpenAt": "2027-01-02", "salesCloseAt": "2027-01-01"},
            "salesCloseAt",
        ),
        ("types", {"name": "X", "hidden": "yes"}, "hidden"),
        ("types", {"name": "X", "price": 5}, "price"),
        ("types", {"name": "X", "description": "x" * 1001}, "description"),
        ("codes", {}, "code"),
        ("codes", {"code": ""}, "code"),
        ("codes", {"code": "two words"}, "code"),
        ("codes", {"code": "x" * 41}, "code"),
        ("codes", {"code": "taken"}, "code"),
        ("codes", {"code": "X", "types": [9]}, "types"),
        ("codes", {"code": "X", "types": ["1"]}, "types[0]"),
        ("codes", {"code": "X", "types": [0]}, "types[0]"),
        ("codes", {"code": "X", "types": [1] * 51}, "types"),
        ("codes", {"code": "X", "limit": 0}, "limit"),
        ("codes", {"code": "X", "limit": 10**9}, "limit"),
        ("codes", {"code": "X", "maxPerBooking": -1}, "maxPerBooking"),
        (
            "codes",
            {"code": "X", "validFrom": "2027-01-01T00:00Z", "validUntil": "2027-01-01T00:00Z"},
            "validUntil",
        ),
        ("codes", {"code": "X", "unlocks": None}, "unlocks"),
        ("codes", {"code": "X", "note": "a\nb"}, "note"),
        ("codes", {"code": "X", "percentOff": 10}, "percentOff"),
        ("codes", [], "body"),
    ],
    ids=str,
)
def test_every_refusal_names_its_field(desk: Desk, path: str, body: Any, field: str) -> None:
    desk.add_type("Seat")
    desk.add_code("TAKEN")
    assert errors(desk.call("POST", f"/{path}", body)) == {field}
    assert errors(desk.call("PATCH", "/types", {"order": [1, "2"]})) == {"order[1]"}


def test_event_without_types_has_neither_types_nor_codes(desk: Desk) -> None:
    assert (desk.seen(), "ticketTypes" in desk.status()) == ({}, False)
    assert errors(desk.call("POST", "/codes", {"code": "X"})) == {"types"}
    answer = desk.api.get(f"/events/{desk.event_id}/types?code=X")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "unknown_code")


def test_type_and_code_are_made_once_under_a_key(desk: Desk) -> None:
    for path, body, other in (
        ("/types", {"name": "Seat"}, {"name": "Chair"}),
        ("/codes", {"code": "once"}, {"code": "twice"}),
    ):
        key = {"Idempotency-Key": "k"}
        answers = [desk.call("POST", path, body, **key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].get_data() == answers[1].get_data()
        assert desk.call("POST", path, other, **key).status_code == 422
    assert len(desk.seen()) == len(desk.call("GET", "/codes").get_json()["codes"]) == 1


def test_strangers_and_tokens_that_read_learn_no_code(desk: Desk, api: Api) -> None:
    seat = desk.add_type("Seat")
    code = desk.add_code("SECRET")
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/codes", None),
        ("POST", "/codes", {"code": "X"}),
        ("PATCH", f"/codes/{code}", {"note": "x"}),
        ("DELETE", f"/codes/{code}", None),
        ("POST", "/types", {"name": "X"}),
        ("PATCH", "/types", {"order": [seat]}),
        ("PATCH", f"/types/{seat}", {"name": "X"}),
        ("DELETE", f"/types/{seat}", None),
    ]
    stranger = Desk(api, api.organizer("eve"), desk.event_id)
    with api.app.app_context():
        mine = accounts.id_of("ada")
        tokens = {level: create_token(mine, name="t", level=level) for level in Level}
    for method, path, body in calls:
        found = stranger.call(method, path, body)
        assert (found.status_code, found.get_json()["code"]) == (404, "event_not_found")
        assert Desk(api, {}, desk.event_id).call(method, path, body).status_code == 401
        for level in (Level.READ, Level.BOOK):
            below = Desk(api, bearer(tokens[level]), desk.event_id).call(method, path, body)
            assert below.get_json()["code"] == "insufficient_access"
    hidden = desk.add_type("Hidden", hidden=True)
    assert set(stranger.seen()) == {"Seat"}
    assert stranger.call("GET", f"/types/{hidden}").status_code == 404


def test_hidden_type_does_not_show_in_what_everybody_reads(desk: Desk) -> None:
    desk.add_type("Seat", quota=4)
    reads = (f"/events/status/{desk.event_id}", f"/events/{desk.event_id}")

    def seen() -> list[tuple[str, str]]:
        answers = [desk.api.get(path) for path in reads]
        return [(answer.headers["ETag"], answer.get_data(as_text=True)) for answer in answers]

    before = seen()
    hidden = desk.add_type("Hidden", hidden=True, quota=3)
    desk.call("PATCH", f"/types/{hidden}", {"name": "Other", "quota": 5})
    desk.add_code("LET-ME-IN", types=[hidden])
    assert seen() == before
    desk.call("PATCH", f"/types/{hidden}", {"hidden": False})
    assert seen() != before


def test_wrong_codes_count_when_types_are_read(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_ENABLED="true", RATELIMIT_DEFAULT="1000 per minute")
    organizer = api.organizer("olga")
    desk = Desk(api, organizer, api.event(organizer))
    desk.add_type("Hidden", hidden=True)
    desk.add_code("RIGHT")
    for _ in range(25):
        assert set(desk.seen("?code=right")) == {"Hidden"}
    path = f"/events/{desk.event_id}/types?code="
    found = [api.get(f"{path}NO{number}").get_json()["code"] for number in range(21)]
    assert found == ["unknown_code"] * 20 + ["rate_limited"]
    assert api.get(f"{path}RIGHT").status_code == 429
    items = [{"type": 1, "tickets": 1}]
    body = {"userId": 1, "eventId": desk.event_id, "items": items, "code": "RIGHT"}
    assert api.post("/events/book", body).status_code == 429
    assert desk.call("GET", "/types?code=NO").status_code == 200
    assert set(desk.seen()) == set()


@contextmanager
def statements(app: Any) -> Iterator[list[str]]:
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.append(statement)

    with app.app_context():
        engines = set(db.engines.values())
    for engine in engines:
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "before_cursor_execute", note)


def test_status_of_a_typed_event_is_cheap(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement more than the types take, and two where somebody waits; read once for many."""
    vip = desk.add_type("VIP", quota=1)
    for n in range(3):
        desk.add_type(f"Other {n}")

    def cost() -> int:
        with statements(desk.api.app) as found:
            desk.status()
        return len([each for each in found if each.startswith("SELECT")])

    assert cost() <= 4
    desk.book("ada", vip)
    for user in range(3):
        desk.book(user, vip)
    assert cost() <= 6
    go, runs = Event(), []

    def slow(work: Any) -> Any:
        runs.append(work)
        assert go.wait(LONG)
        return read(work)

    monkeypatch.setattr(type_queries, "read", slow)
    app = desk.api.app
    with app.app_context():
        reads = type_queries.type_reads.own

    def first_and_then_all() -> None:
        # The first leads a read of its own; all who ask meanwhile share the next.
        tries = 0
        while len(reads._queues.get(desk.event_id, ())) < 7 and tries < LONG * 100:
            tries += 1
            assert not go.wait(0.01)
        go.set()

    path = f"/api/events/status/{desk.event_id}"
    ask = partial(lambda: app.test_client().get(path).status_code)
    assert together(app, [ask] * 8 + [first_and_then_all]) == [200] * 8 + [None]
    assert len(runs) == 2


def test_script_of_an_allowed_origin_may_delete(make_api: Callable[..., Api]) -> None:
    api = make_api(CORS_ORIGINS=ORIGIN)
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"}
    answer = api.client.options("/api/events/1/codes/1", headers=headers)
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
