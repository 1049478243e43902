"""What is drawn once for many has a stand-in in place of what is one reader's own."""

import re
import secrets
from typing import Any

# Nobody can have written it.
_mark = secrets.token_hex(16)
# Splits a text into what all share and, at every other place, a name.
by_stand_ins = re.compile(f"{_mark}([a-z_]+);").split
# The same for its lines: at every other place is one that has stand-ins.
by_lines_with_stand_ins = re.compile(f"^(.*{_mark}.*\n?)", re.MULTILINE).split


def stands_for(name: str) -> str:
    """What is drawn in place of a text of one reader alone; it holds nothing of it."""
    return f"{_mark}{name};"


def as_format(text: str) -> str:
    """A text whose stand-ins `%` fills: `of %(name)s`."""
    parts = by_stand_ins(text.replace("%", "%%"))
    parts[1::2] = [f"%({name})s" for name in parts[1::2]]
    return "".join(parts)


class Lasting:
    """What may be shown of a row in something that is kept: a named tuple of no more than that.

    To ask for anything else is a mistake that would show what is no longer so.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise NotKept(f"{type(self).__name__} has no {name}, which may be another for each reader")


class NotKept(Exception):
    """What is kept asks for what changes."""
