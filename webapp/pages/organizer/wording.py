"""Sentences that organizers read in more than one place."""

from collections.abc import Sequence
from datetime import datetime

from flask import g
from markupsafe import Markup, escape

from webapp.pages.organizer import organizer_id
from webapp.pages.presentation import count, moment
from webapp.services import lookup

NAMED = 3


def moved_up(promoted: Sequence[int]) -> str:
    """Who got tickets of the event from its waiting list; empty when nobody did."""
    if not promoted:
        return ""
    rows = [
        lookup.booking_at(g.event, position, organizer_id=organizer_id())
        for position in promoted[:NAMED]
    ]
    names = [row.name or row.attendee_id for row in rows]
    if len(promoted) > NAMED:
        names.append(f"{len(promoted) - NAMED:,} more")
    who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if len(promoted) == 1:
        return f"{who} moved up from the waiting list and has {count(rows[0].tickets, 'ticket')}."
    return f"{who} moved up from the waiting list and have their tickets."


def meanwhile(value: object, time_zone: str) -> Markup:
    """What somebody has made of a field while a form with it was open."""
    match value:
        case None | "":
            return Markup("Meanwhile emptied.")
        case datetime():
            told = moment(value, time_zone)
        case int():
            told = escape(f"{value:,}")
        case _:
            told = Markup("<bdi>{}</bdi>").format(value)
    return Markup("Meanwhile changed to {}.").format(told)
