"""`verify` is clean on whatever the services do, and finds each kind of damage done by SQL."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    Engine,
    Index,
    MetaData,
    Table,
    create_engine,
    make_url,
    select,
    text,
)

from tests.support.busy import Busy, fill, go_on
from webapp import clock, create_app
from webapp.booking.codes import code_hash
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets, cancel_booking
from webapp.config import Settings
from webapp.events.services import EventDetails, create_event
from webapp.extensions import Base, db
from webapp.verify import (
    code_rules,
    door_rules,
    history_rules,
    list_rules,
    term_rules,
    type_history,
    type_rules,
)
from webapp.verify import services as verify
from webapp.verify.checks import EXAMPLES
from webapp.verify.state_rules import state_checks

ALL_RULES = {
    *(rule.name for check in state_checks(clock.now()) for rule in check.rules),
    *history_rules.RULES,
    *term_rules.RULES,
    *list_rules.RULES,
    *code_rules.RULES,
    *door_rules.RULES,
    *type_rules.RULES,
    *type_history.RULES,
}

COPIED = (
    "event_id, position, attendee_id, status, tickets, reference, ticket_code, name, email,"
    " created_at"
)
# Sets the quota of VIP that an edit left behind.
LEFT_QUOTA = (
    """UPDATE activity SET details = '{"ticket_type": [{"number": 1, "quota": %s},"""
    """ {"number": 1, "quota": %s}]}' WHERE event_id = :typed AND revision = %s"""
)
FAR = "2031-01-01 10:00:00.000000"
LINE = "event_id, revision, batch, what, actor, at, position"

# What is done to the database behind the application's back, and the rule that has to notice.
DAMAGE = {
    "a ticket is not counted": (
        "confirmed is the sum",
        "UPDATE event SET confirmed = confirmed - 1 WHERE id = :hot",
    ),
    "a booking is larger than the room": (
        "never oversold",
        "UPDATE booking SET tickets = 9 WHERE event_id = :hot AND position = 3",
    ),
    "somebody waiting is counted twice": (
        "waiting is the count",
        "UPDATE event SET waiting = waiting + 1 WHERE id = :hot",
    ),
    "a position will be given again": (
        "next position is new",
        "UPDATE event SET next_position = next_position - 1 WHERE id = :hot",
    ),
    "a booking is lost": (
        "every position has its booking",
        "DELETE FROM booking WHERE event_id = :hot AND position = 1",
    ),
    "somebody overtook": (
        "confirmed before waiting",
        "UPDATE booking SET status = CASE position WHEN 9 THEN 'waiting' ELSE 'confirmed' END"
        " WHERE event_id = :hot AND position IN (9, 10)",
    ),
    "the head was not promoted": (
        "the head does not fit",
        "UPDATE event SET capacity = capacity + 1 WHERE id = :hot",
    ),
    "a party is too large for the event": (
        "capacity holds the largest party",
        "UPDATE booking SET tickets = 12 WHERE event_id = :hot AND position = 11",
    ),
    "a booking outlives its event": (
        "a cancelled event is empty",
        "UPDATE booking SET status = 'confirmed' WHERE event_id = :ended AND position = 1",
    ),
    "an event with bookings is hidden": (
        "attendees book while booking is open",
        "UPDATE event SET status = 'draft' WHERE id = :running",
    ),
    "an attendee came in before the opening": (
        "attendees book while booking is open",
        f"UPDATE event SET sales_open_at = '{FAR}' WHERE id = :running",
    ),
    "an attendee came in after the closing": (
        "attendees book while booking is open",
        "UPDATE event SET sales_close_at = '2020-01-01 10:00:00.000000' WHERE id = :running",
    ),
    "a revision is not in the history": (
        "every revision is told",
        "DELETE FROM activity WHERE event_id = :hot AND revision = 6",
    ),
    "a revision is still to come": (
        "every revision is told",
        "UPDATE activity SET revision = revision + 1 WHERE event_id = :hot AND position = 11",
    ),
    "an oversold moment is in the past": (
        "never oversold at any commit",
        "UPDATE activity SET tickets_before = CASE what WHEN 'booked' THEN NULL ELSE 8 END,"
        " tickets_after = 8 WHERE event_id = :hot AND position = 1",
        "UPDATE booking SET tickets = 8 WHERE event_id = :hot AND position = 1",
    ),
    "two transactions wrote one revision": (
        "one batch per revision",
        "UPDATE activity SET batch = 'another' WHERE event_id = :hot AND what = 'cancelled'"
        " AND position = 2",
    ),
    "a transaction was run twice": (
        "one batch per revision",
        "UPDATE activity SET batch = 'the same' WHERE event_id = :hot AND position IN (4, 11)",
    ),
    "a booking appears from nowhere": (
        "booked once and first",
        "DELETE FROM activity WHERE event_id = :hot AND position = 3 AND what = 'booked'",
    ),
    "a booking is made twice": (
        "booked once and first",
        f"INSERT INTO activity ({LINE}, status_after, tickets_after) SELECT {LINE}, status_after,"
        " tickets_after FROM activity"
        " WHERE event_id = :hot AND position = 4 AND what = 'booked'",
    ),
    "the history has a jump": (
        "each line follows the last",
        "UPDATE activity SET status_before = 'waiting'"
        " WHERE event_id = :hot AND position = 1 AND what = 'cancelled'",
    ),
    "tickets change between two lines": (
        "each line follows the last",
        "UPDATE activity SET tickets_after = 5"
        " WHERE event_id = :hot AND position = 3 AND what = 'booked'",
    ),
    "a line tells what cannot be": (
        "each line is a possible step",
        "UPDATE activity SET tickets_after = 7"
        " WHERE event_id = :hot AND position = 3 AND what = 'reduced'",
    ),
    "somebody who has tickets is given more before those who wait": (
        "more only while nobody waits",
        "UPDATE activity SET what = 'raised', tickets_before = 1, tickets_after = 2"
        " WHERE event_id = :hot AND position = 3 AND what = 'reduced'",
    ),
    "somebody who waits is given more to wait for": (
        "each line is a possible step",
        "UPDATE activity SET what = 'raised', status_before = 'waiting', status_after = 'waiting',"
        " tickets_after = tickets_before + 1"
        " WHERE event_id = :hot AND position = 6 AND what = 'reduced'",
    ),
    "a booking lapses that was over": (
        "each line is a possible step",
        "UPDATE activity SET what = 'lapsed', status_before = 'cancelled', status_after = 'lapsed'"
        " WHERE event_id = :hot AND position = 3 AND what = 'reduced'",
    ),
    "a booking lapses in secret": (
        "history leads to the present",
        "UPDATE booking SET status = 'lapsed' WHERE event_id = :hot AND position = 10",
    ),
    "held tickets are not counted": (
        "confirmed is the sum",
        "UPDATE booking SET status = 'held' WHERE event_id = :hot AND position = 10",
    ),
    "a booking is cancelled in secret": (
        "history leads to the present",
        "UPDATE booking SET status = 'cancelled' WHERE event_id = :hot AND position = 10",
    ),
    "a booking loses a ticket in secret": (
        "history leads to the present",
        "UPDATE booking SET tickets = tickets - 1 WHERE event_id = :hot AND position = 4",
    ),
    "promotions were out of order": (
        "nobody overtakes",
        "UPDATE activity SET revision = revision - 8"
        " WHERE event_id = :hot AND position = 9 AND what = 'promoted'",
    ),
    "a booking has no history": (
        "every booking is told",
        "DELETE FROM activity WHERE event_id = :hot AND position = 4",
    ),
    "a promotion names the wrong cause": (
        "a promotion has its cause",
        "UPDATE activity SET cause = 5"
        " WHERE event_id = :hot AND position = 6 AND what = 'promoted'",
    ),
    "a position is given twice": (
        "one booking at a position",
        f"INSERT INTO booking ({COPIED}) SELECT {COPIED} FROM booking"
        " WHERE event_id = :hot AND position = 4",
    ),
    "an attendee holds two": (
        "one active booking per attendee",
        "UPDATE booking SET attendee_id = 'a4' WHERE event_id = :hot AND position = 5",
    ),
    "two bookings share a reference": (
        "references are unique",
        "UPDATE booking SET reference = 'shared' WHERE event_id = :hot AND position IN (4, 5)",
    ),
    "two bookings share a ticket code": (
        "ticket codes are unique",
        "UPDATE booking SET ticket_code = 'shared' WHERE position = 1",
    ),
    "an answer was given for a booking that is not there": (
        "remembered answers are true",
        "DELETE FROM booking WHERE event_id = :hot AND position = 11",
    ),
    "an event is renamed in secret": (
        "edits lead to the present",
        "UPDATE event SET name = 'another name' WHERE id = :draft",
    ),
    "an event is moved in secret": (
        "edits lead to the present",
        "UPDATE event SET starts_at = '2031-01-01 10:00:00.000000' WHERE id = :draft",
    ),
    "the term of a lapse is lost": (
        "a lapse has its term",
        "DELETE FROM term WHERE event_id = :asked AND position = 1",
    ),
    "the term of a lapse is open again": (
        "a lapse has its term",
        "UPDATE term SET is_open = 1 WHERE event_id = :asked AND position = 1",
    ),
    "somebody lapsed too soon": (
        "nobody lapses before the term is over",
        f"UPDATE term SET lapses_at = '{FAR}' WHERE event_id = :asked AND position = 1",
    ),
    "somebody lapsed whose question never left": (
        "nobody lapses unasked",
        "DELETE FROM activity WHERE event_id = :asked AND position = 1 AND what = 'asked'",
    ),
    "somebody lapsed who had come": (
        "nobody lapses after the start",
        "UPDATE event SET starts_at = '2020-01-01 10:00:00.000000' WHERE id = :asked",
    ),
    "an answer is forgotten": (
        "an answer closes the term",
        f"UPDATE term SET is_open = 1, lapses_at = '{FAR}'"
        " WHERE event_id = :asked AND position = 2",
    ),
    "a term is not looked at": (
        "the next lapse is known",
        "UPDATE event SET next_lapse_at = NULL WHERE id = :asked",
    ),
    "a term is looked at too late": (
        "the next lapse is known",
        f"UPDATE event SET next_lapse_at = '{FAR}' WHERE id = :asked",
    ),
    "a term ends behind the start": (
        "no term outlives the start",
        f"UPDATE term SET lapses_at = '{FAR}' WHERE event_id = :asked AND position = 3",
    ),
    "an answer changes a booking": (
        "each line is a possible step",
        "UPDATE activity SET status_after = 'waiting'"
        " WHERE event_id = :asked AND position = 2 AND what = 'kept'",
    ),
    "a replaced link works again": (
        "replaced codes are void",
        "UPDATE old_code SET code_hash = '" + code_hash("known") + "'"
        " WHERE event_id = :ended AND kind = 'reference'",
        "UPDATE booking SET reference = 'known' WHERE event_id = :ended AND position = 2",
    ),
    "a replaced code is not kept": (
        "replaced codes are kept",
        "DELETE FROM old_code WHERE event_id = :ended AND kind = 'ticket_code'",
    ),
    "a link was replaced in secret": (
        "replaced codes are kept",
        "DELETE FROM activity WHERE event_id = :ended AND what = 'replaced'",
    ),
    "a gift is not counted": (
        "gifts are counted",
        "UPDATE booking SET times_given = NULL WHERE event_id = :ended AND position = 1",
    ),
    "a ticket was given away in secret": (
        "gifts are counted",
        "UPDATE booking SET times_given = 1 WHERE event_id = :hot AND position = 4",
    ),
    "the codes of a giver are not kept": (
        "replaced codes are kept",
        "DELETE FROM old_code WHERE event_id = :ended AND position = 1",
    ),
    "a place in line is given away": (
        "each line is a possible step",
        "UPDATE activity SET status_before = 'waiting', status_after = 'waiting'"
        " WHERE event_id = :ended AND what = 'given'",
    ),
    "a picture is lost": (
        "a named picture is kept",
        "DELETE FROM picture WHERE event_id = :draft",
    ),
    "a picture is kept that no event names": (
        "a named picture is kept",
        "UPDATE event SET picture = NULL WHERE id = :draft",
    ),
    "a mail is said to be told by one that is not there": (
        "what is summed up is told",
        "INSERT INTO delivery (receiver, what, recipient, bulk, event_id, state, attempts,"
        " summary_id, next_try_at, created_at) SELECT 'mail', 'confirmed', 'a@example.org', 0, id,"
        " 'sent', 1, 4711, '2031-01-01 10:00:00.000000', created_at FROM event WHERE id = :hot",
    ),
    "somebody joined the list of an event that had started": (
        "nobody joins the list after the start",
        "UPDATE activity SET status_after = 'waiting'"
        " WHERE event_id = :running AND position = 4 AND what = 'booked'",
    ),
    "somebody lapsed with the list for nobody's sake": (
        "only a sale ends the list",
        "UPDATE activity SET cause = 1"
        " WHERE event_id = :running AND position = 2 AND what = 'lapsed'",
    ),
    "somebody lapsed with the list before the start": (
        "only a sale ends the list",
        f"UPDATE event SET starts_at = '{FAR}' WHERE id = :running",
    ),
    "somebody is in whom nobody admitted": (
        "admissions are counted",
        "UPDATE booking SET admitted = admitted + 1 WHERE event_id = :hot AND position = 4",
    ),
    "an admission is lost": (
        "admissions are counted",
        "DELETE FROM admission WHERE event_id = :hot AND position = 4",
    ),
    "one ticket has let in another one's person": (
        "admissions are counted",
        "UPDATE admission SET number = 7 WHERE event_id = :hot AND position = 4",
    ),
    "a scan is lost": (
        "each admission has its scan",
        "DELETE FROM scan WHERE event_id = :hot AND position = 4",
    ),
    "a scan says that it was a refusal": (
        "each admission has its scan",
        "UPDATE scan SET moved = 0 WHERE event_id = :hot AND position = 4 AND what = 'in'",
    ),
    "somebody cancelled who is in": (
        "who is in is confirmed",
        "UPDATE booking SET status = 'cancelled' WHERE event_id = :hot AND position = 4",
    ),
    "a place in line is let in": (
        "each line is a possible step",
        "UPDATE activity SET status_before = 'waiting', status_after = 'waiting'"
        " WHERE event_id = :hot AND what = 'admitted'",
    ),
    "somebody is let out who takes a ticket along": (
        "each line is a possible step",
        "UPDATE activity SET tickets_after = 1 WHERE event_id = :hot AND what = 'let_out'",
    ),
    "a line of the door is lost": (
        "the history tells who is in",
        "DELETE FROM activity WHERE event_id = :hot AND what = 'let_out'",
    ),
    "a line of the door tells another number": (
        "the history tells who is in",
        """UPDATE activity SET details = '{"admitted": [0, 1]}' WHERE event_id = :hot"""
        " AND what = 'admitted'",
    ),
    "a ticket of a type is not counted": (
        "a type's confirmed is the sum",
        "UPDATE ticket_type SET confirmed = confirmed - 1 WHERE event_id = :typed AND number = 2",
    ),
    "a type has more tickets than the event": (
        "types add up",
        "UPDATE ticket_type SET confirmed = confirmed + 1 WHERE event_id = :typed AND number = 2",
    ),
    "a quota is lower than what is taken": (
        "no type is oversold",
        "UPDATE ticket_type SET quota = 3 WHERE event_id = :typed AND number = 1",
    ),
    "a booking has a ticket of another type": (
        "a type's confirmed is the sum",
        "UPDATE booking SET wants = '1:1' WHERE event_id = :typed AND position = 8",
    ),
    "a party wants more of a type than there are": (
        "quotas hold the largest party",
        "UPDATE booking SET wants = '1:5', tickets = 5 WHERE event_id = :typed AND position = 10",
    ),
    "a booking has a ticket of no type": (
        "wants sum up to tickets",
        "UPDATE booking SET wants = '2:2' WHERE event_id = :typed AND position = 9",
    ),
    "wants cannot be read": (
        "wants sum up to tickets",
        "UPDATE booking SET wants = 'vip' WHERE event_id = :typed AND position = 9",
    ),
    "a type is lost": (
        "wants are of types that exist",
        "DELETE FROM ticket_type WHERE event_id = :typed AND number = 3",
    ),
    "a booking has forgotten what it wants": (
        "wants only where there are types",
        "UPDATE booking SET wants = '' WHERE event_id = :typed AND position = 8",
    ),
    "a booking wants types of an event that has none": (
        "wants only where there are types",
        "UPDATE booking SET wants = '1:2' WHERE event_id = :hot AND position = 4",
    ),
    "an event has forgotten that it has types": (
        "types are numbered",
        "UPDATE event SET types = 0 WHERE id = :typed",
    ),
    "the number of a type will be given again": (
        "types are numbered",
        "UPDATE event SET types = 2 WHERE id = :typed",
    ),
    "an event has types that are lost": (
        "types are numbered",
        "UPDATE event SET types = 1 WHERE id = :hot",
    ),
    "somebody in a queue is not counted": (
        "queues count who waits",
        "UPDATE queue SET waiting = waiting - 1 WHERE event_id = :typed AND wants = '2:3'",
    ),
    "a queue is lost": (
        "queues count who waits",
        "DELETE FROM queue WHERE event_id = :typed AND wants = '1:2'",
    ),
    "a queue counts who has left": (
        "queues add up",
        "UPDATE queue SET waiting = 1 WHERE event_id = :typed AND wants = '1:1'",
    ),
    "an event without types has a queue": (
        "queues add up",
        "UPDATE queue SET event_id = :hot WHERE event_id = :typed AND wants = '1:2'",
    ),
    "who waits for room is left waiting": (
        "nobody is next",
        "UPDATE event SET capacity = capacity + 2 WHERE id = :typed",
    ),
    "who waits for a type is left waiting": (
        "nobody is next",
        "UPDATE booking SET position = 20 WHERE event_id = :typed AND position = 9",
        "UPDATE booking SET position = 21 WHERE event_id = :typed AND position = 12",
        "UPDATE event SET capacity = capacity + 1 WHERE id = :typed",
        "UPDATE ticket_type SET quota = 6 WHERE event_id = :typed AND number = 1",
    ),
    "a ticket with a code is not counted": (
        "codes count their tickets",
        "UPDATE code SET used = used - 1 WHERE event_id = :typed",
    ),
    "more is had with a code than it is for": (
        "no code is overdrawn",
        "UPDATE code SET ticket_limit = 2 WHERE event_id = :typed",
    ),
    "a code is lost": ("a booking's code exists", "DELETE FROM code WHERE event_id = :typed"),
    "a quota was lowered in secret": (
        "quotas lead to the present",
        "UPDATE ticket_type SET quota = 5 WHERE event_id = :typed AND number = 1",
    ),
    "a quota was once lower than what was taken": (
        "no type is oversold at any commit",
        LEFT_QUOTA % (12, 4, 10),
    ),
    "a newcomer got what somebody ahead waited for": (
        "nobody gets what others lack",
        "UPDATE activity SET wants_after = '1:1' WHERE event_id = :typed AND position = 7",
    ),
    "somebody moved up who was not next": (
        "nobody gets what others lack",
        "UPDATE activity SET revision = 14, wants_after = wants_before"
        " WHERE event_id = :typed AND position = 6 AND what = 'promoted'",
    ),
    "somebody got more before those who waited for it": (
        "nobody gets what others lack",
        "UPDATE activity SET revision = 20 WHERE event_id = :typed AND what = 'raised'",
    ),
    "somebody was next and had to wait": (
        "nobody was left next",
        "UPDATE activity SET revision = 17"
        " WHERE event_id = :typed AND position = 6 AND what = 'promoted'",
    ),
    "a larger quota reached nobody": (
        "nobody was left next",
        LEFT_QUOTA % (5, 6, 17),
        "UPDATE activity SET revision = 15 WHERE event_id = :typed AND revision = 17",
    ),
    "the types of tickets change between two lines": (
        "each line follows the last",
        "UPDATE activity SET wants_before = '2:3'"
        " WHERE event_id = :typed AND position = 5 AND what = 'reduced'",
    ),
    "tickets are of another type after the first was made": (
        "each line follows the last",
        "UPDATE activity SET wants_before = '2:6', wants_after = '2:6'"
        " WHERE event_id = :typed AND position = 2 AND what = 'cancelled'",
    ),
    "a ticket changes its type when its booking moves up": (
        "each line is a possible step",
        "UPDATE activity SET wants_after = '2:2'"
        " WHERE event_id = :typed AND position = 6 AND what = 'promoted'",
    ),
    "tickets of a line are of no type": (
        "each line is a possible step",
        "UPDATE activity SET wants_after = NULL, wants_before = NULL"
        " WHERE event_id = :typed AND position = 6 AND what = 'promoted'",
    ),
    "a line tells of more types than tickets": (
        "each line is a possible step",
        "UPDATE activity SET wants_after = '2:1,3:1'"
        " WHERE event_id = :typed AND position = 8 AND what = 'booked'",
    ),
    "a booking gets another type in secret": (
        "history leads to the present",
        "UPDATE booking SET wants = '3:1' WHERE event_id = :typed AND position = 8",
    ),
    "an edit is taken back in secret": (
        "edits lead to the present",
        """UPDATE activity SET details = '{"capacity": [10, 12]}' WHERE event_id = :hot"""
        " AND what = 'edited'",
    ),
}


def test_every_rule_has_a_damage() -> None:
    assert {rule for rule, *_ in DAMAGE.values()} == ALL_RULES


def test_quick_look_leaves_out_rules_that_there_are() -> None:
    names = {rule.name for check in state_checks(clock.now()) for rule in check.rules}
    assert names > verify.SLOWER
    assert "never oversold" in names - verify.SLOWER


def test_whatever_happens_through_the_services_is_clean(app: Flask) -> None:
    with app.app_context():
        made = fill()
        report = verify.verify()
        assert report.broken == []
        assert (report.events, report.bookings) == (7, 38)
        assert report.rules == len(ALL_RULES)
        go_on(made)
        assert verify.verify().broken == []


def test_it_sees_one_moment_while_the_site_runs(app: Flask) -> None:
    """Without one snapshot for all its queries it would see sums and bookings of two moments."""
    with app.app_context():
        made = fill()
        event = create_event(
            EventDetails("rush", 30), actor=organizer(made.organizer), published=True
        )
    done = threading.Event()

    def rush(name: str) -> None:
        with app.app_context():
            for number in range(10_000):
                if done.is_set():
                    return
                attendee = f"{name}{number}"
                receipt = book_tickets(event, attendee_id=attendee, tickets=1 + number % 3)
                if number % 3:
                    cancel_booking(event, position=receipt.position)

    threads = [threading.Thread(target=rush, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    try:
        with app.app_context():
            reports = [verify.verify() for _ in range(8)]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert [report.broken for report in reports] == [[]] * 8
    assert reports[0].bookings < reports[-1].bookings


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found(bare: "Bare", what: str) -> None:
    rule, *statements = DAMAGE[what]
    bare.damage(*statements)
    broken = {found.rule: found for found in bare.verify().broken}
    assert rule in broken
    found = broken[rule]
    assert found.count == len(found.rows) > 0
    assert found.says in str(found)
    assert {row.get("event") for row in found.rows} <= {
        bare.made.hot,
        bare.made.ended,
        bare.made.draft,
        bare.made.asked,
        bare.made.running,
        bare.made.typed,
        1,
    }


def test_a_damage_that_is_everywhere_is_counted_but_not_listed(bare: "Bare") -> None:
    bare.damage("UPDATE booking SET status = 'cancelled'", "UPDATE event SET confirmed = 3")
    for found in bare.verify().broken:
        assert len(found.rows) == min(found.count, EXAMPLES)
        assert ("; and " in str(found)) == (found.count > EXAMPLES)


def test_command_says_that_all_is_well(app: Flask) -> None:
    with app.app_context():
        fill()
    result = app.test_cli_runner().invoke(args=["verify"])
    assert result.exit_code == 0
    assert "7 events, 38 bookings" in result.output


def test_command_names_what_is_broken_and_fails(bare: "Bare") -> None:
    bare.damage("UPDATE event SET confirmed = confirmed - 1 WHERE id = :hot")
    runner = bare.app.test_cli_runner()
    result = runner.invoke(args=["verify"])
    assert result.exit_code == 1
    [line] = [line for line in result.output.splitlines() if line.startswith("confirmed is")]
    assert f"event {bare.made.hot}, confirmed 10, confirmed_tickets 11" in line
    result = runner.invoke(args=["verify", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert told["ok"] is False
    row = {"event": bare.made.hot, "confirmed": 10, "confirmed_tickets": 11}
    assert {"rule": "confirmed is the sum", "count": 1, "rows": [row]}.items() <= {
        **told["broken"][0]
    }.items()


def test_command_says_when_it_could_not_look(tmp_path: Path) -> None:
    app = create_app(_settings("mysql://app:app@127.0.0.1:1/none", tmp_path))
    result = app.test_cli_runner().invoke(args=["verify"])
    assert result.exit_code == 2
    assert "database" in result.output


class Bare:
    """A filled database that has lost its constraints, so that any damage can be done to it."""

    def __init__(self, app: Flask, engine: Engine) -> None:
        self.app = app
        self.engine = engine
        with app.app_context():
            self.made: Busy = fill()
        with engine.connect() as connection:
            self.rows = {
                table: [
                    dict(row)
                    for row in connection.execute(
                        select(*(column.label(column.key) for column in table.c))
                    ).mappings()
                ]
                for table in Base.metadata.sorted_tables
            }
        self.damaged: set[str] = set()

    def restore(self) -> None:
        with self.engine.begin() as connection:
            for table, rows in self.rows.items():
                if table.name in self.damaged:
                    connection.execute(table.delete())
                    _insert(connection, table, rows)
        self.damaged.clear()

    def damage(self, *statements: str) -> None:
        made = asdict(self.made)
        for statement in statements:
            self.damaged.update(re.findall(r"(?:^UPDATE|DELETE FROM|INSERT INTO) (\w+)", statement))
        with self.engine.begin() as connection:
            for statement in statements:
                wanted = {name: event for name, event in made.items() if f":{name}" in statement}
                assert connection.execute(text(statement), wanted).rowcount > 0

    def verify(self) -> verify.Report:
        with self.app.app_context():
            return verify.verify()


def _insert(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    given = [column for column in table.columns if column.computed is None]
    if rows:
        named = [{column.key: row[column.key] for column in given} for row in rows]
        connection.execute(table.insert(), named)


@pytest.fixture(scope="module")
def filled(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    folder = tmp_path_factory.mktemp("bare")
    url = make_url(database_url)
    sqlite = url.get_backend_name() == "sqlite"
    name = str(folder / "bare.db") if sqlite else f"{url.database}_bare"
    outside = create_engine(url)
    if not sqlite:
        with outside.begin() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    bare_url = url.set(database=name)
    engine = create_engine(bare_url)
    _tables_without_constraints().create_all(engine)
    app = create_app(_settings(bare_url.render_as_string(False), folder))
    yield Bare(app, engine)
    with app.app_context():
        for used in db.engines.values():
            used.dispose()
    engine.dispose()
    if not sqlite:
        with outside.begin() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
    outside.dispose()


@pytest.fixture
def bare(filled: Bare) -> Bare:
    filled.restore()
    return filled


def _tables_without_constraints() -> MetaData:
    """The tables with columns, indexes and the keys that are written by; no promise besides."""
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        # A queue is counted by an insert that finds its row by the key.
        keyed = "id" in table.columns or table.name == "queue"
        columns = [
            Column(
                column.name,
                column.type,
                *([Computed(column.computed.sqltext)] if column.computed else []),
                primary_key=keyed and column.primary_key,
                nullable=column.nullable,
                server_default=column.server_default,
            )
            for column in table.columns
        ]
        Table(
            table.name,
            metadata,
            *columns,
            # Queries may ask for one by its name.
            *(
                Index(each.name, *(column.name for column in each.columns))
                for each in table.indexes
            ),
            **table.dialect_kwargs,
        )
    return metadata


def _settings(url: str, folder: Path) -> Settings:
    environ = {
        "DATABASE_URL": url,
        "SECRET_KEY": "a key that only tests use",
        "LOG_FILE": str(folder / "log"),
    }
    return Settings.from_environ(environ, instance_path=folder)
