"""Holds what the server answered against what its database has."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text

from bench.wrk import Load
from tests.support.servers import ROOT

VERIFY_SECONDS = 1800


@dataclass(slots=True)
class Told:
    """What the answers said about the bookings of one event, or of a row of events."""

    confirmed: int = 0
    waiting: int = 0
    cancelled: int = 0
    promoted: int = 0
    confirmed_before: int = 0
    waiting_before: int = 0


@dataclass(slots=True)
class Truth:
    """Everything that was answered about the events of one database."""

    database_url: str
    events: dict[tuple[int, int], Told] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def filled(self, event_id: int, *, confirmed: int, waiting: int) -> None:
        """Note what was there before anybody asked."""
        told = self._told((event_id, event_id))
        told.confirmed_before, told.waiting_before = confirmed, waiting

    def booked(self, events: tuple[int, int], load: Load) -> None:
        told = self._told(events)
        told.confirmed += load.confirmed
        told.waiting += load.waiting
        self._look_at(load, "201")

    def cancelled(self, event_id: int, load: Load) -> None:
        told = self._told((event_id, event_id))
        told.cancelled += load.statuses.get("200", 0)
        told.promoted += load.promoted
        self._look_at(load, "200")

    def _told(self, events: tuple[int, int]) -> Told:
        return self.events.setdefault(events, Told())

    def _look_at(self, load: Load, status: str) -> None:
        if load.sent != load.answered:
            self.wrong.append(f"{load.sent - load.answered} requests were never answered")
        for other in load.statuses.keys() - {status}:
            self.wrong.append(f"{load.statuses[other]} answers had status {other}")

    def check(self, environ: Mapping[str, str], folder: Path) -> list[str]:
        """One line for everything that does not agree, and for each rule that is broken."""
        query = text(
            "SELECT status, COUNT(*) FROM booking WHERE event_id BETWEEN :first AND :last"
            " GROUP BY status"
        )
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            for (first, last), told in self.events.items():
                found = connection.execute(query, {"first": first, "last": last})
                rows = {status: count for status, count in found}  # noqa: C416 - rows, not pairs
                # Whoever cancelled here was confirmed before.
                wanted = {
                    "confirmed": told.confirmed_before
                    + told.confirmed
                    + told.promoted
                    - told.cancelled,
                    "waiting": told.waiting_before + told.waiting - told.promoted,
                    "cancelled": told.cancelled,
                }
                for status, count in wanted.items():
                    if rows.get(status, 0) != count:
                        self.wrong.append(
                            f"events {first} to {last}: answers make {count} {status},"
                            f" the database has {rows.get(status, 0)}"
                        )
        engine.dispose()
        return self.wrong + verified(environ, folder)


def verified(environ: Mapping[str, str], folder: Path) -> list[str]:
    """What `flask verify` says is broken."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "verify"],
        cwd=ROOT,
        env={"PATH": os.defpath, "INSTANCE_PATH": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=VERIFY_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return []
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
