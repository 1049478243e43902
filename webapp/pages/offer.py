"""What an event offers to a newcomer now, in words where it is nothing."""

from collections import namedtuple
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, cast, get_type_hints

from webapp import clock
from webapp.booking import inventory
from webapp.booking.refusals import why_closed
from webapp.errors import WaitingListFull
from webapp.storage.rows import EventRow, LockedEvent
from webapp.text.sentences import sentence_of
from webapp.text.stand_ins import Lasting
from webapp.web.language import gettext, language

# Few is at most so many, and at most one in so many.
FEW_LEFT, FEW_OF = 10, 5


class Offer(NamedTuple):
    """`left` tickets can be had at once; `place` is the next one in the waiting list, if any.

    `refusal` says in a sentence why nothing can be had; it is empty otherwise. That may change:
    at `opens_at`, or with the next cancel where the event `is_full`. `few` tells that so few are
    left that it is worth saying. `has_list` tells whether there is a waiting list, `has_started`
    whether the event has begun, `is_over` whether it is over.
    """

    left: int
    place: int | None
    most: int
    refusal: str
    opens_at: datetime | None
    is_full: bool
    few: bool
    has_list: bool
    has_started: bool
    is_over: bool

    @property
    def without_figures(self) -> "Offer":
        """Whether there is anything, in place of how much."""
        place = None if self.place is None else 1
        return self._replace(left=min(self.left, 1), place=place, few=False)


# What changes with each booking.
FIGURES = ("confirmed", "waiting", "next_position", "revision", "next_lapse_at")


_LASTING = [name for name in get_type_hints(EventRow) if name not in FIGURES]
_lasting_of = attrgetter(*_LASTING)


class LastingEvent(Lasting, namedtuple("_Columns", _LASTING)):  # type: ignore[misc]
    """An event without what changes with each booking."""

    __slots__ = ()


def without_figures(event: EventRow) -> EventRow:
    """All else of an event, which stays the same for long."""
    return cast(EventRow, LastingEvent._make(_lasting_of(event)))


class Offers(NamedTuple):
    """The offers of some events, each as `(id, offer)`; called, it gives that of an event."""

    all: tuple[tuple[int, Offer], ...]

    def __call__(self, event: LockedEvent) -> Offer:
        return dict(self.all)[event.id]


class GoesTo(StrEnum):
    """Where tickets go that are given back now."""

    NEXT = "next"
    OFFER = "offer"
    NOBODY = "nobody"


def goes_to(event: LockedEvent, now: datetime) -> GoesTo:
    """Where tickets of an event go that are given back: to who waits, or on offer, or nowhere."""
    here = inventory.inventory_of(event, now)
    if here.promotes and event.waiting:
        return GoesTo.NEXT
    return GoesTo.NOBODY if here.closure else GoesTo.OFFER


def offer_of(event: LockedEvent, *, available: int | None = None) -> Offer:
    """The offer of an event, as of its row; `available` is as in `inventory.offer_of`."""
    now = clock.now()
    offer = inventory.offer_of(event, now, available=available)
    refusal = ""
    if offer.closure is not None:
        refusal = sentence_of(why_closed(event, now), language())
    elif offer.is_full and offer.has_waiting_list:
        refusal = sentence_of(WaitingListFull(), language())
    elif offer.is_full:
        refusal = gettext("This event is sold out.")
    return Offer(
        offer.left,
        offer.place,
        offer.most,
        refusal,
        offer.opens_at,
        offer.is_full,
        few=0 < offer.left <= min(FEW_LEFT, event.capacity // FEW_OF),
        has_list=offer.has_waiting_list,
        has_started=offer.has_started,
        is_over=offer.closure is inventory.Closure.OVER,
    )
