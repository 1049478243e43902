"""The languages that texts are read in: the words of each, its plurals and its writing direction.

English is what the sources say. Every other language is a catalogue of gettext, read at start:
catalogues/<code>.po.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from gettext import c2py
from pathlib import Path

from babel import Locale, dates
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from webapp.config import CATALOGUES

# What CLDR's English, which is American, writes otherwise.
ENGLISH_DATES = {"yMMMMEEEd": "EEE d MMMM y", "yMMMMd": "d MMMM y", "Ed": "EEE d"}
# Up to here a number is written the same everywhere.
UNGROUPED = 1000

# A text, or (context, text) where the context tells apart what English does not.
Key = str | tuple[str, str]
Form = tuple[str, ...]


def english_form(number: int) -> int:
    """Which form of a text is said with a number, where one is the only exception."""
    return int(number != 1)


@dataclass(frozen=True, eq=False)
class Language:
    """A language; `texts` is `{text in English: its forms}`, one form where nothing is counted.

    `plural_form` says which of the forms is said with a number.
    """

    code: str
    texts: Mapping[Key, Form] = field(default_factory=dict)
    plural_form: Callable[[int], int] = english_form

    @cached_property
    def locale(self) -> Locale:
        """What CLDR knows of it."""
        return Locale.parse(self.code, sep="-")

    @cached_property
    def name(self) -> str:
        """What its speakers call it."""
        return self.locale.get_display_name() or self.code

    @cached_property
    def direction(self) -> str:
        """Left to right ("ltr"), or right to left ("rtl")."""
        return self.locale.text_direction

    @cached_property
    def list_separator(self) -> str:
        """What separates values in its spreadsheets."""
        return ";" if self.locale.number_symbols["latn"]["decimal"] == "," else ","

    def forms(self, key: Key, many: str | None = None) -> tuple[Form, Callable[[int], int]]:
        """The forms of a text and what chooses among them; English where it is not translated."""
        translated = self.texts.get(key)
        if translated is not None:
            return translated, self.plural_form
        one = key if isinstance(key, str) else key[1]
        return ((one,) if many is None else (one, many)), english_form

    def gettext(self, message: str, /, **values: object) -> str:
        """A text; %(name)s in it stands for the value of that name."""
        return self.pgettext("", message, **values)

    def pgettext(self, context: str, message: str, /, **values: object) -> str:
        """A text that has other words in another context."""
        [text], _ = self.forms((context, message) if context else message)
        return filled(text, values)

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """A text that depends on a number; %(num)s is the number as the language writes it."""
        forms, plural_form = self.forms(one, many)
        return filled(forms[plural_form(num)], {"num": self.number(num), **values})

    def date(self, skeleton: str, value: date) -> str:
        """A date or time as a skeleton of CLDR names what is shown of it: "yMMMMd", "Hm"."""
        if self is ENGLISH and skeleton in ENGLISH_DATES:
            return dates.format_datetime(value, ENGLISH_DATES[skeleton], locale=self.locale)
        return dates.format_skeleton(skeleton, value, locale=self.locale)

    def dated(self, date: str, time: str) -> str:
        """A date with a time of that day."""
        pattern = str(self.locale.datetime_formats["medium"])
        return pattern.replace("{1}", date).replace("{0}", time)

    def zone(self, local: datetime) -> str:
        """The short name of a time zone such as MESZ, if the language has one; else empty."""
        name = dates.get_timezone_name(local, "short", locale=self.locale)
        return name if name.isalpha() and self is not ENGLISH else ""

    def city(self, zone: str) -> str:
        """The place that a time zone of IANA is named after."""
        known = {} if self is ENGLISH else self.locale.time_zones.get(zone, {})
        return str(known.get("city") or zone.partition("/")[2].replace("_", " "))

    @cached_property
    def separator(self) -> str:
        """What stands between each three digits; empty where numbers are written otherwise."""
        small, large = (format_decimal(each, locale=self.locale) for each in (1234, 1234567))
        mark = large[1:2]
        is_plain = (small, large) == (f"1{mark}234", f"1{mark}234{mark}567")
        return mark if is_plain else ""

    def number(self, number: int) -> str:
        """A whole number with what groups its digits: 1,200."""
        if 0 <= number < UNGROUPED:
            return str(number)
        if number < 0 or not self.separator:
            return format_decimal(number, locale=self.locale)
        # Babel takes twenty times as long, and figures are seldom shown twice.
        return f"{number:,}".replace(",", self.separator)


def filled(text: str, values: Mapping[str, object]) -> str:
    """A text with its values; `Markup` where a value is, and then all else is escaped."""
    has_markup = any(isinstance(value, Markup) for value in values.values())
    return (escape(text) if has_markup else text) % values


def read_language(path: Path) -> Language:
    """The language of a catalogue, whose file has its code for a name: de.po."""
    with path.open("rb") as file:
        catalogue = read_po(file)
    texts: dict[Key, Form] = {}
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (
            (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        )
        if key and all(forms) and not message.fuzzy:
            texts[(message.context, key) if message.context else key] = forms
    rule = catalogue.plural_expr
    return Language(path.stem, texts, english_form if rule == "(n != 1)" else c2py(rule))


ENGLISH = Language("en")

# {code: language}
LANGUAGES = {
    ENGLISH.code: ENGLISH,
    **{path.stem: read_language(path) for path in sorted(CATALOGUES.glob("*.po"))},
}


def language_of(code: str | None, *, default: str) -> Language:
    """The language of a code; that of the code `default` where there is none or it is gone."""
    return LANGUAGES.get(code or default) or LANGUAGES[default]
