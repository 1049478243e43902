"""Lists by pages: whether more rows follow, and the numbers by which a list goes on."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")
Cursor = TypeVar("Cursor")

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
