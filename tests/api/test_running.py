"""What the API says of an event that runs, and of dates that may be a slip."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Api


def at(**distance: float) -> str:
    return (datetime.now(UTC) + timedelta(**distance)).isoformat()


def test_event_that_runs_is_listed_and_sells_past_its_list(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=3)
    for user, tickets in ((1, 2), (2, 3)):
        api.post("/events/book", {"userId": user, "eventId": event_id, "tickets": tickets})
    runs = {"startsAt": at(hours=-1), "endsAt": at(hours=2), "salesCloseAt": at(hours=1)}
    changed = api.patch(f"/events/{event_id}", runs, headers=organizer).get_json()
    assert (changed["availableTickets"], changed["waitingListCount"]) == (1, 1)
    assert "warnings" not in changed
    listed = api.get("/events").get_json()["events"]
    assert [event["id"] for event in listed] == [event_id]
    too_many = api.post("/events/book", {"userId": 3, "eventId": event_id, "tickets": 2})
    assert (too_many.status_code, too_many.get_json()["code"]) == (409, "sold_out")
    assert "its waiting list ended with its start" in too_many.get_json()["detail"]
    sold = api.post("/events/book", {"userId": 3, "eventId": event_id})
    assert sold.get_json()["status"] == "confirmed"
    status = api.get(f"/events/status/{event_id}").get_json()
    assert (status["availableTickets"], status["waitingListCount"]) == (0, 0)
    over = {"startsAt": at(hours=-3), "endsAt": at(hours=-1), "salesCloseAt": None}
    told = api.patch(f"/events/{event_id}", over, headers=organizer).get_json()
    assert "startsAt" in told["warnings"]
    assert api.get("/events").get_json()["events"] == []
    late = api.post("/events/book", {"userId": 4, "eventId": event_id}).get_json()
    assert (late["code"], late["detail"]) == ("event_closed", "This event is over.")


@pytest.mark.parametrize("field", ["startsAt", "salesCloseAt"])
def test_published_event_that_nobody_can_book_comes_with_a_warning(
    api: Api, organizer: dict[str, str], field: str
) -> None:
    event = {"eventName": "Slip", "totalTickets": 5, field: at(hours=-30)}
    headers = {**organizer, "Idempotency-Key": f"a key for {field}"}
    told = [api.post("/events/initialize", event, headers=headers).get_json() for _ in range(2)]
    assert told[0] == told[1]
    assert list(told[0]["warnings"]) == [field]
    assert "lies in the past" in told[0]["warnings"][field]
    draft = api.post("/events/initialize", {**event, "status": "draft"}, headers=organizer)
    assert "warnings" not in draft.get_json()
    published = api.post(f"/events/{draft.get_json()['id']}/publish", headers=organizer)
    assert list(published.get_json()["warnings"]) == [field]


def test_nonsense_of_dates_names_all_its_fields(api: Api, organizer: dict[str, str]) -> None:
    event = {
        "eventName": "Slip",
        "totalTickets": 5,
        "startsAt": "2031-05-03T10:00",
        "salesCloseAt": "2031-09-01T00:00",
        "cancelUntil": "2031-09-01T00:00",
    }
    refused = api.post("/events/initialize", event, headers=organizer)
    assert refused.status_code == 400
    assert refused.get_json()["errors"].keys() == {"salesCloseAt", "cancelUntil"}


def test_organizer_books_past_the_doors_of_sale_by_saying_so(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, startsAt=at(hours=-1), endsAt=at(hours=1))
    asked = {"userId": 1, "eventId": event_id, "pastSale": True}
    stranger = api.post("/events/book", asked)
    assert (stranger.status_code, list(stranger.get_json()["errors"])) == (400, ["pastSale"])
    unsaid = api.post("/events/book", {"userId": 1, "eventId": event_id}, headers=organizer)
    assert unsaid.get_json()["code"] == "event_closed"
    booked = api.post("/events/book", asked, headers=organizer)
    assert (booked.status_code, booked.get_json()["status"]) == (201, "confirmed")
