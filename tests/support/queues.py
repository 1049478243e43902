"""Events with ticket types for which many wait, written without booking each of them."""

from collections import Counter

from sqlalchemy import insert, update

from webapp import clock
from webapp.booking.commands import Actor
from webapp.booking.type_services import TypeDetails, add_type
from webapp.events.services import EventDetails, create_event
from webapp.storage.engines import write_engine
from webapp.storage.tables import bookings, events, promo_codes, queues, ticket_types

VIP, STAGE, STANDARD = 1, 2, 3
CODE = "FRIENDS"
TAKEN = 20
PORTION = 5_000
# What is wanted by those who wait: none of it can be had while the first two types are full.
WANTED = [
    *(f"1:{n}" for n in range(1, 6)),
    *(f"2:{n}" for n in range(1, 6)),
    *(f"1:{n},2:{m}" for n in range(1, 5) for m in range(1, 4)),
]


def make_typed_event(actor: Actor, *, waiting: int = 0, more: int = 10_000) -> int:
    """An event of three types: two of them are sold out, `more` of the third are for sale.

    So many wait for the two, in as many queues as there are in `WANTED`. It has a code.
    """
    event_id = create_event(EventDetails("Typed", TAKEN + more), actor=actor, published=True)
    for name, quota in (("VIP", TAKEN // 2), ("Stage", TAKEN // 2), ("Standard", None)):
        add_type(event_id, TypeDetails(name, quota=quota), actor=actor)
    taken = [(VIP, TAKEN // 2), (STAGE, TAKEN // 2)]
    wanted = [WANTED[number % len(WANTED)] for number in range(waiting)]
    rows = [
        {
            "event_id": event_id,
            "position": position,
            "attendee_id": f"typed-{event_id}-{position}",
            "status": "confirmed" if position <= len(taken) else "waiting",
            "tickets": sum(int(part.split(":")[1]) for part in wants.split(",")),
            "reference": f"typed-{event_id}-{position}",
            "ticket_code": f"{event_id}-{position}",
            "name": "",
            "wants": wants,
            "created_at": clock.now(),
        }
        for position, wants in enumerate(
            [*(f"{number}:{tickets}" for number, tickets in taken), *wanted], start=1
        )
    ]
    figures = {"confirmed": TAKEN, "waiting": waiting, "next_position": len(rows) + 1}
    queued = [
        {"event_id": event_id, "wants": wants, "waiting": count}
        for wants, count in Counter(wanted).items()
    ]
    code = {"event_id": event_id, "number": 1, "text": CODE}
    with write_engine().begin() as connection:
        for first in range(0, len(rows), PORTION):
            connection.execute(insert(bookings), rows[first : first + PORTION])
        if queued:
            connection.execute(insert(queues), queued)
        connection.execute(insert(promo_codes), code)
        connection.execute(update(events).where(events.c.id == event_id).values(figures))
        for number, tickets in taken:
            of_type = (ticket_types.c.event_id == event_id, ticket_types.c.number == number)
            connection.execute(update(ticket_types).where(*of_type).values(confirmed=tickets))
    return event_id
