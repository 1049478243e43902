"""Made-up languages, in which every text is in brackets, accented and 40 % longer.

What stands on a page without brackets cannot be translated. The codes are those of languages whose
letters are not Latin ones, so that dates are not taken for English.
"""

import re
from collections.abc import Iterable
from functools import cache
from html.parser import HTMLParser
from zoneinfo import available_timezones

from webapp.text.extraction import extracted
from webapp.text.languages import Key, Language

LEFT_TO_RIGHT, RIGHT_TO_LEFT = "el", "he"
OPENS, CLOSES = "⟦⟧"
ACCENTS = str.maketrans("aeiouAEIOU", "àéîôüÀÉÎÔÜ")
# What has to stay as it is: values, tags, and characters by name.
split_at_fixed = re.compile(r"(%\(\w+\)s|%%|<[^>]+>|&\w+;)").split

# Elements that hold what people or programs have called something.
DATA = {"bdi", "code", "script", "style", "svg", "textarea", "time"}
DATA_CLASSES = {"brand", "clocks", "code", "link", "moment"}
SHOWN_ATTRIBUTES = {"alt", "aria-label", "data-label", "label", "placeholder", "title"}
# Time zones are called after places.
ZONES = available_timezones()
# Where scripts find files, and what these have to be.
NOT_SHOWN = {"data-cdn", "data-copy", "data-integrity"}
VOID = {"br", "hr", "img", "input", "link", "meta"}


@cache
def made_up(code: str) -> Language:
    """A language with the letters and the direction of `code`, and three forms for numbers."""
    return Language(
        code, all_bracketed(), lambda number: 0 if number == 1 else 1 if number < 5 else 2
    )


@cache
def all_bracketed() -> dict[Key, tuple[str, ...]]:
    """Every text of ours, once a process: to find them takes seconds."""
    texts: dict[Key, tuple[str, ...]] = {}
    for message in extracted():
        one, *many = [message.id] if isinstance(message.id, str) else message.id
        if one:
            forms = (one, *many * 2)
            texts[(message.context, one) if message.context else one] = (*map(bracketed, forms),)
    return texts


def bracketed(text: str) -> str:
    """A text as the made-up languages say it."""
    pieces = split_at_fixed(text)
    said = "".join(p if i % 2 else p.translate(ACCENTS) for i, p in enumerate(pieces))
    letters = sum(map(len, pieces[::2]))
    return f"{OPENS}{said}{'·' * round(0.4 * letters)}{CLOSES}"


class Reader(HTMLParser):
    """Collects what people read of a page, or have read to them, outside of brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.depth = 0
        self.left: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name in SHOWN_ATTRIBUTES & values.keys():
            self._read(values[name], depth=0)
        for name in values.keys() - NOT_SHOWN:
            if tag == "script" and name.startswith("data-"):
                self._read(values[name], depth=0)
        if tag not in VOID:
            has_name = "lang" in values and tag != "html"
            is_data = DATA_CLASSES & set(values.get("class", "").split())
            is_zone = tag == "option" and values.get("value") in ZONES
            self.open.append(tag in DATA or has_name or bool(is_data) or is_zone)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.depth = self._read(data, depth=self.depth)

    def _read(self, text: str, *, depth: int) -> int:
        for piece in re.split(f"([{OPENS}{CLOSES}])", text):
            if piece in (OPENS, CLOSES):
                depth += 1 if piece == OPENS else -1
            elif depth == 0 and re.search("[A-Za-z]", piece):
                self.left.append(piece.strip())
        return depth


def english_left(page: str) -> Iterable[str]:
    """What a page in a made-up language still says in English."""
    reader = Reader()
    reader.feed(page)
    assert reader.depth == 0, "a bracket is missing"
    return reader.left
