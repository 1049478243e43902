"""Each guard of the line, taken out, is noticed by the case that is named for it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from tests.booking import test_line as cases
from tests.support.fixtures import MakeEvent
from webapp.booking import line
from webapp.booking.commands import Claim, organizer
from webapp.booking.holdings import Holdings
from webapp.booking.inventory import Inventory
from webapp.booking.journal import Journal
from webapp.booking.line import InconsistentLedger, Line, Walk
from webapp.booking.services import book_tickets, cancel_booking
from webapp.booking.ticket_types import TypeFigures, wants_of
from webapp.booking.type_services import TypeDetails, add_type
from webapp.storage.engines import write_engine

Mutant = Callable[[pytest.MonkeyPatch], None]


def walk_that_goes_on_after_a_promotion(patch: pytest.MonkeyPatch) -> None:
    under_way: dict[Line, tuple[Walk, int]] = {}

    def next_in_line(in_line: Line, inventory: Inventory) -> Claim | None:
        walk, last = under_way.pop(in_line, (Walk(inventory), 0))
        for head in in_line.heads():
            if head.position > last and walk.reaches(head.tickets, head.wants):
                under_way[in_line] = walk, head.position
                return head
        return None

    patch.setattr(Line, "next_in_line", next_in_line)


def lacking_for_oneself_alone(patch: pytest.MonkeyPatch) -> None:
    def lacks(walk: Walk, wants: str) -> list[int]:
        types = walk.inventory.types
        return [n for n, tickets in wants_of(wants).items() if types[n].has_fewer_than(tickets)]

    patch.setattr(Walk, "lacks", lacks)


def room_that_stops_nobody(patch: pytest.MonkeyPatch) -> None:
    reaches = Walk.reaches

    def and_go_on(walk: Walk, tickets: int, wants: str) -> bool:
        reached = reaches(walk, tickets, wants)
        walk.is_stopped = False
        return reached

    patch.setattr(Walk, "reaches", and_go_on)


def quota_that_limits_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TypeFigures, "has_fewer_than", lambda *_: False)


def last_of_the_queue_for_its_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(line, "min", max, raising=False)


def walk_that_is_never_forgotten(patch: pytest.MonkeyPatch) -> None:
    def keep(in_line: Any, walk: Walk | None) -> None:
        in_line.kept = walk or getattr(in_line, "kept", None)

    patch.setattr(Line, "walked", property(lambda in_line: in_line.kept, keep), raising=False)


def code_that_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holdings, "_use_code", lambda *_: None)


def queues_that_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    class Deaf(Counter[str]):
        def __setitem__(self, wants: str, bookings: int) -> None:
            pass

    begin = Journal.__init__

    def begin_deaf(journal: Journal, *what: Any) -> None:
        begin(journal, *what)
        journal.queues = Deaf()

    patch.setattr(Journal, "__init__", begin_deaf)


def later_batch_that_holds_up_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Line, "_is_held_up", lambda *_: False)


MUTANTS: dict[Mutant, Callable[[], None]] = {
    walk_that_goes_on_after_a_promotion: (
        cases.test_walk_begins_again_as_somebody_ahead_may_lack_more_than_before
    ),
    lacking_for_oneself_alone: cases.test_party_keeps_the_type_that_it_lacks_and_no_other,
    room_that_stops_nobody: (
        cases.test_who_lacks_only_room_keeps_a_single_seat_from_everybody_behind
    ),
    quota_that_limits_nobody: cases.test_full_and_awaited_type_leaves_the_others_on_sale,
    last_of_the_queue_for_its_head: (
        cases.test_booking_that_joins_another_queue_stands_there_by_its_position
    ),
    walk_that_is_never_forgotten: (
        cases.test_newcomer_that_takes_the_last_changes_what_the_next_finds_in_the_same_batch
    ),
    code_that_is_not_counted: (
        cases.test_code_counts_the_tickets_of_active_bookings_and_is_exact_within_a_batch
    ),
    queues_that_are_not_counted: (
        cases.test_party_that_becomes_smaller_changes_its_queue_and_keeps_its_place
    ),
    later_batch_that_holds_up_nobody: (
        cases.test_nobody_moves_up_past_one_who_has_to_lapse_in_a_later_batch
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_missing_guard_is_noticed(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    MUTANTS[mutant]()
    mutant(monkeypatch)
    with pytest.raises((AssertionError, InconsistentLedger)):
        MUTANTS[mutant]()


def first_who_waits_moves_up(event_id: int) -> bool:
    """Two wait for the same, and the first of them moves up, as the database has them."""
    taken, *waiting = [
        book_tickets(event_id, attendee_id=who, wants={1: 1}).position for who in ("a", "b", "c")
    ]
    return list(cancel_booking(event_id, position=taken).promoted) == waiting[:1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_head_that_is_read_from_the_wrong_end_is_noticed(
    in_app: Flask, make_event: MakeEvent, organizer_id: int
) -> None:
    halls = [make_event(capacity=1), make_event(capacity=1)]
    for event_id in halls:
        add_type(event_id, TypeDetails("VIP"), actor=organizer(organizer_id))
    assert first_who_waits_moves_up(halls[0])

    def from_the_end(_: Any, __: Any, statement: str, *more: Any) -> tuple[str, Any]:
        order = "booking.wants, booking.position"
        wrong = (
            statement.replace(order, f"{order} DESC") if "FROM queue" in statement else statement
        )
        return wrong, more[0]

    event.listen(write_engine(), "before_cursor_execute", from_the_end, retval=True)
    try:
        with pytest.raises(InconsistentLedger):
            first_who_waits_moves_up(halls[1])
    finally:
        event.remove(write_engine(), "before_cursor_execute", from_the_end)
