"""An organizer's verbs are for the event's organizer: all of them, walked with a stranger's id.

What is found is compared with the tables here, so that a new verb cannot be left out.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Row, update

import webapp.services
from tests.services.conftest import MakeEvent
from tests.services.tools import rows
from webapp.errors import EventClosed, EventNotFound
from webapp.models import deliveries
from webapp.services import bookings, events, lookup, messages, notices, pictures, sales
from webapp.services.access import check_own, lock_own_event
from webapp.services.availability import find_event
from webapp.services.events import Details
from webapp.services.messages import Audience
from webapp.services.transaction import write

PICTURE = BytesIO()
Image.new("RGB", (60, 40)).save(PICTURE, "PNG")
TABLES = ("event", "booking", "activity", "delivery", "message", "picture")

# By name: what each does to an event of Olga's in somebody's name. Where an event is read, its
# caller has it from wherever they like.
VERBS: dict[str, Callable[[Row[Any], int], object]] = {
    "access.check_own": lambda event, who: check_own(event, organizer_id=who),
    "access.lock_own_event": lambda event, who: write(
        lambda connection: lock_own_event(connection, event.id, organizer_id=who)
    ),
    "bookings.book_tickets": lambda event, who: bookings.book_tickets(
        event.id, attendee_id="new", organizer_id=who
    ),
    "bookings.cancel_booking": lambda event, who: bookings.cancel_booking(
        event.id, position=1, organizer_id=who
    ),
    "bookings.change_tickets": lambda event, who: bookings.change_tickets(
        event.id, position=1, tickets=1, organizer_id=who
    ),
    "bookings.references_of": lambda event, who: bookings.references_of(
        event, [1], organizer_id=who
    ),
    "events.cancel_event": lambda event, who: events.cancel_event(event.id, organizer_id=who),
    "events.change_event": lambda event, who: events.change_event(
        event.id, "edited", {"name": "New"}, organizer_id=who
    ),
    "events.edit_event": lambda event, who: events.edit_event(
        event.id, Details("New", 9), organizer_id=who
    ),
    "events.own_event": lambda event, who: events.own_event(event.id, organizer_id=who),
    "events.publish_event": lambda event, who: events.publish_event(event.id, organizer_id=who),
    "events.unpublish_event": lambda event, who: events.unpublish_event(event.id, organizer_id=who),
    "lookup.all_bookings": lambda event, who: list(lookup.all_bookings(event, organizer_id=who)),
    "lookup.booking_at": lambda event, who: lookup.booking_at(event, 1, organizer_id=who),
    "lookup.event_bookings": lambda event, who: lookup.event_bookings(event, organizer_id=who),
    "lookup.history": lambda event, who: lookup.history(event, organizer_id=who),
    "messages.count_recipients": lambda event, who: messages.count_recipients(
        event, Audience.ALL, organizer_id=who
    ),
    "messages.mail_again": lambda event, who: messages.mail_again(event.id, 1, organizer_id=who),
    "messages.messages_of": lambda event, who: messages.messages_of(event, organizer_id=who),
    "messages.parked": lambda event, who: messages.parked(event, organizer_id=who),
    "messages.resend": lambda event, who: messages.resend(event.id, 1, organizer_id=who),
    "messages.send_message": lambda event, who: messages.send_message(
        event.id, audience=Audience.ALL, subject="A", text="A", organizer_id=who
    ),
    "messages.with_parked": lambda event, who: messages.with_parked([event], organizer_id=who),
    "notices.set_reminder": lambda event, who: notices.set_reminder(
        event.id, organizer_id=who, wanted=True
    ),
    "pictures.describe_picture": lambda event, who: pictures.describe_picture(
        event.id, description="A", organizer_id=who
    ),
    "pictures.remove_picture": lambda event, who: pictures.remove_picture(
        event.id, organizer_id=who
    ),
    "pictures.set_picture": lambda event, who: pictures.set_picture(
        event.id, PICTURE.getvalue(), description="A", organizer_id=who
    ),
    "sales.sales_of": lambda event, who: sales.sales_of(event, organizer_id=who),
}
# About an organizer's account, or those among several events that are theirs.
OF_AN_ACCOUNT = {
    "events.create_event",
    "events.next_events",
    "events.own_events",
    "notices.notices_of",
    "notices.set_notices",
    "pictures.create_event_like",
    "samples.remove_samples",
}
# What everybody may know of an event, and what other services are made of.
OF_NOBODY = {
    "availability.find_event",
    "availability.rank_of",
    "availability.ranks_of",
    "batch.run",
    "book.lock_event",
    "book.lock_free_events",
    "book.waiting_list",
    "pictures.picture_data",
    "record.has_landed",
}


def verbs() -> Iterator[tuple[str, set[str]]]:
    """Every public function of the services by name, with its parameters."""
    for found in pkgutil.iter_modules(webapp.services.__path__, "webapp.services."):
        module = importlib.import_module(found.name)
        for name, verb in inspect.getmembers(module, is_function):
            if getattr(verb, "__module__", "") == module.__name__ and name[0] != "_":
                parameters = set(inspect.signature(verb).parameters)
                yield f"{found.name.rpartition('.')[2]}.{name}", parameters


def is_function(value: object) -> bool:
    return callable(value) and not inspect.isclass(value)


@pytest.fixture
def event(make_event: MakeEvent, organizer_id: int) -> Row[Any]:
    """An event of Olga's with a picture, bookings, a message and a mail that was given up."""
    event_id = make_event(capacity=1)
    for name in ("ada", "bob"):
        email = f"{name}@example.org"
        bookings.book_tickets(event_id, attendee_id=email, email=email)
    pictures.set_picture(event_id, PICTURE.getvalue(), description="", organizer_id=organizer_id)
    messages.send_message(
        event_id, audience=Audience.ALL, subject="A", text="A", organizer_id=organizer_id
    )
    give_up = update(deliveries).values(state="parked")
    write(lambda connection: connection.execute(give_up).rowcount)
    return find_event(event_id)


def everything() -> dict[str, list[Any]]:
    return {table: sorted(map(repr, rows(f"SELECT * FROM {table}"))) for table in TABLES}


@pytest.mark.parametrize("verb", VERBS)
def test_stranger_neither_sees_nor_changes_anything(
    event: Row[Any], stranger_id: int, verb: str
) -> None:
    before = everything()
    with pytest.raises(EventNotFound):
        VERBS[verb](event, stranger_id)
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS)
def test_owner_is_no_stranger(event: Row[Any], organizer_id: int, verb: str) -> None:
    # It has bookings, so it cannot be a draft again.
    with suppress(EventClosed):
        VERBS[verb](event, organizer_id)


def test_event_like_a_strangers_has_no_picture_of_it(event: Row[Any], stranger_id: int) -> None:
    copied = pictures.create_event_like(
        event.id, Details("Copy", 1), organizer_id=stranger_id, published=True, once=None
    )
    assert find_event(copied).picture is None


def test_every_verb_for_an_organizer_is_walked() -> None:
    taking = {name for name, parameters in verbs() if "organizer_id" in parameters}
    assert taking == VERBS.keys() | OF_AN_ACCOUNT


def test_every_verb_about_an_event_asks_whose_it_is() -> None:
    """One that needs no organizer is listed: whoever adds to that list has thought about it."""
    about = {name for name, parameters in verbs() if parameters & {"event_id", "event_ids"}}
    taking = {name for name, parameters in verbs() if "organizer_id" in parameters}
    assert about - taking == OF_NOBODY
