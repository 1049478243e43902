"""The tables: up and down, the same as the models, and every constraint there for real."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.conftest import (
    DATABASE_NAME,
    DATABASES,
    create_extra_database,
    dispose,
    drop_extra_database,
    make_settings,
)
from tests.support.servers import ROOT, MariaDB
from tests.support.tables import tables_of
from webapp import create_app
from webapp.extensions import Base
from webapp.storage.engines import write_engine

MIGRATIONS = str(ROOT / "migrations")


@pytest.fixture(params=DATABASES)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The application on a database of its own in which there is nothing yet."""
    name = f"{DATABASE_NAME}_migrations"
    match request.param:
        case "sqlite":
            url = f"sqlite:///{tmp_path / 'empty.db'}"
        case "mariadb":
            server: MariaDB = request.getfixturevalue("mariadb_server")
            url = server.create_database(name)
        case _:
            url = create_extra_database(name)
    app = create_app(make_settings(url, tmp_path))
    with app.app_context():
        yield app
    dispose(app)
    if request.param == "extra":
        drop_extra_database(name)


def table_names(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def described(engine: Engine) -> dict[str, Any]:
    """Tables, columns, keys and indexes as the database tells them."""
    there = inspect(engine)
    return {
        name: {
            "columns": {
                c["name"]: (str(c["type"]), c["nullable"]) for c in there.get_columns(name)
            },
            "checks": sorted(c["name"] or "" for c in there.get_check_constraints(name)),
            "unique": sorted(c["name"] or "" for c in there.get_unique_constraints(name)),
            "foreign": sorted(c["name"] or "" for c in there.get_foreign_keys(name)),
            "indexes": sorted(c["name"] or "" for c in there.get_indexes(name)),
        }
        for name in sorted(table_names(engine) - {"alembic_version"})
    }


def test_migrations_go_up_and_down_and_up_again(empty_database: Flask) -> None:
    upgrade(MIGRATIONS)
    first = described(write_engine())
    assert set(first) == set(Base.metadata.tables)
    downgrade(MIGRATIONS, revision="base")
    assert table_names(write_engine()) == {"alembic_version"}
    upgrade(MIGRATIONS)
    assert described(write_engine()) == first


@pytest.mark.long
def test_each_migration_can_be_taken_back_by_itself(empty_database: Flask) -> None:
    upgrade(MIGRATIONS)
    states = []
    while True:
        states.append(described(write_engine()))
        if not states[-1]:
            break
        downgrade(MIGRATIONS)
    for state in reversed(states[:-1]):
        upgrade(MIGRATIONS, revision="+1")
        assert described(write_engine()) == state


def test_models_and_migrations_agree(empty_database: Flask) -> None:
    upgrade(MIGRATIONS)
    with write_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_make_what_the_models_would_make(empty_database: Flask) -> None:
    """Also what Alembic's compare does not look at: checks and generated columns."""
    upgrade(MIGRATIONS)
    with write_engine().connect() as connection:
        migrated = tables_of(connection)
    downgrade(MIGRATIONS, revision="base")
    Base.metadata.create_all(write_engine())
    with write_engine().connect() as connection:
        assert migrated == tables_of(connection)
    Base.metadata.drop_all(write_engine())


MOMENT = "2027-05-03 12:00:00.000000"
ROWS: dict[str, dict[str, object]] = {
    "organizer": {
        "id": 1, "username": "olga", "password_hash": "x", "credential_version": 1,
        "created_at": MOMENT,
    },
    "api_token": {
        "id": 1, "organizer_id": 1, "name": "t", "token_hash": "h1", "created_at": MOMENT,
    },
    "login": {
        "id": 1, "organizer_id": 1, "code_hash": "h1", "device": "", "first_seen_at": MOMENT,
        "last_seen_at": MOMENT,
    },
    "dismissal": {"organizer_id": 1, "kind": "WAITING", "event_id": 1, "level": 1},
    "event": {
        "id": 1, "organizer_id": 1, "name": "E", "description": "", "location": "",
        "time_zone": "UTC", "status": "published", "max_tickets_per_booking": 10,
        "waiting_list_limit": 5, "capacity": 3, "confirmed": 2, "waiting": 0, "next_position": 3,
        "revision": 3, "is_sample": False, "created_at": MOMENT,
    },
    "booking": {
        "event_id": 1, "position": 1, "attendee_id": "ada", "status": "confirmed", "tickets": 1,
        "reference": "r1", "ticket_code": "c1", "name": "", "created_at": MOMENT,
    },
    "term": {"event_id": 1, "position": 1, "kind": "address"},
    "old_code": {
        "event_id": 1, "position": 1, "code_hash": "h1", "kind": "reference",
        "replaced_at": MOMENT,
    },
    "door_pass": {
        "id": 1, "event_id": 1, "name": "n", "token_hash": "h1", "created_at": MOMENT,
    },
    "scan": {
        "event_id": 1, "id": "s1", "position": 1, "what": "in", "verdict": "admitted", "people": 2,
        "moved": 1, "twice": 1, "actor": "door:1", "received_at": MOMENT, "offline": False,
        "anyway": False, "answer": "{}",
    },
    "admission": {"event_id": 1, "position": 1, "number": 1, "scan_id": "s1", "at": MOMENT},
    "activity": {
        "id": 1, "event_id": 1, "revision": 1, "batch": "b", "what": "booked", "actor": "attendee",
        "at": MOMENT, "position": 1,
    },
    "idempotency_key": {
        "event_id": 1, "operation": "book", "caller": "page", "key": "k", "content_hash": "h",
        "answer": "{}", "created_at": MOMENT,
    },
    "delivery": {
        "id": 1, "receiver": "mail", "what": "confirmed", "recipient": "a@example.org",
        "event_id": 1, "state": "pending", "attempts": 0, "next_try_at": MOMENT,
        "created_at": MOMENT, "once": "o1",
    },
    "message": {
        "id": 1, "event_id": 1, "audience": "all", "subject": "s", "text": "t",
        "created_at": MOMENT,
    },
    "opt_out": {"organizer_id": 1, "recipient": "a@example.org", "created_at": MOMENT},
    "picture": {"event_id": 1, "large": b"l", "small": b"s"},
    "mail_slot": {"recipient": "a@example.org", "number": 1, "delivery_id": 1},
    "pace": {"receiver": "mail", "free_at": MOMENT},
    "heartbeat": {"id": 1, "beat_at": MOMENT},
    "ticket_type": {
        "event_id": 1, "number": 1, "name": "VIP", "description": "", "place": 1, "quota": 3,
        "confirmed": 2, "min_tickets": 1, "max_tickets": 2,
    },
    "queue": {"event_id": 1, "wants": "1:2", "waiting": 1},
    "code": {
        "event_id": 1, "number": 1, "text": "FRIENDS", "ticket_limit": 4, "used": 3,
        "max_per_booking": 2,
    },
    "code_type": {"event_id": 1, "code": 1, "type": 1},
}  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """A row that differs from the good one only in what the constraint forbids."""

    constraint: str
    table: str
    values: dict[str, object]

    def __str__(self) -> str:
        changed = ",".join(f"{key}={value}" for key, value in self.values.items())
        return f"{self.constraint}-{changed}"


def booking(**values: object) -> dict[str, object]:
    """Another booking that collides with the first in nothing but `values`."""
    return {"position": 2, "attendee_id": "bob", "reference": "r2", "ticket_code": "c2", **values}


def another_type(**values: object) -> dict[str, object]:
    return {"number": 2, "name": "V", **values}


def another_code(**values: object) -> dict[str, object]:
    return {"number": 2, "text": "OTHERS", **values}


def event(**values: object) -> dict[str, object]:
    return {"id": 2, **values}


VIOLATIONS = [
    Violation("ck_event_capacity", "event", event(capacity=0, confirmed=0)),
    Violation("ck_event_capacity", "event", event(capacity=-1, confirmed=-1)),
    Violation("ck_event_capacity", "event", event(capacity=10_000_001)),
    Violation("ck_event_confirmed", "event", event(confirmed=4)),
    Violation("ck_event_confirmed", "event", event(confirmed=-1)),
    Violation("ck_event_waiting", "event", event(waiting=-1)),
    Violation("ck_event_next_position", "event", event(next_position=0)),
    Violation("ck_event_max_tickets_per_booking", "event", event(max_tickets_per_booking=0)),
    Violation("ck_event_waiting_list", "event", event(waiting_list_limit=-1)),
    Violation("ck_event_status", "event", event(status="open")),
    Violation("ck_event_status", "event", event(status="Draft")),
    Violation("fk_event_organizer_id", "event", event(organizer_id=9)),
    Violation("pk_event", "event", {}),
    Violation("ck_booking_tickets", "booking", booking(tickets=0)),
    Violation("ck_booking_position", "booking", booking(position=0)),
    Violation("ck_booking_status", "booking", booking(status="lost")),
    Violation("pk_booking", "booking", booking(position=1)),
    Violation("uq_booking_reference", "booking", booking(reference="r1")),
    Violation("uq_booking_ticket_code", "booking", booking(ticket_code="c1")),
    Violation("uq_booking_event_id_attendee_id_active", "booking", booking(attendee_id="ada")),
    Violation(
        "uq_booking_event_id_attendee_id_active",
        "booking",
        booking(attendee_id="ada", status="waiting"),
    ),
    Violation(
        "uq_booking_event_id_attendee_id_active",
        "booking",
        booking(attendee_id="ada", status="held"),
    ),
    Violation("fk_booking_event_id", "booking", booking(event_id=9)),
    Violation("ck_booking_admitted", "booking", booking(admitted=2)),
    Violation("ck_booking_admitted", "booking", booking(admitted=-1)),
    Violation("pk_admission", "admission", {}),
    Violation("ck_admission_number", "admission", {"number": 0}),
    Violation("fk_admission_event_id_position", "admission", {"position": 9}),
    Violation("fk_admission_event_id_scan_id", "admission", {"number": 2, "scan_id": "s2"}),
    Violation("pk_scan", "scan", {}),
    Violation("ck_scan_what", "scan", {"id": "s2", "what": "by"}),
    Violation("ck_scan_people", "scan", {"id": "s2", "people": 0, "moved": 0, "twice": 0}),
    Violation("ck_scan_moved", "scan", {"id": "s2", "moved": 2}),
    Violation("ck_scan_moved", "scan", {"id": "s2", "moved": -1}),
    Violation("fk_scan_event_id", "scan", {"id": "s2", "event_id": 9, "position": None}),
    Violation("fk_scan_event_id_position", "scan", {"id": "s2", "position": 9}),
    Violation("pk_door_pass", "door_pass", {"token_hash": "h2"}),
    Violation("uq_door_pass_token_hash", "door_pass", {"id": 2}),
    Violation("fk_door_pass_event_id", "door_pass", {"id": 2, "token_hash": "h2", "event_id": 9}),
    Violation("pk_term", "term", {}),
    Violation("ck_term_kind", "term", {"position": 2, "kind": "lost"}),
    Violation("fk_term_event_id_position", "term", {"position": 9}),
    Violation("pk_old_code", "old_code", {}),
    Violation("ck_old_code_kind", "old_code", {"code_hash": "h2", "kind": "lost"}),
    Violation("fk_old_code_event_id_position", "old_code", {"code_hash": "h2", "position": 9}),
    Violation("fk_activity_event_id", "activity", {"id": 2, "event_id": 9, "position": None}),
    Violation("fk_activity_event_id_position", "activity", {"id": 2, "position": 9}),
    Violation("pk_activity", "activity", {}),
    Violation("uq_organizer_username", "organizer", {"id": 2}),
    Violation("pk_organizer", "organizer", {"username": "sam"}),
    Violation("uq_api_token_token_hash", "api_token", {"id": 2}),
    Violation(
        "fk_api_token_organizer_id", "api_token", {"id": 2, "token_hash": "h2", "organizer_id": 9}
    ),
    Violation("pk_api_token", "api_token", {"token_hash": "h2"}),
    Violation("uq_login_code_hash", "login", {"id": 2}),
    Violation("fk_login_organizer_id", "login", {"id": 2, "code_hash": "h2", "organizer_id": 9}),
    Violation("pk_login", "login", {"code_hash": "h2"}),
    Violation("fk_dismissal_organizer_id", "dismissal", {"organizer_id": 9}),
    Violation("pk_dismissal", "dismissal", {"level": 2}),
    Violation("pk_idempotency_key", "idempotency_key", {}),
    Violation("ck_delivery_state", "delivery", {"id": 2, "once": "o2", "state": "lost"}),
    Violation("ck_delivery_attempts", "delivery", {"id": 2, "once": "o2", "attempts": -1}),
    Violation("fk_delivery_event_id", "delivery", {"id": 2, "once": "o2", "event_id": 9}),
    Violation("ix_delivery_once", "delivery", {"id": 2}),
    Violation("pk_delivery", "delivery", {"once": "o2"}),
    Violation("ck_message_audience", "message", {"id": 2, "audience": "some"}),
    Violation("fk_message_event_id", "message", {"id": 2, "event_id": 9}),
    Violation("pk_message", "message", {}),
    Violation("fk_opt_out_organizer_id", "opt_out", {"organizer_id": 9}),
    Violation("pk_opt_out", "opt_out", {}),
    Violation("fk_picture_event_id", "picture", {"event_id": 9}),
    Violation("pk_picture", "picture", {}),
    Violation("pk_mail_slot", "mail_slot", {}),
    Violation("ck_mail_slot_number", "mail_slot", {"number": -1}),
    Violation("ck_mail_slot_number", "mail_slot", {"number": 10}),
    Violation("pk_pace", "pace", {}),
    Violation("pk_heartbeat", "heartbeat", {}),
    Violation("ck_heartbeat_id", "heartbeat", {"id": 2}),
    Violation("pk_ticket_type", "ticket_type", {"name": "V"}),
    Violation("fk_ticket_type_event_id", "ticket_type", {"event_id": 9}),
    Violation("uq_ticket_type_event_id_name", "ticket_type", {"number": 2}),
    Violation("ck_ticket_type_number", "ticket_type", {"name": "V", "number": 0}),
    Violation("ck_ticket_type_quota", "ticket_type", another_type(quota=0, confirmed=0)),
    Violation("ck_ticket_type_confirmed", "ticket_type", another_type(confirmed=4)),
    Violation("ck_ticket_type_confirmed", "ticket_type", another_type(confirmed=-1)),
    Violation("ck_ticket_type_confirmed", "ticket_type", another_type(confirmed=-1, quota=None)),
    Violation("ck_ticket_type_min_tickets", "ticket_type", another_type(min_tickets=0)),
    Violation("ck_ticket_type_min_tickets", "ticket_type", another_type(min_tickets=3)),
    Violation("pk_queue", "queue", {"waiting": 2}),
    Violation("fk_queue_event_id", "queue", {"event_id": 9}),
    Violation("ck_queue_waiting", "queue", {"wants": "1:1", "waiting": -1}),
    Violation("pk_code", "code", {"text": "OTHERS"}),
    Violation("fk_code_event_id", "code", {"event_id": 9}),
    Violation("uq_code_event_id_text", "code", {"number": 2}),
    Violation("ck_code_used", "code", another_code(used=5)),
    Violation("ck_code_used", "code", another_code(used=-1)),
    Violation("ck_code_used", "code", another_code(used=-1, ticket_limit=None)),
    Violation("ck_code_ticket_limit", "code", another_code(ticket_limit=0, used=0)),
    Violation("ck_code_max_per_booking", "code", another_code(max_per_booking=0)),
    Violation("pk_code_type", "code_type", {}),
    Violation("fk_code_type_event_id_code", "code_type", {"code": 2}),
    Violation("fk_code_type_event_id_type", "code_type", {"type": 2}),
]  # fmt: skip

ALLOWED = [
    ("booking", booking()),
    ("booking", booking(attendee_id="ada", status="cancelled")),
    ("booking", booking(attendee_id="ada", status="lapsed")),
    ("booking", booking(status="held")),
    ("booking", booking(status="cancelled", admitted=1)),
    ("scan", {"id": "s2", "position": None}),
    ("admission", {"number": 2}),
    ("term", {"position": 2, "kind": "coming", "lapses_at": MOMENT}),
    ("booking", booking(attendee_id="Ada")),
    ("booking", booking(attendee_id="ädä", reference="R1", ticket_code="C1")),
    ("event", event(confirmed=3)),
    ("event", event(confirmed=0, waiting_list_limit=None)),
    ("event", event(capacity=10_000_000)),
    ("activity", {"id": 2, "position": None}),
    ("delivery", {"id": 2, "once": None, "event_id": None}),
    ("mail_slot", {"number": 0}),
    ("mail_slot", {"recipient": "A@example.org"}),
    ("organizer", {"id": 2, "username": "Olga"}),
    ("ticket_type", another_type(quota=None, confirmed=9, max_tickets=None)),
    ("ticket_type", another_type(name="vip")),
    ("ticket_type", another_type(quota=2)),
    ("queue", {"wants": "1:1", "waiting": 0}),
    ("code", another_code(ticket_limit=None, used=9, max_per_booking=None)),
    ("code", another_code(used=4)),
]


@pytest.fixture
def good_rows(app: Flask) -> Iterator[Connection]:
    """A connection on which one good row is in each table, in a transaction that ends with it."""
    with app.app_context(), write_engine().connect() as connection:
        # A new database has one.
        connection.execute(text("DELETE FROM heartbeat"))
        for table, row in ROWS.items():
            put(connection, table, row)
        yield connection
        connection.rollback()


def put(connection: Connection, table: str, row: dict[str, object]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns, names = ", ".join(map(quote, row)), ", ".join(f":{key}" for key in row)
    connection.execute(text(f"INSERT INTO {quote(table)} ({columns}) VALUES ({names})"), row)


@pytest.mark.parametrize("violation", VIOLATIONS, ids=str)
def test_row_that_breaks_a_rule_is_refused(good_rows: Connection, violation: Violation) -> None:
    # A CHECK is an OperationalError on MySQL and MariaDB.
    with pytest.raises((IntegrityError, OperationalError)) as refused:
        put(good_rows, violation.table, {**ROWS[violation.table], **violation.values})
    message = str(refused.value.orig)
    assert refused.value.orig is not None
    if good_rows.dialect.name == "sqlite":
        kind = violation.constraint.split("_")[0]
        words = {"ck": f"CHECK constraint failed: {violation.constraint}", "fk": "FOREIGN KEY"}
        assert words.get(kind, "UNIQUE constraint failed") in message
    elif violation.constraint.startswith("ck_"):
        # Quoted in one way or another on each server.
        assert re.search(rf"\b{violation.constraint}\b", message)
    elif violation.constraint.startswith("pk_"):
        assert "PRIMARY" in message
    else:
        assert violation.constraint in message


@pytest.mark.parametrize(("table", "values"), ALLOWED, ids=str)
def test_row_that_breaks_no_rule_is_taken(
    good_rows: Connection, table: str, values: dict[str, object]
) -> None:
    if table == "term":
        put(good_rows, "booking", {**ROWS["booking"], **booking()})
    put(good_rows, table, {**ROWS[table], **values})


def test_every_constraint_of_the_models_has_a_row_that_breaks_it() -> None:
    named = {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
    }
    named |= {
        str(index.name)
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if index.unique
    }
    assert named == {violation.constraint for violation in VIOLATIONS}
    assert any(name.startswith("ck_") for name in named)


def test_checks_cannot_be_broken_by_an_update_either(good_rows: Connection) -> None:
    for change in (
        "UPDATE event SET confirmed = capacity + 1",
        "UPDATE event SET capacity = confirmed - 1",
        "UPDATE event SET waiting = -1",
        "UPDATE booking SET tickets = 0",
    ):
        with pytest.raises((IntegrityError, OperationalError)):
            good_rows.execute(text(change))


def test_active_is_generated_and_cannot_be_written(good_rows: Connection) -> None:
    active = text("SELECT active FROM booking")
    assert good_rows.execute(active).scalar() == 1
    good_rows.execute(text("UPDATE booking SET status = 'waiting'"))
    assert good_rows.execute(active).scalar() == 1
    good_rows.execute(text("UPDATE booking SET status = 'held'"))
    assert good_rows.execute(active).scalar() == 1
    for over in ("cancelled", "lapsed"):
        good_rows.execute(text(f"UPDATE booking SET status = '{over}'"))
        assert good_rows.execute(active).scalar() is None
    with pytest.raises(OperationalError):
        good_rows.execute(text("UPDATE booking SET active = 1"))


def test_rows_that_others_stand_on_cannot_be_deleted(good_rows: Connection) -> None:
    for table in ("organizer", "event", "booking"):
        with pytest.raises(IntegrityError):
            good_rows.execute(text(f"DELETE FROM {table}"))
