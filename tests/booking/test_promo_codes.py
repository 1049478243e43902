"""Codes of an event, through the services: made, changed, counted, and told of to nobody."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fixtures import MakeEvent
from tests.support.tools import history
from webapp import clock
from webapp.booking.code_services import (
    CodeDetails,
    add_code,
    code_of,
    codes_of_event,
    edit_code,
    remove_code,
)
from webapp.booking.commands import Actor, organizer
from webapp.booking.queries import find_event
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.booking.type_services import TypeDetails, add_type, remove_type
from webapp.errors import (
    ChooseTicketType,
    CodeInUse,
    CodeNotFound,
    DomainError,
    EditConflict,
    InvalidInput,
    Problem,
    TypeInUse,
    UnknownCode,
)

SEAT, HIDDEN, OTHER = 1, 2, 3
HOUR = timedelta(hours=1)


@pytest.fixture
def me(organizer_id: int) -> Actor:
    return organizer(organizer_id)


@pytest.fixture
def gala(make_event: MakeEvent, me: Actor) -> int:
    """Twenty seats of three types, two of which are hidden."""
    event_id = make_event(capacity=20)
    for name, hidden in (("Seat", False), ("Friends", True), ("Press", True)):
        add_type(event_id, TypeDetails(name, hidden=hidden), actor=me)
    return event_id


def used(event_id: int, me: Actor) -> dict[str, int]:
    event = find_event(event_id)
    return {code.details.text: code.used for code in codes_of_event(event, actor=me)}


def book(event_id: int, who: str, kind: int, code: str | None, tickets: int = 1) -> Any:
    return book_tickets(event_id, attendee_id=who, wants={kind: tickets}, code=code)


def told(call: Any) -> str:
    """What a refusal tells: its kind with all its facts."""
    with pytest.raises(DomainError) as refused:
        call()
    return f"{type(refused.value).__name__} {refused.value}"


def test_code_is_compared_without_case_and_outer_spaces(gala: int, me: Actor) -> None:
    assert add_code(gala, CodeDetails(" Friends "), actor=me) == 1
    for same in ("friends", " FRIENDS", "fr\u0131ends"):
        assert code_of(gala, same).number == 1
    with pytest.raises(InvalidInput) as refused:
        add_code(gala, CodeDetails("frIends"), actor=me)
    assert refused.value.problems == {"code": Problem("code_taken")}
    # The capital of one letter may be two.
    assert add_code(gala, CodeDetails("straße"), actor=me) == 2
    assert code_of(gala, "STRASSE").number == 2
    for wrong in ("", " ", "two words", "tab\tin", "\x00", "\u200b", "\ud800", "ß" * 21, "x" * 41):
        with pytest.raises(InvalidInput) as refused:
            add_code(gala, CodeDetails(wrong), actor=me)
        assert refused.value.problems == {"code": Problem("code_text", limit=40)}
    assert add_code(gala, CodeDetails("ß" * 20), actor=me) == 3


def test_what_cannot_be_is_refused_by_field(gala: int, make_event: MakeEvent, me: Actor) -> None:
    now = clock.now()
    with pytest.raises(InvalidInput) as refused:
        add_code(
            gala,
            CodeDetails("X", types=frozenset({SEAT, 9}), valid_from=now, valid_until=now),
            actor=me,
        )
    assert refused.value.problems == {
        "types": Problem("no_such_type", type=9),
        "validUntil": Problem("valid_until_before_from"),
    }
    with pytest.raises(InvalidInput) as refused:
        add_code(make_event(), CodeDetails("X"), actor=me)
    assert refused.value.problems == {"types": Problem("codes_need_types")}


def test_code_counts_exactly_and_what_is_had_bounds_it(gala: int, me: Actor) -> None:
    limited = CodeDetails("TEN", types=frozenset({HIDDEN}), ticket_limit=10, max_per_booking=6)
    number = add_code(gala, limited, actor=me)
    book(gala, "a", HIDDEN, "ten", 6)
    with pytest.raises(InvalidInput) as refused:
        book(gala, "b", HIDDEN, "ten", 5)
    assert refused.value.problems == {"code": Problem("code_used_up", limit=4)}
    book(gala, "b", HIDDEN, "ten", 4)
    assert used(gala, me) == {"TEN": 10}
    with pytest.raises(InvalidInput) as refused:
        edit_code(gala, number, CodeDetails("TEN", ticket_limit=9), actor=me)
    assert refused.value.problems == {"limit": Problem("code_limit_too_low", limit=10)}
    for _ in range(2):
        cancel_booking(gala, position=1)
    assert used(gala, me) == {"TEN": 4}
    with pytest.raises(CodeInUse):
        remove_code(gala, number, actor=me)
    with pytest.raises(CodeNotFound):
        remove_code(gala, 7, actor=me)


def test_changes_of_codes_stand_in_the_history_of_the_event(gala: int, me: Actor) -> None:
    number = add_code(gala, CodeDetails("press", types=frozenset({OTHER})), actor=me)
    with pytest.raises(TypeInUse):
        remove_type(gala, OTHER, actor=me)
    until = clock.now() + HOUR
    edit_code(gala, number, CodeDetails("PRESS", valid_until=until, note="Radio"), actor=me)
    revision = find_event(gala).revision
    edit_code(gala, number, lambda code: code.details, actor=me)
    with pytest.raises(EditConflict) as overtaken:
        edit_code(gala, number, CodeDetails("PRESS", note="TV"), actor=me, seen=revision - 1)
    assert overtaken.value.changed == {"note": "Radio", "valid_until": until}
    assert find_event(gala).revision == revision
    [code] = codes_of_event(find_event(gala), actor=me)
    assert code.details == CodeDetails("PRESS", valid_until=until, note="Radio")
    remove_code(gala, number, actor=me)
    remove_type(gala, OTHER, actor=me)
    lines = [line for line in history(gala) if line.what.startswith("code_")]
    assert [line.what for line in lines] == ["code_removed", "code_edited", "code_added"]
    with pytest.raises(CodeNotFound):
        remove_code(gala, number, actor=me)
    removed, edited, added = [line.details or {} for line in lines]
    assert edited == {
        "code": [
            {"number": 1, "text": "PRESS", "types": [3], "valid_until": None, "note": ""},
            {
                "number": 1,
                "text": "PRESS",
                "types": [],
                "valid_until": until.isoformat(),
                "note": "Radio",
            },
        ]
    }
    assert (removed["code"][1], added["code"][0]) == (None, None)


def no_good(event_id: int, other_event: int, me: Actor) -> Iterator[str]:
    """Codes of every kind that are no use to whoever wants a seat."""
    now, hidden = clock.now(), frozenset({HIDDEN})
    for details in (
        CodeDetails("OVER", types=hidden, valid_until=now - HOUR),
        CodeDetails("NOTYET", types=hidden, valid_from=now + HOUR),
        CodeDetails("GONE", types=hidden, ticket_limit=1),
    ):
        add_code(event_id, details, actor=me)
        yield details.text
    book(event_id, "first", HIDDEN, "GONE")
    add_code(other_event, CodeDetails("ELSEWHERE"), actor=me)
    yield "ELSEWHERE"
    yield "NEVER"


def test_nobody_learns_why_a_code_is_no_good(gala: int, make_event: MakeEvent, me: Actor) -> None:
    elsewhere = make_event()
    add_type(elsewhere, TypeDetails("Seat"), actor=me)
    codes = list(no_good(gala, elsewhere, me))
    told_of_unknown = f"UnknownCode {UnknownCode()}"
    add_code(gala, CodeDetails("PRESS", types=frozenset({OTHER})), actor=me)
    for kind in (SEAT, HIDDEN, OTHER, 99):
        alike = {told(lambda code=code, kind=kind: book(gala, "b", kind, code)) for code in codes}
        assert alike == {told_of_unknown}
    for kind in (SEAT, HIDDEN):
        assert "unknown_code" in told(lambda kind=kind: book(gala, "b", kind, "PRESS"))
    # Also where it is left open which type is wanted: the code must not make it a choice.
    for code in codes:
        assert "UnknownCode" in told(
            lambda code=code: book_tickets(gala, attendee_id="b", tickets=1, code=code)
        )
        with pytest.raises(UnknownCode):
            code_of(gala, code)
    with pytest.raises(ChooseTicketType):
        book_tickets(gala, attendee_id="b", tickets=1, code="PRESS")


def test_hidden_type_is_like_one_that_is_not_there(gala: int) -> None:
    hidden, missing = (told(lambda kind=kind: book(gala, "a", kind, None)) for kind in (2, 8))
    assert hidden == missing.replace("8", "2")
    booked = book(gala, "a", SEAT, None)
    for wants in ({SEAT: 1, HIDDEN: 1}, {SEAT: 1, 8: 1}, {HIDDEN: 1}, {8: 1}):
        found = told(
            lambda wants=wants: change_tickets(gala, position=booked.position, wants=wants)
        )
        assert "Friends" not in found


def test_nobody_has_more_with_a_code_that_is_over(gala: int, me: Actor) -> None:
    number = add_code(gala, CodeDetails("LATE", types=frozenset({HIDDEN})), actor=me)
    booked = book(gala, "a", HIDDEN, "late")
    change_tickets(gala, position=booked.position, tickets=3)
    until = clock.now() - HOUR
    edit_code(gala, number, CodeDetails("LATE", valid_until=until), actor=me)
    with pytest.raises(UnknownCode):
        change_tickets(gala, position=booked.position, tickets=4)
    assert change_tickets(gala, position=booked.position, tickets=2).tickets == 2
    assert used(gala, me) == {"LATE": 2}
