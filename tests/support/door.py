"""A device at the door, through the services."""

import uuid
from typing import Any

from tests.support.tools import booking_at
from webapp.booking.commands import Actor, door
from webapp.booking.commands import organizer as organizer_actor
from webapp.booking.queries import find_event
from webapp.door.decide import Scan, What
from webapp.door.passes import create_pass, find_pass
from webapp.door.services import Answer, scan


def new_pass(event_id: int, name: str = "North gate", **more: Any) -> str:
    """The token of a new pass of an event."""
    event = find_event(event_id, with_drafts=True)
    return create_pass(event_id, actor=organizer_actor(event.organizer_id), name=name, **more)


def device(event_id: int, name: str = "North gate") -> Actor:
    """A device with a pass of its own."""
    found = find_pass(new_pass(event_id, name))
    assert found is not None
    return door(found.id)


def code_of(event_id: int, position: int) -> str:
    """The code on a ticket."""
    return booking_at(event_id, position).ticket_code


def asked(code: str | None = None, what: str = "in", **more: Any) -> Scan:
    """A scan under an id of its own."""
    return Scan(id=str(uuid.uuid4()), what=What(what), code=code, **more)


def scan_one(
    event_id: int, by: Actor, code: str | None = None, what: str = "in", **more: Any
) -> Answer:
    """What a device is answered to one scan."""
    [answer] = scan(event_id, [asked(code, what, **more)], actor=by)
    return answer
