"""A book kept in memory by the ledger, written after each batch as the database would be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from webapp.services.commands import (
    Book,
    Booked,
    Cancel,
    ChangeTickets,
    Claim,
    Closed,
    Command,
    Entry,
    Inventory,
    Outcome,
    Refused,
    Released,
    Resized,
    SetCapacity,
    Status,
    What,
)
from webapp.services.ledger import Ledger


@dataclass
class KeptBook:
    """What the event and booking tables would hold, and the history they came from."""

    inventory: Inventory
    claims: dict[int, Claim] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)

    def run(self, *commands: Command) -> list[Outcome]:
        """Decide the commands as one batch and write what came of it."""
        ledger = Ledger(
            replace(self.inventory),
            [replace(claim) for claim in self._named(commands)],
            (replace(claim) for claim in self.waiting()),
        )
        outcomes = [ledger.decide(self._measured(command)) for command in commands]
        self.inventory = ledger.inventory
        for claim in ledger.created:
            assert claim.position not in self.claims, "a position was used again"
            self.claims[claim.position] = replace(claim)
        for claim in ledger.reduced:
            self.claims[claim.position].tickets = claim.tickets
        for claim in ledger.promoted:
            self.claims[claim.position].status = Status.CONFIRMED
        for claim in ledger.cancelled:
            self.claims[claim.position].status = Status.CANCELLED
        if any(isinstance(outcome, Closed) for outcome in outcomes):
            for claim in self.claims.values():
                claim.status = Status.CANCELLED
        self.history += ledger.history
        return outcomes

    def waiting(self) -> list[Claim]:
        return [c for _, c in sorted(self.claims.items()) if c.status is Status.WAITING]

    def with_status(self, status: Status) -> list[int]:
        return [p for p, claim in sorted(self.claims.items()) if claim.status is status]

    def promoted_by(self, position: int) -> list[int]:
        """Who moved up when the booking at `position` was cancelled."""
        command, told = None, []
        for entry in self.history:
            if entry.position == position and entry.what is What.CANCELLED:
                command = entry
            elif command and entry.what is What.PROMOTED and entry.cause == position:
                told.append(entry.position)
        return told

    def _named(self, commands: Sequence[Command]) -> Iterable[Claim]:
        """The claims at each position, and of each attendee the active or else the latest."""
        for command in commands:
            match command:
                case Book(attendee_id=attendee) | Cancel(attendee_id=str(attendee)):
                    held = [c for c in self.claims.values() if c.attendee_id == attendee]
                    yield from sorted(held, key=lambda claim: claim.position)[-1:]
                case Cancel(position=int(position)) | ChangeTickets(position=position):
                    if position in self.claims:
                        yield self.claims[position]

    def _measured(self, command: Command) -> Command:
        if isinstance(command, SetCapacity):
            largest = max((claim.tickets for claim in self.waiting()), default=0)
            return replace(command, largest_waiting=largest)
        return command


def plain(book: KeptBook, outcome: Outcome) -> tuple[object, ...]:
    """An outcome in the words of the model; what an earlier batch did is read off the history."""
    match outcome:
        case Refused(reason):
            return "refused", reason.value
        case Booked(position, status, _, rank):
            return "booked", position, status.value, rank
        case Released(position, tickets, promoted):
            if promoted is None:
                promoted = book.promoted_by(position)
            return "released", position, tickets, promoted
        case Resized(promoted):
            return "resized", promoted
        case Closed():
            return ("closed",)
