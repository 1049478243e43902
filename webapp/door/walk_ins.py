"""People who come without a ticket: booked and let in by one call of a device that may sell."""

from dataclasses import dataclass

from webapp.booking.commands import door
from webapp.booking.guests import new_guest_id
from webapp.booking.services import book_tickets
from webapp.door.decide import Scan
from webapp.door.passes import DoorPass
from webapp.door.services import Answer, scan
from webapp.errors import PassMayNotSell
from webapp.storage.idempotency import bind_key


@dataclass(frozen=True, slots=True)
class WalkIn:
    """Somebody at the door, under a random id that the device made.

    `ticket_type` is the number of the type they want, where the event has types.
    """

    id: str
    tickets: int = 1
    name: str = ""
    ticket_type: int | None = None


def admit_walk_in(door_pass: DoorPass, walk_in: WalkIn) -> Answer:
    """Sell tickets that are free now, and let their people in; again is harmless, same answer.

    Before the start nobody is sold what somebody waits for; the first sale after it ends the list.
    The booking comes first, by its one-time key, then the scan, by its id: a call that was cut off
    between them is completed by the next one.
    Raises `PassMayNotSell`, `EventClosed`, `InvalidInput` (tickets, items), `ChooseTicketType`,
    `SoldOut`, `NotFree`, `IdempotencyConflict`, `Unavailable`.
    """
    if not door_pass.may_sell:
        raise PassMayNotSell
    event_id, actor = door_pass.event_id, door(door_pass.id)
    content: dict[str, object] = {"tickets": walk_in.tickets, "name": walk_in.name}
    wants: dict[int, int] | None = None
    if walk_in.ticket_type is not None:
        content["type"] = walk_in.ticket_type
        wants = {walk_in.ticket_type: walk_in.tickets}
    booked = book_tickets(
        event_id,
        attendee_id=new_guest_id(),
        tickets=walk_in.tickets,
        wants=wants,
        name=walk_in.name,
        actor=actor,
        key=bind_key("walk_in", caller=str(actor), key=walk_in.id, **content),
        past_sale=True,
        only_now=True,
    )
    entry = Scan(walk_in.id, position=booked.position, count=walk_in.tickets)
    [answer] = scan(event_id, [entry], actor=actor)
    return answer
