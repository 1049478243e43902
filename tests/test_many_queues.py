"""The heads of a waiting list of 100,000: one look for each queue, and nobody behind is read."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.conftest import dispose, make_settings
from tests.support.migrated import empty_tables
from tests.support.queues import WANTED, make_typed_event
from tests.test_counts import captured
from tests.test_large_event import rows_read
from webapp import create_app
from webapp.accounts import services as accounts
from webapp.booking import load_types
from webapp.booking.commands import Claim, organizer
from webapp.extensions import db
from webapp.storage.engines import write_engine

pytestmark = pytest.mark.long

WAITING = 100_000
# A counter, the first booking in the index (MySQL looks for it three times) and in the table, and
# what lies beside them.
ROWS_OF_A_QUEUE = 6


@pytest.fixture(scope="module")
def event_id(
    database_url: str, cleaner: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    app: Flask = create_app(make_settings(database_url, tmp_path_factory.mktemp("queues")))
    with app.app_context():
        owner = accounts.create_organizer(username="queues", password="long enough")
        for waiting in (500, WAITING, 500):
            made = make_typed_event(organizer(owner), waiting=waiting)
            if waiting == WAITING:
                event_id = made
        if write_engine().dialect.name != "sqlite":
            with write_engine().begin() as connection:
                connection.exec_driver_sql("ANALYZE TABLE booking, queue")
        yield event_id
    dispose(app)
    empty_tables(cleaner)


def heads_of(event_id: int) -> list[Claim]:
    with write_engine().connect() as connection:
        queues = load_types.queues_of(connection, event_id)
        return sorted(
            (next(iter(claims)) for claims in queues.values()), key=lambda head: head.position
        )


def test_first_of_each_queue_is_found_without_those_behind(event_id: int) -> None:
    with captured() as statements:
        heads = heads_of(event_id)
    assert [head.wants for head in heads] == WANTED
    ((sql, given),) = statements.items()
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()
        found = [step.detail for step in plan if "SEARCH booking" in step.detail]
        assert any("ix_booking_event_id_status_wants_position" in step for step in found), found
        assert not [step.detail for step in plan if "SCAN" in step.detail]
    else:
        empty = -rows_read() + rows_read()
        before = rows_read()
        heads_of(event_id)
        assert rows_read() - before - empty <= ROWS_OF_A_QUEUE * len(WANTED)
