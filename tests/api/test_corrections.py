"""A booking's name and address are corrected, and its link is replaced."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.api.conftest import Api
from webapp.booking import corrections, links
from webapp.booking.links import Token
from webapp.booking.queries import find_booking
from webapp.extensions import db

ADA, GRACE = "ada@example.org", "grace@example.org"


def mails(api: Api) -> list[tuple[str, str]]:
    """Kind and recipient of what is to be sent."""
    with api.app.app_context(), db.engine.connect() as connection:
        found = connection.execute(text("SELECT what, recipient FROM delivery ORDER BY id"))
        return [(row.what, row.recipient) for row in found]


def token_of(reference: str, address: str) -> Token:
    booking = find_booking(reference).booking
    return Token(booking.event_id, booking.position, links.state_of(booking), address)


def facts(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json().get("code", "")


@pytest.fixture
def booked(api: Api, organizer: dict[str, str]) -> str:
    """The reference of Ada's booking."""
    made = api.book(api.event(organizer), ADA, tickets=3, name="Ada")
    return str(made["bookingReference"])


def test_name_is_corrected_at_once(api: Api, booked: str) -> None:
    response = api.patch(f"/bookings/{booked}", {"name": " Grace "})
    assert response.status_code == 200
    assert response.get_json() == {
        "message": "The name is corrected.",
        "bookingReference": booked,
        "tickets": 3,
        "promoted": 0,
    }
    assert api.get(f"/bookings/{booked}").get_json()["name"] == "Grace"
    again = api.patch(f"/bookings/{booked}", {"name": "Grace"})
    assert again.get_json()["message"] == "It is so already."


def test_new_email_counts_once_its_mail_was_answered(api: Api, booked: str) -> None:
    response = api.patch(f"/bookings/{booked}", {"name": "Grace", "email": "GRACE@example.org"})
    assert response.status_code == 200
    assert response.get_json()["message"] == (
        "The name is corrected."
        " The new email counts once the button behind the mail to it was pressed."
    )
    shown = api.get(f"/bookings/{booked}").get_json()
    assert (shown["email"], shown["userId"], shown["name"]) == (ADA, ADA, "Grace")
    assert mails(api) == [("confirmed", ADA), ("new_address", GRACE)]
    with api.app.app_context():
        corrections.set_address(token_of(booked, GRACE))
    shown = api.get(f"/bookings/{booked}").get_json()
    assert (shown["email"], shown["userId"]) == (GRACE, GRACE)


def test_organizer_corrects_with_their_own_name_in_the_history(
    api: Api, organizer: dict[str, str], booked: str
) -> None:
    response = api.patch(f"/bookings/{booked}", {"name": "Grace"}, headers=organizer)
    assert response.get_json()["promoted"] == []
    with api.app.app_context(), db.engine.connect() as connection:
        lines = connection.execute(text("SELECT actor, details FROM activity ORDER BY id DESC"))
        actor, details = lines.first() or ("", "")
    assert actor.startswith("organizer:")
    assert "Grace" not in str(details)


def test_repeated_correction_asks_once(api: Api, booked: str) -> None:
    key = {"Idempotency-Key": "k"}
    answers = [
        api.patch(f"/bookings/{booked}", {"email": GRACE}, headers=key).get_json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert mails(api).count(("new_address", GRACE)) == 1
    other = api.patch(f"/bookings/{booked}", {"name": "Eve"}, headers=key)
    assert facts(other) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tickets"),
        ({"tickets": None}, "tickets"),
        ({"tickets": 1, "name": "Grace"}, "tickets"),
        ({"tickets": 1, "email": GRACE}, "tickets"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"email": "grace"}, "email"),
        ({"reference": "x"}, "reference"),
    ],
)
def test_wrong_correction_changes_nothing(
    api: Api, booked: str, body: dict[str, Any], field: str
) -> None:
    before = api.get(f"/bookings/{booked}").get_json()
    response = api.patch(f"/bookings/{booked}", body)
    assert facts(response) == (400, "invalid_input")
    assert set(response.get_json()["errors"]) == {field}
    assert api.get(f"/bookings/{booked}").get_json() == before


def test_address_does_not_tell_whether_it_has_a_booking(
    api: Api, organizer: dict[str, str], booked: str
) -> None:
    event_id = api.get(f"/bookings/{booked}").get_json()["eventId"]
    api.book(event_id, GRACE)
    answers = [
        api.patch(f"/bookings/{booked}", {"email": email}) for email in (GRACE, "bob@example.org")
    ]
    assert answers[0].get_json() == answers[1].get_json()
    assert answers[0].status_code == 200


def test_one_booking_has_few_addresses_of_others_asked(api: Api, booked: str) -> None:
    answers = [
        api.patch(f"/bookings/{booked}", {"email": f"guest{number}@example.org"})
        for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert api.patch(f"/bookings/{booked}", {"name": "Grace"}).status_code == 200


def test_new_link_is_asked_by_mail_and_made_at_once_for_the_organizer(
    api: Api, organizer: dict[str, str], booked: str
) -> None:
    nameless = api.book(api.event(organizer), 7)["bookingReference"]
    asked = [api.post(f"/bookings/{one}/replace") for one in (booked, nameless)]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].get_json() == asked[1].get_json()
    assert mails(api) == [("confirmed", ADA), ("new_link", ADA)]
    assert api.get(f"/bookings/{booked}").status_code == 200
    done = api.post(f"/bookings/{booked}/replace", headers=organizer)
    assert done.status_code == 202
    assert mails(api)[-1] == ("link_replaced", ADA)
    refused = api.post(f"/bookings/{nameless}/replace", headers=organizer)
    assert facts(refused) == (409, "no_address")
    # With another organizer's login one is an attendee like any other.
    eve = api.organizer("eve")
    assert api.post(f"/bookings/{nameless}/replace", headers=eve).get_json() == (
        asked[0].get_json()
    )


def test_replaced_reference_is_gone_in_every_call_and_the_key_answers_as_it_did(
    api: Api, organizer: dict[str, str]
) -> None:
    body = {"userId": ADA, "eventId": api.event(organizer)}
    key = {"Idempotency-Key": "k"}
    first = api.post("/events/book", body, headers=key).get_json()
    old = first["bookingReference"]
    api.post(f"/bookings/{old}/replace", headers=organizer)
    for response in (
        api.get(f"/bookings/{old}"),
        api.patch(f"/bookings/{old}", {"tickets": 1}),
        api.patch(f"/bookings/{old}", {"name": "Eve"}),
        api.post(f"/bookings/{old}/replace"),
        api.post("/events/cancel", {"bookingReference": old}),
    ):
        assert facts(response) == (410, "link_replaced")
        assert response.get_json()["detail"] == "This link was replaced. The new one was mailed."
        assert "errors" not in response.get_json()
    assert api.post("/events/book", body, headers=key).get_json() == first
    never = api.get(f"/bookings/{old[:-1]}")
    assert facts(never) == (404, "booking_not_found")


def test_ticket_is_given_to_somebody_else_once(
    api: Api, organizer: dict[str, str], booked: str
) -> None:
    body, key = {"name": "Grace", "email": "GRACE@example.org"}, {"Idempotency-Key": "k"}
    answers = [api.post(f"/bookings/{booked}/give", body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].get_json() == answers[1].get_json()
    # No mails are sent here, so whoever gives it passes the reference on.
    new = answers[0].get_json()["bookingReference"]
    shown = api.get(f"/bookings/{new}").get_json()
    assert (shown["email"], shown["userId"], shown["name"]) == (GRACE, GRACE, "Grace")
    assert (shown["status"], shown["tickets"]) == ("confirmed", 3)
    gone = api.get(f"/bookings/{booked}")
    assert facts(gone) == (410, "link_replaced")
    assert "was given to Grace." in gone.get_json()["detail"]
    other = api.post(f"/bookings/{booked}/give", {**body, "name": "Eve"}, headers=key)
    assert facts(other) == (422, "idempotency_key_reused")
    assert facts(api.post(f"/bookings/{booked}/give", body)) == (410, "link_replaced")


def test_wrong_gift_changes_nothing(api: Api, organizer: dict[str, str], booked: str) -> None:
    event_id = api.get(f"/bookings/{booked}").get_json()["eventId"]
    api.book(event_id, GRACE)
    before = api.get(f"/bookings/{booked}").get_json()
    for body, told in (
        ({"name": "Grace"}, (400, "invalid_input")),
        ({"name": " ", "email": GRACE}, (400, "invalid_input")),
        ({"name": "Ada", "email": ADA}, (400, "invalid_input")),
        ({"name": "Grace", "email": GRACE}, (409, "already_booked")),
    ):
        assert facts(api.post(f"/bookings/{booked}/give", body)) == told
    assert mails(api)[-1] == ("links", GRACE)
    assert api.get(f"/bookings/{booked}").get_json() == before


def test_mailed_reference_is_told_to_the_organizer_alone(make_api: Callable[..., Api]) -> None:
    api = make_api(MAIL_URL="smtp://127.0.0.1:9", BASE_URL="https://tickets.example.org")
    organizer = api.organizer()
    plain, asking = api.event(organizer), api.event(organizer, asksAddress=True)
    body = {"name": "Grace", "email": GRACE}
    first = api.book(plain, ADA)["bookingReference"]
    told = api.post(f"/bookings/{first}/give", body)
    assert (told.status_code, told.get_json()["bookingReference"]) == (200, None)
    second = api.post("/events/book", {"userId": ADA, "eventId": asking}, headers=organizer)
    path = f"/bookings/{second.get_json()['bookingReference']}/give"
    assert api.post(path, body).status_code == 202
    told = api.post(path, body, headers=organizer)
    assert told.status_code == 200
    assert api.get(f"/bookings/{told.get_json()['bookingReference']}").get_json()["email"] == GRACE


def test_cancelled_event_says_why(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    path = f"/events/{event_id}/cancel"
    for reason in ("x" * 1001, "a\x07", 7):
        assert facts(api.post(path, {"reason": reason}, headers=organizer))[0] == 400
    assert api.get(f"/events/{event_id}").get_json()["cancelReason"] is None
    made = api.post(path, {"reason": " The hall is closed. "}, headers=organizer)
    assert made.get_json()["cancelReason"] == "The hall is closed."
    again = api.post(path, {"reason": "another"}, headers=organizer)
    assert again.get_json()["cancelReason"] == "The hall is closed."
    assert api.get(f"/events/{event_id}").get_json()["cancelReason"] == "The hall is closed."
    other = api.event(organizer)
    assert api.post(f"/events/{other}/cancel", headers=organizer).status_code == 200
