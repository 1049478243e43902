"""The calls about an event without ticket types, to the byte: integrations compare them."""

import re

from werkzeug.test import TestResponse

from tests.api.conftest import Api
from webapp.storage.idempotency import bind_key
from webapp.web.booking_schemas import BookRequest
from webapp.web.schemas import from_json

# Of a repeat that comes after an upgrade it has to be the same as before.
HASH_OF_A_BOOKING = "710669c48a7eb6d4d99e242321547e9e704c5b6a8e6299fa06fe30d05be5d008"


def told(response: TestResponse) -> str:
    """The whole body, with the reference and the event's id masked."""
    masked = re.sub(r'"[A-Za-z0-9_-]{22}"', '"REF"', response.get_data(as_text=True))
    return re.sub(r'"(id|eventId)":[0-9]+', r'"\1":1', masked)


def test_plain_event_is_answered_as_it_always_was(api: Api, organizer: dict[str, str]) -> None:
    made = api.post(
        "/events/initialize", {"eventName": "conference", "totalTickets": 2}, headers=organizer
    )
    assert told(made) == (
        '{"id":1,"eventId":1,"eventName":"conference","totalTickets":2,"availableTickets":2,'
        '"bookedTickets":0,"waitingListCount":0,"status":"published","cancelReason":null,'
        '"description":"","location":"","timeZone":"UTC","startsAt":null,"endsAt":null,'
        '"salesOpenAt":null,"salesCloseAt":null,"cancelUntil":null,"maxTicketsPerBooking":10,'
        '"waitingListLimit":null,"asksAddress":false,"stillComingDays":null,'
        '"stillComingLapses":false}'
    )
    event_id = made.get_json()["id"]
    first = api.post("/events/book", {"userId": 1, "eventId": event_id, "tickets": 2})
    assert told(first) == (
        '{"status":"confirmed","message":"The booking is confirmed.","bookingReference":"REF",'
        '"eventId":1,"userId":1,"tickets":2}'
    )
    body = {"userId": "b", "eventId": event_id, "name": "Bo"}
    second = api.post("/events/book", body, headers={"Idempotency-Key": "k"})
    assert told(second) == (
        '{"status":"waiting","message":"No ticket is left: number 1 on the waiting list.",'
        '"bookingReference":"REF","eventId":1,"userId":"b","tickets":1,"waitingListPosition":1}'
    )
    status = api.get(f"/events/status/{event_id}")
    assert told(status) == (
        '{"eventId":1,"eventName":"conference","totalTickets":2,"availableTickets":0,'
        '"bookedTickets":2,"waitingListCount":1,"status":"published","startsAt":null}'
    )
    reduced = api.patch(f"/bookings/{first.get_json()['bookingReference']}", {"tickets": 1})
    assert told(reduced) == (
        '{"message":"The booking is for 1 ticket now.","bookingReference":"REF","tickets":1,'
        '"promoted":1}'
    )
    by_reference = {"bookingReference": first.get_json()["bookingReference"]}
    assert told(api.post("/events/cancel", by_reference)) == (
        '{"message":"The booking is cancelled.","bookingReference":"REF","tickets":1,"promoted":0}'
    )
    by_ids = api.post("/events/cancel", {"userId": "b", "eventId": event_id}, headers=organizer)
    assert told(by_ids) == (
        '{"message":"The booking is cancelled.","bookingReference":"REF","tickets":1,"promoted":[]}'
    )
    refused = api.post("/events/book", {"userId": 1, "eventId": event_id, "tickets": 11})
    assert told(refused).startswith(
        '{"code":"invalid_input","detail":"tickets: Ask for at most 2.",'
        '"errors":{"tickets":"Ask for at most 2."},"status":400,"title":"Invalid input",'
    )


def test_key_of_a_plain_booking_is_bound_to_what_it_always_was() -> None:
    asked = from_json(BookRequest, {"userId": "b", "eventId": 1, "name": "Bo"})
    key = bind_key("book", caller="", key="", **asked.model_dump())
    assert key.content_hash == HASH_OF_A_BOOKING
