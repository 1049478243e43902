"""What an attendee sees and does, without scripts."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.pages.conftest import Person, forms_of, text_of
from tests.support.tools import history
from webapp import clock
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.events import services as events
from webapp.text.formatting import in_words
from webapp.text.languages import ENGLISH
from webapp.web import security

MakeEvent = Callable[..., int]
Book = Callable[..., str]


def test_attendee_books_in_two_requests(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    answer = person.book(event_id)
    assert answer.status_code == 303
    assert re.fullmatch(r"/bookings/[A-Za-z0-9_-]{22}", answer.location)
    page = person.get(answer.location)
    assert "Confirmed" in text_of(page)
    assert "QR code of your ticket" in page.text


def test_ticket_code_is_not_the_reference(person: Person, make_event: MakeEvent) -> None:
    reference = person.book(make_event()).location.rpartition("/")[2]
    page = text_of(person.get(f"/bookings/{reference}"))
    code = re.search(r"(?:[0-9A-Z]{4} ){4}", page)
    assert code
    assert code[0].replace(" ", "") not in reference


def test_full_event_puts_newcomer_on_waiting_list(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    book(event_id, "Grace")
    assert "place 1" in text_of(person.get(f"/events/{event_id}-harvest-supper"))
    page = text_of(person.get(person.book(event_id).location))
    assert "Waiting" in page
    assert "You are next." in page


def test_cancel_promotes_the_next_in_line(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    mine = person.book(event_id).location
    next_in_line = book(event_id, "Grace")
    asked = person.get(f"{mine}/cancel")
    assert "Cancel your booking?" in text_of(asked)
    assert "Confirmed" in text_of(person.get(mine)), "asking alone cancels nothing"
    assert person.submit(f"{mine}/cancel").location == mine
    assert "Cancelled" in text_of(person.get(mine))
    assert "Confirmed" in text_of(person.get(f"/bookings/{next_in_line}"))


def test_second_cancel_is_harmless(person: Person, make_event: MakeEvent) -> None:
    mine = person.book(make_event()).location
    client = person.client
    form = person.token(f"{mine}/cancel")
    assert [client.post(f"{mine}/cancel", data=form).status_code for _ in range(2)] == [303, 303]
    assert person.get(f"{mine}/cancel").location == mine


def test_attendee_keeps_fewer_tickets(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event(tickets=4)
    mine = person.book(event_id, tickets=4).location
    asked = person.submit(mine, tickets=1)
    assert "You give back 3 tickets. They go on offer again at once" in text_of(asked)
    assert "It admits 4 people." in text_of(person.get(mine))
    Person(person.app).book(event_id, "Grace")
    asked = person.submit(mine, tickets=1)
    assert "They go to the next in line at once" in text_of(asked)
    assert person.client.post(mine, data=forms_of(asked)[mine]).status_code == 303
    assert "It admits 1 person." in text_of(person.get(mine))
    refused = person.client.post(mine, data={**person.token(f"{mine}/cancel"), "tickets": 0})
    assert refused.status_code == 400


def test_attendee_has_more_tickets_while_they_are_free(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=5)
    mine = person.book(event_id, tickets=2).location
    assert "3 more are free now." in text_of(person.get(mine))
    assert person.submit(mine, tickets=4).status_code == 303
    page = text_of(person.get(mine))
    assert "Changed: the booking is now for 4 tickets." in page
    assert "It admits 4 people." in page
    form = forms_of(person.get(mine))[mine]
    book(event_id, "Grace", tickets=2)
    refused = person.client.post(mine, data={**form, "tickets": 5})
    assert refused.status_code == 409
    assert "No more tickets can be had while somebody waits." in text_of(refused)
    assert "more is free" not in text_of(person.get(mine))


def test_head_of_the_list_takes_what_is_free(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=5)
    first = book(event_id, "Ada", tickets=3)
    mine, behind = (f"/bookings/{book(event_id, name, tickets=4)}" for name in ("Mary", "Grace"))
    offer = "2 tickets are free now: take them?"
    assert offer not in text_of(person.get(behind))
    for fragment in (False, True):
        page = person.get(f"{mine}/standing" if fragment else mine, fragment=fragment)
        assert offer in text_of(page)
        assert '<button name="tickets" value="2">' in page.text
    # Whoever has no such button has no form for it, and so no session.
    assert not forms_of(person.get(behind)).keys() & {f"{behind}/take", f"{behind}/new-link"}
    form = forms_of(person.get(mine))[f"{mine}/take"] | {"tickets": "2"}
    refused = person.client.post(f"{behind}/take", data=form)
    assert refused.status_code == 409
    assert "Only who is next in line can take" in text_of(refused)
    answers = [person.client.post(f"{mine}/take", data=form) for _ in range(2)]
    assert [answer.location for answer in answers] == [mine, mine]
    text = text_of(person.get(mine))
    assert "2 tickets are yours now." in text
    assert "It admits 2 people." in text
    assert "Confirmed" in text_of(person.get(f"/bookings/{first}"))


def test_who_moved_up_before_taking_less_keeps_it_all_and_is_told(
    app: Flask, person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "Ada", tickets=3)
    mine = f"/bookings/{book(event_id, 'Mary', tickets=4)}"
    form = forms_of(person.get(mine))[f"{mine}/take"] | {"tickets": "2"}
    with app.app_context():
        bookings.cancel_booking(event_id, position=1)
    late = person.client.post(f"{mine}/take", data=form)
    assert late.status_code == 409
    assert "This booking does not wait any more: it has its tickets." in text_of(late)
    assert "It admits 4 people." in text_of(late)


def test_who_waits_or_moved_up_late_is_told_until_when_they_may_leave(
    app: Flask, person: Person, make_event: MakeEvent, book: Book, owner_id: int
) -> None:
    now = datetime.now(UTC)
    event_id = make_event(
        tickets=1, starts_at=now + timedelta(days=9), cancel_until=now - timedelta(hours=1)
    )
    book(event_id, "Ada")
    mine = f"/bookings/{book(event_id, 'Mary')}"
    waiting = text_of(person.get(mine))
    assert "Cancel the booking" in waiting
    assert "Possible until" not in waiting
    with app.app_context():
        bookings.cancel_booking(event_id, position=1, actor=organizer(owner_id))
        moved_up_at = history(event_id, position=2)[0].at
    until = in_words(moved_up_at + timedelta(days=1), "UTC", ENGLISH)
    page = text_of(person.get(mine))
    assert "Possible until" in page
    assert until in page
    assert person.submit(f"{mine}/cancel").status_code == 303


def test_late_attendee_cannot_change(person: Person, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event(tickets=2, cancel_until=datetime.now(UTC) - timedelta(hours=1))
    mine = f"/bookings/{book(event_id, 'Ada')}"
    page = person.get(mine)
    assert "too late to give tickets back" in text_of(page)
    assert person.submit(mine, tickets=2).status_code == 303
    assert "too late to give tickets back" in text_of(person.get(mine))
    late = {**person.token(f"{mine}/cancel"), "tickets": 1}
    assert person.client.post(mine, data=late).status_code == 409
    refused = person.submit(f"{mine}/cancel")
    assert refused.status_code == 409
    assert "Confirmed" in text_of(person.get(mine))


def test_repeated_post_leads_to_the_same_booking(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    page = person.get(f"/events/{event_id}-harvest-supper")
    key = re.findall(r'requestKey" value="([^"]+)', page.text)[0]
    first = person.book(event_id, requestKey=key)
    assert person.book(event_id, requestKey=key).location == first.location
    assert "4 of 5 tickets left" in text_of(person.get(f"/events/{event_id}-harvest-supper"))


@pytest.mark.every_database
def test_booked_address_is_told_nothing(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    reference = person.book(event_id).location.rpartition("/")[2]
    again = person.book(event_id, email="ADA@example.org")
    assert again.status_code == 409
    assert "This address already has a booking" in text_of(again)
    assert reference not in again.text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Fill in this field."),
        ("name", "x" * 201, "Use at most 200 characters."),
        ("email", "nobody", "Give an e-mail address"),
        ("tickets", "0", "at least 1"),
        ("tickets", "11", "at most 10"),
        ("tickets", "two", "whole number"),
        ("tickets", "9" * 5000, "number"),
        ("name", "\x00", "control characters"),
    ],
)
def test_refused_form_is_shown_again(
    person: Person, make_event: MakeEvent, field: str, value: str, sentence: str
) -> None:
    event_id = make_event(tickets=50)
    typed = {"name": "Ada", "email": "ada@example.org", "tickets": "2"}
    fields: dict[str, Any] = {**typed, field: value}
    answer = person.submit(f"/events/{event_id}", **fields)
    assert answer.status_code == 400
    assert sentence in text_of(answer)
    del typed[field]
    assert all(f'value="{text}"' in answer.text for text in typed.values())


def test_names_are_escaped(person: Person, make_event: MakeEvent) -> None:
    bad = '<script>alert("1")</script>'
    event_id = make_event(name=bad, location=bad, description=bad)
    mine = person.book(event_id, name=bad, email="ada@example.org").location
    for path in ("/", f"/events/{event_id}", mine, f"{mine}/cancel"):
        page = person.client.get(path, follow_redirects=True)
        assert page.status_code == 200
        assert "<script>alert" not in page.text


def test_drafts_are_hidden(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event(name="Secret", published=False)
    assert "Secret" not in person.get("/").text
    for path in (f"/events/{event_id}", f"/events/{event_id}-secret"):
        assert person.get(path).status_code == 404
    assert person.get(f"/events/{event_id}/availability", fragment=True).status_code == 404


def test_event_has_one_address(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event(name="Crème Brûlée & Co.")
    right = f"/events/{event_id}-creme-brulee-co"
    for path in (f"/events/{event_id}", f"/events/{event_id}-wrong"):
        answer = person.get(path)
        assert (answer.status_code, answer.location) == (301, right)
    assert person.get(right).status_code == 200


def test_name_without_latin_letters_needs_no_slug(person: Person, make_event: MakeEvent) -> None:
    assert person.get(f"/events/{make_event(name='音楽の夜')}").status_code == 200


@pytest.mark.every_database
@pytest.mark.parametrize(
    "path",
    ["/events/0", f"/events/{2**63}", "/events/99999", "/events/x", "/bookings/none", "/nothing"],
)
def test_unknown_addresses_say_what_to_do(person: Person, path: str) -> None:
    answer = person.get(path)
    assert answer.status_code == 404
    assert "See all events" in answer.text


@pytest.mark.parametrize(
    ("tickets", "told", "button"),
    [
        (1, "You get your ticket at once.", "Book"),
        (3, "You get all 3 at once.", "Book"),
        (
            4,
            "For 4 you join the waiting list at place 1 ; up to 3 you get",
            "Join the waiting list",
        ),
        (99, "Ask for 10 at most.", "Join the waiting list"),
        ("none", "You get your ticket at once.", "Book"),
        ("9" * 5000, "You get your ticket at once.", "Book"),
    ],
)
def test_page_says_beforehand_what_will_happen(
    person: Person, make_event: MakeEvent, book: Book, tickets: object, told: str, button: str
) -> None:
    event_id = make_event(tickets=12)
    book(event_id, "Grace", tickets=9)
    part = person.get(f"/events/{event_id}/availability?form=yes&tickets={tickets}", fragment=True)
    assert told in text_of(part)
    assert f">{button}</hx-partial>" in part.text


def test_refused_form_says_what_its_own_number_will_bring(
    person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=3)
    wrong = person.book(event_id, email="nobody", tickets=3)
    assert "You get all 3 at once." in text_of(wrong)


def test_nobody_is_sent_to_a_waiting_list_that_is_not_there(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=3, waiting_list_limit=0)
    book(event_id, "Grace")
    part = person.get(f"/events/{event_id}/availability?form=yes&tickets=3", fragment=True)
    assert "Ask for 2 at most: there is no waiting list." in text_of(part)
    assert ">Book</hx-partial>" in part.text


def test_only_what_changes_a_mind_is_read_aloud(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=12)
    path = f"/events/{event_id}/availability?form=yes"
    assert 'aria-live="off"' in person.get(path, fragment=True).text
    book(event_id, "Grace", tickets=10)
    assert 'aria-live="polite"' in person.get(path, fragment=True).text


def test_availability_is_polled_cheaply(person: Person, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event()
    path = f"/events/{event_id}/availability"
    first = person.get(path, fragment=True)
    assert "5 of 5 tickets left" in text_of(first)
    same = person.get(path, fragment=True, **{"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    assert same.headers["Vary"] == first.headers["Vary"] == ", ".join(security.VARIES_BY)
    book(event_id, "Grace")
    changed = person.get(path, fragment=True, **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "csrf" not in changed.text


def test_open_page_gets_the_form_when_booking_opens(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event(tickets=1)
    waited = person.get(f"/events/{event_id}/availability?form=no", fragment=True)
    assert waited.headers["HX-Retarget"] == "#main"
    assert "Your name" in waited.text
    assert waited.headers["Cache-Control"] == "private, no-store"
    with app.app_context():
        events.cancel_event(event_id, actor=organizer(owner_id))
    closed = person.get(f"/events/{event_id}/availability?form=yes", fragment=True)
    assert "Your name" not in closed.text
    assert "This event has been cancelled." in text_of(closed)


def test_form_that_is_being_filled_in_stays_when_the_last_ticket_goes(
    app: Flask, person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1, waiting_list_limit=0)
    path = f"/events/{event_id}-harvest-supper"
    form = forms_of(person.get(path))[path] | {"name": "Ada", "email": "ada@example.org"}
    book(event_id, "Grace")
    part = person.get(f"/events/{event_id}/availability?form=yes", fragment=True)
    assert "HX-Retarget" not in part.headers
    assert "leave this page open, and send the form then" in text_of(part)
    sent = person.client.post(path, data=form)
    assert sent.status_code == 409
    assert "Sold out" in text_of(sent)
    kept = forms_of(sent)[path]
    assert kept["name"] == "Ada"
    assert "Your name" not in person.get(path).text
    with app.app_context():
        bookings.cancel_booking(event_id, position=1)
    assert person.client.post(path, data=kept).status_code == 303


def test_booking_form_is_limited_and_keeps_what_was_typed(
    person: Person, make_event: MakeEvent
) -> None:
    path = f"/events/{make_event()}-harvest-supper"
    form = {**person.token(path), "name": "Ada", "email": "nobody", "tickets": "1"}
    answers = [person.client.post(path, data=form) for _ in range(121)]
    assert [answer.status_code for answer in answers] == [400] * 120 + [429]
    assert 'value="Ada"' in answers[-1].text
    assert int(answers[-1].headers["Retry-After"]) <= 60


def test_school_behind_one_address_books_and_one_visitor_alone_does_not_take_all(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    app = make_app(BOOKINGS_FREELY="100")
    event_id = make_event(tickets=300, max_tickets_per_booking=10)
    pupils = [Person(app).book(event_id, f"pupil{number}") for number in range(40)]
    assert {answer.status_code for answer in pupils} == {303}
    person = Person(app)
    answers = [person.book(event_id, f"bored{number}", tickets=10) for number in range(7)]
    assert [answer.status_code for answer in answers] == [303] * 6 + [429]
    assert 'value="bored6"' in answers[-1].text
    assert person.book(event_id, "fits", tickets=1).status_code == 429
    assert person.book(make_event(tickets=5), "elsewhere").status_code == 303


def test_rank_is_polled_until_promotion(
    owner: Person, person: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    book(event_id, "Grace")
    reference = book(event_id, "Ada")
    path = f"/bookings/{reference}/standing"
    waiting = person.get(path, fragment=True)
    assert waiting.headers["Cache-Control"] == "private, no-cache"
    etag = {"If-None-Match": waiting.headers["ETag"]}
    assert person.get(path, fragment=True, **etag).status_code == 304
    owner.submit(f"/organizer/events/{event_id}/edit", totalTickets=2)
    promoted = person.get(path, fragment=True, **etag)
    assert promoted.headers["HX-Retarget"] == "#main"
    assert promoted.headers["Cache-Control"] == "private, no-store"
    assert "You moved up" in promoted.text
    assert person.get(path).location == f"/bookings/{reference}"


def test_htmx_is_sent_on_with_a_header(person: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    answer = person.submit(
        f"/events/{event_id}", fragment=True, name="Ada", email="ada@example.org"
    )
    assert answer.status_code == 204
    assert '"/bookings/' in answer.headers["HX-Location"]
    refused = person.submit(f"/events/{event_id}", fragment=True, name="Ada", email="nobody")
    assert refused.status_code == 400
    assert "<html" not in refused.text


@pytest.mark.every_database
def test_list_is_paged_and_searched(person: Person, make_event: MakeEvent) -> None:
    start = datetime.now(UTC) + timedelta(days=400)
    for number in range(30):
        make_event(name=f"Evening {number:02}", starts_at=start + timedelta(days=number // 2))
    for number in range(30, 34):
        make_event(name=f"Evening {number:02}", location="50% off_limits")
    seen: list[str] = []
    path: str | None = "/"
    while path:
        page = person.get(path).text
        seen += re.findall(r"<bdi>(Evening \d\d)</bdi>", page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert seen == [f"Evening {number:02}" for number in range(34)]
    assert "Evening 07" in person.get("/?search=evening+07").text
    assert "Evening 30" in person.get("/?search=50%25").text
    assert "Evening 01" not in person.get("/?search=50%25").text
    assert "Nothing matches" in person.get("/?search=zebra").text
    assert "<html" not in person.get("/?search=zebra", fragment=True).text
    for nonsense in ("x", "-1", "999999999999999999-1", "undated-x", "1-" + "9" * 40):
        assert person.get(f"/?after={nonsense}").status_code == 200


def test_times_are_told_in_the_zone_of_the_event(person: Person, make_event: MakeEvent) -> None:
    year = datetime.now(UTC).year + 2
    event_id = make_event(
        time_zone="Europe/Berlin",
        starts_at=datetime(year, 7, 1, 17, 30, tzinfo=UTC),
        ends_at=datetime(year, 7, 1, 20, 0, tzinfo=UTC),
    )
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    assert f"1 July {year}, 19:30 &ndash; 22:00 CEST" in text_of(page)
    elsewhere = make_event(
        time_zone="America/Sao_Paulo", starts_at=datetime(year, 7, 1, 17, 30, tzinfo=UTC)
    )
    page = person.client.get(f"/events/{elsewhere}", follow_redirects=True)
    assert "14:30 UTC\N{MINUS SIGN}03:00" in text_of(page)


def test_closed_event_says_why(
    app: Flask, person: Person, make_event: MakeEvent, book: Book, owner_id: int
) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    alone, full = (make_event(tickets=1, waiting_list_limit=limit) for limit in (0, 1))
    for event_id, name in ((alone, "Grace"), (full, "Grace"), (full, "Alan")):
        book(event_id, name)
    closed = {
        alone: "Sold out There is no waiting list.",
        full: "Sold out The waiting list is full, too.",
        make_event(sales_close_at=later - timedelta(days=9)): "Booking has closed.",
        make_event(starts_at=later - timedelta(days=9)): "This event is over.",
    }
    cancelled = make_event()
    with app.app_context():
        events.cancel_event(cancelled, actor=organizer(owner_id))
    closed[cancelled] = "has been cancelled"
    for event_id, sentence in closed.items():
        page = person.client.get(f"/events/{event_id}", follow_redirects=True)
        assert sentence in text_of(page)
        assert "Your name" not in page.text


def test_form_that_is_sent_before_the_opening_is_kept_and_can_be_sent_then(
    person: Person, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = datetime.now(UTC) + timedelta(days=3)
    event_id = make_event(sales_open_at=opens)
    path = f"/events/{event_id}-harvest-supper"
    page = person.get(path)
    assert "Booking opens on" in text_of(page)
    assert f'data-opens-at="{opens.timestamp()}"' in page.text
    told = float(re.findall(r'id="server-time" value="([0-9.]+)"', page.text)[0])
    assert abs(told - datetime.now(UTC).timestamp()) < 60
    part = person.get(f"/events/{event_id}/availability?form=yes", fragment=True)
    assert "HX-Retarget" not in part.headers
    again = person.get(
        f"/events/{event_id}/availability?form=yes",
        fragment=True,
        **{"If-None-Match": part.headers["ETag"]},
    )
    assert again.status_code == 304
    early = person.submit(path, name="Ada", email="ada@example.org")
    assert early.status_code == 409
    assert "Booking opens on" in text_of(early)
    kept = forms_of(early)[path]
    assert kept["name"] == "Ada"
    monkeypatch.setattr(clock, "now", lambda: opens)
    assert person.client.post(path, data=kept).status_code == 303


def test_form_sent_too_late_is_refused_in_words(
    app: Flask, person: Person, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event()
    path = f"/events/{event_id}-harvest-supper"
    data = {**person.token(path), "name": "Ada", "email": "ada@example.org", "tickets": "1"}
    with app.app_context():
        events.cancel_event(event_id, actor=organizer(owner_id))
    answer = person.client.post(path, data=data)
    assert answer.status_code == 409
    assert "This event has been cancelled." in text_of(answer)
