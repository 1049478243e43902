"""Lists by pages: whether more rows follow, and the numbers by which a list goes on."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from webapp.storage.rows import EventRow

Row = TypeVar("Row")
Cursor = TypeVar("Cursor")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
read_cursor = re.compile(r"(undated|[0-9]{1,18})-([0-9]{1,18})").fullmatch
is_number = re.compile(r"[0-9]{1,18}").fullmatch


def page_of(
    read: Callable[..., Sequence[Row]], size: int, cursor_of: Callable[[Row], Cursor]
) -> tuple[Sequence[Row], Cursor | None]:
    """At most `size` rows, and the cursor behind the last of them; None if no more follow.

    `read(limit=n)` returns the first n rows. One more than is shown tells whether more follow.
    """
    rows = read(limit=size + 1)
    return rows[:size], cursor_of(rows[size - 1]) if len(rows) > size else None


def number_in(text: str) -> int | None:
    """The position or id that a cursor holds; None where it is none of ours."""
    return int(text) if is_number(text) else None


def place_of(event: EventRow) -> str:
    """Start and id of the last event on a page of a list by date, for an address."""
    if event.starts_at is None:
        return f"undated-{event.id}"
    return f"{(event.starts_at - EPOCH) // MICROSECOND}-{event.id}"


def place_in(text: str) -> tuple[datetime | None, int] | None:
    """What `place_of` wrote, no start where there is no date; None where it is none of ours."""
    match = read_cursor(text)
    if match is None:
        return None
    if match[1] == "undated":
        return None, int(match[2])
    try:
        return EPOCH + int(match[1]) * MICROSECOND, int(match[2])
    except OverflowError:
        return None
