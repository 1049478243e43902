"""An organizer's verbs are for the event's organizer: all of them, walked with a stranger's id.

What is found is compared with the tables here, so that a new verb cannot be left out.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import update

import webapp
from tests.support.drawing import drawing, give_picture
from tests.support.fixtures import MakeEvent
from tests.support.tools import rows
from webapp.booking import batch, giving, lists, open_questions, queries
from webapp.booking import code_services as codes
from webapp.booking import services as bookings
from webapp.booking import type_services as types
from webapp.booking.access import check_own, lock_own_event
from webapp.booking.commands import CancelBooking, ChangeTickets, organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.foresight import refuse_change, would_move_up
from webapp.booking.guest_list import guest_list_of
from webapp.booking.links import replace_link_of
from webapp.booking.queries import find_event
from webapp.door import attendance, passes
from webapp.door import services as door
from webapp.door.decide import Scan
from webapp.errors import (
    CodeNotFound,
    EventClosed,
    EventNotFound,
    InvalidInput,
    PassNotFound,
    TypeNotFound,
)
from webapp.events import dismissals, pictures, removal, sales
from webapp.events import services as events
from webapp.events.dismissals import Matter
from webapp.events.queries import own_event
from webapp.events.services import EventDetails
from webapp.mail import announcements, scheduled
from webapp.mail.audiences import Audience
from webapp.storage.rows import EventRow
from webapp.storage.tables import deliveries
from webapp.storage.transaction import write

ASKING = {"actor", "organizer_id"}
ROOMS = ("booking", "door", "events", "mail")
TABLES = (
    *("event", "booking", "activity", "delivery", "message", "picture", "old_code"),
    *("door_pass", "scan", "admission", "ticket_type", "code"),
)

# By name: what each does to an event of Olga's in somebody's name. Where an event is read, its
# caller has it from wherever they like.
VERBS: dict[str, Callable[[EventRow, int], object]] = {
    "booking.access.check_own": lambda event, who: check_own(event, actor=organizer(who)),
    "booking.access.lock_own_event": lambda event, who: write(
        lambda connection: lock_own_event(connection, event.id, actor=organizer(who))
    ),
    "booking.batch.change_event": lambda event, who: batch.change_event(
        event.id, organizer(who), lambda *_: None
    ),
    "booking.corrections.correct_booking": lambda event, who: correct_booking(
        event.id, position=1, name="New", email="new@example.org", actor=organizer(who)
    ),
    "booking.links.replace_link_of": lambda event, who: replace_link_of(
        event.id, position=1, actor=organizer(who)
    ),
    "booking.services.book_tickets": lambda event, who: bookings.book_tickets(
        event.id, attendee_id="new", actor=organizer(who)
    ),
    "booking.services.cancel_booking": lambda event, who: bookings.cancel_booking(
        event.id, position=1, actor=organizer(who)
    ),
    "booking.services.keep_booking": lambda event, who: bookings.keep_booking(
        event.id, position=1, reference="", actor=organizer(who)
    ),
    "booking.giving.give_ticket": lambda event, who: giving.give_ticket(
        event.id, position=1, name="New", email="new@example.org", actor=organizer(who)
    ),
    "booking.services.take_free": lambda event, who: bookings.take_free(
        event.id, position=1, tickets=1, actor=organizer(who)
    ),
    "booking.services.change_tickets": lambda event, who: bookings.change_tickets(
        event.id, position=1, tickets=1, actor=organizer(who)
    ),
    "booking.type_services.add_type": lambda event, who: types.add_type(
        event.id, types.TypeDetails("New"), actor=organizer(who)
    ),
    "booking.type_services.edit_type": lambda event, who: types.edit_type(
        event.id, 1, types.TypeDetails("New"), actor=organizer(who)
    ),
    "booking.type_services.order_types": lambda event, who: types.order_types(
        event.id, [1], actor=organizer(who)
    ),
    "booking.type_services.remove_type": lambda event, who: types.remove_type(
        event.id, 1, actor=organizer(who)
    ),
    "booking.code_services.codes_of_event": lambda event, who: codes.codes_of_event(
        event, actor=organizer(who)
    ),
    "booking.code_services.add_code": lambda event, who: codes.add_code(
        event.id, codes.CodeDetails("NEW"), actor=organizer(who)
    ),
    "booking.code_services.edit_code": lambda event, who: codes.edit_code(
        event.id, 1, codes.CodeDetails("NEW"), actor=organizer(who)
    ),
    "booking.code_services.remove_code": lambda event, who: codes.remove_code(
        event.id, 1, actor=organizer(who)
    ),
    "events.services.cancel_event": lambda event, who: events.cancel_event(
        event.id, actor=organizer(who)
    ),
    "events.services.count_told": lambda event, who: events.count_told(event, actor=organizer(who)),
    "events.services.change_event": lambda event, who: events.change_event(
        event.id, "edited", {"name": "New"}, actor=organizer(who)
    ),
    "events.removal.delete_event": lambda event, who: removal.delete_event(
        event.id, actor=organizer(who)
    ),
    "events.services.edit_event": lambda event, who: events.edit_event(
        event.id, EventDetails("New", 9), actor=organizer(who)
    ),
    "events.dismissals.dismiss": lambda event, who: dismissals.dismiss(
        Matter("QUIET", event.id), level=1, organizer_id=who
    ),
    "events.queries.own_event": lambda event, who: own_event(event.id, organizer_id=who),
    "events.services.publish_event": lambda event, who: events.publish_event(
        event.id, actor=organizer(who)
    ),
    "events.services.unpublish_event": lambda event, who: events.unpublish_event(
        event.id, actor=organizer(who)
    ),
    "booking.guest_list.guest_list_of": lambda event, who: guest_list_of(
        event, actor=organizer(who)
    ),
    "booking.queries.all_bookings": lambda event, who: list(
        queries.all_bookings(event, actor=organizer(who))
    ),
    "booking.queries.booking_at": lambda event, who: queries.booking_at(
        event, 1, actor=organizer(who)
    ),
    "booking.queries.booking_lines": lambda event, who: queries.booking_lines(
        event, actor=organizer(who), status="", asked=False, search="", after=0, limit=1
    ),
    "booking.queries.event_bookings": lambda event, who: queries.event_bookings(
        event, actor=organizer(who)
    ),
    "booking.queries.history": lambda event, who: queries.history(event, actor=organizer(who)),
    "mail.announcements.count_recipients": lambda event, who: announcements.count_recipients(
        event, Audience.ALL, actor=organizer(who)
    ),
    "mail.announcements.mail_again": lambda event, who: announcements.mail_again(
        event.id, 1, actor=organizer(who)
    ),
    "booking.open_questions.answers_of": lambda event, who: open_questions.answers_of(
        event, actor=organizer(who)
    ),
    "mail.announcements.recent_announcements": lambda event, who: (
        announcements.recent_announcements(event, actor=organizer(who))
    ),
    "mail.announcements.parked": lambda event, who: announcements.parked(
        event, actor=organizer(who)
    ),
    "mail.announcements.resend": lambda event, who: announcements.resend(
        event.id, 1, actor=organizer(who)
    ),
    "mail.announcements.send_message": lambda event, who: announcements.send_message(
        event.id, audience=Audience.ALL, subject="A", text="A", actor=organizer(who)
    ),
    "mail.announcements.undelivered": lambda event, who: announcements.undelivered(
        [event], actor=organizer(who)
    ),
    "mail.scheduled.set_reminder": lambda event, who: scheduled.set_reminder(
        event.id, actor=organizer(who), wanted=True
    ),
    "events.pictures.describe_picture": lambda event, who: pictures.describe_picture(
        event.id, description="A", actor=organizer(who)
    ),
    "events.pictures.remove_picture": lambda event, who: pictures.remove_picture(
        event.id, actor=organizer(who)
    ),
    "events.pictures.set_picture": lambda event, who: pictures.set_picture(
        event.id, drawing(), description="A", actor=organizer(who)
    ),
    "events.sales.sales_of": lambda event, who: sales.sales_of(event, actor=organizer(who)),
    "booking.foresight.would_move_up": lambda event, who: would_move_up(
        event, CancelBooking(1), actor=organizer(who)
    ),
    "booking.foresight.refuse_change": lambda event, who: refuse_change(
        event, ChangeTickets(1, 1), actor=organizer(who)
    ),
    "booking.lists.expect_list": lambda event, who: lists.expect_list(
        event, [lists.Listed("Ida", None, 1)], actor=organizer(who)
    ),
    "booking.lists.book_list": lambda event, who: lists.book_list(
        event.id, [lists.Listed("Ida", None, 1)], actor=organizer(who)
    ),
    "door.attendance.figures_of": lambda event, who: attendance.figures_of(
        event, actor=organizer(who)
    ),
    "door.attendance.figures_by_type": lambda event, who: attendance.figures_by_type(
        event, actor=organizer(who)
    ),
    "door.attendance.who_came": lambda event, who: attendance.who_came(event, actor=organizer(who)),
    "door.attendance.all_who_came": lambda event, who: list(
        attendance.all_who_came(event, actor=organizer(who))
    ),
    "door.attendance.let_in_twice": lambda event, who: attendance.let_in_twice(
        [event], actor=organizer(who), since=event.created_at
    ),
    "door.passes.create_pass": lambda event, who: passes.create_pass(
        event.id, name="Gate", actor=organizer(who)
    ),
    "door.passes.revoke_pass": lambda event, who: passes.revoke_pass(
        event.id, 1, actor=organizer(who)
    ),
    "door.services.scan": lambda event, who: door.scan(
        event.id, [Scan("a" * 32, position=1)], actor=organizer(who)
    ),
}
# About an organizer's account, or those among several events that are theirs.
OF_AN_ACCOUNT = {
    "door.passes.passes_of",
    "booking.standstill.standstills",
    "events.services.create_event",
    "events.dismissals.dismissed_by",
    "events.own_lists.coming_events",
    "events.own_lists.drafts",
    "events.own_lists.found_events",
    "events.own_lists.has_own_events",
    "events.own_lists.past_events",
    "events.queries.own_events",
    "mail.facts.address_of_organizer",
    "mail.facts.language_of_organizer",
    "mail.scheduled.notices_of",
    "mail.scheduled.set_notices",
    "events.pictures.create_event_with_picture",
    "events.samples.remove_samples",
}
# What everybody may know of an event, and what other services are made of.
OF_NOBODY = {
    "booking.guests.listed_guest_id",
    "booking.code_services.code_of",
    "booking.load_types.heads_in",
    "booking.load_types.queues_of",
    "booking.save_types.end_queues",
    "booking.type_offers.names_in",
    "booking.type_queries.read_types",
    "booking.type_queries.typed_event",
    "booking.queries.row_of_event",
    "door.attendance.arrivals_of",
    "door.load.pass_names",
    "door.queries.arrivals",
    "door.queries.door_figures",
    "door.queries.door_list",
    "door.queries.find_guests",
    "booking.codes.is_token_for",
    "booking.codes.token_for",
    "booking.lapses.settle",
    "booking.queries.find_event",
    "booking.ranks.rank_of",
    "booking.ranks.ranks_of",
    "booking.batch.run_one_event",
    "booking.links.ask_for_new_link",
    "booking.links.change_booking",
    "booking.links.find_current",
    "booking.load.is_link_replaced",
    "booking.questions.ask_address_anew",
    "booking.load.lock_event",
    "booking.load.lock_unlocked_events",
    "booking.load.promoted_at",
    "booking.load.promoted_by",
    "booking.load.references_of",
    "booking.load.waiting_list",
    "booking.queries.read_event",
    "booking.services.log_promotions",
    "booking.terms.cut_to_start",
    "booking.terms.end_with_the_start",
    "booking.terms.find_next",
    "booking.terms.find_over",
    "booking.terms.terms_of",
    "events.pictures.picture_data",
    "booking.revisions.is_committed",
    "mail.links.event_entry_link",
    "mail.opting_out.reader_of",
    "mail.opting_out.token_for",
}


def verbs() -> Iterator[tuple[str, set[str]]]:
    """Every public function of the services by name, with its parameters."""
    for found in pkgutil.walk_packages(webapp.__path__, "webapp."):
        if found.name.split(".")[1] not in ROOMS:
            continue
        module = importlib.import_module(found.name)
        for name, verb in inspect.getmembers(module, is_function):
            if getattr(verb, "__module__", "") == module.__name__ and name[0] != "_":
                parameters = set(inspect.signature(verb).parameters)
                yield f"{found.name.removeprefix('webapp.')}.{name}", parameters


def is_function(value: object) -> bool:
    return callable(value) and not inspect.isclass(value)


@pytest.fixture
def event(make_event: MakeEvent, organizer_id: int) -> EventRow:
    """An event of Olga's with a picture, bookings, a message and a mail that was given up."""
    event_id = make_event(capacity=1)
    for name in ("ada", "bob"):
        email = f"{name}@example.org"
        bookings.book_tickets(event_id, attendee_id=email, email=email)
    give_picture(event_id, actor=organizer(organizer_id))
    announcements.send_message(
        event_id, audience=Audience.ALL, subject="A", text="A", actor=organizer(organizer_id)
    )
    give_up = update(deliveries).values(state="parked")
    write(lambda connection: connection.execute(give_up).rowcount)
    return find_event(event_id)


def everything() -> dict[str, list[Any]]:
    return {table: sorted(map(repr, rows(f"SELECT * FROM {table}"))) for table in TABLES}


@pytest.mark.parametrize("verb", VERBS)
def test_stranger_neither_sees_nor_changes_anything(
    event: EventRow, stranger_id: int, verb: str
) -> None:
    before = everything()
    with pytest.raises(EventNotFound):
        VERBS[verb](event, stranger_id)
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS)
def test_owner_is_no_stranger(event: EventRow, organizer_id: int, verb: str) -> None:
    # It has bookings, so it cannot be a draft again, and neither passes nor types nor codes.
    with suppress(EventClosed, PassNotFound, TypeNotFound, CodeNotFound, InvalidInput):
        VERBS[verb](event, organizer_id)


def test_event_like_a_strangers_has_neither_picture_nor_types_of_it(
    event: EventRow, organizer_id: int, stranger_id: int
) -> None:
    types.add_type(event.id, types.TypeDetails("Seat"), actor=organizer(organizer_id))
    copied = pictures.create_event_with_picture(
        EventDetails("Copy", 1),
        like=event.id,
        actor=organizer(stranger_id),
        published=True,
        key=None,
    )
    new = find_event(copied)
    assert (new.picture, new.types) == (None, 0)


def test_every_verb_for_an_organizer_is_walked() -> None:
    taking = {name for name, parameters in verbs() if parameters & ASKING}
    assert taking == VERBS.keys() | OF_AN_ACCOUNT


def test_every_verb_about_an_event_asks_whose_it_is() -> None:
    """One that needs no organizer is listed: whoever adds to that list has thought about it."""
    about = {name for name, parameters in verbs() if parameters & {"event_id", "event_ids"}}
    taking = {name for name, parameters in verbs() if parameters & ASKING}
    assert about - taking == OF_NOBODY
