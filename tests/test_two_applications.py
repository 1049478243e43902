"""Two applications in one process: what one remembers is nothing to the other.

Their databases give out the same ids, so both have an organizer and an event of one number.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from tests.conftest import dispose, make_settings
from tests.support.tools import LONG, statuses
from webapp import create_app
from webapp.accounts import services as accounts
from webapp.booking import batch, queries
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.booking.ranks import rank_of
from webapp.booking.services import book_tickets
from webapp.events import sales
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.extensions import db
from webapp.storage.engines import write_engine

PASSWORD = "correct horse"


class Pair(NamedTuple):
    one: Flask
    other: Flask
    event_id: int


@pytest.fixture
def pair(app: Flask, tmp_path: Path) -> Iterator[Pair]:
    """The application on a database, and another one on a database of its own."""
    with app.app_context():
        organizer_id = accounts.create_organizer(username="olga", password=PASSWORD)
        event_id = make_event(organizer_id)
    folder = tmp_path / "other"
    folder.mkdir()
    other = create_app(make_settings(f"sqlite:///{folder / 'other.db'}", folder))
    other.testing = True
    with other.app_context():
        with write_engine().begin() as connection:
            db.metadata.create_all(connection)
            before = {"name": "event", "id": event_id - 1}
            connection.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :id)"), before)
        accounts.create_organizer(username="olga", password="another password")
        with write_engine().begin() as connection:
            connection.execute(text("UPDATE organizer SET id = :id"), {"id": organizer_id})
        assert make_event(organizer_id) == event_id
    yield Pair(app, other, event_id)
    dispose(other)


def make_event(organizer_id: int) -> int:
    return events.create_event(
        EventDetails("One", 1), actor=organizer(organizer_id), published=True
    )


def days_of(event_id: int) -> Sequence[sales.Day]:
    event = find_event(event_id)
    return sales.sales_of(event, actor=organizer(event.organizer_id))


def test_rank_is_one_of_the_applications_own_waiting_list(pair: Pair) -> None:
    with pair.one.app_context():
        for name in ("ada", "bob", "carol"):
            book_tickets(pair.event_id, attendee_id=name)
        assert [rank_of(pair.event_id, position) for position in (2, 3)] == [1, 2]
    with pair.other.app_context():
        assert [rank_of(pair.event_id, position) for position in (2, 3)] == [None, None]


def test_days_of_an_event_are_those_of_the_applications_own(pair: Pair) -> None:
    with pair.one.app_context():
        book_tickets(pair.event_id, attendee_id="ada")
        assert len(days_of(pair.event_id)) == 1
    with pair.other.app_context():
        assert days_of(pair.event_id) == []


def test_login_that_one_has_verified_is_none_of_the_other(pair: Pair) -> None:
    login: dict[str, Any] = {"auth": ("olga", PASSWORD)}
    for _ in range(2):
        answers = [app.test_client().get("/api/organizer/events", **login) for app in pair[:2]]
        assert [answer.status_code for answer in answers] == [200, 401]


@pytest.fixture
def hold(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Have the first application stand still in a function of a module, until the test is over."""
    go_on = threading.Event()

    def hold(module: Any, name: str) -> threading.Event:
        function, standing = getattr(module, name), threading.Event()

        def held(*arguments: Any, **options: Any) -> Any:
            if current_app == pair.one:
                standing.set()
                assert go_on.wait(LONG)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, held)
        return standing

    with ThreadPoolExecutor(4) as pool:

        def start(app: Flask, work: Callable[[], Any]) -> Any:
            def run() -> Any:
                with app.app_context():
                    return work()

            return pool.submit(run)

        hold.start = start  # type: ignore[attr-defined]
        yield hold
        go_on.set()


def test_booking_never_joins_a_batch_of_the_other(pair: Pair, hold: Any) -> None:
    def book(name: str) -> Callable[[], Any]:
        return lambda: book_tickets(pair.event_id, attendee_id=name)

    standing = hold(batch, "write")
    hold.start(pair.one, book("ada"))
    assert standing.wait(LONG)
    hold.start(pair.one, book("bob"))
    assert hold.start(pair.other, book("carol")).result(LONG).position == 1
    with pair.other.app_context():
        assert statuses(pair.event_id) == ["confirmed"]


def test_reader_never_shares_a_query_of_the_other(pair: Pair, hold: Any) -> None:
    standing = hold(queries, "read")
    hold.start(pair.one, lambda: find_event(pair.event_id))
    assert standing.wait(LONG)
    found = hold.start(pair.other, lambda: find_event(pair.event_id)).result(LONG)
    assert found.id == pair.event_id
