"""An organizer, events and a clock for tests of the rooms below the web."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from webapp import clock
from webapp.booking.commands import organizer
from webapp.events import services as events
from webapp.storage.engines import write_engine
from webapp.storage.tables import organizers

MakeEvent = Callable[..., int]


class Clock:
    """The services' clock, standing still until it is set."""

    def __init__(self) -> None:
        self.moment = datetime(2027, 5, 3, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def go(self, **distance: float) -> None:
        self.moment += timedelta(**distance)

    def at(self, **distance: float) -> datetime:
        """A moment as seen from now."""
        return self.moment + timedelta(**distance)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    still = Clock()
    monkeypatch.setattr(clock, "now", still)
    return still


@pytest.fixture
def in_app(app: Flask) -> Iterator[Flask]:
    """The application, with the test inside its context."""
    with app.app_context():
        yield app


def add_organizer(username: str) -> int:
    """An account without a usable password, which would be slow to hash."""
    values = {
        "username": username,
        "password_hash": "none",
        "credential_version": 1,
        "created_at": datetime(2027, 1, 1, tzinfo=UTC),
    }
    with write_engine().begin() as connection:
        key = connection.execute(insert(organizers), values).inserted_primary_key
    assert key is not None
    return int(key[0])


@pytest.fixture
def organizer_id(in_app: Flask) -> int:
    return add_organizer("olga")


@pytest.fixture
def stranger_id(in_app: Flask) -> int:
    """Another organizer, who owns nothing here."""
    return add_organizer("sam")


@pytest.fixture
def make_event(organizer_id: int) -> MakeEvent:
    """Make an event of Olga's: `make_event(capacity=3, starts_at=...)`; published unless told."""

    def make(name: str = "Conference", *, published: bool = True, **details: object) -> int:
        wanted = events.EventDetails(name, **{"capacity": 3, **details})  # type: ignore[arg-type]
        return events.create_event(wanted, actor=organizer(organizer_id), published=published)

    return make
