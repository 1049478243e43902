"""The words of mails, drawn from their templates in the language of the reader."""

import re
from collections.abc import Hashable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from webapp.config import current_settings
from webapp.extensions import PerApp
from webapp.text.languages import Language, language_of
from webapp.text.stand_ins import Lasting
from webapp.text.templates import templates_in


class _Booking(NamedTuple):
    tickets: int
    status: str


class ToldBooking(Lasting, _Booking):
    """What words that are kept may say of a booking."""

    __slots__ = ()


class _Event(NamedTuple):
    status: str
    time_zone: str
    starts_at: datetime | None
    cancel_reason: str | None


class ToldEvent(Lasting, _Event):
    """What they may say of its event."""

    __slots__ = ()


def language_for(code: str | None) -> Language:
    """The language of a code, else that of the setting `LANGUAGE`."""
    return language_of(code, default=current_settings().language)


# Of words, and of bodies; each is a few kilobytes.
KEPT = 128

# Title and paragraphs.
Words = tuple[str, tuple[str, ...]]


def words_of(what: str, language: Language, **context: object) -> Words:
    """The words of a kind of mail."""
    title, *paragraphs = paragraphs_of(render(f"{what}.txt", language, **context))
    return title, tuple(paragraphs)


def kept_words_of(what: str, language: Language, **context: Hashable) -> Words:
    """The same for what many are told: `context` has all that may be said, as values."""
    return _kept_words.own(what, language, **context)


_kept_words = PerApp(lambda: lru_cache(maxsize=KEPT)(words_of))


def paragraphs_of(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"\n\s*\n", text.strip().replace("\r\n", "\n")))


def render(template: str, language: Language, **context: object) -> str:
    return templates_in(language).get_template(f"mail/{template}").render(context)
