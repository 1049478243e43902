"""Events whose bookings have to be answered for, over the API."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from tests.api.conftest import Api
from tests.support.asking import ask_whether_coming
from tests.support.fixtures import Clock
from tests.support.terms import BASE_URL, MAIL_URL, go, send_mails, term_at
from tests.support.tools import statuses
from webapp.booking import heartbeat
from webapp.booking.codes import token_for
from webapp.booking.commands import TermKind
from webapp.storage.tables import bookings
from webapp.storage.transaction import read

ADA = "ada@example.org"


@pytest.fixture
def api(make_api: Callable[..., Api], now: Clock) -> Api:
    api = make_api(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)
    with api.app.app_context():
        heartbeat.beat(now())
    return api


@pytest.fixture
def asking(api: Api, organizer: dict[str, str]) -> int:
    return api.event(organizer, asksAddress=True)


def ask(api: Api, event_id: int, user_id: int | str = ADA, **more: Any) -> Any:
    return api.post("/events/book", {"userId": user_id, "eventId": event_id, **more})


def reference_of(api: Api, event_id: int, position: int = 1) -> str:
    here = (bookings.c.event_id == event_id, bookings.c.position == position)
    query = select(bookings.c.reference).where(*here)
    with api.app.app_context():
        found: str = read(lambda connection: connection.execute(query).scalar_one())
    return found


def token_of(api: Api, event_id: int, position: int = 1) -> str:
    reference = reference_of(api, event_id, position)
    with api.app.app_context():
        return token_for(event_id, position, purpose=TermKind.ADDRESS, reference=reference)


def test_settings_are_made_read_and_changed(api: Api, organizer: dict[str, str]) -> None:
    plain = api.event(organizer)
    shown = api.get(f"/events/{plain}").get_json()
    fields = ("asksAddress", "stillComingDays", "stillComingLapses")
    assert [shown[name] for name in fields] == [False, None, False]
    wanted = {"asksAddress": True, "stillComingDays": 3, "stillComingLapses": True}
    made = api.post(
        "/events/initialize",
        {"eventName": "Asks", "totalTickets": 9, **wanted},
        headers=organizer,
    ).get_json()
    assert {name: made[name] for name in fields} == wanted
    off = {"asksAddress": False, "stillComingDays": None}
    changed = api.patch(f"/events/{made['id']}", off, headers=organizer).get_json()
    assert [changed[name] for name in fields] == [False, None, True]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("asksAddress", 1), ("asksAddress", "yes"), ("asksAddress", None),
        ("stillComingDays", 0), ("stillComingDays", 31), ("stillComingDays", 1.5),
        ("stillComingLapses", "true"),
    ],
)  # fmt: skip
def test_settings_of_another_kind_are_refused(
    api: Api, organizer: dict[str, str], field: str, value: object
) -> None:
    body = {"eventName": "Asks", "totalTickets": 9, field: value}
    refused = api.post("/events/initialize", body, headers=organizer)
    assert (refused.status_code, [*refused.get_json()["errors"]]) == (400, [field])


@pytest.mark.parametrize(("field", "value"), [("asksAddress", True), ("stillComingDays", 3)])
def test_without_mails_they_are_refused(
    make_api: Callable[..., Api], field: str, value: object
) -> None:
    api = make_api()
    organizer = api.organizer()
    body = {"eventName": "Asks", "totalTickets": 9, field: value}
    refused = api.post("/events/initialize", body, headers=organizer)
    assert (refused.status_code, [*refused.get_json()["errors"]]) == (400, [field])
    event_id = api.event(organizer)
    refused = api.patch(f"/events/{event_id}", {field: value}, headers=organizer)
    assert (refused.status_code, [*refused.get_json()["errors"]]) == (400, [field])


def test_stranger_is_told_the_same_whether_or_not_the_address_is_booked(
    api: Api, asking: int, organizer: dict[str, str]
) -> None:
    answers = [ask(api, asking), ask(api, asking), ask(api, asking, "Ada@Example.org")]
    assert [answer.status_code for answer in answers] == [202] * 3
    [told] = {answer.get_data() for answer in answers}
    assert answers[0].get_json()["status"] == "asked"
    assert reference_of(api, asking).encode() not in told
    with api.app.app_context():
        assert sorted(send_mails()) == ["ask_address", "links", "links"]
    booked = api.post(
        "/events/book", {"userId": "bob@example.org", "eventId": asking}, headers=organizer
    )
    assert booked.status_code == 201
    assert "bookingReference" in booked.get_json()
    assert ask(api, asking, "bob@example.org").get_data() == told


def test_stranger_without_an_address_is_refused(api: Api, asking: int) -> None:
    refused = ask(api, asking, 7)
    assert (refused.status_code, [*refused.get_json()["errors"]]) == (400, ["userId"])
    refused = ask(api, asking, 7, email=ADA)
    assert (refused.status_code, [*refused.get_json()["errors"]]) == (400, ["email"])


def test_full_event_tells_who_is_booked_what_it_tells_a_stranger(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, asksAddress=True, totalTickets=1, waitingListLimit=0)
    assert ask(api, event_id).status_code == 202
    answers = [ask(api, event_id, user) for user in (ADA, "eve@example.org")]
    assert {answer.get_json()["code"] for answer in answers} == {"sold_out"}


def test_only_the_mail_answers_for_the_address(api: Api, asking: int, now: Clock) -> None:
    ask(api, asking)
    with api.app.app_context():
        send_mails()
    path = f"/bookings/{reference_of(api, asking)}"
    assert api.get(path).get_json()["answerBy"] == "2027-05-03T12:30:00.250000Z"
    for body in ({}, {"token": None}, {"token": "guess"}, {"token": reference_of(api, asking)}):
        refused = api.post(f"{path}/keep", body)
        assert (refused.status_code, refused.get_json()["code"]) == (403, "token_needed")
    kept = [api.post(f"{path}/keep", {"token": token_of(api, asking)}) for _ in range(2)]
    assert [answer.status_code for answer in kept] == [200, 200]
    assert kept[0].get_json() == kept[1].get_json()
    assert kept[0].get_json()["status"] == "confirmed"
    assert api.get(path).get_json()["answerBy"] is None


def test_reference_answers_whether_they_are_still_coming(
    api: Api, organizer: dict[str, str], now: Clock
) -> None:
    event_id = api.event(organizer, stillComingDays=3, stillComingLapses=True)
    reference = ask(api, event_id).get_json()["bookingReference"]
    with api.app.app_context():
        ask_whether_coming(event_id, lapses_too=True, now=now())
        send_mails()
    path = f"/bookings/{reference}"
    assert api.get(path).get_json()["answerBy"] == "2027-05-05T12:00:00.250000Z"
    assert api.post(f"{path}/keep", {}).status_code == 200
    assert api.get(path).get_json()["answerBy"] is None


def test_organizer_answers_for_somebody(api: Api, asking: int, organizer: dict[str, str]) -> None:
    ask(api, asking)
    path = f"/bookings/{reference_of(api, asking)}/keep"
    assert api.post(path, {}, headers=organizer).status_code == 200
    with api.app.app_context():
        assert not term_at(asking, 1).is_open


def test_answer_that_comes_too_late_is_refused(api: Api, asking: int, now: Clock) -> None:
    ask(api, asking)
    with api.app.app_context():
        send_mails()
        go(now, minutes=31)
    path = f"/bookings/{reference_of(api, asking)}/keep"
    late = api.post(path, {"token": token_of(api, asking)})
    assert (late.status_code, late.get_json()["code"]) == (409, "booking_closed")
    assert "lapsed" in late.get_json()["detail"]
    with api.app.app_context():
        assert statuses(asking) == ["lapsed"]


def test_same_key_is_answered_the_same_where_the_address_is_asked(api: Api, asking: int) -> None:
    body = {"userId": ADA, "eventId": asking}
    answers = [
        api.post("/events/book", body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    with api.app.app_context():
        assert send_mails() == ["ask_address"]


def test_what_is_asked_is_not_counted_as_booked_freely(make_api: Callable[..., Api]) -> None:
    api = make_api(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL, BOOKINGS_FREELY="2")
    organizer = api.organizer()
    asking, plain = api.event(organizer, asksAddress=True), api.event(organizer)
    asked = [ask(api, asking, f"guest{number}@example.org") for number in range(4)]
    assert {answer.status_code for answer in asked} == {202}
    assert ask(api, asking, "party@example.org", tickets=3).status_code == 202
    api.patch(f"/events/{asking}", {"asksAddress": False}, headers=organizer)
    assert ask(api, asking, "freely@example.org").status_code == 201
    freely = [ask(api, plain, number) for number in range(3)]
    assert [answer.status_code for answer in freely] == [201, 201, 429]


def test_more_tickets_count_as_booked_freely_but_for_the_organizer(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(BOOKINGS_FREELY="3")
    organizer = api.organizer()
    path = f"/bookings/{api.book(api.event(organizer), 1)['bookingReference']}"
    raised = [api.patch(path, {"tickets": tickets}).status_code for tickets in (3, 3, 4, 2, 3)]
    assert raised == [200, 200, 429, 200, 429]
    assert api.patch(path, {"tickets": 5}, headers=organizer).status_code == 200


def test_address_that_has_a_booking_is_told_what_others_are_told_by_type(
    api: Api, organizer: dict[str, str]
) -> None:
    """Of whatever types and codes it asks for, though it could have none of it."""
    event_id = api.event(organizer, asksAddress=True, waitingListLimit=0)
    types, codes = (f"/events/{event_id}/{what}" for what in ("types", "codes"))
    kinds = ({"name": "Box", "quota": 1}, {"name": "Seat"}, {"name": "Choir", "hidden": True})
    for kind in kinds:
        assert api.post(types, kind, headers=organizer).status_code == 201
    pairs = {"code": "PAIR", "types": [3], "maxPerBooking": 2}
    for made in (pairs, {"code": "GONE", "limit": 1}):
        assert api.post(codes, made, headers=organizer).status_code == 201
    one = [{"type": number, "tickets": 1} for number in (1, 2, 3, 9)]
    assert ask(api, event_id, items=one[:1], code="gone").status_code == 202
    asked: list[dict[str, Any]] = [{}, {"tickets": 99}, {"items": [{"type": 3, "tickets": 3}]}]
    asked = [*asked, *({"items": [item]} for item in one)]
    found = set()
    asked = [{**each, **code} for each in asked for code in ({}, {"code": "pair"})]
    for number, more in enumerate(asked):
        new = f"new{number}@example.org"
        answers = [ask(api, event_id, who, **more) for who in (new, ADA)]
        assert len({answer.get_data() for answer in answers}) == 1, more
        found.add((answers[0].status_code, answers[0].get_json().get("code")))
    refusals = ("choose_ticket_type", "unknown_code", "invalid_input")
    assert found == {(202, None), (409, "sold_out"), *((400, code) for code in refusals)}
    for code in ("GONE", "NO"):
        answers = [ask(api, event_id, who, items=one[1:2], code=code) for who in ("x@y.org", ADA)]
        assert len({answer.get_data() for answer in answers}) == 1
