"""Bookings that somebody has to answer for: the address, and whether they are still coming."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, forms_of, text_of
from tests.pages.test_languages import count_in_language
from tests.support.asking import ask_whether_coming
from tests.support.fixtures import Clock
from tests.support.languages import LEFT_TO_RIGHT, RIGHT_TO_LEFT, made_up
from tests.support.terms import MAIL_URL, go, send_mails, term_at
from tests.support.tools import history, statuses
from webapp import clock
from webapp.booking import heartbeat, lapses
from webapp.booking.codes import token_for
from webapp.booking.commands import TermKind
from webapp.storage.tables import bookings, deliveries, events, terms
from webapp.storage.transaction import execute, read, write
from webapp.text.languages import LANGUAGES
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
# A browser keeps no secure cookie of a test's plain requests.
BASE_URL = "http://tickets.example.org"
MAILED = "We have mailed you"
A_DAY = timedelta(days=1)
# Who has which position in a walk over all pages.
PLACES = {1: "ada", 2: "bob", 3: "cleo"}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)


@pytest.fixture
def asking(app: Flask, now: Clock, make_event: MakeEvent) -> int:
    """An event for two, that asks for addresses."""
    with app.app_context():
        heartbeat.beat(now())
    return make_event(tickets=2, asks_address=True)


def in_context(app: Flask, work: Callable[[], Any]) -> Any:
    with app.app_context():
        return work()


def execute_in(app: Flask, statement: Any) -> None:
    in_context(app, lambda: execute(statement))


def row_of(app: Flask, event_id: int, position: int = 1) -> Any:
    here = (bookings.c.event_id == event_id, bookings.c.position == position)
    query = select(bookings).where(*here)
    return in_context(app, lambda: read(lambda connection: connection.execute(query).one()))


def link_in_mail(app: Flask, event_id: int, position: int = 1) -> str:
    """What the mail that asks leads to."""
    booking = row_of(app, event_id, position)
    token = in_context(
        app,
        lambda: token_for(
            event_id, position, purpose=TermKind.ADDRESS, reference=booking.reference
        ),
    )
    return f"/bookings/{booking.reference}/keep?token={token}"


def have_asked(app: Flask, event_id: int, *, lapses_too: bool) -> None:
    """Have whoever has tickets asked whether they are still coming."""
    with app.app_context():
        ask_whether_coming(event_id, lapses_too=lapses_too, now=clock.now())
        send_mails()


def test_page_ends_the_same_for_everybody_and_gives_nothing_away(
    app: Flask, person: Person, asking: int
) -> None:
    first = person.book(asking, "Ada")
    again = Person(app).book(asking, "Ada")
    for answer in (first, again):
        assert (answer.status_code, answer.location) == (303, f"/events/{asking}/asked")
        assert "nextup-bookings" not in str(answer.headers.getlist("Set-Cookie"))
    page = text_of(person.get(first.location))
    assert MAILED in page
    assert "within 30 minutes" in page
    assert row_of(app, asking).reference not in page
    assert "Ada" not in text_of(person.get("/bookings"))
    # Beside the question its link went out again.
    with app.app_context():
        assert sorted(send_mails()) == ["ask_address", "links"]


def test_full_event_tells_who_is_booked_what_it_tells_a_stranger(
    app: Flask, now: Clock, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=1, asks_address=True, waiting_list_limit=0)
    path = f"/events/{event_id}-harvest-supper"
    people = [Person(app), Person(app)]
    forms = [forms_of(one.get(path))[path] | {"name": "A", "tickets": "1"} for one in people]
    assert Person(app).book(event_id, "Ada").status_code == 303
    told = []
    for one, form, name in zip(people, forms, ("ada", "eve"), strict=True):
        answer = one.client.post(path, data=form | {"email": f"{name}@example.org"})
        assert answer.status_code == 409
        told.append(text_of(answer))
    assert told[0] == told[1]
    assert "This event is sold out" in told[0]


def test_story_without_scripts_from_the_form_to_the_ticket(
    app: Flask, person: Person, asking: int, now: Clock
) -> None:
    offered = text_of(person.get(f"/events/{asking}-harvest-supper"))
    assert "Your ticket is set aside at once." in offered
    assert "We mail you before your place is yours" in offered
    assert MAILED in text_of(person.get(person.book(asking, "Ada").location))
    in_context(app, send_mails)
    booking = row_of(app, asking)
    own = f"/bookings/{booking.reference}"
    before = person.get(own)
    assert "Look in your mails" in text_of(before)
    assert "3 May 2027, 12:30" in text_of(before)
    assert booking.ticket_code not in before.text.replace(" ", "")
    assert 'class="qr"' not in before.text
    link = link_in_mail(app, asking)
    for _ in range(2):
        assert "Keep your place?" in text_of(person.get(link))
    assert in_context(app, lambda: term_at(asking, 1)).is_open
    told = []
    for _ in range(2):
        form = forms_of(person.get(link))[f"{own}/keep"]
        form.setdefault("token", link.partition("token=")[2])
        answer = person.client.post(f"{own}/keep", data=form)
        assert (answer.status_code, answer.location) == (303, own)
        told.append(text_of(person.get(own)))
    for page in told:
        assert "Thank you: 1 ticket is yours." in page
        assert "Show this at the door" in page
    assert "Harvest Supper" in text_of(person.get("/bookings"))
    assert "Your place is kept" in text_of(person.get(link))
    with app.app_context():
        assert send_mails() == ["confirmed"]
        assert verify().broken == []


@pytest.mark.parametrize("token", ["", "wrong", "ä"])
def test_page_alone_does_not_answer_for_an_address(
    app: Flask, person: Person, asking: int, token: str
) -> None:
    person.book(asking, "Ada")
    in_context(app, send_mails)
    path = f"/bookings/{row_of(app, asking).reference}/keep"
    data = {**person.token(path), "token": token}
    for headers in ({}, {"HX-Request-Type": "partial"}):
        answer = person.client.post(path, data=data, headers=headers)
        assert answer.status_code == 403
        assert "Open the link in the mail" in text_of(answer)
        assert "Keep your place?" in text_of(answer)
        assert "nextup-bookings" not in str(answer.headers.getlist("Set-Cookie"))
    assert in_context(app, lambda: term_at(asking, 1)).is_open


def test_who_comes_too_late_reads_that_it_has_lapsed_and_how_to_book_again(
    app: Flask, person: Person, asking: int, now: Clock
) -> None:
    person.book(asking, "Ada")
    in_context(app, send_mails)
    link = link_in_mail(app, asking)
    path = link.partition("?")[0]
    form = forms_of(person.get(link))[path]
    with app.app_context():
        go(now, minutes=31)
    late = person.client.post(path, data=form)
    assert late.status_code == 409
    for page in (late, person.get(link)):
        assert "This booking has lapsed" in text_of(page)
        assert "Book again" in text_of(page)
    assert in_context(app, lambda: statuses(asking)) == ["lapsed"]


def test_question_is_mailed_again_and_its_term_goes_on(
    app: Flask, person: Person, asking: int, now: Clock
) -> None:
    person.book(asking, "Ada")
    in_context(app, send_mails)
    told = in_context(app, lambda: term_at(asking, 1)).lapses_at
    with app.app_context():
        go(now, minutes=5)
    own = f"/bookings/{row_of(app, asking).reference}"
    answers = [person.submit(own, f"{own}/ask") for _ in range(4)]
    assert {answer.status_code for answer in answers} == {303}
    with app.app_context():
        assert send_mails() == ["links"] * 4
        assert term_at(asking, 1).lapses_at == told


def test_still_coming_is_answered_on_the_page_of_the_booking(
    app: Flask, person: Person, now: Clock, make_event: MakeEvent, book: Callable[..., str]
) -> None:
    in_context(app, lambda: heartbeat.beat(now()))
    event_id = make_event(still_coming_days=3, still_coming_lapses=True)
    own = f"/bookings/{book(event_id, 'Ada')}"
    have_asked(app, event_id, lapses_too=True)
    page = person.get(own)
    assert "Please answer until Wed 5 May 2027, 12:00 UTC" in text_of(page)
    assert "Show this at the door" in text_of(page)
    assert f'href="{own}/cancel"' in page.text
    assert "Are you still coming?" in text_of(person.get(f"{own}/keep"))
    assert person.submit(own, f"{own}/keep").location == own
    told = text_of(person.get(own))
    assert "Thank you" in told
    assert "Are you still coming?" not in told
    assert in_context(app, lambda: history(event_id))[0].what == "kept"


def test_beyond_what_a_network_books_freely_its_pages_ask(
    make_app: Callable[..., Flask], now: Clock, make_event: MakeEvent
) -> None:
    app = make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL, BOOKINGS_FREELY="2")
    event_id = make_event(tickets=9)
    answers = [Person(app).book(event_id, f"pupil{number}") for number in range(4)]
    assert [answer.location.partition("/")[2].split("/")[0] for answer in answers] == [
        *("bookings", "bookings", "events", "events")
    ]
    assert MAILED in text_of(Person(app).get(answers[-1].location))
    # What is asked is not counted, and the same form again is the same booking.
    person = Person(app)
    path = f"/events/{event_id}-harvest-supper"
    form = forms_of(person.get(path))[path] | {
        "name": "Twice", "email": "twice@example.org", "tickets": "1"
    }  # fmt: skip
    locations = {person.client.post(path, data=form).location for _ in range(2)}
    assert locations == {f"/events/{event_id}/asked"}
    assert in_context(app, lambda: statuses(event_id)) == ["confirmed"] * 5
    with app.app_context():
        assert send_mails() == ["confirmed"] * 2 + ["ask_address"] * 3
    assert 'class="qr"' not in person.get(f"/bookings/{row_of(app, event_id, 5).reference}").text


def test_shortly_before_the_start_nobody_can_be_asked_and_has_to_wait(
    make_app: Callable[..., Flask], now: Clock, make_event: MakeEvent
) -> None:
    app = make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL, BOOKINGS_FREELY="1")
    event_id = make_event(tickets=9, starts_at=now.at(minutes=9))
    answers = [Person(app).book(event_id, f"late{number}") for number in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert in_context(app, lambda: statuses(event_id)) == ["confirmed"]


def test_what_is_asked_is_not_counted_as_booked_freely(
    make_app: Callable[..., Flask], now: Clock, make_event: MakeEvent
) -> None:
    app = make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL, BOOKINGS_FREELY="2")
    event_id = make_event(tickets=9, asks_address=True)
    for number in range(4):
        Person(app).book(event_id, f"asked{number}")
    execute_in(app, update(events).values(asks_address=False))
    assert Person(app).book(event_id, "freely").location.startswith("/bookings/")


def test_more_tickets_count_as_booked_freely(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    app = make_app(BOOKINGS_FREELY="5")
    event_id = make_event(tickets=20)
    person = Person(app)
    own = person.book(event_id, "Ada", tickets=2).location
    assert person.submit(own, tickets=4).status_code == 303
    assert person.submit(own, tickets=9).status_code == 429
    assert row_of(app, event_id).tickets == 4
    assert person.submit(own, tickets=3, sure="yes").status_code == 303
    assert person.submit(own, tickets=4).status_code == 303
    assert person.submit(own, tickets=5).status_code == 429


def test_settings_are_saved_copied_and_told_in_words(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    page = f"/organizer/events/{event_id}"
    saved = owner.submit(
        f"{page}/edit", asksAddress="true", stillComingDays=3, stillComingLapses="true"
    )
    assert saved.status_code == 303
    for path in (f"{page}/edit", f"/organizer/events/new?like={event_id}"):
        [form] = [f for f in forms_of(owner.get(path)).values() if "eventName" in f]
        asked = (form["asksAddress"], form["stillComingDays"], form["stillComingLapses"])
        assert asked == ("true", "3", "true")
    told = text_of(owner.get(f"{page}/history"))
    assert "Addresses have to answer from now on" in told
    assert "gives up the tickets" in told
    form = forms_of(owner.get(f"{page}/edit"))[f"{page}/edit"]
    del form["asksAddress"], form["stillComingLapses"]
    assert owner.client.post(f"{page}/edit", data=form | {"stillComingDays": ""}).status_code == 303
    assert "Addresses need not answer any more" in text_of(owner.get(f"{page}/history"))


def test_without_mails_nobody_can_be_asked(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    event_id = make_event()
    owner = Person(make_app())
    owner.log_in()
    refused = owner.submit(
        f"/organizer/events/{event_id}/edit", asksAddress="true", stillComingDays="3"
    )
    assert refused.status_code == 400
    assert refused.text.count("Set up mails first") == 2


def test_organizer_sees_who_is_asked_and_answers_for_them(
    app: Flask, now: Clock, owner: Person, person: Person, asking: int
) -> None:
    page = f"/organizer/events/{asking}"
    for name in ("Ada", "Bob", "Cleo"):
        Person(app).book(asking, name)
    assert "The mail has not left yet" in text_of(owner.get(f"{page}/bookings/1"))
    in_context(app, send_mails)
    assert owner.submit(f"{page}/bookings/1", f"{page}/bookings/1/keep").status_code == 303
    shown = text_of(owner.get(page))
    assert "Asked 3 No answer yet 2 Kept 1 Given back 0 Lapsed 0 Moved up 0" in shown
    listed = text_of(owner.get(f"{page}?status=asked"))
    assert "until Mon 3 May 2027, 12:30 UTC" in listed
    assert ("Bob" in listed, "Ada" in listed) == (True, False)
    with app.app_context():
        go(now, minutes=31)
        lapses.settle(asking)
    shown = text_of(owner.get(page))
    assert "Asked 3 No answer yet 0 Kept 1 Given back 0 Lapsed 2 Moved up 0" in shown
    told = text_of(owner.get(f"{page}/bookings/1"))
    assert "kept by you: the address is theirs" in told
    assert "asked by mail whether the address is theirs" in told
    assert "the address did not answer in time" in text_of(owner.get(f"{page}/bookings/2"))


def test_who_moves_up_before_answering_is_not_told_that_the_ticket_is_theirs(
    app: Flask, person: Person, now: Clock, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    for name in ("Ada", "Bob"):
        Person(app).book(event_id, name)
    own = f"/bookings/{row_of(app, event_id, 2).reference}"
    desk = f"/organizer/events/{event_id}"
    assert owner.submit(f"{desk}/bookings/1/cancel").status_code == 303
    page = person.get(f"{own}/standing", fragment=True)
    assert "Answer our mail to keep your place" in page.text
    assert "ticket is yours" not in text_of(page)
    assert row_of(app, event_id, 2).ticket_code not in page.text.replace(" ", "")
    assert "Given back 1 Lapsed 0 Moved up 1" in text_of(owner.get(desk))


def test_plain_event_shows_nothing_of_questions(
    owner: Person, make_event: MakeEvent, book: Callable[..., str]
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada")
    for path in (f"/organizer/events/{event_id}", f"/organizer/events/{event_id}/bookings/1"):
        assert "Asked" not in text_of(owner.get(path))
    assert "Look in your mails" not in owner.get(f"/bookings/{reference}").text
    assert "There is nothing to answer" in owner.get(f"/bookings/{reference}/keep").text


def test_dashboard_says_what_keeps_questions_back(
    app: Flask, asking: int, owner: Person, person: Person
) -> None:
    person.book(asking, "Ada")
    assert "cannot leave" not in text_of(owner.get("/organizer"))
    failed = update(deliveries).values(problem="Connection refused", attempts=1)
    in_context(app, lambda: execute(failed))
    assert "cannot leave: the mail server is away" in text_of(owner.get("/organizer"))
    in_context(app, lambda: write(heartbeat.rest))
    assert "All mails rest since a backup was restored" in text_of(owner.get("/organizer"))


def test_question_is_told_in_german(app: Flask, person: Person, asking: int) -> None:
    german = {"Accept-Language": "de"}
    path = f"/events/{asking}-harvest-supper"
    page = person.client.get(path, headers=german)
    form = forms_of(page)[path] | {"name": "Ada", "email": "ada@example.org"}
    asked = person.client.post(path, data=form, headers=german).location
    assert "innerhalb von 30 Minuten" in text_of(person.client.get(asked, headers=german))
    in_context(app, send_mails)
    link = link_in_mail(app, asking)
    page = person.client.get(link, headers=german)
    assert "Platz behalten?" in text_of(page)
    assert "Mo., 3. Mai 2027, 12:30" in text_of(page)
    own = link.partition("/keep")[0]
    person.client.post(f"{own}/keep", data=forms_of(page)[f"{own}/keep"], headers=german)
    told = text_of(person.client.get(own, headers=german))
    assert "Danke: 1 Ticket gehört Ihnen." in told


def test_where_mails_are_taken_away_nothing_is_asked(
    app: Flask, make_app: Callable[..., Flask], person: Person, asking: int
) -> None:
    event_id = asking
    without = Person(make_app())
    answer = without.book(event_id, "Ada")
    assert re.match(r"/bookings/[\w-]{22}$", answer.location)
    assert "Show this at the door" in text_of(without.get(answer.location))
    row = in_context(
        without.app,
        lambda: read(
            lambda connection: connection.execute(
                select(events.c.asks_address).where(events.c.id == event_id)
            ).scalar_one()
        ),
    )
    assert row


def pages_that_ask(
    app: Flask, owner: Person, visitor: Person, event_id: int, coming: int
) -> Iterator[TestResponse]:
    """Each page on which somebody is asked something, in each of its states."""
    desk = f"/organizer/events/{event_id}"
    own = {name: f"/bookings/{row_of(app, event_id, at).reference}" for at, name in PLACES.items()}

    def look() -> Iterator[TestResponse]:
        for path in (desk, f"{desk}?status=asked", f"{desk}/bookings/1", "/organizer"):
            yield owner.get(path)
        for at, name in PLACES.items():
            yield visitor.get(own[name])
            for path in (f"{own[name]}/keep", link_in_mail(app, event_id, at)):
                yield visitor.get(path)

    yield visitor.get(f"/events/{event_id}-harvest-supper")
    yield visitor.get(f"/events/{event_id}/asked")
    yield from look()
    in_context(app, send_mails)
    yield from look()
    path = f"{own['ada']}/keep"
    yield visitor.client.post(path, data={**visitor.token(path), "token": "wrong"})
    for _ in range(4):
        yield visitor.get(visitor.submit(own["ada"], f"{own['ada']}/ask").location or own["ada"])
    yield visitor.submit(own["ada"], f"{own['ada']}/ask")
    have_asked(app, coming, lapses_too=False)
    for reads, path in (
        (owner, f"/organizer/events/{coming}/bookings/1"),
        (visitor, f"/bookings/{row_of(app, coming).reference}"),
        (visitor, f"/bookings/{row_of(app, coming).reference}/keep"),
    ):
        yield reads.get(path)
    for at, name in PLACES.items():
        link = link_in_mail(app, event_id, at)
        fields = forms_of(visitor.get(link))[f"{own[name]}/keep"]
        if name != "cleo":
            visitor.client.post(f"{own[name]}/keep", data=fields)
            yield visitor.get(own[name])
    answered = f"/organizer/events/{coming}/bookings/1"
    owner.submit(answered, f"{answered}/keep")
    yield owner.get(answered)
    with app.app_context():
        fail = update(deliveries).values(problem="Θ", attempts=1, state="pending")
        execute(fail)
        write(heartbeat.rest)
        yield owner.get("/organizer")
        execute(update(deliveries).values(state="parked"))
        heartbeat.resume()
        heartbeat.beat(clock.now())
        execute(update(terms).where(terms.c.position == 3).values(lapses_at=clock.now() - A_DAY))
        execute(update(events).values(next_lapse_at=clock.now() - A_DAY))
        lapses.settle(event_id)
    yield from look()
    yield owner.get(f"{desk}/mails")
    edit: dict[str, Any] = {
        "asksAddress": "true",
        "stillComingDays": 99,
        "stillComingLapses": "true",
    }
    yield owner.submit(f"{desk}/edit", **edit)
    owner.submit(f"{desk}/edit", **{**edit, "stillComingDays": 3})
    form = forms_of(owner.get(f"{desk}/edit"))[f"{desk}/edit"]
    del form["asksAddress"], form["stillComingLapses"]
    owner.client.post(f"{desk}/edit", data=form)
    yield owner.get(f"{desk}/history")


@pytest.mark.parametrize(
    ("code", "direction"),
    [pytest.param(LEFT_TO_RIGHT, "ltr", marks=pytest.mark.long), (RIGHT_TO_LEFT, "rtl")],
)
def test_every_page_that_asks_says_everything_in_the_visitors_language(
    app: Flask,
    owner: Person,
    person: Person,
    make_event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    direction: str,
) -> None:
    asking = make_event("Γιορτή", tickets=2, asks_address=True)
    coming = make_event("Γιορτή", tickets=2, still_coming_days=3)
    for name in PLACES.values():
        Person(app).book(asking, name)
    Person(app).book(coming, "dora")
    execute_in(app, update(bookings).values(name="Θ", attendee_id=bookings.c.position))
    monkeypatch.setitem(LANGUAGES, code, made_up(code))
    for reader in (owner, person):
        reader.client.set_cookie("nextup-language", code, domain="localhost")
    shown = pages_that_ask(app, owner, person, asking, coming)
    assert count_in_language(shown, code, direction) > 40
