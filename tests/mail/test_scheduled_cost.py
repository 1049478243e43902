"""What it costs to look each minute for what has to be told, and at what became of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select, update

from tests.mail.conftest import Clock
from tests.test_counts import (
    CONFIRMED,
    EVENTS,
    World,
    counted_app,
    filled,
    is_scan_of_mariadb,
    is_scan_of_sqlite,
    scans,
    small_file,
    small_world,
    world,
)
from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.booking.standstill import LOOK_BACK, standstills
from webapp.events.queries import own_event
from webapp.extensions import db
from webapp.mail import announcements, offers, scheduled
from webapp.mail.audiences import Audience
from webapp.storage.tables import bookings, deliveries, events, organizers

__all__ = ["counted_app", "filled", "small_file", "small_world", "world"]

# A look that finds nothing to do: what starts within a day, and what is written for it.
STATEMENTS, ROWS = 5, 80


@pytest.fixture(autouse=True)
def at_noon(the_clock: Clock) -> None:
    """At a time of day at which summaries are due."""
    the_clock.put_forward(days=1, hours=12 - clock.now().hour)


@pytest.fixture
def reminding(world: World) -> Iterator[World]:
    """The same, with an event that starts tonight and reminds thousands."""
    yield from remind(world)


@pytest.fixture
def small_reminding(small_world: World) -> Iterator[World]:
    yield from remind(small_world)


def remind(world: World) -> Iterator[World]:
    # What is counted here is what a plain event costs: those with types are out of sight meanwhile.
    typed = update(events).where(events.c.types > 0)
    now = clock.now()
    address = bookings.c.attendee_id + "@example.org"
    with db.engine.begin() as connection:
        connection.execute(typed.values(status="draft"))
        connection.execute(
            update(events)
            .where(events.c.id == world.event_id)
            .values(starts_at=now + timedelta(hours=9), reminds=True)
        )
        connection.execute(
            update(bookings)
            .where(bookings.c.event_id == world.event_id)
            .values(email=address, created_at=now - timedelta(days=3))
        )
    yield world
    with db.engine.begin() as connection:
        connection.execute(typed.values(status="published"))
        connection.execute(deliveries.delete())
        connection.execute(update(organizers).values(wants_sold_out=False, wants_summary=False))


def want_everything() -> None:
    wishes = {"email": "owner@example.org", "wants_sold_out": True, "wants_summary": True}
    with db.engine.begin() as connection:
        connection.execute(update(organizers).values(**wishes))


def written(what: str) -> int:
    query = select(func.count()).where(deliveries.c.what == what)
    with db.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def test_reminders_that_are_written_cost_next_to_nothing(reminding: World) -> None:
    scheduled.write_due()
    assert written("reminder") == CONFIRMED
    counts = reminding.count(scheduled.write_due)
    assert counts.commits == 0, "a lock for nothing"
    assert counts.statements <= STATEMENTS, counts
    assert counts.rows <= ROWS, counts
    assert written("reminder") == CONFIRMED


def test_notices_that_are_written_cost_a_look_at_what_is_to_come(reminding: World) -> None:
    want_everything()
    scheduled.write_due()
    assert (written("sold_out"), written("summary")) == (1, 1)
    counts = reminding.count(scheduled.write_due)
    assert counts.commits == 0, "a lock for nothing"
    assert counts.statements <= STATEMENTS, counts
    assert counts.rows <= EVENTS + ROWS, counts
    assert (written("sold_out"), written("summary")) == (1, 1)


def test_no_table_is_read_as_a_whole(reminding: World) -> None:
    want_everything()
    for found in ("everything", "nothing"):
        assert scans(scheduled.write_due, "EXPLAIN", is_scan_of_mariadb) == [], found


def test_no_table_is_read_as_a_whole_on_sqlite(small_reminding: World) -> None:
    want_everything()
    for found in ("everything", "nothing"):
        steps = scans(scheduled.write_due, "EXPLAIN QUERY PLAN", is_scan_of_sqlite)
        assert steps == [], found


@contextmanager
def standing_still(world: World) -> Iterator[Callable[[], object]]:
    """Have a ticket free of an event for which thousands wait; gives a look at what holds them."""
    one = update(events).where(events.c.id == world.event_id)
    head = update(bookings).where(
        bookings.c.event_id == world.event_id,
        bookings.c.position == world.head_of_line().position,
    )

    def change(free: int, tickets: int) -> None:
        with db.engine.begin() as connection:
            connection.execute(one.values(capacity=events.c.capacity + free))
            connection.execute(head.values(tickets=tickets))

    change(1, 2)
    event = own_event(world.event_id, organizer_id=1)

    def look() -> None:
        assert standstills([event], actor=organizer(1)).keys() == {event.id}

    yield look
    change(-1, 1)


def test_offers_that_are_written_cost_a_look_at_what_is_to_come(reminding: World) -> None:
    with standing_still(reminding):
        offers.write_offers()
        assert written(offers.KIND) == 1
        counts = reminding.count(offers.write_offers)
        assert counts.commits == 0, "a lock for nothing"
        assert counts.statements == 1, counts
        assert counts.rows <= EVENTS + ROWS, counts
        with db.engine.begin() as connection:
            connection.execute(deliveries.delete())
        for _ in ("something", "nothing"):
            assert scans(offers.write_offers, "EXPLAIN", is_scan_of_mariadb) == []
        assert written(offers.KIND) == 1


def test_standstill_of_a_long_list_is_told_from_its_head_and_a_part_of_its_history(
    reminding: World,
) -> None:
    with standing_still(reminding) as look:
        look()
        counts = reminding.count(look)
        assert counts.statements == 2, counts
        # Each line is read, and read again as a part of the union.
        assert counts.rows <= 2 * LOOK_BACK + ROWS, counts
        assert scans(look, "EXPLAIN", is_scan_of_mariadb) == []


def test_what_stands_still_reads_no_table_as_a_whole_on_sqlite(small_reminding: World) -> None:
    with standing_still(small_reminding) as look:
        for action in (offers.write_offers, offers.write_offers, look):
            assert scans(action, "EXPLAIN QUERY PLAN", is_scan_of_sqlite) == []
        assert written(offers.KIND) == 1


def test_progress_of_a_message_is_found_among_the_keys(small_reminding: World) -> None:
    event_id = small_reminding.event_id
    for subject in ("A word", "Another"):
        announcements.send_message(
            event_id, audience=Audience.ALL, subject=subject, text="Hello", actor=organizer(1)
        )
    event = find_event(event_id)
    look = partial(announcements.recent_announcements, event, actor=organizer(event.organizer_id))
    assert [progress.pending for _, progress in look()] == [60, 60]
    assert scans(look, "EXPLAIN QUERY PLAN", lambda step: "SCAN delivery" in step["detail"]) == []
