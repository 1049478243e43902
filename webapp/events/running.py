"""Which events have been running for long: found seldom, since most that began long ago are over.

No index tells them apart from all that are over, so what was found is remembered for some seconds.
An event that began lately is no business of this module: lists read it by its start.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from webapp.extensions import PerApp
from webapp.storage.tables import events

# One without an end is over by then: a day has 25 hours at most.
LATELY = timedelta(hours=26)
REMEMBERED_SECONDS = 10.0
# What is found has to last as long as it is remembered.
AHEAD = timedelta(minutes=1)


@dataclass(slots=True)
class _Found:
    ids: tuple[int, ...] = ()
    at: float = float("-inf")


_found: PerApp[_Found] = PerApp(_Found)


def long_running(connection: Connection, now: datetime) -> tuple[int, ...]:
    """Ids of published events that began more than `LATELY` ago and may not be over."""
    found = _found.own
    if time.monotonic() - found.at > REMEMBERED_SECONDS:
        query = select(events.c.id).where(
            events.c.status == "published",
            events.c.starts_at < now - LATELY + AHEAD,
            events.c.ends_at > now,
        )
        started = time.monotonic()
        found.ids = tuple(connection.execute(query).scalars())
        found.at = started
    return found.ids


def forget() -> None:
    """Look again: an event was changed in this process, or another database took the place."""
    _found.clear()
