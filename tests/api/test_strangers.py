"""Whom a caller without an organizer's login may book for, and what that leaves behind."""

import hashlib
import hmac
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import Api
from webapp.booking.services import book_tickets
from webapp.extensions import db
from webapp.storage import idempotency

NORMAL = "victim@bücher.example"
SPELLINGS = [
    NORMAL,
    "Victim@BÜCHER.example",
    "victim@bu\u0308cher.example",
    "VICTIM@xn--bcher-kva.EXAMPLE",
]
NO_ADDRESSES = ["@", "a@", "@b.org", "a@b", "a b@example.org", "a@b@example.org", "a@example..org"]


def seen(api: Api, made: dict[str, Any]) -> tuple[str, str | None]:
    """Who a booking is for, and where it is told."""
    shown = api.get(f"/bookings/{made['bookingReference']}").get_json()
    return shown["userId"], shown["email"]


def refused(api: Api, **body: Any) -> set[str]:
    response = api.post("/events/book", body)
    assert response.status_code == 400, response.get_json()
    return set(response.get_json()["errors"])


@pytest.mark.parametrize("user_id", SPELLINGS)
def test_address_is_one_attendee_and_told_however_it_is_written(
    api: Api, organizer: dict[str, str], user_id: str
) -> None:
    event_id = api.event(organizer)
    made = api.book(event_id, user_id)
    assert made["userId"] == user_id
    assert seen(api, made) == (NORMAL, NORMAL)
    for same in SPELLINGS:
        again = api.post("/events/book", {"userId": same, "eventId": event_id})
        assert again.get_json()["code"] == "already_booked"


@pytest.mark.parametrize("email", SPELLINGS)
def test_email_may_repeat_the_address(api: Api, organizer: dict[str, str], email: str) -> None:
    made = api.book(api.event(organizer), "victim@bücher.EXAMPLE", email=email)
    assert made["userId"] == "victim@bücher.EXAMPLE"
    assert seen(api, made) == (NORMAL, NORMAL)


def test_address_cannot_be_told_elsewhere(api: Api, organizer: dict[str, str]) -> None:
    body = {"userId": "victim@example.org", "eventId": api.event(organizer)}
    assert refused(api, **body, email="eve@example.org") == {"email"}
    assert refused(api, **body, email="victim@example.com") == {"email"}


@pytest.mark.parametrize("user_id", NO_ADDRESSES)
def test_text_with_an_at_sign_has_to_be_an_address(
    api: Api, organizer: dict[str, str], user_id: str
) -> None:
    body = {"userId": user_id, "eventId": api.event(organizer)}
    assert refused(api, **body) == {"userId"}
    assert refused(api, **body, email="victim@example.org") == {"userId"}


def test_one_address_is_not_booked_twice_under_other_ids(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer)
    for user_id in (1, "bob"):
        body = {"userId": user_id, "eventId": event_id}
        assert refused(api, **body, email="Victim@example.org") == {"email"}
        assert seen(api, api.book(event_id, user_id)) == (str(user_id), None)
    assert seen(api, api.book(event_id, "victim@example.org"))[0] == "victim@example.org"
    again = {"userId": "VICTIM@example.org", "eventId": event_id}
    assert api.post("/events/book", again).status_code == 409


def test_organizer_names_any_address_for_their_own_event_alone(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id, eve = api.event(organizer), api.organizer("eve")
    book = {"eventId": event_id, "userId": "ada@example.org"}
    elsewhere = {**book, "email": "secretary@example.org"}
    assert api.post("/events/book", elsewhere, headers=eve).status_code == 400
    assert api.post("/events/book", {**book, "userId": "a@b"}, headers=eve).status_code == 400
    made = api.post("/events/book", elsewhere, headers=organizer)
    assert seen(api, made.get_json()) == ("ada@example.org", "secretary@example.org")
    made = api.post("/events/book", {**book, "userId": "A@b"}, headers=organizer)
    assert made.get_json()["userId"] == "A@b"
    assert seen(api, made.get_json()) == ("a@b", None)
    body = {"eventId": event_id, "userId": "A@b"}
    assert api.post("/events/cancel", body, headers=organizer).status_code == 200


def test_organizer_cancels_by_the_address_as_it_was_sent(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer)
    for user_id in SPELLINGS:
        made = api.book(event_id, user_id)
        body = {"eventId": event_id, "userId": user_id}
        cancelled = api.post("/events/cancel", body, headers=organizer).get_json()
        assert cancelled["bookingReference"] == made["bookingReference"]


def deliveries() -> list[tuple[str, str]]:
    with db.engine.connect() as connection:
        query = text("SELECT what, recipient FROM delivery ORDER BY id")
        return [(row.what, row.recipient) for row in connection.execute(query)]


def test_address_hears_of_each_booking_and_each_try(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    body = {"userId": "Victim@example.org", "eventId": event_id}
    with api.app.app_context():
        assert api.post("/events/book", body).status_code == 201
        assert deliveries() == [("confirmed", "victim@example.org")]
        for _ in range(5):
            assert api.post("/events/book", body).status_code == 409
        # How many of them leave is decided when they are sent.
        assert deliveries()[1:] == [("links", "victim@example.org")] * 5


def test_organizers_try_and_id_without_an_address_leave_no_mail(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer)
    with api.app.app_context():
        for user_id in ("victim@example.org", "bob"):
            body = {"userId": user_id, "eventId": event_id}
            assert api.post("/events/book", body, headers=organizer).status_code == 201
        assert api.post("/events/book", body).status_code == 409
        body = {"userId": "victim@example.org", "eventId": event_id}
        assert api.post("/events/book", body, headers=organizer).status_code == 409
        assert deliveries() == []


def test_key_from_before_is_answered_as_it_was(api: Api, organizer: dict[str, str]) -> None:
    """What a key is bound to is the request as it was sent, not what has been made of it."""
    event_id = api.event(organizer)
    body = {"userId": "Victim@example.org", "eventId": event_id}
    content = {**body, "tickets": 1, "name": "", "email": None}
    with api.app.app_context():
        secret = str(api.app.secret_key).encode()
        client = hmac.digest(secret, b"127.0.0.1", hashlib.sha256).hex()[:32]
        key = idempotency.bind_key("book", caller=f"client:{client}", key="k", **content)
        made = book_tickets(event_id, attendee_id="victim@example.org", key=key)
    answer = api.post("/events/book", body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201
    assert answer.get_json()["bookingReference"] == made.reference
    assert answer.get_json()["userId"] == "Victim@example.org"
    other = {**body, "userId": "victim@example.org"}
    answer = api.post("/events/book", other, headers={"Idempotency-Key": "k"})
    assert answer.get_json()["code"] == "idempotency_key_reused"


def test_document_tells_how_strangers_name_an_attendee(api: Api) -> None:
    book = api.document["paths"]["/api/events/book"]["post"]
    assert "@" in book["description"]
    assert "email" in book["description"]


def test_at_most_ten_mistakes_are_listed(api: Api, organizer: dict[str, str]) -> None:
    assert (
        api.document["components"]["schemas"]["Problem"]["properties"]["errors"]["maxProperties"]
        == 10
    )
    unknown = {f"field{number}": number for number in range(9_000)}
    answer = api.post("/events/book", {"userId": "", **unknown})
    errors = answer.get_json()["errors"]
    assert answer.status_code == 400
    assert len(errors) == 10
    assert {"userId", "eventId", "field0", "field1"} <= errors.keys()
    assert len(answer.get_data()) < 2_000
    assert api.post("/events/initialize", unknown, headers=organizer).status_code == 400
