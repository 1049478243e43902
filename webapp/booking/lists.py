"""A list of people is booked in order, a portion in each transaction.

So the event is not held up by a long list, and one that is cut off leaves whole portions behind:
the same list again books the rest, as whoever is booked already is refused.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load
from webapp.booking.access import check_own
from webapp.booking.batch import run_one_event
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import Actor, BookTickets, Claim, Outcome, Refusal
from webapp.booking.decisions import Request
from webapp.booking.guests import listed_guest_id
from webapp.booking.load_types import open_ledger
from webapp.booking.refusals import error_of
from webapp.errors import DomainError, EventNotFound, Unavailable
from webapp.logs import log_event
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import EventRow
from webapp.storage.transaction import read

log = logging.getLogger(__name__)

T = TypeVar("T")

# Bookings in one transaction: about as many as merge by themselves when a sale begins.
PORTION = 50


class Listed(NamedTuple):
    """Somebody on a list; without an address they are known by their name.

    `wants` says of which types the tickets are, as in `Claim`; without it they are of the only one.
    """

    name: str
    email: str | None
    tickets: int
    wants: str = ""

    def attendee_id(self, event_id: int) -> str:
        """As whom they are booked."""
        return self.email or listed_guest_id(event_id, self.name)


class Expected(NamedTuple):
    """What would become of a list now: an outcome or an error for each who is on it.

    `ending` bookings that still wait lapse with its first sale, as the event has begun.
    """

    outcomes: list[Outcome | DomainError]
    ending: int


def expect_list(event: EventRow, people: Sequence[Listed], *, actor: Actor) -> Expected:
    """What booking a list would lead to as things are; nothing is booked.

    Raises `EventNotFound` for anybody else's event, `Unavailable`.
    """
    check_own(event, actor)
    ids = [one.attendee_id(event.id) for one in people]

    def work(connection: Connection) -> Expected:
        found: list[Claim] = []
        for portion in _portions(ids):
            attendees = [(event.id, attendee_id) for attendee_id in portion]
            found += load.claims_of(connection, attendees=attendees).get(event.id, [])
        ledger = open_ledger(connection, event, found, now)
        outcomes: list[Outcome | DomainError] = []
        for attendee_id, one in zip(ids, people, strict=True):
            command = BookTickets(attendee_id, one.tickets, past_sale=True, wants=one.wants)
            outcome = ledger.decide(command, actor)
            if isinstance(outcome, Refusal):
                field = "items" if one.wants else "tickets"
                outcomes.append(error_of(outcome, event, now, field=field))
            else:
                outcomes.append(outcome)
        end = ledger.journal.list_end
        return Expected(outcomes, end.lapsed if end else 0)

    now = clock.now()
    return read(work)


def book_list(
    event_id: int,
    people: Sequence[Listed],
    *,
    actor: Actor,
    is_told: bool = True,
    key_of: Callable[[int, Listed], IdempotencyKey | None] = lambda *_: None,
) -> list[Outcome | DomainError]:
    """Book for all who are on a list, in its order, also past the doors of sale.

    The outcome for each, or the error that says why nothing was booked for them. `key_of` gives
    each a one-time key, by the place in the list from 0. Once the database is away nothing more is
    tried, and the rest is `Unavailable`. `is_told` says whether they are mailed.
    Raises `EventNotFound` for anybody else's event.
    """
    requests = [
        Request(
            event_id,
            BookTickets(
                one.attendee_id(event_id),
                one.tickets,
                new_reference(),
                past_sale=True,
                wants=one.wants,
            ),
            actor,
            key_of(place, one),
            BookingDetails(new_ticket_code(), one.name, one.email, is_told=is_told),
        )
        for place, one in enumerate(people)
    ]
    results: list[Outcome | DomainError] = []
    for portion in _portions(requests):
        try:
            decided = run_one_event(event_id, portion)
        except Unavailable as error:
            results += [error] * (len(requests) - len(results))
            break
        except DomainError:
            raise
        except Exception as error:
            decided = [error]
        for result in decided:
            if isinstance(result, EventNotFound):
                raise result
            if not isinstance(result, Outcome | DomainError):
                log.error("one of a list cannot be booked", exc_info=result)
                result = Unavailable()
            results.append(result)
    made = Counter(
        str(result.status)
        for result in results
        if isinstance(result, Outcome) and not result.repeated
    )
    if made:
        log_event("list", event_id=event_id, actor=actor, **made)
    return results


def _portions(all_: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(all_), PORTION):
        yield all_[begin : begin + PORTION]
