"""Bookings looked up by their attendee and their organizer."""

# ruff: noqa: RUF001 - letters that look alike are the point

from collections.abc import Callable

import pytest

from tests.support.fixtures import MakeEvent
from tests.support.tools import booking_at, event_bookings, fill, history
from webapp.booking import queries, ranks
from webapp.booking.queries import find_booking, locate
from webapp.booking.services import book_tickets, cancel_booking
from webapp.errors import BookingNotFound
from webapp.events.queries import upcoming_events


def test_reference_finds_its_booking_with_event_and_rank(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    receipts = fill(event_id, 1, 1, 1)
    found = [find_booking(receipt.reference) for receipt in receipts]
    assert [(f.booking.position, f.booking.status, f.rank) for f in found] == [
        (1, "confirmed", None),
        (2, "waiting", 1),
        (3, "waiting", 2),
    ]
    assert {f.event.id for f in found} == {event_id}
    assert locate(receipts[2].reference) == (event_id, 3)
    cancel_booking(event_id, position=1)
    assert find_booking(receipts[0].reference).booking.status == "cancelled"
    assert find_booking(receipts[1].reference).booking.status == "confirmed"


@pytest.mark.parametrize("change", [str.swapcase, lambda r: r[:-1], lambda r: f"{r}0"])
def test_reference_has_to_be_exact(make_event: MakeEvent, change: Callable[[str], str]) -> None:
    wrong = change(fill(make_event(), 1)[0].reference)
    with pytest.raises(BookingNotFound):
        find_booking(wrong)
    with pytest.raises(BookingNotFound):
        locate(wrong)


def test_booking_that_is_promoted_while_it_is_looked_up_is_shown_as_confirmed(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event(capacity=1)
    waiting = fill(event_id, 1, 1)[1]

    def late(event_id: int, position: int) -> int | None:
        cancel_booking(event_id, position=1)
        return ranks.rank_of(event_id, position)

    monkeypatch.setattr(queries, "rank_of", late)
    found = find_booking(waiting.reference)
    assert (found.booking.status, found.rank) == ("confirmed", None)


def test_position_names_a_booking_within_its_event_only(make_event: MakeEvent) -> None:
    event_id, other_id = make_event(), make_event()
    fill(event_id, 1)
    assert booking_at(event_id, 1).attendee_id == "guest1"
    for place in ((event_id, 2), (other_id, 1)):
        with pytest.raises(BookingNotFound):
            booking_at(*place)


def test_pages_of_bookings_are_in_order_and_complete(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, *[1] * 9)
    cancel_booking(event_id, position=2)
    seen: list[int] = []
    while page := event_bookings(event_id, after=seen[-1] if seen else 0, limit=4):
        seen += [row.position for row in page]
    assert seen == list(range(1, 10))
    waiting = event_bookings(event_id, status="waiting", after=6, limit=2)
    assert [row.position for row in waiting] == [7, 8]
    assert [row.position for row in event_bookings(event_id, status="cancelled")] == [2]


def test_search_finds_part_of_a_name_or_address_and_the_beginning_of_a_reference(
    make_event: MakeEvent,
) -> None:
    event_id, other_id = make_event(capacity=9), make_event()
    ada = book_tickets(
        event_id, attendee_id="ada@example.org", name="Ada L", email="ada@example.org"
    )
    book_tickets(event_id, attendee_id="4711", name="100% Bob")
    book_tickets(other_id, attendee_id="ada@example.org", name="Ada L")

    def found(search: str) -> list[int]:
        return [row.position for row in event_bookings(event_id, search=search)]

    assert found("ada") == found("ADA@EX") == found(ada.reference) == [1]
    assert found("0%") == found("471") == [2]
    assert found(ada.reference[:-1]) == [1]
    assert found(ada.reference[:-1] + "~") == found("nobody") == []


# (the name of who booked, what finds it, what does not)
NAMES = [
    ("Özil Ümit", ["özil", "OZIL", "ümit özil", "umit OZ", "O\u0308zil"], ["özil ada"]),
    (
        "Zoë Müller-Straße",
        ["zoe", "ZOË", "müller", "strasse", "STRASSE", "straße"],
        ["zoe mullner"],
    ),
    ("МАРИЯ Ёлкина", ["мария", "Мария", "елкина мария"], ["марта"]),
    ("Ελένη Παππά", ["ελενη", "ΕΛΈΝΗ", "παππα"], ["ελλη"]),
    ("Łukasz Ørsted", ["lukasz", "ŁUKASZ", "orsted lukasz"], ["lukas orstedt"]),
    ("علي می\u200cخواهم كريم", ["علی", "میخواهم", "می\u200cخواهم", "کریم"], ["علو"]),
    ("Œuvre O’Neil 🎉", ["oeuvre", "œuvre", "o'neil", "O’NEIL", "🎉"], ["🎊"]),
    ("100% A_b \\ c*[d]", ["0%", "a_b", "\\", "*[d]", "% _b"], ["0_", "1%0", "a%b", "c?", "[c]"]),
    ("山田\u3000太郎", ["太郎 山田", "山田"], ["田山"]),
]


@pytest.mark.parametrize(("name", "finding", "missing"), NAMES, ids=ascii)
def test_search_takes_words_in_any_order_without_case_and_accents(
    make_event: MakeEvent, name: str, finding: list[str], missing: list[str]
) -> None:
    event_id = make_event(name=name, capacity=9, location="Ágora")
    book_tickets(event_id, attendee_id="ada", name="Ada Lovelace")
    book_tickets(event_id, attendee_id="guest@example.org", email="guest@example.org", name=name)
    for search in finding:
        for typed in (search, f"{search} UEST@EX", f" guest  {search} "):
            found = event_bookings(event_id, search=typed)
            assert [row.position for row in found] == [2], typed
        for typed in (search, f"agora {search}"):
            assert [row.id for row in upcoming_events(search=typed)] == [event_id], typed
    for search in missing:
        assert event_bookings(event_id, search=search) == []
        assert upcoming_events(search=search) == []


def test_history_is_told_newest_first_and_page_by_page(make_event: MakeEvent) -> None:
    event_id, other_id = make_event(capacity=1), make_event()
    fill(event_id, 1, 1)
    fill(other_id, 1)
    cancel_booking(event_id, position=1)
    told: list[str] = []
    before = None
    while page := history(event_id, before=before, limit=2):
        told += [line.what for line in page]
        before = page[-1].id
    assert told == ["promoted", "cancelled", "booked", "booked", "created"]
    assert [line.what for line in history(event_id, position=2)] == ["promoted", "booked"]
