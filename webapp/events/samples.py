"""A few events to look at on a fresh installation; marked as samples, removed with one click."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, select

from webapp import clock
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type
from webapp.events.removal import drop_events
from webapp.events.services import EventDetails, create_event
from webapp.storage.account_tables import Organizer
from webapp.storage.tables import events
from webapp.storage.transaction import read, write

GUESTS = (
    ("Ada Lovelace", 2), ("Grace Hopper", 1), ("Alan Turing", 3), ("Mary Shelley", 2),
    ("Nikola Tesla", 1), ("Hedy Lamarr", 2), ("Rosa Parks", 1), ("Frida Kahlo", 4),
)  # fmt: skip


def add_samples(_: Callable[[str], str]) -> None:
    """Give the first organizer an open event, a sold-out one with people waiting, and a draft.

    The open one has two ticket types. `_` translates what they are called and say.
    """
    first = select(Organizer.id).order_by(Organizer.id).limit(1)
    organizer_id = read(lambda connection: connection.execute(first).scalar_one())
    evening = clock.now().replace(hour=19, minute=0, second=0, microsecond=0)
    concert = EventDetails(
        name=_("Town Hall Concert"),
        capacity=120,
        description=_("Strings and brass by candlelight. Doors open an hour before."),
        location=_("Town Hall, Great Room"),
        starts_at=evening + timedelta(days=30),
        ends_at=evening + timedelta(days=30, hours=3),
    )
    workshop = EventDetails(
        name=_("Bread Baking Workshop"),
        capacity=8,
        description=_("Bring an apron. You take home two loaves and the starter."),
        location=_("Community Kitchen"),
        starts_at=evening + timedelta(days=12),
        ends_at=evening + timedelta(days=12, hours=2),
        max_tickets_per_booking=4,
    )
    talk = EventDetails(
        name=_("Night Sky Tour"),
        capacity=40,
        description=_("A first draft. Publish it when the date is settled."),
        location=_("Observatory Hill"),
    )
    types = (TypeDetails(_("Great Room")), TypeDetails(_("Balcony"), quota=30))
    for details, published, guests, kinds in (
        (concert, True, 5, types), (workshop, True, 8, ()), (talk, False, 0, ()),
    ):  # fmt: skip
        me = organizer(organizer_id)
        event_id = create_event(details, actor=me, published=published, is_sample=True)
        for kind in kinds:
            add_type(event_id, kind, actor=me)
        for name, tickets in GUESTS[:guests]:
            # An attendee id that looks like an address, but none that a mail would be sent to.
            attendee_id = f"{name.split()[0].lower()}@example.org"
            wants = {1 + tickets % 2: tickets} if kinds else None
            book_tickets(event_id, attendee_id=attendee_id, tickets=tickets, wants=wants, name=name)


def remove_samples(*, organizer_id: int) -> int:
    """Delete an organizer's sample events with all that belongs to them; say how many."""
    mine = select(events.c.id).where(
        events.c.organizer_id == organizer_id, events.c.is_sample.is_(True)
    )

    def work(connection: Connection) -> int:
        ids = list(connection.execute(mine.order_by(events.c.id).with_for_update()).scalars())
        drop_events(connection, ids)
        return len(ids)

    return write(work)
