"""Answers, lapses and bookings at the same moment, on real databases."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import insert, literal, select, update

from tests.support.fixtures import MakeEvent
from tests.support.terms import BASE_URL, MAIL_URL, answer, ask, next_lapse_of, send_mails, term_at
from tests.support.tools import figures, history, statuses, together
from webapp import clock
from webapp.booking import heartbeat, lapses
from webapp.booking.batch import run_one_event
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import ActivityKind, BookTickets, Outcome
from webapp.booking.decisions import Request
from webapp.booking.services import book_tickets
from webapp.booking.terms import GRACE
from webapp.errors import BookingClosed, Unavailable
from webapp.storage.engines import write_engine
from webapp.storage.tables import activities, events, terms
from webapp.verify.services import verify


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)


@pytest.fixture(autouse=True)
def beating(in_app: Flask) -> None:
    heartbeat.beat(clock.now())


def end_at(event_id: int, moment: object) -> None:
    with write_engine().begin() as connection:
        of_event = terms.c.event_id == event_id
        connection.execute(update(terms).where(of_event).values(lapses_at=moment))
        of_event = events.c.id == event_id
        connection.execute(update(events).where(of_event).values(next_lapse_at=moment))


@pytest.mark.race
def test_of_the_click_and_the_deadline_exactly_one_wins(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    booked = ask(event_id, "ada")
    book_tickets(event_id, attendee_id="next")
    send_mails()
    over = clock.now() + timedelta(milliseconds=40)
    end_at(event_id, over - GRACE)

    def click() -> Outcome:
        while clock.now() < over - timedelta(milliseconds=1):
            pass
        return answer(event_id, booked)

    def look() -> None:
        while clock.now() < over + timedelta(milliseconds=60):
            lapses.settle_due()

    clicks = together(app, [click, look, click, look])[::2]
    kept = [isinstance(one, Outcome) for one in clicks]
    late = [isinstance(one, BookingClosed) for one in clicks]
    lapsed = statuses(event_id) == ["lapsed", "confirmed"]
    assert lapsed or statuses(event_id) == ["confirmed", "waiting"]
    assert all(late) if lapsed else all(kept), clicks
    told = [line.what for line in history(event_id, position=1)]
    assert told.count("lapsed") + told.count("kept") == 1
    assert not term_at(event_id, 1).is_open
    assert verify().broken == []


def fill_asked(event_id: int, count: int, *, at_once: int = 500) -> None:
    """Have so many book with addresses that never answer, and their questions leave."""
    for start in range(0, count, at_once):
        requests = [
            Request(
                event_id,
                BookTickets(f"u{number}@example.org", 1, new_reference()),
                details=BookingDetails(new_ticket_code(), email=f"u{number}@example.org"),
                must_answer=True,
            )
            for number in range(start, min(start + at_once, count))
        ]
        assert all(isinstance(one, Outcome) for one in run_one_event(event_id, requests))
    # As if each had been noted as sent, in the revision of its booking.
    names = ("event_id", "revision", "batch", "actor", "at", "position", "status_after")
    lines = select(
        *(activities.c[name] for name in names),
        activities.c.status_after,
        activities.c.tickets_after,
        activities.c.tickets_after,
        literal(ActivityKind.ASKED.value),
    ).where(activities.c.event_id == event_id, activities.c.what == ActivityKind.BOOKED)
    columns = [*names, "status_before", "tickets_before", "tickets_after", "what"]
    with write_engine().begin() as connection:
        connection.execute(insert(activities).from_select(columns, lines))


@pytest.mark.parametrize("count", [1_200, pytest.param(10_000, marks=pytest.mark.long)])
def test_thousands_lapse_while_people_book(app: Flask, make_event: MakeEvent, count: int) -> None:
    """They gave up the places that others take meanwhile, each in its turn."""
    event_id = make_event(capacity=50)
    fill_asked(event_id, count)
    end_at(event_id, clock.now() - timedelta(minutes=1))

    def look() -> int:
        looks = 0
        while next_lapse_of(event_id) is not None:
            lapses.settle_due()
            looks += 1
        return looks

    def book(name: str) -> list[Outcome]:
        made = []
        for number in range(20):
            try:
                made.append(book_tickets(event_id, attendee_id=f"{name}{number}"))
            except Unavailable:
                continue
        return made

    calls: list[Callable[[], object]] = [look, *(partial(book, name) for name in "abcd")]
    looked, *booked = together(app, calls)
    assert not isinstance(looked, Exception), looked
    assert not [one for one in booked if isinstance(one, Exception)]
    told = statuses(event_id)
    assert told[:count] == ["lapsed"] * count
    # Those who came are served in the order in which they came.
    taken = min(50, len(told) - count)
    assert told[count:] == ["confirmed"] * taken + ["waiting"] * (len(told) - count - taken)
    assert figures(event_id)[0] == taken
    assert verify().broken == []
