"""What an organizer has put aside of what needs attention, until it gets worse."""

from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from webapp.events.queries import own_event
from webapp.storage.tables import dismissals
from webapp.storage.transaction import execute, read


class Matter(NamedTuple):
    """What a line is about: its kind, and the event; 0 for the whole account."""

    kind: str
    event_id: int


_of = select(dismissals.c.kind, dismissals.c.event_id, dismissals.c.level).where(
    dismissals.c.organizer_id == bindparam("of")
)


def dismissed_by(organizer_id: int) -> dict[Matter, int]:
    """How bad each matter was when an organizer put it aside: `{matter: level}`."""
    rows = read(lambda connection: connection.execute(_of, {"of": organizer_id}).all())
    return {Matter(kind, event_id): level for kind, event_id, level in rows}


def dismiss(matter: Matter, *, level: int, organizer_id: int) -> None:
    """Put a matter aside until it is worse than `level`. Raises `EventNotFound`."""
    if matter.event_id:
        own_event(matter.event_id, organizer_id=organizer_id)
    values = {"organizer_id": organizer_id, **matter._asdict()}
    try:
        execute(insert(dismissals).values(**values, level=level))
    except IntegrityError:
        # It was put aside before, or is at this moment; what is known to be worse stays.
        same = [dismissals.c[name] == value for name, value in values.items()]
        execute(update(dismissals).where(*same, dismissals.c.level < level).values(level=level))
