"""Bookings that have lapsed or are held, before anything of the application makes them so."""

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.changes import set_status
from tests.support.fixtures import MakeEvent
from tests.support.tools import figures, fill, statuses
from webapp.booking.commands import (
    ACTIVE,
    TAKING_TICKETS,
    Status,
    is_active,
    organizer,
    takes_tickets,
)
from webapp.booking.queries import event_bookings, find_event, list_bookings
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import AlreadyBooked, BookingClosed
from webapp.events.sales import sales_of
from webapp.events.services import cancel_event
from webapp.storage.engines import write_engine
from webapp.storage.tables import events
from webapp.verify.services import verify


def set_capacity_of(event_id: int, capacity: int) -> None:
    """More room without a promotion, as rows and history of an event that was made so have it."""
    with write_engine().begin() as connection:
        change = update(events).where(events.c.id == event_id).values(capacity=capacity)
        connection.execute(change)


def test_predicates_tell_of_every_status() -> None:
    assert {status for status in Status if is_active(status)} == set(ACTIVE)
    assert {status for status in Status if takes_tickets(status)} == set(TAKING_TICKETS)
    assert set(TAKING_TICKETS) < set(ACTIVE)


def test_lapsed_booking_holds_nothing_and_its_attendee_may_book_again(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=3)
    first = fill(event_id, 2)[0]
    set_status(event_id, first.position, Status.LAPSED)
    assert figures(event_id) == (0, 0, 3)
    again = book_tickets(event_id, attendee_id="guest1", tickets=3)
    assert again.status is Status.CONFIRMED
    assert statuses(event_id) == ["lapsed", "confirmed"]
    assert verify().broken == []


def test_cancel_of_a_lapsed_booking_changes_nothing(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    first = fill(event_id, 2)[0]
    set_status(event_id, first.position, Status.LAPSED)
    release = cancel_booking(event_id, position=first.position)
    assert (release.reference, release.promoted) == (first.reference, {})
    assert statuses(event_id) == ["lapsed"]
    assert verify().broken == []


def test_lapsed_booking_cannot_be_changed(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    first = fill(event_id, 2)[0]
    set_status(event_id, first.position, Status.LAPSED)
    with pytest.raises(BookingClosed, match="lapsed"):
        change_tickets(event_id, position=first.position, tickets=1)


def test_lapsed_booking_stays_lapsed_when_its_event_is_cancelled(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 1, 1)
    set_status(event_id, 1, Status.LAPSED)
    cancel_event(event_id, actor=organizer(organizer_id))
    assert statuses(event_id) == ["lapsed", "cancelled"]
    assert verify().broken == []


def test_held_tickets_are_taken_and_go_back_with_a_cancel(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=2)
    # Who waits may be promoted to tickets that are held.
    fill(event_id, 1, 2)
    set_capacity_of(event_id, 3)
    set_status(event_id, 2, Status.HELD)
    assert figures(event_id) == (3, 0, 0)
    assert verify().broken == []
    with pytest.raises(AlreadyBooked):
        book_tickets(event_id, attendee_id="guest2")
    assert book_tickets(event_id, attendee_id="late", tickets=2).status is Status.WAITING
    cancel_booking(event_id, position=2)
    assert statuses(event_id) == ["confirmed", "cancelled", "confirmed"]
    assert verify().broken == []


def test_lists_and_sales_know_what_has_lapsed(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    first, second = fill(event_id, 1, 1)
    set_status(event_id, first.position, Status.LAPSED)
    found = list_bookings([first.reference, second.reference])
    assert [one.booking.reference for one in found] == [second.reference]
    event = find_event(event_id)
    lapsed = event_bookings(event, actor=organizer(event.organizer_id), status="lapsed")
    assert [row.position for row in lapsed] == [first.position]
    [day] = sales_of(event, actor=organizer(event.organizer_id))
    assert (day.confirmed, day.waiting, day.cancelled) == (2, 0, 1)
