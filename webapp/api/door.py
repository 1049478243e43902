"""The door by API: what devices scan, and who came."""

from functools import partial
from typing import NotRequired

from flask import Response, g
from typing_extensions import TypedDict

from webapp.accounts.services import Level
from webapp.api.auth import required_account
from webapp.api.blueprint import bp
from webapp.api.events import EVENT, Listing, number
from webapp.api.openapi import documented
from webapp.api.type_shapes import Item, items_of
from webapp.api.wire import page, read_query
from webapp.booking.commands import Actor, door, organizer
from webapp.door.passes import DoorPass
from webapp.door.queries import Arrival, arrivals
from webapp.door.services import scan
from webapp.errors import EventNotFound
from webapp.events.queries import own_event
from webapp.web.json_bodies import answer, read_json
from webapp.web.paging import page_of
from webapp.web.scans import ScanAnswers, Scans, answers_shown, utc
from webapp.web.schemas import from_json


class Admission(TypedDict):
    """A booking of which somebody is in, since when and by which device.

    `by` is empty where the organizer let them in. A door pass is told no `bookingReference`.
    `items` is there where the event has ticket types.
    """

    bookingReference: NotRequired[str]
    position: int
    name: str
    tickets: int
    admitted: int
    firstAt: str
    by: str
    items: NotRequired[list[Item]]


class AdmissionPage(TypedDict):
    """A page of who is in, in order of position; `nextCursor` is null on the last."""

    admissions: list[Admission]
    nextCursor: str | None


@bp.post(f"{EVENT}/scans")
@documented(who="door", level=Level.BOOK, body=Scans, answer=ScanAnswers, errors=(404,))
def scans(event_id: int) -> Response:
    """Let people in, or take that back.

    Each scan carries a random UUID of the device: the same id again gets the same answer and does
    nothing more. They are decided in order, in one transaction; one malformed entry refuses them
    all. A ticket admits once: `count` people (1 to 1,000) of its booking, as long as so many are
    left, else nobody. With what "out" so many are taken back. An offline scan, and one that let
    somebody in anyway, tells of people who are inside: it is kept and counted, never refused.
    """
    actor = _at_the_door(event_id)
    asked = from_json(Scans, read_json())
    return answer(answers_shown(scan(event_id, asked.asked(), actor=actor)))


@bp.get(f"{EVENT}/admissions")
@documented(who="door", query=Listing, answer=AdmissionPage, errors=(400, 404))
def admissions(event_id: int) -> Response:
    """Who came. In the order in which the bookings were accepted."""
    is_organizer = _at_the_door(event_id).is_organizer
    asked = read_query(Listing)
    after = number(asked.cursor) if asked.cursor else 0
    rows, cursor = page_of(
        partial(arrivals, event_id, after=after), asked.limit, lambda row: str(row.position)
    )
    shown = [_admission(row, with_reference=is_organizer) for row in rows]
    return page("admissions", shown, next_cursor=cursor)


def _at_the_door(event_id: int) -> Actor:
    """Who asks: a door pass of the event, or its organizer. Raises `EventNotFound`."""
    door_pass: DoorPass | None = g.door_pass
    if door_pass is None:
        account = required_account()
        own_event(event_id, organizer_id=account.id)
        return organizer(account.id)
    if door_pass.event_id != event_id:
        raise EventNotFound
    return door(door_pass.id)


def _admission(row: Arrival, *, with_reference: bool) -> Admission:
    shown: Admission = {
        "position": row.position,
        "name": row.name,
        "tickets": row.tickets,
        "admitted": row.admitted,
        "firstAt": utc(row.first_at),
        "by": row.by,
    }
    if row.wants:
        shown["items"] = items_of(row.wants)
    return {"bookingReference": row.reference, **shown} if with_reference else shown
