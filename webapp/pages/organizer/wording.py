"""Sentences that organizers read in more than one place."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice

from flask import g
from markupsafe import Markup, escape

from webapp import clock
from webapp.booking import queries
from webapp.booking.commands import CancelBooking, ChangeTickets, door
from webapp.booking.foresight import would_move_up
from webapp.door.passes import passes_of
from webapp.errors import Problem
from webapp.events.dates import warnings_of
from webapp.events.queries import own_event
from webapp.pages.offer import GoesTo, goes_to
from webapp.pages.organizer import me, organizer_id
from webapp.storage.rows import BookingRow
from webapp.text.formatting import moment
from webapp.text.sentences import problem_sentence
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext

NAMED = 3


def moved_up(promoted: Collection[int]) -> str:
    """Who got tickets of the event from its waiting list; empty when nobody did."""
    if not promoted:
        return ""
    rows, names = _named(promoted)
    if len(promoted) == 1:
        return ngettext(
            "%(name)s moved up from the waiting list and has %(num)s ticket.",
            "%(name)s moved up from the waiting list and has %(num)s tickets.",
            rows[0].tickets,
            name=names[0],
        )
    return _(
        "%(names)s and %(last)s moved up from the waiting list and have their tickets.",
        names=", ".join(names[:-1]),
        last=names[-1],
    )


def next_in_line(command: CancelBooking | ChangeTickets) -> str:
    """Who would move up as things are if a booking was cancelled or reduced; empty for nobody."""
    promoted = would_move_up(g.event, command, actor=me())
    if not promoted:
        return ""
    _rows, names = _named(promoted)
    if len(names) == 1:
        return _("As things are %(name)s moves up.", name=names[0])
    return _(
        "As things are %(names)s and %(last)s move up.", names=", ".join(names[:-1]), last=names[-1]
    )


def goes_to_now(command: CancelBooking | ChangeTickets) -> GoesTo:
    """Where tickets go that are given back by a command.

    Of an event with types that depends on which they are: nobody may want them who waits.
    """
    if g.event.types and would_move_up(g.event, command, actor=me()):
        return GoesTo.NEXT
    if g.event.types and g.event.waiting:
        return GoesTo.NOBODY
    return goes_to(g.event, clock.now())


def _named(positions: Collection[int]) -> tuple[list[BookingRow], list[str]]:
    """The first of some bookings, and the names of all of them, the last for those left over."""
    rows = [
        queries.booking_at(g.event, position, actor=me()) for position in islice(positions, NAMED)
    ]
    names = [row.name or row.attendee_id for row in rows]
    if len(positions) > NAMED:
        names.append(ngettext("%(num)s more", "%(num)s more", len(positions) - NAMED))
    return rows, names


def pass_names(event_id: int, actors: Iterable[str]) -> dict[str, str]:
    """The names of an event's door passes by the actor that each is: `{"door:3": "Main gate"}`.

    They are read only where one of these actors is a door pass.
    """
    if not any(actor.startswith("door:") for actor in actors):
        return {}
    return {str(door(one.id)): one.name for one in passes_of(event_id, actor=me())}


def with_slips(event_id: int, done: str, *, if_none: str = "") -> str:
    """What was done to an event and which of its dates may be slips; `if_none` where none is."""
    event = own_event(event_id, organizer_id=organizer_id())
    told = slips_told(warnings_of(event, clock.now()))
    return " ".join([done, *told]) if told else if_none or done


def slips_told(problems: Mapping[str, Problem]) -> list[str]:
    """What may be slips in the dates of an event, a sentence for each."""
    labels = {"startsAt": _("Starts"), "salesCloseAt": _("Booking closes")}
    return [
        f"{labels[field]}: {problem_sentence(problem, language())}"
        for field, problem in problems.items()
    ]


def meanwhile(value: object, time_zone: str) -> Problem:
    """What somebody has made of a field while a form with it was open."""
    match value:
        case None | "":
            return Problem("emptied_meanwhile")
        case True:
            return Problem("switched_on_meanwhile")
        case False:
            return Problem("switched_off_meanwhile")
        case datetime():
            told = moment(value, time_zone, language())
        case int():
            told = escape(language().number(value))
        case _:
            told = Markup("<bdi>{}</bdi>").format(value)
    return Problem("changed_meanwhile", value=told)
