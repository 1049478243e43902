"""A book kept in memory by the ledger, written after each batch as the database would be."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from webapp.booking.commands import (
    ATTENDEE,
    SYSTEM,
    ActivityKind,
    Actor,
    BookTickets,
    CancelBooking,
    CancelEvent,
    ChangeTickets,
    Claim,
    Command,
    HistoryLine,
    ListEnd,
    Outcome,
    Refusal,
    SetLimits,
    Status,
    TakeFree,
    TermKind,
    is_active,
    organizer,
)
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.ledger import Ledger
from webapp.booking.ticket_types import CodeFigures, TypeFigures

ORGANIZER = organizer(1)


@dataclass(frozen=True)
class ByOrganizer:
    """A command that the organizer gives."""

    command: Command


Given = Command | ByOrganizer
Key = TypeVar("Key")
Figures = TypeVar("Figures", TypeFigures, CodeFigures)


def command_of(given: Given) -> tuple[Command, Actor]:
    if isinstance(given, ByOrganizer):
        return given.command, ORGANIZER
    return given, ATTENDEE


def _copied(figures: Mapping[Key, Figures]) -> dict[Key, Figures]:
    return {key: replace(one) for key, one in figures.items()}


@dataclass
class KeptBook:
    """What the tables of an event would hold, and the history that they came from.

    `queues` are the counters of those who wait for the same, `{wants: bookings}`. `opens` is the
    ledger that decides.
    """

    inventory: Inventory
    claims: dict[int, Claim] = field(default_factory=dict)
    history: list[HistoryLine] = field(default_factory=list)
    moved_up_lately: set[int] = field(default_factory=set)
    codes: dict[str, CodeFigures] = field(default_factory=dict)
    queues: Counter[str] = field(default_factory=Counter)
    opens: Callable[..., Any] = Ledger

    def run(
        self, *given: Given, over: Sequence[int] = (), at_once: int = 500
    ) -> list[Outcome | Refusal]:
        """Decide the commands as one batch and write what came of it.

        Before that the first `at_once` lapse of the positions `over` who are still there.
        """
        commands = [command_of(one) for one in given]
        more = {"queues": self._in_queues, "codes": _copied(self.codes)}
        ledger = self.opens(
            replace(self.inventory, types=_copied(self.inventory.types)),
            [replace(claim) for claim in self._named([command for command, _ in commands])],
            (replace(claim) for claim in self.waiting()),
            moved_up_lately=self.moved_up_lately.__contains__,
            **(more if self.inventory.types else {}),
        )
        due = [self.claims[position] for position in self._active_of(over)]
        lapsing, left = due[:at_once], due[at_once:]
        if over:
            ledger.lapse(
                [(replace(claim), TermKind.ADDRESS) for claim in lapsing],
                first_over=min(
                    (claim.position for claim in left if claim.status is Status.WAITING),
                    default=None,
                ),
            )
        outcomes = [ledger.decide(self._measured(command), actor) for command, actor in commands]
        self.inventory = ledger.inventory
        for claim in ledger.journal.created:
            assert claim.position not in self.claims, "a position was used again"
            self.claims[claim.position] = replace(claim)
        for position, claim in ledger.journal.resized.items():
            self.claims[position].tickets = claim.tickets
            self.claims[position].wants = claim.wants
        for position in ledger.journal.promoted:
            self.claims[position].status = Status.CONFIRMED
        for position in ledger.journal.lapsed:
            self.claims[position].status = Status.LAPSED
        for position in ledger.journal.cancelled:
            self.claims[position].status = Status.CANCELLED
        lines = ledger.journal.history
        if ledger.journal.list_end:
            lines = self._end_list(ledger.journal.list_end, lines)
        if any(isinstance(command, CancelEvent) for command, _ in commands):
            for claim in self.claims.values():
                if is_active(claim.status):
                    claim.status = Status.CANCELLED
        self._count(ledger.journal)
        self.history += lines
        self.moved_up_lately.update(
            line.position for line in ledger.journal.history if line.what is ActivityKind.PROMOTED
        )
        return outcomes

    def _count(self, journal: Any) -> None:
        """Move the counters of queues and codes, or count anew what a set statement has ended."""
        if not self.inventory.types:
            return
        ended = journal.list_end or self.inventory.closure is Closure.CANCELLED
        if ended:
            self.queues.clear()
        else:
            self.queues.update(journal.queues)
        for code in self.codes.values():
            code.used = self.had_with(code) if ended else code.used + journal.codes[code.number]

    def had_with(self, code: CodeFigures) -> int:
        """Tickets of active bookings that were made with a code."""
        active = [c for c in self.claims.values() if is_active(c.status)]
        return sum(claim.tickets for claim in active if claim.code == code.number)

    def _in_queues(self) -> Mapping[str, Iterator[Claim]]:
        """The waiting list as the counters of its queues lead to it."""
        return {
            wants: iter([replace(claim) for claim in self.waiting() if claim.wants == wants])
            for wants, waiting in self.queues.items()
            if waiting
        }

    def _end_list(self, end: ListEnd, lines: list[HistoryLine]) -> list[HistoryLine]:
        """What the set statement does, and the lines with those that it writes."""
        lapsing = self.waiting()
        assert len(lapsing) == end.lapsed, "all who wait lapse, and nobody else"
        told = []
        for claim in lapsing:
            claim.status = Status.LAPSED
            line = HistoryLine(
                ActivityKind.LAPSED,
                SYSTEM,
                claim.position,
                *(Status.WAITING, Status.LAPSED, claim.tickets, claim.tickets),
                cause=end.cause,
            )
            line.wants_before = line.wants_after = claim.wants or None
            told.append(line)
        return [*lines[: end.after], *told, *lines[end.after :]]

    def told(
        self, *given: Given, over: Sequence[int] = (), at_once: int = 500
    ) -> list[tuple[object, ...]]:
        """The same, with the outcomes in the words of the model."""
        outcomes = self.run(*given, over=over, at_once=at_once)
        return [
            self._plain(command_of(one)[0], outcome)
            for one, outcome in zip(given, outcomes, strict=True)
        ]

    def told_of_lapse(
        self, over: Sequence[int], *given: Given, at_once: int = 500
    ) -> list[tuple[object, ...]]:
        """The same where terms are over: first who lapsed and who moved up, then the outcomes."""
        lapsed, lines = self._active_of(over)[:at_once], len(self.history)
        told = self.told(*given, over=over, at_once=at_once)
        promoted = [
            line.position
            for line in self.history[lines:]
            if line.what is ActivityKind.PROMOTED and line.actor == SYSTEM
        ]
        return [("lapsed", lapsed, promoted), *told]

    def _active_of(self, positions: Iterable[int]) -> list[int]:
        return [p for p in positions if p in self.claims and is_active(self.claims[p].status)]

    def waiting(self) -> list[Claim]:
        return [c for _, c in sorted(self.claims.items()) if c.status is Status.WAITING]

    def with_status(self, status: Status) -> list[int]:
        return [p for p, claim in sorted(self.claims.items()) if claim.status is status]

    def promoted_by(self, position: int) -> list[int]:
        """Who moved up when the booking at `position` was cancelled."""
        is_past, told = False, []
        for line in self.history:
            if line.position == position and line.what is ActivityKind.CANCELLED:
                is_past = True
            elif is_past and line.what is ActivityKind.PROMOTED and line.cause == position:
                told.append(line.position)
        return told

    def _plain(self, command: Command, outcome: Outcome | Refusal) -> tuple[object, ...]:
        """What was done before is read off the history, as a batch does."""
        if isinstance(outcome, Refusal):
            return "refused", outcome.reason.value
        match command:
            case BookTickets():
                return "booked", outcome.position, outcome.status.value, outcome.rank
            case SetLimits():
                return "resized", list(outcome.promoted)
            case CancelEvent():
                return ("closed",)
        promoted = list(outcome.promoted)
        if outcome.repeated and outcome.status is Status.CANCELLED:
            promoted = self.promoted_by(outcome.position)
        return "released", outcome.position, outcome.tickets, promoted

    def _named(self, commands: Sequence[Command]) -> Iterable[Claim]:
        """The claims at each position, and of each attendee the active or else the latest."""
        for command in commands:
            match command:
                case BookTickets(attendee_id=name) | CancelBooking(attendee_id=str(name)):
                    held = [c for c in self.claims.values() if c.attendee_id == name]
                    yield from sorted(held, key=lambda claim: claim.position)[-1:]
                case (
                    CancelBooking(position=int(position))
                    | ChangeTickets(position=position)
                    | TakeFree(position=position)
                ):
                    if position in self.claims:
                        yield self.claims[position]

    def _measured(self, command: Command) -> Command:
        if isinstance(command, SetLimits):
            largest = max((claim.tickets for claim in self.waiting()), default=0)
            return replace(command, largest_waiting=largest)
        return command
