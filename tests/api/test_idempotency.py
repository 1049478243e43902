"""The same key and content: one effect, one answer."""

import threading
from typing import Any

import pytest

from tests.api.conftest import Api

pytestmark = pytest.mark.every_database


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


def test_repeated_booking_gets_the_same_answer(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    body = {"userId": 1, "eventId": event_id}
    answers = [api.post("/events/book", body, headers=key("k")) for _ in range(3)]
    assert [r.status_code for r in answers] == [201] * 3
    assert len({r.get_data() for r in answers}) == 1
    assert api.status(event_id)["bookedTickets"] == 1


def test_repeated_booking_still_tells_the_rank_it_told(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    held = api.book(event_id, 1)
    body = {"userId": 2, "eventId": event_id}
    first = api.post("/events/book", body, headers=key("k")).get_json()
    api.post("/events/cancel", {"bookingReference": held["bookingReference"]})
    assert api.post("/events/book", body, headers=key("k")).get_json() == first


def test_twenty_at_once_get_one_booking(api: Api, organizer: dict[str, str]) -> None:
    body = {"userId": 1, "eventId": api.event(organizer)}
    answers: list[tuple[int, bytes]] = []

    def send() -> None:
        client = api.app.test_client()
        response = client.post("/api/events/book", json=body, headers=key("k"))
        answers.append((response.status_code, response.get_data()))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert len(set(answers)) == 1
    assert answers[0][0] == 201


@pytest.mark.parametrize("change", [{"userId": 2}, {"userId": "1"}, {"tickets": 2}, {"name": "x"}])
def test_other_content_under_the_same_key_is_refused(
    api: Api, organizer: dict[str, str], change: dict[str, Any]
) -> None:
    body = {"userId": 1, "eventId": api.event(organizer)}
    api.post("/events/book", body, headers=key("k"))
    response = api.post("/events/book", {**body, **change}, headers=key("k"))
    assert (response.status_code, response.get_json()["code"]) == (422, "idempotency_key_reused")


def test_key_belongs_to_its_caller(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    for number, (headers, address) in enumerate(
        [({}, "192.0.2.1"), ({}, "192.0.2.2"), (organizer, "192.0.2.1")]
    ):
        response = api.post(
            "/events/book",
            {"userId": number, "eventId": event_id},
            headers={**key("k"), **headers},
            environ_overrides={"REMOTE_ADDR": address},
        )
        assert response.status_code == 201


def test_refusal_is_not_kept(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1, waitingListLimit=0)
    held = api.book(event_id, 1)
    body = {"userId": 2, "eventId": event_id}
    assert api.post("/events/book", body, headers=key("k")).status_code == 409
    api.post("/events/cancel", {"bookingReference": held["bookingReference"]})
    assert api.post("/events/book", body, headers=key("k")).status_code == 201


def test_repeated_cancel_gets_the_same_answer(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    api.book(event_id, 1)
    api.book(event_id, 2)
    body = {"userId": 1, "eventId": event_id}
    headers = {**organizer, **key("k")}
    first = api.post("/events/cancel", body, headers=headers).get_json()
    # Another booking of the same attendee is not cancelled by the repeated request.
    api.book(event_id, 1)
    assert api.post("/events/cancel", body, headers=headers).get_json() == first
    assert api.status(event_id)["waitingListCount"] == 1
    other = {"userId": 2, "eventId": event_id}
    assert api.post("/events/cancel", other, headers=headers).status_code == 422


def test_repeated_initialize_makes_one_event(api: Api, organizer: dict[str, str]) -> None:
    body = {"eventName": "conference", "totalTickets": 5, "startsAt": "2027-05-03T19:30"}
    headers = {**organizer, **key("k")}
    first = api.post("/events/initialize", body, headers=headers)
    api.book(first.get_json()["id"], 1)
    second = api.post("/events/initialize", body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_data() == second.get_data()
    other = api.post("/events/initialize", {**body, "totalTickets": 6}, headers=headers)
    assert other.status_code == 422
    assert len(api.get("/organizer/events", headers=organizer).get_json()["events"]) == 1


def test_repeated_reduction_gets_the_same_answer(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=3)
    held = api.book(event_id, 1, tickets=3)
    api.book(event_id, 2)
    path = f"/bookings/{held['bookingReference']}"
    answers = [api.patch(path, {"tickets": 2}, headers=key("k")) for _ in range(2)]
    assert [r.status_code for r in answers] == [200, 200]
    assert answers[0].get_json()["promoted"] == 1
    assert answers[0].get_json() == answers[1].get_json()
    assert api.patch(path, {"tickets": 1}, headers=key("k")).status_code == 422


@pytest.mark.parametrize("value", ["", "x" * 256, "a\tb", "ä"])
def test_unusable_key_is_named(api: Api, organizer: dict[str, str], value: str) -> None:
    body = {"userId": 1, "eventId": api.event(organizer)}
    environ = {"HTTP_IDEMPOTENCY_KEY": value}
    response = api.post("/events/book", body, environ_overrides=environ)
    assert response.status_code == 400
    assert response.get_json()["errors"].keys() == {"Idempotency-Key"}


def test_longest_key_is_fine(api: Api, organizer: dict[str, str]) -> None:
    body = {"userId": 1, "eventId": api.event(organizer)}
    for _ in range(2):
        assert api.post("/events/book", body, headers=key("~" * 255)).status_code == 201
