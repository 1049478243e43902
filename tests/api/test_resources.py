"""Events, bookings and waiting lists, read and changed one by one."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask

from tests.api.conftest import Api
from tests.support.tools import rows, together

pytestmark = pytest.mark.every_database


def all_pages(
    api: Api, path: str, name: str, *, headers: dict[str, str] | None = None, **query: Any
) -> list[list[dict[str, Any]]]:
    """Every page of a list, by its cursors."""
    pages, cursor = [], ""
    while True:
        asked = {**query, **({"cursor": cursor} if cursor else {})}
        page = api.get(path, query_string=asked, headers=headers).get_json()
        pages.append(page[name])
        if page["nextCursor"] is None:
            return pages
        cursor = page["nextCursor"]


def test_public_list_shows_open_events_soonest_first(api: Api, organizer: dict[str, str]) -> None:
    now = datetime.now(UTC)
    at = [(now + timedelta(days=days)).isoformat() for days in (3, 1, -1)]
    later, sooner = (api.event(organizer, startsAt=start) for start in at[:2])
    undated, same_day = api.event(organizer), api.event(organizer, startsAt=at[1])
    api.event(organizer, startsAt=at[2])
    api.event(organizer, status="draft")
    cancelled = api.event(organizer)
    api.post(f"/events/{cancelled}/cancel", headers=organizer)
    expected = [sooner, same_day, later, undated]
    for limit in (1, 2, 3, 4, 100):
        pages = all_pages(api, "/events", "events", limit=limit)
        assert [event["id"] for page in pages for event in page] == expected
        assert all(len(page) == limit for page in pages[:-1])


def test_public_list_is_searched(api: Api, organizer: dict[str, str]) -> None:
    found = api.event(organizer, eventName="Jazz 100%_night")
    api.event(organizer, eventName="Opera", location="Jazzhaus")
    api.event(organizer, eventName="Theatre")

    def names(search: str) -> list[int]:
        page = api.get("/events", query_string={"search": search}).get_json()
        return [event["id"] for event in page["events"]]

    assert len(names("jazz")) == 2
    assert names("100%_n") == [found]
    assert names("🎟 ä '\";--") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=1e1", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%F0%9F%8E%9F", "cursor"),
        ("cursor=fjE", "cursor"),
        ("cursor=" + "x" * 300, "cursor"),
        ("search=" + "x" * 300, "search"),
    ],
)
def test_wrong_query_is_named(api: Api, query: str, field: str) -> None:
    response = api.get(f"/events?{query}")
    if query == "cursor=fjE":  # it is "~1": an event without a start
        assert response.status_code == 200
        return
    assert response.status_code == 400
    assert response.get_json()["errors"].keys() == {field}


def test_lists_of_an_event_refuse_a_wrong_query(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    for path in (f"/events/{event_id}/bookings", f"/events/{event_id}/waiting"):
        for query, field in (("cursor=-1", "cursor"), ("cursor=²", "cursor"), ("limit=0", "limit")):
            response = api.get(f"{path}?{query}", headers=organizer)
            assert (response.status_code, set(response.get_json()["errors"])) == (400, {field})
    response = api.get(f"/events/{event_id}/bookings?status=gone", headers=organizer)
    assert response.get_json()["errors"].keys() == {"status"}


def test_organizer_lists_own_events_newest_first(api: Api, organizer: dict[str, str]) -> None:
    mine = [api.event(organizer, status=status) for status in ("draft", "published", "draft")]
    api.event(api.organizer("eve"))
    pages = all_pages(api, "/organizer/events", "events", headers=organizer, limit=2)
    assert [[event["id"] for event in page] for page in pages] == [[mine[2], mine[1]], [mine[0]]]


def test_organizer_lists_bookings_in_order(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=3)
    made = [api.book(event_id, user_id, name=f"Guest {user_id}") for user_id in range(5)]
    api.post("/events/cancel", {"bookingReference": made[1]["bookingReference"]})
    path = f"/events/{event_id}/bookings"
    pages = all_pages(api, path, "bookings", headers=organizer, limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    shown = [booking for page in pages for booking in page]
    assert [b["bookingReference"] for b in shown] == [m["bookingReference"] for m in made]
    status = ["confirmed", "cancelled", "confirmed", "confirmed", "waiting"]
    assert [b["status"] for b in shown] == status
    assert [b["userId"] for b in shown] == ["0", "1", "2", "3", "4"]
    for query, count in (("status=confirmed", 3), ("search=guest 4", 1), ("search=🎟ä", 0)):
        page = api.get(f"{path}?{query}", headers=organizer).get_json()
        assert len(page["bookings"]) == count
    reference = made[2]["bookingReference"]
    page = api.get(path, query_string={"search": reference}, headers=organizer).get_json()
    assert [b["userId"] for b in page["bookings"]] == ["2"]


def test_organizer_lists_the_waiting_in_order_with_their_ranks(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=1)
    made = [api.book(event_id, user_id) for user_id in range(7)]
    api.post("/events/cancel", {"bookingReference": made[3]["bookingReference"]})
    pages = all_pages(api, f"/events/{event_id}/waiting", "bookings", headers=organizer, limit=2)
    shown = [(b["userId"], b["waitingListPosition"]) for page in pages for b in page]
    assert shown == [("1", 1), ("2", 2), ("4", 3), ("5", 4), ("6", 5)]


def test_no_list_of_bookings_is_public(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    references = [api.book(event_id, f"secret-{n}")["bookingReference"] for n in range(2)]
    for path in ("/events", f"/events/{event_id}", f"/events/status/{event_id}", "/docs"):
        text = api.client.get(f"/api{path}").get_data(as_text=True)
        assert "secret-" not in text
        assert not any(reference in text for reference in references)


def test_booking_is_read_by_its_reference(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=1)
    first, second, third = (api.book(event_id, user_id) for user_id in range(3))

    def read(made: dict[str, Any]) -> dict[str, Any]:
        response = api.get(f"/bookings/{made['bookingReference']}")
        assert response.headers["Cache-Control"] == "no-store"
        return dict(response.get_json())

    assert read(first)["status"] == "confirmed"
    assert "waitingListPosition" not in read(first)
    assert read(third)["waitingListPosition"] == 2
    api.post("/events/cancel", {"bookingReference": first["bookingReference"]})
    assert [read(made)["status"] for made in (first, second)] == ["cancelled", "confirmed"]
    assert read(third)["waitingListPosition"] == 1
    assert read(third)["eventName"] == "Conference"
    hidden = {"ticketCode", "ticket_code", "position", "id"}
    assert hidden.isdisjoint(read(first))


def test_attendee_keeps_fewer_tickets(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=4)
    path = f"/bookings/{api.book(event_id, 1, tickets=4)['bookingReference']}"
    waiting = [api.book(event_id, user_id)["bookingReference"] for user_id in (2, 3)]
    reduced = api.patch(path, {"tickets": 3}).get_json()
    assert (reduced["tickets"], reduced["promoted"]) == (3, 1)
    by_organizer = api.patch(path, {"tickets": 2}, headers=organizer).get_json()
    assert by_organizer["promoted"] == [waiting[1]]
    for wrong in (0, -1, True, "1", 1.5):
        response = api.patch(path, {"tickets": wrong})
        assert (response.status_code, set(response.get_json()["errors"])) == (400, {"tickets"})
    api.post("/events/cancel", {"bookingReference": path.rpartition("/")[2]})
    assert api.patch(path, {"tickets": 1}).get_json()["code"] == "booking_closed"


def test_attendee_has_more_tickets_while_they_are_free(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, totalTickets=5)
    path = f"/bookings/{api.book(event_id, 1)['bookingReference']}"
    raised = api.patch(path, {"tickets": 3}).get_json()
    assert (raised["tickets"], raised["promoted"]) == (3, 0)
    assert raised["message"] == "The booking is for 3 tickets now."
    assert api.patch(path, {"tickets": 11}).status_code == 400
    refused = api.patch(path, {"tickets": 6})
    assert refused.status_code == 400, "more than there are"
    other = api.book(event_id, 3)["bookingReference"]
    refused = api.patch(path, {"tickets": 5})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "not_free")
    assert "only 1." in refused.get_json()["detail"]
    api.post("/events/cancel", {"bookingReference": other})
    party = api.book(event_id, 2, tickets=3)
    assert party["status"] == "waiting"
    refused = api.patch(path, {"tickets": 4}, headers=organizer)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "not_free")
    assert "while somebody waits" in refused.get_json()["detail"]
    assert api.get(path).get_json()["tickets"] == 3


def test_booking_that_is_next_in_line_takes_what_is_free(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=5)
    api.book(event_id, 1, tickets=3)
    head, behind = (api.book(event_id, user, tickets=4)["bookingReference"] for user in (2, 3))
    path = f"/bookings/{head}"
    assert api.get(path).get_json()["ticketsFreeNow"] == 2
    assert "ticketsFreeNow" not in api.get(f"/bookings/{behind}").get_json()
    for reference, wanted, told in ((behind, 1, "next in line"), (head, 3, "only 2")):
        refused = api.post(f"/bookings/{reference}/take", {"tickets": wanted})
        assert (refused.status_code, refused.get_json()["code"]) == (409, "not_free")
        assert told in refused.get_json()["detail"]
    headers = {"Idempotency-Key": "k"}
    taken = [api.post(f"{path}/take", {"tickets": 2}, headers=headers) for _ in range(2)]
    assert taken[0].get_json() == taken[1].get_json()
    assert (taken[0].get_json()["tickets"], taken[0].get_json()["promoted"]) == (2, 1)
    read = api.get(path).get_json()
    assert (read["status"], read["tickets"]) == ("confirmed", 2)
    assert "ticketsFreeNow" not in read
    assert api.post(f"{path}/take", {"tickets": 1}).get_json()["code"] == "booking_closed"


def test_larger_capacity_promotes_at_once_and_says_whom(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=1)
    made = [api.book(event_id, user_id)["bookingReference"] for user_id in range(4)]
    response = api.patch(f"/events/{event_id}", {"totalTickets": 3}, headers=organizer)
    assert response.status_code == 200
    assert response.get_json()["promoted"] == made[1:3]
    assert api.status(event_id)["waitingListCount"] == 1
    more = {"totalTickets": 10, "eventName": "Larger"}
    changed = api.patch(f"/events/{event_id}", more, headers=organizer).get_json()
    assert changed["promoted"] == made[3:]
    assert (changed["eventName"], changed["availableTickets"]) == ("Larger", 6)


def test_capacity_below_what_is_confirmed_is_refused_with_the_number(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=10)
    api.book(event_id, 1, tickets=7)
    for change in ({"totalTickets": 6}, {"totalTickets": 6, "location": "x"}):
        response = api.patch(f"/events/{event_id}", change, headers=organizer)
        assert response.status_code == 400
        assert "7" in response.get_json()["errors"]["totalTickets"]
    assert api.status(event_id)["totalTickets"] == 10


def test_change_touches_only_what_is_sent(api: Api, organizer: dict[str, str]) -> None:
    fields = {"startsAt": "2027-05-03T19:30", "timeZone": "Europe/Berlin", "waitingListLimit": 3}
    event_id = api.event(organizer, description="Bring\nfriends", **fields)
    before = api.get(f"/events/{event_id}").get_json()
    after = api.patch(f"/events/{event_id}", {"location": "Hall"}, headers=organizer).get_json()
    assert after == {**before, "location": "Hall", "promoted": []}
    after = api.patch(f"/events/{event_id}", {"startsAt": None}, headers=organizer).get_json()
    assert after["startsAt"] is None
    after = api.patch(f"/events/{event_id}", {"waitingListLimit": None}, headers=organizer)
    assert after.get_json()["waitingListLimit"] is None
    assert api.patch(f"/events/{event_id}", {}, headers=organizer).status_code == 200


def test_changes_at_the_same_time_do_not_add_up_to_what_is_refused(
    app: Flask, api: Api, organizer: dict[str, str]
) -> None:
    """Each fits the event as it was, the two together do not."""
    hours = {"startsAt": "2031-07-01T10:00Z", "endsAt": "2031-07-01T12:00Z"}
    event_id = api.event(organizer, **hours)
    changes = ({"startsAt": "2031-07-01T11:30Z"}, {"endsAt": "2031-07-01T11:00Z"})

    def send(change: dict[str, str]) -> int:
        path = f"/api/events/{event_id}"
        return app.test_client().patch(path, json=change, headers=organizer).status_code

    for _ in range(5):
        answers = together(app, [partial(send, change) for change in changes])
        assert sorted(map(str, answers)) == ["200", "400"]
        assert api.patch(f"/events/{event_id}", hours, headers=organizer).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "cancelled"}, "status"),
        ({"totalTickets": 0}, "totalTickets"),
        ({"totalTickets": "7"}, "totalTickets"),
        ({"eventName": ""}, "eventName"),
        ({"endsAt": "2020-01-01T00:00Z"}, "startsAt"),
        ({"id": 5}, "id"),
        ([], "body"),
        (7, "body"),
    ],
)
def test_wrong_change_is_named(
    api: Api, organizer: dict[str, str], change: Any, field: str
) -> None:
    event_id = api.event(organizer)
    response = api.patch(f"/events/{event_id}", change, headers=organizer)
    assert response.status_code == 400
    assert response.get_json()["errors"].keys() == {field}


def test_event_is_published_withdrawn_and_cancelled(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, status="draft")

    def post(verb: str) -> tuple[int, str]:
        response = api.post(f"/events/{event_id}/{verb}", headers=organizer)
        body = response.get_json()
        return response.status_code, str(body.get("code", body["status"]))

    assert post("publish") == (200, "published")
    assert post("publish") == (200, "published")
    assert post("unpublish") == (200, "draft")
    assert post("publish") == (200, "published")
    reference = api.book(event_id, 1)["bookingReference"]
    assert post("unpublish") == (409, "event_closed")
    assert post("cancel") == (200, "cancelled")
    assert post("cancel") == (200, "cancelled")
    assert post("publish") == (409, "event_closed")
    assert api.get(f"/bookings/{reference}").get_json()["status"] == "cancelled"
    assert api.status(event_id)["availableTickets"] == 0
    refused = api.patch(f"/events/{event_id}", {"totalTickets": 200}, headers=organizer)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "event_closed")


def test_polling_costs_a_304_until_something_changes(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    for path in (f"/events/status/{event_id}", f"/events/{event_id}"):
        tag = api.get(path).headers["ETag"]
        same = api.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (same.status_code, same.get_data()) == (304, b"")
        assert same.headers["ETag"] == tag
        assert same.vary.to_header() == api.get(path).vary.to_header()
        api.book(event_id, path)
        new = api.get(path, headers={"If-None-Match": tag})
        assert new.status_code == 200
        assert new.headers["ETag"] != tag


def test_bookings_carry_their_ticket_code_for_the_organizer_alone_in_every_status(
    api: Api, organizer: dict[str, str]
) -> None:
    event_id = api.event(organizer, totalTickets=2)
    made = [api.book(event_id, user_id) for user_id in (1, 2, 3)]
    api.post("/events/cancel", {"bookingReference": made[0]["bookingReference"]})
    made.append(api.book(event_id, 4))
    found = api.get(f"/events/{event_id}/bookings", headers=organizer).get_json()["bookings"]
    assert [row["status"] for row in found] == ["cancelled", "confirmed", "confirmed", "waiting"]
    codes = {row["bookingReference"]: row["ticketCode"] for row in found}
    assert len(set(codes.values())) == 4
    assert all(len(code) == 16 for code in codes.values())
    waits = api.get(f"/events/{event_id}/waiting", headers=organizer).get_json()["bookings"]
    assert [row["ticketCode"] for row in waits] == [codes[made[3]["bookingReference"]]]
    own = api.get(f"/bookings/{made[1]['bookingReference']}").get_json()
    assert "ticketCode" not in own


def test_attendees_are_told_of_a_change_only_if_asked(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    api.book(event_id, "ada@example.org")

    def told() -> int:
        with api.app.app_context():
            return len(rows("SELECT 1 FROM delivery WHERE what = 'event_changed'"))

    path = f"/events/{event_id}"
    for body in ({"location": "Barn"}, {"location": "Mill", "tellAttendees": False}):
        assert api.patch(path, body, headers=organizer).status_code == 200
    assert told() == 0
    wrong = api.patch(path, {"location": "Hall", "tellAttendees": "yes"}, headers=organizer)
    assert (wrong.status_code, [*wrong.get_json()["errors"]]) == (400, ["tellAttendees"])
    body = {"location": "Hall", "tellAttendees": True}
    assert api.patch(path, body, headers=organizer).status_code == 200
    assert told() == 1
    made = {"eventName": "x", "totalTickets": 1, "tellAttendees": True}
    assert api.post("/events/initialize", made, headers=organizer).status_code == 400


def test_event_without_bookings_is_deleted(api: Api, organizer: dict[str, str]) -> None:
    event_id, booked = api.event(organizer), api.event(organizer)
    api.book(booked, 1)
    for headers, status in ((api.organizer("eve"), 404), (organizer, 200), (organizer, 404)):
        assert api.call("DELETE", f"/events/{event_id}", headers=headers).status_code == status
    refused = api.call("DELETE", f"/events/{booked}", headers=organizer)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "event_closed")
