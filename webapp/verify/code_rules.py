"""References and ticket codes that were replaced: none of them is its booking's again.

SQLite has no SHA-256 of its own, so the hashes are held against the codes here.
"""

from sqlalchemy import Connection, and_, select

from webapp.booking.codes import code_hash
from webapp.storage.tables import bookings, old_codes
from webapp.verify.checks import Broken, stream

RULES = {"replaced codes are void": "a code that was replaced is not its booking's again"}


def void_codes(connection: Connection) -> list[Broken]:
    """The rule, if it does not hold."""
    query = select(
        *(old_codes.c[name] for name in ("event_id", "position", "kind", "code_hash")),
        *(bookings.c[name] for name in ("reference", "ticket_code")),
    ).join(
        bookings,
        and_(
            bookings.c.event_id == old_codes.c.event_id,
            bookings.c.position == old_codes.c.position,
        ),
    )
    [(name, says)] = RULES.items()
    broken = Broken(name, says)
    for event, position, kind, old, *current in stream(connection, query):
        if old in map(code_hash, current):
            broken.note({"event": event, "position": position, "kind": kind})
    return [broken] if broken.count else []
