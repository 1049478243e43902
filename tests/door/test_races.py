"""What stands behind "admitted once": each guard is missed when it is taken out."""

import threading
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, select

from tests.support.door import asked, code_of, device
from tests.support.fixtures import MakeEvent
from tests.support.tools import booking_at, fill, together
from webapp.booking.load import lock_event
from webapp.door import services
from webapp.door.load import find
from webapp.storage.tables import events
from webapp.verify.services import verify

# No more than there are connections to write with.
AT_ONCE = 4


def shown_at_once(app: Flask, event_id: int) -> list[str]:
    """What devices are told who see the same code at the same moment."""
    code, by = code_of(event_id, 1), device(event_id)
    # Each as in a process of its own: within one they are merged.
    calls = [services._Call([asked(code)], by) for _ in range(AT_ONCE)]
    told = together(app, [partial(services._run, event_id, [call]) for call in calls])
    return sorted(map(_named, told))


def _named(told: Any) -> str:
    if isinstance(told, Exception):
        return type(told).__name__
    [[answer]] = told
    return str(answer.verdict.value)


@pytest.mark.race
def test_code_shown_to_several_devices_at_once_admits_once(
    app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event()
    fill(event_id, 1)
    assert shown_at_once(app, event_id) == ["admitted", *["again"] * (AT_ONCE - 1)]
    assert booking_at(event_id, 1).admitted == 1
    assert verify().broken == []


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True, scope="session")
def test_scan_that_locks_after_it_has_looked_is_noticed(
    app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is admitted twice even then: the key sees to that, and the call fails."""
    event_id = make_event()
    fill(event_id, 1)
    looked = threading.Barrier(AT_ONCE)

    def look_only(connection: Connection, event_id: int) -> Any:
        return connection.execute(select(events).where(events.c.id == event_id)).one()

    def find_and_lock(connection: Connection, event: Any, scans: Any) -> Any:
        found = find(connection, event, scans)
        looked.wait(10)
        lock_event(connection, event.id)
        return found

    monkeypatch.setattr(services, "lock_event", look_only)
    monkeypatch.setattr(services, "find", find_and_lock)
    told = shown_at_once(app, event_id)
    assert told == [*["IntegrityError"] * (AT_ONCE - 1), "admitted"]
    monkeypatch.undo()
    assert booking_at(event_id, 1).admitted == 1
    assert verify().broken == []
