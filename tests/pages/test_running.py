"""An event that runs is listed and may be booked; one that is over says so and names what comes."""

from collections.abc import Callable

import pytest

from tests.pages.conftest import Person, forms_of, text_of
from tests.support.fixtures import Clock
from tests.support.tools import statuses

MakeEvent = Callable[..., int]
Book = Callable[..., str]

PAST, FUTURE = "2025-05-03T10:00", "2031-05-03T10:00"
NOON, MIDNIGHT = "2031-05-03T12:00", "2031-05-04T00:00"


def running(make_event: MakeEvent, now: Clock, **fields: object) -> int:
    """It starts in an hour, runs for two days and sells for one."""
    times = {"starts_at": now.at(hours=1), "ends_at": now.at(hours=49)}
    return make_event(**{**times, "sales_close_at": now.at(hours=25), **fields})


def page_of(person: Person, path: str) -> str:
    return text_of(person.client.get(path, follow_redirects=True))


def test_event_that_runs_is_listed_found_and_booked(
    person: Person, make_event: MakeEvent, book: Book, now: Clock
) -> None:
    event_id = running(make_event, now, name="Festival", tickets=2)
    other = running(make_event, now, name="Matinee", sales_close_at=None)
    waits = [book(event_id, "Grace", 2), book(event_id, "Alan", 1)][1]
    now.go(hours=2)
    assert "Festival" in page_of(person, "/?search=festival")
    listed = page_of(person, "/")
    assert "Sold out" in listed
    assert "waiting list" not in listed
    assert "This event has already started." in listed, "what runs and is not sold is listed, too"
    shown = page_of(person, f"/events/{event_id}")
    assert "The event is on, and its waiting list has ended." in shown
    assert "Your name" not in shown
    assert "This event has already started." in page_of(person, f"/events/{other}")
    waiting = page_of(person, f"/bookings/{waits}")
    assert "The event has started. No more tickets are handed on." in waiting
    assert "tickets are sold while it is on" not in waiting


def test_newcomer_books_what_was_given_back_and_the_list_is_told(
    now: Clock, person: Person, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = running(make_event, now, tickets=2)
    book(event_id, "Grace", 2)
    waits = book(event_id, "Alan", 1)
    now.go(hours=2)
    place = f"/organizer/events/{event_id}/bookings/1/cancel"
    asked = page_of(owner, place)
    assert "loses 2 tickets" in asked
    assert "next in line" not in asked
    owner.submit(place)
    assert "But tickets are sold while it is on" in page_of(person, f"/bookings/{waits}")
    assert "2 of 2 tickets left" in page_of(person, f"/events/{event_id}")
    assert person.book(event_id, "Ada").status_code == 303
    with owner.app.app_context():
        assert statuses(event_id) == ["cancelled", "lapsed", "confirmed"]
    lapsed = page_of(person, f"/bookings/{waits}")
    assert "the event has started, and its waiting list has ended" in lapsed
    assert "Book again" in lapsed
    history = page_of(owner, f"/organizer/events/{event_id}/history")
    assert "Booking 2 lapsed : the waiting list ended when booking 3 got tickets" in history


def test_event_that_is_over_says_so_and_names_what_comes_next(
    now: Clock, person: Person, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = running(make_event, now, name="Festival")
    waits = book(event_id, "Ada", 5) and book(event_id, "Alan", 1)
    coming = make_event(name="Next Festival", starts_at=now.at(days=9))
    now.go(days=5)
    shown = person.client.get(f"/events/{event_id}", follow_redirects=True)
    assert "This event is over. What comes next Next Festival" in text_of(shown)
    assert f'href="/events/{coming}-next-festival"' in shown.text
    assert "availability" not in shown.text.replace('id="availability"', "")
    assert "Festival" not in page_of(person, "/").replace("Next Festival", "")
    assert "The event is over. No more tickets" in page_of(person, f"/bookings/{waits}")
    desk = page_of(owner, f"/organizer/events/{event_id}")
    assert "Over" in desk
    assert "Share this link" not in desk
    assert "Festival" in page_of(owner, "/organizer?show=past")


def test_form_that_is_wrong_is_marked_everywhere_at_once(
    person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=50)
    answer = person.book(event_id, "", email="no address", tickets=99)
    assert answer.status_code == 400
    assert answer.text.count('class="error"') == 3
    assert "Ask for at most 10." in text_of(answer)
    assert "You get all" not in text_of(answer)


@pytest.mark.parametrize(("tickets", "said"), [(6, "6 of 6"), (60, "60 of 60")])
def test_full_house_is_not_said_to_be_nearly_empty(
    person: Person, make_event: MakeEvent, tickets: int, said: str
) -> None:
    shown = page_of(person, f"/events/{make_event(tickets=tickets)}")
    assert f"{said} tickets left" in shown
    assert "Only" not in shown


@pytest.mark.parametrize(
    ("capacity", "taken", "is_few"), [(50, 39, False), (50, 40, True), (1000, 990, True)]
)
def test_few_is_at_most_ten_and_at_most_a_fifth(
    person: Person, make_event: MakeEvent, book: Book, capacity: int, taken: int, is_few: bool
) -> None:
    event_id = make_event(tickets=capacity, max_tickets_per_booking=1000)
    book(event_id, "Grace", taken)
    for path in (f"/events/{event_id}", "/"):
        assert ("Only" in page_of(person, path)) == is_few


NEW = "/organizer/events/new"
EVENT = {
    "eventName": "Slip",
    "totalTickets": "5",
    "timeZone": "Europe/Berlin",
    "status": "published",
}


@pytest.mark.parametrize(
    ("dates", "field", "sentence"),
    [
        ({"startsAt": FUTURE, "endsAt": "2031-05-03T09:00"}, "endsAt", "after the start"),
        (
            {"startsAt": FUTURE, "salesOpenAt": "2031-05-03T10:00"},
            "salesOpenAt",
            "before the event",
        ),
        ({"startsAt": FUTURE, "salesCloseAt": "2031-05-04T00:01"}, "salesCloseAt", "at midnight"),
        (
            {"startsAt": FUTURE, "endsAt": "2031-05-03T12:00", "salesCloseAt": "2031-05-03T12:01"},
            "salesCloseAt",
            "after the end",
        ),
        ({"startsAt": FUTURE, "cancelUntil": "2031-05-04T00:01"}, "cancelUntil", "at midnight"),
    ],
)
def test_nonsense_of_dates_is_refused_at_its_field(
    owner: Person, dates: dict[str, str], field: str, sentence: str
) -> None:
    data = {**forms_of(owner.get(NEW))[NEW], **EVENT, **dates}
    answer = owner.client.post(NEW, data=data)
    assert answer.status_code == 400
    assert sentence in answer.text.partition(f'id="{field}-error">')[2].partition("</p>")[0]


def test_booking_may_go_on_until_the_end(owner: Person) -> None:
    dates = {
        "startsAt": FUTURE,
        "salesCloseAt": "2031-05-04T00:00",
        "salesOpenAt": "2031-05-03T11:00",
    }
    data = {**forms_of(owner.get(NEW))[NEW], **EVENT, **dates, "cancelUntil": "2031-05-04T00:00"}
    assert owner.client.post(NEW, data=data).status_code == 303


@pytest.mark.parametrize(
    ("dates", "field"), [({"startsAt": PAST}, "startsAt"), ({"salesCloseAt": PAST}, "salesCloseAt")]
)
def test_date_in_the_past_is_asked_about_before_it_is_published_and_then_taken(
    owner: Person, dates: dict[str, str], field: str
) -> None:
    data = {**forms_of(owner.get(NEW))[NEW], **EVENT, **dates}
    asked = owner.client.post(NEW, data=data)
    assert asked.status_code == 400
    assert "This lies in the past" in asked.text.partition(f'id="{field}-error"')[2][:60]
    assert "Publish all the same" in asked.text
    again = {**forms_of(asked)[NEW], **dates, "status": "published"}
    other = owner.client.post(NEW, data={**again, field: "2020-01-01T10:00"})
    assert other.status_code == 400, "nobody was asked about this one"
    published = owner.client.post(NEW, data=again, follow_redirects=True)
    assert "Your event is published." in text_of(published)
    assert "first booking can arrive" not in text_of(published)
    path = f"{published.request.path}/edit"
    # What is past already is no slip of this form.
    saved = owner.submit(path, eventName="Another name")
    assert "Saved." in page_of(owner, saved.headers["Location"])


@pytest.mark.parametrize("dates", [{"startsAt": PAST}, {"salesCloseAt": PAST}])
def test_draft_with_a_date_in_the_past_is_saved_and_asked_about_when_it_is_published(
    owner: Person, dates: dict[str, str]
) -> None:
    fresh = {**forms_of(owner.get(NEW))[NEW], **EVENT, **dates, "status": "draft"}
    draft = owner.client.post(NEW, data=fresh, follow_redirects=True)
    assert "lies in the past" not in text_of(draft)
    publish = f"{draft.request.path}/publish"
    asked = owner.submit(draft.request.path, publish)
    assert "This lies in the past" in text_of(asked)
    assert "Publish it with this date?" in text_of(asked)
    assert "Draft" in page_of(owner, draft.request.path)
    done = owner.client.post(publish, data=forms_of(asked)[publish])
    assert "Your event is published." in page_of(owner, done.headers["Location"])


def test_published_event_is_not_moved_into_the_past_unasked(
    owner: Person, make_event: MakeEvent
) -> None:
    path = f"/organizer/events/{make_event()}/edit"
    asked = owner.submit(path, startsAt="2020-01-01", startTime="10:00")
    assert asked.status_code == 400
    assert "Save all the same" in asked.text
    assert owner.client.post(path, data=forms_of(asked)[path]).status_code == 303


def test_only_a_form_without_a_chosen_zone_takes_that_of_the_browser(owner: Person) -> None:
    assert "data-own-zone" in owner.get(NEW).text
    refused = owner.client.post(NEW, data={**forms_of(owner.get(NEW))[NEW], "eventName": ""})
    assert "data-own-zone" not in refused.text
    owner.client.post(NEW, data={**forms_of(owner.get(NEW))[NEW], **EVENT})
    again = owner.get(NEW).text
    assert "data-own-zone" not in again
    assert '<option value="Europe/Berlin" selected>' in again
