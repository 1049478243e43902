"""Sentences that organizers read in more than one place."""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice

from flask import g
from markupsafe import Markup, escape

from webapp import clock
from webapp.booking import queries
from webapp.booking.commands import door
from webapp.door.passes import passes_of
from webapp.errors import Problem
from webapp.events.dates import warnings_of
from webapp.events.queries import own_event
from webapp.pages.organizer import me, organizer_id
from webapp.text.formatting import moment
from webapp.text.sentences import problem_sentence
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext

NAMED = 3


def moved_up(promoted: Collection[int]) -> str:
    """Who got tickets of the event from its waiting list; empty when nobody did."""
    if not promoted:
        return ""
    rows = [
        queries.booking_at(g.event, position, actor=me()) for position in islice(promoted, NAMED)
    ]
    names = [row.name or row.attendee_id for row in rows]
    if len(promoted) > NAMED:
        names.append(ngettext("%(num)s more", "%(num)s more", len(promoted) - NAMED))
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
    labels = {"startsAt": _("Starts"), "salesCloseAt": _("Booking closes")}
    told = [
        f"{labels[field]}: {problem_sentence(problem, language())}"
        for field, problem in warnings_of(event, clock.now()).items()
    ]
    return " ".join([done, *told]) if told else if_none or done


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
