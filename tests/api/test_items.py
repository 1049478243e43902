"""Tickets of several types by API: what is asked for, what is told, and what nobody learns."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.support.tools import together
from webapp import clock
from webapp.booking.code_services import CodeDetails, add_code, codes_of_event
from webapp.booking.commands import organizer as acting
from webapp.booking.queries import find_event
from webapp.booking.type_services import TypeDetails, add_type

VIP, STANDARD, FRIENDS = 1, 2, 3
REFERENCE_LENGTH = 22


@pytest.fixture
def gala(api: Api, organizer: dict[str, str]) -> int:
    """Ten seats: two for VIPs, and three for friends, who need a code for them."""
    event_id = api.event(organizer, totalTickets=10)
    with api.app.app_context():
        me = acting(find_event(event_id).organizer_id)
        add_type(event_id, TypeDetails("VIP", quota=2), actor=me)
        add_type(event_id, TypeDetails("Standard"), actor=me)
        add_type(event_id, TypeDetails("Friends", quota=3, hidden=True), actor=me)
    return event_id


def add(api: Api, event_id: int, text: str, **details: Any) -> None:
    with api.app.app_context():
        me = acting(find_event(event_id, with_drafts=True).organizer_id)
        add_code(event_id, CodeDetails(text, **details), actor=me)


def items(**wants: int) -> list[dict[str, int]]:
    """`items(t2=1)` are one of type 2."""
    return [{"type": int(name[1:]), "tickets": count} for name, count in wants.items()]


def refused(api: Api, event_id: int, **more: Any) -> tuple[int, str, dict[str, str]]:
    answer = api.post("/events/book", {"userId": "x", "eventId": event_id, **more})
    body = answer.get_json()
    return answer.status_code, body["code"], body.get("errors", {})


def test_booking_tells_its_items_wherever_it_is_shown(
    api: Api, organizer: dict[str, str], gala: int
) -> None:
    made = api.book(gala, 1, items=items(t2=1, t1=2), tickets=3)
    assert (made["status"], made["tickets"], made["items"]) == ("confirmed", 3, items(t1=2, t2=1))
    waits = api.book(gala, "w@example.org", items=items(t1=1))
    assert (waits["status"], waits["waitingListPosition"]) == ("waiting", 1)
    assert waits["message"] == "These tickets are not free now: number 1 on the waiting list."
    path = f"/bookings/{made['bookingReference']}"
    assert api.get(path).get_json()["items"] == items(t1=2, t2=1)
    fewer = api.patch(path, {"items": items(t1=1, t2=1)}).get_json()
    assert (fewer["items"], fewer["promoted"]) == (items(t1=1, t2=1), 1)
    by_name = api.patch(path, {"name": "Ada"}).get_json()
    assert by_name["items"] == items(t1=1, t2=1)
    shown = api.get(f"/events/{gala}/bookings", headers=organizer).get_json()["bookings"]
    assert [row["items"] for row in shown] == [items(t1=1, t2=1), items(t1=1)]
    api.book(gala, "w2", items=items(t1=2))
    waiting = api.get(f"/events/{gala}/waiting", headers=organizer).get_json()["bookings"]
    assert [row["items"] for row in waiting] == [items(t1=2)]
    cancelled = api.post("/events/cancel", {"bookingReference": made["bookingReference"]})
    assert cancelled.get_json().keys() == {"message", "bookingReference", "tickets", "promoted"}


def test_who_is_next_takes_what_is_free_by_type(api: Api, gala: int) -> None:
    api.book(gala, 1, items=items(t2=8))
    waits = api.book(gala, 2, items=items(t1=2, t2=2))
    taken = api.post(
        f"/bookings/{waits['bookingReference']}/take", {"items": items(t1=2)}
    ).get_json()
    assert (taken["tickets"], taken["items"]) == (2, items(t1=2))


def test_tickets_alone_are_of_the_one_type_on_sale(
    api: Api, organizer: dict[str, str], gala: int
) -> None:
    assert refused(api, gala, tickets=1)[:2] == (400, "choose_ticket_type")
    single = api.event(organizer, totalTickets=2)
    with api.app.app_context():
        me = acting(find_event(single).organizer_id)
        add_type(single, TypeDetails("Seat"), actor=me)
        add_type(single, TypeDetails("Secret", hidden=True), actor=me)
    assert api.book(single, 1)["items"] == items(t1=1)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"items": []}, "items"),
        ({"items": {}}, "items"),
        ({"items": "1:2"}, "items"),
        ({"items": [7]}, "items[0]"),
        ({"items": [{"type": 2}]}, "items[0].tickets"),
        ({"items": [{"type": 2, "tickets": 0}]}, "items[0].tickets"),
        ({"items": [{"type": 2, "tickets": "1"}]}, "items[0].tickets"),
        ({"items": [{"type": True, "tickets": 1}]}, "items[0].type"),
        ({"items": [{"type": 10**30, "tickets": 1}]}, "items[0].type"),
        ({"items": [{"type": 2, "tickets": 1, "price": 3}]}, "items[0].price"),
        ({"items": [{"type": 2, "tickets": 1}] * 2}, "items"),
        ({"items": [{"type": n, "tickets": 1} for n in range(1, 6)]}, "items"),
        ({"items": [{"type": n, "tickets": 1} for n in range(1, 5)]}, "items"),
        ({"items": [{"type": 2, "tickets": 1}], "tickets": 2}, "tickets"),
        ({"items": [{"type": 1, "tickets": 3}]}, "items"),
        ({"items": [{"type": 9, "tickets": 1}]}, "items"),
        ({"items": [{"type": 2, "tickets": 1}], "code": 7}, "code"),
        ({"items": [{"type": 2, "tickets": 1}], "code": "x" * 81}, "code"),
        ({"items": [{"type": 2, "tickets": 1}], "code": "a\x00"}, "code"),
        ({"items": [{"type": 2, "tickets": 1}], "code": "\ud800"}, "code"),
        ({"items": [{"type": 2, "tickets": 1}], "code": "NO"}, "code"),
    ],
    ids=str,
)
def test_every_refusal_names_its_field(
    api: Api, gala: int, more: dict[str, Any], field: str
) -> None:
    status, code, errors = refused(api, gala, **more)
    assert (status, set(errors)) == (400, {field})
    assert code == ("unknown_code" if more.get("code") == "NO" else "invalid_input")
    assert api.status(gala)["bookedTickets"] == 0


def test_plain_event_has_no_items_and_knows_no_code(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    assert refused(api, event_id, items=items(t1=1))[2].keys() == {"items"}
    assert refused(api, event_id, code="FRIENDS")[1] == "unknown_code"
    # An empty field of somebody's form is no code.
    assert api.book(event_id, 1, code=" ")["status"] == "confirmed"


def test_key_is_bound_to_items_and_code(api: Api, gala: int) -> None:
    add(api, gala, "FRIENDS")
    key = {"Idempotency-Key": "k"}
    body = {"userId": 1, "eventId": gala, "items": items(t3=1), "code": "friends"}
    answers = [api.post("/events/book", body, headers=key) for _ in range(2)]
    assert answers[0].get_data() == answers[1].get_data()
    assert answers[0].get_json()["items"] == items(t3=1)
    for other in ({"items": items(t2=1)}, {"code": "FRIENDS2"}, {"code": None}):
        answer = api.post("/events/book", {**body, **other}, headers=key)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")


def test_nobody_learns_why_a_code_is_no_good_nor_of_a_hidden_type(
    api: Api, organizer: dict[str, str], gala: int
) -> None:
    """Byte for byte, whatever is asked for with it."""
    now, friends = clock.now(), frozenset({FRIENDS})
    an_hour = timedelta(hours=1)
    add(api, gala, "OVER", types=friends, valid_until=now - an_hour)
    add(api, gala, "SOON", types=friends, valid_from=now + an_hour)
    add(api, gala, "GONE", types=friends, ticket_limit=1)
    api.book(gala, "first", items=items(t3=1), code="gone")
    elsewhere = api.event(organizer)
    with api.app.app_context():
        add_type(elsewhere, TypeDetails("Seat"), actor=acting(find_event(gala).organizer_id))
    add(api, elsewhere, "ELSEWHERE")
    add(api, gala, "VIPS", types=frozenset({VIP}))

    networks = itertools.count(1)

    def answer(**more: Any) -> bytes:
        # Each from another network: one alone has few tries.
        there = {"REMOTE_ADDR": f"192.0.2.{next(networks)}"}
        asked = {"userId": "x", "eventId": gala, **more}
        return bytes(api.post("/events/book", asked, environ_overrides=there).get_data())

    never = answer(code="NEVER", items=items(t2=1))
    by_type = [
        {"items": [{"type": number, "tickets": 1}]} for number in (VIP, STANDARD, FRIENDS, 9)
    ]
    asked: list[dict[str, Any]] = [{}, {"tickets": 2}, *by_type]
    for wanted in asked:
        for code in ("OVER", "SOON", "GONE", "ELSEWHERE", "NEVER"):
            assert answer(code=code, **wanted) == never
    assert answer(code="VIPS", items=items(t2=1)) == never
    assert answer(code="VIPS", items=items(t3=1)) == never
    hidden, missing = answer(items=items(t3=1)), answer(items=items(t8=1))
    assert hidden == missing.replace(b"8", b"3")


def test_wrong_codes_are_few_and_right_ones_are_not_counted(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_ENABLED="true", RATELIMIT_DEFAULT="1000 per minute")
    organizer = api.organizer("olga")
    event_id = api.event(organizer, totalTickets=50)
    with api.app.app_context():
        me = acting(find_event(event_id).organizer_id)
        add_type(event_id, TypeDetails("Friends", hidden=True), actor=me)
    add(api, event_id, "FRIENDS")
    for user in range(25):
        api.book(event_id, user, items=items(t1=1), code="FRIENDS")
    found = [refused(api, event_id, items=items(t1=1), code=f"NO{n}")[:2] for n in range(20)]
    assert set(found) == {(400, "unknown_code")}
    body = {"userId": "x", "eventId": event_id, "items": items(t1=1)}
    for code in ("NO", "FRIENDS"):
        answer = api.post("/events/book", {**body, "code": code})
        assert (answer.status_code, answer.get_json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
    # Neither another network nor the organizer is concerned, nor who uses no code.
    there = {"environ_overrides": {"REMOTE_ADDR": "198.51.100.7"}}
    assert api.post("/events/book", {**body, "code": "FRIENDS"}, **there).status_code == 201
    mine = {**body, "userId": "y", "code": "NO"}
    answers = [api.post("/events/book", mine, headers=organizer).status_code for _ in range(22)]
    assert set(answers) == {400}
    assert refused(api, event_id)[1] == "choose_ticket_type"


@pytest.mark.every_database
def test_code_of_ten_tickets_is_good_for_ten_of_many_at_once(api: Api, gala: int) -> None:
    add(api, gala, "TEN", ticket_limit=10, types=frozenset({STANDARD}))

    def book(user: int) -> str:
        """The reference of a booking, or the code of what refused it."""
        body = {"userId": user, "eventId": gala, "items": items(t2=1), "code": "ten"}
        said = api.app.test_client().post("/api/events/book", json=body).get_json()
        return str(said.get("code") or said["bookingReference"])

    answers = [str(said) for said in together(api.app, [partial(book, n) for n in range(24)])]
    made = [said for said in answers if said != "unknown_code"]
    assert len(set(made)) == 10
    assert all(len(said) == REFERENCE_LENGTH for said in made)

    def used() -> int:
        with api.app.app_context():
            event = find_event(gala)
            [code] = codes_of_event(event, actor=acting(event.organizer_id))
        return code.used

    assert used() == 10

    def cancel() -> int:
        client, body = api.app.test_client(), {"bookingReference": made[0]}
        return client.post("/api/events/cancel", json=body).status_code

    assert together(api.app, [cancel] * 8) == [200] * 8
    assert used() == 9
    assert len(book(99)) == REFERENCE_LENGTH
    assert book(100) == "unknown_code"
