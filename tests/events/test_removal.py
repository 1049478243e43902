"""Deleting an event, which only one that never had a booking can be."""

import contextlib

import pytest
from flask import Flask

from tests.support.busy import add_friends_code
from tests.support.fixtures import MakeEvent
from tests.support.tools import rows, together
from webapp.booking import codes
from webapp.booking.commands import organizer
from webapp.booking.links import replace_link_of
from webapp.booking.queries import find_event
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type
from webapp.errors import EventClosed, EventNotFound
from webapp.events import samples
from webapp.events.queries import own_events
from webapp.events.removal import delete_event
from webapp.events.samples import add_samples
from webapp.verify.services import verify


def test_event_with_a_booking_stays(
    make_event: MakeEvent, organizer_id: int, stranger_id: int
) -> None:
    event_id = make_event()
    with pytest.raises(EventNotFound):
        delete_event(event_id, actor=organizer(stranger_id))
    book_tickets(event_id, attendee_id="a")
    with pytest.raises(EventClosed):
        delete_event(event_id, actor=organizer(organizer_id))
    assert find_event(event_id).confirmed == 1


def test_types_and_codes_go_with_their_event(make_event: MakeEvent, organizer_id: int) -> None:
    event_id, me = make_event(), organizer(organizer_id)
    for name in ("VIP", "Standard", "Friend"):
        add_type(event_id, TypeDetails(name), actor=me)
    add_friends_code(event_id)
    delete_event(event_id, actor=me)
    for table in ("ticket_type", "code", "code_type"):
        assert rows(f"SELECT * FROM {table}") == []


@pytest.mark.every_database
def test_of_a_delete_and_a_booking_at_once_one_is_refused(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    for round_ in range(8):
        event_id = make_event()

        def delete(event_id: int = event_id) -> str:
            try:
                delete_event(event_id, actor=organizer(organizer_id))
            except (EventClosed, EventNotFound) as error:
                return type(error).__name__
            return "deleted"

        def book(event_id: int = event_id) -> str:
            try:
                book_tickets(event_id, attendee_id="a")
            except EventNotFound:
                return "no event"
            return "booked"

        calls = [delete, book, delete] if round_ % 2 else [book, delete, delete]
        outcomes = sorted(map(str, together(in_app, calls)))
        assert outcomes in (
            ["EventClosed", "EventClosed", "booked"],
            ["EventNotFound", "deleted", "no event"],
        )
        with contextlib.suppress(EventNotFound):
            assert find_event(event_id).confirmed == 1
    assert verify().broken == []


def test_samples_go_whatever_became_of_them(make_event: MakeEvent, organizer_id: int) -> None:
    add_samples(str)
    event = own_events(organizer_id)[-1]
    email = "olga@example.org"
    position = book_tickets(event.id, attendee_id=email, email=email, wants={1: 1}).position
    replace_link_of(event.id, position=position, actor=organizer(organizer_id), key=None)
    assert rows(f"SELECT 1 FROM old_code WHERE kind = '{codes.REFERENCE}'")
    assert samples.remove_samples(organizer_id=organizer_id) == 3
    assert own_events(organizer_id) == []
