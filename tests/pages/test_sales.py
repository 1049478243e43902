"""The picture of an event's bookings over time."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from tests.pages.conftest import Person, text_of
from webapp import clock
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.events import sales
from webapp.events.sales import Day
from webapp.pages.chart import LEAST_COLUMNS, MOST_COLUMNS, chart_of

MakeEvent = Callable[..., int]
Book = Callable[..., str]
FIRST = datetime(2031, 3, 1, 23, 30, tzinfo=UTC)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


def sales_of(event_id: int) -> Sequence[Day]:
    event = find_event(event_id)
    return sales.sales_of(event, actor=organizer(event.organizer_id))


@pytest.mark.every_database
def test_days_tell_what_came_in_and_what_was_given_back(
    app: Flask, make_event: MakeEvent, book: Book, at: Callable[[datetime], None]
) -> None:
    event_id, other = make_event(tickets=2), make_event("Other")
    at(FIRST)
    for name in ("Ada", "Grace", "Mary"):
        book(event_id, name)
    at(FIRST + timedelta(days=3))
    book(event_id, "Joan")
    book(other, "Ada")
    with app.app_context():
        bookings.cancel_booking(event_id, position=1)
        found = sales_of(event_id)
    assert found == [
        Day(date(2031, 3, 1), confirmed=2, waiting=1),
        Day(date(2031, 3, 2)),
        Day(date(2031, 3, 3)),
        Day(date(2031, 3, 4), waiting=1, cancelled=1),
    ]
    book(event_id, "Dorothy")
    with app.app_context():
        grown = sales_of(event_id)
        assert grown[-1] == Day(date(2031, 3, 4), waiting=2, cancelled=1)
        sales._tallies.clear()
        assert sales_of(event_id) == grown, "what is remembered is what would be read"


def test_long_time_fits_and_loses_nothing() -> None:
    start = date(2030, 1, 1)
    days = [Day(start + timedelta(days=n), n, n % 3, n % 2) for n in range(400)]
    chart = chart_of(days)
    assert chart is not None
    assert LEAST_COLUMNS <= len(chart.columns) <= MOST_COLUMNS
    assert chart.totals == (
        sum(day.confirmed for day in days),
        sum(day.waiting for day in days),
        sum(day.cancelled for day in days),
    )
    assert chart.columns[-1].last == days[-1].day


def test_picture_says_in_words_what_it_shows(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    path = f"/organizer/events/{event_id}/details"
    assert "Over time" not in owner.get(path).text
    book(event_id, "Ada")
    book(event_id, "Grace")
    page = owner.get(path)
    assert "1 booking confirmed at once, 1 put on the waiting list and 0 cancelled" in page.text
    assert 'role="img" aria-labelledby="sales-title sales-description"' in page.text
    assert "The same as a table" in text_of(page)


def test_list_alone_is_read_without_the_picture(
    owner: Person, make_event: MakeEvent, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    book(event_id, "Ada")
    monkeypatch.setattr("webapp.pages.organizer.desk.sales_of", lambda *_, **__: 1 / 0)
    assert owner.get(f"/organizer/events/{event_id}", fragment=True).status_code == 200
