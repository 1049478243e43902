"""What an organizer sees and does."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from webapp.accounts import services as accounts
from webapp.booking.commands import organizer
from webapp.events import services as events

MakeEvent = Callable[..., int]
Book = Callable[..., str]


def test_first_steps_lead_to_a_published_event(owner: Person) -> None:
    assert "First steps" in owner.get("/organizer").text
    answer = owner.submit(
        "/organizer/events/new",
        eventName="Village Fair",
        totalTickets=3,
        timeZone="Europe/Berlin",
        startsAt="2031-07-01T19:30",
        status="published",
    )
    assert answer.status_code == 303
    page = text_of(owner.get(answer.location))
    assert "1 July 2031, 19:30 CEST" in page
    event_id = answer.location.rpartition("/")[2]
    assert f"http://127.0.0.1:3000/events/{event_id}-village-fair" in page
    assert "First steps" not in owner.get("/organizer").text


def test_repeated_post_makes_one_event(owner: Person) -> None:
    page = owner.get("/organizer/events/new")
    key = re.findall(r'requestKey" value="([^"]+)', page.text)[0]
    fields: dict[str, Any] = {
        "eventName": "Once",
        "totalTickets": 3,
        "status": "published",
        "requestKey": key,
    }
    first = owner.submit("/organizer/events/new", **fields)
    assert owner.submit("/organizer/events/new", **fields).location == first.location


@pytest.mark.every_database
def test_edit_form_gives_back_what_was_saved(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event(
        time_zone="Europe/Berlin",
        starts_at=datetime(2031, 7, 1, 17, 30, tzinfo=UTC),
        waiting_list_limit=0,
        max_tickets_per_booking=4,
    )
    path = f"/organizer/events/{event_id}/edit"
    assert 'value="2031-07-01T19:30"' in owner.get(path).text
    before = _history(owner, event_id)
    assert "Saved." in owner.get(owner.submit(path).location).text
    assert _history(owner, event_id) == before, "saving what is there changes nothing"


def test_larger_capacity_promotes_and_says_whom(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    for name in ("Ada", "Grace", "Mary"):
        book(event_id, name)
    answer = owner.submit(f"/organizer/events/{event_id}/edit", totalTickets=2)
    page = text_of(owner.get(answer.location))
    assert "Saved. Grace moved up from the waiting list and has 1 ticket." in page
    refused = owner.submit(f"/organizer/events/{event_id}/edit", totalTickets=1, location="Barn")
    assert refused.status_code == 400
    assert "Keep at least 2" in text_of(refused)
    assert 'value="Barn"' in refused.text


@pytest.mark.every_database
def test_message_full_of_long_names_fits_into_a_cookie(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    names = [
        "".join(chr(0x4E00 + (7919 * place + 613 * number) % 20_000) for place in range(200))
        for number in range(3)
    ]
    for name in ("Ada", *names):
        book(event_id, name)
    answer = owner.submit(f"/organizer/events/{event_id}/edit", totalTickets=4)
    assert len(answer.headers["Set-Cookie"]) < 4096, "a browser drops what is longer"
    page = text_of(owner.get(answer.location))
    assert all(name in page.partition("moved up")[0] for name in names)


def test_refused_event_keeps_what_was_typed(owner: Person) -> None:
    answer = owner.submit(
        "/organizer/events/new",
        eventName="Fair",
        totalTickets=0,
        startsAt="2031-07-01T19:30",
        endsAt="2031-07-01T18:30",
        timeZone="Asia/Tokyo",
        status="published",
    )
    assert answer.status_code == 400
    assert "at least 1" in text_of(answer)
    assert 'value="2031-07-01T19:30"' in answer.text
    assert '<option value="Asia/Tokyo" selected>' in answer.text


def test_draft_is_published_and_taken_back(
    owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(published=False)
    page = f"/organizer/events/{event_id}"
    owner.submit(page, f"{page}/publish")
    assert person.get(f"/events/{event_id}-harvest-supper").status_code == 200
    owner.submit(f"{page}/details", f"{page}/unpublish")
    assert person.get(f"/events/{event_id}-harvest-supper").status_code == 404


def test_cancelled_event_cancels_its_bookings(
    owner: Person, person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    references = [book(event_id, name) for name in ("Ada", "Grace")]
    path = f"/organizer/events/{event_id}/cancel"
    assert "cancels 1 ticket and 1 booking" in text_of(owner.get(path))
    assert owner.submit(path).status_code == 303
    for reference in references:
        assert "organizer cancelled the event" in text_of(person.get(f"/bookings/{reference}"))


@pytest.mark.every_database
def test_waiting_list_is_shown_in_order_with_ranks(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    for name in ("Ada", "Grace", "Mary"):
        book(event_id, name)
    page = text_of(owner.get(f"/organizer/events/{event_id}?status=waiting"))
    assert page.index("Grace") < page.index("place 1") < page.index("Mary") < page.index("place 2")
    assert "Ada" not in page
    found = text_of(owner.get(f"/organizer/events/{event_id}?search=mary%40example"))
    assert "place 2" in found
    assert "Grace" not in found


@pytest.mark.every_database
def test_bookings_are_paged(owner: Person, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event(tickets=100)
    for number in range(53):
        book(event_id, f"Guest{number:02}")
    first = owner.get(f"/organizer/events/{event_id}").text
    following = re.search(r'href="([^"]+)" rel="next"', first)
    assert following
    assert "Guest49" in first
    assert "Guest50" not in first
    assert "Guest52" in owner.get(following[1].replace("&amp;", "&")).text


def test_organizer_cancels_a_booking_and_sees_who_moved_up(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    book(event_id, "Ada")
    book(event_id, "Grace")
    answer = owner.submit(f"/organizer/events/{event_id}/bookings/1/cancel")
    page = text_of(owner.get(answer.location))
    assert "The booking is cancelled. Grace moved up" in page
    history = _history(owner, event_id)
    assert "Booking 1 cancelled by you" in history
    assert "Booking 2 moved up when booking 1 gave tickets back" in history


def test_organizer_adds_changes_and_is_told_of_doubles(
    owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    path = f"/organizer/events/{event_id}/bookings/new"
    fields: dict[str, Any] = {"name": "Ada", "email": "ada@example.org", "tickets": 3}
    answer = owner.submit(path, **fields)
    assert "Ada has 3 tickets." in text_of(owner.get(answer.location))
    asked = owner.submit(answer.location, tickets=1)
    assert "loses 2 tickets for Harvest Supper . They go on offer again" in text_of(asked)
    assert "has 3 tickets" not in text_of(asked)
    changed = owner.client.post(answer.location, data=forms_of(asked)[answer.location])
    assert "Changed to 1 ticket." in text_of(owner.get(changed.location))
    again = owner.submit(path, **fields)
    assert again.status_code == 409
    assert "number 1." in text_of(again)


def test_organizer_gives_the_head_what_is_free_and_a_booking_more(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=6)
    book(event_id, "Ada", tickets=4)
    book(event_id, "Grace", tickets=5)
    path = f"/organizer/events/{event_id}/bookings/2"
    page = owner.get(path)
    assert "waits for 5 tickets; 2 are free." in text_of(page)
    assert '<button class="second" name="tickets" value="2">' in page.text
    refused = owner.submit(path, f"{path}/take", tickets=3)
    assert refused.status_code == 409
    assert "only 2. The booking stays as it is." in text_of(refused)
    answer = owner.submit(path, f"{path}/take", tickets=1)
    text = text_of(owner.get(answer.location))
    assert "Grace moved up from the waiting list and has 1 ticket." in text
    assert "changed from 5 to 1 ticket by you" in text
    assert "1 more is free now." in text
    answer = owner.submit(path, tickets=2)
    assert "changed from 1 to 2 tickets by you" in text_of(owner.get(answer.location))


@pytest.mark.every_database
def test_samples_are_removed_with_one_click(app: Flask, owner: Person, owner_id: int) -> None:
    with app.app_context():
        events.create_event(
            events.EventDetails(name="Try me", capacity=3),
            actor=organizer(owner_id),
            published=True,
            is_sample=True,
        )
    owner.submit("/organizer", "/organizer/samples/remove")
    page = owner.get("/organizer").text
    assert "Removed: 1 sample event." in page
    assert "Try me" not in page


def test_wrong_login_says_the_same_for_name_and_password(person: Person, owner_id: int) -> None:
    wrong_password = person.log_in(password="wrong")
    wrong_name = person.log_in(username="nobody")
    assert wrong_password.status_code == wrong_name.status_code == 401
    for answer in (wrong_password, wrong_name):
        assert "Name or password is wrong." in text_of(answer)
        assert "wrong" not in re.findall(r'name="password"[^>]*value="([^"]*)"', answer.text)


def test_login_leads_on_to_the_page_that_was_asked_for(person: Person, owner_id: int) -> None:
    asked = person.get("/organizer/events/new?x=1")
    assert asked.location == "/login?next=/organizer/events/new?x%3D1"
    answer = person.submit(asked.location, "/login", username="owner", password=PASSWORD)
    assert answer.location == "/organizer/events/new?x=1"


def test_login_leads_nowhere_else(person: Person, owner_id: int) -> None:
    path = "/login?next=https://evil.example"
    answer = person.submit(path, "/login", username="owner", password=PASSWORD)
    assert answer.location == "/organizer"


def test_new_password_ends_the_session(app: Flask, owner: Person) -> None:
    assert owner.get("/organizer").status_code == 200
    with app.app_context():
        accounts.set_password(accounts.id_of("owner"), password=PASSWORD + "2")
    assert owner.get("/organizer").location.startswith("/login")


def test_log_out_ends_the_session(owner: Person) -> None:
    assert owner.submit("/organizer", "/logout").status_code == 303
    assert owner.get("/organizer").status_code == 303


def _history(owner: Person, event_id: int) -> str:
    return text_of(owner.get(f"/organizer/events/{event_id}/history"))
