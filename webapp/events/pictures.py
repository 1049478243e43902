"""The picture of an event, kept in the database: every process and machine sees the same one."""

from functools import lru_cache, partial
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, literal, select, update

from webapp.booking.commands import Actor
from webapp.booking.type_services import copy_types
from webapp.errors import EventNotFound
from webapp.events.imaging import process_image
from webapp.events.services import EventDetails, change_event, create_event
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.tables import events, pictures
from webapp.storage.transaction import read

Size = Literal["large", "small"]
# What visitors of the hottest events ask for; a process gives at most some 20 MB for it.
REMEMBERED = 64


def set_picture(
    event_id: int, data: bytes, *, description: str, actor: Actor, seen: int | None = None
) -> None:
    """Give an event a picture in place of the one it had, and say in words what it shows.

    `seen` is the revision of the event that the caller has read; see `change_event`.
    Raises `EventNotFound`, `EventClosed` when it is cancelled, `EditConflict`, `InvalidInput` and
    `Unavailable` (picture).
    """
    image = process_image(data, account_id=actor.account_id)

    def keep(connection: Connection) -> None:
        _drop(connection, event_id=event_id)
        values = {"event_id": event_id, "large": image.large, "small": image.small}
        connection.execute(insert(pictures), values)

    columns = {"picture": image.name, "picture_description": description}
    change_event(event_id, "edited", columns, actor=actor, also=keep, seen=seen)


def describe_picture(
    event_id: int, *, description: str, actor: Actor, seen: int | None = None
) -> None:
    """Say otherwise what the picture shows; `seen` is as for `set_picture`.

    Raises `EventNotFound`, `EventClosed`, `EditConflict`.
    """
    columns = {"picture_description": description}
    change_event(event_id, "edited", columns, actor=actor, seen=seen, in_view_of=["picture"])


def remove_picture(event_id: int, *, actor: Actor, seen: int | None = None) -> None:
    """Take the picture away; again is harmless; `seen` is as for `set_picture`.

    Raises `EventNotFound`, `EventClosed`, `EditConflict`.
    """
    columns = {"picture": None, "picture_description": ""}
    drop = partial(_drop, event_id=event_id)
    change_event(event_id, "edited", columns, actor=actor, also=drop, seen=seen)


def create_event_with_picture(
    details: EventDetails,
    *,
    data: bytes = b"",
    description: str = "",
    like: int | None = None,
    actor: Actor,
    published: bool,
    key: IdempotencyKey | None,
) -> int:
    """Make an event with a picture, and return its id.

    It is the one of `data`, or else that of `like`, another event of the organizer's, whose ticket
    types it gets as well.
    Raises `IdempotencyConflict`, `Unavailable`, `InvalidInput` (picture), and what `create_event`
    does.
    """
    image = process_image(data, account_id=actor.account_id) if data else None
    own = (events.c.id == like, events.c.organizer_id == actor.account_id)
    copied = events.c.picture, events.c.picture_description
    query = select(*copied, events.c.types).where(*own).with_for_update()

    def add(connection: Connection, event_id: int) -> None:
        new = update(events).where(events.c.id == event_id)
        found = connection.execute(query).one_or_none() if like is not None else None
        if found is not None and like is not None and found.types:
            copy_types(connection, like, event_id)
        if image is not None:
            connection.execute(new.values(picture=image.name, picture_description=description))
            values = {"event_id": event_id, "large": image.large, "small": image.small}
            connection.execute(insert(pictures), values)
            return
        if found is None or found.picture is None:
            return
        connection.execute(new.values({column: found._mapping[column] for column in copied}))
        columns = [literal(event_id), pictures.c.large, pictures.c.small]
        data_of_like = select(*columns).where(pictures.c.event_id == like)
        connection.execute(
            insert(pictures).from_select(["event_id", "large", "small"], data_of_like)
        )

    return create_event(details, actor=actor, published=published, key=key, also=add)


@lru_cache(maxsize=REMEMBERED)
def picture_data(event_id: int, name: str, size: Size) -> bytes:
    """The picture of an event under its name, which changes with its content.

    Whether the event still shows it, the caller has just read; one that it had a moment ago may be
    remembered. Raises `EventNotFound` when the event has no such picture.
    """
    query = (
        select(pictures.c[size])
        .join(events, events.c.id == pictures.c.event_id)
        .where(events.c.id == event_id, events.c.picture == name)
    )
    data: Any = read(lambda connection: connection.execute(query).scalar_one_or_none())
    if data is None:
        raise EventNotFound
    return bytes(data)


def _drop(connection: Connection, *, event_id: int) -> None:
    connection.execute(delete(pictures).where(pictures.c.event_id == event_id))
