"""What the pages of a booking show of it."""

from typing import Any

from webapp import clock
from webapp.accounts.contacts import contact_of
from webapp.booking.commands import ATTENDEE, is_active, takes_tickets
from webapp.booking.giving import may_give
from webapp.booking.inventory import inventory_of, is_over
from webapp.booking.queries import BookingView, free_now, may_leave_until
from webapp.pages.offer import goes_to


def standing_of(found: BookingView, *, is_news: bool = False) -> dict[str, Any]:
    """What the pages of a booking show; `is_news` when it changed before the attendee's eyes."""
    booking, event, now = found.booking, found.event, clock.now()
    inventory = inventory_of(event, now)
    active = is_active(booking.status)
    until = may_leave_until(booking, event) if active else None
    return {
        "booking": booking,
        "event": event,
        "rank": found.rank,
        "question": found.question,
        "contact": contact_of(event.organizer_id),
        "may_give": may_give(booking, event, found.question, now),
        "goes_to": goes_to(event, now),
        "is_open": inventory.closure is None,
        "may_change": active and (until is None or now < until),
        "until": until,
        # Nobody gives back a ticket that was used at the door.
        "least": max(1, booking.admitted),
        "more": inventory.more_for(booking.tickets, ATTENDEE)
        if takes_tickets(booking.status)
        else 0,
        "free": free_now(found),
        "may_move_up": inventory.promotes,
        "is_over": is_over(event, now),
        # Tickets that anybody can have while the event is on.
        "on_sale": 0 if inventory.promotes or inventory.closure else inventory.available,
        "is_news": is_news,
    }
