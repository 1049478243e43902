"""What a scan is answered and what it leaves behind, through the services."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Connection, delete, select
from sqlalchemy.event import listen, remove

from tests.support.door import asked, code_of, device, scan_one
from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import BASE_URL, MAIL_URL, ask, go, next_lapse_of, send_mails, term_at
from tests.support.tools import booking_at, fill, history, rows, statuses
from webapp.booking import heartbeat
from webapp.booking.commands import Actor, organizer
from webapp.booking.links import replace_link_of
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.door.decide import Verdict
from webapp.door.services import MOST_SCANS, scan
from webapp.errors import BookingClosed, EventNotFound, InvalidInput
from webapp.events.services import EventDetails, cancel_event, create_event
from webapp.storage.engines import write_engine
from webapp.storage.tables import admissions, bookings
from webapp.storage.transaction import write
from webapp.verify.services import verify


@pytest.fixture
def party(make_event: MakeEvent) -> int:
    """An event with one booking for four, for Ada."""
    event_id = make_event(capacity=10)
    book_tickets(event_id, attendee_id="ada@example.org", name="Ada", tickets=4)
    return event_id


@pytest.fixture
def north(party: int) -> Actor:
    return device(party, "North gate")


@pytest.fixture
def south(party: int) -> Actor:
    return device(party, "South gate")


def inside(event_id: int, position: int = 1) -> int:
    """How many are in by the booking's counter, which the admissions have to bear out."""
    counted = rows(
        f"SELECT count(*) FROM admission WHERE event_id = {event_id} AND position = {position}"
    )[0][0]
    assert booking_at(event_id, position).admitted == counted
    return int(counted)


def lines(event_id: int) -> list[tuple[str, str, object]]:
    """What the history says of the door, oldest first."""
    found = [line for line in history(event_id) if line.what in ("admitted", "let_out")]
    return [(line.what, line.actor, (line.details or {})["admitted"]) for line in found[::-1]]


@pytest.mark.every_database
def test_party_comes_one_by_one_and_each_ticket_admits_once(
    party: int, north: Actor, south: Actor, now: Clock
) -> None:
    code = code_of(party, 1)
    first = scan_one(party, north, code)
    assert (first.verdict, first.admitted, first.of, first.name) == ("admitted", 1, 4, "Ada")
    came = now()
    now.go(minutes=5)
    too_many = scan_one(party, south, code, count=4)
    assert (too_many.verdict, too_many.admitted, too_many.of) == ("too_many", 1, 4)
    assert inside(party) == 1
    assert scan_one(party, south, code, count=3).verdict == Verdict.ADMITTED
    again = scan_one(party, south, code)
    assert (again.verdict, again.admitted, again.of) == ("again", 4, 4)
    # The first of them tells whom to ask.
    assert (again.first_at, again.first_by) == (came, "North gate")
    assert inside(party) == 4
    assert lines(party) == [("admitted", str(north), [0, 1]), ("admitted", str(south), [1, 4])]
    assert verify().broken == []


@pytest.mark.every_database
def test_undo_lets_in_again_and_the_scans_stay(party: int, north: Actor) -> None:
    code = code_of(party, 1)
    scan_one(party, north, code, count=4)
    undone = scan_one(party, north, code, "out", count=3)
    assert (undone.verdict, undone.admitted, undone.of) == ("undone", 1, 4)
    assert scan_one(party, north, code, "out", count=2).verdict == Verdict.TOO_MANY
    assert scan_one(party, north, code, "out").verdict == Verdict.UNDONE
    assert scan_one(party, north, code, "out").verdict == Verdict.NOT_IN
    assert scan_one(party, north, code, count=4).verdict == Verdict.ADMITTED
    assert inside(party) == 4
    assert len(rows("SELECT id FROM scan")) == 6
    assert verify().broken == []


def test_code_is_read_as_people_type_it(party: int, north: Actor) -> None:
    code = code_of(party, 1)
    typed = f" {code[:4].lower()}-{code[4:]} ".replace("0", "o").replace("1", "l")
    assert scan_one(party, north, typed).verdict == Verdict.ADMITTED


def test_each_that_cannot_come_in_is_told_why(
    make_event: MakeEvent, party: int, north: Actor, organizer_id: int
) -> None:
    small, other = make_event(capacity=2), make_event("Other evening")
    fill(small, 1, 1, 1)
    fill(other, 1)
    cancel_booking(small, position=2, actor=organizer(organizer_id))
    book_tickets(small, attendee_id="late")
    at_small = device(small)
    old = code_of(small, 1)
    book_tickets(party, attendee_id="bob@example.org", email="bob@example.org")
    replaced = code_of(party, 2)
    replace_link_of(party, position=2, actor=organizer(organizer_id))
    assert scan_one(small, at_small, code_of(small, 4)).verdict == Verdict.NOT_CONFIRMED
    assert scan_one(small, at_small, code_of(small, 2)).verdict == Verdict.CANCELLED
    assert scan_one(party, north, replaced).verdict == Verdict.REPLACED
    assert scan_one(party, north, code_of(party, 2)).verdict == Verdict.ADMITTED
    told = scan_one(party, north, code_of(other, 1))
    assert (told.verdict, told.other_event, told.name) == ("other_event", "Other evening", None)
    assert scan_one(party, north, old).verdict == Verdict.OTHER_EVENT
    assert scan_one(small, at_small, replaced).verdict == Verdict.OTHER_EVENT
    cancel_event(small, actor=organizer(organizer_id))
    assert scan_one(small, at_small, old).verdict == Verdict.CANCELLED
    for code in ("0000000000000000", "", "é", "x" * 90, booking_at(party, 1).reference):
        unknown = scan_one(party, north, code)
        assert (unknown.verdict, unknown.position, unknown.name) == ("unknown", None, None)
    assert scan_one(party, north, position=99).verdict == Verdict.UNKNOWN
    assert [inside(party), inside(small), inside(other)] == [0, 0, 0]
    assert verify().broken == []


def test_of_other_organizers_tickets_nothing_is_told(
    party: int, north: Actor, organizer_id: int, stranger_id: int
) -> None:
    theirs = create_event(EventDetails("Secret", 5), actor=organizer(stranger_id), published=True)
    book_tickets(theirs, attendee_id="eve@example.org", email="eve@example.org")
    old = code_of(theirs, 1)
    assert scan_one(party, north, old).verdict == Verdict.UNKNOWN
    replace_link_of(theirs, position=1, actor=organizer(stranger_id))
    for code in (old, code_of(theirs, 1)):
        told = scan_one(party, north, code)
        assert (told.verdict, told.other_event) == (Verdict.UNKNOWN, None)
    with pytest.raises(EventNotFound):
        scan(theirs, [asked(old)], actor=organizer(organizer_id))
    with pytest.raises(EventNotFound):
        scan(party, [asked(old)], actor=Actor("attendee"))


@pytest.mark.every_database
def test_same_scan_again_is_answered_as_before_and_does_nothing(
    party: int, north: Actor, south: Actor
) -> None:
    code = code_of(party, 1)
    scans = [
        asked(code, count=3),
        asked(code, count=2),
        asked(code, "out"),
        asked("nothing"),
        asked(code, count=2),
        asked(code),
    ]
    first = scan(party, scans, actor=north)
    assert [answer.verdict.value for answer in first] == [
        *("admitted", "too_many", "undone", "unknown", "admitted", "again")
    ]
    assert scan(party, [*scans, scans[0]], actor=south) == [*first, first[0]]
    # Whatever else it says now.
    assert scan(party, [replace(scans[0], count=4)], actor=north) == first[:1]
    assert inside(party) == 4
    assert len(rows("SELECT id FROM scan")) == len(scans)
    assert verify().broken == []


def test_what_happened_offline_is_counted_and_nothing_of_it_refused(
    party: int, north: Actor, south: Actor, now: Clock
) -> None:
    code, came = code_of(party, 1), now()
    now.go(minutes=30)
    scans = [asked(code, count=3, offline=True, at=came)]
    assert scan(party, scans, actor=north)[0].verdict == Verdict.ADMITTED
    twice = scan_one(party, south, code, count=2, offline=True, at=came)
    # One place was left for the two who are inside.
    assert (twice.verdict, twice.admitted, twice.twice) == (Verdict.AGAIN, 4, 1)
    assert twice.first_at == came
    anyway = scan_one(party, south, code, anyway=True)
    assert (anyway.verdict, anyway.twice) == (Verdict.AGAIN, 1)
    unknown = scan_one(party, south, "not on the list", anyway=True, offline=True)
    assert unknown.verdict == Verdict.UNKNOWN
    assert scan_one(party, south, code, "out", count=9, offline=True).admitted == 0
    found = rows("SELECT twice, offline, anyway FROM scan WHERE twice > 0 OR anyway")
    assert sorted((row.twice, bool(row.offline), bool(row.anyway)) for row in found) == [
        *((0, True, True), (1, False, True), (1, True, False))
    ]
    assert verify().broken == []


def test_clock_of_a_device_is_only_information(party: int, north: Actor, now: Clock) -> None:
    code = code_of(party, 1)
    for at in (now.at(days=300), now.at(days=-300), None):
        scan_one(party, north, code, offline=True, at=at)
    scan_one(party, north, code, at=now.at(hours=-1))
    query = select(admissions.c.at)
    times = write(lambda connection: connection.execute(query).scalars().all())
    assert times == [now()] * 4


def test_whoever_is_in_is_not_cancelled_and_keeps_their_tickets(
    party: int, north: Actor, organizer_id: int
) -> None:
    olga = organizer(organizer_id)
    scan_one(party, north, code_of(party, 1), count=2)
    for actor in (olga, Actor("attendee")):
        with pytest.raises(BookingClosed) as refused:
            cancel_booking(party, position=1, actor=actor)
        assert refused.value.reason == "admitted"
        with pytest.raises(InvalidInput) as too_few:
            change_tickets(party, position=1, tickets=1, actor=actor)
        assert too_few.value.problems["tickets"].parameters == {"limit": 2}
    assert change_tickets(party, position=1, tickets=2, actor=olga).tickets == 2
    cancel_event(party, actor=olga)
    assert (statuses(party), inside(party)) == (["cancelled"], 2)
    # Who has to leave is let out.
    assert scan_one(party, north, position=1, what="out", count=2).verdict == Verdict.UNDONE
    assert verify().broken == []


def test_who_was_let_out_can_be_cancelled(party: int, north: Actor, organizer_id: int) -> None:
    scan_one(party, north, code_of(party, 1))
    scan_one(party, north, code_of(party, 1), "out")
    cancel_booking(party, position=1, actor=organizer(organizer_id))
    assert scan_one(party, north, code_of(party, 1)).verdict == Verdict.CANCELLED
    assert verify().broken == []


def test_most_scans_in_one_call_cost_a_handful_of_statements(
    make_event: MakeEvent,
) -> None:
    event_id = make_event(capacity=1000)
    for number in range(5):
        book_tickets(event_id, attendee_id=f"g{number}", tickets=10)
    codes = [code_of(event_id, position) for position in range(1, 6)]
    scans = [asked(codes[number % 5]) for number in range(MOST_SCANS)]
    by = device(event_id)
    said: list[str] = []
    listen(write_engine(), "before_cursor_execute", note := lambda *told: said.append(told[2]))
    try:
        answers = scan(event_id, scans, actor=by)
    finally:
        remove(write_engine(), "before_cursor_execute", note)
    assert sum(answer.verdict is Verdict.ADMITTED for answer in answers) == 50
    assert len(said) <= 16
    assert verify().broken == []


class TestTerms:
    """Who does not answer in time gives way, unless they have come."""

    @pytest.fixture
    def app(self, make_app: Callable[..., Flask]) -> Flask:
        return make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)

    @pytest.fixture
    def asking(self, make_event: MakeEvent, now: Clock) -> int:
        heartbeat.beat(now())
        event_id = make_event(capacity=1)
        ask(event_id, "ada")
        book_tickets(event_id, attendee_id="next")
        send_mails()
        return event_id

    def test_scan_lapses_first_whose_term_is_over(self, asking: int, now: Clock) -> None:
        north = device(asking)
        go(now, minutes=31)
        assert scan_one(asking, north, code_of(asking, 1)).verdict == Verdict.NOT_CONFIRMED
        # The next has it by then, and comes in.
        assert scan_one(asking, north, code_of(asking, 2)).verdict == Verdict.ADMITTED
        assert statuses(asking) == ["lapsed", "confirmed"]
        assert verify().broken == []

    def test_no_term_counts_once_somebody_is_in(self, asking: int, now: Clock) -> None:
        north = device(asking)
        scan_one(asking, north, code_of(asking, 1))
        assert not term_at(asking, 1).is_open
        go(now, minutes=31)
        scan_one(asking, north, "nobody")
        assert statuses(asking) == ["confirmed", "waiting"]
        assert next_lapse_of(asking) is None
        assert verify().broken == []


def test_key_stands_behind_once(party: int, north: Actor) -> None:
    """Whatever the counter says, nobody is admitted with the same ticket twice."""
    scan_one(party, north, code_of(party, 1))

    def forget(connection: Connection) -> None:
        connection.execute(bookings.update().values(admitted=0))

    write(forget)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        scan_one(party, north, code_of(party, 1))
    write(lambda connection: connection.execute(delete(admissions)).rowcount)
