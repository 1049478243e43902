"""Sentences that organizers read in more than one place."""

from collections.abc import Sequence

from flask import g

from webapp.pages.organizer import organizer_id
from webapp.pages.presentation import count
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
