"""The four fixed calls, to the letter."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import PASSWORD, Api, basic
from webapp.accounts import services as accounts

pytestmark = pytest.mark.every_database


def test_organizer_initializes_an_event_that_is_open_at_once(
    api: Api, organizer: dict[str, str]
) -> None:
    body = {"eventName": "conference", "totalTickets": 100}
    response = api.post("/events/initialize", body, headers=organizer)
    assert response.status_code == 201
    made = response.get_json()
    assert made["id"] == made["eventId"]
    assert (made["eventName"], made["totalTickets"]) == ("conference", 100)
    assert (made["availableTickets"], made["waitingListCount"]) == (100, 0)
    assert made["status"] == "published"
    assert response.headers["Location"] == f"/api/events/{made['id']}"
    assert api.book(made["id"], 1)["status"] == "confirmed"


def test_initialize_takes_every_field_of_an_event(api: Api, organizer: dict[str, str]) -> None:
    body = {
        "eventName": "Konferenz für Ärzte",
        "totalTickets": 7,
        "description": "Zwei Tage\nim Mai 🎟",
        "location": "Halle 1",
        "timeZone": "Europe/Berlin",
        "startsAt": "2027-05-03T19:30",
        "endsAt": "2027-05-03T22:00:00+02:00",
        "salesOpenAt": "2026-01-01T00:00",
        "salesCloseAt": None,
        "cancelUntil": "2027-05-01T12:00Z",
        "maxTicketsPerBooking": 4,
        "waitingListLimit": 0,
        "status": "draft",
    }
    made = api.post("/events/initialize", body, headers=organizer).get_json()
    read = api.get(f"/events/{made['id']}", headers=organizer).get_json()
    assert read == made
    assert made["startsAt"] == "2027-05-03T17:30:00Z"
    assert made["endsAt"] == "2027-05-03T20:00:00Z"
    assert made["salesOpenAt"] == "2025-12-31T23:00:00Z"
    assert made["cancelUntil"] == "2027-05-01T12:00:00Z"
    same = ("eventName", "totalTickets", "description", "location", "timeZone", "status")
    assert {name: made[name] for name in same} == {name: body[name] for name in same}


def test_initialize_needs_an_organizer(api: Api) -> None:
    response = api.post("/events/initialize", {"eventName": "conference", "totalTickets": 100})
    assert response.status_code == 401
    assert "Basic" in response.headers["WWW-Authenticate"]


def test_organizer_may_use_username_and_password(api: Api) -> None:
    with api.app.app_context():
        accounts.create_organizer(username="ada", password=PASSWORD)
    assert api.event(basic("ada")) > 0


@pytest.mark.parametrize("user_id", [1, "1-a", "ädä 🎟", "x" * 64, 2**53])
def test_book_echoes_the_user_id_with_its_type(
    api: Api, organizer: dict[str, str], user_id: int | str
) -> None:
    event_id = api.event(organizer)
    made = api.book(event_id, user_id)
    assert made["userId"] == user_id
    assert type(made["userId"]) is type(user_id)
    assert made["status"] == "confirmed"
    assert made["eventId"] == event_id
    assert made["tickets"] == 1
    assert made["message"]
    assert len(made["bookingReference"]) >= 16
    assert "waitingListPosition" not in made


def test_full_event_puts_newcomer_on_waiting_list(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    api.book(event_id, 1)
    waiting = [api.book(event_id, user_id) for user_id in (2, 3)]
    assert [made["status"] for made in waiting] == ["waiting", "waiting"]
    assert [made["waitingListPosition"] for made in waiting] == [1, 2]
    assert all(made["bookingReference"] for made in waiting)


def test_book_takes_tickets_name_and_address(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    made = api.book(event_id, "ada@example.org", tickets=3, name="Ada", email="Ada@Example.org")
    assert made["tickets"] == 3
    seen = api.get(f"/bookings/{made['bookingReference']}").get_json()
    assert (seen["name"], seen["email"], seen["tickets"]) == ("Ada", "ada@example.org", 3)


def test_same_attendee_is_refused_a_second_booking(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    api.book(event_id, 1)
    for same in (1, "1"):
        response = api.post("/events/book", {"userId": same, "eventId": event_id})
        assert response.status_code == 409
        assert response.get_json()["code"] == "already_booked"
        assert "bookingReference" not in response.get_json()


@pytest.mark.parametrize("event_id", [999_999, 2**63 - 1])
def test_unknown_event_is_not_found(api: Api, organizer: dict[str, str], event_id: int) -> None:
    calls = [
        api.post("/events/book", {"userId": 1, "eventId": event_id}),
        api.post("/events/cancel", {"userId": 1, "eventId": event_id}, headers=organizer),
        api.post("/events/book", {"userId": 1, "eventId": event_id}, headers=organizer),
        api.get(f"/events/status/{event_id}"),
        api.get(f"/events/{event_id}"),
    ]
    assert [(r.status_code, r.get_json()["code"]) for r in calls] == [(404, "event_not_found")] * 5


@pytest.mark.parametrize("event_id", ["0", "-1", "abc", "1.5", "9" * 30, "1%00", "%ff"])
def test_path_that_names_no_event_is_not_found(api: Api, event_id: str) -> None:
    assert api.get(f"/events/status/{event_id}").status_code == 404


def test_status_tells_the_truth_after_each_step(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=2)

    def figures() -> tuple[int, int, int, int]:
        status = api.status(event_id)
        assert (status["eventId"], status["eventName"]) == (event_id, "Conference")
        assert (status["status"], status["startsAt"]) == ("published", None)
        names = ("totalTickets", "availableTickets", "bookedTickets", "waitingListCount")
        total, available, booked, waiting = (status[name] for name in names)
        return total, available, booked, waiting

    assert figures() == (2, 2, 0, 0)
    first = api.book(event_id, 1)
    assert figures() == (2, 1, 1, 0)
    api.book(event_id, 2)
    api.book(event_id, 3)
    assert figures() == (2, 0, 2, 1)
    api.post("/events/cancel", {"bookingReference": first["bookingReference"]})
    assert figures() == (2, 0, 2, 0)
    api.post("/events/cancel", {"userId": 2, "eventId": event_id}, headers=organizer)
    assert figures() == (2, 1, 1, 0)


def test_organizer_cancels_by_user_and_event_and_sees_who_moved_up(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=2)
    held = api.book(event_id, 1, tickets=2)
    next_two = [api.book(event_id, user_id)["bookingReference"] for user_id in (2, 3)]
    body = {"userId": 1, "eventId": event_id}
    answers = [api.post("/events/cancel", body, headers=organizer) for _ in range(2)]
    assert [response.status_code for response in answers] == [200, 200]
    done, again = (response.get_json() for response in answers)
    assert done["bookingReference"] == held["bookingReference"]
    assert done["promoted"] == next_two
    assert done["message"]
    assert again == done
    for reference in next_two:
        assert api.get(f"/bookings/{reference}").get_json()["status"] == "confirmed"


def test_holder_of_the_reference_cancels_and_learns_only_how_many_moved_up(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=1)
    reference = api.book(event_id, 1)["bookingReference"]
    api.book(event_id, 2)
    body = {"bookingReference": reference}
    first, second = (api.post("/events/cancel", body) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.get_json()["promoted"] == 1
    assert first.get_json()["bookingReference"] == reference
    assert second.get_json() == first.get_json()


def test_organizer_sees_references_also_when_cancelling_by_reference(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=1)
    body = {"bookingReference": api.book(event_id, 1)["bookingReference"]}
    next_one = api.book(event_id, 2)["bookingReference"]
    done = api.post("/events/cancel", body, headers=organizer).get_json()
    assert done["promoted"] == [next_one]


def test_cancel_without_credentials_or_reference_is_unauthorized(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer)
    api.book(event_id, 1)
    response = api.post("/events/cancel", {"userId": 1, "eventId": event_id})
    assert response.status_code == 401
    assert "WWW-Authenticate" in response.headers
    assert api.status(event_id)["bookedTickets"] == 1


def test_another_organizer_cancels_nothing(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    reference = api.book(event_id, 1)["bookingReference"]
    api.book(event_id, 2)
    other = api.organizer("eve")
    response = api.post("/events/cancel", {"userId": 1, "eventId": event_id}, headers=other)
    assert response.status_code == 404
    assert api.status(event_id)["bookedTickets"] == 1
    # With the reference they are an attendee like any other.
    response = api.post("/events/cancel", {"bookingReference": reference}, headers=other)
    assert (response.status_code, response.get_json()["promoted"]) == (200, 1)


def test_unknown_booking_is_not_found(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    answers = [
        api.post("/events/cancel", {"userId": 404, "eventId": event_id}, headers=organizer),
        api.post("/events/cancel", {"bookingReference": "x" * 22}),
        api.get("/bookings/" + "x" * 22),
        api.get("/bookings/%C3%A4%F0%9F%8E%9F"),
        api.get("/bookings/" + "x" * 500),
        api.patch("/bookings/" + "x" * 22, {"tickets": 1}),
    ]
    found = [(r.status_code, r.get_json()["code"]) for r in answers]
    assert found == [(404, "booking_not_found")] * len(answers)


def test_draft_is_hidden_from_everybody_but_its_organizer(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, status="draft")
    other = api.organizer("eve")
    for headers in ({}, other):
        assert api.get(f"/events/{event_id}", headers=headers).status_code == 404
        assert api.get(f"/events/status/{event_id}", headers=headers).status_code == 404
        body = {"userId": 1, "eventId": event_id}
        assert api.post("/events/book", body, headers=headers).status_code == 404
    assert api.get(f"/events/{event_id}", headers=organizer).status_code == 200


def test_event_that_is_not_open_says_why(api: Api, organizer: dict[str, str]) -> None:
    now = datetime.now(UTC)
    soon, past = (now + timedelta(days=1)).isoformat(), (now - timedelta(days=1)).isoformat()
    closed = [
        api.event(organizer, salesOpenAt=soon),
        api.event(organizer, salesCloseAt=past),
        api.event(organizer, startsAt=past),
    ]
    for event_id in closed:
        response = api.post("/events/book", {"userId": 1, "eventId": event_id})
        assert (response.status_code, response.get_json()["code"]) == (409, "event_closed")


def test_waiting_list_that_is_off_or_full_refuses(api: Api, organizer: dict[str, str]) -> None:
    for limit, code in ((0, "sold_out"), (1, "waiting_list_full")):
        event_id = api.event(organizer, totalTickets=1, waitingListLimit=limit)
        for user_id in range(limit + 1):
            api.book(event_id, user_id)
        response = api.post("/events/book", {"userId": 99, "eventId": event_id})
        assert (response.status_code, response.get_json()["code"]) == (409, code)


def test_too_many_tickets_for_one_booking_names_the_field(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, maxTicketsPerBooking=2)
    response = api.post("/events/book", {"userId": 1, "eventId": event_id, "tickets": 3})
    assert response.status_code == 400
    assert response.get_json()["errors"].keys() == {"tickets"}


def test_attendee_cannot_cancel_after_the_deadline_but_the_organizer_can(
    api: Api, organizer: dict[str, str]
) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    event_id = api.event(organizer, cancelUntil=past)
    body = {"bookingReference": api.book(event_id, 1)["bookingReference"]}
    refused = api.post("/events/cancel", body)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "booking_closed")
    assert api.post("/events/cancel", body, headers=organizer).status_code == 200
