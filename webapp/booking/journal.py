"""What a ledger has decided, as it has to be written."""

from collections import Counter
from dataclasses import dataclass, field

from webapp.booking.commands import (
    ActivityKind,
    Actor,
    Claim,
    HistoryLine,
    ListEnd,
    Status,
    TermKind,
)


@dataclass(slots=True)
class Journal:
    """The changes of one event's bookings, and the history that tells them.

    `created` bookings are in order of position. Of those that were there before, whose positions
    are below `first_new`, there are the `lapsed`, the `cancelled`, the `resized` and the
    `promoted`, each `{position: claim}` as it is now; `kept` are the positions whose terms have
    been answered. With `list_end` all who still wait have to lapse: most of them are unknown to the
    ledger, and none is among the `lapsed`.

    `queues` says by how many bookings each queue has grown, `{wants: bookings}`, and `codes` how
    many more tickets are had with each code, `{number: tickets}`.
    """

    first_new: int
    history: list[HistoryLine] = field(default_factory=list)
    created: list[Claim] = field(default_factory=list)
    cancelled: dict[int, Claim] = field(default_factory=dict)
    resized: dict[int, Claim] = field(default_factory=dict)
    promoted: dict[int, Claim] = field(default_factory=dict)
    lapsed: dict[int, Claim] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)
    list_end: ListEnd | None = None
    queues: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)

    def forget(self) -> None:
        """Go on from what has been decided, once it has been written."""
        for changed in (self.lapsed, self.cancelled, self.resized, self.promoted):
            changed.clear()
        self.created.clear()
        self.kept.clear()
        self.history.clear()
        self.queues.clear()
        self.codes.clear()

    def change(self, changed: dict[int, Claim], claim: Claim) -> None:
        """Take in what has to be written about a booking that was there before.

        A new one is written as it is in the end, and one that was promoted and then cancelled
        only as cancelled.
        """
        if claim.position < self.first_new:
            if changed is self.cancelled:
                self.promoted.pop(claim.position, None)
            changed[claim.position] = claim

    def end_list(self, cause: int, waiting: int) -> None:
        """Have all lapse who wait, before the booking at `cause` gets its tickets."""
        self.list_end = ListEnd(cause, waiting, len(self.history))
        self.queues.clear()

    def note(
        self,
        what: ActivityKind,
        actor: Actor,
        claim: Claim,
        status_before: Status | None,
        tickets_before: int | None,
        *,
        wants_before: str | None = None,
        cause: int | None = None,
        term: TermKind | None = None,
    ) -> None:
        """Add a line of history about a booking as it is now.

        Without `wants_before` it wants what it wanted.
        """
        statuses, tickets = (status_before, claim.status), (tickets_before, claim.tickets)
        line = HistoryLine(what, actor, claim.position, *statuses, *tickets, cause, term)
        if claim.wants:
            line.wants_after = claim.wants
            if status_before is not None:
                line.wants_before = wants_before or claim.wants
        self.history.append(line)
