"""Who is next where there are ticket types: each case of the rule by name, on the ledger alone."""

from collections.abc import Mapping

import pytest

from tests.booking.ledger_book import ByOrganizer, Given, KeptBook
from webapp.booking.commands import (
    ATTENDEE,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Claim,
    Outcome,
    SetLimits,
    Status,
    TakeFree,
)
from webapp.booking.inventory import Inventory
from webapp.booking.ledger import Ledger
from webapp.booking.ticket_types import CodeFigures, TypeFigures, wants_of

VIP, STANDARD, BALCONY = 1, 2, 3


def hall(capacity: int, quotas: Mapping[int, int | None], *parties: str) -> KeptBook:
    """An event whose types have these quotas, after these parties have come."""
    names = {VIP: "VIP", STANDARD: "Standard", BALCONY: "Balcony"}
    types = {number: TypeFigures(number, names[number], quota) for number, quota in quotas.items()}
    book = KeptBook(Inventory(capacity, types=types))
    come(book, *parties)
    return book


def come(book: KeptBook, *parties: str) -> list[str]:
    """What becomes of parties who book one after the other, in one batch."""
    first = len(book.claims)
    asked = [
        BookTickets(f"guest {number}", sum(wants_of(wants).values()), wants=wants)
        for number, wants in enumerate(parties, start=first + 1)
    ]
    return [str(outcome[-2]) for outcome in book.told(*asked)]


def promoted_by(book: KeptBook, command: Given) -> list[int]:
    (outcome,) = book.run(command)
    assert isinstance(outcome, Outcome), outcome
    return list(outcome.promoted)


def cancel(book: KeptBook, position: int) -> list[int]:
    return promoted_by(book, CancelBooking(position))


def waiting(book: KeptBook) -> list[int]:
    return book.with_status(Status.WAITING)


def test_full_and_awaited_type_leaves_the_others_on_sale() -> None:
    book = hall(1000, {VIP: 2, STANDARD: None}, "1:2")
    assert come(book, "1:1", "2:8", "1:1", "2:8") == ["waiting", "confirmed"] * 2
    assert waiting(book) == [2, 4]


def test_ticket_of_a_type_that_is_given_back_is_also_its_seat() -> None:
    book = hall(3, {VIP: 2, STANDARD: None}, "1:1", "1:1", "2:1", "1:1", "2:1", "1:1")
    assert cancel(book, 1) == [4]
    assert waiting(book) == [5, 6]


def test_who_lacks_only_room_keeps_a_single_seat_from_everybody_behind() -> None:
    book = hall(4, {VIP: 3, STANDARD: None}, "2:3", "2:1", "2:2", "1:1", "2:1")
    assert cancel(book, 2) == []
    assert (book.inventory.free, waiting(book)) == (1, [3, 4, 5])
    assert come(book, "1:1", "2:1") == ["waiting", "waiting"]
    assert cancel(book, 1) == [3, 4, 5]


def test_seat_goes_to_who_can_use_it() -> None:
    book = hall(3, {VIP: 1, STANDARD: None}, "1:1", "2:1", "2:1", "1:1", "2:1")
    assert cancel(book, 2) == [5]
    assert waiting(book) == [4]


def test_party_keeps_the_type_that_it_lacks_and_no_other() -> None:
    book = hall(10, {VIP: 2, STANDARD: None}, "1:1", "1:2,2:1")
    assert book.inventory.types[VIP].left == 1
    assert come(book, "1:1", "2:1", "1:1,2:1") == ["waiting", "confirmed", "waiting"]


def test_party_that_lacks_only_room_stops_the_line_until_its_last_seat_is_free() -> None:
    book = hall(5, {VIP: 2, STANDARD: None}, "1:1", "2:1", "2:3", "1:2,2:1", "2:1")
    assert cancel(book, 1) == []
    assert (book.inventory.free, book.inventory.types[VIP].left) == (1, 2)
    assert come(book, "2:1") == ["waiting"]
    # The seats that were given back stay empty, though others behind want no more than these.
    assert cancel(book, 2) == []
    assert promoted_by(book, ChangeTickets(3, 2, wants="2:2")) == [4]
    assert waiting(book) == [5, 6]


def test_family_of_two_types_without_quotas_waits_like_any_party_of_four() -> None:
    book = hall(5, {VIP: None, STANDARD: None}, "1:2", "1:2,2:2", "1:1", "2:1")
    assert waiting(book) == [2, 3, 4]
    assert cancel(book, 1) == [2, 3]


def test_party_that_lacks_two_types_lets_pass_whichever_is_free_again() -> None:
    book = hall(9, {VIP: 1, STANDARD: 1, BALCONY: None}, "1:1", "2:1", "1:1,2:1", "1:1", "2:1")
    assert waiting(book) == [3, 4, 5]
    # It lacks Standard alone now, so VIP passes on; then VIP alone, so Standard does.
    assert cancel(book, 1) == [4]
    assert cancel(book, 2) == [5]
    assert cancel(book, 4) == []
    assert come(book, "1:1") == ["confirmed"]
    # Both at once.
    cancel(book, 6)
    assert cancel(book, 5) == [3]


def test_who_waits_for_a_type_stays_in_line_when_its_sale_closes() -> None:
    book = hall(3, {VIP: 1, STANDARD: None}, "1:1", "1:1")
    book.inventory.types[VIP].is_on_sale = False
    asked = BookTickets("late", 1, wants="1:1")
    assert book.told(asked) == [("refused", "type_not_on_sale")]
    assert cancel(book, 1) == [2]


def test_larger_quota_is_walked_and_a_smaller_one_is_no_less_than_taken_or_awaited() -> None:
    book = hall(9, {VIP: 3, STANDARD: None}, "1:2", "1:3", "1:1", "2:1")
    assert waiting(book) == [2, 3]
    assert promoted_by(book, SetLimits(9, quotas={VIP: 4})) == []
    for quota, told in ((2, "quota_too_low"), (3, [])):
        assert book.told(SetLimits(9, quotas={VIP: quota}))[0][-1] == told
    assert promoted_by(book, SetLimits(9, quotas={VIP: None})) == [2, 3]
    (refusal,) = book.told(SetLimits(9, quotas={STANDARD: 5, VIP: 5}))
    assert refusal == ("refused", "quota_too_low")
    assert book.inventory.types[STANDARD].quota is None


def test_larger_capacity_is_walked_and_a_smaller_one_is_no_less_than_taken_or_awaited() -> None:
    book = hall(4, {VIP: 2, STANDARD: None}, "2:2", "1:1,2:3", "2:1")
    assert waiting(book) == [2, 3]
    assert book.told(SetLimits(3)) == [("refused", "capacity_too_low")]
    assert promoted_by(book, SetLimits(6)) == [2]
    assert promoted_by(book, SetLimits(7)) == [3]


def test_party_that_leaves_the_line_lets_those_behind_it_walk() -> None:
    book = hall(3, {VIP: 2, STANDARD: None}, "1:1", "1:2", "1:1")
    assert cancel(book, 2) == [3]
    assert book.queues["1:2"] == book.queues["1:1"] == 0


def test_party_that_becomes_smaller_changes_its_queue_and_keeps_its_place() -> None:
    book = hall(3, {VIP: 1, STANDARD: None}, "1:1", "1:1,2:2", "1:1,2:1", "1:1")
    assert promoted_by(book, ChangeTickets(2, 2, wants="1:1,2:1")) == []
    assert +book.queues == {"1:1,2:1": 2, "1:1": 1}
    assert cancel(book, 1) == [2]
    # It no longer lacks what is full, and those behind it go on lacking it.
    assert promoted_by(book, ChangeTickets(3, 1, wants="2:1")) == [3]
    assert waiting(book) == [4]


def test_booking_that_joins_another_queue_stands_there_by_its_position() -> None:
    book = hall(2, {VIP: 1, STANDARD: None}, "1:1", "1:1,2:1", "1:1", "1:1")
    outcomes = book.told(ChangeTickets(2, 1, wants="1:1"), CancelBooking(1), CancelBooking(2))
    assert [outcome[-1] for outcome in outcomes] == [[], [2], [3]]


def test_walk_begins_again_as_somebody_ahead_may_lack_more_than_before() -> None:
    book = hall(9, {VIP: 2, STANDARD: 1}, "1:2", "2:1", "1:2,2:1", "1:2", "1:1")
    assert waiting(book) == [3, 4, 5]
    # One VIP ticket is left over, which the party ahead lacks since the other two have gone.
    assert promoted_by(book, SetLimits(9, quotas={VIP: 5})) == [4]
    assert book.inventory.types[VIP].left == 1
    assert waiting(book) == [3, 5]
    assert come(book, "1:1") == ["waiting"]


def test_newcomer_is_the_last_in_line() -> None:
    book = hall(5, {VIP: 2, STANDARD: 2, BALCONY: None}, "1:2", "1:1,2:1")
    # Nobody has had a Standard ticket, and yet there is none for who comes after that party.
    assert come(book, "2:2", "2:1", "3:1", "1:1") == [
        "confirmed",
        "waiting",
        "confirmed",
        "waiting",
    ]


def test_newcomer_that_takes_the_last_changes_what_the_next_finds_in_the_same_batch() -> None:
    book = hall(9, {VIP: 1, STANDARD: 3}, "1:1", "1:1,2:2")
    assert come(book, "2:1", "2:1", "2:1") == ["confirmed", "confirmed", "waiting"]


def test_somebody_waits_for_as_many_as_the_quota_and_no_more() -> None:
    book = hall(9, {VIP: 2, STANDARD: None}, "1:1")
    asked = [BookTickets("a", 2, wants="1:2"), BookTickets("b", 3, wants="1:3")]
    assert book.told(*asked) == [("booked", 2, "waiting", 1), ("refused", "too_many_of_type")]


def test_more_tickets_are_behind_all_who_lack_their_type() -> None:
    book = hall(9, {VIP: 2, STANDARD: None}, "1:1,2:1", "1:2")
    more = [ChangeTickets(1, 3, wants="1:2,2:1"), ChangeTickets(1, 3, wants="1:1,2:2")]
    assert book.told(*more) == [("refused", "others_wait"), ("released", 1, 3, [])]
    assert book.told(ChangeTickets(1, 3, wants="1:2,2:1")) == [("refused", "mixed_change")]


def test_what_is_free_is_taken_by_who_lacks_nothing_of_it() -> None:
    book = hall(9, {VIP: 2, STANDARD: None}, "1:2", "1:1,2:2", "1:2,2:1", "1:1")
    # Behind one who lacks VIP nobody takes it; what that one does not lack is free to take.
    assert book.told(TakeFree(3, 1, wants="1:1")) == [("refused", "not_next")]
    assert book.told(TakeFree(2, 1, wants="1:1")) == [("refused", "not_free")]
    assert book.told(TakeFree(3, 1, wants="2:1")) == [("released", 3, 1, [3])]
    assert promoted_by(book, TakeFree(2, 2, wants="2:2")) == [2]
    assert waiting(book) == [4]


def test_what_is_left_when_the_room_is_short_is_taken_by_the_first_alone() -> None:
    book = hall(4, {VIP: 3, STANDARD: None}, "2:3", "2:2", "1:1")
    assert book.told(TakeFree(3, 1, wants="1:1")) == [("refused", "not_next")]
    assert book.told(TakeFree(2, 1, wants="2:1")) == [("released", 2, 1, [2])]
    assert waiting(book) == [3]


def test_lapse_frees_tickets_of_its_type_and_one_walk_follows() -> None:
    book = hall(3, {VIP: 1, STANDARD: None}, "1:1", "2:2", "1:1", "2:1", "1:1")
    assert book.told_of_lapse([1, 3]) == [("lapsed", [1, 3], [4])]
    assert waiting(book) == [5]


def test_nobody_moves_up_past_one_who_has_to_lapse_in_a_later_batch() -> None:
    book = hall(9, {VIP: 1, STANDARD: 1}, "1:1", "2:1", "2:1", "1:1", "1:1")
    come_next = BookTickets("new", 1, wants="2:1")
    # The party at 4 is over as well: who wants VIP behind it has to wait for its turn to lapse.
    told = book.told_of_lapse([1, 2, 4], come_next, at_once=2)
    assert told == [("lapsed", [1, 2], [3]), ("booked", 6, "waiting", 3)]
    assert book.told_of_lapse([4]) == [("lapsed", [4], [5])]


def test_code_counts_the_tickets_of_active_bookings_and_is_exact_within_a_batch() -> None:
    book = hall(3, {VIP: 1, STANDARD: None})
    book.codes = {"FRIENDS": CodeFigures(7, limit=3)}
    asked = [
        BookTickets(
            who, 1 if who != "d" else 2, wants="1:1" if who != "d" else "2:2", code="FRIENDS"
        )
        for who in "abd"
    ]
    assert [outcome[-2:] for outcome in book.told(*asked)] == [
        ("confirmed", None),
        ("waiting", 1),
        ("refused", "code_used_up"),
    ]
    assert book.told(ByOrganizer(CancelBooking(2)), asked[2])[1] == ("booked", 3, "confirmed", None)
    assert book.codes["FRIENDS"].used == 3
    assert book.told(BookTickets("e", 1, wants="2:1", code="FRIENDS")) == [
        ("refused", "unknown_code")
    ]


@pytest.mark.parametrize("types", [{}, {STANDARD: TypeFigures(STANDARD)}])
def test_no_queue_is_read_while_nobody_waits(types: dict[int, TypeFigures]) -> None:
    def unread() -> Mapping[str, list[Claim]]:
        raise AssertionError("nobody waits")

    inventory = Inventory(2, types=types)
    ledger = Ledger(inventory, queues=unread if types else None)
    wants = "2:1" if types else ""
    for who in "ab":
        ledger.decide(BookTickets(who, 1, wants=wants), ATTENDEE)
