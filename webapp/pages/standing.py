"""What the pages of a booking show of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp import clock
from webapp.accounts.contacts import contact_of
from webapp.booking.commands import (
    ATTENDEE,
    CancelBooking,
    ChangeTickets,
    Status,
    is_active,
    organizer,
    takes_tickets,
)
from webapp.booking.foresight import would_move_up
from webapp.booking.giving import may_give
from webapp.booking.inventory import inventory_of, is_over
from webapp.booking.queries import BookingView, free_now, may_leave_until
from webapp.booking.ticket_types import Wants, items_of, text_of, wants_of, words_of
from webapp.booking.type_offers import code_of_booking, more_of
from webapp.booking.type_queries import TypedEvent, read_types
from webapp.booking.type_queries import standing_of as lacks_of
from webapp.pages import types
from webapp.pages.offer import GoesTo, goes_to
from webapp.storage.rows import BookingRow


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """The field of a type in the form that changes a booking; it has `count` of it now."""

    number: int
    name: str
    count: int
    least: int
    fewest: int
    most: int

    @property
    def field(self) -> str:
        return types.field_of(self.number)


@dataclass(frozen=True, slots=True)
class OfTypes:
    """What is shown of a booking of an event with types.

    `items` are its tickets as `[(tickets, name)]`, `words` the same as text. `rows` are what can be
    changed of it, `more` the most of a type that it can have besides. While it waits `lacks` are
    the types that it waits for, each with the bookings ahead that want it as well; where it waits
    for none of them there is only not room for all at once. `takes` are the tickets that it could
    have now, `{type: tickets}`, `taken` the same as text.
    """

    items: list[tuple[int, str]]
    words: str
    rows: list[ChangeRow]
    more: int
    lacks: list[tuple[str, int]]
    rank: int | None
    takes: Mapping[int, int]
    taken: str


def standing_of(found: BookingView, *, is_news: bool = False) -> dict[str, Any]:
    """What the pages of a booking show; `is_news` when it changed before the attendee's eyes."""
    booking, event, now = found.booking, found.event, clock.now()
    inventory = inventory_of(event, now)
    active = is_active(booking.status)
    until = may_leave_until(booking, event) if active else None
    may_change = active and (until is None or now < until)
    of_types = _of_types(found, may_change=may_change) if event.types else None
    more = inventory.more_for(booking.tickets, ATTENDEE) if takes_tickets(booking.status) else 0
    return {
        "booking": booking,
        "event": event,
        "rank": of_types.rank if of_types else found.rank,
        "of_types": of_types,
        "question": found.question,
        "contact": contact_of(event.organizer_id),
        "may_give": may_give(booking, event, found.question, now),
        "goes_to": goes_to(event, now),
        "is_open": inventory.closure is None,
        "may_change": may_change,
        "until": until,
        # Nobody gives back a ticket that was used at the door.
        "least": max(1, booking.admitted),
        "more": of_types.more if of_types else more,
        "free": sum(of_types.takes.values()) if of_types else free_now(found),
        "may_move_up": inventory.promotes,
        "is_over": is_over(event, now),
        # Tickets that anybody can have while the event is on.
        "on_sale": 0 if inventory.promotes or inventory.closure else inventory.available,
        "is_news": is_news,
    }


def _of_types(found: BookingView, *, may_change: bool) -> OfTypes:
    booking, event = found.booking, found.event
    typed = read_types(event.id)
    names = {number: row.name for number, row in typed.types.items()}
    more = more_of(typed, booking, code_of_booking(booking))
    lacks, rank, takes = [], found.rank, ""
    if booking.status == Status.WAITING and found.rank:
        standing = lacks_of(typed, booking, rank=found.rank)
        lacks = [(names[lack.type], lack.ahead) for lack in standing.lacks]
        rank = 1 + (max(ahead for _, ahead in lacks) if lacks else standing.ahead)
        takes = typed.takeable(booking).wants
    return OfTypes(
        items_of(booking.wants, names),
        words_of(booking.wants, names),
        _change_rows(typed, booking, more, may_change=may_change),
        max(more.values(), default=0),
        lacks,
        rank,
        wants_of(takes),
        words_of(takes, names),
    )


def _change_rows(
    typed: TypedEvent, booking: BookingRow, more: Wants, *, may_change: bool
) -> list[ChangeRow]:
    """Of each type what a booking can have of it; none where it can only stay as it is."""
    has = wants_of(booking.wants)
    gives = may_change and booking.tickets > max(1, booking.admitted)
    if not (more or gives):
        return []
    return [
        ChangeRow(
            number,
            row.name,
            has.get(number, 0),
            typed.figures(number).min_tickets,
            0 if gives else has.get(number, 0),
            has.get(number, 0) + more.get(number, 0),
        )
        for number, row in typed.types.items()
        if number in has or number in more
    ]


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a booking of types gives back and keeps, in words, and where it goes."""

    gives: str
    keeps: str
    to: str


def given_back(found: BookingView, keeps: Wants) -> GivenBack:
    """What comes of it when a booking keeps these tickets; none where it is cancelled."""
    booking, event = found.booking, found.event
    has, typed = wants_of(booking.wants), read_types(event.id)
    names = {number: row.name for number, row in typed.types.items()}
    gives = {
        n: tickets - keeps.get(n, 0) for n, tickets in has.items() if tickets > keeps.get(n, 0)
    }
    command = (
        ChangeTickets(booking.position, sum(keeps.values()), wants=text_of(keeps))
        if keeps
        else CancelBooking(booking.position)
    )
    to: str = goes_to(event, clock.now())
    if to == GoesTo.NEXT and not would_move_up(event, command, actor=organizer(event.organizer_id)):
        # Whoever waits wants something else, or more than that.
        is_kept = any(typed.walk.keeps_back(f"{number}:1") for number in gives)
        to = "kept" if is_kept else GoesTo.NOBODY if typed.inventory.closure else GoesTo.OFFER
    return GivenBack(words_of(text_of(gives), names), words_of(text_of(keeps), names), to)
