"""Whom attendees turn to: the name and the address that an organizer shows to everybody.

Every page of an event shows it, and it hardly ever changes: a process asks once in `KEPT_SECONDS`
for each organizer. Another process learns of a change that late.
"""

import time
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from webapp.errors import EditConflict
from webapp.extensions import PerApp
from webapp.storage.tables import organizers
from webapp.storage.transaction import read, write

KEPT_SECONDS = 10.0
# Accounts are few; whoever has more than this many asks more often.
MOST_KEPT = 1000


class Contact(NamedTuple):
    """Who organizes, as everybody may read it; each part is empty where nothing is set."""

    name: str = ""
    email: str = ""


NOBODY = Contact()
# {organizer id: (when it was read, contact)}
_kept: PerApp[dict[int, tuple[float, Contact]]] = PerApp(dict)
_contacts = select(organizers.c.display_name, organizers.c.contact_email)


def contact_of(organizer_id: int) -> Contact:
    """An organizer's contact as it was at most `KEPT_SECONDS` ago. Raises `Unavailable`."""
    kept, now = _kept.own, time.monotonic()
    read_at, contact = kept.get(organizer_id, (0.0, NOBODY))
    if read_at and now - read_at < KEPT_SECONDS:
        return contact
    contact = read(lambda connection: _read(connection, organizer_id))
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[organizer_id] = now, contact
    return contact


def set_contact(organizer_id: int, contact: Contact, *, seen: Contact | None = None) -> None:
    """Show another contact from now on; what is empty is shown to nobody.

    `seen` is the one that the caller has read: nothing is set if a part that would change is
    another by now. Raises `EditConflict`.
    """
    values = {"display_name": contact.name or None, "contact_email": contact.email or None}

    def work(connection: Connection) -> None:
        now = _read(connection, organizer_id, lock=True)
        changed = {
            part: value
            for part, value in now._asdict().items()
            if seen is not None and value not in (getattr(contact, part), getattr(seen, part))
        }
        if changed:
            raise EditConflict(changed, row=now)
        change = update(organizers).where(organizers.c.id == organizer_id)
        connection.execute(change.values(values))

    write(work)
    _kept.own.pop(organizer_id, None)


def _read(connection: Connection, organizer_id: int, *, lock: bool = False) -> Contact:
    query = _contacts.where(organizers.c.id == organizer_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return Contact(*(value or "" for value in row)) if row else NOBODY


def forget() -> None:
    """Drop what is kept, for every application."""
    _kept.clear()
