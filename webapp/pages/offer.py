"""What an event offers to a newcomer now: tickets, a place in the waiting list, or nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from webapp.services import clock
from webapp.services.availability import available
from webapp.services.batch import why_closed
from webapp.services.book import inventory_of

FEW = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """`left` tickets can be had at once; `place` is the next one in the waiting list, if any.

    `refusal` says in a sentence why nothing can be had; it is empty otherwise. That may change:
    at `opens_at`, or with the next cancel where the event `is_full`.
    """

    left: int
    place: int | None
    most: int
    refusal: str
    opens_at: datetime | None
    is_full: bool

    @property
    def few(self) -> bool:
        """Few enough tickets are left to say so aloud."""
        return 0 < self.left <= FEW


def offer_of(event: Row[Any]) -> Offer:
    """The offer of an event, as of its row."""
    now = clock.now()
    inventory = inventory_of(event, now)
    left = available(event) if inventory.open else 0
    limit = event.waiting_list_limit
    has_place = inventory.open and (limit is None or event.waiting < limit)
    refusal = ""
    opens_at = None
    if not inventory.open:
        refusal = why_closed(event)
        opens = event.sales_open_at
        if event.status == "published" and inventory.promotes and opens and now < opens:
            opens_at = opens
    is_full = inventory.open and not left and not has_place
    if is_full:
        refusal = (
            "This event is sold out and its waiting list is full."
            if limit
            else "This event is sold out."
        )
    return Offer(
        left=left,
        place=event.waiting + 1 if has_place else None,
        most=min(event.max_tickets_per_booking, event.capacity),
        refusal=refusal,
        opens_at=opens_at,
        is_full=is_full,
    )
