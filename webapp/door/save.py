"""Writes what was decided about scans: scans, admissions, counters of bookings, history."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from webapp.booking.change import EventChange
from webapp.booking.commands import ActivityKind
from webapp.booking.save import close_terms
from webapp.door.decide import Decision, Guest, Scan, What
from webapp.storage.tables import admissions, bookings, scans

# A device whose clock is further behind than this says nothing about when somebody came.
LATEST = timedelta(days=2)

_insert_scans, _insert_admissions = insert(scans), insert(admissions)
_let_out = delete(admissions).where(
    admissions.c.event_id == bindparam("of_event"),
    admissions.c.position == bindparam("at_position"),
    admissions.c.number > bindparam("in_then"),
)
_count = (
    update(bookings)
    .where(
        bookings.c.event_id == bindparam("of_event"),
        bookings.c.position == bindparam("at_position"),
    )
    .values(admitted=bindparam("in_now"))
)


@dataclass(slots=True)
class _Moved:
    """A guest of whom so many were in before, and the least that were in since."""

    guest: Guest
    was_in: int
    least: int


@dataclass(slots=True)
class Written:
    """What a batch of scans writes; guests are kept as they are after each scan."""

    change: EventChange
    now: datetime
    _scans: list[dict[str, Any]] = field(default_factory=list)
    _history: list[dict[str, Any]] = field(default_factory=list)
    _admissions: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    _moved: dict[int, _Moved] = field(default_factory=dict)

    def move(self, scan: Scan, guest: Guest, decision: Decision, *, actor: str) -> None:
        """Let people of a guest in or out."""
        if not decision.moved:
            return
        before = guest.admitted
        moved = self._moved.setdefault(guest.position, _Moved(guest, before, before))
        if scan.what is What.IN:
            guest.admitted += decision.moved
            at = self._when(scan)
            for number in range(before + 1, guest.admitted + 1):
                self._admissions[guest.position, number] = {
                    "event_id": self.change.event.id,
                    "position": guest.position,
                    "number": number,
                    "scan_id": scan.id,
                    "at": at,
                }
            if not before:
                guest.first_at, guest.first_by = at, actor
        else:
            guest.admitted -= decision.moved
            moved.least = min(moved.least, guest.admitted)
            for number in range(guest.admitted + 1, before + 1):
                self._admissions.pop((guest.position, number), None)
        self._history.append(
            {
                "what": ActivityKind.ADMITTED if scan.what is What.IN else ActivityKind.LET_OUT,
                "actor": actor,
                "position": guest.position,
                "status_before": guest.status,
                "status_after": guest.status,
                "tickets_before": guest.tickets,
                "tickets_after": guest.tickets,
                "details": {"admitted": [before, guest.admitted]},
            }
        )

    def keep(
        self,
        scan: Scan,
        decision: Decision,
        *,
        position: int | None,
        answer: dict[str, Any],
        actor: str,
    ) -> None:
        """Keep a scan with what it is answered."""
        self._scans.append(
            {
                "event_id": self.change.event.id,
                "id": scan.id,
                "position": position,
                "what": scan.what,
                "verdict": decision.verdict,
                "people": scan.count,
                "moved": decision.moved,
                "twice": decision.twice,
                "actor": actor,
                "at": scan.at,
                "received_at": self.now,
                "offline": scan.offline,
                "anyway": scan.anyway,
                "answer": answer,
            }
        )

    def save(self, connection: Connection) -> None:
        """Write it all but the history and the revision, which the event's change carries."""
        if not self._scans:
            return
        connection.execute(_insert_scans, self._scans)
        self.change.history = self._history
        event_id, moved = self.change.event.id, self._moved.items()
        if out := [
            {"of_event": event_id, "at_position": position, "in_then": one.least}
            for position, one in moved
            if one.least < one.was_in
        ]:
            connection.execute(_let_out, out)
        if self._admissions:
            connection.execute(_insert_admissions, list(self._admissions.values()))
            here = [position for position, _ in moved]
            connection.execute(close_terms, {"of_event": event_id, "positions": here})
        if moved:
            connection.execute(
                _count,
                [
                    {"of_event": event_id, "at_position": position, "in_now": one.guest.admitted}
                    for position, one in moved
                ],
            )

    def _when(self, scan: Scan) -> datetime:
        """When somebody came: an offline scan is told later than it happened."""
        is_late = scan.offline and scan.at is not None and self.now - LATEST < scan.at < self.now
        return scan.at if is_late and scan.at is not None else self.now
