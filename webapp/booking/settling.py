"""What a batch does before it decides: those lapse whose terms are over."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from webapp.booking import heartbeat, terms
from webapp.booking.change import EventChange
from webapp.booking.inventory import has_started
from webapp.booking.save import save_first_part


class Settled(NamedTuple):
    """How many bookings lapsed, and the moment at which terms count as over, if they do."""

    lapsed: int = 0
    counted_at: datetime | None = None


def settle_terms(connection: Connection, change: EventChange, now: datetime) -> Settled:
    """Have bookings of a locked event lapse whose terms are over, and promote whom they reach.

    At the start all terms end without effect: who holds tickets keeps them. While the deliverer was
    away nobody could answer, so none counts as over.
    """
    event = change.event
    if not terms.are_due(event, now):
        return Settled()
    if has_started(event, now):
        terms.end_with_the_start(connection, event.id)
        change.next_lapse_at = None
        return Settled()
    over = terms.find_over(connection, event.id, now)
    if over.lapsing and not heartbeat.is_fresh(connection, now):
        return Settled()
    change.next_lapse_at = over.next_lapse_at
    # The list is walked even if nobody lapses: who was over may have left by themselves since a
    # batch that kept those behind them back.
    change.ledger.lapse(over.lapsing, first_over=over.first_over)
    if over.lapsing:
        save_first_part(connection, change, now=now)
    return Settled(len(over.lapsing), now)
