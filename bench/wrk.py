"""Drives a server with wrk and the scripts in bench/load."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.servers import find_program

SCRIPTS = Path(__file__).resolve().parent / "load"
# What a run may take beyond its own time, until the last answers are in.
PATIENCE_SECONDS = 8


class LoadFailed(Exception):
    """wrk could not do what it was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk saw. Times are in milliseconds.

    `answered` counts answers of any status; of those with 201, `confirmed` and `waiting` tell
    what they said, and `promoted` adds up what cancels said.
    """

    sent: int
    answered: int
    seconds: float
    p50: float
    p90: float
    p99: float
    slowest: float
    statuses: Mapping[str, int] = field(default_factory=dict)
    confirmed: int = 0
    waiting: int = 0
    promoted: int = 0
    bytes: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def expect(self, *statuses: int) -> "Load":
        """This load, if it got answers and no others than these. Raises `LoadFailed`."""
        others = {s: n for s, n in self.statuses.items() if int(s) not in statuses}
        if others or not self.answered:
            raise LoadFailed(f"wanted {statuses} only, got {dict(self.statuses)}")
        return self


def book(
    url: str,
    *,
    events: tuple[int, int],
    first_user: int,
    seconds: float,
    connections: int = 64,
    count: int | None = None,
    types: int | None = None,
) -> Load:
    """Book one ticket with each request, for new users from `first_user` on.

    `events` are the first and last id of the events that are booked in turn; where they have so
    many `types`, these are as well. Every answer is waited for, so the bookings of `confirmed` and
    `waiting` are all there are.
    """
    options = {"events": f"{events[0]}-{events[1]}", "first": first_user, "seconds": seconds}
    if count is not None:
        options["count"] = count
    if types is not None:
        options["types"] = types
    return start(url, "book.lua", connections, seconds, options=options).finish()


def cancel(url: str, *, references: Path, seconds: float, connections: int = 64) -> Load:
    """Cancel the bookings whose references are the lines of a file, each once."""
    options = {"references": references, "seconds": seconds}
    return start(url, "cancel.lua", connections, seconds, options=options).finish()


def scan(
    url: str, *, codes: Path, event_id: int, token: str, seconds: float, connections: int
) -> Load:
    """Show the ticket codes that are the lines of a file, each once, with a door pass."""
    return start(
        f"{url}/api/events/{event_id}/scans",
        "scan.lua",
        connections,
        seconds,
        options={"codes": codes, "event": event_id, "seconds": seconds},
        headers={"Authorization": f"Bearer {token}"},
    ).finish()


def read(
    url: str, *, seconds: int, connections: int = 64, headers: Mapping[str, str] | None = None
) -> Load:
    """Read one address over and over."""
    return start(url, "read.lua", connections, seconds, headers=headers).finish()


@dataclass(frozen=True, slots=True)
class Running:
    """A run of wrk that is under way."""

    process: "subprocess.Popen[str]"

    def finish(self) -> Load:
        """Wait for its end. Raises `LoadFailed`."""
        output, errors = self.process.communicate()
        lines = [line for line in output.splitlines() if line.startswith("{")]
        if self.process.returncode or not lines:
            raise LoadFailed(f"wrk failed: {errors}{output}"[:2000])
        told: dict[str, Any] = json.loads(lines[-1])
        return Load(**told)


def start(
    url: str,
    script: str,
    connections: int,
    seconds: float,
    *,
    options: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Running:
    """Start a run with one thread, which is more than the servers keep up with."""
    patience = PATIENCE_SECONDS if options else 0
    command = [
        find_program("wrk", package="wrk"),
        *("-t1", f"-c{connections}", f"-d{int(seconds) + patience}s", "--timeout", "20s"),
        *("-s", script),
        *(f"-H{name}: {value}" for name, value in (headers or {}).items()),
        url,
        *(f"{name}={value}" for name, value in (options or {}).items()),
    ]
    return Running(
        subprocess.Popen(
            command, cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    )
