"""Search as people mean it: words in any order, whatever their case and accents.

No column is kept for it. SQLite is taught to fold by `folded`, a function on each connection;
MySQL and MariaDB have collations for it, and are told of the spellings that those do not know.
"""

# ruff: noqa: RUF001 - letters that look alike are the point
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, and_, case, collate, func, or_
from sqlalchemy import cast as sql_cast

FOLDED = "folded"
COLLATION = "utf8mb4_unicode_520_ci"
# So many words are looked for, at most: each costs a look at all that is searched.
MOST_WORDS = 8

# Accents, the points and marks of Hebrew and Arabic, what joins, stretches or directs letters.
MARKS = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
# Of these the ones that nobody sees; around a word they mean nothing.
UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff"
# {letters that are written in several ways: the one that stands for all}
SPELLINGS = {
    **{"ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe"},
    **{"’": "'", "ي": "ی", "ى": "ی", "ك": "ک", "\u200c": "", "\u200d": ""},
}
# Letters with a stroke, which Unicode does not take apart and collations do.
STROKES = str.maketrans(
    {**SPELLINGS, "ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ð": "d", "þ": "th"}
)


def folded(text: str) -> str:
    """Text without case and accents, for SQLite to search in."""
    if text.isascii():
        return text.lower()
    return MARKS.sub("", unicodedata.normalize("NFKD", text.casefold())).translate(STROKES)


def finds(
    search: str, *, dialect: str, said: Sequence[Any], written: Sequence[Any] = ()
) -> ColumnElement[bool] | None:
    """Whether each word of `search` is part of one of the columns; none where there is no word.

    `said` are in the letters of people. `written` are addresses, kept in small letters and compared
    as they are, which takes half the time.
    """
    words = search.split()[:MOST_WORDS]
    if dialect == "sqlite":
        wanted = [_on_sqlite(word, said, written) for word in map(folded, words) if word]
    else:
        wanted = [_on_mysql(word, said, written) for word in map(_spelled, words) if word]
    return and_(*wanted) if wanted else None


def _on_sqlite(word: str, said: Sequence[Any], written: Sequence[Any]) -> ColumnElement[bool]:
    found = [func.instr(column, word) > 0 for column in written]
    for column in said:
        # To call Python for each row would wait for its interpreter as often.
        more_than_ascii = func.length(column) < func.length(sql_cast(column, LargeBinary))
        plain = case((more_than_ascii, getattr(func, FOLDED)(column)), else_=func.lower(column))
        found.append(func.instr(plain, word) > 0)
    return or_(*found)


def _spelled(word: str) -> str:
    """A word for a collation to compare: in small letters, each of its one spelling."""
    small = word.strip(UNSEEN).lower().replace("i\u0307", "i")
    for letters, spelling in SPELLINGS.items():
        small = small.replace(letters, spelling)
    return unicodedata.normalize("NFC", small)


def _on_mysql(word: str, said: Sequence[Any], written: Sequence[Any]) -> ColumnElement[bool]:
    found = [column.contains(word, autoescape=True) for column in written]
    for column in said:
        text = column
        for letters, spelling in SPELLINGS.items():
            # Only what could make a difference costs a look at every row.
            if spelling in word and not (spelling == "" and word.isascii()):
                text = func.replace(text, letters, spelling)
        found.append(collate(text, COLLATION).contains(word, autoescape=True))
    return or_(*found)
