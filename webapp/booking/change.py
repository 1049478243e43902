"""What a batch decides about one event, on its way from the ledger into the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.booking.ledger import Ledger
from webapp.storage.rows import LockedEvent


@dataclass(slots=True)
class BookingDetails:
    """What a booking carries besides its claim.

    Made before the transaction, as its reference is: one that is run again writes the same.
    `language` is the code of the one it was made in, if not that of the setting LANGUAGE.
    `is_told` says whether its own mail is sent; what becomes of it later is.
    """

    ticket_code: str
    name: str = ""
    email: str | None = None
    language: str | None = None
    is_told: bool = True


@dataclass(slots=True)
class EventChange:
    """What one run of a batch decides about one event.

    `details` completes each created booking: `{position: details}`; `asked` are the positions of
    those whose address has to answer. `columns` are further ones of the event and `history` further
    lines for its activity. `next_lapse_at` is a figure of the event; the other figures are the
    ledger's. `is_begun` says that a part has been written, `taken_before` how many tickets of each
    type were taken before: `{number: tickets}`.
    """

    batch: str
    event: LockedEvent
    ledger: Ledger
    details: dict[int, BookingDetails] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    asked: set[int] = field(default_factory=set)
    next_lapse_at: datetime | None = field(init=False)
    is_begun: bool = field(init=False, default=False)
    taken_before: Mapping[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.next_lapse_at = self.event.next_lapse_at
        types = self.ledger.inventory.types
        self.taken_before = {number: kind.confirmed for number, kind in types.items()}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell, and so no new revision."""
        return not (self.is_begun or self.ledger.journal.history or self.history)

    @property
    def moves_next_lapse(self) -> bool:
        """Whether `next_lapse_at` is another one than the event has."""
        return self.next_lapse_at != self.event.next_lapse_at

    @property
    def revision(self) -> int:
        """The revision that this change makes of the event."""
        return self.event.revision + 1
